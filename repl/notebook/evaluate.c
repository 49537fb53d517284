/* SPDX-License-Identifier: MIT
 * The evaluations of notebook.h: a source is read, its commands run, and its prompt is asked, in a
 * new cell, in place of another one, or outside the cells. */
#include <stdlib.h>
#include <string.h>

#include "notebook/ahead.h"
#include "notebook/cell_answer.h"
#include "notebook/commands.h"
#include "notebook/prompt.h"
#include "notebook/refs.h"
#include "notebook/run.h"
#include "notebook/source.h"

/* -- From a source to a cell ------------------------------------------------------------------ */

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
    return notebook_catch_up(nb, err);
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
