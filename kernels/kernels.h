/* SPDX-License-Identifier: MIT
 * The arithmetic, as one table of function pointers filled once: portable C first (kernels/ref, the
 * readable truth), then overwritten upward by what the processor has (kernels/x86, kernels/arm).
 *
 * Contract of every entry
 * - f32 activations; rows are independent: the result of a row has the same bits whether it was
 *   computed alone or among thousands, by any thread, in any split of rows and outputs. This is
 *   what makes reuse equal a fresh run.
 * - It allocates nothing, starts no thread (callers split the work), and needs no alignment unless
 *   said.
 * - Different levels may differ in the last bits (another order of summation); one level never
 *   differs from itself. */
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* How a matrix is stored, and what multiplies it.
 * - F32, BF16, F16: row-major as in the file, widened; f32 arithmetic.
 * - BF16_PAIRS: bf16 row-major, and activations rounded to bf16 too; sums in f32.
 * - Q8, Q4: packed (kernels/packed.h): integers of 8 or 4 bits with one f16 scale for 32 inputs of
 *   an output; activations are rounded to 8 bits with one power of two for 32 of them; sums are
 *   exact in 32 inputs and f32 beyond. 8.5 and 4.5 bits a weight. */
enum weight_type {
    WEIGHT_F32,
    WEIGHT_BF16,
    WEIGHT_F16,
    WEIGHT_BF16_PAIRS,
    WEIGHT_Q8,
    WEIGHT_Q4,
    N_WEIGHT_TYPES
};

/* A stored weight matrix [n_out][n_in], as it lies in the file (possibly unaligned). */
struct mat {
    const void *data;
    enum weight_type type;
    int n_out, n_in;
};

/* Bytes of a stored matrix. */
size_t mat_bytes(enum weight_type type, int n_out, int n_in);
/* Packed types keep PACK_OUTS rows together in one strip; strips follow each other. */
enum { PACK_OUTS = 16 };
size_t pack_strip_bytes(enum weight_type type, int n_in); /* a multiple of 64; 0: not packed */
/* Bytes of one row of activations as `prepare` leaves it, a multiple of 64; 0: products with this
 * type take f32 rows as they are. */
size_t prepared_bytes(enum weight_type type, int n_in);

/* To the nearest bf16, ties to even; infinities stay, NaN may become another NaN. */
static inline uint16_t bf16_bits(float x)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Keys and values of one head lie in blocks of KV_BLOCK positions, each packed as
 * - keys [head_dim][KV_BLOCK]: one dimension of all positions together, so that scores of one query
 *   row are sums without a step across lanes;
 * - values [KV_BLOCK][kv_padded(head_dim)], zeros behind head_dim.
 * KV_Q8 has a bf16 scale for every KV_GROUP dimensions of a position behind the numbers: for keys
 * [groups][KV_BLOCK], for values [KV_BLOCK][groups]. A stored number is exactly one f32 in every
 * type (int8 times an 8-bit fraction fits its 24 bits), and attention computes with that f32, so
 * types differ by what was stored alone.
 * KV_BF16 is for products of pairs: two dimensions of a key side by side,
 * [head_dim / 2][KV_BLOCK][2], and two positions of a value, [KV_BLOCK / 2][padded][2]. Levels with
 * such products round queries and weights to bf16 as well.
 * A block is 64-byte aligned and readable as a whole; positions that a row does not see may hold
 * anything and never matter. */
enum kv_type { KV_F32, KV_F16, KV_Q8, KV_BF16, KV_TYPES };
enum { KV_BLOCK = 64, KV_GROUP = 32, KV_RUN = 16 };

static inline int kv_padded(int head_dim) { return (head_dim + 15) / 16 * 16; }
static inline int kv_groups(int head_dim) { return (head_dim + KV_GROUP - 1) / KV_GROUP; }
/* Bytes of one head's keys in a block, and of its values; a multiple of 64. */
static inline size_t kv_packed_bytes(enum kv_type type, int head_dim)
{
    size_t n = (size_t)KV_BLOCK * (size_t)kv_padded(head_dim);
    if (type == KV_Q8) return n + 2 * KV_BLOCK * (size_t)kv_groups(head_dim);
    return n * (type == KV_F32 ? 4 : 2);
}

struct kv_view {
    enum kv_type type;
    const void *const *k; // k[block]: packed keys, from position 0 on
    const void *const *v; // v[block]: packed values
};

struct attend_args {
    float *out; // [n_q][out_stride], head_dim written per row; not used with a span
    int64_t out_stride;
    const float *q; // [n_q][q_stride]
    int64_t q_stride;
    int n_q;
    int64_t first_pos; // causal: row i sees keys 0 … first_pos + i
    int64_t n_keys;    // not causal: every row sees keys 0 … n_keys-1
    int causal;
    int head_dim;
    float scale;
    struct kv_view kv;
    const void *next_k, *next_v; // NULL, or a packed block that the next call will begin with
    float *span;     // NULL, or where the state of the only row after one span goes: attend_merge
    int64_t span_at; // with span: which one
    float *scratch;  // attend_scratch_floats() floats, 64-byte aligned
};

struct kernels {
    const char *level;       // as in base/cpu.h
    enum kv_type kv_fastest; // to compute with, where keys and values are not kept for long

    /* Row-major types multiplied in f32:
     * y[r][o] = sum_i x[r][i] * w[o][i] (+ bias[o]) for o in [out_begin, out_end), r in [0,
     * n_rows). bias may be NULL. scratch: matmul_scratch_bytes, 64-byte aligned, one per thread.
     * flops: 2*n_rows*n_in*(out_end-out_begin); bytes: the weight rows once. */
    void (*matmul)(float *y, int64_t y_stride, const float *x, int64_t x_stride, int n_rows,
                   const struct mat *w, const float *bias, int out_begin, int out_end,
                   void *scratch);

    /* Stores one position (key and value, head_dim floats each; NULL: not that one) as number `at`
     * of a block. Other threads may store other positions of it meanwhile: of a pair, only its own
     * half is written. */
    void (*kv_put)(void *k_block, void *v_block, enum kv_type type, int at, const float *k,
                   const float *v, int head_dim);
    /* The same for KV_RUN positions of KV_BF16, `stride` floats apart, from a multiple of KV_RUN on. */
    void (*kv_put_run)(void *k_block, void *v_block, int at, const float *k, const float *v,
                       int64_t stride, int head_dim);

    /* The other types: rows of x are prepared once for all products with matrices of that type and
     * n_in, then multiplied. rows: n_rows * prepared_bytes, 64-byte aligned. Values must be finite
     * and below 2^96 in size; a row with others gives NaN everywhere. Else as matmul. */
    void (*prepare)(void *rows, const float *x, int64_t x_stride, int n_rows, enum weight_type type,
                    int n_in);
    void (*matmul_prepared)(float *y, int64_t y_stride, const void *rows, int n_rows,
                            const struct mat *w, const float *bias, int out_begin, int out_end,
                            void *scratch);

    /* Packs one strip: up to PACK_OUTS rows [n_rows][n_in] of finite weights. Of each 32 the scale
     * is sought that keeps the squared error small. The same bits at every level. */
    void (*pack)(void *strip, enum weight_type type, const float *rows, int n_rows, int n_in);
    /* Row `out` of a packed matrix -> f32, exact. */
    void (*unpack_row)(float *y, const struct mat *w, int out);

    /* Softmax attention of one head: scores scale*q.k, softmax in f32, weighted sum of v. Works
     * block by block (running maximum and sum) within spans of ATTEND_SPAN positions, whose states
     * are then merged in order: every row through the same steps, whoever computes them. */
    void (*attend)(const struct attend_args *args);
    /* The merge alone, for spans computed apart: states [n_spans][attend_span_floats] in order ->
     * out [head_dim], with the bits that one attend call gives. */
    void (*attend_merge)(float *out, float *states, int n_spans, int head_dim);

    /* One row each. rms: y = x / sqrt(mean(x^2) + eps) * w (docs/model.md, Decoder). layer: mean
     * and biased variance. */
    void (*rms_norm)(float *y, const float *x, const float *w, int n, float eps);
    void (*layer_norm)(float *y, const float *x, const float *w, const float *b, int n, float eps);

    /* x[j], x[j+d/2] rotated by cos[j], sin[j], j < d/2 (docs/model.md, Rotary positions), in
     * place, one head row. */
    void (*rope)(float *x, const float *cos, const float *sin, int head_dim);

    void (*add)(float *y, const float *x, int64_t n); // y += x
    void (*silu_mul)(float *y, const float *gate, const float *up,
                     int64_t n);             // y = up * gate*sigmoid(gate)
    void (*quick_gelu)(float *x, int64_t n); // x *= sigmoid(1.702 x)
    void (*gelu_erf)(float *x, int64_t n);   // x *= (1 + erf(x/sqrt 2))/2
    void (*widen)(float *y, const void *x, enum weight_type type,
                  int64_t n); // stored type -> f32, exact
};

/* The table for a level name of base/cpu.h; NULL when this build or processor lacks it. */
const struct kernels *kernels_for(const char *level);
/* The best table for this processor within PHI3V_CPU. Never NULL. */
const struct kernels *kernels_best(void);

size_t matmul_scratch_bytes(void);          /* enough for any matrix, per thread */
size_t attend_scratch_floats(int head_dim); /* per thread; any n_q the kernel is called with */
enum {
    ATTEND_MAX_Q = 64,  /* most query rows in one attend call */
    ATTEND_SPAN = 2048, /* positions whose state is kept apart */
};
/* The state of a row after a span: weighted values, maximum, sum. A multiple of 16. */
static inline size_t attend_span_floats(int head_dim) { return (size_t)kv_padded(head_dim) + 16; }

/* What this machine can do at most (kernels/probe.c), for `phiscope bench`. */
struct machine_limits {
    double read_gbs;                           /* 0: no memory was left to read */
    double f32_gflops, bf16_gflops, int8_gops; /* 0: the processor has no such instruction */
};
/* Holds the memory that it reads: a quarter to one GiB. Threads of its own, pinned, run only while
 * it measures, which takes a quarter of a second. NULL: no memory. */
struct machine_probe;
struct machine_probe *machine_probe_new(int n_threads);
void machine_probe_free(struct machine_probe *probe);
void machine_probe_measure(const struct machine_probe *probe, struct machine_limits *ret_limits);
void machine_limits_measure(int n_threads, struct machine_limits *ret_limits); /* all in one */
int64_t machine_cache_bytes(void); /* of the last-level cache; 0: not known */
int machine_cores(void);           /* that this process may use */
const char *machine_name(void);    /* of the processor */

#endif
