/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/layout.h"

#include <utf8proc.h>

#include "term/clean.h"

#define GAP_COLUMNS 2
#define TAB_COLUMNS 4
#define MIN_TEXT_COLUMNS 20 /* less beside a picture is not worth it */
#define MIN_PICTURE_ROWS 3
#define MAX_PICTURES 16

/* -- Writing ---------------------------------------------------------------------------------- */

bool style_on(const struct term_facts *facts, int style, FILE *out)
{
    const uint8_t *back = facts->background;
    bool light = back[0] + back[1] + back[2] > 384;
    bool colours = facts->colour != TERM_COLOUR_NONE;
    style &= colours ? ~STYLE_LITERAL : ~(STYLE_LITERAL | STYLE_PROMPT);
    if (style & (STYLE_BOLD | STYLE_HEADING)) fputs("\033[1m", out);
    if (style & STYLE_CODE) fputs(!colours ? "\033[4m" : light ? "\033[34m" : "\033[36m", out);
    if (style & STYLE_LABEL) fputs(colours ? "\033[31m" : "\033[1m", out);
    if (style & STYLE_PROMPT) fputs("\033[32m", out);
    if (style & STYLE_CONTROL) fputs("\033[7m", out);
    return style != 0;
}

static void set_style(struct layout *l, int style)
{
    style &= ~STYLE_LITERAL;
    if (style == l->style) return;
    if (l->style) fputs("\033[0m", l->out);
    style_on(l->facts, style, l->out);
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

/* Cells a line has here; at least two, so that a wide letter fits. */
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

/* Writes the spaces and the word held back, on this line or the next. */
static void place_word(struct layout *l)
{
    if (!l->n_word) return;
    int style = l->word[0].style & l->style; /* a space between two words of a style has it, too */
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
        if (width == 2) place_word(l); /* one may break before and after wide letters */
        l->word[l->n_word].cp = cp;
        l->word[l->n_word++].style = style;
        l->word_width += width;
        if (width == 2 || (style & STYLE_LITERAL) || l->n_word == LAYOUT_WORD) place_word(l);
    }
}

void layout_indent(struct layout *l, int columns) { l->indent = columns; }

/* -- Pictures --------------------------------------------------------------------------------- */

static int smaller(int a, int b) { return a < b ? a : b; }
static int larger(int a, int b) { return a > b ? a : b; }

/* A column of pictures, an empty row between two, each with an equal share of the rows; returns the
 * rows and columns all take. */
static struct picture_size draw_column(const struct term_facts *facts, FILE *out,
                                       const struct picture *pictures, int n, int max_cols,
                                       int max_rows)
{
    struct picture_size all = {0, 0}, sizes[MAX_PICTURES];
    n = smaller(smaller(n, MAX_PICTURES), larger(1, (max_rows + 1) / (MIN_PICTURE_ROWS + 1)));
    int share = (max_rows + 1) / n - 1;
    for (int i = 0; i < n; i++) {
        sizes[i] = picture_fit(facts, pictures[i].width, pictures[i].height, max_cols, share);
        all.cols = larger(all.cols, sizes[i].cols);
        all.rows += sizes[i].rows;
    }
    if (all.rows == 0) return all;
    all.rows += n - 1;
    picture_reserve(all.rows, out);
    for (int i = 0; i < n; i++) {
        picture_draw(facts, &pictures[i], sizes[i], 0, out);
        fprintf(out, "\033[%dB", sizes[i].rows + (i < n - 1));
    }
    fprintf(out, "\033[%dA", all.rows);
    return all;
}

void layout_begin(struct layout *l, const struct term_facts *facts, FILE *out,
                  const struct picture *pictures, int n_pictures, bool beside)
{
    *l = (struct layout){.facts = facts, .out = out};
    int max_cols = beside ? facts->cols * 2 / 5 : facts->cols - 1;
    /* the question stays in sight, and some of an answer below */
    int max_rows = larger(1, beside ? facts->rows - 4 : facts->rows / 2);
    if (n_pictures < 1) return;
    struct picture_size size = draw_column(facts, out, pictures, n_pictures, max_cols, max_rows);
    if (beside && size.rows > 0 && facts->cols - size.cols - GAP_COLUMNS > MIN_TEXT_COLUMNS) {
        l->left = size.cols + GAP_COLUMNS;
        l->picture_rows = size.rows;
        skip_pictures(l);
    } else if (size.rows > 0) {
        fprintf(out, "\033[%dB\r", size.rows);
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
