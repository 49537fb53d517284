/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/picture.h"

#include <stdbool.h>
#include <stdlib.h>

#include "term/blocks.h"
#include "term/kitty.h"
#include "term/sixel.h"

/* -- Scaling ---------------------------------------------------------------------------------- */

struct source { /* one picture over one background */
    const struct picture *p;
    uint8_t background[3];
};

static double blended(const struct source *s, int x, int y, int c)
{
    size_t i = (size_t)y * (size_t)s->p->width + (size_t)x;
    double colour = s->p->rgb[3 * i + (size_t)c];
    if (!s->p->alpha) return colour;
    return s->background[c] + (colour - s->background[c]) * s->p->alpha[i] / 255.0;
}

/* How much of pixel i lies in [begin, end). */
static double cover(int i, double begin, double end)
{
    double from = begin > i ? begin : i, to = end < i + 1 ? end : i + 1;
    return to > from ? to - from : 0;
}

/* The mean colour of the rectangle that one destination pixel covers. */
static void area_mean(const struct source *s, double x0, double x1, double y0, double y1,
                      uint8_t *ret_rgb)
{
    double sum[3] = {0}, weights = 0;
    for (int y = (int)y0; y < s->p->height && y < y1; y++) {
        double wy = cover(y, y0, y1);
        for (int x = (int)x0; x < s->p->width && x < x1; x++) {
            double w = wy * cover(x, x0, x1);
            weights += w;
            for (int c = 0; c < 3; c++) sum[c] += w * blended(s, x, y, c);
        }
    }
    for (int c = 0; c < 3; c++) ret_rgb[c] = (uint8_t)(weights > 0 ? sum[c] / weights + 0.5 : 0);
}

/* [height][width][3], malloc'ed; NULL without memory. */
static uint8_t *scale(const struct source *s, int width, int height)
{
    double sx = (double)s->p->width / width, sy = (double)s->p->height / height;
    uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);
    if (!rgb) return NULL;
    uint8_t *to = rgb;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, to += 3)
            area_mean(s, x * sx, (x + 1) * sx, y * sy, (y + 1) * sy, to);
    return rgb;
}

/* -- Size ------------------------------------------------------------------------------------- */

static int at_least_1(double x) { return x < 1 ? 1 : (int)x; }

static int smaller(int a, int b) { return a < b ? a : b; }

struct picture_size picture_fit(const struct term_facts *t, int width, int height, int max_cols,
                                int max_rows)
{
    struct picture_size none = {0, 0};
    int cell_w = t->cell_w, cell_h = t->cell_h;
    bool sixel = t->graphics == TERM_GRAPHICS_SIXEL;
    bool pixels = sixel || t->graphics == TERM_GRAPHICS_KITTY;
    max_cols = smaller(max_cols, t->cols - 1);
    max_rows = smaller(max_rows, t->rows - 1);
    if (sixel) {
        max_cols = smaller(max_cols, t->max_w / cell_w);
        max_rows = smaller(max_rows, t->max_h / cell_h);
    }
    if (t->through_tmux) max_rows = smaller(max_rows, KITTY_ROWS);
    if (t->graphics == TERM_GRAPHICS_NONE || max_cols < 1 || max_rows < 1 || width < 1 ||
        height < 1)
        return none;
    double scale_w = (double)max_cols * cell_w / width,
           scale_h = (double)max_rows * cell_h / height;
    double scale = scale_w < scale_h ? scale_w : scale_h;
    double largest = pixels ? 1 : cell_w; /* as text, a column of pixels may take a whole cell */
    if (scale > largest) scale = largest;
    /* rows are rounded first: the picture's height becomes whole cells, its width follows */
    int rows = smaller(max_rows, at_least_1(height * scale / cell_h + 0.5));
    double wanted = (double)rows * cell_h / height * width / cell_w;
    int cols = smaller(max_cols, at_least_1(wanted + 0.999));
    return (struct picture_size){.cols = cols, .rows = rows};
}

/* -- Drawing ---------------------------------------------------------------------------------- */

static void move_right(int n, FILE *out)
{
    if (n > 0) fprintf(out, "\033[%dC", n);
}

void picture_reserve(int rows, FILE *out)
{
    if (rows < 1) return;
    for (int i = 0; i < rows; i++) fputs("\r\n", out);
    fprintf(out, "\033[%dA", rows);
}

/* A picture whose rim has the background's colour would have no visible edge, so it gets a frame
 * one pixel wide. */
static bool rim_is_background(const struct source *s, const uint8_t *rgb, int width, int height)
{
    enum { NEAR = 12 };
    for (int y = 0; y < height; y++) {
        int step = y == 0 || y == height - 1 ? 1 : width - 1;
        for (int x = 0; x < width; x += step < 1 ? 1 : step)
            for (int c = 0; c < 3; c++)
                if (abs(rgb[((size_t)y * (size_t)width + (size_t)x) * 3 + (size_t)c] -
                        s->background[c]) > NEAR)
                    return false;
    }
    return true;
}

static void add_frame(const struct source *s, uint8_t *rgb, int width, int height)
{
    enum { FRAME = 72 }; /* of 255, towards the middle */
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            if (x > 0 && x < width - 1 && y > 0 && y < height - 1) continue;
            uint8_t *to = rgb + ((size_t)y * (size_t)width + (size_t)x) * 3;
            for (int c = 0; c < 3; c++)
                to[c] = (uint8_t)(s->background[c] < 128 ? s->background[c] + FRAME
                                                         : s->background[c] - FRAME);
        }
}

static int draw_through_tmux(const uint8_t *rgb, int width, int height, struct picture_size size,
                             int indent, FILE *out)
{
    int id, rc = kitty_send_hidden(rgb, width, height, size.cols, size.rows, out, &id);
    for (int y = 0; y < size.rows && !rc; y++) {
        if (y > 0) fputs("\r\n", out);
        if (y > 0) move_right(indent, out);
        kitty_row(id, y, size.cols, out);
    }
    return rc;
}

/* Draws in the terminal's pixels, as sixel or in kitty's protocol. */
static int draw_pixels(const struct term_facts *t, const struct source *s, struct picture_size size,
                       int indent, FILE *out)
{
    int height = size.rows * t->cell_h, full = size.cols * t->cell_w;
    int width = smaller(full, at_least_1((double)height / s->p->height * s->p->width + 0.5));
    uint8_t *rgb = scale(s, width, height);
    if (rgb && width > 2 && rim_is_background(s, rgb, width, height))
        add_frame(s, rgb, width, height);
    int rc = !rgb ? -1
             : t->graphics == TERM_GRAPHICS_KITTY && t->through_tmux
                 ? draw_through_tmux(rgb, width, height, size, indent, out)
             : t->graphics == TERM_GRAPHICS_KITTY
                 ? kitty_write(rgb, width, height, size.cols, size.rows, out)
                 : sixel_write(rgb, width, height, t->registers, out);
    free(rgb);
    return rc;
}

static int draw_text(const struct term_facts *t, const struct source *s, struct picture_size size,
                     int indent, FILE *out)
{
    uint8_t *rgb = scale(s, size.cols, 2 * size.rows);
    if (!rgb) return -1;
    int light = t->background[0] + t->background[1] + t->background[2] > 384;
    for (int y = 0; y < size.rows; y++) {
        const uint8_t *row = rgb + (size_t)y * (size_t)size.cols * 6;
        if (y > 0) {
            fputs("\r\n", out);
            move_right(indent, out);
        }
        if (t->graphics == TERM_GRAPHICS_BLOCKS)
            blocks_row(row, size.cols, t->colour, out);
        else
            ascii_row(row, size.cols, light, out);
    }
    free(rgb);
    return 0;
}

int picture_draw(const struct term_facts *t, const struct picture *p, struct picture_size size,
                 int indent, FILE *out)
{
    struct source s = {.p = p,
                       .background = {t->background[0], t->background[1], t->background[2]}};
    if (size.cols < 1 || size.rows < 1) return 0;
    fputs("\033[?25l\0337", out);
    move_right(indent, out);
    bool pixels = t->graphics == TERM_GRAPHICS_SIXEL || t->graphics == TERM_GRAPHICS_KITTY;
    int rc = pixels ? draw_pixels(t, &s, size, indent, out) : draw_text(t, &s, size, indent, out);
    fputs("\0338\033[?25h", out);
    return rc;
}
