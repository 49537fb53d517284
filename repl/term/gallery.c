/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/gallery.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "term/clean.h"
#include "term/layout.h"
#include "term/marks.h"

enum { GAP_COLUMNS = 2, CAPTION_COLUMNS = 16, ROOMY_CAPTION_COLUMNS = 40 };

static int smaller(int a, int b) { return a < b ? a : b; }
static int larger(int a, int b) { return a > b ? a : b; }

/* -- Captions --------------------------------------------------------------------------------- */

static int caption_width(const struct picture *p)
{
    char *clean = p->caption ? clean_string(p->caption, CLEAN_NAME) : NULL;
    int width = clean ? clean_string_width(clean) : 0;
    free(clean);
    return width;
}

struct clipped {
    FILE *out;
    int left; // columns
    bool full;
};

static void put_clipped(int32_t cp, void *user)
{
    struct clipped *c = user;
    utf8proc_uint8_t bytes[4];
    int width = clean_width(cp);
    if (c->full) return;
    if (width > c->left - 1 && c->left > 0) {
        fputs("…", c->out);
        c->full = true;
        return;
    }
    fwrite(bytes, 1, (size_t)utf8proc_encode_char(cp, bytes), c->out);
    c->left -= width;
}

/* Writes as much of the caption as fits; an ellipsis shows where it is cut. */
static void write_caption(const struct term_facts *t, const struct picture *p, int columns,
                          FILE *out)
{
    struct clipped c = {.out = out, .left = columns + (caption_width(p) <= columns)};
    struct clean clean;
    char *address = p->file && t->knows_osc ? link_to(p->file) : NULL;
    bool styled = style_on(t, STYLE_DIM, out);
    if (address) link_begin(address, out);
    clean_init(&clean, CLEAN_NAME, put_clipped, &c);
    clean_feed(&clean, p->caption, strlen(p->caption));
    clean_end(&clean);
    if (address) link_end(out);
    if (styled) fputs("\033[0m", out);
    free(address);
}

/* -- Planning --------------------------------------------------------------------------------- */

static bool has_captions(const struct picture *pictures, int n)
{
    for (int i = 0; i < n; i++)
        if (pictures[i].caption) return true;
    return false;
}

/* Plans as many of the n pictures as fit when captions take at most caption_columns. */
static void plan(struct gallery *g, const struct term_facts *t, int n, int max_cols, int max_rows,
                 bool shrink, int caption_columns)
{
    const struct picture *pictures = g->pictures;
    *g = (struct gallery){.pictures = pictures};
    int caption_rows = has_captions(pictures, n) && max_rows > 2;
    int share = shrink ? (max_cols - GAP_COLUMNS * (n - 1)) / n : max_cols;
    int tallest = 0;
    for (int i = 0; i < n; i++) {
        const struct picture *p = &pictures[i];
        struct picture_size size =
            picture_fit(t, p->width, p->height, share, max_rows - caption_rows);
        int x = g->n ? g->cols + GAP_COLUMNS : 0;
        int caption = caption_rows ? smaller(caption_width(p), smaller(caption_columns, share)) : 0;
        int columns = larger(size.cols, caption);
        if (size.rows < 1 || (g->n && x + columns > max_cols)) break;
        g->place[g->n].size = size;
        g->place[g->n].x = x;
        g->place[g->n].columns = columns;
        g->n++;
        g->cols = x + columns;
        tallest = larger(tallest, size.rows);
    }
    g->rows = tallest ? tallest + caption_rows : 0;
}

void gallery_plan(struct gallery *g, const struct term_facts *t, const struct picture *pictures,
                  int n, int max_cols, int max_rows, bool shrink)
{
    *g = (struct gallery){.pictures = pictures};
    n = smaller(n, GALLERY_MAX);
    if (n < 1) return;
    /* Allows long captions if they push no picture out of the row. */
    if (!shrink) plan(g, t, n, max_cols, max_rows, shrink, ROOMY_CAPTION_COLUMNS);
    if (g->n < n) plan(g, t, n, max_cols, max_rows, shrink, CAPTION_COLUMNS);
}

/* -- Drawing ---------------------------------------------------------------------------------- */

void gallery_draw(const struct gallery *g, const struct term_facts *t, FILE *out)
{
    if (!g->rows) return;
    picture_reserve(g->rows, out);
    for (int i = 0; i < g->n; i++) {
        const struct picture *p = &g->pictures[i];
        picture_draw(t, p, g->place[i].size, g->place[i].x, out);
        if (!p->caption || !has_captions(g->pictures, g->n)) continue;
        fputs("\0337", out);
        if (g->rows > 1) fprintf(out, "\033[%dB", g->rows - 1); /* 0 would be 1 */
        if (g->place[i].x) fprintf(out, "\033[%dC", g->place[i].x);
        write_caption(t, p, g->place[i].columns, out);
        fputs("\0338", out);
    }
}

void gallery_show(const struct term_facts *t, const struct picture *pictures, int n, int max_rows,
                  FILE *out)
{
    while (n > 0) {
        struct gallery g;
        gallery_plan(&g, t, pictures, n, t->cols - 1, max_rows, false);
        if (!g.rows) return;
        gallery_draw(&g, t, out);
        fprintf(out, "\033[%dB\r", g.rows);
        pictures += g.n;
        n -= g.n;
    }
}
