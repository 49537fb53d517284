/* SPDX-License-Identifier: MIT
 * Pictures with something drawn over them, and parts of pictures. */
#ifndef NOTEBOOK_OVERLAY_H
#define NOTEBOOK_OVERLAY_H

#include "phi3v.h"

struct box { // pixels of a picture
    int x, y, width, height;
};

/* The region by itself; it must lie within the picture. Errors: MEMORY, ARGUMENT. */
int overlay_cut(const phi3v_image *image, const struct box *box, phi3v_image **ret,
                struct phi3v_error *err);
/* The picture with an outline around the region. Errors: MEMORY, … */
int overlay_box(const phi3v_image *image, const struct box *box, phi3v_image **ret,
                struct phi3v_error *err);
/* The picture as it is padded and cut into crops of `side` pixels: hatching where there is none of
 * it, lines between the crops. Errors: MEMORY, … */
int overlay_grid(const phi3v_image *image, const struct phi3v_image_plan *plan, int side,
                 phi3v_image **ret, struct phi3v_error *err);
/* What crop (row, column), from 0, shows of the picture; its width or height is 0 where it is all
 * padding. */
struct box overlay_tile(const phi3v_image *image, const struct phi3v_image_plan *plan, int side,
                        int row, int column);

#endif
