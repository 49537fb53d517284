/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/grid.h"

#include <stdlib.h>
#include <string.h>

#include "term/clean.h"
#include "term/layout.h"
#include "term/markdown.h"

enum { BAR = 3 /* columns of " │ " */, LEAST = 4 /* the narrowest that a cell is wrapped to */ };

/* -- Collecting ------------------------------------------------------------------------------- */

/* Makes room for one more letter. */
static bool make_room(struct grid_letter **v, size_t n, size_t *cap)
{
    if (n < *cap) return true;
    size_t more = 2 * *cap + 16;
    struct grid_letter *grown = realloc(*v, more * sizeof *grown);
    if (!grown) return false;
    *v = grown;
    *cap = more;
    return true;
}

bool grid_add(struct grid *g, int32_t cp, int style)
{
    if (g->n == GRID_LETTERS || !make_room(&g->v, g->n, &g->cap)) return false;
    g->v[g->n++] = (struct grid_letter){cp, style};
    g->n_lines += cp == '\n';
    return true;
}

void grid_free(struct grid *g)
{
    free(g->v);
    *g = (struct grid){0};
}

/* -- Cells ------------------------------------------------------------------------------------ */

struct cell {
    struct grid_letter *v; // as they will be shown
    size_t n, cap;
    int width;
    size_t shown; // letters that are written already, while the cell is wrapped
};

enum align { LEFT, RIGHT, CENTRE };

struct table {
    struct cell *cells; // [n_rows][n_columns]
    int n_rows, n_columns;
    int width[GRID_COLUMNS];
    enum align align[GRID_COLUMNS];
    void (*put)(int32_t cp, int style, void *user);
    void *user;
};

static void add_letter(int32_t cp, int style, void *user)
{
    struct cell *c = user;
    if (!make_room(&c->v, c->n, &c->cap)) return;
    c->v[c->n++] = (struct grid_letter){cp, style};
    c->width += clean_width(cp);
}

static bool is_blank(int32_t cp) { return cp == ' ' || cp == '\t'; }

/* Copies the letters of the next cell of the line v[*at … n) without blanks at its ends, moves *at
 * past the cell and returns their number. "\|" is a literal bar. */
static size_t next_cell(const struct grid_letter *v, size_t n, size_t *at, struct grid_letter *to)
{
    size_t k = 0, from = 0;
    for (; *at < n && v[*at].cp != '|'; ++*at) {
        if (v[*at].cp == '\\' && *at + 1 < n && v[*at + 1].cp == '|') ++*at;
        to[k] = v[*at];
        if (to[k].cp == '\t') to[k].cp = ' ';
        k++;
    }
    *at += *at < n;
    while (k > 0 && is_blank(to[k - 1].cp)) k--;
    while (from < k && is_blank(to[from].cp)) from++;
    memmove(to, to + from, (k - from) * sizeof *to);
    return k - from;
}

/* Strips the blanks around a line, and its first and last bar. */
static void trim(const struct grid_letter **v, size_t *n)
{
    while (*n > 0 && is_blank((*v)[*n - 1].cp)) --*n;
    while (*n > 0 && is_blank((*v)->cp)) ++*v, --*n;
    if (*n > 0 && (*v)->cp == '|') ++*v, --*n;
    if (*n > 0 && (*v)[*n - 1].cp == '|' && (*n < 2 || (*v)[*n - 2].cp != '\\')) --*n;
}

static size_t line_length(const struct grid *g, size_t at)
{
    size_t n = 0;
    while (at + n < g->n && g->v[at + n].cp != '\n') n++;
    return n;
}

/* -- What the second line says ---------------------------------------------------------------- */

/* ":--", "--:", ":-:", "---" */
static bool read_align(const struct grid_letter *v, size_t n, enum align *ret)
{
    bool left = n > 0 && v[0].cp == ':', right = n > 1 && v[n - 1].cp == ':';
    for (size_t i = left; i < n - right; i++)
        if (v[i].cp != '-') return false;
    *ret = left && right ? CENTRE : right ? RIGHT : LEFT;
    return n > (size_t)left + right;
}

static bool read_aligns(const struct grid_letter *v, size_t n, struct table *t,
                        struct grid_letter *scratch)
{
    trim(&v, &n);
    for (size_t at = 0; at < n;) {
        size_t k = next_cell(v, n, &at, scratch);
        if (t->n_columns == GRID_COLUMNS || !read_align(scratch, k, &t->align[t->n_columns]))
            return false;
        t->n_columns++;
    }
    return t->n_columns > 0;
}

/* -- Reading ---------------------------------------------------------------------------------- */

static void read_row(const struct grid_letter *v, size_t n, struct table *t,
                     struct grid_letter *scratch)
{
    struct cell *row = t->cells + (size_t)t->n_rows * (size_t)t->n_columns;
    int style = t->n_rows ? 0 : STYLE_BOLD;
    trim(&v, &n);
    size_t at = 0;
    for (int k = 0; k < t->n_columns && at < n; k++) {
        size_t letters = next_cell(v, n, &at, scratch);
        markdown_inline(scratch, letters, style | STYLE_LITERAL, add_letter, &row[k]);
        if (row[k].width > t->width[k]) t->width[k] = row[k].width;
    }
    t->n_rows++;
}

/* Drops cells beyond those of the first line, as Markdown does. False when this is not a table. */
static bool read_table(const struct grid *g, struct table *t, struct grid_letter *scratch)
{
    size_t first = line_length(g, 0), second = first + 1;
    size_t n = second < g->n ? line_length(g, second) : 0;
    if (!n || !read_aligns(g->v + second, n, t, scratch)) return false;
    t->cells = calloc((size_t)(g->n_lines + 1) * (size_t)t->n_columns, sizeof *t->cells);
    if (!t->cells) return false;
    read_row(g->v, first, t, scratch);
    for (size_t at = second + n + 1; at < g->n; at += n + 1) {
        n = line_length(g, at);
        read_row(g->v + at, n, t, scratch);
    }
    return true;
}

static void free_table(struct table *t)
{
    for (int i = 0; t->cells && i < t->n_rows * t->n_columns; i++) free(t->cells[i].v);
    free(t->cells);
}

/* -- Fitting ---------------------------------------------------------------------------------- */

static int full_width(const struct table *t)
{
    int width = BAR * (t->n_columns - 1);
    for (int k = 0; k < t->n_columns; k++) width += t->width[k];
    return width;
}

/* Narrows the widest columns first. False when there is no room for so many columns. */
static bool shrink(struct table *t, int room)
{
    for (int over = full_width(t) - room; over > 0; over--) {
        int widest = 0;
        for (int k = 1; k < t->n_columns; k++)
            if (t->width[k] > t->width[widest]) widest = k;
        if (t->width[widest] <= LEAST) return false;
        t->width[widest]--;
    }
    return true;
}

/* -- Showing ---------------------------------------------------------------------------------- */

static const int32_t bar[] = {' ', 0x2502, ' ', 0}, cross[] = {0x2500, 0x253C, 0x2500, 0};

static void put_text(const struct table *t, const int32_t *s)
{
    for (; *s; s++) t->put(*s, (*s == ' ' ? 0 : STYLE_DIM) | STYLE_LITERAL, t->user);
}

static void put_blanks(const struct table *t, int n)
{
    while (n-- > 0) t->put(' ', STYLE_LITERAL, t->user);
}

/* How many of the cell's letters go on its next line of at most `width` columns; it breaks between
 * words if it can. */
static size_t fitting(const struct cell *c, int width, int *ret_width)
{
    size_t n = 0, word = 0;
    int used = 0, used_by_word = 0;
    for (size_t i = c->shown; i < c->n; i++) {
        int w = clean_width(c->v[i].cp);
        if (used + w > width) break;
        if (is_blank(c->v[i].cp)) word = n, used_by_word = used;
        used += w;
        n++;
    }
    bool all = c->shown + n == c->n, at_blank = !all && is_blank(c->v[c->shown + n].cp);
    if (!all && !at_blank && word > 0) n = word, used = used_by_word;
    *ret_width = used;
    return n;
}

/* Writes one line of a cell; `last` means the last column, which needs no padding. */
static void put_cell(const struct table *t, struct cell *c, int k, bool last)
{
    int used, spare;
    size_t n = fitting(c, t->width[k], &used);
    spare = t->width[k] - used;
    int before = t->align[k] == RIGHT ? spare : t->align[k] == CENTRE ? spare / 2 : 0;
    if (n) put_blanks(t, before);
    for (size_t i = 0; i < n; i++)
        t->put(c->v[c->shown + i].cp, c->v[c->shown + i].style | STYLE_LITERAL, t->user);
    c->shown += n;
    while (c->shown < c->n && is_blank(c->v[c->shown].cp)) c->shown++;
    if (!last) put_blanks(t, n ? spare - before : spare);
}

static void put_row(const struct table *t, int row)
{
    struct cell *cells = t->cells + (size_t)row * (size_t)t->n_columns;
    for (bool more = true; more;) {
        more = false;
        for (int k = 0; k < t->n_columns; k++) {
            if (k) put_text(t, bar);
            put_cell(t, &cells[k], k, k + 1 == t->n_columns);
            more |= cells[k].shown < cells[k].n;
        }
        t->put('\n', 0, t->user);
    }
}

static void put_rule(const struct table *t)
{
    for (int k = 0; k < t->n_columns; k++) {
        if (k) put_text(t, cross);
        for (int i = 0; i < t->width[k]; i++) t->put(0x2500, STYLE_DIM | STYLE_LITERAL, t->user);
    }
    t->put('\n', 0, t->user);
}

static bool show_table(const struct grid *g, struct table *t, int (*room)(int, void *))
{
    struct grid_letter *scratch = malloc((g->n + 1) * sizeof *scratch);
    bool good = scratch && read_table(g, t, scratch);
    free(scratch);
    if (!good || !shrink(t, room(full_width(t), t->user))) return false;
    put_row(t, 0);
    put_rule(t);
    for (int i = 1; i < t->n_rows; i++) put_row(t, i);
    return true;
}

void grid_show(struct grid *g, void (*put)(int32_t cp, int style, void *user),
               int (*room)(int columns, void *user), void *user)
{
    struct table t = {.put = put, .user = user};
    if (!room || !show_table(g, &t, room))
        for (size_t i = 0; i < g->n; i++)
            put(g->v[i].cp, g->v[i].cp == '\n' ? 0 : g->v[i].style | STYLE_LITERAL, user);
    free_table(&t);
    grid_free(g);
}
