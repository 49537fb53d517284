/* SPDX-License-Identifier: MIT */
#include "rows.h"

#include "kv8.h"
#include "port.h"

namespace
{

enum { THREADS = 256 };

unsigned blocks_for(int64_t n) { return (unsigned)((n + THREADS - 1) / THREADS); }

struct shape one_each(int64_t n) { return {dim3(blocks_for(n)), THREADS, 0, false}; }

__device__ __forceinline__ int64_t thread_index()
{
    return (int64_t)blockIdx.x * THREADS + threadIdx.x;
}

/* -- Inputs ------------------------------------------------------------------------------------ */

/* grid: (columns, rows) */
__global__ void __launch_bounds__(THREADS)
    embed_kernel(float *x, const struct row_source *rows, struct dev_mat embed)
{
    int64_t i = thread_index();
    struct row_source row = rows[blockIdx.y];
    if (i >= embed.n_in) return;
    float value = row.feature ? row.feature[i] : widen(embed.data[row.id * embed.ld + i]);
    x[(int64_t)blockIdx.y * embed.n_in + i] = value;
}

__global__ void __launch_bounds__(THREADS)
    angles_kernel(struct angles a, const struct row_source *rows, int64_t n)
{
    int64_t i = thread_index();
    if (i >= n) return;
    float angle = (float)rows[i / a.half].pos * a.inv_freq[i % a.half];
    a.cos[i] = cosf(angle) * a.magnitude;
    a.sin[i] = sinf(angle) * a.magnitude;
}

/* -- Norms ------------------------------------------------------------------------------------- */

__device__ void store_normed(const struct norm &a, int64_t row, int i, float x)
{
    if (a.y)
        narrow(x, &a.y[row * a.ld + i]);
    else
        a.y32[row * a.n + i] = x;
}

/* A block per row. */
__global__ void __launch_bounds__(THREADS) rms_norm_kernel(struct norm a)
{
    SHARED(float, scratch, WARP);
    int64_t row = blockIdx.x;
    const float *x = a.x + (a.rows ? a.rows[row] : row) * a.n;
    float squares = 0;
    for (int i = (int)threadIdx.x; i < a.n; i += THREADS) squares += x[i] * x[i];
    float scale = rsqrtf(block_sum(squares, scratch) / (float)a.n + a.eps);
    for (int i = (int)threadIdx.x; i < a.n; i += THREADS)
        store_normed(a, row, i, x[i] * scale * a.w[i]);
}

/* A block per row; mean first, then the mean of squared distances from it, as the reference. */
__global__ void __launch_bounds__(THREADS) layer_norm_kernel(struct norm a)
{
    SHARED(float, scratch, WARP);
    SHARED(float, scratch2, WARP);
    int64_t row = blockIdx.x;
    const float *x = a.x + row * a.n;
    float sum = 0, squares = 0;
    for (int i = (int)threadIdx.x; i < a.n; i += THREADS) sum += x[i];
    float mean = block_sum(sum, scratch) / (float)a.n;
    for (int i = (int)threadIdx.x; i < a.n; i += THREADS) squares += (x[i] - mean) * (x[i] - mean);
    float scale = rsqrtf(block_sum(squares, scratch2) / (float)a.n + a.eps);
    for (int i = (int)threadIdx.x; i < a.n; i += THREADS)
        store_normed(a, row, i, (x[i] - mean) * scale * a.w[i] + a.b[i]);
}

/* -- Activations: two elements a thread, rows are padded --------------------------------------- */

struct quick_gelu_of {
    __device__ float operator()(float x) const { return x / (1 + expf(-1.702f * x)); }
};
struct gelu_erf_of {
    __device__ float operator()(float x) const { return x * 0.5f * (1 + erff(x * 0.70710678f)); }
};

/* grid: (column pairs, rows) */
template <class F>
__global__ void __launch_bounds__(THREADS) activate_kernel(struct bf16 *x, int64_t ld, int n, F f)
{
    int64_t i = 2 * thread_index();
    if (i >= n) return;
    uint32_t *pair = (uint32_t *)(x + blockIdx.y * ld + i);
    float high = i + 1 < n ? f(bf16_high(*pair)) : 0;
    *pair = pack_bf16(f(bf16_low(*pair)), high);
}

/* grid: (columns, rows). n may be odd, so halves of x are read one by one. */
__global__ void __launch_bounds__(THREADS)
    silu_mul_kernel(struct bf16 *y, int64_t y_ld, const struct bf16 *x, int64_t x_ld, int n)
{
    int64_t i = 2 * thread_index();
    if (i >= n) return;
    const struct bf16 *gate = x + blockIdx.y * x_ld + i, *up = gate + n;
    bool both = i + 1 < n;
    float low = silu(widen(gate[0])) * widen(up[0]);
    float high = both ? silu(widen(gate[1])) * widen(up[1]) : 0;
    *(uint32_t *)(y + blockIdx.y * y_ld + i) = pack_bf16(low, high);
}

/* -- Heads ------------------------------------------------------------------------------------- */

/* grid: (elements of padded heads, rows) */
__global__ void __launch_bounds__(THREADS) split_heads_kernel(struct split_heads a, int d)
{
    int64_t i = thread_index(), row = blockIdx.y;
    int head = (int)(i / d), e = (int)(i % d), half = a.head_dim / 2;
    if (head >= a.n_heads + 2 * a.n_kv_heads) return;
    const struct bf16 *x = a.qkv + row * a.ld + (int64_t)head * a.head_dim;
    float value = e < a.head_dim ? widen(x[e]) : 0;
    if (a.cos && head < a.n_heads + a.n_kv_heads && e < a.head_dim) {
        const float *cos = a.cos + row * half, *sin = a.sin + row * half;
        value = e < half ? value * cos[e] - widen(x[e + half]) * sin[e]
                         : value * cos[e - half] + widen(x[e - half]) * sin[e - half];
    }
    if (head < a.n_heads) {
        narrow(value, &a.q[(row * a.n_heads + head) * d + e]);
        return;
    }
    int kv_head = (head - a.n_heads) % a.n_kv_heads;
    bool values = head >= a.n_heads + a.n_kv_heads;
    if (!a.slots) {
        narrow(value, &(values ? a.v : a.k)[(row * a.n_kv_heads + kv_head) * d + e]);
        return;
    }
    struct bf16 *plane = a.slots[row] + (values ? a.v_offset : a.k_offset) + kv_head * a.head_step;
    int at = a.pos[row] % KEYS_PER_BLOCK;
    if (a.is_q8)
        kv_store8(plane, d, at, e, value); /* a warp is 32 dimensions of one head */
    else
        narrow(value, &plane[at * d + e]);
}

/* -- Pictures ---------------------------------------------------------------------------------- */

/* grid: (elements of a patch, patches of all crops) */
__global__ void __launch_bounds__(THREADS)
    patches_kernel(struct bf16 *y, int64_t ld, const float *crops, int side, int patch)
{
    int64_t i = thread_index();
    int n = 3 * patch * patch, per_side = side / patch;
    if (i >= n) return;
    int channel = (int)i / (patch * patch), py = (int)i / patch % patch, px = (int)i % patch;
    int64_t crop = blockIdx.y / (per_side * per_side), at = blockIdx.y % (per_side * per_side);
    int64_t row = at / per_side * patch + py, col = at % per_side * patch + px;
    narrow(crops[((crop * 3 + channel) * side + row) * side + col], &y[blockIdx.y * ld + i]);
}

/* grid: (columns, tokens of all crops) */
__global__ void __launch_bounds__(THREADS)
    tokens_kernel(float *x, const float *embedded, const float *class_token, const float *places,
                  int n_patches, int c)
{
    int64_t i = thread_index();
    if (i >= c) return;
    int64_t crop = blockIdx.y / (1 + n_patches), token = blockIdx.y % (1 + n_patches);
    float value = token == 0 ? class_token[i] : embedded[(crop * n_patches + token - 1) * c + i];
    x[(int64_t)blockIdx.y * c + i] = value + places[token * c + i];
}

/* grid: (columns, rows) */
__global__ void __launch_bounds__(THREADS) merge_kernel(struct merge a)
{
    int64_t i = thread_index(), row = blockIdx.y;
    if (i >= 4 * a.c) return;
    int source = a.sources[row], cells = a.grid * a.grid;
    float value;
    if (source < 0) {
        value = source == MERGE_SUB_GN ? a.sub_gn[i] : a.glb_gn[i];
    } else {
        int quarter = (int)(i / a.c), cell = source % cells;
        int y = 2 * (cell / a.grid) + quarter / 2, x = 2 * (cell % a.grid) + quarter % 2;
        int64_t token = (int64_t)(source / cells) * (1 + 4 * cells) + 1 + y * 2 * a.grid + x;
        value = a.tower[token * a.c + i % a.c];
    }
    narrow(value, &a.y[row * a.ld + i]);
}

} // namespace

/* -- Launches ---------------------------------------------------------------------------------- */

static struct shape per_row(int64_t n_columns, int64_t n_rows)
{
    return {dim3(blocks_for(n_columns), (unsigned)n_rows), THREADS, 0, false};
}

void embed_launch(struct queue *q, float *x, const struct row_source *rows, const struct dev_mat *w,
                  int n_rows)
{
    struct work_size work = {(int64_t)n_rows * w->n_in * 6, 0};
    launch(q, "embed", per_row(w->n_in, n_rows), work, embed_kernel, x, rows, *w);
}

void angles_launch(struct queue *q, const struct angles *a, const struct row_source *rows,
                   int n_rows)
{
    int64_t n = (int64_t)n_rows * a->half;
    struct work_size work = {n * 8, 0};
    launch(q, "angles", one_each(n), work, angles_kernel, *a, rows, n);
}

static struct work_size norm_work(const struct norm *a)
{
    return {(int64_t)a->n_rows * a->n * 6, 0};
}

void rms_norm_launch(struct queue *q, const struct norm *a)
{
    struct shape s = {dim3((unsigned)a->n_rows), THREADS, 0, false};
    launch(q, "rms_norm", s, norm_work(a), rms_norm_kernel, *a);
}

void layer_norm_launch(struct queue *q, const struct norm *a)
{
    struct shape s = {dim3((unsigned)a->n_rows), THREADS, 0, false};
    launch(q, "layer_norm", s, norm_work(a), layer_norm_kernel, *a);
}

void silu_mul_launch(struct queue *q, struct bf16 *y, int64_t y_ld, const struct bf16 *x,
                     int64_t x_ld, int n_rows, int n)
{
    struct work_size work = {(int64_t)n_rows * n * 6, 0};
    launch(q, "silu_mul", per_row((n + 1) / 2, n_rows), work, silu_mul_kernel, y, y_ld, x, x_ld, n);
}

void quick_gelu_launch(struct queue *q, struct bf16 *x, int64_t ld, int n_rows, int n)
{
    struct work_size work = {(int64_t)n_rows * n * 4, 0};
    launch(q, "quick_gelu", per_row((n + 1) / 2, n_rows), work, activate_kernel<quick_gelu_of>, x,
           ld, n, quick_gelu_of());
}

void gelu_erf_launch(struct queue *q, struct bf16 *x, int64_t ld, int n_rows, int n)
{
    struct work_size work = {(int64_t)n_rows * n * 4, 0};
    launch(q, "gelu_erf", per_row((n + 1) / 2, n_rows), work, activate_kernel<gelu_erf_of>, x, ld,
           n, gelu_erf_of());
}

void split_heads_launch(struct queue *q, const struct split_heads *a)
{
    int d = pad_head(a->head_dim);
    int64_t n = (int64_t)(a->n_heads + 2 * a->n_kv_heads) * d;
    struct work_size work = {(int64_t)a->n_rows * n * 4, 0};
    launch(q, "split_heads", per_row(n, a->n_rows), work, split_heads_kernel, *a, d);
}

void patches_launch(struct queue *q, struct bf16 *y, int64_t ld, const float *crops, int n,
                    int side, int patch)
{
    int64_t rows = (int64_t)n * (side / patch) * (side / patch),
            columns = 3 * (int64_t)patch * patch;
    struct work_size work = {rows * columns * 6, 0};
    launch(q, "patches", per_row(columns, rows), work, patches_kernel, y, ld, crops, side, patch);
}

void tokens_launch(struct queue *q, float *x, const float *embedded, const float *class_token,
                   const float *places, int n, int n_patches, int c)
{
    int64_t rows = (int64_t)n * (1 + n_patches);
    struct work_size work = {rows * c * 8, 0};
    launch(q, "tokens", per_row(c, rows), work, tokens_kernel, x, embedded, class_token, places,
           n_patches, c);
}

void merge_launch(struct queue *q, const struct merge *a)
{
    struct work_size work = {(int64_t)a->n_rows * 4 * a->c * 6, 0};
    launch(q, "merge", per_row(4 * (int64_t)a->c, a->n_rows), work, merge_kernel, *a);
}
