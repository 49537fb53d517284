/* SPDX-License-Identifier: MIT */
#include "weights/pack_file.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "weights/tensor_table.h"

static const char version[] = "2";

int pack_file_form(const struct weights *w, enum weights_form *ret_form, struct phi3v_error *err)
{
    const char *is = weights_metadata(w, "phiscope_packed");
    const char *form = weights_metadata(w, "phiscope_form");
    if (!is) {
        *ret_form = FORM_F32;
        return 0;
    }
    if (strcmp(is, version) != 0)
        return err_set(err, PHI3V_E_UNSUPPORTED,
                       "the weights are packed in layout \"%.20s\", this build reads \"%s\": make "
                       "them again with phiscope quantize",
                       is, version);
    bool q4 = form && !strcmp(form, "q4");
    if (!q4 && !(form && !strcmp(form, "q8")))
        return err_set(err, PHI3V_E_MODEL,
                       "the packed weights say that their form is \"%.20s\"; q8 and q4 exist",
                       form ? form : "");
    *ret_form = q4 ? FORM_Q4 : FORM_Q8;
    return 0;
}

/* -- Writing ---------------------------------------------------------------------------------- */

struct list {
    const struct weights *source;
    const struct config *c;
    struct tensor *tensors;
    char (*names)[sizeof((struct table_entry *)0)->name];
    size_t n;
    bool packed; // which of the entries this walk takes
};

/* Packed matrices come first, so that they begin at multiples of 64 bytes. */
static int list_entry(void *arg, const struct table_entry *entry)
{
    struct list *l = arg;
    const struct mat *m = entry->mat;
    size_t strip = m ? pack_strip_bytes(m->type, m->n_in) : 0;
    if ((strip > 0) != l->packed) return 0;
    if (!l->tensors) {
        l->n++;
        return 0;
    }
    struct tensor *t = &l->tensors[l->n];
    memcpy(l->names[l->n], entry->name, sizeof l->names[l->n]);
    if (strip > 0) {
        size_t n_bytes = mat_bytes(m->type, m->n_out, m->n_in);
        *t = (struct tensor){.name = l->names[l->n],
                             .dtype = DTYPE_U8,
                             .n_dims = 2,
                             .shape = {(int64_t)(n_bytes / strip), (int64_t)strip},
                             .data = m->data,
                             .n_bytes = n_bytes};
    } else {
        *t = *model_weights_tensor(l->source, l->c, entry->name); // it was bound, so it exists
        t->name = l->names[l->n];
    }
    l->n++;
    return 0;
}

static void list_all(struct list *l, struct model_weights *mw, const struct config *c)
{
    struct table_entry head;
    table_entry_head(&head, mw);
    for (int packed = 1; packed >= 0; packed--) {
        l->packed = packed;
        tensor_table_walk(c, mw, list_entry, l);
        if (c->tie_embeddings && packed) list_entry(l, &head);
    }
}

static int source_digest(const struct weights *w, char ret_hex[65], struct phi3v_error *err)
{
    size_t n = weights_count(w);
    struct sha256_part *parts = mem_array(2 * n, sizeof *parts);
    if (!parts) return err_memory(err, "a digest", 2 * n * sizeof *parts);
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = weights_at(w, i);
        parts[2 * i] = (struct sha256_part){t->name, strlen(t->name) + 1};
        parts[2 * i + 1] = (struct sha256_part){t->data, t->n_bytes};
    }
    int rc = sha256_hex(parts, (int)(2 * n), NULL, ret_hex, err);
    mem_free(parts);
    return rc;
}

int pack_file_write(const struct model_weights *mw, const struct config *c,
                    const struct weights *source, const char *dir, struct phi3v_error *err)
{
    if (mw->form != FORM_Q8 && mw->form != FORM_Q4)
        return err_set(err, PHI3V_E_ARGUMENT, "only models opened as q8 or q4 can be written");
    if (mw->vision_form != vision_form_for(mw->form))
        return err_set(err, PHI3V_E_ARGUMENT,
                       "a packed file has no place for a vision dtype of its own: leave it auto");
    if (weights_metadata(source, "phiscope_packed"))
        return err_set(err, PHI3V_E_ARGUMENT,
                       "these weights are packed already: pack the folder they were made from");
    struct model_weights walked = *mw; // tensor_table_walk hands out writable fields
    struct list l = {.source = source, .c = c};
    char digest[65];
    list_all(&l, &walked, c);
    size_t n = l.n;
    l.n = 0;
    l.tensors = mem_array(n, sizeof *l.tensors);
    l.names = mem_array(n, sizeof *l.names);
    CLEANUP(mem_free_ptr) char *path = path_join(dir, "model.safetensors");
    int code = 0;
    if (!l.tensors || !l.names || !path)
        code = err_memory(err, "the list of tensors", n * sizeof *l.tensors);
    if (!code) code = source_digest(source, digest, err);
    if (!code) {
        const char *metadata[] = {"format",
                                  "pt",
                                  "phiscope_packed",
                                  version,
                                  "phiscope_form",
                                  mw->form == FORM_Q4 ? "q4" : "q8",
                                  "source_sha256",
                                  digest,
                                  NULL};
        list_all(&l, &walked, c);
        code = safetensors_write(path, l.tensors, l.n, metadata, err);
    }
    mem_free(l.tensors);
    mem_free(l.names);
    return code;
}
