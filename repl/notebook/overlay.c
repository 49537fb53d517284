/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "notebook/overlay.h"

struct canvas {
    uint8_t *rgb; // [height][width][3]
    int width, height;
};

static const uint8_t white[3] = {255, 255, 255}, red[3] = {220, 0, 0}, grey[3] = {150, 150, 150};

static uint8_t *pixel(const struct canvas *c, int x, int y)
{
    return c->rgb + 3 * ((size_t)y * (size_t)c->width + (size_t)x);
}

/* Fills the part of the rectangle that is on the canvas. */
static void fill(const struct canvas *c, int x, int y, int width, int height,
                 const uint8_t colour[3])
{
    int right = x + width < c->width ? x + width : c->width;
    int bottom = y + height < c->height ? y + height : c->height;
    for (int row = y > 0 ? y : 0; row < bottom; row++)
        for (int column = x > 0 ? x : 0; column < right; column++)
            memcpy(pixel(c, column, row), colour, 3);
}

/* Draws an outline `thick` pixels wide, starting `out` pixels outside the rectangle. */
static void outline(const struct canvas *c, const struct box *b, int out, int thick,
                    const uint8_t colour[3])
{
    int o = out + thick, width = b->width + 2 * o, height = b->height + 2 * o;
    fill(c, b->x - o, b->y - o, width, thick, colour);
    fill(c, b->x - o, b->y + b->height + out, width, thick, colour);
    fill(c, b->x - o, b->y - o, thick, height, colour);
    fill(c, b->x + b->width + out, b->y - o, thick, height, colour);
}

/* Turns the canvas into a picture; takes its pixels. */
static int finish(struct canvas *c, phi3v_image **ret, struct phi3v_error *err)
{
    int rc =
        c->rgb ? phi3v_image_from_rgb(c->rgb, c->width, c->height, ret, err) : memory_error(err);
    free(c->rgb);
    return rc;
}

static int canvas_new(int width, int height, struct canvas *ret)
{
    *ret = (struct canvas){memory_zero((size_t)width * 3, (size_t)height), width, height};
    return ret->rgb != NULL;
}

static int larger(int a, int b) { return a > b ? a : b; }
static int smaller(int a, int b) { return a < b ? a : b; }

/* -- Regions ---------------------------------------------------------------------------------- */

/* The number, in a picture this wide, of the pixel that the turned region has at x, y. */
static ptrdiff_t origin(struct turn turn, const struct box *box, int width, int x, int y)
{
    int column, row;
    turn_origin(turn, box->width, box->height, x, y, &column, &row);
    return (ptrdiff_t)(box->y + row) * width + box->x + column;
}

int overlay_cut(const phi3v_image *image, const struct box *box, struct turn turn,
                phi3v_image **ret, struct phi3v_error *err)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    const uint8_t *from = phi3v_image_rgb(image);
    bool sideways = turn.quarters % 2;
    struct canvas c;
    if (!canvas_new(sideways ? box->height : box->width, sideways ? box->width : box->height, &c))
        return memory_error(err);
    /* Where the upper left pixel comes from, and how far it is to the origins of its neighbours. */
    ptrdiff_t begin = origin(turn, box, info->width, 0, 0);
    ptrdiff_t across = origin(turn, box, info->width, 1, 0) - begin;
    ptrdiff_t down = origin(turn, box, info->width, 0, 1) - begin;
    for (int y = 0; y < c.height; y++)
        for (int x = 0; x < c.width; x++)
            memcpy(pixel(&c, x, y), from + 3 * (begin + x * across + y * down), 3);
    return finish(&c, ret, err);
}

struct box overlay_origin(const struct box *cut, struct turn turn, const struct box *region)
{
    int x[2], y[2];
    for (int k = 0; k < 2; k++) /* opposite corners */
        turn_origin(turn, cut->width, cut->height, region->x + k * (region->width - 1),
                    region->y + k * (region->height - 1), &x[k], &y[k]);
    int left = smaller(x[0], x[1]), top = smaller(y[0], y[1]);
    return (struct box){cut->x + left, cut->y + top, larger(x[0], x[1]) - left + 1,
                        larger(y[0], y[1]) - top + 1};
}

/* Thick enough to be visible when the picture is drawn small. */
static int line_width(int width, int height) { return larger(1, larger(width, height) / 160); }

int overlay_box(const phi3v_image *image, const struct box *box, phi3v_image **ret,
                struct phi3v_error *err)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    struct canvas c;
    if (!canvas_new(info->width, info->height, &c)) return memory_error(err);
    memcpy(c.rgb, phi3v_image_rgb(image), 3 * (size_t)c.width * (size_t)c.height);
    int thick = line_width(c.width, c.height);
    struct box inside = *box; /* at the picture's edge there is no room outside */
    inside.x = larger(inside.x, 2 * thick);
    inside.y = larger(inside.y, 2 * thick);
    inside.width = smaller(box->x + box->width, c.width - 2 * thick) - inside.x;
    inside.height = smaller(box->y + box->height, c.height - 2 * thick) - inside.y;
    outline(&c, &inside, 0, thick, red);
    outline(&c, &inside, thick, thick, white);
    return finish(&c, ret, err);
}

/* -- The model's view -------------------------------------------------------------------------- */

static void draw_content(const struct canvas *c, const phi3v_image *image,
                         const struct phi3v_image_plan *p)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    const uint8_t *from = phi3v_image_rgb(image);
    for (int y = 0; y < p->content_height; y++) {
        size_t row = (size_t)((int64_t)y * info->height / p->content_height);
        for (int x = 0; x < p->content_width; x++) {
            size_t column = (size_t)((int64_t)x * info->width / p->content_width);
            memcpy(pixel(c, p->content_x + x, p->content_y + y),
                   from + 3 * (row * (size_t)info->width + column), 3);
        }
    }
}

static void hatch(const struct canvas *c, int step)
{
    for (int y = 0; y < c->height; y++)
        for (int x = 0; x < c->width; x++)
            memcpy(pixel(c, x, y), (x + y) / step % 2 ? white : grey, 3);
}

int overlay_grid(const phi3v_image *image, const struct phi3v_image_plan *plan, int side,
                 phi3v_image **ret, struct phi3v_error *err)
{
    struct canvas c;
    if (!canvas_new(plan->hd_width, plan->hd_height, &c)) return memory_error(err);
    int thick = line_width(c.width, c.height);
    hatch(&c, 4 * thick);
    draw_content(&c, image, plan);
    for (int k = 0; k <= plan->crop_cols; k++)
        fill(&c, k * side - thick, 0, 2 * thick, c.height, red);
    for (int k = 0; k <= plan->crop_rows; k++)
        fill(&c, 0, k * side - thick, c.width, 2 * thick, red);
    return finish(&c, ret, err);
}

/* The picture's pixels in one crop, along one axis. */
static void span(int at, int side, int content, int content_size, int size, int *ret_from,
                 int *ret_n)
{
    int64_t from = larger(at - content, 0), to = smaller(at + side - content, content_size);
    *ret_from = (int)(from * size / content_size);
    *ret_n = to > from ? (int)((to * size + content_size - 1) / content_size) - *ret_from : 0;
}

struct box overlay_tile(const phi3v_image *image, const struct phi3v_image_plan *plan, int side,
                        int row, int column)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    struct box b;
    span(column * side, side, plan->content_x, plan->content_width, info->width, &b.x, &b.width);
    span(row * side, side, plan->content_y, plan->content_height, info->height, &b.y, &b.height);
    return b;
}
