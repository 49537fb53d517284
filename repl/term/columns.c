/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/columns.h"

#include <stdlib.h>
#include <string.h>

#include "term/clean.h"

#define GAP_COLUMNS 3

struct writer {
    struct layout layout;
    int style;
};

static void put(int32_t cp, void *user)
{
    struct writer *w = user;
    layout_put(&w->layout, cp, w->style);
}

/* The lines of one column, laid out as on a terminal of its width. NULL without memory. */
static char *lines_of(const struct term_facts *facts, const struct span *spans, int n)
{
    char *text = NULL;
    size_t n_text;
    FILE *out = open_memstream(&text, &n_text);
    struct writer w = {.style = 0};
    struct clean clean;
    if (!out) return NULL;
    layout_begin(&w.layout, facts, out, NULL, 0, 0, false);
    clean_init(&clean, CLEAN_TEXT, put, &w);
    for (int i = 0; i < n; i++) {
        w.style = spans[i].style;
        clean_feed(&clean, spans[i].text, spans[i].n_bytes);
    }
    clean_end(&clean);
    layout_end(&w.layout);
    if (!fclose(out)) return text;
    free(text);
    return NULL;
}

/* Takes off the next line; NULL when none is left. */
static const char *take_line(char **rest)
{
    char *line = *rest;
    if (!*line) return NULL;
    char *end = strstr(line, "\r\n");
    *rest = end ? end + 2 : line + strlen(line);
    if (end) *end = 0;
    return line;
}

bool columns_show(const struct term_facts *facts, FILE *out, const struct span *left, int n_left,
                  const struct span *right, int n_right)
{
    struct term_facts half = *facts;
    int width = (facts->cols - 1 - GAP_COLUMNS) / 2;
    half.cols = width + 1; /* lines end one column early */
    char *a = lines_of(&half, left, n_left), *b = lines_of(&half, right, n_right);
    char *rest_a = a, *rest_b = b;
    for (bool more = a && b; more;) {
        const char *line_a = take_line(&rest_a), *line_b = take_line(&rest_b);
        more = line_a || line_b;
        if (line_a) fputs(line_a, out);
        if (line_b) fprintf(out, "\r\033[%dC%s", width + GAP_COLUMNS, line_b);
        if (more) fputs("\r\n", out);
    }
    bool whole = a && b;
    free(a);
    free(b);
    return whole;
}
