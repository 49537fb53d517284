/* SPDX-License-Identifier: MIT */
#include "engine/session.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "image/image.h"

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

/* -- Pictures ---------------------------------------------------------------------------------- */

static void in_use_fini(struct in_use *u)
{
    for (int i = 0; i < u->n; i++) feature_cache_release(u->cache, u->entries[i]);
    mem_free(u->entries);
    *u = (struct in_use){0};
}

/* What every backend may rely on: the global view and a grid of crops, all of the model's size. */
static bool crops_fit(const struct config *c, const struct crop_source *crops)
{
    const struct crop_plan *p = &crops->plan;
    return p->crop_side == c->vision.image_size && p->rows >= 0 && p->cols >= 0 &&
           crops->n == 1 + p->rows * p->cols;
}

static int encode_crops(struct phi3v_session *s, const struct crop_source *crops, struct task *task,
                        const struct trace *trace, struct features **f, struct phi3v_error *err)
{
    assert(crops_fit(&s->model->config, crops));
    return s->model->backend->table->encode(s->state, crops, trace, &task->pulse, f, err);
}

/* Continues the unfinished features of a call that was stopped, and leaves its own when stopped. */
static int encode(struct phi3v_session *s, const struct slot *slot, struct task *task,
                  const struct trace *trace, struct features **ret, struct phi3v_error *err)
{
    const struct backend_table *table = s->model->backend->table;
    struct feature_cache *cache = &s->model->features;
    struct crop_source crops;
    int rc = slot_crops_begin(&s->model->config, slot, &crops, err);
    if (rc) return rc;
    struct features *f = trace ? NULL : feature_cache_take_unfinished(cache, slot);
    int n_done = f ? table->features_done(f) : 0;
    task_share(task, crops.n);
    rc = encode_crops(s, &crops, task, trace, &f, err);
    if (!rc) task->timing.vision_crops += crops.n - n_done;
    crops_end(&crops);
    if (!rc) {
        *ret = f;
        task_done(task);
    } else if (f) {
        feature_cache_put_unfinished(cache, slot, f);
    }
    return rc;
}

/* Two slots of a prompt may hold the same picture; the second then finds the first one's
 * features. */
static int encode_missing(struct phi3v_session *s, const struct slot *slots, const bool *missing,
                          struct in_use *u, struct task *task, struct phi3v_error *err)
{
    for (int i = 0; i < u->n; i++) {
        if (!missing[i] || (u->entries[i] = feature_cache_get(u->cache, &slots[i]))) continue;
        if (task_stopped(task)) return task_cancelled(err);
        struct features *features;
        int rc = encode(s, &slots[i], task, NULL, &features, err);
        if (!rc) rc = feature_cache_put(u->cache, &slots[i], features, &u->entries[i], err);
        if (rc) return rc;
    }
    return 0;
}

/* Takes into use the features of all pictures with rows at or after `from`, encoding those that are
 * not cached. */
static int pictures_use(struct phi3v_session *s, const struct sequence *seq, size_t from,
                        struct task *task, struct in_use *u, struct phi3v_error *err)
{
    *u = (struct in_use){.cache = &s->model->features};
    if (seq->n_slots == 0) return 0;
    size_t n = (size_t)seq->n_slots;
    CLEANUP(mem_free_ptr) bool *missing = mem_zarray(n, sizeof *missing);
    u->entries = mem_zarray(n, sizeof *u->entries);
    if (!missing || !u->entries) {
        in_use_fini(u);
        return err_memory(err, "pictures", n * sizeof *u->entries);
    }
    u->n = seq->n_slots;
    for (size_t i = from; i < seq->n; i++)
        if (seq->ids[i] < 0) missing[-seq->ids[i] - 1] = true;
    int64_t n_crops = 0;
    for (int i = 0; i < u->n; i++) {
        if (!missing[i] || (u->entries[i] = feature_cache_get(u->cache, &seq->slots[i])))
            missing[i] = false;
        else
            n_crops += 1 + seq->slots[i].plan.rows * seq->slots[i].plan.cols;
    }
    if (n_crops == 0) return 0;
    task_stage(task, PHI3V_STAGE_VISION, n_crops);
    int rc = encode_missing(s, seq->slots, missing, u, task, err);
    task->timing.vision_s += task_stage_s(task);
    if (rc) in_use_fini(u);
    return rc;
}

/* -- Computing --------------------------------------------------------------------------------- */

static void fill_rows(struct phi3v_session *s, struct prompt_row *rows, size_t from, size_t n,
                      const struct in_use *u)
{
    const struct sequence *seq = &s->kv.seq;
    for (size_t i = 0; i < n; i++) {
        int32_t id = seq->ids[from + i];
        const struct features *f = id < 0 ? feature_entry_features(u->entries[-id - 1]) : NULL;
        rows[i] = (struct prompt_row){.id = id, .feature_row = seq->rows[from + i], .features = f};
    }
}

/* Computes the rows held … held+n-1. The logits of the last one, or of all that all_rows lists, go
 * to `logits` (NULL: none). */
static int forward(struct phi3v_session *s, const struct prompt_row *rows, int n,
                   const int *all_rows, float *logits, struct task *task, const struct trace *trace,
                   struct phi3v_error *err)
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
        fill_rows(s, s->rows, kv->held, n, u);
        float *logits = n == left ? s->logits : NULL;
        if (all_logits) logits = all_logits + kv->held * (size_t)s->model->config.n_vocab;
        task_share(task, (int64_t)n);
        rc = task_stopped(task) ? task_cancelled(err)
                                : forward(s, s->rows, (int)n, all_logits ? s->all_rows : NULL,
                                          logits, task, NULL, err);
        if (!rc) {
            task->timing.prefill_tokens += (int64_t)n;
            task_done(task);
        }
    }
    task->timing.prefill_s += task_stage_s(task);
    return rc;
}

/* Computes everything after what is held. */
static int compute(struct phi3v_session *s, const struct in_use *u, float *all_logits,
                   struct task *task, struct phi3v_error *err)
{
    int rc = kv_cache_reserve(&s->kv, s->kv.seq.n, err);
    return rc ? rc : compute_pieces(s, u, all_logits, SIZE_MAX, task, err);
}

static int check_prompt(const struct phi3v_session *s, const struct phi3v_prompt *prompt,
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

/* Reserves a place for the keys and values of n more rows. */
static int reserve_rows(struct kv_cache *kv, size_t n, struct phi3v_error *err)
{
    if (kv->seq.n + n <= (size_t)kv->n_blocks * KV_BLOCK) return 0;
    return reserve_ahead(kv, kv->seq.cap - kv->seq.n, err);
}

/* Copies the prompt's sequence first, so that a failure loses nothing that is held. */
static int adopt(struct phi3v_session *s, const struct sequence *prompt, size_t extra,
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
    int rc = check_prompt(s, prompt, extra, err);
    if (!rc)
        rc = kv_cache_start(&s->kv, &prompt->seq, n, model_rope_factors(s->model, prompt->seq.n),
                            &start, err);
    if (rc) return rc;
    task->timing.cached_tokens = (int64_t)start.n;
    rc = pictures_use(s, &prompt->seq, start.n, task, u, err);
    if (!rc) rc = adopt(s, &prompt->seq, extra, &start, err);
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

/* Computes the whole sequence again with the rope factors for its present length, reported as a
 * stage within the present one. */
static int recompute(struct phi3v_session *s, struct task *task, struct phi3v_error *err)
{
    struct kv_cache *kv = &s->kv;
    struct in_use u;
    struct kv_cache_start start;
    struct task outer = *task;
    enum rope_factors rope_factors = model_rope_factors(s->model, kv->seq.n);
    int rc = kv_cache_start(kv, &kv->seq, kv->seq.n - 1, rope_factors, &start, err);
    if (rc) return rc;
    rc = pictures_use(s, &kv->seq, start.n, task, &u, err);
    if (rc) {
        kv_cache_start_fini(kv, &start);
    } else {
        kv_cache_adopt(kv, NULL, &start, rope_factors);
        rc = compute(s, &u, NULL, task, err);
        in_use_fini(&u);
    }
    task->stage = outer.stage;
    task->stage_start_s = outer.stage_start_s;
    task->total = outer.total;
    return rc;
}

int session_push_rows(struct phi3v_session *s, const int32_t *ids, size_t n, float *logits,
                      struct task *task, struct phi3v_error *err)
{
    struct kv_cache *kv = &s->kv;
    assert(kv->held == kv->seq.n && n <= (size_t)s->piece && session_steps(s, n));
    int rc = reserve_rows(kv, n, err);
    if (rc) return rc;
    for (size_t i = 0; i < n; i++) sequence_push(&kv->seq, ids[i]);
    fill_rows(s, s->rows, kv->held, n, NULL);
    rc = forward(s, s->rows, (int)n, s->all_rows, logits, task, NULL, err);
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
    int rc = recompute(s, task, err);
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
        rc = reserve_rows(&s[i]->kv, 1, err);
    }
    if (rc) return rc;
    if (session_draws_ahead(s[0])) return batch_ahead(s, ids, n, n_steps, on_id, user, err);
    rc = push_batch(s, ids, n, logits, pulse, err);
    for (int i = 0; i < n && !rc; i++)
        on_id(user, i, sampler_pick(s[i]->sampler, logits + (size_t)i * n_vocab));
    return rc;
}

/* -- For tests, debug and bench ---------------------------------------------------------------- */

static int trace_pictures(struct phi3v_session *s, const struct sequence *seq, struct task *task,
                          const struct trace *trace, struct in_use *u, struct phi3v_error *err)
{
    *u = (struct in_use){.cache = &s->model->features};
    u->entries = mem_zarray((size_t)seq->n_slots, sizeof *u->entries);
    if (!u->entries) return err_memory(err, "pictures", (size_t)seq->n_slots * sizeof *u->entries);
    u->n = seq->n_slots;
    for (int i = 0; i < seq->n_slots; i++) {
        struct features *features;
        int rc = encode(s, &seq->slots[i], task, trace, &features, err);
        if (!rc) rc = feature_cache_put(u->cache, &seq->slots[i], features, &u->entries[i], err);
        if (rc) {
            in_use_fini(u);
            return rc;
        }
    }
    return 0;
}

int session_trace(struct phi3v_session *s, const struct phi3v_prompt *prompt, struct task *task,
                  const struct trace *trace, struct phi3v_error *err)
{
    int rc = check_prompt(s, prompt, 0, err);
    if (rc) return rc;
    struct in_use u;
    if ((rc = trace_pictures(s, &prompt->seq, task, trace, &u, err))) return rc;
    size_t n = prompt->seq.n;
    struct kv_cache_start start = {0};
    struct prompt_row *rows = mem_array(n, sizeof *rows);
    if (!rows) rc = err_memory(err, "a traced pass", n * sizeof *rows);
    if (!rc) rc = kv_cache_start(&s->kv, &prompt->seq, 0, s->kv.rope_factors, &start, err);
    if (!rc) rc = adopt(s, &prompt->seq, 0, &start, err);
    if (!rc) {
        rc = kv_cache_reserve(&s->kv, n, err);
        fill_rows(s, rows, 0, n, &u);
        if (!rc) rc = forward(s, rows, (int)n, NULL, s->logits, task, trace, err);
        if (rc) kv_cache_clear(&s->kv);
    }
    kv_cache_start_fini(&s->kv, &start);
    mem_free(rows);
    in_use_fini(&u);
    return rc;
}

int session_fill(struct phi3v_session *s, int64_t n, struct phi3v_error *err)
{
    if (n < 0 || n > s->model->info.ctx)
        return err_set(err, PHI3V_E_ARGUMENT, "%lld tokens to pretend; allowed is 0 to %lld",
                       (long long)n, (long long)s->model->info.ctx);
    struct kv_cache *kv = &s->kv;
    session_clear(s);
    int rc = sequence_reserve(&kv->seq, (size_t)n, err);
    if (!rc) rc = kv_cache_reserve(kv, (size_t)n, err);
    if (rc) return rc;
    for (int64_t i = 0; i < n; i++) sequence_push(&kv->seq, s->model->config.bos_id);
    struct backend *b = s->model->backend;
    for (int i = 0; i < kv->n_blocks; i++) b->table->kv_fill(b, kv->blocks[i], (uint64_t)i);
    kv->alone = true; // these keys and values are not real, so nobody else may use them
    kv->held = (size_t)n;
    kv->rope_factors = model_rope_factors(s->model, kv->held);
    return 0;
}

/* A grid as square as n_crops - 1 tiles allow. */
static struct crop_plan bench_plan(int n_crops, int side)
{
    int tiles = n_crops - 1, rows = 1;
    for (int r = 1; r * r <= tiles; r++)
        if (tiles % r == 0) rows = r;
    int cols = tiles / rows;
    return (struct crop_plan){.crop_side = side,
                              .scaled_w = cols * side,
                              .scaled_h = rows * side,
                              .hd_w = cols * side,
                              .hd_h = rows * side,
                              .rows = tiles ? rows : 0,
                              .cols = cols};
}

int session_bench_vision(struct phi3v_session *s, int n_crops, double *ret_seconds,
                         struct phi3v_error *err)
{
    if (n_crops < 1 || n_crops > 1024)
        return err_set(err, PHI3V_E_ARGUMENT, "%d crops to encode; allowed is 1 to 1024", n_crops);
    int side = s->model->config.vision.image_size;
    size_t n = (size_t)n_crops * 3 * (size_t)side * (size_t)side;
    struct crops crops = {.plan = bench_plan(n_crops, side), .n = n_crops};
    crops.data = mem_array(n, sizeof *crops.data);
    if (!crops.data) return err_memory(err, "crops", n * sizeof *crops.data);
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        crops.data[i] = (float)(int32_t)x * 0x1p-30f; // roughly the range of normalised pixels
    }
    struct features *features = NULL;
    struct crop_source source = crops_ready(&crops);
    struct task task;
    task_begin(&task, &s->task_state, NULL, NULL);
    task_stage(&task, PHI3V_STAGE_VISION, n_crops);
    int rc = encode_crops(s, &source, &task, NULL, &features, err);
    double seconds = task_stage_s(&task);
    task_end(&task);
    mem_free(crops.data);
    s->model->backend->table->features_free(features);
    if (!rc) *ret_seconds = seconds;
    return rc;
}

void session_stages(struct phi3v_session *s, phi3v_stage_fn fn, void *user)
{
    const struct backend_table *table = s->model->backend->table;
    const char *name;
    double seconds;
    for (int i = 0; table->stage && table->stage(s->state, i, &name, &seconds) == 0; i++)
        fn(name, seconds, user);
}
