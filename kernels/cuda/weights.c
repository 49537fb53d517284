/* SPDX-License-Identifier: MIT
 * Weights to the GPU: one allocation, laid out in the order of the walk below. The walk runs
 * twice: to measure, and to copy. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "device.h"

enum { N_SLOTS = 2, SLOT_BYTES = 32 << 20 };

/* A pinned buffer and the stream that empties it. */
struct slot {
    char *buffer;
    cudaStream_t stream;
    cudaEvent_t sent;
};

struct upload {
    struct carve memory; // of the GPU; only counts while base is NULL
    struct slot slots[N_SLOTS];
    int next;
    cudaError_t status;
};

static void check(struct upload *u, cudaError_t rc)
{
    if (u->status == cudaSuccess) u->status = rc;
}

/* -- The ring ---------------------------------------------------------------------------------- */

static void ring_init(struct upload *u)
{
    for (int i = 0; i < N_SLOTS; i++) {
        struct slot *s = &u->slots[i];
        check(u, cudaMallocHost((void **)&s->buffer, SLOT_BYTES));
        check(u, cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking));
        check(u, cudaEventCreateWithFlags(&s->sent, cudaEventDisableTiming));
    }
}

static void ring_fini(struct upload *u)
{
    for (int i = 0; i < N_SLOTS; i++) {
        struct slot *s = &u->slots[i];
        if (s->stream) {
            check(u, cudaStreamSynchronize(s->stream));
            cudaStreamDestroy(s->stream);
        }
        if (s->sent) cudaEventDestroy(s->sent);
        cudaFreeHost(s->buffer);
    }
}

/* The next buffer, empty. */
static struct slot *ring_take(struct upload *u)
{
    struct slot *s = &u->slots[u->next++ % N_SLOTS];
    check(u, cudaEventSynchronize(s->sent));
    return s;
}

static void ring_send(struct upload *u, struct slot *s, void *to, size_t n_bytes)
{
    check(u, cudaMemcpyAsync(to, s->buffer, n_bytes, cudaMemcpyHostToDevice, s->stream));
    check(u, cudaEventRecord(s->sent, s->stream));
}

/* -- Types ------------------------------------------------------------------------------------- */

static uint16_t bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x != x) return 0x7fff;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float f16_value(uint16_t h)
{
    int exponent = h >> 10 & 31;
    float fraction = (float)(h & 1023), x = fraction * 0x1p-24f;
    if (exponent == 31) return fraction > 0 ? (float)NAN : h >> 15 ? -INFINITY : INFINITY;
    if (exponent > 0) x = ldexpf(1 + fraction * 0x1p-10f, exponent - 15);
    return h >> 15 ? -x : x;
}

/* n stored values, wherever they lie, to bf16. */
static void to_bf16(uint16_t *y, const char *x, enum weight_type type, int n)
{
    if (type == WEIGHT_BF16) {
        memcpy(y, x, (size_t)n * sizeof *y);
        return;
    }
    for (int i = 0; i < n; i++) {
        float value;
        uint16_t half;
        if (type == WEIGHT_F32) {
            memcpy(&value, x + 4 * (size_t)i, sizeof value);
        } else {
            memcpy(&half, x + 2 * (size_t)i, sizeof half);
            value = f16_value(half);
        }
        y[i] = bf16_of(value);
    }
}

/* -- Matrices and vectors ---------------------------------------------------------------------- */

static enum packing packing_of(const struct mat *m)
{
    return m->type == WEIGHT_Q8 ? PACKED_Q8 : m->type == WEIGHT_Q4 ? PACKED_Q4 : PACKED_NOT;
}

/* Output `out` of a packed matrix as bf16: types.h has the layout. */
static void unpack_row(uint16_t *y, const struct mat *m, int out)
{
    enum packing p = packing_of(m);
    int o = out % STRIP_OUTS, n_blocks = blocks_of(m->n_in), bytes = block_bytes(p);
    const uint8_t *strip = (const uint8_t *)m->data + out / STRIP_OUTS * strip_bytes(p, m->n_in);
    for (int i = 0; i < m->n_in; i++) {
        int b = i / BLOCK_INS, group = i % BLOCK_INS / 4, e = i % 4;
        uint16_t half;
        memcpy(&half, strip + (int64_t)n_blocks * bytes + (b * STRIP_OUTS + o) * 2, sizeof half);
        const uint8_t *block = strip + (int64_t)b * bytes;
        int w = p == PACKED_Q8
                    ? block[(group * STRIP_OUTS + o) * 4 + e] - 128
                    : (block[(group / 2 * STRIP_OUTS + o) * 4 + e] >> group % 2 * 4 & 15) - 8;
        y[i] = bf16_of((float)w * ldexpf(f16_value(half), -SCALES_SHIFT));
    }
}

/* Rows of m to the GPU, padded, as many at a time as a buffer holds. */
static void send_rows(struct upload *u, struct bf16 *to, int64_t ld, const struct mat *m)
{
    size_t item = m->type == WEIGHT_F32 ? 4 : 2, row_bytes = (size_t)ld * sizeof *to;
    int at_once = (int)(SLOT_BYTES / row_bytes);
    for (int first = 0; first < m->n_out && u->status == cudaSuccess; first += at_once) {
        int n = m->n_out - first < at_once ? m->n_out - first : at_once;
        struct slot *s = ring_take(u);
        for (int r = 0; r < n; r++) {
            uint16_t *row = (uint16_t *)(s->buffer + (size_t)r * row_bytes);
            const char *from = (const char *)m->data + (size_t)(first + r) * (size_t)m->n_in * item;
            if (packing_of(m) != PACKED_NOT)
                unpack_row(row, m, first + r);
            else
                to_bf16(row, from, m->type, m->n_in);
            memset(row + m->n_in, 0, row_bytes - (size_t)m->n_in * sizeof *row);
        }
        ring_send(u, s, (char *)to + (size_t)first * row_bytes, (size_t)n * row_bytes);
    }
}

static void send_bytes(struct upload *u, char *to, const char *from, int64_t n_bytes)
{
    for (int64_t at = 0; at < n_bytes && u->status == cudaSuccess; at += SLOT_BYTES) {
        int64_t n = n_bytes - at < SLOT_BYTES ? n_bytes - at : SLOT_BYTES;
        struct slot *s = ring_take(u);
        memcpy(s->buffer, from + at, (size_t)n);
        ring_send(u, s, to + at, (size_t)n);
    }
}

/* Whether the matrices, all of one packed type, make one when their strips follow each other. */
static enum packing stacked_packing(const struct mat *const *mats, int n)
{
    for (int i = 0; i < n; i++)
        if (mats[i]->type != mats[0]->type || (i < n - 1 && mats[i]->n_out % STRIP_OUTS))
            return PACKED_NOT;
    return packing_of(mats[0]);
}

/* Matrices of one depth on top of each other: strips as they are, everything else as bf16. */
static struct dev_mat stacked(struct upload *u, const struct mat *const *mats, int n)
{
    struct dev_mat d = {
        .n_in = mats[0]->n_in, .ld = pad_row(mats[0]->n_in), .packing = stacked_packing(mats, n)};
    bool packed = d.packing != PACKED_NOT;
    size_t row_bytes = (size_t)d.ld * sizeof(struct bf16), bytes = 0;
    for (int i = 0; i < n; i++) {
        d.n_out += mats[i]->n_out;
        bytes += packed ? (size_t)(strips_of(mats[i]->n_out) * strip_bytes(d.packing, d.n_in))
                        : (size_t)mats[i]->n_out * row_bytes;
    }
    char *to = carve(&u->memory, bytes);
    d.data = packed ? NULL : (struct bf16 *)(void *)to;
    d.strips = packed ? to : NULL;
    for (int i = 0; i < n && to; i++) {
        int64_t strips = strips_of(mats[i]->n_out) * strip_bytes(d.packing, d.n_in);
        if (packed)
            send_bytes(u, to, mats[i]->data, strips);
        else
            send_rows(u, (struct bf16 *)(void *)to, d.ld, mats[i]);
        to += packed ? strips : (int64_t)((size_t)mats[i]->n_out * row_bytes);
    }
    return d;
}

static struct dev_mat matrix(struct upload *u, const struct mat *m) { return stacked(u, &m, 1); }

static const float *vector(struct upload *u, const float *x, int n)
{
    float *to = carve(&u->memory, (size_t)n * sizeof *to);
    for (int at = 0; at < n && to && u->status == cudaSuccess; at += SLOT_BYTES / (int)sizeof *x) {
        int most = SLOT_BYTES / (int)sizeof *x, part = n - at < most ? n - at : most;
        struct slot *s = ring_take(u);
        memcpy(s->buffer, x + at, (size_t)part * sizeof *x);
        ring_send(u, s, to + at, (size_t)part * sizeof *x);
    }
    return to;
}

static const float *vec(struct upload *u, const struct vec *v) { return vector(u, v->data, v->n); }

/* Biases of stacked matrices, rounded to bf16. */
static const struct bf16 *vec16(struct upload *u, const struct vec *const *vecs, int n)
{
    size_t total = 0;
    for (int i = 0; i < n; i++) total += (size_t)vecs[i]->n;
    struct bf16 *to = carve(&u->memory, total * sizeof *to);
    if (!to || u->status != cudaSuccess) return to;
    struct slot *s = ring_take(u);
    uint16_t *y = (uint16_t *)s->buffer; /* config.c bounds widths far below SLOT_BYTES */
    for (int i = 0; i < n; y += vecs[i++]->n)
        to_bf16(y, (const char *)vecs[i]->data, WEIGHT_F32, vecs[i]->n);
    ring_send(u, s, to, total * sizeof *to);
    return to;
}

/* -- The walk ---------------------------------------------------------------------------------- */

static void walk_tower_layer(struct upload *u, const struct vision_layer_weights *l,
                             struct dev_tower_layer *d)
{
    *d = (struct dev_tower_layer){
        .norm1_w = vec(u, &l->norm1_w),
        .norm1_b = vec(u, &l->norm1_b),
        .qkv = stacked(u, (const struct mat *[]){&l->q, &l->k, &l->v}, 3),
        .qkv_b = vec16(u, (const struct vec *[]){&l->q_b, &l->k_b, &l->v_b}, 3),
        .out = matrix(u, &l->out),
        .out_b = vec(u, &l->out_b),
        .norm2_w = vec(u, &l->norm2_w),
        .norm2_b = vec(u, &l->norm2_b),
        .fc1 = matrix(u, &l->fc1),
        .fc1_b = vec16(u, (const struct vec *[]){&l->fc1_b}, 1),
        .fc2 = matrix(u, &l->fc2),
        .fc2_b = vec(u, &l->fc2_b),
    };
}

static void walk_pictures(struct upload *u, const struct config *c, const struct model_weights *w,
                          struct dev_weights *d)
{
    d->patch = matrix(u, &w->patch_embedding);
    d->class_token = vec(u, &w->class_embedding);
    d->places = vec(u, &w->position_embedding);
    d->pre_norm_w = vec(u, &w->pre_norm_w);
    d->pre_norm_b = vec(u, &w->pre_norm_b);
    for (int i = 0; i < c->vision.n_run_layers; i++)
        walk_tower_layer(u, &w->vision_layers[i], &d->tower[i]);
    d->sub_gn = vec(u, &w->sub_gn);
    d->glb_gn = vec(u, &w->glb_gn);
    d->proj0 = matrix(u, &w->proj0);
    d->proj0_b = vec16(u, (const struct vec *[]){&w->proj0_b}, 1);
    d->proj2 = matrix(u, &w->proj2);
    d->proj2_b = vec(u, &w->proj2_b);
}

static void walk_decoder(struct upload *u, const struct config *c, const struct model_weights *w,
                         struct dev_weights *d)
{
    bool tied = w->lm_head.data == w->embed.data;
    d->embed = matrix(u, &w->embed);
    for (int i = 0; i < c->n_layers; i++) {
        const struct decoder_layer_weights *l = &w->layers[i];
        d->layers[i] = (struct dev_layer){
            .input_norm = vec(u, &l->input_norm),
            .qkv = matrix(u, &l->qkv),
            .o = matrix(u, &l->o),
            .post_norm = vec(u, &l->post_norm),
            .gate_up = matrix(u, &l->gate_up),
            .down = matrix(u, &l->down),
        };
    }
    d->final_norm = vec(u, &w->final_norm);
    d->head = tied ? d->embed : matrix(u, &w->lm_head);
}

static void walk(struct upload *u, const struct config *c, const struct model_weights *w,
                 struct dev_weights *d)
{
    struct rope rope;
    rope_init(&rope, c);
    d->magnitude = rope.magnitude;
    for (int i = 0; i < 2; i++) d->inv_freq[i] = vector(u, rope.inv_freq[i], rope.half);
    walk_pictures(u, c, w, d);
    walk_decoder(u, c, w, d);
}

/* -- Public ------------------------------------------------------------------------------------ */

static bool take_lists(const struct config *c, struct dev_weights *d)
{
    d->layers = calloc((size_t)c->n_layers, sizeof *d->layers);
    d->tower = calloc((size_t)c->vision.n_run_layers, sizeof *d->tower);
    return d->layers && d->tower;
}

size_t weights_dev_bytes(const struct config *c, const struct model_weights *w)
{
    struct upload u = {0};
    struct dev_weights d = {0};
    if (take_lists(c, &d)) walk(&u, c, w, &d);
    weights_release(&d);
    return u.memory.used;
}

int weights_upload(const struct config *c, const struct model_weights *w, struct dev_weights *ret,
                   struct phi3v_error *err)
{
    struct upload u = {0};
    struct dev_weights d = {.bytes = weights_dev_bytes(c, w)};
    if (!take_lists(c, &d)) {
        weights_release(&d);
        return err_set(err, PHI3V_E_MEMORY, "not enough memory for the table of weights");
    }
    check(&u, cudaMalloc(&d.memory, d.bytes));
    u.memory.base = d.memory;
    ring_init(&u);
    if (u.status == cudaSuccess) walk(&u, c, w, &d);
    ring_fini(&u);
    if (u.status != cudaSuccess) {
        weights_release(&d);
        return device_error(u.status, "the weights", d.bytes, err);
    }
    *ret = d;
    return 0;
}

void weights_release(struct dev_weights *w)
{
    cudaFree(w->memory);
    free(w->layers);
    free(w->tower);
    *w = (struct dev_weights){0};
}
