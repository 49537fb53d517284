/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "term/view.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "term/clean.h"
#include "term/layout.h"
#include "term/marks.h"

#define TAB_COLUMNS 8
#define WINDOW_BYTES 65536 /* how much of the text around the cursor is looked at */
#define DOTTED_CIRCLE 0x25CC
#define REPLACEMENT 0xFFFD

struct glyph {
    int32_t cp;
    uint16_t style, width; // width 0: a combining mark on the glyph before
};

struct row {
    size_t first, n; // glyphs
    int width;
};

/* The rows of a text. */
struct frame {
    struct glyph *glyphs;
    size_t n_glyphs, cap_glyphs;
    struct row *rows;
    size_t n_rows, cap_rows;
    size_t cursor_row;
    int cursor_column;
    size_t top;      // first row that is on the screen
    size_t n_prompt; // glyphs of our own prompt; 0: the prompt is a message
};

struct view {
    FILE *out;
    const struct term_facts *facts; // NULL: dumb
    bool dumb;
    struct frame shown, next;
    size_t n_shown; // rows of `shown` on the screen, from its top
    /* How many rows of the screen are ours, and which of them the cursor is in. */
    size_t n_owned, row;
    int column;
    int style; // switched on
};

static void *grown(void *p, size_t n, size_t size)
{
    p = reallocarray(p, n, size);
    if (!p) abort();
    return p;
}

/* -- Rows ------------------------------------------------------------------------------------- */

/* A frame being filled. */
struct filler {
    struct frame *f;
    int limit;       // columns of a row; the screen's last one stays free
    int indent;      // of the rows after the first
    bool one_row;    // for a dumb terminal
    bool at_cursor;  // the next glyph is at the cursor
    bool has_letter; // a combining mark can join the glyph before
    int n_marks;
};

static struct row *last_row(struct frame *f) { return &f->rows[f->n_rows - 1]; }

static void add_row(struct frame *f)
{
    if (f->n_rows == f->cap_rows) {
        f->cap_rows = 2 * f->cap_rows + 16;
        f->rows = grown(f->rows, f->cap_rows, sizeof *f->rows);
    }
    f->rows[f->n_rows++] = (struct row){.first = f->n_glyphs};
}

static void add_glyph(struct frame *f, int32_t cp, int style, int width)
{
    if (f->n_glyphs == f->cap_glyphs) {
        f->cap_glyphs = 2 * f->cap_glyphs + 256;
        f->glyphs = grown(f->glyphs, f->cap_glyphs, sizeof *f->glyphs);
    }
    f->glyphs[f->n_glyphs++] = (struct glyph){cp, (uint16_t)style, (uint16_t)width};
    last_row(f)->n++;
    last_row(f)->width += width;
}

/* The first row of a new line begins with "...: ", further rows of a long line with spaces. */
static void next_row(struct filler *b, bool new_line)
{
    static const char dots[] = "...: ";
    int n_dots = new_line ? (int)sizeof dots - 1 : 0;
    add_row(b->f);
    for (int i = 0; i < b->indent - n_dots; i++) add_glyph(b->f, ' ', 0, 1);
    for (int i = 0; i < n_dots && b->indent > 0; i++) add_glyph(b->f, dots[i], STYLE_PROMPT, 1);
}

static void set_cursor(struct filler *b)
{
    if (!b->at_cursor) return;
    b->f->cursor_row = b->f->n_rows - 1;
    b->f->cursor_column = last_row(b->f)->width;
    b->at_cursor = false;
}

static void put(struct filler *b, int32_t cp, int style, int width)
{
    if (!b->one_row && last_row(b->f)->width + width > b->limit) next_row(b, false);
    set_cursor(b);
    add_glyph(b->f, cp, style, width);
}

static void put_stand_in(struct filler *b, const char *s)
{
    for (; *s; s++) put(b, *s, STYLE_CONTROL, 1);
    b->has_letter = false;
}

static void put_code(struct filler *b, int32_t cp)
{
    char shown[16];
    snprintf(shown, sizeof shown, "<U+%04X>", (unsigned)cp);
    put_stand_in(b, shown);
}

/* Emoji selectors and the joiner between emoji are left out: terminals differ in how wide they draw
 * them, so we could not know where the cursor is. */
static bool is_silent(int32_t cp) { return (cp >= 0xFE00 && cp <= 0xFE0F) || cp == 0x200D; }

static void put_mark(struct filler *b, int32_t cp)
{
    if (!b->has_letter) {
        put(b, DOTTED_CIRCLE, 0, 1);
        b->n_marks = 0;
        b->has_letter = true;
    }
    if (b->n_marks++ < CLEAN_MARKS)
        put(b, cp, 0, 0);
    else
        put_code(b, cp);
}

static void put_char(struct filler *b, int32_t cp)
{
    int width = clean_width(cp);
    if (cp == '\n' && !b->one_row) {
        set_cursor(b);
        next_row(b, true);
        b->has_letter = false;
    } else if (cp == '\t') {
        int n = TAB_COLUMNS - (last_row(b->f)->width - b->indent) % TAB_COLUMNS;
        while (n-- > 0) put(b, ' ', 0, 1);
    } else if (cp < 0x20 || cp == 0x7F) {
        put_stand_in(b, (char[]){'^', (char)(cp ^ 0x40), 0});
    } else if (is_silent(cp)) {
        set_cursor(b);
    } else if (!clean_passes(cp) || clean_is_invisible(cp)) {
        put_code(b, cp);
    } else if (width == 0) {
        put_mark(b, cp);
    } else {
        put(b, cp, 0, width);
        b->has_letter = true;
        b->n_marks = 0;
    }
}

/* Decodes the first character of s[0 … n), n > 0, and returns its bytes. */
static size_t decode(const char *s, size_t n, int32_t *ret_cp)
{
    utf8proc_int32_t cp;
    utf8proc_ssize_t k =
        utf8proc_iterate((const utf8proc_uint8_t *)s, n < 4 ? (utf8proc_ssize_t)n : 4, &cp);
    *ret_cp = k > 0 ? cp : REPLACEMENT;
    return k > 0 ? (size_t)k : 1;
}

static void put_prompt(struct filler *b, const struct view_text *t)
{
    int style = t->is_message ? 0 : STYLE_PROMPT;
    char *prompt = clean_string(t->prompt, CLEAN_NAME);
    size_t n = prompt ? strlen(prompt) : 0;
    int32_t cp;
    for (size_t i = 0; i < n;) {
        bool dim = !t->is_message && !b->one_row && i >= t->dim_from && i < t->dim_to;
        i += decode(prompt + i, n - i, &cp);
        put(b, cp, dim ? STYLE_DIM : style, clean_width(cp));
    }
    free(prompt);
}

/* The part of a huge text that is shown. It moves in steps, so that rows stay in place while the
 * cursor moves a little. */
static void find_window(const struct view_text *t, size_t *ret_from, size_t *ret_to)
{
    size_t from = 0, to = t->n;
    if (t->n > WINDOW_BYTES && t->point > WINDOW_BYTES / 2)
        from = (t->point / (WINDOW_BYTES / 4) - 1) * (WINDOW_BYTES / 4);
    while (from > 0 && ((unsigned char)t->text[from] & 0xC0) == 0x80) from--;
    if (to - from > WINDOW_BYTES) to = from + WINDOW_BYTES;
    *ret_from = from;
    *ret_to = to;
}

static void fill(struct view *v, const struct view_text *t)
{
    struct frame *f = &v->next;
    int cols = v->facts ? v->facts->cols : 80;
    struct filler b = {.f = f, .one_row = v->dumb, .limit = cols > 8 ? cols - 1 : 8};
    size_t from, to;
    f->n_glyphs = f->n_rows = 0;
    add_row(f);
    put_prompt(&b, t);
    f->n_prompt = t->is_message ? 0 : f->n_glyphs;
    int width = last_row(f)->width;
    if (!v->dumb && cols >= 20) b.indent = width > 5 && width <= cols / 2 ? width : 5;
    find_window(t, &from, &to);
    for (size_t i = from; i < to;) {
        int32_t cp;
        size_t n = decode(t->text + i, to - i, &cp);
        if (i <= t->point && t->point < i + n) b.at_cursor = true;
        put_char(&b, cp);
        i += n;
    }
    if (t->point >= to) b.at_cursor = true;
    set_cursor(&b);
}

/* -- Writing ---------------------------------------------------------------------------------- */

static void set_style(struct view *v, int style)
{
    if (v->dumb || !v->facts->is_tty) style = 0;
    if (style == v->style) return;
    if (v->style) fputs("\033[0m", v->out);
    v->style = style && style_on(v->facts, style, v->out) ? style : 0;
}

static void write_glyph(struct view *v, const struct glyph *g)
{
    utf8proc_uint8_t bytes[4];
    set_style(v, g->style);
    fwrite(bytes, 1, (size_t)utf8proc_encode_char(g->cp, bytes), v->out);
    v->column += g->width;
}

static void move(struct view *v, int n, char back, char forth)
{
    if (n) fprintf(v->out, "\033[%d%c", n < 0 ? -n : n, n < 0 ? back : forth);
}

/* New rows below our last one are made with line ends, which scroll at the bottom of the screen. */
static void go_to(struct view *v, size_t row, int column)
{
    if (row == v->row && column == v->column) return;
    set_style(v, 0);
    while (row >= v->n_owned) {
        move(v, (int)(v->n_owned - 1 - v->row), 'A', 'B');
        fputs("\r\n", v->out);
        v->row = v->n_owned++;
        v->column = 0;
    }
    move(v, (int)row - (int)v->row, 'A', 'B');
    v->row = row;
    if (column == v->column) return;
    if (column < v->column) {
        fputc('\r', v->out);
        v->column = 0;
    }
    move(v, column - v->column, 'D', 'C');
    v->column = column;
}

/* The first glyph in which two rows differ, counting a letter and its marks as one. */
static size_t first_difference(const struct frame *a, const struct row *ra, const struct frame *b,
                               const struct row *rb)
{
    size_t i = 0;
    const struct glyph *ga = a->glyphs + ra->first, *gb = b->glyphs + rb->first;
    while (i < ra->n && i < rb->n && !memcmp(&ga[i], &gb[i], sizeof *ga)) i++;
    while (i > 0 && ((i < ra->n && !ga[i].width) || (i < rb->n && !gb[i].width))) i--;
    return i;
}

static int width_before(const struct frame *f, const struct row *r, size_t n)
{
    int width = 0;
    for (size_t i = 0; i < n; i++) width += f->glyphs[r->first + i].width;
    return width;
}

static void draw_row(struct view *v, size_t k)
{
    static const struct row empty = {0};
    const struct row *new = &v->next.rows[v->next.top + k];
    const struct row *old = k < v->n_shown ? &v->shown.rows[v->shown.top + k] : &empty;
    size_t same = first_difference(&v->shown, old, &v->next, new);
    if (same == new->n && same == old->n) return;
    go_to(v, k, width_before(&v->next, new, same));
    for (size_t i = same; i < new->n; i++) {
        write_glyph(v, &v->next.glyphs[new->first + i]);
        if (new->first + i + 1 == v->next.n_prompt) mark_write(v->facts, MARK_INPUT, v->out);
    }
    set_style(v, 0);
    if (new->width < old->width) fputs("\033[K", v->out);
}

/* Chooses which rows of the next frame go on the screen. */
static size_t choose_rows(struct view *v)
{
    struct frame *f = &v->next;
    size_t height = v->facts->rows > 2 ? (size_t)v->facts->rows - 1 : 1;
    f->top = v->n_shown ? v->shown.top : 0;
    if (f->n_rows <= height) f->top = 0;
    if (f->top + height > f->n_rows && f->n_rows > height) f->top = f->n_rows - height;
    if (f->cursor_row < f->top) f->top = f->cursor_row;
    if (f->cursor_row >= f->top + height) f->top = f->cursor_row - height + 1;
    return f->n_rows - f->top < height ? f->n_rows - f->top : height;
}

static void draw_rows(struct view *v)
{
    size_t n = choose_rows(v);
    if (!v->n_owned && v->next.n_prompt) mark_write(v->facts, MARK_PROMPT, v->out);
    if (!v->n_owned) v->n_owned = 1;
    for (size_t k = 0; k < n; k++) draw_row(v, k);
    for (size_t k = n; k < v->n_shown; k++) {
        go_to(v, k, 0);
        fputs("\033[K", v->out);
    }
    go_to(v, v->next.cursor_row - v->next.top, v->next.cursor_column);
    v->n_shown = n;
}

/* Draws one row with no movement but a return to its beginning; rewrites it unless it only grew. */
static void draw_dumb(struct view *v)
{
    struct frame *f = &v->next;
    const struct row *row = &f->rows[0];
    int cols = (v->facts ? v->facts->cols : 80) - 1, left = 0, end = f->cursor_column;
    size_t first = 0, i;
    while (end - left >= cols) left += f->glyphs[first++].width;
    while (first < row->n && first > 0 && !f->glyphs[first].width) first++;
    f->top = first;
    bool grows = v->n_owned && f->top == v->shown.top && v->column == v->shown.rows[0].width &&
                 first_difference(&v->shown, v->shown.rows, f, row) == v->shown.rows[0].n;
    if (!grows) {
        fputc('\r', v->out);
        v->column = left;
    }
    for (i = grows ? v->shown.rows[0].n : first; i < row->n; i++) {
        if (v->column + f->glyphs[i].width - left > cols) break;
        write_glyph(v, &f->glyphs[i]);
    }
    int end_column = v->column, blanks = v->n_owned ? (int)v->n_shown - (end_column - left) : 0;
    for (int k = 0; k < blanks; k++) fputc(' ', v->out);
    v->n_shown = (size_t)(end_column - left);
    if (blanks > 0 || end != end_column) {
        fputc('\r', v->out);
        v->column = left;
        for (i = first; v->column < end; i++) write_glyph(v, &f->glyphs[i]);
    }
    v->n_owned = 1;
}

/* -- For the editor --------------------------------------------------------------------------- */

struct view *view_new(FILE *out, const struct term_facts *facts)
{
    struct view *v = calloc(1, sizeof *v);
    if (!v) abort();
    v->out = out;
    v->facts = facts;
    v->dumb = !facts || facts->is_dumb;
    return v;
}

void view_free(struct view *v)
{
    if (!v) return;
    free(v->shown.glyphs);
    free(v->shown.rows);
    free(v->next.glyphs);
    free(v->next.rows);
    free(v);
}

void view_draw(struct view *v, const struct view_text *t)
{
    fill(v, t);
    if (v->dumb)
        draw_dumb(v);
    else
        draw_rows(v);
    fflush(v->out);
    struct frame drawn = v->next;
    v->next = v->shown;
    v->shown = drawn;
}

void view_leave(struct view *v, const struct view_text *t)
{
    struct view_text all = *t;
    all.point = t->n;
    view_draw(v, &all);
    fputs("\r\n", v->out);
    fflush(v->out);
    view_forget(v);
}

void view_send(struct view *v, const struct view_text *t)
{
    view_leave(v, t);
    mark_write(v->facts, MARK_OUTPUT, v->out);
    fflush(v->out);
}

void view_erase(struct view *v)
{
    if (!v->n_owned) return;
    if (v->dumb) {
        fprintf(v->out, "\r%*s\r", (int)v->n_shown, "");
    } else {
        go_to(v, 0, 0);
        fputs("\033[J", v->out);
    }
    fflush(v->out);
    view_forget(v);
}

void view_forget(struct view *v) { v->n_shown = v->n_owned = v->row = 0, v->column = 0; }
