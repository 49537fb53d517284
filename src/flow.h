/* SPDX-License-Identifier: MIT
 * The structs handed from stage to stage, in order: pixels, crops, features, prompt rows, batches.
 * Each says its shape, owner and lifetime. */
#ifndef FLOW_H
#define FLOW_H

#include <stdint.h>

#include "phi3v_tools.h"

/* image/decode: a decoded picture. Owner: struct phi3v_image. */
struct pixels {
    int width, height;
    uint8_t *rgb;   // [height][width][3]
    uint8_t *alpha; // [height][width], NULL when the file has none
};

/* image/crops: what the HD transform will do with a width x height picture (docs/model.md,
 * Pictures). */
struct crop_plan {
    int crop_side;          // pixels
    int transposed;         // the picture is taller than wide, so it is planned on its side
    int scaled_w, scaled_h; // after resizing, before padding, in the picture's own orientation
    int pad_left, pad_top;  // white margin before the picture
    int hd_w, hd_h;         // multiples of crop_side
    int rows, cols;         // the crop grid
};

/* image/crops: all normalised crops. Owner: the caller of crops_make; free with mem_free(data). */
struct crops {
    struct crop_plan plan;
    int n;       // 1 + rows*cols, global view first
    float *data; // [n][3][crop_side][crop_side]
};

/* image/crops: the crops of a picture for a backend, which asks for groups of them in any order, so
 * that it can compute with some before others are made. Owner: the caller of crops_begin. */
struct crop_source {
    struct crop_plan plan;
    int n; // 1 + rows*cols, global view first
    /* Does a few milliseconds of the work that crops first … first+count-1 need before they can be
     * made; returns 1 while there is more. May be NULL or never called: make then does that work.
     * Error: MEMORY. */
    int (*prepare)(void *user, int first, int count, struct phi3v_error *err);
    int n_prepare; // the most calls of prepare that have work to do
    /* Writes crops first … first+count-1 to `to`: [count][3][crop_side][crop_side]. Error:
     * MEMORY. */
    int (*make)(void *user, int first, int count, float *to, struct phi3v_error *err);
    void *user;
};

/* backend: the vectors of one picture for the decoder, in prompt order (crop rows with their
 * separators, glb_GN, global view). Opaque, because they may lie on the device. Owner:
 * engine/feature_cache. */
struct features;

/* One row of a forward pass: a token, or a row of a picture's features. */
struct prompt_row {
    int32_t id;                      // token id; ignored when features is set
    int32_t feature_row;             // row of *features
    const struct features *features; // NULL for a token; borrowed for the call
};

/* The length of the whole sequence decides which rope factors apply (docs/model.md, Rotary
 * positions). */
enum rope_factors { ROPE_SHORT_FACTORS, ROPE_LONG_FACTORS };

/* Gets tensors by name during a traced pass (names and shapes: docs/model.md; a forward pass ends
 * with logits_last, the last wanted row). Returning non-zero stops the pass with CANCELLED. */
struct trace {
    phi3v_activation_fn fn;
    void *user;
};

/* Called between pieces of work, with the progress. Returning non-zero stops it with CANCELLED. */
struct pulse {
    int (*fn)(void *user, int64_t done, int64_t total);
    void *user;
};

/* Rows of one sequence, after what its blocks already hold. */
struct batch_seq {
    const struct prompt_row *rows; // [n_rows]
    int n_rows;
    int64_t first_pos; // position of rows[0]: the blocks hold positions 0 … first_pos-1
    const int *blocks; // KV block ids covering positions 0 … first_pos+n_rows-1
    enum rope_factors rope_factors;
};

/* One forward pass over any number of sequences, and the rows whose logits are wanted. */
struct batch {
    const struct batch_seq *seqs;
    int n_seqs;
    const int *logit_rows; // indices over all rows of all seqs, ascending
    int n_logit_rows;
    float *logits;             // out: [n_logit_rows][n_vocab]
    const struct trace *trace; // or NULL; a traced pass is one piece, and takes the memory for it
    const struct pulse
        *pulse; // or NULL; called at least every ~0.1 s of work, on the calling thread
};

#endif
