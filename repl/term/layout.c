/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/layout.h"

#include <utf8proc.h>

#include "term/clean.h"
#include "term/gallery.h"
#include "term/marks.h"

#define GAP_COLUMNS 2
#define TAB_COLUMNS 4
#define MIN_TEXT_COLUMNS 20 /* with less room the text goes below the picture */
#define MIN_PICTURE_ROWS 3
#define USUAL_ROWS 14

/* -- Writing ---------------------------------------------------------------------------------- */

bool style_on(const struct term_facts *facts, int style, FILE *out)
{
    const uint8_t *back = facts->background;
    bool light = back[0] + back[1] + back[2] > 384;
    bool colours = facts->colour != TERM_COLOUR_NONE;
    style &= colours ? ~STYLE_LITERAL : ~(STYLE_LITERAL | STYLE_PROMPT | STYLE_LIKELY);
    style &= ~STYLE_LINK;
    if (style & (STYLE_BOLD | STYLE_HEADING)) fputs("\033[1m", out);
    if (style & STYLE_ITALIC) fputs("\033[3m", out);
    if (style & STYLE_CODE) fputs(!colours ? "\033[4m" : light ? "\033[34m" : "\033[36m", out);
    if (style & STYLE_LABEL) fputs(colours ? "\033[31m" : "\033[1m", out);
    if (style & STYLE_PROMPT) fputs("\033[32m", out);
    if (style & STYLE_CONTROL) fputs("\033[7m", out);
    if (style & STYLE_DIM) fputs("\033[2m", out);
    if (style & STYLE_DOUBT) fputs("\033[4m", out);
    if (style & STYLE_LIKELY) fputs("\033[33m", out);
    if (style & STYLE_UNSURE) fputs(colours ? "\033[35m" : "\033[4m", out);
    if (style & STYLE_GONE) fputs(colours ? "\033[9;31m" : "\033[9m", out);
    if (style & STYLE_NEW) fputs(colours ? "\033[32m" : "\033[4m", out);
    if (style & STYLE_UNLIKELY) fputs(colours ? "\033[1;31m" : "\033[1;4m", out);
    return style != 0;
}

static void set_style(struct layout *l, int style)
{
    style &= l->link ? ~STYLE_LITERAL : ~(STYLE_LITERAL | STYLE_LINK);
    if (style == l->style) return;
    if (l->style & STYLE_LINK) link_end(l->out);
    if (l->style & ~STYLE_LINK) fputs("\033[0m", l->out);
    style_on(l->facts, style, l->out);
    if (style & STYLE_LINK) link_begin(l->link, l->out);
    l->style = style;
}

static void write_char(struct layout *l, int32_t cp, int style)
{
    utf8proc_uint8_t bytes[4];
    set_style(l, style);
    fwrite(bytes, 1, (size_t)utf8proc_encode_char(cp, bytes), l->out);
    l->column += clean_width(cp);
}

static void write_spaces(struct layout *l, int n, int style)
{
    while (n-- > 0) write_char(l, ' ', style);
}

static void skip_pictures(struct layout *l)
{
    if (l->row < l->picture_rows) fprintf(l->out, "\033[%dC", l->left);
}

static void next_line(struct layout *l)
{
    set_style(l, 0);
    fputs("\r\n", l->out);
    if (l->row < l->picture_rows) l->row++;
    skip_pictures(l);
    l->column = 0;
    l->spaces = 0;
}

/* How many cells a line has here: at least two, so that a wide letter fits. */
static int line_width(const struct layout *l)
{
    int width = l->facts->cols - 1 - (l->row < l->picture_rows ? l->left : 0);
    return width < 2 ? 2 : width;
}

/* -- Words ------------------------------------------------------------------------------------ */

static void continue_line(struct layout *l)
{
    next_line(l);
    int indent = l->indent < line_width(l) / 2 ? l->indent : 0;
    write_spaces(l, indent, 0);
}

static void doubt_whole_word(struct layout *l)
{
    int doubt = 0;
    for (int i = 0; i < l->n_word; i++) doubt |= l->word[i].style & STYLE_DOUBT;
    for (int i = 0; i < l->n_word; i++) l->word[i].style |= doubt;
}

/* Writes the held spaces and word, on this line or the next. */
static void place_word(struct layout *l)
{
    if (!l->n_word) return;
    doubt_whole_word(l);
    int style = l->word[0].style & l->style; /* a space has the style that both words share */
    int room = line_width(l) - l->column - 1;
    if (l->column > 0 && l->spaces + l->word_width > room + 1)
        continue_line(l);
    else
        write_spaces(l, l->spaces < room ? l->spaces : room, style);
    l->spaces = 0;
    for (int i = 0; i < l->n_word; i++) {
        if (l->column + clean_width(l->word[i].cp) > line_width(l)) continue_line(l);
        write_char(l, l->word[i].cp, l->word[i].style);
    }
    l->n_word = l->word_width = 0;
}

static void put_space(struct layout *l, int n, int style)
{
    place_word(l);
    if (!(style & STYLE_LITERAL)) {
        l->spaces += n;
        return;
    }
    for (; n > 0; n--) {
        if (l->column + 1 > line_width(l)) continue_line(l);
        write_char(l, ' ', style);
    }
}

void layout_put(struct layout *l, int32_t cp, int style)
{
    int width = clean_width(cp);
    if (cp == '\n') {
        place_word(l);
        next_line(l);
        l->indent = 0;
    } else if (cp == '\t') {
        place_word(l);
        put_space(l, TAB_COLUMNS - (l->column + l->spaces) % TAB_COLUMNS, style);
    } else if (cp == ' ') {
        put_space(l, 1, style);
    } else {
        if (width == 2) place_word(l); /* a line may break before and after a wide letter */
        l->word[l->n_word].cp = cp;
        l->word[l->n_word++].style = style;
        l->word_width += width;
        if (width == 2 || (style & STYLE_LITERAL) || l->n_word == LAYOUT_WORD) place_word(l);
    }
}

void layout_indent(struct layout *l, int columns) { l->indent = columns; }

int layout_room(struct layout *l, int columns)
{
    place_word(l);
    if (l->column > 0) next_line(l);
    while (l->row < l->picture_rows && columns > line_width(l)) next_line(l);
    return line_width(l);
}

/* -- Pictures --------------------------------------------------------------------------------- */

static int smaller(int a, int b) { return a < b ? a : b; }
static int larger(int a, int b) { return a > b ? a : b; }

void layout_begin(struct layout *l, const struct term_facts *facts, FILE *out,
                  const struct picture *pictures, int n_pictures, int max_rows, bool beside)
{
    *l = (struct layout){.facts = facts, .out = out};
    int max_cols = beside ? facts->cols * 2 / 5 : facts->cols - 1;
    int usual = smaller(USUAL_ROWS, larger(MIN_PICTURE_ROWS, facts->rows / 3));
    int rows = smaller(max_rows > 0 ? max_rows : usual, larger(1, facts->rows - 4));
    struct gallery g;
    if (n_pictures < 1) return;
    gallery_plan(&g, facts, pictures, n_pictures, max_cols, rows, true);
    gallery_draw(&g, facts, out);
    if (beside && g.rows > 0 && facts->cols - g.cols - GAP_COLUMNS > MIN_TEXT_COLUMNS) {
        l->left = g.cols + GAP_COLUMNS;
        l->picture_rows = g.rows;
        skip_pictures(l);
    } else if (g.rows > 0) {
        fprintf(out, "\033[%dB\r", g.rows);
    }
}

void layout_end(struct layout *l)
{
    place_word(l);
    set_style(l, 0);
    if (l->row < l->picture_rows)
        fprintf(l->out, "\033[%dB\r", l->picture_rows - l->row);
    else if (l->column > 0)
        fputs("\r\n", l->out);
    l->row = l->picture_rows;
    l->column = l->spaces = 0;
}
