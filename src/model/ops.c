/* SPDX-License-Identifier: MIT */
#include "model/ops.h"

#include <assert.h>
#include <limits.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"

static const double PULSE_S = 0.06; // the pulse comes this often, plus the length of one item

enum {
    ALONE_WORK = 1 << 17, // multiply-adds that one thread does in some ten microseconds
    ROWS_PER_ITEM = 16,   // of norms and other row loops
    ROW_WORK = 1 << 11,   // of one such row, roughly
    LINEAR_ROWS = 512, // largest tile of a product of many rows: the kernels widen its weights once
    LINEAR_COLS = 96,
    LINEAR_ROWS_STEP = 48, // tiles of so many rows have no tail in any level's kernels
    LINEAR_FEW = 16,       // this many rows are few
    LINEAR_STEP = 32 // tiles are multiples of this many outputs, so that kernels meet few tails
};

static int min_int(int a, int b) { return a < b ? a : b; }

int ops_init(struct ops *o, const struct kernels *k, struct pool *pool, int max_head_dim,
             int max_blocks, size_t prepared_room, struct phi3v_error *err)
{
    size_t attend = ops_attend_bytes(max_head_dim, max_blocks);
    size_t product = matmul_scratch_bytes();
    size_t bytes = arena_size(attend > product ? attend : product);
    size_t spans = ops_spans_floats(pool_threads(pool), max_head_dim, max_blocks);
    *o = (struct ops){.k = k,
                      .pool = pool,
                      .scratch_bytes = bytes,
                      .max_blocks = max_blocks,
                      .prepared_room = prepared_room};
    o->scratch = mem_array((size_t)pool_threads(pool), bytes);
    o->spans = mem_array(spans, sizeof *o->spans);
    if (prepared_room) o->prepared = mem_array(LINEAR_ROWS, prepared_room);
    if (o->scratch && o->spans && (o->prepared || !prepared_room)) return 0;
    ops_fini(o);
    return err_memory(err, "scratch of the threads",
                      (size_t)pool_threads(pool) * bytes + spans * sizeof *o->spans +
                          LINEAR_ROWS * prepared_room);
}

void ops_fini(struct ops *o)
{
    mem_free(o->scratch);
    mem_free(o->spans);
    mem_free(o->prepared);
    *o = (struct ops){0};
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

static bool pulse_due(const struct ops *o)
{
    return o->pulse && clock_s() - o->last_pulse_s >= PULSE_S;
}

static void pulse_now(struct ops *o)
{
    if (o->pulse->fn(o->pulse->user, o->done, o->total) != 0) o->stopped = true;
    o->last_pulse_s = clock_s();
}

void ops_progress(struct ops *o, int64_t done)
{
    o->done = done;
    if (!o->stopped && pulse_due(o)) pulse_now(o);
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
        if (thread == 0 && pulse_due(r->o))
            atomic_store_explicit(&r->pause, true, memory_order_relaxed);
    }
}

/* The pulse is called with no thread at work and no lock held, so it may call anything. */
void ops_run(struct ops *o, int64_t n_items, int64_t work, ops_item_fn fn, void *arg)
{
    struct run r = {.o = o, .fn = fn, .arg = arg, .n_items = n_items};
    int64_t threads = n_items < pool_threads(o->pool) ? n_items : pool_threads(o->pool);
    if (work < ALONE_WORK) threads = 1;
    double start_s = clock_s();
    while (!o->stopped && atomic_load_explicit(&r.next, memory_order_relaxed) < n_items) {
        atomic_store_explicit(&r.pause, false, memory_order_relaxed);
        if (threads == 1)
            run_items(&r, 0, 1, 0);
        else
            pool_run(o->pool, threads, 1, run_items, &r);
        if (pulse_due(o)) pulse_now(o);
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

/* -- Products --------------------------------------------------------------------------------- */

struct linear_run {
    const struct linear *l;
    int n_cols; // outputs that are split: half of them for THEN_SILU_MUL
    int rows_step, cols_step, n_row_tiles, n_col_tiles;
};

static void linear_tile(const struct ops *o, const struct linear *l, int row, int n_rows, int col,
                        int end, int thread)
{
    size_t bytes = prepared_bytes(l->w->type, l->w->n_in);
    if (bytes > 0)
        o->k->matmul_prepared(l->y + row * l->y_stride, l->y_stride,
                              o->prepared + bytes * (size_t)row, n_rows, l->w, l->bias, col, end,
                              o->scratch + (size_t)thread * o->scratch_bytes);
    else
        o->k->matmul(l->y + row * l->y_stride, l->y_stride, l->x + row * l->x_stride, l->x_stride,
                     n_rows, l->w, l->bias, col, end,
                     o->scratch + (size_t)thread * o->scratch_bytes);
}

static void linear_then(const struct ops *o, const struct linear *l, int row, int col, int n)
{
    float *y = l->y + row * l->y_stride + col;
    switch (l->then) {
    case THEN_NOTHING:
        break;
    case THEN_ADD:
        o->k->add(l->to + (int64_t)row * l->w->n_out + col, y, n);
        break;
    case THEN_QUICK_GELU:
        o->k->quick_gelu(y, n);
        break;
    case THEN_GELU:
        o->k->gelu_erf(y, n);
        break;
    case THEN_SILU_MUL:
        o->k->silu_mul(y, y, y + l->w->n_out / 2, n);
        break;
    }
}

static void linear_item(struct ops *o, void *arg, int64_t item, int thread)
{
    const struct linear_run *r = arg;
    const struct linear *l = r->l;
    int row = (int)(item / r->n_col_tiles) * r->rows_step;
    int col = (int)(item % r->n_col_tiles) * r->cols_step;
    int n_rows = min_int(r->rows_step, l->n_rows - row);
    int end = min_int(col + r->cols_step, r->n_cols);
    linear_tile(o, l, row, n_rows, col, end, thread);
    if (l->then == THEN_SILU_MUL)
        linear_tile(o, l, row, n_rows, r->n_cols + col, r->n_cols + end, thread);
    for (int i = 0; i < n_rows; i++) linear_then(o, l, row + i, col, end - col);
}

static int divide_up(int n, int by) { return (n + by - 1) / by; }

int ops_linear_rows(int n_rows)
{
    int each = divide_up(n_rows, divide_up(n_rows, LINEAR_ROWS)); /* all equally high */
    return min_int(divide_up(each, LINEAR_ROWS_STEP) * LINEAR_ROWS_STEP, LINEAR_ROWS);
}

/* The widest tile up to LINEAR_COLS at which no thread has more outputs than at another width. */
static int even_cols(int n_cols, int n_threads)
{
    int best = LINEAR_COLS, least = INT_MAX;
    for (int step = LINEAR_COLS; step >= LINEAR_STEP; step -= LINEAR_STEP) {
        int most = divide_up(divide_up(n_cols, step), n_threads) * step;
        if (most < least) best = step, least = most;
    }
    return best;
}

/* Few rows: strips so wide that each thread gets about eight. Many rows: tiles at which the widened
 * weights are used often and an item still lasts only milliseconds. */
static void cut_linear(const struct ops *o, struct linear_run *r)
{
    int n_rows = r->l->n_rows, n_threads = pool_threads(o->pool);
    int step = divide_up(divide_up(r->n_cols, 8 * n_threads), LINEAR_STEP) * LINEAR_STEP;
    r->cols_step = n_rows > LINEAR_FEW ? min_int(step, even_cols(r->n_cols, n_threads)) : step;
    r->n_col_tiles = divide_up(r->n_cols, r->cols_step);
    r->rows_step = ops_linear_rows(n_rows);
    r->n_row_tiles = divide_up(n_rows, r->rows_step);
}

static void multiply(struct ops *o, const struct linear *l)
{
    struct linear_run r = {.l = l, .n_cols = l->w->n_out};
    if (l->then == THEN_SILU_MUL) r.n_cols /= 2;
    cut_linear(o, &r);
    int64_t work = (int64_t)l->n_rows * l->w->n_out * l->w->n_in;
    o->stage = STAGE_PRODUCTS;
    ops_run(o, (int64_t)r.n_row_tiles * r.n_col_tiles, work, linear_item, &r);
}

static bool is_prepared(const struct linear *l)
{
    return prepared_bytes(l->w->type, l->w->n_in) > 0;
}

static void prepare_item(struct ops *o, void *arg, int64_t item, int thread)
{
    (void)thread;
    const struct linear *l = arg;
    size_t bytes = prepared_bytes(l->w->type, l->w->n_in);
    int row = (int)item * ROWS_PER_ITEM, n_rows = min_int(ROWS_PER_ITEM, l->n_rows - row);
    o->k->prepare(o->prepared + bytes * (size_t)row, l->x + row * l->x_stride, l->x_stride, n_rows,
                  l->w->type, l->w->n_in);
}

static struct linear linear_part(const struct linear *l, int row, int n_rows)
{
    struct linear part = *l;
    part.n_rows = n_rows;
    part.x += row * l->x_stride;
    part.y += row * l->y_stride;
    if (part.to) part.to += (int64_t)row * l->w->n_out;
    return part;
}

static void prepare(struct ops *o, const struct linear *l)
{
    enum { WORK = 4 }; /* of preparing a value, in multiply-adds */
    assert(prepared_bytes(l->w->type, l->w->n_in) <= o->prepared_room);
    o->stage = STAGE_PREPARE;
    ops_run(o, divide_up(l->n_rows, ROWS_PER_ITEM), (int64_t)l->n_rows * l->w->n_in * WORK,
            prepare_item, (void *)l);
}

/* At most LINEAR_ROWS rows at a time are prepared, once for all threads. */
void ops_linears(struct ops *o, const struct linear *l, int n)
{
    int n_rows = l->n_rows, step = n_rows;
    if (n_rows == 0) return;
    for (int i = 0; i < n; i++) {
        assert(l[i].x == l->x && l[i].n_rows == n_rows && l[i].w->n_in == l->w->n_in);
        if (is_prepared(&l[i])) step = ops_linear_rows(n_rows);
    }
    for (int row = 0; row < n_rows; row += step)
        for (int i = 0; i < n; i++) {
            struct linear part = linear_part(&l[i], row, min_int(step, n_rows - row));
            bool same = i > 0 && l[i].w->type == l[i - 1].w->type;
            if (is_prepared(&part) && !same) prepare(o, &part);
            multiply(o, &part);
        }
}

void ops_linear(struct ops *o, const struct linear *l) { ops_linears(o, l, 1); }

/* -- Norms ------------------------------------------------------------------------------------- */

struct norm_run {
    float *y;
    const float *x, *w, *b;
    int n;
    float eps;
};

static void rms_rows(struct ops *o, void *arg, int begin, int end)
{
    const struct norm_run *r = arg;
    for (int64_t i = begin; i < end; i++)
        o->k->rms_norm(r->y + i * r->n, r->x + i * r->n, r->w, r->n, r->eps);
}

static void layer_rows(struct ops *o, void *arg, int begin, int end)
{
    const struct norm_run *r = arg;
    for (int64_t i = begin; i < end; i++)
        o->k->layer_norm(r->y + i * r->n, r->x + i * r->n, r->w, r->b, r->n, r->eps);
}

void ops_rms_norm(struct ops *o, float *y, const float *x, const float *w, int n_rows, int n,
                  float eps)
{
    struct norm_run r = {.y = y, .x = x, .w = w, .n = n, .eps = eps};
    o->stage = STAGE_NORMS;
    ops_rows(o, n_rows, rms_rows, &r);
}

void ops_layer_norm(struct ops *o, float *y, const float *x, const float *w, const float *b,
                    int n_rows, int n, float eps)
{
    struct norm_run r = {.y = y, .x = x, .w = w, .b = b, .n = n, .eps = eps};
    o->stage = STAGE_NORMS;
    ops_rows(o, n_rows, layer_rows, &r);
}
