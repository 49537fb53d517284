/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "notebook/export.h"
#include "common/files.h"
#include "common/json.h"

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
    for (int k = 0; k < c->images.n; k++) text_addf(out, format, b->images.v[c->images.v[k]].what);
}

static char *markdown(const struct book *b)
{
    struct text out = {0};
    for (int i = 0; i < b->n; i++) {
        const struct cell *c = &b->v[i];
        text_addf(&out, "%s### In [%d]\n\n", i ? "\n" : "", i + 1);
        add_pictures(&out, b, c, "![picture](<%s>)\n\n");
        add_quoted(&out, "> ", c->prompt);
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
        text_addf(&out, "In [%d]: %s\n", i + 1, c->prompt);
        if (c->answer) text_addf(&out, "Out[%d]: %s\n", i + 1, c->answer);
        text_add(&out, "\n");
    }
    return text_take(&out);
}

static json_t *cell_json(const struct book *b, int i, enum cell_state state)
{
    const struct cell *c = &b->v[i];
    json_t *pictures = json_array(), *commands = json_array();
    for (int k = 0; k < c->images.n; k++)
        json_array_append_new(pictures, json_text(b->images.v[c->images.v[k]].what));
    for (int k = 0; k < c->lines.n; k++)
        json_array_append_new(commands, json_text(c->lines.v[k].text));
    return json_pack("{s:i,s:s,s:o,s:o,s:o,s:o,s:o}", "cell", i + 1, "state", state_name(state),
                     "commands", commands, "images", pictures, "prompt", json_text(c->prompt),
                     "text", c->answer ? json_text(c->answer) : json_null(), "output_ids",
                     json_ids(c->ids, c->n_ids));
}

static char *json(const struct book *b, const enum cell_state *state)
{
    json_t *cells = json_array();
    for (int i = 0; i < b->n; i++) {
        if (book_stopped_at(b, (size_t)i)) {
            json_decref(cells);
            return NULL;
        }
        json_array_append_new(cells, cell_json(b, i, state[i]));
    }
    json_t *all = json_pack("{s:o,s:o}", "system", json_text(b->base.system), "cells", cells);
    char *text = json_pretty(all, b->stop);
    json_decref(all);
    return text;
}

static char *json_with_states(const struct book *b)
{
    enum cell_state *state = memory_zero((size_t)b->n, sizeof *state);
    char *text = state && !book_states(b, state, NULL) ? json(b, state) : NULL;
    free(state);
    return text;
}

int export_check(const char *path, struct phi3v_error *err)
{
    static const char *const endings[] = {".ipynb", ".md", ".txt", ".json"};
    struct stat st;
    bool known = false;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        known |= has_ending(path, endings[i]);
    if (!known)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "%.200s: the name must end in .ipynb, .md, .txt or .json", path);
    if (!stat(path, &st) && !S_ISREG(st.st_mode))
        return refuse(err, PHI3V_E_IO, "%.200s is not a plain file", path);
    return 0;
}

int export_text(const struct book *b, const char *path, char **ret, struct phi3v_error *err)
{
    unsigned before = memory_failures();
    *ret = has_ending(path, ".md")     ? markdown(b)
           : has_ending(path, ".txt")  ? plain(b)
           : has_ending(path, ".json") ? json_with_states(b)
                                       : NULL;
    if (*ret && memory_failures() == before) return 0;
    free(*ret);
    return memory_failures() != before ? memory_error(err) : stop_error(err, "writing", path);
}
