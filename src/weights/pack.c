/* SPDX-License-Identifier: MIT
 * Converts stored matrices to the form for multiplying: packed 8 or 4 bits, or bf16, on all
 * threads. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pool.h"
#include "weights/tensor_table.h"

struct packer {
    struct model_weights *mw;
    const struct kernels *kernels;
    struct pool *pool;
    enum weights_form form, vision_form;
    const struct pulse *pulse;
    struct phi3v_error *err;
    size_t room;         // bytes of all new matrices
    char *next;          // the place of the next one
    int most_in;         // inputs of the widest matrix
    float *rows;         // [n_threads][PACK_OUTS][most_in]
    int64_t done, total; // stored bytes
};

static size_t stored_bytes(const struct mat *m) { return mat_bytes(m->type, m->n_out, m->n_in); }

static enum weight_type wanted_type(const struct packer *p, const struct table_entry *entry)
{
    if (!entry->mat) return WEIGHT_F32;
    return table_entry_type(entry, table_entry_is_vision(entry) ? p->vision_form : p->form,
                            entry->mat->type);
}

/* Weights stored as bf16 are used in place. */
static bool stays(const struct mat *m, enum weight_type wanted)
{
    return wanted == m->type || (wanted == WEIGHT_BF16_PAIRS && m->type == WEIGHT_BF16);
}

static size_t new_bytes(const struct mat *m, enum weight_type wanted)
{
    return stays(m, wanted) ? 0 : (mat_bytes(wanted, m->n_out, m->n_in) + 63) & ~(size_t)63;
}

static void count_mat(struct packer *p, const struct mat *m, enum weight_type wanted)
{
    p->room += new_bytes(m, wanted);
    p->total += (int64_t)stored_bytes(m);
    p->mw->bytes += mat_bytes(wanted, m->n_out, m->n_in);
    p->mw->bytes -= stored_bytes(m);
    if (!stays(m, wanted)) p->mw->mapped_bytes -= stored_bytes(m);
    if (m->n_in > p->most_in) p->most_in = m->n_in;
}

static int count_entry(void *arg, const struct table_entry *entry)
{
    struct packer *p = arg;
    if (entry->mat) count_mat(p, entry->mat, wanted_type(p, entry));
    return 0;
}

/* -- One matrix ------------------------------------------------------------------------------- */

struct job {
    const struct packer *p;
    struct mat from, to;
};

/* Rows [row, row + n) of the stored matrix as f32. */
static const float *widened(const struct job *j, int row, int n, int thread)
{
    const struct packer *p = j->p;
    size_t n_in = (size_t)j->from.n_in;
    float *rows = p->rows + (size_t)thread * PACK_OUTS * (size_t)p->most_in;
    const char *from = (const char *)j->from.data + mat_bytes(j->from.type, row, j->from.n_in);
    p->kernels->widen(rows, from, j->from.type, (int64_t)((size_t)n * n_in));
    return rows;
}

static void narrow(uint16_t *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = bf16_bits(from[i]);
}

/* Strips [begin, end) of PACK_OUTS rows. */
static void pack_strips(void *arg, int64_t begin, int64_t end, int thread)
{
    const struct job *j = arg;
    int n_in = j->from.n_in;
    for (int64_t strip = begin; strip < end; strip++) {
        int row = (int)strip * PACK_OUTS;
        int n = j->from.n_out - row < PACK_OUTS ? j->from.n_out - row : PACK_OUTS;
        const float *rows = widened(j, row, n, thread);
        char *to = (char *)j->to.data;
        if (j->to.type == WEIGHT_BF16_PAIRS)
            narrow((uint16_t *)(void *)(to + mat_bytes(j->to.type, row, n_in)), rows,
                   (size_t)n * (size_t)n_in);
        else
            j->p->kernels->pack(to + pack_strip_bytes(j->to.type, n_in) * (size_t)strip, j->to.type,
                                rows, n, n_in);
    }
}

/* Tells the system that the stored bytes are no longer needed. */
static void release(const struct mat *m)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)m->data + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)m->data + stored_bytes(m)) & ~(page - 1);
    if (end > begin) madvise((void *)begin, end - begin, MADV_DONTNEED);
}

static int pack_mat(struct packer *p, struct mat *m, enum weight_type wanted)
{
    struct job job = {.p = p, .from = *m, .to = *m};
    job.to.type = wanted;
    if (!stays(m, wanted)) {
        job.to.data = p->next;
        p->next += new_bytes(m, wanted);
        pool_run(p->pool, (m->n_out + PACK_OUTS - 1) / PACK_OUTS, 4, pack_strips, &job);
        release(m);
    }
    p->done += (int64_t)stored_bytes(m);
    *m = job.to;
    if (p->pulse && p->pulse->fn(p->pulse->user, p->done, p->total))
        return err_set(p->err, PHI3V_E_CANCELLED, "loading was cancelled");
    return 0;
}

static int pack_entry(void *arg, const struct table_entry *entry)
{
    struct packer *p = arg;
    return entry->mat ? pack_mat(p, entry->mat, wanted_type(p, entry)) : 0;
}

/* -- All -------------------------------------------------------------------------------------- */

enum weights_form vision_form_for(enum weights_form form)
{
    return form == FORM_Q4 ? FORM_Q8 : form;
}

int model_weights_pack(struct model_weights *mw, const struct config *c, enum weights_form form,
                       enum weights_form vision_form, struct pool *pool, const struct pulse *pulse,
                       struct phi3v_error *err)
{
    if (form == FORM_F32 && vision_form == FORM_F32) return 0;
    struct packer p = {.mw = mw,
                       .kernels = kernels_best(),
                       .pool = pool,
                       .form = form,
                       .vision_form = vision_form,
                       .pulse = pulse,
                       .err = err};
    struct weights_owned *owned = mw->owned;
    struct table_entry head_entry;
    table_entry_head(&head_entry, mw);
    enum weight_type head = table_entry_type(&head_entry, form, mw->lm_head.type);
    tensor_table_walk(c, mw, count_entry, &p);
    if (c->tie_embeddings) {
        p.room += new_bytes(&mw->lm_head, head);
        mw->bytes += new_bytes(&mw->lm_head, head);
    }
    size_t n_rows = (size_t)pool_threads(pool) * PACK_OUTS * (size_t)p.most_in;
    p.rows = mem_array(n_rows, sizeof *p.rows);
    if (p.room > 0) owned->pages = p.next = weights_pages(p.room);
    if (owned->pages) owned->pages_bytes = p.room;
    int code = 0;
    if (!p.rows || (p.room > 0 && !owned->pages))
        code = err_memory(err, "converted weights", p.room);
    if (!code) code = tensor_table_walk(c, mw, pack_entry, &p);
    if (!code && c->tie_embeddings) code = pack_mat(&p, &mw->lm_head, head);
    mem_free(p.rows);
    mw->form = form;
    mw->vision_form = vision_form;
    return code;
}
