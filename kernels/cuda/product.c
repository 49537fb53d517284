/* SPDX-License-Identifier: MIT
 * cuBLASLt counts in columns: y^T [n_out x n_rows] = w^T-transposed [n_out x k] times x^T [k x
 * n_rows]. */
#include "product.h"

#include <cublasLt.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { WORKSPACE_BYTES = 32 * 1024 * 1024, MAX_SHAPES = 64, DEPTH_STEP = 8 };

/* What a way may depend on. Compared as bytes: without padding. */
struct shape_key {
    int64_t w_ld, x_ld, y_ld;
    int n_out, n_rows, depth, is_f32, has_bias;
    uint32_t w_align, x_align, y_align;
};
_Static_assert(sizeof(struct shape_key) == 3 * 8 + 8 * 4, "padding");

struct products {
    cublasLtHandle_t handle;
    void *workspace;
    int n, next; // shapes known; the one to forget next
    struct known {
        struct shape_key key;
        cublasLtMatmulAlgo_t algo;
    } known[MAX_SHAPES];
};

/* The descriptors of one product. */
struct plan {
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t w, x, y;
};

void products_free(struct products *p)
{
    if (!p) return;
    if (p->handle) cublasLtDestroy(p->handle);
    cudaFree(p->workspace);
    free(p);
}

int products_new(struct products **ret, struct phi3v_error *err)
{
    struct products *p = calloc(1, sizeof *p);
    if (!p) return err_set(err, PHI3V_E_MEMORY, "not enough memory for a session");
    if (cudaMalloc(&p->workspace, WORKSPACE_BYTES) != cudaSuccess) {
        products_free(p);
        return err_set(err, PHI3V_E_MEMORY,
                       "not enough memory on the GPU for a workspace of %d MiB",
                       WORKSPACE_BYTES >> 20);
    }
    cublasStatus_t rc = cublasLtCreate(&p->handle);
    if (rc != CUBLAS_STATUS_SUCCESS) {
        products_free(p);
        return err_set(err, PHI3V_E_DEVICE, "cuBLASLt does not start: %s",
                       cublasLtGetStatusString(rc));
    }
    *ret = p;
    return 0;
}

/* -- Descriptors ------------------------------------------------------------------------------- */

static bool set(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t what, const void *value,
                size_t n_bytes)
{
    return cublasLtMatmulDescSetAttribute(d, what, value, n_bytes) == CUBLAS_STATUS_SUCCESS;
}

static bool layout(cublasLtMatrixLayout_t *ret, cudaDataType_t type, int rows, int cols, int64_t ld)
{
    return cublasLtMatrixLayoutCreate(ret, type, (uint64_t)rows, (uint64_t)cols, ld) ==
           CUBLAS_STATUS_SUCCESS;
}

static void plan_fini(struct plan *d)
{
    if (d->desc) cublasLtMatmulDescDestroy(d->desc);
    if (d->w) cublasLtMatrixLayoutDestroy(d->w);
    if (d->x) cublasLtMatrixLayoutDestroy(d->x);
    if (d->y) cublasLtMatrixLayoutDestroy(d->y);
}

static bool plan_init(struct plan *d, const struct product *a, int depth)
{
    cudaDataType_t out = a->y32 ? CUDA_R_32F : CUDA_R_16BF;
    cublasOperation_t transposed = CUBLAS_OP_T;
    cublasLtEpilogue_t with_bias = CUBLASLT_EPILOGUE_BIAS;
    if (cublasLtMatmulDescCreate(&d->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F) != CUBLAS_STATUS_SUCCESS)
        return false;
    bool ok = set(d->desc, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed) &&
              layout(&d->w, CUDA_R_16BF, depth, a->w.n_out, a->w.ld) &&
              layout(&d->x, CUDA_R_16BF, depth, a->n_rows, a->x_ld) &&
              layout(&d->y, out, a->w.n_out, a->n_rows, a->y_ld);
    if (ok && a->bias)
        ok = set(d->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &with_bias, sizeof with_bias) &&
             set(d->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &a->bias, sizeof a->bias);
    return ok;
}

/* -- The way for a shape ----------------------------------------------------------------------- */

static bool ask(cublasLtMatmulPreference_t wish, cublasLtMatmulPreferenceAttributes_t what,
                const void *value, size_t n_bytes)
{
    return cublasLtMatmulPreferenceSetAttribute(wish, what, value, n_bytes) ==
           CUBLAS_STATUS_SUCCESS;
}

/* Of an address, as far as it matters: cuBLASLt takes 256 bytes for granted when not told. */
static uint32_t alignment_of(const void *p)
{
    uint32_t n = 256;
    while ((uintptr_t)p % n) n /= 2;
    return n;
}

/* Sums split over blocks may be added in any order only with the in-place scheme, which is left
 * out: the same product gives the same bits every time. */
static bool choose(const struct products *p, const struct plan *d, const struct shape_key *key,
                   cublasLtMatmulAlgo_t *ret)
{
    cublasLtMatmulPreference_t wish;
    if (cublasLtMatmulPreferenceCreate(&wish) != CUBLAS_STATUS_SUCCESS) return false;
    size_t bytes = WORKSPACE_BYTES;
    uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    cublasLtMatmulHeuristicResult_t found;
    int n = 0;
    bool ok = ask(wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes) &&
              ask(wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes) &&
              ask(wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &key->w_align, 4) &&
              ask(wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &key->x_align, 4) &&
              ask(wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &key->y_align, 4) &&
              ask(wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &key->y_align, 4) &&
              cublasLtMatmulAlgoGetHeuristic(p->handle, d->desc, d->w, d->x, d->y, d->y, wish, 1,
                                             &found, &n) == CUBLAS_STATUS_SUCCESS &&
              n == 1;
    cublasLtMatmulPreferenceDestroy(wish);
    if (ok) *ret = found.algo;
    return ok;
}

static bool way_for(struct products *p, const struct plan *d, const struct product *a, int depth,
                    cublasLtMatmulAlgo_t *ret)
{
    const void *y = a->y32 ? (const void *)a->y32 : (const void *)a->y16;
    struct shape_key key = {.w_ld = a->w.ld,
                            .x_ld = a->x_ld,
                            .y_ld = a->y_ld,
                            .n_out = a->w.n_out,
                            .n_rows = a->n_rows,
                            .depth = depth,
                            .is_f32 = a->y32 != NULL,
                            .has_bias = a->bias != NULL,
                            .w_align = alignment_of(a->w.data),
                            .x_align = alignment_of(a->x),
                            .y_align = alignment_of(y)};
    for (int i = 0; i < p->n; i++)
        if (!memcmp(&p->known[i].key, &key, sizeof key)) {
            *ret = p->known[i].algo;
            return true;
        }
    if (!choose(p, d, &key, ret)) return false;
    int at = p->n < MAX_SHAPES ? p->n++ : p->next++ % MAX_SHAPES;
    p->known[at] = (struct known){.key = key, .algo = *ret};
    return true;
}

void product_run(struct products *p, struct queue *q, const struct product *a)
{
    if (q->status != cudaSuccess || a->n_rows == 0) return;
    struct plan d = {0};
    cublasLtMatmulAlgo_t algo;
    int depth = (a->w.n_in + DEPTH_STEP - 1) / DEPTH_STEP *
                DEPTH_STEP; /* the padding is zero on both sides */
    float one = 1, beta = a->add ? 1 : 0;
    void *y = a->y32 ? (void *)a->y32 : (void *)a->y16;
    cudaError_t rc = cudaErrorNotSupported;
    queue_begin(q);
    if (plan_init(&d, a, depth) && way_for(p, &d, a, depth, &algo) &&
        cublasLtMatmul(p->handle, d.desc, &one, a->w.data, d.w, a->x, d.x, &beta, y, d.y, y, d.y,
                       &algo, p->workspace, WORKSPACE_BYTES, q->stream) == CUBLAS_STATUS_SUCCESS)
        rc = cudaSuccess;
    int64_t n_out = a->w.n_out, n_rows = a->n_rows;
    struct work_size work = {2 * (n_out * depth + n_rows * depth) +
                                 (a->y32 ? 4 : 2) * n_out * n_rows,
                             2 * n_out * n_rows * a->w.n_in};
    queue_end(q, a->name, work, rc);
    plan_fini(&d);
}
