/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <strings.h>

#include "notebook/export.h"
#include "base/json.h"

static void add_quoted(struct text *out, const char *mark, const char *s)
{
    while (*s) {
        size_t n = strcspn(s, "\n");
        text_addf(out, "%s%.*s\n", mark, (int)n, s);
        s += n + (s[n] == '\n');
    }
}

static void add_pictures(struct text *out, const struct book *b, const struct cell *c,
                         const char *format)
{
    for (int k = 0; k < c->n_pictures; k++)
        text_addf(out, format, b->handles.v[c->pictures[k]].what);
}

static char *markdown(const struct book *b)
{
    struct text out = {0};
    for (int i = 0; i < b->n; i++) {
        const struct cell *c = &b->v[i];
        text_addf(&out, "%s### In [%d]\n\n", i ? "\n" : "", i + 1);
        add_pictures(&out, b, c, "![picture](<%s>)\n\n");
        add_quoted(&out, "> ", c->typed);
        if (c->answer) text_addf(&out, "\n%s\n", c->answer);
    }
    return text_take(&out);
}

static char *plain(const struct book *b)
{
    struct text out = {0};
    for (int i = 0; i < b->n; i++) {
        const struct cell *c = &b->v[i];
        add_pictures(&out, b, c, "[%s]\n");
        text_addf(&out, "In [%d]: %s\n", i + 1, c->typed);
        if (c->answer) text_addf(&out, "Out[%d]: %s\n", i + 1, c->answer);
        text_add(&out, "\n");
    }
    return text_take(&out);
}

static json_t *cell_json(const struct book *b, int i, const char *system)
{
    const struct cell *c = &b->v[i];
    json_t *pictures = json_array(), *commands = json_array();
    for (int k = 0; k < c->n_pictures; k++)
        json_array_append_new(pictures, json_text(b->handles.v[c->pictures[k]].what));
    for (size_t k = 0; k < c->commands.n; k++)
        json_array_append_new(commands, json_text(c->commands.v[k]));
    return json_pack("{s:i,s:s,s:o,s:o,s:o,s:o,s:o}", "cell", i + 1, "state",
                     state_name(book_state(b, i, system)), "commands", commands, "images", pictures,
                     "prompt", json_text(c->typed), "text",
                     c->answer ? json_text(c->answer) : json_null(), "output_ids",
                     json_ids(c->ids, c->n_ids));
}

static char *json(const struct book *b, const char *system)
{
    json_t *cells = json_array();
    for (int i = 0; i < b->n; i++) json_array_append_new(cells, cell_json(b, i, system));
    json_t *all = json_pack("{s:o,s:o}", "system", json_text(system), "cells", cells);
    char *text = json_pretty(all);
    json_decref(all);
    return text;
}

char *export_text(const struct book *b, const char *system, const char *path)
{
    const char *ending = strrchr(path, '.');
    if (!ending) return NULL;
    if (!strcasecmp(ending, ".md")) return markdown(b);
    if (!strcasecmp(ending, ".txt")) return plain(b);
    if (!strcasecmp(ending, ".json")) return json(b, system);
    return NULL;
}
