/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_exact.h"
#include "notebook/ipynb.h"
#include "notebook/png_write.h"
#include "notebook/settings_file.h"
#include "notebook/source.h"

enum { PREVIEW_SIDE = 640 };

/* Objects are built with sorted keys, as Python writes them, to keep differences small. Missing
 * memory is checked once, at the end of a cell: memory_failures(). */

/* Text in nbformat's form: a list of lines, each with its line break. */
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

/* -- One cell --------------------------------------------------------------------------------- */

static json_t *source_json(const struct cell *c)
{
    struct text source = {0};
    for (int k = 0; k < c->lines.n; k++) text_addf(&source, "%s\n", c->lines.v[k].text);
    char *prompt = source_of_prompt(c->prompt);
    text_add(&source, prompt ? prompt : "");
    free(prompt);
    char *whole = text_take(&source), *kept = whole ? nb_for_keeping(whole) : NULL;
    json_t *list = kept ? lines_json(kept) : NULL;
    free(whole);
    free(kept);
    return list;
}

static json_t *name_json(const char *name)
{
    char *text = name_as_text(name);
    json_t *value = text ? json_text(text) : NULL;
    free(text);
    return value;
}

/* The picture of which this is a region; it may be used in no cell itself. */
static json_t *crop_json(const struct book *b, const struct image *m)
{
    const struct image *of = &b->images.v[m->crop_of - 1];
    const struct box *box = &m->crop;
    char turned[TURN_BYTES];
    json_t *crop = json_pack("{s:[i,i,i,i],s:i,s:o,s:o}", "box", box->x, box->y, box->width,
                             box->height, "handle", m->crop_of, "sha256", json_text(of->sha256),
                             "source", name_json(of->what));
    if (*turn_text(m->turn, turned)) json_object_set_new(crop, "turn", json_string(turned));
    return crop;
}

static json_t *image_json(const struct book *b, int index)
{
    const struct image *m = &b->images.v[index];
    json_t *p = json_object();
    if (m->crop_of) json_object_set_new(p, "crop", crop_json(b, m));
    json_object_set_new(p, "handle", json_integer(index + 1));
    if (m->name) json_object_set_new(p, "name", json_text(m->name));
    json_object_set_new(p, "sha256", json_text(m->sha256));
    json_object_set_new(p, "source", name_json(m->what));
    return p;
}

static json_t *images_json(const struct book *b, const struct int_list *images)
{
    json_t *list = json_array();
    for (int k = 0; k < images->n; k++) json_array_append_new(list, image_json(b, images->v[k]));
    return list;
}

/* The pictures that each command line added. */
static json_t *loaded_json(const struct book *b, const struct cell *c)
{
    json_t *list = json_array();
    for (int k = 0; k < c->lines.n; k++)
        json_array_append_new(list, images_json(b, &c->lines.v[k].images));
    return list;
}

static json_t *strings_json(const struct strings *s)
{
    json_t *list = json_array();
    for (size_t k = 0; k < s->n; k++) json_array_append_new(list, json_text(s->v[k]));
    return list;
}

static bool brings_images(const struct cell *c)
{
    for (int k = 0; k < c->lines.n; k++)
        if (c->lines.v[k].images.n) return true;
    return false;
}

static json_t *cell_metadata(const struct book *b, const struct cell *c, enum cell_state state)
{
    json_t *ours = json_object();
    if (*c->digest) json_object_set_new(ours, "digest", json_string(c->digest));
    if (c->answer) {
        json_object_set_new(ours, "finish_reason", json_string(finish_name(c->finish)));
        json_object_set_new(ours, "num_crops", json_integer(c->num_crops));
        if (c->ids) json_object_set_new(ours, "output_ids", json_ids(c->ids, c->n_ids));
    }
    if (brings_images(c)) json_object_set_new(ours, "loaded", loaded_json(b, c));
    if (c->answer && c->ids && c->certainty.n == c->n_ids && !isnan(certainty_least(&c->certainty)))
        json_object_set_new(ours, "logprobs", certainty_json(&c->certainty));
    if (c->overrides.n) json_object_set_new(ours, "overrides", strings_json(&c->overrides));
    json_object_set_new(ours, "pictures", images_json(b, &c->images));
    json_object_set_new(ours, "seed", json_integer((json_int_t)(c->seed & INT64_MAX)));
    json_object_set_new(ours, "state", json_string(state_name(state)));
    if (c->text) json_object_set_new(ours, "text", json_text(c->text));
    json_t *all = c->metadata ? json_copy(c->metadata) : json_object();
    json_object_set_new(all, "phiscope", ours);
    return all;
}

/* Each picture's preview is made only once. */
static const char *preview_of(struct image *m)
{
    if (!m->preview && m->loaded.image)
        m->preview =
            png_preview(m->loaded.image, PREVIEW_SIDE, &m->preview_width, &m->preview_height);
    return m->preview;
}

static json_t *image_output(struct book *b, int index, bool draw)
{
    struct image *m = &b->images.v[index];
    const char *png = draw ? preview_of(m) : NULL;
    char *label = NULL;
    if (m->loaded.image) {
        const struct phi3v_image_info *info = phi3v_image_info(m->loaded.image);
        label = text_format("@%d %s %d×%d", index + 1, m->loaded.source, info->width, info->height);
    } else {
        label = text_format("@%d %s", index + 1, m->what);
    }
    json_t *data = json_object(), *metadata = json_object();
    if (png) {
        json_object_set_new(data, "image/png", json_string(png));
        json_object_set_new(
            metadata, "image/png",
            json_pack("{s:i,s:i}", "height", m->preview_height, "width", m->preview_width));
    }
    json_object_set_new(data, "text/plain", label ? lines_json(label) : NULL);
    free(label);
    return json_pack("{s:o,s:o,s:s}", "data", data, "metadata", metadata, "output_type",
                     "display_data");
}

/* A picture is embedded in the first cell that uses it, and only named in the others. */
static bool is_first_use(const struct book *b, int i, int image)
{
    for (int k = 0; k < i; k++)
        if (b->v[k].answer && int_list_has(&b->v[k].images, image)) return false;
    return true;
}

static json_t *outputs_json(struct book *b, int i)
{
    const struct cell *c = &b->v[i];
    json_t *list = json_array();
    for (int k = 0; k < c->images.n && c->answer; k++) {
        int image = c->images.v[k];
        json_array_append_new(list, image_output(b, image, is_first_use(b, i, image)));
    }
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

/* The cell as it was in the file, if at most its state has changed. */
static json_t *saved_cell(const struct cell *c, enum cell_state state)
{
    json_t *ours = json_object_get(json_object_get(c->saved, "metadata"), "phiscope");
    const char *was = json_string_value(json_object_get(ours, "state"));
    if (!was || !strcmp(was, state_name(state))) return json_incref(c->saved);
    json_t *copy = json_deep_copy(c->saved);
    ours = json_object_get(json_object_get(copy, "metadata"), "phiscope");
    json_object_set_new(ours, "state", json_string(state_name(state)));
    return copy;
}

json_t *ipynb_cell(struct book *b, int i, enum cell_state state)
{
    const struct cell *c = &b->v[i];
    unsigned before = memory_failures();
    json_t *cell = c->saved
                       ? saved_cell(c, state)
                       : json_pack("{s:s,s:o,s:s,s:o,s:o,s:o}", "cell_type", "code",
                                   "execution_count", c->answer ? json_integer(i + 1) : json_null(),
                                   "id", c->id, "metadata", cell_metadata(b, c, state), "outputs",
                                   outputs_json(b, i), "source", source_json(c));
    if (memory_failures() == before) return cell;
    json_decref(cell);
    return NULL;
}

/* -- The file --------------------------------------------------------------------------------- */

static json_t *new_metadata(void)
{
    return json_pack("{s:{s:s,s:s,s:s},s:{s:s,s:s,s:s,s:s},s:{}}", "kernelspec", "display_name",
                     "phiscope", "language", "phiscope", "name", "phiscope", "language_info",
                     "file_extension", ".phi", "mimetype", "text/x-phiscope", "name", "phiscope",
                     "version", phi3v_version(), "phiscope");
}

/* Stores the settings before the first cell that differ from the defaults. */
static void set_base(json_t *ours, const struct settings *base)
{
    json_t *changed = settings_json(base, SETTING_CELL);
    if (!changed) return;
    json_object_del(ours, "settings");
    json_object_del(ours, "system"); /* from files older than "settings" */
    if (json_object_size(changed)) json_object_set(ours, "settings", changed);
    json_decref(changed);
}

static void set_frame(json_t *file, const struct book *b, const char *model)
{
    json_t *metadata = json_object_get(file, "metadata");
    json_t *ours = json_object_get(metadata, "phiscope");
    if (!json_is_object(ours)) {
        ours = json_object();
        json_object_set_new(metadata, "phiscope", ours);
    }
    if (model) json_object_set_new(ours, "model", json_text(model));
    set_base(ours, &b->base);
}

json_t *ipynb_frame(const struct book *b, const char *model)
{
    unsigned before = memory_failures();
    json_t *file = b->file ? json_deep_copy(b->file) : json_pack("{s:[]}", "cells");
    if (!b->file) {
        json_object_set_new(file, "metadata", new_metadata());
        json_object_set_new(file, "nbformat", json_integer(4));
        json_object_set_new(file, "nbformat_minor", json_integer(5));
    }
    if (b->changed || !b->file) set_frame(file, b, model);
    if (memory_failures() == before) return file;
    json_decref(file);
    return NULL;
}

static int add_cells(json_t *list, struct book *b, struct phi3v_error *err)
{
    enum cell_state *state = memory_zero((size_t)b->n, sizeof *state);
    int rc = state ? book_states(b, state, err) : memory_error(err);
    for (int i = 0; i < b->n && !rc; i++) {
        if (book_stopped_at(b, (size_t)i)) rc = stop_error(err, "writing", "the notebook");
        if (rc) break;
        if (b->v[i].before) json_array_extend(list, b->v[i].before);
        json_t *cell = ipynb_cell(b, i, state[i]);
        if (!cell || json_array_append_new(list, cell)) rc = memory_error(err);
    }
    if (b->after) json_array_extend(list, b->after);
    free(state);
    return rc;
}

char *ipynb_text(struct book *b, const char *model, struct phi3v_error *err)
{
    json_t *file = ipynb_frame(b, model);
    int rc = file ? add_cells(json_object_get(file, "cells"), b, err) : memory_error(err);
    unsigned before = memory_failures();
    char *text = rc ? NULL : json_exact_pretty(file, b->stop);
    if (!rc && !text && memory_failures() == before) stop_error(err, "writing", "the notebook");
    if (!rc && !text && memory_failures() != before) memory_error(err);
    json_decref(file);
    return text;
}

int ipynb_write(struct book *b, const char *model, const char *path, struct phi3v_error *err)
{
    struct phi3v_error why;
    char *text = ipynb_text(b, model, &why);
    if (!text) {
        if (err) *err = why;
        return why.code;
    }
    int rc = store_file(path, text, strlen(text), 0666, err);
    free(text);
    return rc;
}
