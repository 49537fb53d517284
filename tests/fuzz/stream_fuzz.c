/* SPDX-License-Identifier: GPL-3.0-or-later
 * An answer's bytes through cleaning, markdown and layout onto the strict terminal model. The first
 * three bytes choose the width, the rows of pictures beside, and the size of the pieces. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>

#include "fuzz.h"
#include "term/clean.h"
#include "term/layout.h"
#include "term/markdown.h"
#include "vt.h"

struct line {
    struct markdown markdown;
    struct layout layout;
};

static void put_layout(int32_t cp, int style, void *user)
{
    layout_put(&((struct line *)user)->layout, cp, style);
}

static void put_indent(int columns, void *user)
{
    layout_indent(&((struct line *)user)->layout, columns);
}

static int make_room(int columns, void *user)
{
    return layout_room(&((struct line *)user)->layout, columns);
}

static void put_markdown(int32_t cp, void *user)
{
    markdown_put(&((struct line *)user)->markdown, cp);
}

static void write_answer(const uint8_t *bytes, size_t n, const struct term_facts *facts,
                         size_t piece, FILE *out)
{
    static const uint8_t rgb[64 * 64 * 3];
    struct picture p = {.width = 64, .height = 64, .rgb = rgb};
    struct line line;
    struct clean clean;
    clean_init(&clean, CLEAN_TEXT, put_markdown, &line);
    markdown_init(&line.markdown, put_layout, put_indent, make_room, &line);
    layout_begin(&line.layout, facts, out, &p, 1, 0, true);
    for (size_t at = 0; at < n; at += piece)
        clean_feed(&clean, (const char *)bytes + at, n - at < piece ? n - at : piece);
    clean_end(&clean);
    markdown_end(&line.markdown);
    layout_end(&line.layout);
    markdown_free(&line.markdown);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n < 3 || n > 4096) return 0;
    struct term_facts facts = {.is_tty = true,
                               .graphics = bytes[1] & 1 ? TERM_GRAPHICS_SIXEL : TERM_GRAPHICS_ASCII,
                               .colour = TERM_COLOUR_16,
                               .cols = 4 + bytes[0] % 120,
                               .rows = 2 + bytes[1] % 50,
                               .cell_w = 8,
                               .cell_h = 16,
                               .registers = 16,
                               .max_w = 1000,
                               .max_h = 1000};
    char *text;
    size_t n_text;
    FILE *out = open_memstream(&text, &n_text);
    if (!out) return 0;
    write_answer(bytes + 3, n - 3, &facts, 1 + bytes[2] % 16, out);
    fclose(out);
    struct vt *vt = vt_new(facts.cols, facts.rows, 8, 16);
    vt_feed(vt, text, n_text);
    vt_end(vt);
    if (vt->error[0]) {
        fprintf(stderr, "%s\n", vt->error);
        abort();
    }
    vt_free(vt);
    free(text);
    return 0;
}
