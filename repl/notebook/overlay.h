/* SPDX-License-Identifier: MIT
 * Drawing over pictures, and cutting parts out of them. */
#ifndef NOTEBOOK_OVERLAY_H
#define NOTEBOOK_OVERLAY_H

#include "notebook/turn.h"
#include "phi3v.h"

struct box { // in pixels of a picture
    int x, y, width, height;
};

/* Cuts out the region, which must lie within the picture, and turns it. Errors: MEMORY,
 * ARGUMENT. */
int overlay_cut(const phi3v_image *image, const struct box *box, struct turn turn,
                phi3v_image **ret, struct phi3v_error *err);
/* Where a region of what overlay_cut has made of `cut` is in the picture before. */
struct box overlay_origin(const struct box *cut, struct turn turn, const struct box *region);
/* The picture with an outline around the region. Errors: MEMORY, … */
int overlay_box(const phi3v_image *image, const struct box *box, phi3v_image **ret,
                struct phi3v_error *err);
/* The picture padded and divided into crops of `side` pixels, with hatching over the padding and
 * lines between the crops. Errors: MEMORY, … */
int overlay_grid(const phi3v_image *image, const struct phi3v_image_plan *plan, int side,
                 phi3v_image **ret, struct phi3v_error *err);
/* The part of the picture in crop (row, column), from 0; its width or height is 0 where there is
 * only padding. */
struct box overlay_tile(const phi3v_image *image, const struct phi3v_image_plan *plan, int side,
                        int row, int column);

#endif
