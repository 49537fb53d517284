/* SPDX-License-Identifier: MIT
 * The structs handed from stage to stage, in the order in which they come to be: bytes, pixels, crops,
 * features, prompt rows, batches, logits. Each says its shape, who owns it and how long it lives. */
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

/* image/crops: what the HD transform will do with a width x height picture (phi3v.md 4.2). */
struct crop_plan {
    int crop_side;          // pixels
    int transposed;         // taller than wide: handled on its side
    int scaled_w, scaled_h; // after resizing, before padding, in the picture's own orientation
    int pad_left, pad_top;  // white margin before the picture
    int hd_w, hd_h;         // multiples of crop_side
    int rows, cols;         // the crop grid
};

/* image/crops: normalised crops, all at once. Owner: whoever called crops_make; free with mem_free(data). */
struct crops {
    struct crop_plan plan;
    int n;       // 1 + rows*cols, global view first
    float *data; // [n][3][crop_side][crop_side]
};

/* image/crops: the crops of a picture for a backend, which asks for them group by group in the order it likes, so that
 * it can compute with some while others are not yet made. Owner: whoever called crops_begin. */
struct crop_source {
    struct crop_plan plan;
    int n; // 1 + rows*cols, global view first
    /* A few milliseconds of what crops first … first+count-1 need before they can be made; 1: there is
     * more of it. NULL, or never called: make does it all by itself. Error: MEMORY. */
    int (*prepare)(void *user, int first, int count, struct phi3v_error *err);
    int n_prepare; // calls of prepare that there is work for, at most
    /* Crops first … first+count-1 to `to`: [count][3][crop_side][crop_side]. Error: MEMORY. */
    int (*make)(void *user, int first, int count, float *to, struct phi3v_error *err);
    void *user;
};

/* backend: the vectors of one picture in the decoder's space, rows in prompt order (crop rows with their
 * separators, glb_GN, global view). Opaque: the memory may be the device's. Owner: engine/features. */
struct features;

/* One row of a forward pass: a token, or a row of a picture's features. */
struct prompt_row {
    int32_t id;                      // token id; ignored when features is set
    int32_t feature_row;             // row of *features
    const struct features *features; // NULL: a token; borrowed for the call
};

/* Which rope factors: chosen by the length of the whole sequence (phi3v.md 7). */
enum rope_factors { ROPE_SHORT_FACTORS, ROPE_LONG_FACTORS };

/* Handed out tensors by name during a traced pass (names and shapes: docs/model.md; a forward pass ends with
 * logits_last, the last wanted row). Non-zero return: stop with CANCELLED. */
struct trace {
    phi3v_activation_fn fn;
    void *user;
};

/* Called between pieces of work: progress, and the chance to stop. Non-zero return: stop with CANCELLED. */
struct pulse {
    int (*fn)(void *user, int64_t done, int64_t total);
    void *user;
};

/* Rows of one sequence, behind what its blocks already hold. */
struct batch_seq {
    const struct prompt_row *rows; // [n_rows]
    int n_rows;
    int64_t first_pos; // position of rows[0]: the blocks hold positions 0 … first_pos-1
    const int *blocks; // KV block ids covering positions 0 … first_pos+n_rows-1
    enum rope_factors rope_factors;
};

/* One forward pass: any number of sequences, and the rows whose logits are wanted. */
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
