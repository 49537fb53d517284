/* SPDX-License-Identifier: MIT */
#include "prompt_rows.h"

#include "base/err.h"

static int encode_image(const struct fixture *f, struct backend_state *s, const char *image,
                        int num_crops, const struct trace *trace, struct features **ret,
                        struct phi3v_error *err)
{
    char file[300];
    size_t n_bytes;
    snprintf(file, sizeof file, "images/%s", image);
    CLEANUP(mem_free_ptr) char *bytes = golden_bytes(file, &n_bytes);
    if (!bytes) return err_set(err, PHI3V_E_IO, "%s is missing", file);
    struct crops crops;
    int rc = fixture_crops(f, bytes, n_bytes, num_crops, &crops, err);
    if (rc) return rc;
    struct crop_source source = crops_ready(&crops);
    rc = f->backend->table->encode(s, &source, trace, NULL, ret, err);
    mem_free(crops.data);
    return rc;
}

static int push_run(struct prompt_rows *p, struct prompt_row row, int count,
                    struct phi3v_error *err)
{
    struct prompt_row *rows = mem_resize(p->rows, (size_t)(p->n + count), sizeof *rows);
    if (!rows) return err_set(err, PHI3V_E_MEMORY, "no memory for the rows");
    p->rows = rows;
    for (int i = 0; i < count; i++, row.feature_row++) rows[p->n++] = row;
    return 0;
}

static int push_item(struct prompt_rows *p, const json_t *item, struct phi3v_error *err)
{
    if (json_is_integer(item))
        return push_run(p, (struct prompt_row){.id = (int32_t)json_integer_value(item)}, 1, err);
    int image = -(int)json_integer_value(json_array_get(item, 0));
    int count = (int)json_integer_value(json_array_get(item, 1));
    if (image < 1 || image > p->n_features)
        return err_set(err, PHI3V_E_PROMPT, "the case has no picture %d", image);
    return push_run(p, (struct prompt_row){.features = p->features[image - 1]}, count, err);
}

int prompt_rows_make(const struct fixture *f, struct backend_state *s, const json_t *item,
                     const struct trace *trace, struct prompt_rows *p, struct phi3v_error *err)
{
    *p = (struct prompt_rows){0};
    size_t i;
    json_t *e;
    int rc = 0, num_crops = (int)json_integer_value(json_object_get(item, "num_crops"));
    json_array_foreach(json_object_get(item, "images"), i, e)
    {
        if (i >= PROMPT_MAX_IMAGES) return err_set(err, PHI3V_E_PROMPT, "too many pictures");
        rc = encode_image(f, s, json_string_value(e), num_crops, trace, &p->features[i], err);
        p->n_features++;
        if (rc) return rc;
    }
    json_array_foreach(json_object_get(item, "ids_rle"), i, e)
    {
        rc = push_item(p, e, err);
        if (rc) return rc;
    }
    return 0;
}

int prompt_rows_ids(const int32_t *ids, int n, struct prompt_rows *p, struct phi3v_error *err)
{
    *p = (struct prompt_rows){0};
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++)
        rc = push_run(p, (struct prompt_row){.id = ids[i]}, 1, err);
    return rc;
}

void prompt_rows_fini(const struct fixture *f, struct prompt_rows *p)
{
    for (int i = 0; i < p->n_features; i++) f->backend->table->features_free(p->features[i]);
    mem_free(p->rows);
}
