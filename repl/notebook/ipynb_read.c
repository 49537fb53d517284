/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_exact.h"
#include "notebook/ipynb.h"
#include "notebook/lines.h"
#include "notebook/source.h"

enum { MAX_DEPTH = 64, MAX_CELLS = 100000, MAX_IMAGES = 10000 };

struct reader {
    struct book *book;
    const char *name;
    json_t *cells;
    bool ours;       // phiscope's notebook, or one whose kernel is not named
    json_t *foreign; // foreign cells since the last of ours; NULL
};

/* -- Pieces ----------------------------------------------------------------------------------- */

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

/* Joins a string or a list of strings; NULL for anything else, or without memory. */
static char *joined(const json_t *value)
{
    struct text all = {0};
    size_t i;
    json_t *piece;
    if (json_is_string(value)) return json_exact_plain(json_string_value(value));
    if (!json_is_array(value)) return NULL;
    json_array_foreach(value, i, piece)
    {
        if (!json_is_string(piece)) {
            text_free(&all);
            return NULL;
        }
        text_add(&all, json_string_value(piece));
    }
    char *raw = text_take(&all), *plain = raw ? json_exact_plain(raw) : NULL;
    free(raw);
    return plain;
}

/* -- Ids -------------------------------------------------------------------------------------- */

static bool id_is_good(const char *id)
{
    if (!id || !*id || strlen(id) > 64) return false;
    for (; *id; id++)
        if (!isalnum((unsigned char)*id) && *id != '-' && *id != '_') return false;
    return true;
}

/* Replaces missing, invalid and duplicate ids in the cells themselves. New cells get numbers after
 * all existing ones. */
static void repair_ids(struct reader *rd)
{
    json_t *seen = json_object(), *cell;
    size_t k;
    unsigned number;
    json_array_foreach(rd->cells, k, cell)
    {
        const char *id = json_string_value(json_object_get(cell, "id"));
        char end;
        if (id && sscanf(id, "cell-%9u%c", &number, &end) == 1 && number >= rd->book->next_id)
            rd->book->next_id = number + 1;
    }
    json_array_foreach(rd->cells, k, cell)
    {
        const char *id = json_string_value(json_object_get(cell, "id"));
        char fresh[32];
        if (!id_is_good(id) || json_object_get(seen, id)) {
            snprintf(fresh, sizeof fresh, "cell-%u", rd->book->next_id++);
            json_object_set_new(cell, "id", json_string(fresh));
            id = fresh;
        }
        json_object_set_new(seen, id, json_true());
    }
    json_decref(seen);
}

/* -- Pictures --------------------------------------------------------------------------------- */

static int known_by_name(struct book *b, const json_t *picture, const char *what)
{
    json_int_t number = json_integer_value(json_object_get(picture, "handle"));
    const char *sha = json_string_value(json_object_get(picture, "sha256"));
    const char *name = json_string_value(json_object_get(picture, "name"));
    int index;
    if (number < 1 || number > MAX_IMAGES) return -1;
    while (b->images.n < number) {
        struct loaded none = {0};
        if (images_add(&b->images, &none, "", NULL, NB_FILE, &index, NULL)) return -1;
        b->images.v[index].dropped = true;
    }
    struct image *m = &b->images.v[number - 1];
    if (!m->dropped) return (int)number - 1;
    /* Only images_add checks names, so the picture is added there and then takes over the file's
     * facts. */
    struct loaded none = {0};
    if (images_add(&b->images, &none, what, name, NB_FILE, &index, NULL) &&
        images_add(&b->images, &none, what, NULL, NB_FILE, &index, NULL))
        return -1;
    m = &b->images.v[number - 1];
    struct image made = b->images.v[index], unused = *m;
    b->images.v[index] = unused;
    *m = made;
    images_truncate(&b->images, index);
    snprintf(m->sha256, sizeof m->sha256, "%s", sha ? sha : "");
    return (int)number - 1;
}

/* Makes sure that the picture exists, to be loaded when a cell needs it. Returns its index, or -1
 * when that is impossible. */
static int known_image(struct book *b, const json_t *picture)
{
    const char *source = json_string_value(json_object_get(picture, "source"));
    char *what = source ? name_of_text(source) : NULL;
    int index = what ? known_by_name(b, picture, what) : -1;
    free(what);
    return index;
}

/* Adds a picture, and the one of which it is a region. */
static int known_picture(struct book *b, const json_t *picture)
{
    const json_t *crop = json_object_get(picture, "crop"), *box = json_object_get(crop, "box");
    int of = json_is_object(crop) ? known_image(b, crop) : -1, index = known_image(b, picture);
    const json_t *turned = json_object_get(crop, "turn");
    struct turn turn = {0};
    json_int_t v[4] = {0};
    if (index < 0 || !json_is_object(crop)) return index;
    bool good = of >= 0 && of < index && !b->images.v[of].crop_of && json_array_size(box) == 4;
    for (size_t k = 0; k < 4 && good; k++) {
        v[k] = json_integer_value(json_array_get(box, k));
        good = v[k] >= (k > 1) && v[k] <= INT_MAX;
    }
    if (turned) good &= json_is_string(turned) && turn_read(json_string_value(turned), &turn);
    if (!good) return -1;
    b->images.v[index].turn = turn;
    b->images.v[index].crop_of = of + 1;
    b->images.v[index].crop = (struct box){(int)v[0], (int)v[1], (int)v[2], (int)v[3]};
    return index;
}

static void read_images(struct book *b, const json_t *list, struct int_list *to)
{
    size_t n = json_array_size(list);
    bool whole = json_is_array(list) && n <= MAX_IMAGES;
    for (size_t i = 0; i < n && whole; i++) {
        int image = known_picture(b, json_array_get(list, i));
        whole = image >= 0 && int_list_add(to, image);
    }
    if (!whole) int_list_free(to);
}

/* Reads which pictures each command line had added; a list that does not match the lines is
 * ignored. */
static void read_loaded(struct book *b, struct cell *c, const json_t *list)
{
    if (json_array_size(list) != (size_t)c->lines.n) return;
    for (int k = 0; k < c->lines.n; k++)
        read_images(b, json_array_get(list, (size_t)k), &c->lines.v[k].images);
}

/* -- One cell --------------------------------------------------------------------------------- */

static int read_source(struct cell *c, const char *text, const char *name, struct phi3v_error *err)
{
    static const struct int_list none = {0};
    struct source source;
    char *normal;
    int rc = source_normalise(text, strlen(text), name, &normal, err);
    if (rc) return rc;
    rc = source_read(normal, &source, err);
    free(normal);
    if (rc) return rc;
    for (size_t k = 0; k < source.commands.n && !rc; k++)
        if (!lines_add(&c->lines, source.commands.v[k], NB_FILE, &none)) rc = memory_error(err);
    c->prompt = source.prompt;
    source.prompt = NULL;
    source_free(&source);
    return rc;
}

static void read_ids(struct cell *c, const json_t *list)
{
    size_t n = json_array_size(list);
    int32_t *ids = json_is_array(list) ? memory_new(n * sizeof *ids) : NULL;
    for (size_t i = 0; ids && i < n; i++) {
        const json_t *item = json_array_get(list, i);
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item) || id < 0 || id > INT32_MAX) {
            free(ids);
            return;
        }
        ids[i] = (int32_t)id;
    }
    c->ids = ids;
    c->n_ids = ids ? n : 0;
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

static bool is_digest(const char *s)
{
    return s && strlen(s) == DIGEST_CHARS - 1 && strspn(s, "0123456789abcdef") == DIGEST_CHARS - 1;
}

/* Whether a file may set this "key=value", and it is in the form in which it is stored. */
static bool is_override(const char *pair, struct settings *trial)
{
    char *key, *value;
    if (!pair || setting_words(pair, &key, &value, NULL)) return false;
    const struct setting *spec = setting_find(key, SETTING_ANSWER);
    bool good = spec && value && !settings_set_from_file(trial, key, value, NULL);
    free(key);
    free(value);
    return good;
}

static void read_overrides(struct cell *c, const json_t *list)
{
    size_t i;
    json_t *item;
    struct settings trial;
    if (!json_array_size(list) || json_array_size(list) > (size_t)n_settings) return;
    if (settings_init(&trial, NULL)) {
        settings_free(&trial);
        return;
    }
    json_array_foreach(list, i, item)
    {
        const char *pair = json_string_value(item);
        if (is_override(pair, &trial)) strings_add(&c->overrides, pair);
    }
    settings_free(&trial);
}

static void read_metadata(struct book *b, struct cell *c, const json_t *ours)
{
    const char *finish = json_string_value(json_object_get(ours, "finish_reason"));
    const char *text = json_string_value(json_object_get(ours, "text"));
    const char *digest = json_string_value(json_object_get(ours, "digest"));
    json_int_t num_crops = json_integer_value(json_object_get(ours, "num_crops"));
    read_ids(c, json_object_get(ours, "output_ids"));
    read_overrides(c, json_object_get(ours, "overrides"));
    read_loaded(b, c, json_object_get(ours, "loaded"));
    if (text) read_images(b, json_object_get(ours, "pictures"), &c->images);
    if (text && (c->images.n || !json_array_size(json_object_get(ours, "pictures"))))
        c->text = text_copy(text);
    c->num_crops = num_crops >= 0 && num_crops <= 256 ? (int)num_crops : 0;
    c->seed = (uint64_t)json_integer_value(json_object_get(ours, "seed"));
    if (is_digest(digest)) memcpy(c->digest, digest, DIGEST_CHARS);
    c->finish = finish && !strcmp(finish, "interrupted") ? PHI3V_FINISH_INTERRUPTED
                : finish && !strcmp(finish, "length")    ? PHI3V_FINISH_LENGTH
                                                         : PHI3V_FINISH_STOP;
    if (c->ids && c->n_ids == json_array_size(json_object_get(ours, "logprobs")))
        certainty_read(json_object_get(ours, "logprobs"), &c->certainty);
    if (!c->answer) {
        certainty_free(&c->certainty);
        free(c->ids);
        c->ids = NULL;
        c->n_ids = 0;
    }
}

static int read_cell(struct reader *rd, json_t *cell, size_t k, struct phi3v_error *err)
{
    unsigned before = memory_failures();
    char *source = joined(json_object_get(cell, "source"));
    if (!source && memory_failures() == before)
        return refuse(err, PHI3V_E_IO, "%.200s: cell %zu has no text as source", rd->name, k + 1);
    json_t *metadata = json_object_get(cell, "metadata"),
           *outputs = json_object_get(cell, "outputs");
    struct cell *c = source ? book_append(rd->book) : NULL;
    if (!c) {
        free(source);
        return memory_error(err);
    }
    rd->book->next_id--; /* the cell has its own */
    snprintf(c->id, sizeof c->id, "%s", json_string_value(json_object_get(cell, "id")));
    c->prompt_origin = NB_FILE;
    c->saved = json_incref(cell);
    c->metadata = json_is_object(metadata) ? json_copy(metadata) : NULL;
    c->before = rd->foreign;
    rd->foreign = NULL;
    int rc = read_source(c, source, rd->name, err);
    free(source);
    for (size_t i = 0; i < json_array_size(outputs) && !rc; i++)
        read_output(c, json_array_get(outputs, i));
    if (!rc) read_metadata(rd->book, c, json_object_get(metadata, "phiscope"));
    return !rc && memory_failures() != before ? memory_error(err) : rc;
}

/* -- The file --------------------------------------------------------------------------------- */

static int check_file(const json_t *file, const char *name, struct phi3v_error *err)
{
    const json_t *format = json_object_get(file, "nbformat"),
                 *cells = json_object_get(file, "cells");
    if (!json_is_object(file) || !json_is_integer(format))
        return refuse(err, PHI3V_E_IO, "%.200s is not a notebook", name);
    if (json_integer_value(format) != 4)
        return refuse(err, PHI3V_E_IO,
                      "%.200s is a notebook of format %lld: turn it into format 4 first, for "
                      "instance with jupyter nbconvert --to notebook",
                      name, (long long)json_integer_value(format));
    if (!json_is_array(cells) || !json_is_object(json_object_get(file, "metadata")))
        return refuse(err, PHI3V_E_IO, "%.200s: a notebook without cells or metadata", name);
    if (json_array_size(cells) > MAX_CELLS || depth_of(file, MAX_DEPTH) > MAX_DEPTH)
        return refuse(err, PHI3V_E_IO, "%.200s: too many cells, or nested too deeply", name);
    for (size_t k = 0; k < json_array_size(cells); k++)
        if (!json_is_string(json_object_get(json_array_get(cells, k), "cell_type")))
            return refuse(err, PHI3V_E_IO, "%.200s: cell %zu has no type", name, k + 1);
    return 0;
}

static bool is_code(const json_t *cell)
{
    return !strcmp(json_string_value(json_object_get(cell, "cell_type")), "code");
}

/* A notebook is ours when its kernel says so or is not named, or when phiscope wrote any part of
 * it: another program may have switched the kernel since and added cells. */
static bool is_ours(json_t *file, const char *kernel)
{
    size_t k;
    json_t *cell;
    if (!kernel || !strcmp(kernel, "phiscope")) return true;
    if (json_object_get(json_object_get(file, "metadata"), "phiscope")) return true;
    json_array_foreach(json_object_get(file, "cells"), k, cell)
    {
        if (json_object_get(json_object_get(cell, "metadata"), "phiscope")) return true;
    }
    return false;
}

static int read_cells(struct reader *rd, struct phi3v_error *err)
{
    int rc = 0;
    for (size_t k = 0; k < json_array_size(rd->cells) && !rc; k++) {
        if (book_stopped_at(rd->book, k)) return stop_error(err, "reading", rd->name);
        json_t *cell = json_array_get(rd->cells, k);
        if (rd->ours && is_code(cell)) {
            rc = read_cell(rd, cell, k, err);
        } else {
            if (!rd->foreign) rd->foreign = json_array();
            json_array_append(rd->foreign, cell);
        }
    }
    rd->book->after = rd->foreign;
    return rc;
}

static void read_list(struct settings *s, const char *key, const json_t *list)
{
    const struct setting *spec = setting_find(key, SETTING_FROM_FILE);
    if (!spec || spec->type != SETTING_LIST || settings_set(s, key, "", SETTING_SHOWN, NULL))
        return;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text) setting_set_value(s, spec, text, NULL);
    }
}

/* Reads the settings before the first cell, as far as a file may change them. */
static void read_base(struct book *b, json_t *ours)
{
    const char *key, *system = json_string_value(json_object_get(ours, "system"));
    json_t *value;
    if (system) settings_set_from_file(&b->base, "system", system, NULL);
    /* Before notebooks had a mode, all were conversations. */
    if (json_is_object(ours)) settings_set(&b->base, "mode", "chat", SETTING_SHOWN, NULL);
    json_object_foreach(json_object_get(ours, "settings"), key, value)
    {
        if (json_is_string(value))
            settings_set_from_file(&b->base, key, json_string_value(value), NULL);
        else if (json_is_array(value))
            read_list(&b->base, key, value);
    }
}

static void raise_minor(json_t *file)
{
    if (json_integer_value(json_object_get(file, "nbformat_minor")) < 5)
        json_object_set_new(file, "nbformat_minor", json_integer(5));
}

/* Empties the book again, keeping the settings it came with. */
static void empty_again(struct book *b)
{
    struct settings base = b->base;
    const struct stop *stop = b->stop;
    b->base = (struct settings){0};
    book_free(b);
    b->base = base;
    b->stop = stop;
    b->next_id = 1;
}

int ipynb_read(json_t *file, const char *name, struct book *b, struct phi3v_error *err)
{
    int rc = check_file(file, name, err);
    if (rc) return rc;
    unsigned before = memory_failures();
    json_t *metadata = json_object_get(file, "metadata");
    const char *kernel =
        json_string_value(json_object_get(json_object_get(metadata, "kernelspec"), "name"));
    struct reader rd = {b, name, json_incref(json_object_get(file, "cells")), is_ours(file, kernel),
                        NULL};
    repair_ids(&rd);
    raise_minor(file);
    rc = read_cells(&rd, err);
    if (!rc && !b->n && json_array_size(rd.cells) && !rd.ours)
        rc = refuse(err, PHI3V_E_IO, "%.200s is a notebook of the kernel %.60s, not of phiscope",
                    name, kernel);
    if (!rc) {
        read_base(b, json_object_get(metadata, "phiscope"));
        json_object_set_new(file, "cells", json_array());
        b->file = json_incref(file);
    }
    if (!rc && memory_failures() != before) rc = memory_error(err);
    if (rc) empty_again(b);
    json_decref(rd.cells);
    return rc;
}

int ipynb_parse(const char *text, size_t n, const char *name, struct book *b,
                struct phi3v_error *err)
{
    struct phi3v_error why;
    json_t *file = json_exact_parse(text, n, name, b->stop, &why);
    if (!file) {
        if (err) *err = why;
        return why.code;
    }
    int rc = ipynb_read(file, name, b, err);
    json_decref(file);
    return rc;
}
