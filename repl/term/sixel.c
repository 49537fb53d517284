/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/sixel.h"

#include <sixel.h>
#include <stdlib.h>

#include "term/palette.h"

static int write_piece(char *data, int size, void *user)
{
    return (int)fwrite(data, 1, (size_t)size, user);
}

/* DCS 0;1;0 q leaves unpainted pixels as they are. libsixel writes what follows the q. */
static int encode(uint8_t *indices, int width, int height, struct palette *palette, FILE *out)
{
    sixel_output_t *output = NULL;
    sixel_dither_t *dither = NULL;
    int rc = -1;
    if (SIXEL_FAILED(sixel_output_new(&output, write_piece, out, NULL)) ||
        SIXEL_FAILED(sixel_dither_new(&dither, palette->n, NULL)))
        goto out;
    sixel_output_set_skip_dcs_envelope(output, 1);
    sixel_dither_set_palette(dither, palette->rgb[0]);
    sixel_dither_set_pixelformat(dither, SIXEL_PIXELFORMAT_PAL8);
    fputs("\033P0;1;0", out);
    if (!SIXEL_FAILED(sixel_encode(indices, width, height, 8, dither, output))) rc = 0;
    fputs("\033\\", out);
out:
    sixel_dither_unref(dither);
    sixel_output_unref(output);
    return rc;
}

int sixel_write(const uint8_t *rgb, int width, int height, int registers, FILE *out)
{
    if (width < 1 || height < SIXEL_BAND || width > SIXEL_SIDE_MAX || height > SIXEL_SIDE_MAX)
        return -1;
    struct palette palette;
    int n = registers < 2 ? 2 : registers > PALETTE_MAX ? PALETTE_MAX : registers;
    uint8_t *indices = malloc((size_t)width * (size_t)height);
    int rc = -1;
    if (indices && palette_make(rgb, width, height, n, &palette, indices) == 0)
        rc = encode(indices, width, height, &palette, out);
    free(indices);
    return rc;
}

const char *sixel_library(void) { return LIBSIXEL_VERSION; }
