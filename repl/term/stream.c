/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/stream.h"

#include <stdlib.h>
#include <string.h>

#include "term/clean.h"
#include "term/markdown.h"

#define BESIDE_COLUMNS 80

enum way {
    WAY_RAW,   /* the true text, for a pipe */
    WAY_CLEAN, /* cleaned text, for a terminal without cursor movement */
    WAY_FULL
};

struct stream {
    struct stream_options opt; /* except the label, which is copied */
    char label[64];
    enum way way;
    struct clean clean;
    struct markdown markdown;
    struct layout layout;
    char *text; /* the whole answer, for drawing it again after a resize */
    size_t n_text, cap_text;
    bool text_lost; /* there was no memory for it, so it cannot be drawn again */
    int style;      /* of the text that follows */
    struct change { /* where the text changes its style */
        size_t at;
        int style;
    } * changes;
    size_t n_changes;
    char last;  /* the text's last byte */
    int column; /* in WAY_CLEAN */
    bool begun, ended;
};

/* -- clean -> markdown -> layout -------------------------------------------------------------- */

static void put_layout(int32_t cp, int style, void *user)
{
    struct stream *s = user;
    layout_put(&s->layout, cp, style);
}

static void put_indent(int columns, void *user)
{
    layout_indent(&((struct stream *)user)->layout, columns);
}

static int make_room(int columns, void *user)
{
    return layout_room(&((struct stream *)user)->layout, columns);
}

static void put_clean(int32_t cp, void *user)
{
    struct stream *s = user;
    if (s->way == WAY_FULL && !s->opt.verbatim) {
        s->markdown.around = s->style;
        markdown_put(&s->markdown, cp);
    } else if (s->way == WAY_FULL) {
        layout_put(&s->layout, cp, s->style);
    } else {
        clean_write(cp, &s->column, s->opt.out);
    }
}

/* -- Beginning, and beginning again ----------------------------------------------------------- */

static void put_dim(int32_t cp, void *user)
{
    layout_put(&((struct stream *)user)->layout, cp, STYLE_DIM);
}

static void put_tag(struct stream *s)
{
    struct clean c;
    clean_init(&c, CLEAN_NAME, put_dim, s);
    clean_feed(&c, s->opt.tag, strlen(s->opt.tag));
    clean_end(&c);
    layout_put(&s->layout, s->opt.tag_line ? '\n' : ' ', 0);
}

static void begin(struct stream *s)
{
    s->begun = true;
    const struct term_facts *facts = s->opt.term ? term_facts(s->opt.term) : NULL;
    const char *label = s->label;
    clean_init(&s->clean, CLEAN_TEXT, put_clean, s);
    if (s->way == WAY_CLEAN) {
        fputs(label, s->opt.out);
        s->column = clean_string_width(label);
        if (s->opt.tag) clean_print(s->opt.out, CLEAN_NAME, s->opt.tag);
        if (s->opt.tag) fputc(' ', s->opt.out);
    }
    if (s->way != WAY_FULL) return;
    bool beside = s->opt.layout == STREAM_BESIDE ||
                  (s->opt.layout == STREAM_AUTO && facts->cols >= BESIDE_COLUMNS);
    int n_pictures = s->opt.layout == STREAM_NO_PICTURES ? 0 : s->opt.n_pictures;
    markdown_free(&s->markdown);
    markdown_init(&s->markdown, put_layout, put_indent, make_room, s);
    layout_begin(&s->layout, facts, s->opt.out, s->opt.pictures, n_pictures, s->opt.picture_rows,
                 beside);
    for (; *label; label++) layout_put(&s->layout, *label, STYLE_LABEL);
    if (s->opt.tag) put_tag(s);
}

/* A resize may have moved lines about, so drawing begins with a clear screen. */
static void draw_again(struct stream *s)
{
    fputs("\033[0m\033[H\033[2J", s->opt.out);
    if (s->opt.head) s->opt.head(s->opt.out, s->opt.user);
    int style = s->style;
    size_t at = 0;
    s->style = 0;
    begin(s);
    for (size_t k = 0; k <= s->n_changes; k++) {
        size_t end = k < s->n_changes ? s->changes[k].at : s->n_text;
        clean_feed(&s->clean, s->text + at, end - at);
        if (k < s->n_changes) s->style = s->changes[k].style;
        at = end;
    }
    s->style = style;
}

static void keep(struct stream *s, const char *bytes, size_t n)
{
    if (s->text_lost || n == 0) return;
    if (s->n_text + n > s->cap_text) {
        size_t cap = 2 * (s->n_text + n);
        char *text = realloc(s->text, cap);
        s->text_lost = !text;
        if (!text) return;
        s->text = text;
        s->cap_text = cap;
    }
    memcpy(s->text + s->n_text, bytes, n);
    s->n_text += n;
}

struct stream *stream_new(const struct stream_options *opt)
{
    struct stream *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    const struct term_facts *facts = opt->term ? term_facts(opt->term) : NULL;
    s->opt = *opt;
    s->opt.label = NULL;
    if (opt->label) snprintf(s->label, sizeof s->label, "%s", opt->label);
    if (!facts || !facts->needs_cleaning)
        s->way = WAY_RAW;
    else
        s->way = facts->is_tty && !facts->is_dumb ? WAY_FULL : WAY_CLEAN;
    return s;
}

void stream_text(struct stream *s, const char *bytes, size_t n)
{
    if (s->ended) return;
    bool resized = s->way == WAY_FULL && term_update(s->opt.term);
    if (!s->begun && n > 0)
        begin(s);
    else if (s->begun && resized && !s->text_lost)
        draw_again(s);
    if (n == 0) return;
    s->last = bytes[n - 1];
    if (s->way == WAY_RAW)
        fwrite(bytes, 1, n, s->opt.out);
    else
        clean_feed(&s->clean, bytes, n);
    if (s->way == WAY_FULL) keep(s, bytes, n);
    fflush(s->opt.out);
}

void stream_style(struct stream *s, int style)
{
    if (style == s->style) return;
    struct change *v = realloc(s->changes, (s->n_changes + 1) * sizeof *v);
    if (!v) return;
    s->changes = v;
    v[s->n_changes++] = (struct change){s->n_text, style};
    s->style = style;
}

void stream_redraw(struct stream *s)
{
    if (s->way != WAY_FULL || !s->begun || s->ended || s->text_lost) return;
    term_update(s->opt.term);
    draw_again(s);
    fflush(s->opt.out);
}

void stream_end(struct stream *s)
{
    if (s->ended || !s->begun) return;
    s->ended = true;
    if (s->way != WAY_RAW) clean_end(&s->clean);
    if (s->way == WAY_FULL) {
        if (!s->opt.verbatim) markdown_end(&s->markdown);
        layout_end(&s->layout);
    } else if (s->last != '\n') {
        fputc('\n', s->opt.out);
    }
    fflush(s->opt.out);
}

void stream_free(struct stream *s)
{
    if (!s) return;
    markdown_free(&s->markdown);
    free(s->text);
    free(s->changes);
    free(s);
}
