/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/blocks.h"

#include <stdbool.h>
#include <string.h>

#include "term/palette.h"

/* -- The terminal's own palettes -------------------------------------------------------------- */

static int square(int x) { return x * x; }

static int distance(const uint8_t *rgb, int r, int g, int b)
{
    return square(rgb[0] - r) + square(rgb[1] - g) + square(rgb[2] - b);
}

/* Of 256 colours: the nearer of the 6 x 6 x 6 cube and the 24 greys. */
static int nearest_256(const uint8_t *rgb)
{
    static const int level[6] = {0, 95, 135, 175, 215, 255};
    int step[3];
    for (int c = 0; c < 3; c++) {
        step[c] = 0;
        for (int i = 1; i < 6; i++)
            if (square(rgb[c] - level[i]) < square(rgb[c] - level[step[c]])) step[c] = i;
    }
    int mean = (rgb[0] + rgb[1] + rgb[2]) / 3;
    int grey = mean < 8 ? 0 : mean > 238 ? 23 : (mean - 3) / 10;
    int shade = 8 + 10 * grey;
    if (distance(rgb, shade, shade, shade) <
        distance(rgb, level[step[0]], level[step[1]], level[step[2]]))
        return 232 + grey;
    return 16 + 36 * step[0] + 6 * step[1] + step[2];
}

/* Of 16 colours, as xterm draws them; other terminals are similar enough. */
static int nearest_16(const uint8_t *rgb)
{
    static const struct palette xterm = {16,
                                         {{0, 0, 0},
                                          {205, 0, 0},
                                          {0, 205, 0},
                                          {205, 205, 0},
                                          {0, 0, 238},
                                          {205, 0, 205},
                                          {0, 205, 205},
                                          {229, 229, 229},
                                          {127, 127, 127},
                                          {255, 0, 0},
                                          {0, 255, 0},
                                          {255, 255, 0},
                                          {92, 92, 255},
                                          {255, 0, 255},
                                          {0, 255, 255},
                                          {255, 255, 255}}};
    return palette_nearest(&xterm, rgb[0], rgb[1], rgb[2]);
}

/* -- Cells ------------------------------------------------------------------------------------- */

/* A number for comparing colours; for 16 and 256 colours it is also the one to write. */
static int number(const uint8_t *rgb, enum term_colour colour)
{
    if (colour == TERM_COLOUR_RGB) return rgb[0] << 16 | rgb[1] << 8 | rgb[2];
    return colour == TERM_COLOUR_256 ? nearest_256(rgb) : nearest_16(rgb);
}

static void set_colour(int number, bool behind, enum term_colour colour, FILE *out)
{
    if (colour == TERM_COLOUR_RGB)
        fprintf(out, "\033[%d;2;%d;%d;%dm", behind ? 48 : 38, number >> 16, number >> 8 & 255,
                number & 255);
    else if (colour == TERM_COLOUR_256)
        fprintf(out, "\033[%d;5;%dm", behind ? 48 : 38, number);
    else
        fprintf(out, "\033[%dm", (number < 8 ? 30 : 82) + number + (behind ? 10 : 0));
}

void blocks_row(const uint8_t *rgb, int cols, enum term_colour colour, FILE *out)
{
    int last_upper = -1, last_lower = -1;
    for (int x = 0; x < cols; x++) {
        int upper = number(rgb + 3 * x, colour), lower = number(rgb + 3 * (cols + x), colour);
        if (upper != last_upper) set_colour(upper, false, colour, out);
        if (lower != last_lower) set_colour(lower, true, colour, out);
        fputs("\u2580", out);
        last_upper = upper;
        last_lower = lower;
    }
    fputs("\033[0m", out);
}

void ascii_row(const uint8_t *rgb, int cols, int light_background, FILE *out)
{
    static const char ramp[] = " .:-=+*#%@"; /* ascending ink */
    const int n = (int)strlen(ramp);
    for (int x = 0; x < cols; x++) {
        const uint8_t *upper = rgb + 3 * x, *lower = rgb + 3 * (cols + x);
        int light = 299 * (upper[0] + lower[0]) + 587 * (upper[1] + lower[1]) +
                    114 * (upper[2] + lower[2]); // 0 … 510000
        int ink = light * n / 510001;
        fputc(ramp[light_background ? n - 1 - ink : ink], out);
    }
}
