/* SPDX-License-Identifier: MIT
 * What happens to rows between the products: embeddings, norms, activations, rotation, and the
 * rearranging of pictures. Bound by the bytes they move. Activations between two products are bf16;
 * the residual stream is f32. */
#ifndef CUDA_ROWS_H
#define CUDA_ROWS_H

#include "queue.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One row of the decoder's input. */
struct row_source {
    const float *feature; // [hidden] on the device, or NULL: the embedding of id
    int32_t id;
    int32_t pos;
};

/* x[r] = embedding or feature row; x: [n_rows][hidden] f32. */
void embed_launch(struct queue *q, float *x, const struct row_source *rows,
                  const struct dev_mat *embed, int n_rows);

/* cos and sin of every row's position, f32 at every step (docs/model.md, Rotary positions):
 * [n_rows][half]. */
struct angles {
    float *cos, *sin;
    const float *inv_freq; // [half], of the rope factors in force
    float magnitude;
    int half;
};
void angles_launch(struct queue *q, const struct angles *a, const struct row_source *rows,
                   int n_rows);

/* y[r] = norm of x[rows ? rows[r] : r], f32 [..][n] -> bf16 [n_rows][ld], zeros behind n. RMS norm
 * without bias, layer norm with it. */
struct norm {
    const float *x;
    struct bf16 *y;     // [n_rows][ld] …
    float *y32;         // … or f32 [n_rows][n], then y is NULL; may be x
    const int *rows;    // or NULL
    const float *w, *b; // [n]
    int n_rows, n;
    int64_t ld;
    float eps;
};
void rms_norm_launch(struct queue *q, const struct norm *a);
void layer_norm_launch(struct queue *q, const struct norm *a);

/* y[r][i] = silu(x[r][i]) x[r][n + i], i < n. x: [n_rows][x_ld], y: [n_rows][y_ld]. */
void silu_mul_launch(struct queue *q, struct bf16 *y, int64_t y_ld, const struct bf16 *x,
                     int64_t x_ld, int n_rows, int n);
/* In place, [n_rows][ld], the first n of each row. */
void quick_gelu_launch(struct queue *q, struct bf16 *x, int64_t ld, int n_rows, int n);
void gelu_erf_launch(struct queue *q, struct bf16 *x, int64_t ld, int n_rows, int n);

/* The product's rows to queries, keys and values of padded heads; q and k turned where cos is
 * given. Row r of qkv has n_heads query heads, then n_kv_heads key heads, then value heads. */
struct split_heads {
    const struct bf16 *qkv; // [n_rows][ld]
    int64_t ld;
    const float *cos, *sin; // [n_rows][head_dim / 2], or NULL
    struct bf16 *q;         // [n_rows][n_heads][d]
    /* keys and values into blocks (attend.h has their layout) … */
    struct bf16 *const *slots; // [n_rows]: the row's block
    const int *pos;            // [n_rows]: of the row
    int64_t k_offset, v_offset, head_step;
    bool is_q8;
    /* … or, slots NULL, [n_rows][n_kv_heads][d] each */
    struct bf16 *k, *v;
    int n_rows, n_heads, n_kv_heads, head_dim;
};
void split_heads_launch(struct queue *q, const struct split_heads *a);

/* -- Pictures (docs/model.md, Vision tower and Projection) ------------------------------------ */

/* crops f32 [n][3][side][side] -> bf16 [n * (side/patch)^2][ld], each row channel, y, x of one
 * patch. */
void patches_launch(struct queue *q, struct bf16 *y, int64_t ld, const float *crops, int n,
                    int side, int patch);
/* x[n][1 + n_patches][c] = class token or patch, plus its place; f32. embedded: [n][n_patches][c]
 */
void tokens_launch(struct queue *q, float *x, const float *embedded, const float *class_token,
                   const float *places, int n, int n_patches, int c);
/* Row r of the projector's input, bf16 [n_rows][ld = pad_row(4c)]: sources[r] >= 0 is cell crop *
 * grid^2 + y * grid + x, whose four patches are put side by side; -1 is sub_gn, -2 glb_gn. tower:
 * f32 [n][1 + 4 grid^2][c]; separators f32 [4c]. */
struct merge {
    const float *tower, *sub_gn, *glb_gn;
    const int *sources; // [n_rows]
    struct bf16 *y;
    int64_t ld;
    int n_rows, grid, c;
};
enum { MERGE_SUB_GN = -1, MERGE_GLB_GN = -2 };
void merge_launch(struct queue *q, const struct merge *a);

#ifdef __cplusplus
}
#endif
#endif
