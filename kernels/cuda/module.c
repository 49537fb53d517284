/* SPDX-License-Identifier: MIT
 * The module's entry: a GPU chosen and measured, weights carried over, and the backend table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "device.h"
#include "gemv.h"

enum { MIN_MAJOR = 8, ROWS_BIG = 2048, ROWS_SMALL = 512 };
/* Elements: a strip of the widest rows; 32 MiB; the largest matrix of a layer at the published
 * size. */
enum { UNPACK_LEAST = 1 << 20, UNPACK_SMALL = 16 << 20, UNPACK_BIG = 48 << 20 };

static const double GIB = 1024.0 * 1024 * 1024, PULSE_S = 0.05;
static const size_t ROOMY_BYTES = (size_t)16 << 30; // GPUs with less work in smaller pieces
static const size_t SPARE_BYTES = (size_t)64 << 20; // for the driver and fragments
static const int64_t MIN_TOKENS = 256; // of context; with less there is no point in opening

/* -- Errors and memory ------------------------------------------------------------------------- */

void *carve(struct carve *c, size_t n_bytes)
{
    void *p = c->base ? c->base + c->used : NULL;
    c->used += (n_bytes + 255) / 256 * 256;
    return p;
}

int device_error(cudaError_t rc, const char *what, size_t needed_bytes, struct phi3v_error *err)
{
    size_t free_bytes = 0, total = 0;
    cudaGetLastError(); /* an answered error is not met again by the next call */
    if (rc != cudaErrorMemoryAllocation)
        return err_set(err, PHI3V_E_DEVICE, "the GPU failed at %s: %s", what,
                       cudaGetErrorString(rc));
    cudaMemGetInfo(&free_bytes, &total);
    return err_set(
        err, PHI3V_E_MEMORY,
        "not enough memory on the GPU for %s: %.0f MiB needed, %.0f MiB free; use a shorter --ctx, "
        "--dtype q8 or q4, or --device cpu",
        what, (double)needed_bytes / (GIB / 1024), (double)free_bytes / (GIB / 1024));
}

int queue_error(const struct queue *q, struct phi3v_error *err)
{
    return q->status == cudaSuccess ? 0 : device_error(q->status, q->failed, 0, err);
}

int state_wait(struct backend_state *s, const struct pulse *pulse, int64_t done, int64_t total,
               struct phi3v_error *err)
{
    struct queue *q = &s->q;
    double next_s = clock_s() + PULSE_S;
    int stopped = 0;
    queue_check(q, "wait", cudaEventRecord(s->done, q->stream));
    for (cudaError_t rc = cudaSuccess; pulse && !stopped && q->status == cudaSuccess;) {
        rc = cudaEventQuery(s->done);
        if (rc != cudaErrorNotReady) {
            queue_check(q, "wait", rc);
            break;
        }
        if (clock_s() < next_s) continue;
        stopped = pulse->fn(pulse->user, done, total);
        next_s = clock_s() + PULSE_S;
    }
    queue_wait(q);
    int rc = queue_error(q, err);
    return rc || !stopped ? rc : err_set(err, PHI3V_E_CANCELLED, "cancelled");
}

/* -- Sessions ---------------------------------------------------------------------------------- */

/* Room for the largest packed matrix of the decoder, or a part of it where memory is short. */
static int64_t unpack_elements(const struct cuda_backend *b)
{
    const struct config *c = b->config;
    int64_t most = b->max_rows < ROWS_BIG ? UNPACK_SMALL : UNPACK_BIG;
    int64_t down = (int64_t)c->hidden * pad_row(c->intermediate),
            gate_up = 2 * (int64_t)c->intermediate * pad_row(c->hidden);
    int64_t wanted = down > gate_up ? down : gate_up;
    if (!strcmp(b->dtype, "bf16")) return 0;
    return wanted < UNPACK_LEAST ? UNPACK_LEAST : wanted < most ? wanted : most;
}

static void lay_state(struct backend_state *s, struct carve *m, const struct cuda_backend *b)
{
    const struct config *c = b->config;
    int max_rows = b->max_rows;
    size_t n = (size_t)max_rows, f = sizeof(float), w = sizeof(struct bf16),
           half = (size_t)c->head_dim / 2;
    size_t head_width = (size_t)c->n_heads * (size_t)pad_head(c->head_dim);
    s->x = carve(m, n * (size_t)c->hidden * f);
    s->cos = carve(m, n * half * f);
    s->sin = carve(m, n * half * f);
    s->normed = carve(m, n * (size_t)pad_row(c->hidden) * w);
    s->qkv = carve(m, n * (size_t)pad_row(qkv_width(c)) * w);
    s->heads = carve(m, n * head_width * w);
    s->attn = carve(m, n * (size_t)pad_row((int64_t)c->n_heads * c->head_dim) * w);
    s->wide = carve(m, n * (size_t)pad_row(2 * (int64_t)c->intermediate) * w);
    s->mlp = carve(m, n * (size_t)pad_row(c->intermediate) * w);
    s->logits = carve(m, LOGIT_ROWS * (size_t)c->n_vocab * f);
    s->parts = carve(m, attend_parts_floats(FEW_AT_ONCE, c->n_heads, c->head_dim) * f);
    s->arrived = carve(m, (size_t)(FEW_AT_ONCE * c->n_heads) * sizeof *s->arrived);
    s->unpack_elements = unpack_elements(b);
    s->unpacked = carve(m, (size_t)s->unpack_elements * w);
}

static size_t state_bytes(const struct cuda_backend *b)
{
    struct backend_state s;
    struct carve m = {0};
    lay_state(&s, &m, b);
    return m.used;
}

static void cuda_state_free(struct backend_state *s)
{
    if (!s) return;
    cudaSetDevice(s->b->device);
    if (s->q.stream) cudaStreamSynchronize(s->q.stream);
    decode_free(s->decode);
    products_free(s->products);
    cudaFree(s->memory);
    cudaFree(s->picture);
    staging_fini(&s->staging);
    cudaFree(s->tables);
    cudaFreeHost(s->host_tables);
    if (s->done) cudaEventDestroy(s->done);
    if (s->q.stream) cudaStreamDestroy(s->q.stream);
    free(s);
}

static int state_open(struct backend_state *s, struct phi3v_error *err)
{
    struct carve m = {0};
    lay_state(s, &m, s->b);
    cudaError_t rc = cudaStreamCreateWithFlags(&s->q.stream, cudaStreamNonBlocking);
    if (rc == cudaSuccess) rc = cudaEventCreateWithFlags(&s->done, cudaEventDisableTiming);
    if (rc == cudaSuccess) rc = cudaMalloc(&s->memory, m.used);
    if (rc != cudaSuccess) return device_error(rc, "a session", m.used, err);
    queue_zero(&s->q, s->memory,
               m.used); /* products read the padding of rows, attention counts from zero */
    lay_state(s, &(struct carve){.base = s->memory}, s->b);
    int code = staging_init(&s->staging, err);
    if (!code) code = products_new(&s->products, err);
    return code ? code : decode_new(s, err);
}

static int cuda_state_new(struct backend *base, struct backend_state **ret, struct phi3v_error *err)
{
    struct cuda_backend *b = (struct cuda_backend *)base;
    struct backend_state *s = calloc(1, sizeof *s);
    if (!s) return err_set(err, PHI3V_E_MEMORY, "not enough memory for a session");
    cudaSetDevice(b->device);
    s->b = b;
    s->q.n_sms = b->n_sms;
    s->q.overlap = b->overlap;
    int rc = state_open(s, err);
    if (rc)
        cuda_state_free(s);
    else
        *ret = s;
    return rc;
}

/* -- The table --------------------------------------------------------------------------------- */

static const char *cuda_name(const struct backend *b)
{
    return ((const struct cuda_backend *)b)->name;
}
static const char *cuda_dtype(const struct backend *b)
{
    return ((const struct cuda_backend *)b)->dtype;
}
static int cuda_piece_rows(const struct backend *b)
{
    return ((const struct cuda_backend *)b)->max_rows;
}

static int cuda_step_seqs(const struct backend *b)
{
    (void)b;
    return STEP_SEQS;
}

static void cuda_close(struct backend *base)
{
    if (!base) return;
    struct cuda_backend *b = (struct cuda_backend *)base;
    cudaSetDevice(b->device);
    weights_release(&b->w);
    kv_pool_fini(&b->kv);
    free(b);
}

static int cuda_encode(struct backend_state *s, const struct crop_source *crops,
                       const struct trace *trace, const struct pulse *pulse, struct features **ret,
                       struct phi3v_error *err)
{
    cudaSetDevice(s->b->device);
    return vision_encode_cuda(s, crops, trace, pulse, ret, err);
}

static int cuda_features_rows(const struct features *f) { return f->n_rows; }
static size_t cuda_features_bytes(const struct features *f)
{
    return (size_t)f->n_rows * (size_t)f->hidden * sizeof *f->data;
}

static int cuda_kv_alloc(struct backend *b, int n, int *ret_ids, struct phi3v_error *err)
{
    cudaSetDevice(((struct cuda_backend *)b)->device);
    return kv_pool_take(&((struct cuda_backend *)b)->kv, n, ret_ids, err);
}
static void cuda_kv_free(struct backend *b, const int *ids, int n)
{
    kv_pool_give(&((struct cuda_backend *)b)->kv, ids, n);
}
static size_t cuda_kv_block_bytes(const struct backend *b)
{
    return ((const struct cuda_backend *)b)->kv.block_bytes;
}

/* What is free now, less a session's work area, a large picture's, and something to spare. */
static size_t cuda_kv_budget(const struct backend *base)
{
    const struct cuda_backend *b = (const struct cuda_backend *)base;
    size_t free_bytes = 0, total = 0, taken = 2 * state_bytes(b) + SPARE_BYTES;
    cudaSetDevice(b->device);
    cudaMemGetInfo(&free_bytes, &total);
    return free_bytes > taken ? free_bytes - taken : 0;
}

/* Values of size 0.5 … 1, the same in every 64 KiB: enough to time attention. As 8-bit integers the
 * same bits are numbers and scales of many sizes. What is there is copied on, twice as much each
 * time; such copies go on behind the call's back, and the sessions' streams do not wait for them.
 */
static void cuda_kv_fill(struct backend *base, int id, uint64_t seed)
{
    enum { N = 32768 };
    struct cuda_backend *b = (struct cuda_backend *)base;
    struct bf16 *block, *values = malloc(N * sizeof *values);
    if (!values) return;
    for (int i = 0; i < N; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        values[i].bits =
            (uint16_t)(seed >> 63 << 15 | 0x3f00 | (seed >> 33 & 0x7f)); /* ± 0.5 … 1 */
    }
    cudaSetDevice(b->device);
    kv_pool_resolve(&b->kv, &id, 1, &block);
    size_t n_bytes = b->kv.block_bytes, n = N * sizeof *values;
    if (n > n_bytes) n = n_bytes;
    cudaMemcpy(block, values, n, cudaMemcpyDefault);
    for (size_t part; n < n_bytes; n += part) {
        part = n < n_bytes - n ? n : n_bytes - n;
        cudaMemcpy((char *)block + n, block, part, cudaMemcpyDefault);
    }
    cudaDeviceSynchronize();
    free(values);
}

/* A token of each sequence is a step of decoding; everything else is rows, and so is what they
 * refuse. */
static bool is_step(const struct config *c, const struct batch *b)
{
    for (int i = 0; i < b->n_seqs; i++) {
        const struct batch_seq *seq = &b->seqs[i];
        if (seq->n_rows != 1 || seq->rows[0].features || seq->first_pos >= c->max_positions ||
            seq->rows[0].id < 0 || seq->rows[0].id >= c->n_vocab)
            return false;
    }
    return !b->trace;
}

static int cuda_forward(struct backend_state *s, const struct batch *batch, struct phi3v_error *err)
{
    cudaSetDevice(s->b->device);
    return is_step(s->b->config, batch) ? decode_step(s, batch, err) : prefill_run(s, batch, err);
}

static int cuda_decode(struct backend_state *s, const struct decode_seq *seqs, int n, int n_steps,
                       backend_id_fn on_id, void *user, struct phi3v_error *err)
{
    cudaSetDevice(s->b->device);
    return decode_ahead(s, seqs, n, n_steps, on_id, user, err);
}

static const struct backend_table cuda_table = {
    .abi = BACKEND_ABI,
    .name = cuda_name,
    .close = cuda_close,
    .dtype = cuda_dtype,
    .piece_rows = cuda_piece_rows,
    .step_seqs = cuda_step_seqs,
    .state_new = cuda_state_new,
    .state_free = cuda_state_free,
    .encode = cuda_encode,
    .features_rows = cuda_features_rows,
    .features_bytes = cuda_features_bytes,
    .features_free = features_release,
    .kv_alloc = cuda_kv_alloc,
    .kv_free = cuda_kv_free,
    .kv_block_bytes = cuda_kv_block_bytes,
    .kv_budget = cuda_kv_budget,
    .kv_fill = cuda_kv_fill,
    .forward = cuda_forward,
    .decode = cuda_decode,
};

/* -- Opening ----------------------------------------------------------------------------------- */

static const char *version_text(int version, char text[16])
{
    snprintf(text, 16, "%d.%d", version / 1000, version % 1000 / 10);
    return text;
}

/* How many GPUs there are; an error when none can be used. A missing driver and one that is too
 * old come as the same code: the driver's own version, 0 without one, tells them apart. */
static int count_gpus(int *ret, struct phi3v_error *err)
{
    int has = 0;
    char needs_text[16], has_text[16];
    cudaError_t rc = cudaGetDeviceCount(ret);
    if (rc == cudaErrorInsufficientDriver) {
        cudaDriverGetVersion(&has);
        version_text(CUDART_VERSION, needs_text);
        if (has == 0)
            return err_set(err, PHI3V_E_DEVICE,
                           "no NVIDIA driver is running here (one for CUDA %s is needed); install "
                           "it, or use the device cpu",
                           needs_text);
        return err_set(err, PHI3V_E_DEVICE,
                       "the NVIDIA driver here is for CUDA %s, this build needs %s; update the "
                       "driver, or use the device cpu",
                       version_text(has, has_text), needs_text);
    }
    if (rc == cudaErrorNoDevice || (rc == cudaSuccess && *ret == 0))
        return err_set(err, PHI3V_E_DEVICE, "no NVIDIA GPU is in this machine; use the device cpu");
    return rc == cudaSuccess ? 0 : device_error(rc, "its first call", 0, err);
}

static int choose_gpu(const char *device, int *ret, struct cudaDeviceProp *ret_gpu,
                      struct phi3v_error *err)
{
    int n = 0, i = device[4] == ':' ? atoi(device + 5) : 0;
    int none = count_gpus(&n, err);
    if (none) return none;
    if (i >= n)
        return err_set(err, PHI3V_E_DEVICE, "there is no GPU %d here; the numbers are 0 to %d", i,
                       n - 1);
    cudaError_t rc = cudaSetDevice(i);
    if (rc == cudaSuccess) rc = cudaGetDeviceProperties(ret_gpu, i);
    if (rc != cudaSuccess) return device_error(rc, "its first call", 0, err);
    if (ret_gpu->major < MIN_MAJOR)
        return err_set(
            err, PHI3V_E_UNSUPPORTED,
            "%s has compute capability %d.%d; 8.0 (Ampere) or later is needed; use the device cpu",
            ret_gpu->name, ret_gpu->major, ret_gpu->minor);
    *ret = i;
    return 0;
}

static int cuda_describe(int i, char *text, size_t n_bytes, struct phi3v_error *err)
{
    struct cudaDeviceProp gpu;
    char device[24];
    int n = 0, at, rc = count_gpus(&n, err);
    if (rc) return rc;
    if (i >= n) return 1;
    snprintf(device, sizeof device, "cuda:%d", i);
    rc = choose_gpu(device, &at, &gpu, err);
    if (rc) return rc;
    snprintf(text, n_bytes, "%s, %.1f GiB, compute capability %d.%d", gpu.name,
             (double)gpu.totalGlobalMem / GIB, gpu.major, gpu.minor);
    return 0;
}

static int check_model(const struct config *c, struct phi3v_error *err)
{
    int widest = c->intermediate > c->hidden ? c->intermediate : c->hidden;
    if (!pad_head(c->head_dim) || !pad_head(c->vision.head_dim))
        return err_set(err, PHI3V_E_UNSUPPORTED,
                       "heads of %d and %d elements; on the GPU at most 128", c->head_dim,
                       c->vision.head_dim);
    if (widest > GEMV_MAX_IN)
        return err_set(err, PHI3V_E_UNSUPPORTED, "rows of %d elements; on the GPU at most %d",
                       widest, GEMV_MAX_IN);
    return 0;
}

/* The settings that take less memory than what is asked for. */
static const char *smaller(const struct cuda_backend *b)
{
    if (!strcmp(b->dtype, "bf16")) return "--dtype q8 or q4, or ";
    return strcmp(b->dtype, "q8") ? "" : "--dtype q4, or ";
}

/* Before anything is copied: weights, a session, and the smallest context must fit. */
static int check_memory(struct cuda_backend *b, const struct model_weights *w, const char *gpu,
                        struct phi3v_error *err)
{
    size_t free_bytes = 0, total = 0;
    cudaMemGetInfo(&free_bytes, &total);
    b->max_rows = free_bytes >= ROOMY_BYTES ? ROWS_BIG : ROWS_SMALL;
    if (b->max_rows > b->config->max_positions) b->max_rows = (int)b->config->max_positions;
    double weights = (double)weights_dev_bytes(b->config, w);
    double session = 2 * (double)state_bytes(b) + (double)SPARE_BYTES;
    double kv = (double)b->kv.block_bytes * (MIN_TOKENS / KEYS_PER_BLOCK);
    if (weights + session + kv <= (double)free_bytes) return 0;
    return err_set(err, PHI3V_E_MEMORY,
                   "%s has %.1f GiB free, the model needs %.1f (weights %.1f, work memory %.1f, "
                   "%lld tokens of "
                   "context %.2f); use %s--device cpu",
                   gpu, (double)free_bytes / GIB, (weights + session + kv) / GIB, weights / GIB,
                   session / GIB, (long long)MIN_TOKENS, kv / GIB, smaller(b));
}

static const char *dtype_of(const struct model_weights *w)
{
    return w->form == FORM_Q8 ? "q8" : w->form == FORM_Q4 ? "q4" : "bf16";
}

static int cuda_open(const char *device, const struct config *config,
                     const struct model_weights *weights, enum kv_type kv_type,
                     struct backend **ret, struct phi3v_error *err)
{
    struct cudaDeviceProp gpu;
    int at = 0, rc = choose_gpu(device, &at, &gpu, err);
    if (!rc) rc = check_model(config, err);
    if (rc) return rc;
    struct cuda_backend *b = calloc(1, sizeof *b);
    if (!b) return err_set(err, PHI3V_E_MEMORY, "not enough memory for the CUDA backend");
    b->base.table = &cuda_table;
    b->config = config;
    b->device = at;
    b->n_sms = gpu.multiProcessorCount;
    b->overlap = gpu.major >= 9;
    b->kv_q8 = kv_type == KV_Q8;
    b->dtype = dtype_of(weights);
    kv_pool_init(&b->kv, (size_t)kv_elements(b, config->n_layers, 0) * sizeof(struct bf16));
    snprintf(b->name, sizeof b->name, "cuda:%d (%s, %.0f GiB)", at, gpu.name,
             (double)gpu.totalGlobalMem / GIB);
    rc = check_memory(b, weights, gpu.name, err);
    if (!rc) rc = weights_upload(config, weights, &b->w, err);
    if (rc)
        cuda_close(&b->base);
    else
        *ret = &b->base;
    return rc;
}

__attribute__((visibility("default"))) const struct backend_module *phi3v_backend_entry(void);

const struct backend_module *phi3v_backend_entry(void)
{
    static const struct backend_module module = {BACKEND_ABI, cuda_open, cuda_describe};
    return &module;
}
