/* SPDX-License-Identifier: MIT */
#include "model/ops.h"

#include <stdatomic.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"

/* The pulse comes this often between loops; a longer one is interrupted, which costs the threads
 * that are ready first some time. */
static const double PULSE_S = 0.06, INTERRUPT_S = 0.09;

enum {
    ALONE_WORK = 1 << 17, // multiply-adds that one thread does in some ten microseconds
    ROWS_PER_ITEM = 16,   // of norms and other row loops
    ROW_WORK = 1 << 11,   // of one such row, roughly
    PREPARED_ROWS = 512   // the kernels widen weights once for so many
};

static int min_int(int a, int b) { return a < b ? a : b; }

int ops_init(struct ops *o, const struct kernels *k, struct pool *pool, int max_head_dim,
             int max_blocks, size_t prepared_room, struct phi3v_error *err)
{
    size_t attend = ops_attend_bytes(max_head_dim, max_blocks);
    size_t product = matmul_scratch_bytes(), row = prepared_room * sizeof(float);
    size_t bytes = attend > product ? attend : product;
    bytes = arena_size(row > bytes ? row : bytes);
    size_t spans = ops_spans_floats(pool_threads(pool), max_head_dim, max_blocks);
    *o = (struct ops){.k = k,
                      .pool = pool,
                      .scratch_bytes = bytes,
                      .max_blocks = max_blocks,
                      .prepared_rows = PREPARED_ROWS,
                      .prepared_room = prepared_room};
    o->scratch = mem_array((size_t)pool_threads(pool), bytes);
    o->spans = mem_array(spans, sizeof *o->spans);
    if (prepared_room) o->prepared = mem_array(PREPARED_ROWS, prepared_room);
    if (o->scratch && o->spans && (o->prepared || !prepared_room)) return 0;
    ops_fini(o);
    return err_memory(err, "scratch of the threads",
                      (size_t)pool_threads(pool) * bytes + spans * sizeof *o->spans +
                          PREPARED_ROWS * prepared_room);
}

void ops_fini(struct ops *o)
{
    mem_free(o->scratch);
    mem_free(o->spans);
    mem_free(o->prepared);
    *o = (struct ops){0};
}

int ops_threads(const struct ops *o) { return o->pool ? pool_threads(o->pool) : 1; }

struct ops ops_alone(const struct ops *o, int thread, int prepared_rows)
{
    return (struct ops){.k = o->k,
                        .scratch = o->scratch + (size_t)thread * o->scratch_bytes,
                        .scratch_bytes = o->scratch_bytes,
                        .max_blocks = o->max_blocks,
                        .prepared_rows = prepared_rows,
                        .prepared_room = o->prepared_room};
}

void ops_add_spent(struct ops *o, const struct ops *alone)
{
    for (int i = 0; i < N_OPS_STAGES; i++) {
        o->spent_s[STAGE_ROWS] -= alone->spent_s[i];
        o->spent_s[i] += alone->spent_s[i];
    }
}

/* -- The pass ------------------------------------------------------------------------------- */

void ops_begin(struct ops *o, const struct pulse *pulse, const struct trace *trace, int64_t total)
{
    o->pulse = pulse;
    o->trace = trace;
    o->done = 0;
    o->total = total;
    o->last_pulse_s = clock_s();
    o->stopped = false;
}

static bool pulse_due(const struct ops *o, double after_s)
{
    return o->pulse && clock_s() - o->last_pulse_s >= after_s;
}

static void pulse_now(struct ops *o)
{
    if (o->pulse->fn(o->pulse->user, o->done, o->total) != 0) o->stopped = true;
    o->last_pulse_s = clock_s();
}

void ops_progress(struct ops *o, int64_t done)
{
    o->done = done;
    if (!o->stopped && pulse_due(o, PULSE_S)) pulse_now(o);
}

void ops_trace(struct ops *o, const char *name, int n_dims, const int64_t *shape, const float *data)
{
    if (!o->trace || o->stopped) return;
    if (o->trace->fn(name, n_dims, shape, data, o->trace->user) != 0) o->stopped = true;
}

int ops_end(const struct ops *o, struct phi3v_error *err)
{
    return o->stopped ? err_set(err, PHI3V_E_CANCELLED, "cancelled") : 0;
}

/* -- Items over threads ----------------------------------------------------------------------- */

struct run {
    struct ops *o;
    ops_item_fn fn;
    void *arg;
    int64_t n_items;
    atomic_llong next;
    atomic_bool pause; // the caller's thread wants to call the pulse
};

static void run_items(void *arg, int64_t begin, int64_t end, int thread)
{
    (void)begin, (void)end;
    struct run *r = arg;
    while (!atomic_load_explicit(&r->pause, memory_order_relaxed)) {
        int64_t item = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed);
        if (item >= r->n_items) return;
        r->fn(r->o, r->arg, item, thread);
        if (thread == 0 && pulse_due(r->o, INTERRUPT_S))
            atomic_store_explicit(&r->pause, true, memory_order_relaxed);
    }
}

/* The pulse is called with no thread at work and no lock held, so it may call anything. */
void ops_run(struct ops *o, int64_t n_items, int64_t work, ops_item_fn fn, void *arg)
{
    struct run r = {.o = o, .fn = fn, .arg = arg, .n_items = n_items};
    int64_t threads = n_items < ops_threads(o) ? n_items : ops_threads(o);
    if (work < ALONE_WORK) threads = 1;
    double start_s = clock_s();
    while (!o->stopped && atomic_load_explicit(&r.next, memory_order_relaxed) < n_items) {
        atomic_store_explicit(&r.pause, false, memory_order_relaxed);
        if (threads == 1)
            run_items(&r, 0, 1, 0);
        else
            pool_run(o->pool, threads, 1, run_items, &r);
        if (pulse_due(o, PULSE_S)) pulse_now(o);
    }
    o->spent_s[o->stage] += clock_s() - start_s;
    o->stage = STAGE_ROWS;
}

struct rows_run {
    ops_rows_fn fn;
    void *arg;
    int n_rows;
};

static void rows_item(struct ops *o, void *arg, int64_t item, int thread)
{
    (void)thread;
    const struct rows_run *r = arg;
    int begin = (int)item * ROWS_PER_ITEM;
    r->fn(o, r->arg, begin, min_int(begin + ROWS_PER_ITEM, r->n_rows));
}

void ops_rows(struct ops *o, int n_rows, ops_rows_fn fn, void *arg)
{
    struct rows_run r = {.fn = fn, .arg = arg, .n_rows = n_rows};
    ops_run(o, (n_rows + ROWS_PER_ITEM - 1) / ROWS_PER_ITEM, (int64_t)n_rows * ROW_WORK, rows_item,
            &r);
}

/* -- Norms ------------------------------------------------------------------------------------- */

struct norm_run {
    const struct norm *norm;
    float *y;
    const float *x;
    int n;
};

void ops_norm_row(const struct ops *o, const struct norm *norm, float *y, const float *x, int n)
{
    if (norm->b)
        o->k->layer_norm(y, x, norm->w, norm->b, n, norm->eps);
    else
        o->k->rms_norm(y, x, norm->w, n, norm->eps);
}

static void norm_rows(struct ops *o, void *arg, int begin, int end)
{
    const struct norm_run *r = arg;
    for (int64_t i = begin; i < end; i++)
        ops_norm_row(o, r->norm, r->y + i * r->n, r->x + i * r->n, r->n);
}

void ops_norm(struct ops *o, const struct norm *norm, float *y, const float *x, int n_rows, int n)
{
    struct norm_run r = {.norm = norm, .y = y, .x = x, .n = n};
    o->stage = STAGE_NORMS;
    ops_rows(o, n_rows, norm_rows, &r);
}
