/* SPDX-License-Identifier: MIT */
/* product.h without cuBLASLt: the same sums, one by one, after a look at what the GPU's library
 * would refuse. */
#include <functional>
#include <stdio.h>
#include <stdlib.h>
#include <vector>

extern "C" {
#include "product.h"
}

struct products {
    int unused;
};

namespace emulate
{
void do_step(void *stream, std::function<void()> step);
bool is_capturing();
} // namespace emulate

static float widen(struct bf16 x)
{
    union {
        uint32_t bits;
        float value;
    } u = {(uint32_t)x.bits << 16};
    return u.value;
}

static struct bf16 narrow(float x)
{
    union {
        float value;
        uint32_t bits;
    } u = {x};
    if (x != x) return {0x7fff};
    return {(uint16_t)((u.bits + 0x7fff + (u.bits >> 16 & 1)) >> 16)};
}

static void refuse_unaligned(const struct product *a)
{
    bool aligned = (uintptr_t)a->w.data % 16 == 0 && (uintptr_t)a->x % 16 == 0 &&
                   a->w.ld % 8 == 0 && a->x_ld % 8 == 0;
    if (aligned && !emulate::is_capturing() && !(a->add && !a->y32)) return;
    fprintf(stderr, "product %s: not aligned, within a capture, or added to bf16\n", a->name);
    abort();
}

static void multiply(const struct product *a)
{
    int depth = (a->w.n_in + 7) / 8 * 8; /* padding included, as on the GPU: it must be zero */
    std::vector<float> x((size_t)depth), w((size_t)a->w.n_out * (size_t)depth);
    for (int64_t o = 0; o < a->w.n_out; o++)
        for (int i = 0; i < depth; i++)
            w[(size_t)(o * depth + i)] = widen(a->w.data[o * a->w.ld + i]);
    for (int64_t r = 0; r < a->n_rows; r++) {
        for (int i = 0; i < depth; i++) x[(size_t)i] = widen(a->x[r * a->x_ld + i]);
        for (int64_t o = 0; o < a->w.n_out; o++) {
            const float *row = &w[(size_t)(o * depth)];
            float sums[8] = {0}, sum = 0;
            for (int i = 0; i < depth; i += 8)
                for (int k = 0; k < 8; k++) sums[k] += row[i + k] * x[(size_t)(i + k)];
            for (float s : sums) sum += s;
            int64_t at = r * a->y_ld + o;
            if (a->bias)
                sum +=
                    a->y32 ? ((const float *)a->bias)[o] : widen(((const struct bf16 *)a->bias)[o]);
            if (a->add) sum += a->y32[at];
            if (a->y32)
                a->y32[at] = sum;
            else
                a->y16[at] = narrow(sum);
        }
    }
}

extern "C" {

int products_new(struct products **ret, struct phi3v_error *)
{
    *ret = (struct products *)calloc(1, sizeof **ret);
    return 0;
}

void products_free(struct products *p) { free(p); }

void product_run(struct products *, struct queue *q, const struct product *a)
{
    if (q->status != cudaSuccess || a->n_rows == 0) return;
    refuse_unaligned(a);
    struct product kept = *a;
    emulate::do_step(q->stream, [kept] { multiply(&kept); });
}

} // extern "C"
