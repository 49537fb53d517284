/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "verbs/answer.h"
#include "notebook/ipynb.h"
#include "base/json.h"
#include "notebook/png.h"
#include "notebook/words.h"

enum { PREVIEW_SIDE = 640 };

/* Objects are built with their keys in sorted order: Python writes them so, and differences stay
 * small. */

/* Text as nbformat likes it: a list of lines, each with its line break. */
static json_t *lines_json(const char *s)
{
    json_t *list = json_array();
    while (*s) {
        size_t n = strcspn(s, "\n");
        n += s[n] == '\n';
        json_array_append_new(list, json_textn(s, n));
        s += n;
    }
    return list;
}

/* -- One cell ------------------------------------------------------------------------------- */

static json_t *source_json(const struct cell *c)
{
    struct text source = {0};
    for (size_t i = 0; i < c->commands.n; i++) text_addf(&source, "%s\n", c->commands.v[i]);
    char *line = line_of_typed(c->typed);
    text_add(&source, line);
    free(line);
    json_t *list = lines_json(source.s);
    text_free(&source);
    return list;
}

static json_t *pictures_json(const struct book *b, const struct cell *c)
{
    json_t *list = json_array();
    for (int i = 0; i < c->n_pictures; i++) {
        const struct handle *h = &b->handles.v[c->pictures[i]];
        json_t *p = json_object();
        json_object_set_new(p, "handle", json_integer(c->pictures[i] + 1));
        if (h->name) json_object_set_new(p, "name", json_text(h->name));
        json_object_set_new(p, "sha256", json_text(h->sha256));
        json_object_set_new(p, "source", json_text(h->what));
        json_array_append_new(list, p);
    }
    return list;
}

static json_t *cell_metadata(const struct book *b, int i, const char *system)
{
    const struct cell *c = &b->v[i];
    json_t *ours = json_object();
    if (c->answer) {
        json_object_set_new(ours, "finish_reason", json_string(finish_name(c->finish)));
        if (c->ids) json_object_set_new(ours, "output_ids", json_ids(c->ids, c->n_ids));
    }
    json_object_set_new(ours, "pictures", pictures_json(b, c));
    json_object_set_new(ours, "seed", json_integer((json_int_t)(c->seed & INT64_MAX)));
    json_object_set_new(ours, "state", json_string(state_name(book_state(b, i, system))));
    if (c->text) json_object_set_new(ours, "text", json_text(c->text));
    json_t *all = c->metadata ? json_copy(c->metadata) : json_object();
    json_object_set_new(all, "phiscope", ours);
    return all;
}

static json_t *picture_output(const struct book *b, int index)
{
    const struct handle *h = &b->handles.v[index];
    char *label = NULL, *png = NULL;
    int width = 0, height = 0;
    if (h->media.image) {
        const struct phi3v_image_info *info = phi3v_image_info(h->media.image);
        label = xasprintf("@%d %s %d×%d", index + 1, h->media.source, info->width, info->height);
        png = png_preview(h->media.image, PREVIEW_SIDE, &width, &height);
    } else {
        label = xasprintf("@%d %s", index + 1, h->what);
    }
    json_t *data = json_object(), *metadata = json_object();
    if (png) {
        json_object_set_new(data, "image/png", json_string(png));
        json_object_set_new(metadata, "image/png",
                            json_pack("{s:i,s:i}", "height", height, "width", width));
    }
    json_object_set_new(data, "text/plain", lines_json(label));
    free(label);
    free(png);
    return json_pack("{s:o,s:o,s:s}", "data", data, "metadata", metadata, "output_type",
                     "display_data");
}

static json_t *outputs_json(const struct book *b, int i)
{
    const struct cell *c = &b->v[i];
    json_t *list = json_array();
    for (int k = 0; k < c->n_pictures && c->answer; k++)
        json_array_append_new(list, picture_output(b, c->pictures[k]));
    if (c->answer)
        json_array_append_new(list, json_pack("{s:{s:o,s:o},s:i,s:{},s:s}", "data", "text/markdown",
                                              lines_json(c->answer), "text/plain",
                                              lines_json(c->answer), "execution_count", i + 1,
                                              "metadata", "output_type", "execute_result"));
    if (c->error)
        json_array_append_new(list,
                              json_pack("{s:s,s:o,s:s,s:[]}", "ename", "Error", "evalue",
                                        json_text(c->error), "output_type", "error", "traceback"));
    return list;
}

/* The file's own cell where nothing changed but perhaps its state. */
static json_t *saved_cell(const struct book *b, int i, const char *system)
{
    const struct cell *c = &b->v[i];
    const char *state = state_name(book_state(b, i, system));
    json_t *ours = json_object_get(json_object_get(c->saved, "metadata"), "phiscope");
    const char *was = json_string_value(json_object_get(ours, "state"));
    if (!was || !strcmp(was, state)) return json_incref(c->saved);
    json_t *copy = json_deep_copy(c->saved);
    ours = json_object_get(json_object_get(copy, "metadata"), "phiscope");
    json_object_set_new(ours, "state", json_string(state));
    return copy;
}

static json_t *cell_json(const struct book *b, int i, const char *system)
{
    const struct cell *c = &b->v[i];
    if (c->saved) return saved_cell(b, i, system);
    return json_pack("{s:s,s:o,s:s,s:o,s:o,s:o}", "cell_type", "code", "execution_count",
                     c->answer ? json_integer(i + 1) : json_null(), "id", c->id, "metadata",
                     cell_metadata(b, i, system), "outputs", outputs_json(b, i), "source",
                     source_json(c));
}

/* -- The file ------------------------------------------------------------------------------- */

static json_t *cells_json(const struct book *b, const char *system)
{
    json_t *list = json_array();
    for (int i = 0; i < b->n; i++) {
        if (b->v[i].before) json_array_extend(list, b->v[i].before);
        json_array_append_new(list, cell_json(b, i, system));
    }
    if (b->after) json_array_extend(list, b->after);
    return list;
}

static json_t *new_metadata(void)
{
    return json_pack("{s:{s:s,s:s,s:s},s:{s:s,s:s,s:s,s:s},s:{}}", "kernelspec", "display_name",
                     "phiscope", "language", "phiscope", "name", "phiscope", "language_info",
                     "file_extension", ".phi", "mimetype", "text/x-phiscope", "name", "phiscope",
                     "version", phi3v_version(), "phiscope");
}

static void set_session(json_t *file, const struct ipynb_session *session)
{
    json_t *metadata = json_object_get(file, "metadata");
    json_t *ours = json_object_get(metadata, "phiscope");
    if (!json_is_object(ours)) {
        ours = json_object();
        json_object_set_new(metadata, "phiscope", ours);
    }
    if (session->model) json_object_set_new(ours, "model", json_text(session->model));
    if (*session->system)
        json_object_set_new(ours, "system", json_text(session->system));
    else
        json_object_del(ours, "system");
}

char *ipynb_text(const struct book *b, const struct ipynb_session *session)
{
    json_t *file = b->file ? json_deep_copy(b->file) : json_pack("{s:[]}", "cells");
    if (!b->file) {
        json_object_set_new(file, "metadata", new_metadata());
        json_object_set_new(file, "nbformat", json_integer(4));
        json_object_set_new(file, "nbformat_minor", json_integer(5));
    }
    if (b->changed || !b->file) set_session(file, session);
    json_object_set_new(file, "cells", cells_json(b, session->system));
    char *text = json_pretty(file);
    json_decref(file);
    return text;
}

int ipynb_write(const struct book *b, const struct ipynb_session *session, const char *path,
                struct phi3v_error *err)
{
    char *text = ipynb_text(b, session);
    int rc = store_file(path, text, strlen(text), err);
    free(text);
    return rc;
}
