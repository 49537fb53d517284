/* SPDX-License-Identifier: MIT
 * Products over all threads: an item is a tile of outputs, together with what follows it. Rows for
 * packed weights are prepared once for all threads, prepared_rows at most at a time. */
#include <assert.h>
#include <limits.h>

#include "model/ops.h"

enum {
    MAX_TOGETHER = 3, // products in one loop
    TILE_COLS = 96,   // at which widened weights are used often and an item lasts milliseconds
    COLS_STEP = 32,   // tiles are multiples of this many outputs, so that kernels meet few tails
    ROWS_STEP = 6,    // tiles of so many rows have no tail in any level's kernels
    FEW_ROWS = 16,
    PREPARE_ROWS = 16, // in an item
    PREPARE_WORK = 4   // of preparing a value, in multiply-adds
};

static int min_int(int a, int b) { return a < b ? a : b; }
static int divide_up(int n, int by) { return (n + by - 1) / by; }

static bool is_prepared(const struct linear *l)
{
    return prepared_bytes(l->w->type, l->w->n_in) > 0;
}

/* -- Tiles ------------------------------------------------------------------------------------ */

struct tiles {
    int n_cols; // outputs that are split: half of them for THEN_SILU_MUL
    int rows_step, cols_step, n_row_tiles, n_col_tiles;
};

struct linear_run {
    const struct linear *l; // [n], of the same rows
    struct tiles tiles[MAX_TOGETHER];
    int n;
    int64_t n_items, n_whole; // of a whole tile; those behind them have slice_rows of one
    int slice_rows, n_slices, n_threads;
};

static int64_t n_tiles(const struct tiles *t) { return (int64_t)t->n_row_tiles * t->n_col_tiles; }

int64_t ops_row_stride(int n)
{
    enum { LINE = 16 }; /* floats */
    return ((int64_t)divide_up(n, LINE) | 1) * LINE;
}

int ops_linear_rows(const struct ops *o, int n_rows)
{
    int each = divide_up(n_rows, divide_up(n_rows, o->prepared_rows)); /* all equally high */
    return min_int(divide_up(each, ROWS_STEP) * ROWS_STEP, o->prepared_rows);
}

/* Outputs that tiles are multiples of: whole heads, and no tails. */
static int cols_unit(const struct linear *l)
{
    int unit = COLS_STEP;
    while (l->head > 0 && unit % l->head) unit += COLS_STEP;
    return unit;
}

/* The widest tile up to TILE_COLS at which no thread has more outputs than at another width. */
static int even_cols(int n_cols, int unit, int n_threads)
{
    int best = unit, least = INT_MAX;
    for (int step = TILE_COLS / unit * unit; step >= unit; step -= unit) {
        int most = divide_up(divide_up(n_cols, step), n_threads) * step;
        if (most < least) best = step, least = most;
    }
    return best;
}

/* Few rows: strips so wide that each thread gets about eight. Many rows: tiles at which the widened
 * weights are used often and an item still lasts only milliseconds. */
static struct tiles cut(const struct ops *o, const struct linear *l)
{
    const int n_threads = ops_threads(o);
    struct tiles t = {.n_cols = l->then == THEN_SILU_MUL ? l->w->n_out / 2 : l->w->n_out};
    const int unit = cols_unit(l), strip = divide_up(divide_up(t.n_cols, 8 * n_threads), unit);
    t.cols_step = strip * unit;
    if (l->n_rows > FEW_ROWS)
        t.cols_step = min_int(t.cols_step, even_cols(t.n_cols, unit, n_threads));
    t.n_col_tiles = divide_up(t.n_cols, t.cols_step);
    t.rows_step = ops_linear_rows(o, l->n_rows);
    t.n_row_tiles = divide_up(l->n_rows, t.rows_step);
    return t;
}

/* The last tiles of many rows are cut into slices, so that all threads end together. */
static struct linear_run cut_run(const struct ops *o, const struct linear *l, int n)
{
    enum { SLICES = 4 };
    const int n_threads = ops_threads(o);
    struct linear_run r = {.l = l, .n = n, .n_slices = 1, .n_threads = 1};
    assert(n <= MAX_TOGETHER);
    for (int i = 0; i < n; i++) {
        r.tiles[i] = cut(o, &l[i]);
        r.n_items += n_tiles(&r.tiles[i]);
    }
    const int rows = r.tiles[n - 1].rows_step;
    r.slice_rows = divide_up(rows, SLICES * ROWS_STEP) * ROWS_STEP;
    r.n_whole = r.n_items;
    if (n_threads > 1 && l->n_rows > FEW_ROWS && r.n_items >= n_threads) {
        r.n_threads = n_threads;
        r.n_whole -= n_threads;
        r.n_slices = divide_up(rows, r.slice_rows);
        r.n_items = r.n_whole + (int64_t)n_threads * r.n_slices;
    }
    return r;
}

/* -- Items ------------------------------------------------------------------------------------ */

static void multiply_tile(const struct ops *o, const struct linear *l, int row, int n_rows, int col,
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

static void then_row(const struct ops *o, const struct linear *l, int row, int col, int n)
{
    float *y = l->y + row * l->y_stride + col;
    switch (l->then) {
    case THEN_NOTHING:
    case THEN_CALL:
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

static void run_tile(const struct ops *o, const struct linear *l, int row, int n_rows, int col,
                     int end, int thread)
{
    const int half = l->w->n_out / 2;
    multiply_tile(o, l, row, n_rows, col, end, thread);
    if (l->then == THEN_SILU_MUL) multiply_tile(o, l, row, n_rows, half + col, half + end, thread);
    if (l->then == THEN_CALL)
        l->call(o, l, row, n_rows, col, end - col);
    else
        for (int i = 0; i < n_rows; i++) then_row(o, l, row + i, col, end - col);
}

/* Of n tiles, the item-th to be begun. Threads take turns, so each comes to neighbouring tiles, and a
 * kernel can ask for the weights that lie behind its own. */
static int64_t neighbour(int64_t item, int64_t n, int n_threads)
{
    const int64_t share = n / n_threads, rest = n % n_threads, thread = item % n_threads;
    return thread * share + (thread < rest ? thread : rest) + item / n_threads;
}

static void linear_item(struct ops *o, void *arg, int64_t item, int thread)
{
    const struct linear_run *r = arg;
    const bool whole = item < r->n_whole;
    int64_t at = whole ? neighbour(item, r->n_whole, r->n_threads)
                       : r->n_whole + (item - r->n_whole) / r->n_slices;
    const int slice = whole ? 0 : (int)((item - r->n_whole) % r->n_slices);
    int i = 0;
    for (; at >= n_tiles(&r->tiles[i]); i++) at -= n_tiles(&r->tiles[i]);
    const struct tiles *t = &r->tiles[i];
    const struct linear *l = &r->l[i];
    int row = (int)(at / t->n_col_tiles) * t->rows_step,
        last = min_int(row + t->rows_step, l->n_rows);
    if (!whole) {
        row += slice * r->slice_rows;
        last = min_int(row + r->slice_rows, last);
    }
    const int col = (int)(at % t->n_col_tiles) * t->cols_step;
    if (row < last)
        run_tile(o, l, row, last - row, col, min_int(col + t->cols_step, t->n_cols), thread);
}

static void multiply(struct ops *o, const struct linear *l, int n)
{
    struct linear_run r = cut_run(o, l, n);
    int64_t work = 0;
    for (int i = 0; i < n; i++) work += (int64_t)l[i].n_rows * l[i].w->n_out * l[i].w->n_in;
    o->stage = STAGE_PRODUCTS;
    ops_run(o, r.n_items, work, linear_item, &r);
}

/* -- Rows before products --------------------------------------------------------------------- */

struct prepare_run {
    const struct linear *l;
    const struct norm *norm; // or NULL
};

static void prepare_item(struct ops *o, void *arg, int64_t item, int thread)
{
    const struct prepare_run *r = arg;
    const struct linear *l = r->l;
    const int n_in = l->w->n_in, row = (int)item * PREPARE_ROWS;
    const int n_rows = min_int(PREPARE_ROWS, l->n_rows - row);
    const size_t bytes = prepared_bytes(l->w->type, n_in);
    const float *x = l->x + row * l->x_stride;
    char *to = o->prepared + bytes * (size_t)row;
    if (!r->norm) {
        o->k->prepare(to, x, l->x_stride, n_rows, l->w->type, n_in);
        return;
    }
    float *normed = (float *)(void *)(o->scratch + (size_t)thread * o->scratch_bytes);
    for (int i = 0; i < n_rows; i++, x += l->x_stride, to += bytes) {
        ops_norm_row(o, r->norm, normed, x, n_in);
        o->k->prepare(to, normed, n_in, 1, l->w->type, n_in);
    }
}

static void prepare(struct ops *o, const struct linear *l, const struct norm *norm)
{
    struct prepare_run r = {.l = l, .norm = norm};
    assert(prepared_bytes(l->w->type, l->w->n_in) <= o->prepared_room);
    o->stage = STAGE_PREPARE;
    ops_run(o, divide_up(l->n_rows, PREPARE_ROWS), (int64_t)l->n_rows * l->w->n_in * PREPARE_WORK,
            prepare_item, &r);
}

/* -- Public ----------------------------------------------------------------------------------- */

static struct linear rows_of(const struct linear *l, int row, int n_rows)
{
    struct linear part = *l;
    part.n_rows = n_rows;
    part.x += row * l->x_stride;
    part.y += row * l->y_stride;
    part.first_row += row;
    if (part.to) part.to += (int64_t)row * l->w->n_out;
    return part;
}

/* n products of the same rows with matrices of one type. */
static void multiply_alike(struct ops *o, const struct norm *norm, const struct linear *l, int n)
{
    const int n_rows = l->n_rows, step = is_prepared(l) ? ops_linear_rows(o, n_rows) : n_rows;
    for (int row = 0; row < n_rows; row += step) {
        struct linear part[MAX_TOGETHER];
        for (int i = 0; i < n; i++) part[i] = rows_of(&l[i], row, min_int(step, n_rows - row));
        if (is_prepared(l)) prepare(o, part, norm);
        multiply(o, part, n);
    }
}

void ops_norm_linears(struct ops *o, const struct norm *norm, const struct linear *l, int n)
{
    struct linear from[MAX_TOGETHER];
    bool ahead = norm && o->trace; /* whoever traces may look at the rows */
    assert(n <= MAX_TOGETHER);
    for (int i = 0; i < n; i++) {
        assert(l[i].x == l->x && l[i].n_rows == l->n_rows && l[i].w->n_in == l->w->n_in);
        from[i] = l[i];
        ahead = ahead || (norm && !is_prepared(&l[i]));
    }
    if (ahead) ops_norm(o, norm, norm->room, l->x, l->n_rows, l->w->n_in);
    for (int i = 0; i < n && ahead; i++) from[i].x = norm->room, from[i].x_stride = l->w->n_in;
    for (int begin = 0, end; begin < n && l->n_rows > 0; begin = end) {
        for (end = begin + 1; end < n && l[end].w->type == l[begin].w->type;) end++;
        multiply_alike(o, ahead ? NULL : norm, from + begin, end - begin);
    }
}

void ops_linear(struct ops *o, const struct linear *l) { ops_norm_linears(o, NULL, l, 1); }
