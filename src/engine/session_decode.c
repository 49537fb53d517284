/* SPDX-License-Identifier: MIT */
#include "engine/session_decode.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "engine/session_parts.h"

/* -- One session ------------------------------------------------------------------------------- */

int session_push_rows(struct phi3v_session *s, const int32_t *ids, size_t n, float *logits,
                      struct task *task, struct phi3v_error *err)
{
    struct kv_cache *kv = &s->kv;
    assert(kv->held == kv->seq.n && n <= (size_t)s->piece && session_steps(s, n));
    int rc = session_reserve_rows(kv, n, err);
    if (rc) return rc;
    for (size_t i = 0; i < n; i++) {
        sequence_push(&kv->seq, ids[i]);
        s->rows[i] = (struct prompt_row){.id = ids[i]};
    }
    rc = session_forward(s, s->rows, (int)n, s->all_rows, logits, task, NULL, err);
    if (rc) kv_cache_trim(kv);
    return rc;
}

void session_drop(struct phi3v_session *s, size_t n)
{
    assert(s->kv.held == s->kv.seq.n);
    s->kv.held -= n;
    s->kv.seq.n -= n;
}

/* Appends one token; crossing into the long rope factors recomputes the whole sequence. */
static int push(struct phi3v_session *s, int32_t id, struct task *task, struct phi3v_error *err)
{
    struct kv_cache *kv = &s->kv;
    if (session_steps(s, 1)) return session_push_rows(s, &id, 1, s->logits, task, err);
    assert(kv->held == kv->seq.n);
    sequence_push(&kv->seq, id);
    int rc = session_recompute(s, task, err);
    if (rc) kv_cache_trim(kv);
    return rc;
}

bool session_steps(const struct phi3v_session *s, size_t n)
{
    return model_rope_factors(s->model, s->kv.seq.n + n) == s->kv.rope_factors;
}

/* -- Several sessions -------------------------------------------------------------------------- */

/* Computes one row of each session in one forward pass; logits: [n][n_vocab]. A failure leaves all
 * sessions as they were. */
static int push_batch(struct phi3v_session *const *s, const int32_t *ids, int n, float *logits,
                      const struct pulse *pulse, struct phi3v_error *err)
{
    CLEANUP(mem_free_ptr) struct batch_seq *seqs = mem_array((size_t)n, sizeof *seqs);
    CLEANUP(mem_free_ptr) struct prompt_row *rows = mem_array((size_t)n, sizeof *rows);
    CLEANUP(mem_free_ptr) int *wanted = mem_array((size_t)n, sizeof *wanted);
    if (!seqs || !rows || !wanted) return err_memory(err, "a step", (size_t)n * sizeof *seqs);
    struct batch batch = {.seqs = seqs,
                          .n_seqs = n,
                          .logit_rows = wanted,
                          .n_logit_rows = n,
                          .logits = logits,
                          .pulse = pulse};
    for (int i = 0; i < n; i++) {
        const struct kv_cache *kv = &s[i]->kv;
        wanted[i] = i;
        rows[i] = (struct prompt_row){.id = ids[i]};
        seqs[i] = (struct batch_seq){.rows = &rows[i],
                                     .n_rows = 1,
                                     .first_pos = (int64_t)kv->held,
                                     .blocks = kv->blocks,
                                     .rope_factors = kv->rope_factors};
    }
    int rc = s[0]->model->backend->table->forward(s[0]->state, &batch, err);
    for (int i = 0; i < n && !rc; i++) {
        sequence_push(&s[i]->kv.seq, ids[i]);
        s[i]->kv.held++;
    }
    return rc;
}

bool session_draws_ahead(const struct phi3v_session *s)
{
    return s->model->backend->table->decode && sampler_n_top(s->sampler) == 0 &&
           !sampler_is_constrained(s->sampler);
}

/* How many steps, at most n, the device may take by itself before blocks run out or the rope
 * factors change. */
static size_t decode_ahead_steps(const struct phi3v_session *s, size_t n)
{
    const struct kv_cache *kv = &s->kv;
    size_t rope_switch = (size_t)s->model->info.rope_switch, held = kv->held;
    size_t end = (size_t)kv->n_blocks * KV_BLOCK;
    if (!session_draws_ahead(s)) return 0;
    if (kv->seq.cap < end) end = kv->seq.cap;
    if (rope_switch && kv->rope_factors == ROPE_SHORT_FACTORS && rope_switch < end)
        end = rope_switch;
    size_t room = end > held ? end - held : 0;
    return n < room ? n : room;
}

/* Sessions that the device decodes ahead of the host. Handing out an id means that the row of the
 * id before it is held. */
struct ahead {
    struct phi3v_session *const *s;
    int32_t ids[BACKEND_STEP_SEQS]; // whose rows are being computed
    backend_id_fn on_id;
    void *user;
};

static int on_ahead(void *user, int i, int32_t id)
{
    struct ahead *f = user;
    struct phi3v_session *s = f->s[i];
    sequence_push(&s->kv.seq, f->ids[i]);
    s->kv.held++;
    sampler_saw(s->sampler, f->ids[i]);
    sampler_drew(s->sampler);
    f->ids[i] = id;
    return f->on_id(f->user, i, id);
}

/* Decodes n_steps for each of n sessions, which have room for them. */
static int decode_ahead(struct ahead *f, int n, size_t n_steps, struct phi3v_error *err)
{
    struct decode_seq seqs[BACKEND_STEP_SEQS];
    for (int i = 0; i < n; i++) {
        const struct phi3v_session *s = f->s[i];
        seqs[i] = (struct decode_seq){.id = f->ids[i],
                                      .pos = (int64_t)s->kv.held,
                                      .blocks = s->kv.blocks,
                                      .rope_factors = s->kv.rope_factors,
                                      .draw = sampler_draw(s->sampler),
                                      .seen = sampler_seen(s->sampler)};
    }
    const struct phi3v_session *s = f->s[0];
    return s->model->backend->table->decode(s->state, seqs, n, (int)n_steps, on_ahead, f, err);
}

int session_decode(struct phi3v_session *s, int32_t id, size_t n, backend_id_fn on_id, void *user,
                   struct task *task, struct phi3v_error *err)
{
    assert(s->kv.held == s->kv.seq.n);
    sampler_saw(s->sampler, id);
    n = decode_ahead_steps(s, n);
    if (n == 0) {
        int rc = push(s, id, task, err);
        if (!rc) on_id(user, 0, sampler_pick(s->sampler, s->logits));
        return rc;
    }
    return decode_ahead(&(struct ahead){.s = &s, .ids = {id}, .on_id = on_id, .user = user}, 1, n,
                        err);
}

int session_batch_most(const struct phi3v_session *s)
{
    struct backend *b = s->model->backend;
    return session_draws_ahead(s) ? b->table->step_seqs(b) : INT_MAX;
}

static int batch_ahead(struct phi3v_session *const *s, const int32_t *ids, int n, size_t n_steps,
                       backend_id_fn on_id, void *user, struct phi3v_error *err)
{
    struct ahead f = {.s = s, .on_id = on_id, .user = user};
    for (int i = 0; i < n; i++) n_steps = decode_ahead_steps(s[i], n_steps);
    assert(n_steps > 0 && n <= BACKEND_STEP_SEQS);
    memcpy(f.ids, ids, (size_t)n * sizeof *ids);
    return decode_ahead(&f, n, n_steps, err);
}

int session_decode_batch(struct phi3v_session *const *s, const int32_t *ids, int n, size_t n_steps,
                         float *logits, backend_id_fn on_id, void *user, const struct pulse *pulse,
                         struct phi3v_error *err)
{
    size_t n_vocab = (size_t)s[0]->model->config.n_vocab;
    int rc = 0;
    for (int i = 0; i < n && !rc; i++) {
        assert(s[i]->kv.held == s[i]->kv.seq.n && session_steps(s[i], 1));
        sampler_saw(s[i]->sampler, ids[i]);
        rc = session_reserve_rows(&s[i]->kv, 1, err);
    }
    if (rc) return rc;
    if (session_draws_ahead(s[0])) return batch_ahead(s, ids, n, n_steps, on_id, user, err);
    rc = push_batch(s, ids, n, logits, pulse, err);
    for (int i = 0; i < n && !rc; i++)
        on_id(user, i, sampler_pick(s[i]->sampler, logits + (size_t)i * n_vocab));
    return rc;
}
