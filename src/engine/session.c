/* SPDX-License-Identifier: MIT */
#include "engine/session.h"

#include "base/mem.h"
#include "engine/session_parts.h"

enum { TOKENS_AHEAD = 1024 }; /* room reserved for an answer at first; most need no more */

int session_new(struct phi3v_model *m, struct phi3v_session **ret, struct phi3v_error *err)
{
    struct phi3v_session *s = mem_zalloc(sizeof *s);
    if (!s) return err_memory(err, "a session", sizeof *s);
    s->model = m;
    atomic_init(&s->task_state, TASK_IDLE);
    kv_cache_init(&s->kv, &m->kv);
    size_t n_vocab = (size_t)m->config.n_vocab;
    s->logits = mem_array(n_vocab, sizeof *s->logits);
    s->piece = m->backend->table->piece_rows(m->backend);
    s->rows = mem_array((size_t)s->piece, sizeof *s->rows);
    s->all_rows = mem_array((size_t)s->piece, sizeof *s->all_rows);
    for (int i = 0; s->all_rows && i < s->piece; i++) s->all_rows[i] = i;
    int rc = s->logits && s->rows && s->all_rows
                 ? 0
                 : err_memory(err, "a session", n_vocab * sizeof *s->logits);
    if (!rc) rc = sampler_new(m->config.n_vocab, &s->sampler, err);
    if (!rc) rc = m->backend->table->state_new(m->backend, &s->state, err);
    if (rc) {
        session_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void session_free(struct phi3v_session *s)
{
    if (!s) return;
    kv_cache_fini(&s->kv);
    if (s->state) s->model->backend->table->state_free(s->state);
    sampler_free(s->sampler);
    mem_free(s->logits);
    mem_free(s->rows);
    mem_free(s->all_rows);
    mem_free(s);
}

int session_fork(struct phi3v_session *from, struct phi3v_session **ret, struct phi3v_error *err)
{
    struct phi3v_session *s;
    int rc = session_new(from->model, &s, err);
    if (rc) return rc;
    rc = kv_cache_fork(&s->kv, &from->kv, err);
    if (rc)
        session_free(s);
    else
        *ret = s;
    return rc;
}

void session_clear(struct phi3v_session *s) { kv_cache_clear(&s->kv); }

void session_settle(struct phi3v_session *s)
{
    kv_cache_trim(&s->kv);
    kv_cache_publish(&s->kv);
}

/* -- Computing --------------------------------------------------------------------------------- */

void session_fill_rows(const struct phi3v_session *s, struct prompt_row *rows, size_t from,
                       size_t n, const struct in_use *u)
{
    const struct sequence *seq = &s->kv.seq;
    for (size_t i = 0; i < n; i++) {
        int32_t id = seq->ids[from + i];
        const struct features *f = id < 0 ? feature_entry_features(u->entries[-id - 1]) : NULL;
        rows[i] = (struct prompt_row){.id = id, .feature_row = seq->rows[from + i], .features = f};
    }
}

int session_forward(struct phi3v_session *s, const struct prompt_row *rows, int n,
                    const int *all_rows, float *logits, struct task *task,
                    const struct trace *trace, struct phi3v_error *err)
{
    int last = n - 1;
    struct batch_seq seq = {.rows = rows,
                            .n_rows = n,
                            .first_pos = (int64_t)s->kv.held,
                            .blocks = s->kv.blocks,
                            .rope_factors = s->kv.rope_factors};
    struct batch batch = {.seqs = &seq,
                          .n_seqs = 1,
                          .logit_rows = all_rows ? all_rows : &last,
                          .n_logit_rows = all_rows ? n
                                          : logits ? 1
                                                   : 0,
                          .logits = logits,
                          .trace = trace,
                          .pulse = &task->pulse};
    int rc = s->model->backend->table->forward(s->state, &batch, err);
    if (!rc) s->kv.held += (size_t)n;
    return rc;
}

/* Computes at most max_pieces pieces after what is held; all_logits is [seq.n][n_vocab] or NULL. */
static int compute_pieces(struct phi3v_session *s, const struct in_use *u, float *all_logits,
                          size_t max_pieces, struct task *task, struct phi3v_error *err)
{
    struct kv_cache *kv = &s->kv;
    int rc = 0;
    size_t piece = (size_t)s->piece;
    task_stage(task, PHI3V_STAGE_PREFILL, (int64_t)(kv->seq.n - kv->held));
    for (size_t i = 0; i < max_pieces && kv->held < kv->seq.n && !rc; i++) {
        size_t left = kv->seq.n - kv->held, n = left < piece ? left : piece;
        session_fill_rows(s, s->rows, kv->held, n, u);
        float *logits = n == left ? s->logits : NULL;
        if (all_logits) logits = all_logits + kv->held * (size_t)s->model->config.n_vocab;
        task_share(task, (int64_t)n);
        rc = task_stopped(task)
                 ? task_cancelled(err)
                 : session_forward(s, s->rows, (int)n, all_logits ? s->all_rows : NULL, logits,
                                   task, NULL, err);
        if (!rc) {
            task->timing.prefill_tokens += (int64_t)n;
            task_done(task);
        }
    }
    task->timing.prefill_s += task_stage_s(task);
    return rc;
}

int session_check_prompt(const struct phi3v_session *s, const struct phi3v_prompt *prompt,
                         size_t extra, struct phi3v_error *err)
{
    if (prompt->model != s->model)
        return err_set(err, PHI3V_E_ARGUMENT, "the prompt was made for another model");
    int rc = s->model->weights ? weights_check(s->model->weights, err) : 0;
    if (rc) return rc;
    int64_t n = (int64_t)prompt->seq.n, ctx = s->model->info.ctx, room = extra > 0;
    if (n + room <= ctx) return 0;
    return err_set(err, PHI3V_E_TOO_LONG,
                   "the prompt has %lld tokens, %lld more than fit the context of %lld%s",
                   (long long)n, (long long)(n + room - ctx), (long long)ctx,
                   room ? " (one is left for the answer)" : "");
}

size_t session_common(const struct phi3v_session *s, const struct phi3v_prompt *prompt)
{
    const struct sequence *seq = &prompt->seq; // the logits after its last position are needed
    return kv_cache_reusable(&s->kv, seq, seq->n - 1, model_rope_factors(s->model, seq->n));
}

/* Reserves blocks for the tokens to come, so that a step does not allocate. */
static int reserve_ahead(struct kv_cache *kv, size_t extra, struct phi3v_error *err)
{
    return kv_cache_reserve(kv, kv->seq.n + (extra < TOKENS_AHEAD ? extra : TOKENS_AHEAD), err);
}

int session_reserve_rows(struct kv_cache *kv, size_t n, struct phi3v_error *err)
{
    if (kv->seq.n + n <= (size_t)kv->n_blocks * KV_BLOCK) return 0;
    return reserve_ahead(kv, kv->seq.cap - kv->seq.n, err);
}

int session_adopt(struct phi3v_session *s, const struct sequence *prompt, size_t extra,
                  struct kv_cache_start *start, struct phi3v_error *err)
{
    struct sequence seq;
    int rc = sequence_copy(prompt, extra, &seq, err);
    if (!rc) kv_cache_adopt(&s->kv, &seq, start, model_rope_factors(s->model, prompt->n));
    return rc;
}

/* Finds what can be reused of the first n positions, encodes pictures, and makes the prompt the
 * session's sequence. */
static int load_begin(struct phi3v_session *s, const struct phi3v_prompt *prompt, size_t n,
                      size_t extra, struct task *task, struct in_use *u, struct phi3v_error *err)
{
    struct kv_cache_start start;
    int rc = session_check_prompt(s, prompt, extra, err);
    if (!rc)
        rc = kv_cache_start(&s->kv, &prompt->seq, n, model_rope_factors(s->model, prompt->seq.n),
                            &start, err);
    if (rc) return rc;
    task->timing.cached_tokens = (int64_t)start.n;
    rc = in_use_take(u, s, &prompt->seq, start.n, task, err);
    if (!rc) rc = session_adopt(s, &prompt->seq, extra, &start, err);
    if (rc) kv_cache_start_fini(&s->kv, &start);
    if (!rc && (rc = kv_cache_reserve(&s->kv, s->kv.seq.n, err))) kv_cache_trim(&s->kv);
    if (rc) in_use_fini(u);
    return rc;
}

/* Called after the last piece, or after one that failed. */
static int load_end(struct phi3v_session *s, size_t extra, int rc, struct in_use *u,
                    struct phi3v_error *err)
{
    kv_cache_publish(&s->kv); // for whoever asks next, perhaps during this answer
    if (!rc) rc = reserve_ahead(&s->kv, extra, err);
    if (rc) kv_cache_trim(&s->kv);
    in_use_fini(u);
    return rc;
}

int session_load(struct phi3v_session *s, const struct phi3v_prompt *prompt, size_t extra,
                 float *all_logits, struct task *task, struct phi3v_error *err)
{
    struct in_use u = {0};
    size_t n = all_logits ? 0 : prompt->seq.n - 1; // the last one's logits are needed
    int rc = load_begin(s, prompt, n, extra, task, &u, err);
    if (rc) return rc;
    rc = compute_pieces(s, &u, all_logits, SIZE_MAX, task, err);
    return load_end(s, extra, rc, &u, err);
}

int session_load_begin(struct phi3v_session *s, const struct phi3v_prompt *prompt, size_t extra,
                       struct task *task, struct loading *l, struct phi3v_error *err)
{
    *l = (struct loading){.extra = extra};
    return load_begin(s, prompt, prompt->seq.n - 1, extra, task, &l->in_use, err);
}

int session_load_piece(struct phi3v_session *s, struct loading *l, bool *ret_done,
                       struct task *task, struct phi3v_error *err)
{
    int rc = compute_pieces(s, &l->in_use, NULL, 1, task, err);
    *ret_done = rc || s->kv.held == s->kv.seq.n;
    return *ret_done ? load_end(s, l->extra, rc, &l->in_use, err) : 0;
}

void session_load_stop(struct phi3v_session *s, struct loading *l)
{
    load_end(s, l->extra, PHI3V_E_CANCELLED, &l->in_use, NULL);
}

int session_recompute(struct phi3v_session *s, struct task *task, struct phi3v_error *err)
{
    struct kv_cache *kv = &s->kv;
    struct in_use u;
    struct kv_cache_start start;
    struct task outer = *task;
    enum rope_factors rope_factors = model_rope_factors(s->model, kv->seq.n);
    int rc = kv_cache_start(kv, &kv->seq, kv->seq.n - 1, rope_factors, &start, err);
    if (rc) return rc;
    rc = in_use_take(&u, s, &kv->seq, start.n, task, err);
    if (rc) {
        kv_cache_start_fini(kv, &start);
    } else {
        kv_cache_adopt(kv, NULL, &start, rope_factors);
        rc = kv_cache_reserve(kv, kv->seq.n, err);
        if (!rc) rc = compute_pieces(s, &u, NULL, SIZE_MAX, task, err);
        in_use_fini(&u);
    }
    task->stage = outer.stage;
    task->stage_start_s = outer.stage_start_s;
    task->total = outer.total;
    return rc;
}
