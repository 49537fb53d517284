/* SPDX-License-Identifier: MIT */
#include "engine/feature_file.h"

#include <string.h>

#include "base/buf.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/sha256.h"

enum { FORMAT = 1, LAYER_PARTS = 16, OTHER_PARTS = 12 };

/* -- What decides the features ----------------------------------------------------------------- */

/* The input of the digest: a line of text that describes the weights, then the weights. */
struct parts {
    struct sha256_part *v;
    int n;
    struct buf text;
};

static void add_vec(struct parts *p, const struct vec *v)
{
    buf_printf(&p->text, " %d", v->n);
    p->v[p->n++] = (struct sha256_part){v->data, (size_t)v->n * sizeof *v->data};
}

static void add_mat(struct parts *p, const struct mat *m)
{
    buf_printf(&p->text, " %d:%dx%d", (int)m->type, m->n_out, m->n_in);
    p->v[p->n++] = (struct sha256_part){m->data, mat_bytes(m->type, m->n_out, m->n_in)};
}

static void add_layer(struct parts *p, const struct vision_layer_weights *l)
{
    const struct vec *vecs[] = {&l->norm1_w, &l->norm1_b, &l->norm2_w, &l->norm2_b, &l->q_b,
                                &l->k_b,     &l->v_b,     &l->out_b,   &l->fc1_b,   &l->fc2_b};
    const struct mat *mats[] = {&l->q, &l->k, &l->v, &l->out, &l->fc1, &l->fc2};
    for (size_t i = 0; i < sizeof vecs / sizeof *vecs; i++) add_vec(p, vecs[i]);
    for (size_t i = 0; i < sizeof mats / sizeof *mats; i++) add_mat(p, mats[i]);
}

static void add_weights(struct parts *p, const struct model_weights *w)
{
    const struct vec *vecs[] = {&w->glb_gn,     &w->sub_gn,          &w->proj0_b,
                                &w->proj2_b,    &w->class_embedding, &w->position_embedding,
                                &w->pre_norm_w, &w->pre_norm_b};
    const struct mat *mats[] = {&w->proj0, &w->proj2, &w->patch_embedding};
    for (size_t i = 0; i < sizeof vecs / sizeof *vecs; i++) add_vec(p, vecs[i]);
    for (size_t i = 0; i < sizeof mats / sizeof *mats; i++) add_mat(p, mats[i]);
    for (int i = 0; i < w->n_vision_layers; i++) add_layer(p, &w->vision_layers[i]);
}

/* Digests everything but the picture; for the full-size model that is a gigabyte. */
static int digest_tower(const struct phi3v_model *m, struct stop *stop, char ret_hex[65],
                        struct phi3v_error *err)
{
    const struct config *c = &m->config;
    const struct vision_config *v = &c->vision;
    size_t most = 1 + OTHER_PARTS + LAYER_PARTS * (size_t)m->bound.n_vision_layers;
    struct parts p = {.v = mem_array(most, sizeof *p.v), .n = 1};
    if (!p.v) return err_memory(err, "a digest", most * sizeof *p.v);
    buf_printf(&p.text, "%s %s %d %d %d %d %d %d %d %.9g", PHI3V_VERSION,
               cpu_level_name(cpu_level()), (int)m->bound.vision_form, v->hidden, v->intermediate,
               v->n_heads, v->n_run_layers, v->image_size, v->patch_size,
               (double)v->layer_norm_eps);
    for (int i = 0; i < 3; i++)
        buf_printf(&p.text, " %.9g %.9g", (double)c->image_mean[i], (double)c->image_std[i]);
    add_weights(&p, &m->bound);
    int rc = p.text.failed ? err_memory(err, "a digest", p.text.n) : 0;
    p.v[0] = (struct sha256_part){p.text.data, p.text.n};
    if (!rc) rc = sha256_hex(p.v, p.n, stop, ret_hex, err);
    buf_fini(&p.text);
    mem_free(p.v);
    return rc;
}

/* Computes that digest once per model. */
static int tower_digest(struct phi3v_model *m, struct stop *stop, char ret_hex[65],
                        struct phi3v_error *err)
{
    pthread_mutex_lock(&m->digest_lock);
    int rc = *m->tower_sha256 ? 0 : digest_tower(m, stop, m->tower_sha256, err);
    if (rc) *m->tower_sha256 = 0;
    memcpy(ret_hex, m->tower_sha256, sizeof m->tower_sha256);
    pthread_mutex_unlock(&m->digest_lock);
    return rc;
}

int feature_file_key(struct phi3v_model *m, const struct slot *slot, struct stop *stop,
                     char ret_hex[65], struct phi3v_error *err)
{
    if (!m->backend->table->features_data)
        return err_set(err, PHI3V_E_UNSUPPORTED,
                       "pictures' features lie on the device and cannot be stored");
    char tower[65];
    int rc = tower_digest(m, stop, tower, err);
    if (rc) return rc;
    int32_t num_crops = slot->num_crops;
    struct sha256_part parts[] = {{tower, sizeof tower},
                                  {slot->image->info.content_sha256, sizeof tower},
                                  {&num_crops, sizeof num_crops}};
    return sha256_hex(parts, 3, NULL, ret_hex, err);
}

/* -- Bytes ------------------------------------------------------------------------------------- */

/* Stands before the rows, f32 [n_rows][hidden]. All is in the processor's byte order. */
struct head {
    char magic[12]; // MAGIC
    uint32_t format, n_rows, hidden;
    char key[65], data_sha256[65];
    char zeros[2];
};

static const char MAGIC[12] = "phi3v rows\n";

static struct head head_for(const char key[65], int n_rows, int hidden)
{
    struct head h = {.format = FORMAT, .n_rows = (uint32_t)n_rows, .hidden = (uint32_t)hidden};
    memcpy(h.magic, MAGIC, sizeof h.magic);
    memcpy(h.key, key, sizeof h.key);
    return h;
}

static size_t rows_bytes(const struct head *h)
{
    return (size_t)h->n_rows * h->hidden * sizeof(float);
}

static int write_rows(const struct phi3v_model *m, const char key[65], const struct features *f,
                      void **ret_bytes, size_t *ret_n, struct phi3v_error *err)
{
    const struct backend_table *table = m->backend->table;
    struct head h = head_for(key, table->features_rows(f), m->config.hidden);
    const float *data = table->features_data(f);
    size_t n = sizeof h + rows_bytes(&h);
    struct sha256_part rows = {data, rows_bytes(&h)};
    int rc = sha256_hex(&rows, 1, NULL, h.data_sha256, err);
    if (rc) return rc;
    char *bytes = mem_alloc(n);
    if (!bytes) return err_memory(err, "a picture's features", n);
    memcpy(bytes, &h, sizeof h);
    memcpy(bytes + sizeof h, data, rows_bytes(&h));
    *ret_bytes = bytes;
    *ret_n = n;
    return 0;
}

int feature_file_write(struct phi3v_model *m, const struct slot *slot, void **ret_bytes,
                       size_t *ret_n, struct phi3v_error *err)
{
    char key[65];
    int rc = feature_file_key(m, slot, NULL, key, err);
    if (rc) return rc;
    struct feature_entry *e = feature_cache_get(&m->features, slot);
    if (e) {
        rc = write_rows(m, key, feature_entry_features(e), ret_bytes, ret_n, err);
    } else {
        *ret_bytes = NULL;
        *ret_n = 0;
    }
    feature_cache_release(&m->features, e);
    return rc;
}

static int check_bytes(const struct head *want, const char *bytes, size_t n,
                       struct phi3v_error *err)
{
    struct head got;
    char stored_sha256[65], sha256[65];
    if (n >= sizeof got) memcpy(&got, bytes, sizeof got);
    if (n < sizeof got || memcmp(got.magic, want->magic, sizeof got.magic))
        return err_set(err, PHI3V_E_IO, "these %zu bytes are not the features of a picture", n);
    memcpy(stored_sha256, got.data_sha256, sizeof stored_sha256);
    memset(got.data_sha256, 0, sizeof got.data_sha256);
    if (memcmp(&got, want, sizeof got))
        return err_set(err, PHI3V_E_ARGUMENT,
                       "the stored features belong to another picture, model or processor");
    struct sha256_part rows = {bytes + sizeof got, n - sizeof got};
    if (n - sizeof got == rows_bytes(want)) {
        int rc = sha256_hex(&rows, 1, NULL, sha256, err);
        if (rc) return rc;
        if (!memcmp(sha256, stored_sha256, sizeof sha256)) return 0;
    }
    return err_set(err, PHI3V_E_IO, "the stored features are damaged: remove them");
}

int feature_file_read(struct phi3v_model *m, const struct slot *slot, const void *bytes, size_t n,
                      struct phi3v_error *err)
{
    char key[65];
    int rc = feature_file_key(m, slot, NULL, key, err);
    if (rc) return rc;
    struct head want = head_for(key, slot->n_tokens, m->config.hidden);
    if ((rc = check_bytes(&want, bytes, n, err))) return rc;
    struct features *f;
    struct feature_entry *e;
    rc = m->backend->table->features_make(slot->n_tokens, m->config.hidden,
                                          (const char *)bytes + sizeof want, &f, err);
    if (!rc) rc = feature_cache_put(&m->features, slot, f, &e, err);
    if (!rc) feature_cache_release(&m->features, e);
    return rc;
}
