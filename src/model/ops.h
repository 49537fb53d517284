/* SPDX-License-Identifier: MIT
 * The kernels driven by all threads: products, attention and norms over many rows, cut into items
 * that the threads take as they become free. The cut never changes a result (kernels.h). Between
 * items the caller's pulse is called; after it asked to stop, every further operation returns at
 * once without doing anything. */
#ifndef MODEL_OPS_H
#define MODEL_OPS_H

#include <stdbool.h>

#include "flow.h"
#include "kernels.h"

struct pool;

/* Where the time of a pass goes. */
enum ops_stage {
    STAGE_ROWS, // embedding, rotating, storing: row loops that are none of the following
    STAGE_PRODUCTS,
    STAGE_PREPARE, // rows for products with packed weights
    STAGE_ATTENTION,
    STAGE_NORMS,
    N_OPS_STAGES
};

struct ops {
    const struct kernels *k;
    struct pool *pool;    // NULL: the thread that calls is alone
    char *scratch;        // [n_threads][scratch_bytes]: of kernels; block pointers; a normed row
    size_t scratch_bytes; // per thread
    float *spans;         // ops_spans_floats(): states of spans computed apart
    int max_blocks;       // longest sequence attention can handle, in blocks
    char *prepared;       // rows of activations as products take them (kernels.h), or NULL
    int prepared_rows;    // so many at a time
    size_t prepared_room; // bytes of one such row at most
    /* the pass under way */
    const struct pulse *pulse; // or NULL
    const struct trace *trace; // or NULL
    int64_t done, total;
    double last_pulse_s;
    enum ops_stage stage;         // of the next ops_run
    double spent_s[N_OPS_STAGES]; // in ops_run, by the caller's clock
    bool stopped;                 // pulse or trace asked to stop: results are incomplete
};

/* Borrows kernels and pool. prepared_room: the most bytes that a prepared row of any product takes
 * (kernels.h), 0 where all matrices are multiplied in f32. Error MEMORY. */
int ops_init(struct ops *o, const struct kernels *k, struct pool *pool, int max_head_dim,
             int max_blocks, size_t prepared_room, struct phi3v_error *err);
void ops_fini(struct ops *o);
int ops_threads(const struct ops *o);

/* The same work inside an item of o, by its thread alone, without pulse and trace; several may go
 * on side by side. Attention by spans, that is of rows that are alone, is not for them. The caller
 * sets prepared, prepared_rows * prepared_room bytes, if that is not 0. */
struct ops ops_alone(const struct ops *o, int thread, int prepared_rows);
/* After ops_run: where its time went, when the caller's thread worked with `alone`. */
void ops_add_spent(struct ops *o, const struct ops *alone);

/* Starts a pass of `total` units (tokens, crops); `done` of them are reported from now on. */
void ops_begin(struct ops *o, const struct pulse *pulse, const struct trace *trace, int64_t total);
void ops_progress(struct ops *o, int64_t done);
/* Hands data [shape[0]] … [shape[n_dims-1]] to the trace, if there is one. */
void ops_trace(struct ops *o, const char *name, int n_dims, const int64_t *shape,
               const float *data);
/* CANCELLED with its text when the pass was stopped, else 0. */
int ops_end(const struct ops *o, struct phi3v_error *err);

/* fn for every item 0 … n_items-1, on any thread, in any order. work: multiply-adds of all items
 * together, roughly; when they are few, waking the other threads would take longer than doing them.
 */
typedef void (*ops_item_fn)(struct ops *o, void *arg, int64_t item, int thread);
void ops_run(struct ops *o, int64_t n_items, int64_t work, ops_item_fn fn, void *arg);
/* fn for rows [begin, end), together 0 … n_rows-1, a few at a time. */
typedef void (*ops_rows_fn)(struct ops *o, void *arg, int begin, int end);
void ops_rows(struct ops *o, int n_rows, ops_rows_fn fn, void *arg);

/* Norm of rows (docs/model.md, Vision tower and Decoder). */
struct norm {
    const float *w, *b; // [n]; b is NULL: rms norm, else layer norm
    float eps;
    float *room; // [n_rows][n]: normed rows, where products cannot take them on the way
};
/* y and x: [n_rows][n], the same or apart. */
void ops_norm(struct ops *o, const struct norm *norm, float *y, const float *x, int n_rows, int n);
/* One row, by the thread that calls. */
void ops_norm_row(const struct ops *o, const struct norm *norm, float *y, const float *x, int n);

/* What follows a product, done while its outputs are still in the cache. */
enum linear_then {
    THEN_NOTHING,
    THEN_ADD,        // to += y
    THEN_QUICK_GELU, // y = quick_gelu(y)
    THEN_GELU,       // y = gelu(y), erf form
    THEN_SILU_MUL,   // first half of y = silu(first half) * second half
    THEN_CALL        // call, on any thread
};

struct linear {
    const struct mat *w;
    const float *bias; // [n_out] or NULL
    const float *x;    // [n_rows][x_stride], n_in used
    int64_t x_stride;
    float *y; // [n_rows][y_stride], n_out written
    int64_t y_stride;
    int n_rows;
    enum linear_then then;
    float *to; // THEN_ADD: [n_rows][n_out]
    /* THEN_CALL: outputs [col, col + n) of rows [row, row + n_rows) are in y: whole heads, if `head`
     * is not 0. */
    void (*call)(const struct ops *o, const struct linear *l, int row, int n_rows, int col, int n);
    const void *arg; // of call
    int first_row;   // of call: what row 0 counts as
    int head;        // width of a head, of which call gets whole ones; 0: any outputs
};
void ops_linear(struct ops *o, const struct linear *l);
/* n of them, at most 3, over the same rows of x, normed if norm is not NULL (x_stride is n_in
 * then). Those whose matrices are of one type share what is prepared of the rows, and a loop.
 * Normed rows are left in norm->room where the pass is traced. */
void ops_norm_linears(struct ops *o, const struct norm *norm, const struct linear *l, int n);
/* Rows that a product of n_rows works on at a time. What comes before and after it finds its rows
 * in the cache when it goes by as many. */
int ops_linear_rows(const struct ops *o, int n_rows);
/* Floats from row to row of an array of at least n: an odd number of cache lines, so that a column
 * of tiles lies in all sets of a cache, not in few. */
int64_t ops_row_stride(int n);

/* Attention of consecutive rows of one sequence over keys and values packed as kernels.h says.
 * Those of kv head h for positions 64 b … lie at blocks[b] + kv_offset + h * head_step: the keys,
 * then, after kv_packed_bytes, the values. */
struct attention {
    const float *q; // [n_rows][q_stride]: n_heads heads of head_dim
    int64_t q_stride;
    float *out; // [n_rows][out_stride]: the same
    int64_t out_stride;
    int n_rows, n_heads, n_kv_heads, head_dim;
    bool causal;
    int64_t first_pos; // causal: row i sees keys 0 … first_pos + i
    int64_t n_keys;    // else: all keys 0 … n_keys-1
    enum kv_type kv_type;
    char *const *blocks;
    size_t kv_offset, head_step; // bytes
};
/* Scores are scaled by 1/sqrt(head_dim). model/attend.c */
void ops_attend(struct ops *o, const struct attention *parts, int n_parts);
/* The same for one row of each of several sequences (n_rows is 1 in all parts), together with what
 * makes a head ready: `enter` leaves the queries of kv head h of part i, and stores its key and
 * value. It is called once for each, before they are read and on the same thread where that goes.
 */
typedef void (*ops_enter_fn)(const struct ops *o, void *arg, int part, int kv_head);
void ops_attend_steps(struct ops *o, const struct attention *parts, int n_parts, ops_enter_fn enter,
                      void *arg);
/* Scratch of a thread, and room for the states of spans, for sequences of max_blocks blocks. */
size_t ops_attend_bytes(int head_dim, int max_blocks);
size_t ops_spans_floats(int n_threads, int head_dim, int max_blocks);
/* Stores keys and values [head_dim] of a kv head at n positions from pos on of the sequence that `a`
 * describes. They are `stride` floats apart; NULL: not those. */
void ops_store(const struct ops *o, const struct attention *a, int kv_head, int64_t pos, int n,
               const float *k, const float *v, int64_t stride);

#endif
