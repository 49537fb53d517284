/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "verbs/tensorfile.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "these writers copy memory as it is: little-endian machines only"
#endif

static size_t count(int n_dims, const int64_t *shape)
{
    size_t n = 1;
    for (int i = 0; i < n_dims; i++) n *= (size_t)shape[i];
    return n;
}

static int finish(FILE *f, const char *path, struct phi3v_error *err)
{
    bool bad = ferror(f);
    if (fclose(f) || bad)
        return refuse(err, PHI3V_E_IO, "cannot write %s: %s", path, strerror(errno));
    return 0;
}

int npy_write(const char *path, int n_dims, const int64_t *shape, const float *data,
              struct phi3v_error *err)
{
    struct text head = {0};
    text_add(&head, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < n_dims; i++)
        text_addf(&head, "%lld%s", (long long)shape[i],
                  n_dims == 1      ? ","
                  : i + 1 < n_dims ? ", "
                                   : "");
    text_add(&head, "), }");
    while ((10 + head.n + 1) % 64 && !head.failed)
        text_add(&head, " "); /* data begins at a multiple of 64 */
    text_add(&head, "\n");
    if (head.failed) {
        text_free(&head);
        return memory_error(err);
    }

    FILE *f = fopen(path, "wbe");
    int rc = 0;
    if (!f) {
        rc = refuse(err, PHI3V_E_IO, "cannot write %s: %s", path, strerror(errno));
    } else {
        unsigned char start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
        start[8] = (unsigned char)(head.n & 0xFF);
        start[9] = (unsigned char)(head.n >> 8);
        fwrite(start, 1, sizeof start, f);
        fwrite(head.s, 1, head.n, f);
        fwrite(data, sizeof(float), count(n_dims, shape), f);
        rc = finish(f, path, err);
    }
    text_free(&head);
    return rc;
}

void tensor_list_add(struct tensor_list *list, const char *name, int n_dims, const int64_t *shape,
                     const float *data)
{
    list->v = xgrow(list->v, list->n + 1, sizeof *list->v);
    struct tensor_item *t = &list->v[list->n++];
    *t = (struct tensor_item){.name = xstrdup(name), .n_dims = n_dims};
    memcpy(t->shape, shape, (size_t)n_dims * sizeof *shape);
    t->n_bytes = count(n_dims, shape) * sizeof(float);
    t->data = xalloc(t->n_bytes);
    memcpy(t->data, data, t->n_bytes);
}

void tensor_list_free(struct tensor_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->v[i].name);
        free(list->v[i].data);
    }
    free(list->v);
    *list = (struct tensor_list){0};
}

static char *safetensors_head(const struct tensor_list *list)
{
    json_t *head = json_object();
    json_int_t at = 0;
    for (size_t i = 0; i < list->n; i++) {
        const struct tensor_item *t = &list->v[i];
        json_t *shape = json_array();
        for (int d = 0; d < t->n_dims; d++) json_array_append_new(shape, json_integer(t->shape[d]));
        json_int_t end = at + (json_int_t)t->n_bytes;
        json_object_set_new(head, t->name,
                            json_pack("{s:s,s:o,s:[I,I]}", "dtype", "F32", "shape", shape,
                                      "data_offsets", at, end));
        at = end;
    }
    char *plain = must(json_line(head));
    json_decref(head);
    struct text padded = {0};
    text_add(&padded, plain);
    free(plain);
    while (padded.n % 8 && !padded.failed) text_add(&padded, " ");
    return xtake(&padded);
}

int tensor_list_write(const char *path, const struct tensor_list *list, struct phi3v_error *err)
{
    FILE *f = fopen(path, "wbe");
    if (!f) return refuse(err, PHI3V_E_IO, "cannot write %s: %s", path, strerror(errno));
    char *head = safetensors_head(list);
    uint64_t n = strlen(head);
    fwrite(&n, 1, sizeof n, f);
    fwrite(head, 1, n, f);
    for (size_t i = 0; i < list->n; i++) fwrite(list->v[i].data, 1, list->v[i].n_bytes, f);
    free(head);
    return finish(f, path, err);
}
