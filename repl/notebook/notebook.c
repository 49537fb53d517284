/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "net/url.h"
#include "notebook/ahead.h"
#include "notebook/autosave.h"
#include "notebook/cell_answer.h"
#include "notebook/commands.h"
#include "notebook/features.h"
#include "notebook/prompt.h"
#include "notebook/refs.h"
#include "notebook/run.h"
#include "notebook/source.h"

/* -- Showing ---------------------------------------------------------------------------------- */

static void send_text(struct notebook *nb, enum nb_kind kind, const char *s, const char *file)
{
    nb->front.output(
        nb->front.user,
        &(struct nb_output){.kind = kind, .text = s, .n_bytes = strlen(s), .file = file});
}

static void send_format(struct notebook *nb, enum nb_kind kind, const char *file,
                        const char *format, va_list ap)
{
    char line[512], *longer = NULL;
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(line, sizeof line, format, ap);
    if (n >= (int)sizeof line && (longer = memory_new((size_t)n + 1)))
        vsnprintf(longer, (size_t)n + 1, format, again);
    va_end(again);
    send_text(nb, kind, longer ? longer : line, file);
    free(longer);
}

void report(struct notebook *nb, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    send_format(nb, NB_REPORT, NULL, format, ap);
    va_end(ap);
}

void report_about(struct notebook *nb, const char *file, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    send_format(nb, NB_REPORT, file, format, ap);
    va_end(ap);
}

void report_text(struct notebook *nb, const struct text *t)
{
    if (t->s) send_text(nb, NB_REPORT, t->s, NULL);
}

void note(struct notebook *nb, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    send_format(nb, NB_NOTE, NULL, format, ap);
    va_end(ap);
}

struct loader notebook_loader(const struct notebook *nb, const struct settings *s)
{
    const struct engine_kind *kind = nb->engine.kind;
    return (struct loader){
        .settings = s, .front = &nb->front, .keeps_files = kind && kind->sends_files};
}

void picture_of(const struct notebook *nb, int index, char *label, struct nb_picture *ret)
{
    const struct image *m = &nb->book.images.v[index];
    *ret = (struct nb_picture){m->loaded.image, image_label(&nb->book.images, index, label, 64),
                               m->loaded.source ? m->loaded.source : m->what};
}

/* -- Files of the person's -------------------------------------------------------------------- */

static char *real_path(const char *path)
{
    char *real = realpath(path, NULL);
    return real ? real : text_copy(path);
}

static int own_file_index(const struct notebook *nb, const char *path)
{
    char *real = real_path(path);
    int found = -1;
    for (size_t k = 0; real && k < nb->own_files.n; k++)
        if (!strcmp(nb->own_files.v[k], real)) found = (int)k;
    free(real);
    return found;
}

int own_file_check(const struct notebook *nb, const char *path, const char *command,
                   struct phi3v_error *err)
{
    struct file_mark now = file_mark(path);
    int k = own_file_index(nb, path);
    if (!now.there || (k >= 0 && file_mark_same(&now, &nb->own_marks[k]))) return 0;
    const char *why = k < 0 ? "exists already" : "was changed by another program meanwhile";
    if (!command)
        return refuse(err, PHI3V_E_IO, "%.300s %s; give another name, or remove it", path, why);
    return refuse(err, PHI3V_E_IO, "%.200s %s; %s %.200s writes over it", path, why, command, path);
}

void own_file_keep(struct notebook *nb, const char *path)
{
    int k = own_file_index(nb, path);
    if (k < 0) {
        struct file_mark *marks = memory_room(nb->own_marks, nb->own_files.n, sizeof *marks);
        if (marks) nb->own_marks = marks;
        if (!marks || !strings_take(&nb->own_files, real_path(path))) return;
        k = (int)nb->own_files.n - 1;
    }
    nb->own_marks[k] = file_mark(path);
}

/* -- Life ------------------------------------------------------------------------------------- */

/* Sets the mode that nobody chose, once there is a model to ask. */
static int settle_mode(struct notebook *nb, struct phi3v_error *err)
{
    const struct engine *e = &nb->engine;
    if (strcmp(nb->book.base.mode, mode_of_model) != 0 || !e->info) return 0;
    const char *mode = e->advice.mode ? e->advice.mode : "chat";
    return settings_set(&nb->book.base, "mode", mode, SETTING_SHOWN, err);
}

static int refresh(struct notebook *nb, struct phi3v_error *err)
{
    struct inherited s;
    int rc = settle_mode(nb, err);
    if (!rc) rc = book_inherited(&nb->book, nb->book.n, &s, err);
    nb->behind = rc != 0;
    if (rc) return rc;
    settings_free(&nb->now);
    nb->now = s.settings;
    int_list_free(&s.staged);
    int_list_free(&s.above);
    return 0;
}

void notebook_refresh(struct notebook *nb) { (void)refresh(nb, NULL); }

/* A system turn is stored in files, like prompts, so secrets must go. */
static int forget_secrets(struct settings *s, struct phi3v_error *err)
{
    char *kept = nb_for_keeping(s->system);
    if (!kept) return memory_error(err);
    free(s->system);
    s->system = kept;
    return 0;
}

/* Only settings of cells differ from the usual ones. */
static int settings_for_opened(struct notebook *nb, const struct settings *of_cells,
                               struct phi3v_error *err)
{
    int rc = settings_copy(&nb->for_opened, of_cells ? of_cells : &nb->usual, err);
    if (!rc) rc = forget_secrets(&nb->for_opened, err);
    for (int i = 0; i < n_settings && !rc; i++) {
        if (setting_table[i].use & SETTING_CELL) continue;
        char *value = setting_value(&nb->usual, &setting_table[i]);
        rc = value ? setting_set_value(&nb->for_opened, &setting_table[i], value, err)
                   : memory_error(err);
        free(value);
    }
    return rc;
}

static bool wants_to_stop(void *engine) { return engine_stopped(engine); }

int nb_new(const struct nb_options *opt, const struct nb_front *front, struct notebook **ret,
           struct phi3v_error *err)
{
    struct notebook *nb = memory_zero(1, sizeof *nb);
    if (!nb) return memory_error(err);
    nb->front = *front;
    nb->model_dirs = opt->model_dirs;
    engine_init(&nb->engine, &nb->front);
    int rc = settings_copy(&nb->usual, opt->settings, err);
    if (!rc && opt->api_key && !(nb->engine.key = text_copy(opt->api_key))) rc = memory_error(err);
    if (!rc) rc = forget_secrets(&nb->usual, err);
    if (!rc) rc = settings_for_opened(nb, opt->for_opened, err);
    if (!rc) rc = book_init(&nb->book, &nb->usual, err);
    nb->stop = (struct stop){wants_to_stop, &nb->engine};
    nb->book.stop = &nb->stop;
    if (!rc) rc = settings_copy(&nb->now, &nb->usual, err);
    if (!rc) rc = autosave_open(nb, opt->state_dir, err);
    if (!rc && opt->state_dir && !(nb->state_dir = text_copy(opt->state_dir)))
        rc = memory_error(err);
    if (!rc && opt->cache_dir && !(nb->cache_dir = text_copy(opt->cache_dir)))
        rc = memory_error(err);
    if (!rc && opt->settings_file && !(nb->settings_file = text_copy(opt->settings_file)))
        rc = memory_error(err);
    nb->engine.price_dir = nb->cache_dir;
    if (rc)
        nb_free(nb);
    else
        *ret = nb;
    return rc;
}

int nb_open_model(struct notebook *nb, const char *name, struct phi3v_error *err)
{
    int rc = engine_open(&nb->engine, name, nb->model_dirs, &nb->now, err);
    json_count_failures(); /* from here on all JSON is ours: the library reads the model's itself */
    if (!rc) notebook_refresh(nb);
    if (!rc && nb->engine.info->note) note(nb, "(%s)", nb->engine.info->note);
    return rc;
}

void nb_free(struct notebook *nb)
{
    if (!nb) return;
    ahead_free(nb->ahead);
    autosave_close(nb);
    engine_close(&nb->engine);
    response_format_free(&nb->engine.format);
    if (nb->engine.key) explicit_bzero(nb->engine.key, strlen(nb->engine.key));
    free(nb->engine.key);
    book_free(&nb->book);
    settings_free(&nb->now);
    settings_free(&nb->usual);
    settings_free(&nb->for_opened);
    free(nb->cache_dir);
    free(nb->state_dir);
    free(nb->settings_file);
    free(nb->watched);
    strings_free(&nb->features);
    strings_free(&nb->own_files);
    free(nb->own_marks);
    free(nb);
}

void nb_cancel(struct notebook *nb) { engine_cancel(&nb->engine); }

/* -- Evaluation ------------------------------------------------------------------------------- */

/* Turns a prompt of nothing but pictures' paths into the command that loads them. */
static int pictures_as_command(struct source *s, struct phi3v_error *err)
{
    struct text line = {0};
    text_add(&line, ":load");
    bool pictures = pictures_of(s->prompt, &line);
    char *none = pictures ? text_copy("") : NULL;
    if (none && strings_take(&s->commands, text_take(&line))) {
        free(s->prompt);
        s->prompt = none;
        return 0;
    }
    text_free(&line);
    free(none);
    return pictures ? memory_error(err) : 0;
}

static int read_source(const char *text, enum nb_origin origin, struct source *ret,
                       struct phi3v_error *err)
{
    char *normal;
    int rc = source_normalise(text, strlen(text), "the prompt", &normal, err);
    if (rc) return rc;
    rc = source_read(normal, ret, err);
    free(normal);
    if (rc || origin != NB_TYPED || !*ret->prompt) return rc;
    rc = pictures_as_command(ret, err);
    if (rc) source_free(ret);
    return rc;
}

/* "exit" and "quit" alone leave, as in other programs. */
static bool means_quit(const char *prompt)
{
    prompt += strspn(prompt, " \t\n");
    size_t n = strcspn(prompt, " \t\n");
    bool alone = !prompt[n + strspn(prompt + n, " \t\n")];
    return alone && ((n == 4 && (!strncmp(prompt, "exit", 4) || !strncmp(prompt, "quit", 4))) ||
                     (n == 6 && (!strncmp(prompt, "exit()", 6) || !strncmp(prompt, "quit()", 6))));
}

static int check_prompt(const char *prompt, struct phi3v_error *err)
{
    const char *ours = foreign_habit(prompt);
    if (!ours) return 0;
    return refuse(err, PHI3V_E_ARGUMENT, "that is %s here; nothing was sent", ours);
}

/* The prompt as a source. Another program's command becomes ours, for the person to send. */
static char *to_correct(const char *prompt)
{
    const char *ours = foreign_habit(prompt);
    if (!ours) return source_of_prompt(prompt);
    return text_format("%.*s%s", (int)strcspn(ours, " "), ours, prompt + strcspn(prompt, " \t\n"));
}

/* Puts the commands from number `from` on, and the prompt, back into the input line. */
static void give_back(struct notebook *nb, int cell, const struct source *s, size_t from,
                      enum nb_origin origin)
{
    if (!nb->front.next_input || !*s->prompt || origin != NB_TYPED) return;
    struct text t = {0};
    for (size_t k = from; k < s->commands.n; k++) text_addf(&t, "%s\n", s->commands.v[k]);
    char *prompt = to_correct(s->prompt);
    text_add(&t, prompt ? prompt : s->prompt);
    free(prompt);
    if (!t.failed) nb->front.next_input(nb->front.user, cell, t.s);
    text_free(&t);
}

static void result_of(const struct notebook *nb, int cell, int rc, struct nb_result *ret)
{
    if (ret)
        *ret = (struct nb_result){
            .cell = rc >= 0 ? cell : 0, .interrupted = rc == 1, .quit = nb->quit};
}

/* Prepares an evaluation: takes the session and makes up for what had failed. A prompt alone does
 * not stop work ahead, which may be what it needs. */
static int begin(struct notebook *nb, bool prompt_alone, struct nb_result *ret,
                 struct phi3v_error *err)
{
    if (!prompt_alone) ahead_stop(nb->ahead);
    nb->quit = false; /* the front end may have stayed */
    result_of(nb, 0, 0, ret);
    return nb->behind ? refresh(nb, err) : 0;
}

/* Runs the commands one after the other; *ret_done is their number. */
static int run_commands(struct notebook *nb, const struct source *s, enum nb_origin origin,
                        size_t *ret_done, struct phi3v_error *err)
{
    int rc = 0;
    for (*ret_done = 0; *ret_done < s->commands.n && !rc && !nb->quit; ++*ret_done)
        if ((rc = command_line(nb, s->commands.v[*ret_done], origin, err))) break;
    return rc;
}

int nb_eval(struct notebook *nb, const char *text, enum nb_origin origin, struct nb_result *ret,
            struct phi3v_error *err)
{
    struct source s;
    size_t done = 0;
    int cell = 0;
    int rc = read_source(text, origin, &s, err);
    if (rc) return rc;
    rc = begin(nb, s.commands.n == 0, ret, err);
    if (rc) {
        source_free(&s);
        return rc;
    }
    if (origin == NB_TYPED && means_quit(s.prompt)) {
        nb->quit = true;
        *s.prompt = 0;
    }
    nb->prompt_follows = *s.prompt != 0;
    rc = run_commands(nb, &s, origin, &done, err);
    nb->prompt_follows = false;
    if (!rc && *s.prompt && !nb->quit) {
        rc = check_prompt(s.prompt, err);
        if (!rc) rc = run_new(nb, s.prompt, origin, err);
        if (rc >= 0) cell = nb->book.n;
    }
    if (rc < 0) give_back(nb, 0, &s, done, origin);
    source_free(&s);
    notebook_refresh(nb);
    result_of(nb, cell, rc, ret);
    return rc < 0 ? rc : 0;
}

int nb_ask(struct notebook *nb, const char *text, enum nb_origin origin, struct nb_result *ret,
           struct phi3v_error *err)
{
    char *normal;
    int rc = begin(nb, true, ret, err);
    if (!rc) rc = source_normalise(text, strlen(text), "the prompt", &normal, err);
    if (rc) return rc;
    rc = run_new(nb, normal, origin, err);
    free(normal);
    notebook_refresh(nb);
    result_of(nb, nb->book.n, rc, ret);
    return rc < 0 ? rc : 0;
}

static int edit(struct notebook *nb, int i, const struct source *s, enum nb_origin origin,
                struct phi3v_error *err)
{
    struct lines more = {0};
    int rc = check_prompt(s->prompt, err);
    nb->prompt_follows = true;
    for (size_t k = 0; k < s->commands.n && !rc; k++)
        rc = command_into(nb, s->commands.v[k], origin, &more, err);
    nb->prompt_follows = false;
    if (!rc) rc = run_edited(nb, i, s->prompt, origin, &more, err);
    lines_free(&more);
    return rc;
}

static int replace(struct notebook *nb, int i, const struct source *s, enum nb_origin origin,
                   struct phi3v_error *err)
{
    static const struct int_list none = {0};
    struct lines lines = {0};
    int rc = check_prompt(s->prompt, err);
    for (size_t k = 0; k < s->commands.n && !rc; k++) {
        char *kept;
        rc = command_text(s->commands.v[k], &kept, err);
        if (!rc && !lines_add(&lines, kept, origin, &none)) rc = memory_error(err);
        free(kept);
    }
    if (!rc) rc = run_replaced(nb, i, s->prompt, origin, &lines, err);
    lines_free(&lines);
    return rc;
}

/* Changes the text of a cell; `change` does it. */
static int change_cell(struct notebook *nb, int cell, const char *text, enum nb_origin origin,
                       int (*change)(struct notebook *nb, int i, const struct source *s,
                                     enum nb_origin origin, struct phi3v_error *err),
                       struct nb_result *ret, struct phi3v_error *err)
{
    struct source s;
    int rc = begin(nb, false, ret, err);
    if (rc) return rc;
    if (cell < 1 || cell > nb->book.n)
        return refuse(err, PHI3V_E_ARGUMENT, "there is no cell %d", cell);
    rc = read_source(text, NB_FILE, &s, err); /* a lone path is a picture of the prompt here */
    if (rc) return rc;
    if (!*s.prompt) {
        source_free(&s);
        return nb_eval(nb, text, origin, ret, err);
    }
    const char *answer = nb->book.v[cell - 1].answer;
    char *before = answer ? text_copy(answer) : NULL;
    rc = change(nb, cell - 1, &s, origin, err);
    if (rc < 0) give_back(nb, cell, &s, 0, origin);
    source_free(&s);
    if (!rc && before) run_tell_changes(nb, before, nb->book.v[cell - 1].answer);
    free(before);
    if (rc >= 0) run_tell_stale(nb, cell - 1);
    notebook_refresh(nb);
    result_of(nb, cell, rc, ret);
    return rc < 0 ? rc : 0;
}

int nb_edit(struct notebook *nb, int cell, const char *text, enum nb_origin origin,
            struct nb_result *ret, struct phi3v_error *err)
{
    return change_cell(nb, cell, text, origin, edit, ret, err);
}

int nb_replace(struct notebook *nb, int cell, const char *text, enum nb_origin origin,
               struct nb_result *ret, struct phi3v_error *err)
{
    return change_cell(nb, cell, text, origin, replace, ret, err);
}

/* -- Outside the cells ------------------------------------------------------------------------ */

int nb_stage(struct notebook *nb, const char *what, struct phi3v_error *err)
{
    struct loader how = notebook_loader(nb, &nb->now);
    struct loaded loaded = {0};
    int index = 0;
    engine_begin(&nb->engine);
    int rc = load_picture(what, &how, NB_TYPED, &loaded, err);
    if (!rc) rc = images_add(&nb->book.images, &loaded, what, NULL, NB_TYPED, &index, err);
    loaded_fini(&loaded);
    if (rc) return rc;
    char *word = word_quote(nb->book.images.v[index].what);
    char *line = word ? text_format(":load %s", word) : NULL;
    bool added =
        line && lines_add(&nb->book.pending, line, NB_TYPED, &(struct int_list){&index, 1});
    free(line);
    free(word);
    if (!added) return memory_error(err);
    notebook_refresh(nb);
    return 0;
}

static int load_all(struct notebook *nb, const struct strings *pictures, struct loaded *to,
                    struct phi3v_error *err)
{
    struct loader how = notebook_loader(nb, &nb->now);
    int rc = 0;
    for (size_t k = 0; k < pictures->n && !rc; k++)
        rc = load_picture(pictures->v[k], &how, NB_TYPED, &to[k], err);
    return rc;
}

static int answer_raw(struct notebook *nb, const char *text, const struct loaded *loaded, size_t n,
                      struct phi3v_error *err)
{
    phi3v_image **images = memory_zero(n, sizeof *images);
    const char **sources = memory_zero(n, sizeof *sources);
    phi3v_model *model = NULL;
    struct question q = {.images = images};
    size_t n_ids = 0;
    double decode_s = 0;
    int rc = images && sources ? 0 : memory_error(err);
    if (!rc) rc = engine_model(&nb->engine, "an answer to a formatted prompt", &model, err);
    for (size_t k = 0; k < n && !rc; k++) {
        images[q.n_images++] = phi3v_image_ref(loaded[k].image);
        sources[k] = loaded[k].source;
        decode_s += loaded[k].decode_s;
    }
    if (!rc) rc = phi3v_prompt_raw(model, text, images, (int)n, nb->now.num_crops, &q.prompt, err);
    if (!rc) phi3v_prompt_ids(q.prompt, &n_ids);
    q.n_tokens = (int64_t)n_ids;
    if (!rc) rc = question_answer(nb, &q, &nb->now, sources, decode_s, err);
    question_fini(&q);
    free(sources);
    return rc;
}

int nb_bind(struct notebook *nb, json_t *schema, struct phi3v_error *err)
{
    return response_format_set(&nb->engine.format, schema, err);
}

int nb_answer_raw(struct notebook *nb, const char *text, const struct strings *pictures,
                  struct nb_result *ret, struct phi3v_error *err)
{
    struct loaded *loaded = memory_zero(pictures->n, sizeof *loaded);
    if (!loaded) return memory_error(err);
    ahead_stop(nb->ahead);
    engine_begin(&nb->engine);
    int rc = load_all(nb, pictures, loaded, err);
    if (!rc) rc = answer_raw(nb, text, loaded, pictures->n, err);
    for (size_t k = 0; k < pictures->n; k++) loaded_fini(&loaded[k]);
    free(loaded);
    result_of(nb, 0, rc, ret);
    return rc < 0 ? rc : 0;
}

/* -- Work ahead ------------------------------------------------------------------------------- */

void nb_typing(struct notebook *nb, const char *so_far)
{
    struct inherited s;
    struct question q;
    /* A command may change everything, so nothing is guessed. */
    if (!nb->now.ahead || !nb->engine.session || source_is_command(so_far)) return;
    if (!nb->ahead) nb->ahead = ahead_new(&nb->engine);
    if (!nb->ahead || book_inherited(&nb->book, nb->book.n, &s, NULL)) return;
    bool worth_it = inherited_pictures(&s)->n > 0 || (inherited_is_chat(&s) && nb->book.n > 0);
    if (worth_it && !prompt_build_ahead(nb, &s, &q, NULL)) {
        ahead_stop(nb->ahead); /* recalled features go into the model's cache */
        const struct int_list *pictures = inherited_pictures(&s);
        for (int k = 0; k < pictures->n; k++)
            features_recall(nb, nb->book.images.v[pictures->v[k]].loaded.image,
                            s.settings.num_crops);
        if (nb->book.n) features_recall_for(nb, nb->book.n - 1);
        ahead_read(nb->ahead, q.prompt);
        q.prompt = NULL;
        question_fini(&q);
    }
    inherited_free(&s);
}

bool nb_is_ready(struct notebook *nb) { return ahead_is_done(nb->ahead); }

bool nb_is_picture_file(const char *path) { return has_picture_name(path) && is_plain_file(path); }

char *nb_for_keeping(const char *source) { return url_text_without_secrets(source, NULL); }

/* -- Looking ---------------------------------------------------------------------------------- */

enum nb_complete nb_is_complete(const char *source)
{
    return source_incomplete(source) ? NB_INCOMPLETE : NB_COMPLETE;
}

int nb_n_cells(const struct notebook *nb) { return nb->book.n; }

static const struct cell *cell_of(const struct notebook *nb, int cell)
{
    return cell >= 1 && cell <= nb->book.n ? &nb->book.v[cell - 1] : NULL;
}

const char *nb_cell_prompt(const struct notebook *nb, int cell)
{
    const struct cell *c = cell_of(nb, cell);
    return c ? c->prompt : "";
}

const char *nb_cell_answer(const struct notebook *nb, int cell)
{
    const struct cell *c = cell_of(nb, cell);
    return c ? c->answer : NULL;
}

void nb_show_again(struct notebook *nb, int cell)
{
    const struct cell *c = cell_of(nb, cell);
    if (c) cell_show_again(nb, cell - 1);
}

char *nb_staged(struct notebook *nb, int cell)
{
    struct inherited s = {0};
    struct text t = {0};
    const struct cell *c = cell_of(nb, cell);
    if (!c && book_inherited(&nb->book, nb->book.n, &s, NULL)) return NULL;
    const struct int_list *list = c ? &c->images : inherited_pictures(&s);
    for (int k = 0; k < list->n; k++) {
        char label[64];
        text_addf(&t, "%s%s", k ? " " : "",
                  image_label(&nb->book.images, list->v[k], label, sizeof label));
    }
    if (!c) inherited_free(&s);
    return text_take(&t);
}

const struct phi3v_model_info *nb_model(const struct notebook *nb) { return nb->engine.info; }

const struct settings *nb_settings(const struct notebook *nb) { return &nb->now; }

double nb_load_s(const struct notebook *nb) { return nb->engine.load_s; }

void nb_tell_left_behind(struct notebook *nb) { autosave_tell(nb); }

int nb_leave(struct notebook *nb, struct phi3v_error *err) { return autosave_leave(nb, err); }

char *nb_latest_left_behind(struct notebook *nb) { return autosave_latest(nb); }
