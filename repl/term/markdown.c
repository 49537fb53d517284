/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/markdown.h"

#include "term/layout.h"

/* -- Inside a line ----------------------------------------------------------------------------- */

static int style_now(const struct markdown *m)
{
    return m->style | m->around | (m->bold ? STYLE_BOLD : 0) | (m->italic ? STYLE_ITALIC : 0) |
           (m->code_ticks ? STYLE_CODE : 0);
}

static void put_now(struct markdown *m, int32_t cp)
{
    m->put(cp, style_now(m), m->user);
    m->before = cp;
}

static bool is_blank(int32_t cp) { return cp == ' ' || cp == '\t' || cp == '\n'; }

static bool is_word(int32_t cp)
{
    return (cp >= '0' && cp <= '9') || (cp >= 'A' && cp <= 'Z') || (cp >= 'a' && cp <= 'z') ||
           cp > 0x7F;
}

static bool opens(const struct markdown *m, int32_t next)
{
    return !is_word(m->before) && !is_blank(next);
}

/* A run of ` has ended before `next`. False when it marks nothing and is literal text. */
static bool end_ticks(struct markdown *m, int n, int32_t next)
{
    if (m->code_ticks ? m->code_ticks != n : !opens(m, next)) return false;
    m->code_ticks = m->code_ticks ? 0 : n;
    return true;
}

/* The same for * and _. One or three of them may begin an italic, so what follows is held back. */
static bool end_stars(struct markdown *m, int32_t mark, int n, int32_t next)
{
    if (m->code_ticks) return false;
    if (mark == '*' && n == 2 && m->bold && !is_blank(m->before)) {
        m->bold = false;
        return true;
    }
    if (!opens(m, next)) return false;
    if (mark == '*' && n == 2 && !m->bold) {
        m->bold = true;
        return true;
    }
    if ((n != 1 && n != 3) || m->no_italic) return false;
    m->opened = mark;
    m->n_opened = n;
    m->n_held = m->n_close = 0;
    m->held_code = false;
    return true;
}

/* A run has ended before `next`: treats it as a mark, or as literal text. */
static void end_run(struct markdown *m, int32_t next)
{
    int32_t mark = m->run;
    int n = m->n_run;
    m->run = 0;
    m->n_run = 0;
    if (n == 0) return;
    if (mark == '`' ? end_ticks(m, n, next) : end_stars(m, mark, n, next)) {
        m->before = '*'; /* a mark is neither blank nor a letter */
        return;
    }
    while (n-- > 0) put_now(m, mark);
}

static void inline_put(struct markdown *m, int32_t cp);

/* Writes the held text, as an italic or as it was. */
static void give_held(struct markdown *m, bool italic)
{
    int32_t mark = m->opened;
    int around = m->around, n = m->n_held, marks = m->n_opened;
    bool bold = m->bold;
    m->opened = 0;
    m->no_italic = true;
    if (italic) {
        n -= m->n_close;
        m->italic = true;
        m->bold |= marks == 3;
    } else {
        m->around = n ? m->held[0].style : around;
        while (marks-- > 0) put_now(m, mark);
    }
    for (int i = 0; i < n; i++) {
        m->around = m->held[i].style;
        inline_put(m, m->held[i].cp);
    }
    if (italic) {
        end_run(m, ' ');
        m->italic = false;
        m->bold = bold;
        m->before = '*';
    }
    m->no_italic = false;
    m->around = around;
}

/* Whether the marks at the end of the held text, followed by `next`, close the italic. */
static bool closes(const struct markdown *m, int32_t next)
{
    if (m->n_close != m->n_opened || m->n_held <= m->n_close) return false;
    return !is_blank(m->held[m->n_held - m->n_close - 1].cp) &&
           (m->opened == '*' || !is_word(next));
}

static void hold(struct markdown *m, int32_t cp)
{
    if (cp != m->opened && closes(m, cp)) {
        give_held(m, true);
        inline_put(m, cp);
        return;
    }
    if (cp == '`') m->held_code = !m->held_code;
    m->n_close = cp == m->opened && !m->held_code ? m->n_close + 1 : 0;
    m->held[m->n_held++] = (struct grid_letter){cp, m->around};
    if (m->n_held == MARKDOWN_HELD) give_held(m, false);
}

static void inline_put(struct markdown *m, int32_t cp)
{
    if (m->style & STYLE_LITERAL && !m->in_cell) {
        put_now(m, cp);
        return;
    }
    if (m->n_run && cp != m->run) end_run(m, cp);
    if (m->opened) {
        hold(m, cp);
    } else if (cp == '*' || cp == '`' || cp == '_') {
        m->run = cp;
        m->n_run++;
    } else {
        put_now(m, cp);
    }
}

/* Ends a line, and writes the held text. */
static void end_text(struct markdown *m)
{
    if (m->opened) give_held(m, closes(m, '\n'));
    end_run(m, '\n');
}

void markdown_inline(const struct grid_letter *letters, size_t n, int style,
                     void (*put)(int32_t, int, void *), void *user)
{
    struct markdown m;
    markdown_init(&m, put, NULL, NULL, user);
    m.style = style;
    m.in_cell = true;
    for (size_t i = 0; i < n; i++) {
        m.around = letters[i].style;
        inline_put(&m, letters[i].cp);
    }
    end_text(&m);
}

/* -- The beginning of a line ------------------------------------------------------------------ */

enum marker {
    MARKER_MORE,
    MARKER_NONE,
    MARKER_HEADING,
    MARKER_BULLET,
    MARKER_NUMBER,
    MARKER_FENCE,
    MARKER_TABLE
};

static enum marker judge_fence(const struct grid_letter *s, int n)
{
    for (int i = 0; i < n; i++)
        if (s[i].cp != '`') return MARKER_NONE;
    return n == 3 ? MARKER_FENCE : MARKER_MORE;
}

static enum marker judge_number(const struct grid_letter *s, int n)
{
    int digits = 0;
    while (digits < n && s[digits].cp >= '0' && s[digits].cp <= '9') digits++;
    if (digits == n) return n > 3 ? MARKER_NONE : MARKER_MORE;
    if (s[digits].cp != '.' && s[digits].cp != ')') return MARKER_NONE;
    if (digits + 1 == n) return MARKER_MORE;
    return s[digits + 1].cp == ' ' ? MARKER_NUMBER : MARKER_NONE;
}

static enum marker judge_heading(const struct grid_letter *s, int n)
{
    int hashes = 0;
    while (hashes < n && s[hashes].cp == '#') hashes++;
    if (hashes > 6) return MARKER_NONE;
    if (hashes == n) return MARKER_MORE;
    return s[hashes].cp == ' ' ? MARKER_HEADING : MARKER_NONE;
}

/* Which marker the line so far is; in a fenced block only a fence counts. */
static enum marker judge(const struct markdown *m)
{
    const struct grid_letter *s = m->marker;
    int n = m->n_marker;
    while (n > 0 && s->cp == ' ') s++, n--;
    if (n == 0) return m->n_marker < 8 ? MARKER_MORE : MARKER_NONE;
    if (s->cp == '`') return judge_fence(s, n);
    if (m->in_fence) return MARKER_NONE;
    if (s->cp == '#') return judge_heading(s, n);
    if (s->cp == '|') return MARKER_TABLE;
    if (s->cp >= '0' && s->cp <= '9') return judge_number(s, n);
    if (s->cp != '-' && s->cp != '*' && s->cp != '+') return MARKER_NONE;
    return n == 1 ? MARKER_MORE : s[1].cp == ' ' ? MARKER_BULLET : MARKER_NONE;
}

/* Writes the supposed marker as text. */
static void put_marker(struct markdown *m)
{
    int n = m->n_marker;
    m->n_marker = 0;
    int around = m->around;
    for (int i = 0; i < n; i++) {
        m->around = m->marker[i].style;
        inline_put(m, m->marker[i].cp);
    }
    m->around = around;
}

static void put_bullet(struct markdown *m)
{
    for (int i = 0; i < m->n_marker - 2; i++) put_now(m, ' ');
    put_now(m, 0x2022);
    put_now(m, ' ');
    m->indent(m->n_marker, m->user);
    m->n_marker = 0;
}

static void show_grid(struct markdown *m)
{
    if (m->grid.n) grid_show(&m->grid, m->put, m->room, m->user);
}

/* Adds a letter to a table; a table that is too long is shown in pieces. */
static void add_to_grid(struct markdown *m, int32_t cp, int style)
{
    if (grid_add(&m->grid, cp, style)) return;
    show_grid(m);
    if (!grid_add(&m->grid, cp, style)) m->put(cp, cp == '\n' ? 0 : style | STYLE_LITERAL, m->user);
}

static void begin_row(struct markdown *m)
{
    m->in_row = true;
    for (int i = 0; i < m->n_marker; i++) add_to_grid(m, m->marker[i].cp, m->marker[i].style);
    m->n_marker = 0;
}

static void begin_line(struct markdown *m, enum marker kind)
{
    m->in_line = true;
    if (kind != MARKER_TABLE) show_grid(m);
    m->style = m->in_fence ? STYLE_LITERAL | STYLE_CODE : 0;
    switch (kind) {
    case MARKER_HEADING:
        m->style = STYLE_HEADING;
        m->n_marker = 0;
        break;
    case MARKER_FENCE:
        m->in_fence = !m->in_fence;
        m->skipping = true;
        m->n_marker = 0;
        break;
    case MARKER_BULLET:
        put_bullet(m);
        break;
    case MARKER_TABLE:
        begin_row(m);
        break;
    case MARKER_NUMBER:
        m->indent(m->n_marker, m->user);
        put_marker(m);
        break;
    default:
        put_marker(m);
        break;
    }
}

/* -- The whole -------------------------------------------------------------------------------- */

static void end_line(struct markdown *m)
{
    if (!m->in_line) begin_line(m, MARKER_NONE);
    if (m->in_row) {
        add_to_grid(m, '\n', 0);
    } else {
        end_text(m);
        if (!m->skipping) m->put('\n', 0, m->user);
    }
    m->in_line = m->skipping = m->bold = m->in_row = false;
    m->code_ticks = 0;
    m->before = ' ';
}

void markdown_init(struct markdown *m, void (*put)(int32_t, int, void *),
                   void (*indent)(int, void *), int (*room)(int, void *), void *user)
{
    *m = (struct markdown){.put = put, .indent = indent, .room = room, .user = user, .before = ' '};
}

void markdown_put(struct markdown *m, int32_t cp)
{
    if (cp == '\n') {
        end_line(m);
    } else if (!m->in_line) {
        m->marker[m->n_marker++] = (struct grid_letter){cp, m->around};
        enum marker kind = judge(m);
        if (kind != MARKER_MORE || m->n_marker == MARKDOWN_MARKER) begin_line(m, kind);
    } else if (m->in_row) {
        add_to_grid(m, cp, m->around);
    } else if (!m->skipping) {
        inline_put(m, cp);
    }
}

void markdown_end(struct markdown *m)
{
    if (!m->in_line && (m->n_marker || !m->grid.n)) begin_line(m, MARKER_NONE);
    if (m->in_row) add_to_grid(m, '\n', 0);
    show_grid(m);
    end_text(m);
}

void markdown_free(struct markdown *m) { grid_free(&m->grid); }
