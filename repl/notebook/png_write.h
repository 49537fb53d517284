/* SPDX-License-Identifier: MIT
 * Pictures as PNG, and bytes as base64 without line breaks. */
#ifndef NOTEBOOK_PNG_WRITE_H
#define NOTEBOOK_PNG_WRITE_H

#include "phi3v.h"

/* A PNG in base64 with at most max_side pixels per side; *ret_width, *ret_height: its size. The
 * caller frees. NULL when it cannot be made. */
char *png_preview(const phi3v_image *image, int max_side, int *ret_width, int *ret_height);
/* The picture at full size, as PNG in base64. The caller frees; NULL when it cannot be made. */
char *png_whole(const phi3v_image *image);
/* The caller frees; NULL without memory, or beyond a gigabyte. */
char *base64_text(const void *bytes, size_t n);

#endif
