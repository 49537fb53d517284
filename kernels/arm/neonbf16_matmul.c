/* SPDX-License-Identifier: MIT
 * Products of bf16 weights, row-major as they are stored, with activations rounded to bf16. */
#include "neonbf16.h"
#include "packed.h"
#include "ref/ref.h"

typedef uint16_t xval, wval; /* bf16 */
#define TILE_ROWS 3
#define STEP (2 * W)
#define CUT_IN (2 * PANEL_IN)
#define CUT_STRIDE (2 * PANEL_STRIDE)

static ALWAYS_INLINE vec load_x(const xval *x)
{
    return load_weights((const char *)x, WEIGHT_BF16_PAIRS);
}
static ALWAYS_INLINE vec load_some_x(const xval *x, int n)
{
    return load_some_weights((const char *)x, WEIGHT_BF16_PAIRS, n);
}
static ALWAYS_INLINE vec add_products(vec x, vec w, vec acc) { return v_dot(x, w, acc); }

#include "neon_fold.h"
#include "body/paired_tiles.h"

static void widen_row(wval *y, const char *w, enum weight_type type, int n)
{
    (void)type;
    memcpy(y, w, sizeof *y * (size_t)n);
}

/* -- The entries ------------------------------------------------------------------------------ */

static void round_row(xval *row, const float *x, int n)
{
    int i = 0;
    for (; i + STEP <= n; i += STEP)
        v_store((float *)(void *)(row + i), v_pairs(v_load(x + i), v_load(x + i + W)));
    for (; i < n; i++) row[i] = bf16_bits(x[i]);
}

#define LOWER_PREPARE ref_prepare
#define LOWER_MATMUL_PREPARED i8mm_matmul_prepared
#include "body/pairs_body.h"

void kernels_fill_neonbf16(struct kernels *k)
{
    k->attend = neonbf16_attend;
    k->kv_fastest = KV_BF16;
    fill_pairs(k);
}
