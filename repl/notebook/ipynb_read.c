/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "notebook/commands.h"
#include "notebook/ipynb.h"
#include "base/json.h"
#include "notebook/words.h"

enum { MAX_DEPTH = 64, MAX_CELLS = 100000, MAX_HANDLES = 10000 };

struct reader {
    struct book *book;
    const char *name;
    json_t *cells;
    bool ours;       // the notebook's kernel is phiscope, or it names none
    json_t *foreign; // cells not ours since the last of ours; NULL
};

/* -- Pieces --------------------------------------------------------------------------------- */

static int depth_of(const json_t *value, int limit)
{
    size_t i;
    const char *key;
    json_t *item;
    int deepest = 0;
    if (limit < 0) return 1;
    if (json_is_array(value)) {
        json_array_foreach(value, i, item)
        {
            int d = depth_of(item, limit - 1);
            if (d > deepest) deepest = d;
        }
    } else if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            int d = depth_of(item, limit - 1);
            if (d > deepest) deepest = d;
        }
    } else {
        return 0;
    }
    return deepest + 1;
}

/* A string or a list of strings, joined; NULL for anything else. */
static char *joined(const json_t *value)
{
    struct text all = {0};
    size_t i;
    json_t *piece;
    if (json_is_string(value)) return xstrdup(json_string_value(value));
    if (!json_is_array(value)) return NULL;
    json_array_foreach(value, i, piece)
    {
        if (!json_is_string(piece)) {
            text_free(&all);
            return NULL;
        }
        text_add(&all, json_string_value(piece));
    }
    return text_take(&all);
}

static bool id_is_good(const char *id)
{
    if (!id || !*id || strlen(id) > 64) return false;
    for (; *id; id++)
        if (!isalnum((unsigned char)*id) && *id != '-' && *id != '_') return false;
    return true;
}

/* Ids that are missing, bad or double are made anew, in the cell itself. */
static void repair_ids(json_t *cells)
{
    json_t *taken = json_object(), *seen = json_object();
    size_t k, try = 0;
    json_t *cell;
    json_array_foreach(cells, k, cell)
    {
        const char *id = json_string_value(json_object_get(cell, "id"));
        if (id) json_object_set_new(taken, id, json_true());
    }
    json_array_foreach(cells, k, cell)
    {
        const char *id = json_string_value(json_object_get(cell, "id"));
        char fresh[32];
        if (!id_is_good(id) || json_object_get(seen, id)) {
            do snprintf(fresh, sizeof fresh, "cell-%zu", try++);
            while (json_object_get(taken, fresh));
            json_object_set_new(cell, "id", json_string(fresh));
            id = fresh;
        }
        json_object_set_new(seen, id, json_true());
    }
    json_decref(taken);
    json_decref(seen);
}

/* -- One cell ------------------------------------------------------------------------------- */

/* Leading command lines and the prompt behind them. */
static void split_source(struct cell *c, const char *source)
{
    while (is_command_line(source) && *source != '?') {
        size_t n = strcspn(source, "\n");
        char *line = xstrndup(source, n);
        strings_add(&c->commands, line);
        free(line);
        source += n + (source[n] == '\n');
    }
    c->typed = line_typed(source);
}

static void read_ids(struct cell *c, const json_t *list)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list)) return;
    int32_t *ids = xcalloc(n, sizeof *ids);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item) || id < 0 || id > INT32_MAX) {
            free(ids);
            return;
        }
        ids[i] = (int32_t)id;
    }
    c->ids = ids;
    c->n_ids = n;
}

/* Makes sure handle `number` exists, to be loaded when a cell wants it. Returns its index, -1 when
 * it cannot. */
static int known_handle(struct book *b, const json_t *picture)
{
    json_int_t number = json_integer_value(json_object_get(picture, "handle"));
    const char *what = json_string_value(json_object_get(picture, "source"));
    const char *sha = json_string_value(json_object_get(picture, "sha256"));
    const char *name = json_string_value(json_object_get(picture, "name"));
    int index;
    if (number < 1 || number > MAX_HANDLES || !what) return -1;
    while (b->handles.n < number) {
        struct media none = {0};
        if (handles_add(&b->handles, &none, "", NULL, false, &index, NULL)) return -1;
        b->handles.v[index].dropped = true;
    }
    struct handle *h = &b->handles.v[number - 1];
    if (!h->dropped) return (int)number - 1;
    if (name && handles_find(name, &b->handles) >= 0) name = NULL;
    h->dropped = false;
    free(h->what);
    h->what = xstrdup(what);
    h->name = name ? xstrdup(name) : NULL;
    snprintf(h->sha256, sizeof h->sha256, "%s", sha ? sha : "");
    return (int)number - 1;
}

static void read_pictures(struct book *b, struct cell *c, const json_t *list, const char *text)
{
    size_t n = json_array_size(list);
    if (!text || !json_is_array(list) || n > MAX_HANDLES) return;
    int *pictures = xcalloc(n, sizeof *pictures);
    for (size_t i = 0; i < n; i++) {
        pictures[i] = known_handle(b, json_array_get(list, i));
        if (pictures[i] < 0) {
            free(pictures);
            return;
        }
    }
    c->pictures = pictures;
    c->n_pictures = (int)n;
    c->text = xstrdup(text);
}

static void read_output(struct cell *c, const json_t *output)
{
    const char *type = json_string_value(json_object_get(output, "output_type"));
    if (!type) return;
    if (!strcmp(type, "error")) {
        char *why = joined(json_object_get(output, "evalue"));
        free(c->error);
        c->error = why;
    }
    if (strcmp(type, "execute_result") != 0 || c->answer) return;
    const json_t *data = json_object_get(output, "data");
    c->answer = joined(json_object_get(data, "text/markdown"));
    if (!c->answer) c->answer = joined(json_object_get(data, "text/plain"));
}

static void read_metadata(struct book *b, struct cell *c, const json_t *ours)
{
    const char *finish = json_string_value(json_object_get(ours, "finish_reason"));
    read_ids(c, json_object_get(ours, "output_ids"));
    read_pictures(b, c, json_object_get(ours, "pictures"),
                  json_string_value(json_object_get(ours, "text")));
    c->seed = (uint64_t)json_integer_value(json_object_get(ours, "seed"));
    c->interrupted = finish && !strcmp(finish, "interrupted");
    c->finish = c->interrupted                        ? PHI3V_FINISH_INTERRUPTED
                : finish && !strcmp(finish, "length") ? PHI3V_FINISH_LENGTH
                                                      : PHI3V_FINISH_STOP;
}

static int read_cell(struct reader *rd, json_t *cell, size_t k, struct phi3v_error *err)
{
    char *source = joined(json_object_get(cell, "source"));
    if (!source)
        return refuse(err, PHI3V_E_IO, "%.200s: cell %zu has no text as source", rd->name, k + 1);
    json_t *metadata = json_object_get(cell, "metadata"),
           *outputs = json_object_get(cell, "outputs");
    struct cell *c = book_append(rd->book);
    snprintf(c->id, sizeof c->id, "%s", json_string_value(json_object_get(cell, "id")));
    c->opened = true;
    c->pending = true;
    c->saved = json_incref(cell);
    c->metadata = json_is_object(metadata) ? json_copy(metadata) : NULL;
    c->before = rd->foreign;
    rd->foreign = NULL;
    split_source(c, source);
    free(source);
    for (size_t i = 0; i < json_array_size(outputs); i++)
        read_output(c, json_array_get(outputs, i));
    read_metadata(rd->book, c, json_object_get(metadata, "phiscope"));
    if (!c->answer) {
        free(c->ids);
        c->ids = NULL;
        c->n_ids = 0;
    }
    return 0;
}

/* -- The file ------------------------------------------------------------------------------- */

static int check_file(const json_t *file, const char *name, struct phi3v_error *err)
{
    const json_t *format = json_object_get(file, "nbformat"),
                 *cells = json_object_get(file, "cells");
    if (!json_is_object(file) || !json_is_integer(format))
        return refuse(err, PHI3V_E_IO, "%.200s is not a notebook", name);
    if (json_integer_value(format) != 4)
        return refuse(err, PHI3V_E_IO,
                      "%.200s is a notebook of format %lld: upgrade it to format 4 first", name,
                      (long long)json_integer_value(format));
    if (!json_is_array(cells) || !json_is_object(json_object_get(file, "metadata")))
        return refuse(err, PHI3V_E_IO, "%.200s: a notebook without cells or metadata", name);
    if (json_array_size(cells) > MAX_CELLS || depth_of(file, MAX_DEPTH) > MAX_DEPTH)
        return refuse(err, PHI3V_E_IO, "%.200s: too many cells, or nested too deeply", name);
    for (size_t k = 0; k < json_array_size(cells); k++)
        if (!json_is_string(json_object_get(json_array_get(cells, k), "cell_type")))
            return refuse(err, PHI3V_E_IO, "%.200s: cell %zu has no type", name, k + 1);
    return 0;
}

static bool is_ours(const struct reader *rd, const json_t *cell)
{
    if (strcmp(json_string_value(json_object_get(cell, "cell_type")), "code") != 0) return false;
    return rd->ours || json_object_get(json_object_get(cell, "metadata"), "phiscope");
}

static int read_cells(struct reader *rd, struct phi3v_error *err)
{
    int rc = 0;
    for (size_t k = 0; k < json_array_size(rd->cells) && !rc; k++) {
        json_t *cell = json_array_get(rd->cells, k);
        if (is_ours(rd, cell)) {
            rc = read_cell(rd, cell, k, err);
        } else {
            if (!rd->foreign) rd->foreign = json_array();
            json_array_append(rd->foreign, cell);
        }
    }
    rd->book->after = rd->foreign;
    return rc;
}

/* Cells whose file says ok or interrupted were answered in the conversation as it stands in the
 * file. */
static void set_contexts(struct book *b, const char *system)
{
    for (int i = 0; i < b->n; i++) {
        struct cell *c = &b->v[i];
        const char *state = json_string_value(json_object_get(
            json_object_get(json_object_get(c->saved, "metadata"), "phiscope"), "state"));
        bool fresh = state && (!strcmp(state, "ok") || !strcmp(state, "interrupted"));
        c->context = fresh ? book_context(b, i, system) : 0;
    }
}

static void raise_minor(json_t *file)
{
    if (json_integer_value(json_object_get(file, "nbformat_minor")) < 5)
        json_object_set_new(file, "nbformat_minor", json_integer(5));
}

int ipynb_parse(const char *text, size_t n, const char *name, struct book *b, char **ret_system,
                struct phi3v_error *err)
{
    json_t *file = json_parse(text, n, name, err);
    if (!file) return PHI3V_E_IO;
    int rc = check_file(file, name, err);
    if (rc) {
        json_decref(file);
        return rc;
    }
    json_t *metadata = json_object_get(file, "metadata");
    const char *kernel =
        json_string_value(json_object_get(json_object_get(metadata, "kernelspec"), "name"));
    const char *system =
        json_string_value(json_object_get(json_object_get(metadata, "phiscope"), "system"));
    struct reader rd = {b, name, json_incref(json_object_get(file, "cells")),
                        !kernel || !strcmp(kernel, "phiscope"), NULL};
    repair_ids(rd.cells);
    raise_minor(file);
    rc = read_cells(&rd, err);
    if (!rc && !b->n && json_array_size(rd.cells) && !rd.ours)
        rc = refuse(err, PHI3V_E_IO, "%.200s is a notebook of the kernel %.60s, not of phiscope",
                    name, kernel);
    if (!rc) {
        char *turn = xstrdup(system ? system : "");
        set_contexts(b, turn);
        json_object_set_new(file, "cells", json_array());
        b->file = json_incref(file);
        *ret_system = turn;
    } else {
        book_clear(b, true);
    }
    json_decref(rd.cells);
    json_decref(file);
    return rc;
}
