/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/markdown.h"

#include "term/layout.h"

/* -- Inside a line ----------------------------------------------------------------------------- */

static int style_now(const struct markdown *m)
{
    return m->style | (m->bold ? STYLE_BOLD : 0) | (m->code_ticks ? STYLE_CODE : 0);
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

/* A run of * or ` has ended before `next`: it is a mark, or just these characters. */
static void end_run(struct markdown *m, int32_t next)
{
    int32_t mark = m->run;
    int n = m->n_run;
    m->run = 0;
    m->n_run = 0;
    if (n == 0) return;
    if (mark == '`' && m->code_ticks == n) {
        m->code_ticks = 0;
    } else if (mark == '`' && !m->code_ticks && !is_word(m->before) && !is_blank(next)) {
        m->code_ticks = n;
    } else if (mark == '*' && n == 2 && !m->code_ticks && m->bold && !is_blank(m->before)) {
        m->bold = false;
    } else if (mark == '*' && n == 2 && !m->code_ticks && !m->bold && !is_word(m->before) &&
               !is_blank(next)) {
        m->bold = true;
    } else {
        while (n-- > 0) put_now(m, mark);
        return;
    }
    m->before = '*'; /* a mark is neither blank nor a letter */
}

static void inline_put(struct markdown *m, int32_t cp)
{
    if (m->style & STYLE_LITERAL) {
        put_now(m, cp);
        return;
    }
    if (m->n_run && cp != m->run) end_run(m, cp);
    if (cp == '*' || cp == '`') {
        m->run = cp;
        m->n_run++;
    } else {
        put_now(m, cp);
    }
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

static enum marker judge_fence(const int32_t *s, int n)
{
    for (int i = 0; i < n; i++)
        if (s[i] != '`') return MARKER_NONE;
    return n == 3 ? MARKER_FENCE : MARKER_MORE;
}

static enum marker judge_number(const int32_t *s, int n)
{
    int digits = 0;
    while (digits < n && s[digits] >= '0' && s[digits] <= '9') digits++;
    if (digits == n) return n > 3 ? MARKER_NONE : MARKER_MORE;
    if (s[digits] != '.' && s[digits] != ')') return MARKER_NONE;
    if (digits + 1 == n) return MARKER_MORE;
    return s[digits + 1] == ' ' ? MARKER_NUMBER : MARKER_NONE;
}

static enum marker judge_heading(const int32_t *s, int n)
{
    int hashes = 0;
    while (hashes < n && s[hashes] == '#') hashes++;
    if (hashes > 6) return MARKER_NONE;
    if (hashes == n) return MARKER_MORE;
    return s[hashes] == ' ' ? MARKER_HEADING : MARKER_NONE;
}

/* What the line so far is; only a fence counts inside one. */
static enum marker judge(const struct markdown *m)
{
    const int32_t *s = m->marker;
    int n = m->n_marker;
    while (n > 0 && *s == ' ') s++, n--;
    if (n == 0) return m->n_marker < 8 ? MARKER_MORE : MARKER_NONE;
    if (*s == '`') return judge_fence(s, n);
    if (m->in_fence) return MARKER_NONE;
    if (*s == '#') return judge_heading(s, n);
    if (*s == '|') return MARKER_TABLE;
    if (*s >= '0' && *s <= '9') return judge_number(s, n);
    if (*s != '-' && *s != '*' && *s != '+') return MARKER_NONE;
    return n == 1 ? MARKER_MORE : s[1] == ' ' ? MARKER_BULLET : MARKER_NONE;
}

/* The marker is just text. */
static void put_marker(struct markdown *m)
{
    int n = m->n_marker;
    m->n_marker = 0;
    for (int i = 0; i < n; i++) inline_put(m, m->marker[i]);
}

static void put_bullet(struct markdown *m)
{
    for (int i = 0; i < m->n_marker - 2; i++) put_now(m, ' ');
    put_now(m, 0x2022);
    put_now(m, ' ');
    m->indent(m->n_marker, m->user);
    m->n_marker = 0;
}

static void begin_line(struct markdown *m, enum marker kind)
{
    m->in_line = true;
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
        m->style = STYLE_LITERAL;
        put_marker(m);
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
    end_run(m, '\n');
    if (!m->skipping) m->put('\n', 0, m->user);
    m->in_line = m->skipping = m->bold = false;
    m->code_ticks = 0;
    m->before = ' ';
}

void markdown_init(struct markdown *m, void (*put)(int32_t, int, void *),
                   void (*indent)(int, void *), void *user)
{
    *m = (struct markdown){.put = put, .indent = indent, .user = user, .before = ' '};
}

void markdown_put(struct markdown *m, int32_t cp)
{
    if (cp == '\n') {
        end_line(m);
    } else if (!m->in_line) {
        m->marker[m->n_marker++] = cp;
        enum marker kind = judge(m);
        if (kind != MARKER_MORE || m->n_marker == MARKDOWN_MARKER) begin_line(m, kind);
    } else if (!m->skipping) {
        inline_put(m, cp);
    }
}

void markdown_end(struct markdown *m)
{
    if (!m->in_line) begin_line(m, MARKER_NONE);
    end_run(m, '\n');
}
