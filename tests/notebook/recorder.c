/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "recorder.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "notebook/notebook.h"

/* -- The front end ---------------------------------------------------------------------------- */

/* Memory of its own: what the core may do without, the record is not to miss. */
static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *format, ...)
{
    char *line;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&line, format, ap);
    va_end(ap);
    if (n < 0 || !(t->s = realloc(t->s, t->n + (size_t)n + 1))) abort();
    memcpy(t->s + t->n, line, (size_t)n + 1);
    t->n += (size_t)n;
    free(line);
}

static void add_pictures(struct text *t, const struct nb_output *out)
{
    for (int i = 0; i < out->n_pictures; i++)
        if (*out->pictures[i].label) put(t, " %s", out->pictures[i].label);
}

static void output(void *user, const struct nb_output *out)
{
    struct recorder *r = user;
    struct text *t = &r->seen;
    switch (out->kind) {
    case NB_REPORT:
        put(t, "report: %.*s", (int)out->n_bytes, out->text);
        break;
    case NB_NOTE:
        put(t, "note: %s\n", out->text);
        break;
    case NB_IMAGE:
        put(t, "image");
        add_pictures(t, out);
        put(t, ": %s", out->text);
        break;
    case NB_ANSWER_BEGIN:
        put(t, "begin %d%s%s", out->cell, out->label ? " " : "", out->label ? out->label : "");
        add_pictures(t, out);
        put(t, "\n");
        break;
    case NB_ANSWER_TEXT:
        put(t, "text %d: %.*s\n", out->cell, (int)out->n_bytes, out->text);
        break;
    case NB_ANSWER_END:
        put(t, "end %d %s\n", out->cell,
            out->answer && out->answer->state ? out->answer->state : "-");
        if (out->answer && out->answer->question->prompt) {
            size_t n;
            const int32_t *ids = phi3v_prompt_ids(out->answer->question->prompt, &n);
            text_free(&r->ids);
            for (size_t i = 0; i < n; i++) put(&r->ids, "%d ", ids[i]);
            if (r->answered) r->answered(out->answer);
        }
        break;
    case NB_DIFF:
        text_addf(t, "diff %d %d: %s", out->before, out->after, out->text);
        break;
    case NB_CERTAINTY:
        put(t, "certainty %d:", out->cell);
        for (int i = 0, at = 0; i < out->n_pieces; at += (int)out->pieces[i++].n_bytes)
            put(t, " [%.*s]%s", (int)out->pieces[i].n_bytes, out->text + at,
                out->pieces[i].probability > 0 ? "%" : "");
        put(t, "\n");
        break;
    case NB_ERROR:
        put(t, "error: %s\n", out->error->text);
        break;
    }
}

static void progress(void *user, const struct nb_progress *p)
{
    struct recorder *r = user;
    r->n_waits += p && p->unit == NB_SHARE;
}

static bool stopped(void *user)
{
    struct recorder *r = user;
    if (r->stop_after < 0) return false;
    if (r->stop_after == 0) return true;
    r->stop_after--;
    return false;
}

static void begins(void *user) { (void)user; }

static void next_input(void *user, int cell, const char *text)
{
    struct recorder *r = user;
    put(&r->seen, "next %d: %s\n", cell, text);
}

/* One white dot for every page. */
static int draw_pdf(const struct nb_pdf *what, char **ret_bytes, size_t *ret_n,
                    struct phi3v_error *err)
{
    struct recorder *r = what->user;
    (void)err;
    r->n_drawn++;
    put(&r->seen, "page %d\n", what->page);
    *ret_bytes = text_copy("P2 1 1 1 1\n");
    *ret_n = strlen(*ret_bytes);
    return 0;
}

static int shell(void *user, const char *command, struct phi3v_error *err)
{
    struct recorder *r = user;
    (void)err;
    r->n_shell++;
    put(&r->seen, "shell: %s\n", command);
    return 0;
}

static int paste(void *user, char **ret_bytes, size_t *ret_n, struct phi3v_error *err)
{
    struct recorder *r = user;
    if (!r->clipboard) return refuse(err, PHI3V_E_IO, "no helper");
    char *bytes = memory_new(r->n_clipboard + 1);
    if (!bytes) return memory_error(err);
    memcpy(bytes, r->clipboard, r->n_clipboard);
    bytes[r->n_clipboard] = 0;
    *ret_bytes = bytes;
    *ret_n = r->n_clipboard;
    return 0;
}

static int copy(void *user, const char *text, struct phi3v_error *err)
{
    struct recorder *r = user;
    (void)err;
    put(&r->seen, "copy: %s\n", text);
    return 0;
}

static int watch(void *user, const char *folder, struct phi3v_error *err)
{
    struct recorder *r = user;
    if (folder && strstr(folder, "no-such")) return refuse(err, PHI3V_E_IO, "cannot watch it");
    put(&r->seen, "watch: %s\n", folder ? folder : "nothing");
    return 0;
}

static int history(void *user, struct strings *ret, struct phi3v_error *err)
{
    struct recorder *r = user;
    for (int i = 1; i <= r->history_lines; i++)
        if (!strings_take(ret, text_format("line %d", i))) return memory_error(err);
    return 0;
}

static void describe(void *user, struct text *lines)
{
    (void)user;
    text_add(lines, "shown    in a test\n");
}

static void model_changed(void *user, const phi3v_model *model)
{
    struct recorder *r = user;
    put(&r->seen, "model %s\n", model ? phi3v_model_info(model)->name : "none");
}

static void settings_changed(void *user, const struct settings *now)
{
    struct recorder *r = user;
    put(&r->seen, "settings: layout %s\n", now->layout);
}

/* -- Life ------------------------------------------------------------------------------------- */

static void need(struct recorder *r, int rc)
{
    if (rc) fail_msg("code %d: %s", rc, r->err.text);
}

static void set(struct recorder *r, const char *key, const char *value)
{
    need(r, settings_set(&r->settings, key, value, ~0, &r->err));
}

static int open_notebook(struct recorder *r, bool state)
{
    struct nb_front front = {.output = output,
                             .progress = progress,
                             .stopped = stopped,
                             .begins = begins,
                             .next_input = next_input,
                             .shell = shell,
                             .draw_pdf = draw_pdf,
                             .paste = paste,
                             .copy = copy,
                             .watch = watch,
                             .history = history,
                             .describe = describe,
                             .model_changed = model_changed,
                             .settings_changed = settings_changed,
                             .user = r};
    static const char *const no_dirs[] = {NULL};
    struct nb_options how = {.settings = &r->settings,
                             .model_dirs = no_dirs,
                             .state_dir = state ? folder_file(&r->folder, "state") : NULL,
                             .cache_dir = r->cache ? folder_file(&r->folder, "cache") : NULL};
    char model[1000];
    snprintf(model, sizeof model, TEST_MODELS "/%s", r->model);
    int rc = nb_new(&how, &front, &r->nb, &r->err);
    return rc ? rc : nb_open_model(r->nb, model, &r->err);
}

void recorder_restart(struct recorder *r, bool state)
{
    recorder_stop(r);
    text_free(&r->seen);
    need(r, open_notebook(r, state));
    text_free(&r->seen);
}

void recorder_open(struct recorder *r, bool state)
{
    *r = (struct recorder){
        .stop_after = -1, .history_lines = 3, .model = "tiny-gqa-bf16", .cwd = getcwd(NULL, 0)};
    folder_make(&r->folder);
    folder_puts(&r->folder, "state/history", "");
    folder_puts(&r->folder, "cache/other", "");
    need(r, chdir(r->folder.path));
    need(r, settings_init(&r->settings, &r->err));
    set(r, "dtype", "f32");
    set(r, "device", "cpu");
    set(r, "threads", "1");
    set(r, "num_crops", "1");
    set(r, "max_new_tokens", "3");
    recorder_restart(r, state);
}

void recorder_stop(struct recorder *r)
{
    nb_free(r->nb);
    r->nb = NULL;
}

void recorder_close(struct recorder *r)
{
    recorder_stop(r);
    settings_free(&r->settings);
    text_free(&r->seen);
    text_free(&r->ids);
    need(r, chdir(r->cwd));
    free(r->cwd);
    folder_remove(&r->folder);
}

/* -- Evaluating ------------------------------------------------------------------------------- */

int recorder_eval(struct recorder *r, const char *source, enum nb_origin origin)
{
    text_free(&r->seen);
    put(&r->seen, "%s", "");
    r->err = (struct phi3v_error){0};
    return nb_eval(r->nb, source, origin, &r->result, &r->err);
}

int recorder_try(struct recorder *r, const char *source)
{
    int rc = recorder_eval(r, source, NB_TYPED);
    if (rc < 0 && !*r->err.text) fail_msg("\"%s\" failed without a word", source);
    if (rc == PHI3V_E_MEMORY) fail_msg("\"%s\" said: %s", source, r->err.text);
    return rc;
}

static uint64_t chance;

void recorder_chance(uint64_t seed) { chance = seed; }

unsigned below(unsigned n)
{
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(chance >> 33) % n;
}

void works(struct recorder *r, const char *source)
{
    int rc = recorder_eval(r, source, NB_TYPED);
    if (rc) fail_msg("\"%.200s\" failed (%d): %s", source, rc, r->err.text);
}

void fails_as(struct recorder *r, const char *source, enum nb_origin origin, const char *why)
{
    int rc = recorder_eval(r, source, origin);
    if (rc >= 0) fail_msg("\"%.200s\" worked:\n%s", source, r->seen.s);
    if (!strstr(r->err.text, why)) fail_msg("\"%.200s\" said: %s", source, r->err.text);
}

void fails(struct recorder *r, const char *source, const char *why)
{
    fails_as(r, source, NB_TYPED, why);
}

bool saw(const struct recorder *r, const char *text) { return strstr(r->seen.s, text) != NULL; }

/* -- Files ------------------------------------------------------------------------------------ */

void recorder_picture(struct recorder *r, const char *name, unsigned seed)
{
    enum { WIDTH = 30, HEIGHT = 20 };
    char bytes[32 + WIDTH * HEIGHT * 3];
    int n = snprintf(bytes, 32, "P6 %d %d 255\n", WIDTH, HEIGHT);
    for (int i = 0; i < WIDTH * HEIGHT * 3; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[n++] = (char)(seed >> 24);
    }
    folder_write(&r->folder, name, bytes, (size_t)n);
}

int recorder_set_up(void **how)
{
    const struct recorder_fixture *f = *how;
    char name[] = "a.ppm";
    recorder_open(f->r, f->state);
    for (int k = 0; k < f->n_pictures; k++, name[0]++)
        recorder_picture(f->r, name, (unsigned)k + 1);
    return 0;
}

int recorder_tear_down(void **how)
{
    recorder_close(((const struct recorder_fixture *)*how)->r);
    return 0;
}

char *recorder_read(const char *path, size_t *ret_n)
{
    char *bytes;
    size_t n;
    if (load_file(path, SIZE_MAX / 4, &bytes, &n, NULL)) return NULL;
    if (ret_n) *ret_n = n;
    return bytes;
}

void recorder_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

void staged_is(struct recorder *r, const char *labels)
{
    char *now = nb_staged(r->nb, 0);
    assert_string_equal(now, labels);
    free(now);
}

char *recorder_ids(struct recorder *r, int cell)
{
    struct text t = {0};
    char command[40];
    const struct cell *c = &r->nb->book.v[cell - 1];
    snprintf(command, sizeof command, ":prompt %d ids", cell);
    works(r, command);
    text_addf(&t, "%s=", r->seen.s);
    for (size_t i = 0; i < c->n_ids; i++) text_addf(&t, " %d", c->ids[i]);
    return text_take(&t);
}

int recorder_files(const char *dir, const char *text)
{
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) n += strstr(e->d_name, text) != NULL;
    if (d) closedir(d);
    return n;
}
