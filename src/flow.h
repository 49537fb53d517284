/* SPDX-License-Identifier: MIT
 * The structs handed from stage to stage, in the order in which they come to be: bytes, pixels, crops,
 * features, prompt rows, logits. Each says its shape, who owns it and how long it lives. */
#ifndef FLOW_H
#define FLOW_H

#include <stdint.h>

#include "phi3v.h"

/* image/decode: a decoded picture. Owner: struct phi3v_image. */
struct pixels {
    int width, height;
    uint8_t *rgb;   // [height][width][3]
    uint8_t *alpha; // [height][width], NULL when the file has none
};

/* image/crops: what the HD transform will do with a width x height picture (phi3v.md 4.2). */
struct crop_plan {
    int crop_side;            // pixels
    int transposed;           // taller than wide: handled on its side
    int scaled_w, scaled_h;   // after resizing, before padding, in the picture's own orientation
    int pad_left, pad_top;    // white margin before the picture
    int hd_w, hd_h;           // multiples of crop_side
    int rows, cols;           // the crop grid
};

/* image/crops: normalised crops. Owner: whoever called crops_make; free with mem_free(data). */
struct crops {
    struct crop_plan plan;
    int n;       // 1 + rows*cols, global view first
    float *data; // [n][3][crop_side][crop_side]
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

#endif
