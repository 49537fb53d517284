/* SPDX-License-Identifier: MIT
 * :foreach: one question of many pictures. Each stands alone: the system turn, the question, one
 * picture. As many as the device gains by are answered side by side; they are shown one after the
 * other, in order. The notebook and its conversation stay as they are. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "net/fetch.h"
#include "notebook/commands.h"
#include "notebook/prompt.h"
#include "notebook/refs.h"
#include "notebook/table.h"

/* A picture being asked about. */
struct item {
    int at;                      // of the pictures, from 0
    struct loaded own;           // loaded for this question; none for one of the notebook's
    const struct loaded *loaded; // that, or the notebook's
    phi3v_prompt *prompt;
    struct text waiting; // what it has answered while another was shown
    bool ended;
};

struct foreach {
    struct notebook *nb;
    const struct settings *settings;
    struct strings what; // paths, addresses, "@3"
    char *text;          // of the question, with its tag
    char *file;          // answers go there, too; NULL
    struct table table;  // [what.n]
    phi3v_session **sessions;
    struct item *items;
    struct phi3v_job *jobs;
    struct phi3v_result *results;
    int n_items, n_used;               // of these: in the present batch
    int shown;                         // the item whose answer is on the screen
    int n_answered, n_failed, n_there; // there: in the file already
    bool short_of_memory;              // the table lacks something
    struct phi3v_error first;          // failure
};

/* -- What was asked for ----------------------------------------------------------------------- */

static bool is_number(const char *s) { return *s && s[strspn(s, "0123456789")] == 0; }

static int text_of_cell(struct foreach *f, const char *word, struct phi3v_error *err)
{
    const struct book *b = &f->nb->book;
    int i;
    if (b->n == 0)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "there is no cell to ask yet: :foreach WHAT... \"PROMPT\"");
    int rc = cell_index(f->nb, word ? word : "_", &i, err);
    if (rc) return rc;
    const struct cell *c = &b->v[i];
    if (!c->text)
        return refuse(err, PHI3V_E_ARGUMENT, "cell %d has not been run yet: :run %d", i + 1, i + 1);
    if (c->images.n > 1)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "cell %d is about %d pictures; :foreach puts each into the place of one",
                      i + 1, c->images.n);
    f->text = with_image_tags(c->text, 1);
    return f->text ? 0 : memory_error(err);
}

static int text_of_prompt(struct foreach *f, const char *prompt, struct phi3v_error *err)
{
    struct refs refs;
    int rc = refs_find(prompt, &f->nb->book.images, NB_TYPED, &refs, err);
    if (rc) return rc;
    size_t n = refs.n;
    refs_free(&refs);
    if (n > 0)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "the prompt of :foreach names no picture or answer: it gets each in turn");
    char *kept = nb_for_keeping(prompt);
    f->text = kept ? with_image_tags(kept, 1) : NULL;
    free(kept);
    return f->text ? 0 : memory_error(err);
}

/* "@2", "@cover", "@2-5", "@all" */
static int add_images(struct foreach *f, const char *word, struct phi3v_error *err)
{
    const struct images *m = &f->nb->book.images;
    int first, last, rc;
    bool range = (isdigit((unsigned char)word[1]) && strchr(word, '-')) || !strcmp(word, "@all");
    if (range) {
        rc = range_parse(word + 1, m->n, &first, &last, err);
        if (rc) return refuse(err, rc, "there are no pictures %.60s: :images lists them", word);
    } else {
        rc = images_get(m, word, &first, err);
        if (rc) return rc;
        last = ++first;
    }
    for (int i = first - 1; i < last; i++)
        if (!m->v[i].dropped && !strings_take(&f->what, text_format("@%d", i + 1)))
            return memory_error(err);
    return 0;
}

static int add_pictures(struct foreach *f, const struct words *words, size_t n,
                        struct phi3v_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = words->v[i].text[0] == '@' && !words->v[i].quoted
                 ? add_images(f, words->v[i].text, err)
                 : load_expand(&words->v[i], &f->what, err);
    return rc;
}

static int parse_words(struct foreach *f, const struct words *words, struct phi3v_error *err)
{
    size_t n = words->n;
    if (n >= 2 && !strcmp(words->v[n - 2].text, "to") && !words->v[n - 2].quoted) {
        f->file = expand_home(words->v[n - 1].text);
        if (!f->file) return memory_error(err);
        n -= 2;
    }
    const struct word *last = n > 1 ? &words->v[n - 1] : NULL;
    bool cell = last && is_number(last->text);
    bool prompt = last && last->quote == '"' && !has_picture_name(last->text);
    n -= cell || prompt;
    int rc = n > 0 ? 0
                   : refuse(err, PHI3V_E_ARGUMENT,
                            ":foreach wants pictures: :foreach photos/*.jpg \"PROMPT\"");
    if (!rc && f->file) rc = table_check(f->file, err);
    if (!rc)
        rc = prompt ? text_of_prompt(f, last->text, err)
                    : text_of_cell(f, cell ? last->text : NULL, err);
    if (!rc) rc = add_pictures(f, words, n, err);
    if (!rc && f->what.n == 0) rc = refuse(err, PHI3V_E_ARGUMENT, "all of these were dropped");
    return rc;
}

/* WHAT... [n|"PROMPT"] [to FILE] */
static int parse(struct foreach *f, const char *args, struct phi3v_error *err)
{
    struct words words;
    int rc = words_split(args, &words, err);
    if (rc) return rc;
    rc = parse_words(f, &words, err);
    words_free(&words);
    return rc;
}

/* -- Showing one answer after the other ------------------------------------------------------- */

static void send(struct foreach *f, const struct nb_output *out)
{
    f->nb->front.output(f->nb->front.user, out);
}

/* Into the table; NULL: there was no memory for it. */
static void keep(struct foreach *f, char **to, char *text)
{
    free(*to);
    *to = text;
    if (!text) f->short_of_memory = true;
}

static void fail(struct foreach *f, int at, const char *name, const struct phi3v_error *why)
{
    struct phi3v_error error;
    bool named = strstr(why->text, name) != NULL;
    refuse(&error, why->code, "%.150s%s%.340s", named ? "" : name, named ? "" : ": ", why->text);
    keep(f, &f->table.v[at].error, text_copy(why->text));
    if (f->n_failed++ == 0) f->first = *why;
    send(f, &(struct nb_output){.kind = NB_ERROR, .error = &error});
}

static void show_text(struct foreach *f, const char *bytes, size_t n)
{
    f->nb->front.progress(f->nb->front.user, NULL);
    if (n) send(f, &(struct nb_output){.kind = NB_ANSWER_TEXT, .text = bytes, .n_bytes = n});
}

static void show_begin(struct foreach *f, struct item *l)
{
    f->nb->front.progress(f->nb->front.user, NULL);
    char *label = text_format("%s (%d of %zu)", l->loaded->source, l->at + 1, f->what.n);
    send(f, &(struct nb_output){.kind = NB_ANSWER_BEGIN, .label = label ? label : ""});
    free(label);
    show_text(f, l->waiting.s, l->waiting.n);
}

/* Ends what is shown, and keeps it. */
static void show_end(struct foreach *f, struct item *l, const struct phi3v_job *job)
{
    const char *source = l->loaded->source;
    size_t n;
    phi3v_prompt_ids(l->prompt, &n);
    struct nb_answer answer = {.prompt = l->prompt,
                               .result = job->result,
                               .sources = &source,
                               .decode_image_s = l->loaded->decode_s,
                               .picture = source,
                               .n_tokens = (int64_t)n};
    f->nb->front.progress(f->nb->front.user, NULL);
    send(f, &(struct nb_output){.kind = NB_ANSWER_END, .answer = job->code ? NULL : &answer});
    if (job->code == PHI3V_E_CANCELLED) return;
    if (job->code) {
        fail(f, l->at, source, &job->error);
        return;
    }
    keep(f, &f->table.v[l->at].answer, text_copyn(job->result->text, job->result->n_text_bytes));
    f->table.v[l->at].finish = finish_name(job->result->finish);
    f->n_answered += job->result->finish != PHI3V_FINISH_INTERRUPTED;
    struct phi3v_timing timing = job->result->timing;
    timing.decode_s /= f->n_used; // side by side
    engine_add_up(&f->nb->engine, &timing);
}

/* The shown answer has ended: it is the next one's turn. */
static void show_next(struct foreach *f)
{
    while (f->shown < f->n_used && f->items[f->shown].ended) {
        show_end(f, &f->items[f->shown], &f->jobs[f->shown]);
        if (++f->shown == f->n_used) return;
        struct item *l = &f->items[f->shown];
        if (!l->ended || f->jobs[f->shown].code != PHI3V_E_CANCELLED) show_begin(f, l);
    }
}

static int on_event(const struct phi3v_event *event, int job, void *user)
{
    struct foreach *f = user;
    struct item *l = &f->items[job];
    if (event->type == PHI3V_EVENT_TEXT && job != f->shown)
        text_addn(&l->waiting, event->text, event->n_text_bytes);
    else if (event->type == PHI3V_EVENT_TEXT)
        show_text(f, event->text, event->n_text_bytes);
    l->ended = event->type == PHI3V_EVENT_END;
    if (l->ended && job == f->shown) show_next(f);
    return engine_on_event(event, &f->nb->engine);
}

/* -- Batches ---------------------------------------------------------------------------------- */

/* As many sessions as the device gains by and memory is there for. */
static int open_sessions(struct foreach *f, struct phi3v_error *err)
{
    int n = f->nb->engine.info->answers_at_once, rc = 0;
    if ((size_t)n > f->what.n) n = (int)f->what.n;
    unsigned before = memory_failures();
    f->sessions = memory_zero((size_t)n, sizeof(phi3v_session *));
    f->items = memory_zero((size_t)n, sizeof *f->items);
    f->jobs = memory_zero((size_t)n, sizeof *f->jobs);
    f->results = memory_zero((size_t)n, sizeof *f->results);
    if (memory_failures() != before) return memory_error(err);
    while (f->n_items < n && !rc) {
        rc = engine_session(&f->nb->engine, &f->sessions[f->n_items], err);
        f->n_items += rc == 0;
    }
    return f->n_items > 0 ? 0 : rc;
}

static void item_fini(struct item *l)
{
    phi3v_prompt_free(l->prompt);
    loaded_fini(&l->own);
    text_free(&l->waiting);
    *l = (struct item){0};
}

static int load_item(struct foreach *f, struct item *l, const char *what, struct phi3v_error *err)
{
    struct loader how = notebook_loader(f->nb, f->settings);
    struct images *m = &f->nb->book.images;
    if (*what != '@') {
        l->loaded = &l->own;
        return load_picture(what, &how, NB_TYPED, &l->own, err);
    }
    int index = images_find(m, what);
    char *dir = book_dir(&f->nb->book);
    int rc = images_load(m, index, &how, dir, err);
    free(dir);
    l->loaded = &m->v[index].loaded;
    return rc;
}

static int make_prompt(struct foreach *f, struct item *l, struct phi3v_error *err)
{
    const struct settings *s = f->settings;
    phi3v_image *image = l->loaded->image;
    struct phi3v_turn turns[2];
    int n = 0;
    if (*s->system) turns[n++] = (struct phi3v_turn){.role = "system", .text = s->system};
    turns[n++] =
        (struct phi3v_turn){.role = "user", .text = f->text, .images = &image, .n_images = 1};
    struct phi3v_prompt_options how = engine_prompt_options(&f->nb->engine, s->num_crops);
    return phi3v_prompt_chat(f->nb->engine.model, turns, n, &how, &l->prompt, err);
}

/* One picture into the batch, unless it cannot be opened. */
static void take_item(struct foreach *f, size_t at)
{
    struct item *l = &f->items[f->n_used];
    const char *what = f->what.v[at];
    struct phi3v_error err;
    l->at = (int)at;
    int rc = load_item(f, l, what, &err);
    if (!rc) rc = make_prompt(f, l, &err);
    char *name = *what == '@' ? text_copy(what) : fetch_display_name(what);
    keep(f, &f->table.v[at].picture, text_copy(rc ? name : l->loaded->source));
    if (rc && rc != PHI3V_E_CANCELLED) fail(f, l->at, name ? name : "", &err);
    free(name);
    if (rc) {
        item_fini(l);
        return;
    }
    f->results[f->n_used] = (struct phi3v_result){.size = sizeof *f->results};
    f->jobs[f->n_used] = (struct phi3v_job){.size = sizeof *f->jobs,
                                            .session = f->sessions[f->n_used],
                                            .prompt = l->prompt,
                                            .result = &f->results[f->n_used]};
    f->n_used++;
}

/* What the file has of these pictures is not asked again. */
static int take_over(struct foreach *f, struct phi3v_error *err)
{
    const struct images *m = &f->nb->book.images;
    for (size_t k = 0; k < f->what.n; k++) {
        const char *what = f->what.v[k];
        const struct image *p = *what == '@' ? &m->v[images_find(m, what)] : NULL;
        char *name = !p                 ? fetch_display_name(what)
                     : p->loaded.source ? text_copy(p->loaded.source)
                                        : text_copy(p->what);
        if (!name) return memory_error(err);
        f->table.v[k].picture = name;
    }
    int rc = table_take_over(&f->table, f->file, err);
    for (size_t k = 0; k < f->what.n; k++) f->n_there += f->table.v[k].there != NULL;
    if (!rc && f->n_there)
        note(f->nb,
             "(%d of these %zu pictures are in %s already; another name for another question)",
             f->n_there, f->what.n, f->file);
    return rc;
}

static int answer_batch(struct foreach *f, struct phi3v_error *err)
{
    f->shown = 0;
    show_begin(f, &f->items[0]);
    int rc = engine_answer_many(&f->nb->engine, f->jobs, f->n_used, f->settings, on_event, f, err);
    for (int i = 0; i < f->n_used; i++) {
        if (!rc && !f->jobs[i].code) phi3v_result_fini(f->jobs[i].result);
        item_fini(&f->items[i]);
    }
    return rc;
}

static int store(struct foreach *f, struct phi3v_error *err)
{
    int rc = table_store(&f->table, f->file, err);
    if (!rc) own_file_keep(f->nb, f->file);
    return rc;
}

/* After every batch the file is whole, so that a crash costs one batch. */
static int answer_all(struct foreach *f, struct phi3v_error *err)
{
    struct engine *e = &f->nb->engine;
    size_t at = 0;
    int rc = 0;
    while (at < f->what.n && !rc && !engine_stopped(e)) {
        f->n_used = 0;
        for (; at < f->what.n && f->n_used < f->n_items && !engine_stopped(e); at++)
            if (!f->table.v[at].there) take_item(f, at);
        if (f->n_used > 0 && !engine_stopped(e))
            rc = answer_batch(f, err);
        else
            for (int i = 0; i < f->n_used; i++) item_fini(&f->items[i]);
        if (!rc && f->short_of_memory) rc = memory_error(err);
        if (!rc && f->file) rc = store(f, err);
    }
    return rc;
}

static void tell_end(struct foreach *f, bool stopped)
{
    note(f->nb, "(%s%d of %zu pictures answered%s%s)", stopped ? "interrupted; " : "",
         f->n_answered, f->what.n - (size_t)f->n_there, f->file ? "; written to " : "",
         f->file ? f->file : "");
}

static void foreach_free(struct foreach *f)
{
    for (int i = 0; i < f->n_items; i++) phi3v_session_free(f->sessions[i]);
    free(f->sessions);
    free(f->items);
    free(f->jobs);
    free(f->results);
    strings_free(&f->what);
    table_free(&f->table);
    free(f->text);
    free(f->file);
}

int command_foreach(struct call *c, struct phi3v_error *err)
{
    struct foreach f = {.nb = c->nb, .settings = c->settings};
    engine_begin(&c->nb->engine);
    int rc = parse(&f, c->args, err);
    if (!rc) rc = open_sessions(&f, err);
    if (!rc) rc = table_init(&f.table, (int)f.what.n, err);
    if (!rc && f.file) rc = take_over(&f, err);
    if (!rc) rc = answer_all(&f, err);
    bool stopped = engine_stopped(&c->nb->engine);
    if (!rc) tell_end(&f, stopped);
    if (!rc && stopped) rc = 1;
    if (!rc && f.n_failed > 0)
        rc = refuse(err, f.first.code, "%d of %zu pictures gave no answer", f.n_failed,
                    f.what.n - (size_t)f.n_there);
    foreach_free(&f);
    return rc;
}
