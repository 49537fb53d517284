/* SPDX-License-Identifier: GPL-3.0-or-later
 * :foreach: one question of many pictures. Each stands alone: the system turn, the question, one
 * picture. As many as the device gains by are answered side by side; they are shown one after the
 * other, in order. The notebook and its conversation stay as they are. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "verbs/answer.h"
#include "notebook/commands.h"
#include "net/fetch.h"
#include "tty/interrupt.h"
#include "tty/line.h"
#include "notebook/table.h"
#include "term/stream.h"
#include "notebook/words.h"

/* A picture being asked about. */
struct lane {
    int at;                    // of the pictures, from 0
    struct media own;          // loaded for this question; none for a handle's
    const struct media *media; // that, or the handle's
    phi3v_prompt *prompt;
    struct text waiting; // what it has answered while another was shown
    bool ended;
};

struct foreach {
    struct repl *r;
    struct strings what; // paths, URLs, "@3"
    char *text;          // of the question, with its tag
    char *file;          // answers go there, too; NULL
    struct table table;  // [what.n]
    phi3v_session **sessions;
    struct lane *lanes;
    struct phi3v_job *jobs;
    struct phi3v_result *results;
    int n_lanes, n_used; // of these: in the present group
    int shown;           // the lane whose answer is on the screen
    struct stream *stream;
    char last; // byte shown
    int n_answered, n_failed;
    struct phi3v_error first; // failure
};

/* -- What was asked for ------------------------------------------------------------------------ */

static bool is_number(const char *s) { return *s && s[strspn(s, "0123456789")] == 0; }

static int text_of_cell(struct foreach *f, const char *word, struct phi3v_error *err)
{
    const struct book *b = &f->r->book;
    int i = b->n - 1;
    if (b->n == 0)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "there is no cell to ask yet: :foreach WHAT... \"PROMPT\"");
    int rc = word ? cell_index(f->r, word, &i, err) : 0;
    if (rc) return rc;
    const struct cell *c = &b->v[i];
    if (!c->text)
        return refuse(err, PHI3V_E_ARGUMENT, "cell %d has not been run yet: :run %d", i + 1, i + 1);
    if (c->n_pictures > 1)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "cell %d is about %d pictures; :foreach puts each into the place of one",
                      i + 1, c->n_pictures);
    f->text = with_image_tags(c->text, 1);
    return 0;
}

static int text_of_prompt(struct foreach *f, const char *prompt, struct phi3v_error *err)
{
    struct refs refs;
    int rc = refs_find(prompt, handles_find, &f->r->book.handles, &refs, err);
    if (rc) return rc;
    size_t n = refs.n;
    refs_free(&refs);
    if (n > 0)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "the prompt of :foreach names no picture or answer: it gets each in turn");
    f->text = with_image_tags(prompt, 1);
    return 0;
}

/* "@2", "@cover", "@2-5", "@all" */
static int add_handles(struct foreach *f, const char *word, struct phi3v_error *err)
{
    const struct handles *h = &f->r->book.handles;
    int first, last, rc;
    bool range = (isdigit((unsigned char)word[1]) && strchr(word, '-')) || !strcmp(word, "@all");
    if (range) {
        rc = range_parse(word + 1, h->n, &first, &last, err);
        if (rc) return refuse(err, rc, "there are no pictures %.60s: :images lists them", word);
    } else {
        rc = handles_get(h, word, &first, err);
        if (rc) return rc;
        last = ++first;
    }
    for (int i = first - 1; i < last; i++) {
        char label[32];
        snprintf(label, sizeof label, "@%d", i + 1);
        if (!h->v[i].dropped) strings_add(&f->what, label);
    }
    return 0;
}

static int add_pictures(struct foreach *f, const struct strings *words, struct phi3v_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < words->n && !rc; i++) {
        struct strings one = {&words->v[i], 1};
        rc = words->v[i][0] == '@' ? add_handles(f, words->v[i], err)
                                   : media_expand(&one, &f->what, err);
    }
    return rc;
}

/* WHAT... [n|"PROMPT"] [to FILE] */
static int parse(struct foreach *f, const char *args, struct phi3v_error *err)
{
    struct strings words;
    words_split(args, &words);
    size_t n = words.n;
    if (n >= 2 && !strcmp(words.v[n - 2], "to")) {
        f->file = expand_home(words.v[n - 1]);
        n -= 2;
    }
    const char *last = n > 0 ? words.v[n - 1] : "";
    bool cell = n > 1 && is_number(last),
         prompt = n > 1 && word_is_quoted(args, n - 1) && !media_has_picture_name(last);
    struct strings pictures = {words.v, n - (cell || prompt)};
    int rc = pictures.n > 0 ? 0
                            : refuse(err, PHI3V_E_ARGUMENT,
                                     ":foreach wants pictures: :foreach photos/*.jpg \"PROMPT\"");
    if (!rc && f->file) rc = table_check(f->file, err);
    if (!rc) rc = prompt ? text_of_prompt(f, last, err) : text_of_cell(f, cell ? last : NULL, err);
    if (!rc) rc = add_pictures(f, &pictures, err);
    if (!rc && f->what.n == 0) rc = refuse(err, PHI3V_E_ARGUMENT, "all of these were dropped");
    strings_free(&words);
    return rc;
}

/* -- One answer on the screen -------------------------------------------------------------------
 */

static void fail(struct foreach *f, int at, const char *name, const struct phi3v_error *why)
{
    struct phi3v_error report;
    bool named = strstr(why->text, name) != NULL;
    refuse(&report, why->code, "%.150s%s%.340s", named ? "" : name, named ? "" : ": ", why->text);
    f->table.v[at].error = xstrdup(why->text);
    if (f->n_failed++ == 0) f->first = *why;
    fflush(stdout);
    app_report(&f->r->app.opt, &report, 0);
}

static void show_text(struct foreach *f, const char *bytes, size_t n)
{
    if (n == 0 || f->r->app.opt.json) return;
    progress_clear(&f->r->app.progress);
    if (f->stream)
        stream_text(f->stream, bytes, n);
    else
        fwrite(bytes, 1, n, stdout);
    fflush(stdout);
    f->last = bytes[n - 1];
}

static void show_begin(struct foreach *f, struct lane *l)
{
    struct repl *r = f->r;
    struct text t = {0};
    f->last = 0;
    if (r->app.opt.json) return;
    progress_clear(&r->app.progress);
    text_addf(&t, "%s (%d of %zu)", l->media->source, l->at + 1, f->what.n);
    say_line(r, t.s, 2);
    fflush(r->say);
    text_free(&t);
    if (r->term)
        f->stream = stream_new(&(struct stream_options){.term = r->term,
                                                        .out = stdout,
                                                        .layout = STREAM_NO_PICTURES,
                                                        .verbatim = r->app.opt.plain});
    show_text(f, l->waiting.s, l->waiting.n);
}

static void show_json(struct foreach *f, const struct lane *l, const struct phi3v_job *job)
{
    const char *source = l->media->source;
    json_t *line = answer_json(&f->r->app, l->prompt, job->result, &source, l->media->decode_s);
    json_object_set_new(line, "picture", json_text(source));
    json_print(stdout, line);
    json_decref(line);
}

/* Ends what is shown, and keeps it. */
static void show_end(struct foreach *f, struct lane *l, const struct phi3v_job *job)
{
    struct repl *r = f->r;
    progress_clear(&r->app.progress);
    if (f->stream)
        stream_end(f->stream);
    else if (f->last && f->last != '\n')
        putchar('\n');
    stream_free(f->stream);
    f->stream = NULL;
    fflush(stdout);
    if (job->code == PHI3V_E_CANCELLED) return;
    if (job->code) {
        fail(f, l->at, l->media->source, &job->error);
        return;
    }
    if (r->app.opt.json) show_json(f, l, job);
    f->table.v[l->at].answer = xstrndup(job->result->text, job->result->n_text_bytes);
    f->table.v[l->at].finish = finish_name(job->result->finish);
    f->n_answered += job->result->finish != PHI3V_FINISH_INTERRUPTED;
    struct phi3v_timing timing = job->result->timing;
    timing.decode_s /= f->n_used; // side by side
    run_add_up(r, &timing);
}

/* The shown answer has ended: it is the next one's turn. */
static void show_next(struct foreach *f)
{
    while (f->shown < f->n_used && f->lanes[f->shown].ended) {
        show_end(f, &f->lanes[f->shown], &f->jobs[f->shown]);
        if (++f->shown == f->n_used) return;
        struct lane *l = &f->lanes[f->shown];
        if (!l->ended || f->jobs[f->shown].code != PHI3V_E_CANCELLED) show_begin(f, l);
    }
}

static int on_event(const struct phi3v_event *event, int job, void *user)
{
    struct foreach *f = user;
    struct lane *l = &f->lanes[job];
    if (line_stop_answering(f->r->term) && f->stream) stream_redraw(f->stream);
    if (event->type == PHI3V_EVENT_PROGRESS) return app_on_progress(event, &f->r->app);
    if (event->type == PHI3V_EVENT_TEXT && job != f->shown)
        text_addn(&l->waiting, event->text, event->n_text_bytes);
    else if (event->type == PHI3V_EVENT_TEXT)
        show_text(f, event->text, event->n_text_bytes);
    l->ended = event->type == PHI3V_EVENT_END;
    if (l->ended && job == f->shown) show_next(f);
    return interrupt_requested();
}

/* -- Groups ------------------------------------------------------------------------------------ */

/* As many sessions as the device gains by and memory is there for. */
static int open_sessions(struct foreach *f, struct phi3v_error *err)
{
    int n = f->r->app.info->answers_at_once, rc = 0;
    if ((size_t)n > f->what.n) n = (int)f->what.n;
    f->sessions = xcalloc((size_t)n, sizeof *f->sessions);
    f->lanes = xcalloc((size_t)n, sizeof *f->lanes);
    f->jobs = xcalloc((size_t)n, sizeof *f->jobs);
    f->results = xcalloc((size_t)n, sizeof *f->results);
    while (f->n_lanes < n && !rc) {
        rc = phi3v_session_new(f->r->app.model, &f->sessions[f->n_lanes], err);
        f->n_lanes += rc == 0;
    }
    return f->n_lanes > 0 ? 0 : rc;
}

static void lane_fini(struct lane *l)
{
    phi3v_prompt_free(l->prompt);
    media_fini(&l->own);
    text_free(&l->waiting);
    *l = (struct lane){0};
}

static int load_picture(struct foreach *f, struct lane *l, const char *what,
                        struct phi3v_error *err)
{
    struct repl *r = f->r;
    struct handles *h = &r->book.handles;
    phi3v_image *image;
    if (*what != '@') {
        l->media = &l->own;
        return media_load(what, &r->app.opt, true, &l->own, err);
    }
    int index = handles_find(what, h);
    char *dir = book_dir(&r->book);
    int rc = handles_image(h, index, &r->app.opt, dir, &image, err);
    free(dir);
    l->media = &h->v[index].media;
    return rc;
}

static int make_prompt(struct foreach *f, struct lane *l, struct phi3v_error *err)
{
    const struct options *opt = &f->r->app.opt;
    phi3v_image *image = l->media->image;
    struct phi3v_turn turns[2];
    int n = 0;
    if (*opt->system) turns[n++] = (struct phi3v_turn){.role = "system", .text = opt->system};
    turns[n++] =
        (struct phi3v_turn){.role = "user", .text = f->text, .images = &image, .n_images = 1};
    return phi3v_prompt_chat(f->r->app.model, turns, n, opt->num_crops, &l->prompt, err);
}

/* The next pictures that can be opened, from *at on. */
static void take_group(struct foreach *f, size_t *at)
{
    f->n_used = 0;
    for (; *at < f->what.n && f->n_used < f->n_lanes && !interrupt_requested(); ++*at) {
        struct lane *l = &f->lanes[f->n_used];
        const char *what = f->what.v[*at];
        struct phi3v_error err;
        l->at = (int)*at;
        int rc = load_picture(f, l, what, &err);
        if (!rc) rc = make_prompt(f, l, &err);
        char *name = *what == '@' ? xstrdup(what) : fetch_display_name(what);
        f->table.v[*at].picture = rc ? xstrdup(name) : xstrdup(l->media->source);
        if (rc && rc != PHI3V_E_CANCELLED) fail(f, l->at, name, &err);
        free(name);
        if (rc) {
            lane_fini(l);
            continue;
        }
        f->results[f->n_used] = (struct phi3v_result){.size = sizeof *f->results};
        f->jobs[f->n_used] = (struct phi3v_job){.size = sizeof *f->jobs,
                                                .session = f->sessions[f->n_used],
                                                .prompt = l->prompt,
                                                .result = &f->results[f->n_used]};
        f->n_used++;
    }
}

static int answer_group(struct foreach *f, struct phi3v_error *err)
{
    struct repl *r = f->r;
    struct phi3v_params params;
    const char **stop = xcalloc(r->app.opt.stop.n + 1, sizeof *stop);
    options_params(&r->app.opt, &params, stop);
    progress_init(&r->app.progress, stderr, r->term ? term_facts(r->term)->cols : 0, false);
    enum term_mode mode = term_mode(r->term, TERM_QUIET);
    f->shown = 0;
    show_begin(f, &f->lanes[0]);
    int rc = phi3v_generate_many(f->jobs, f->n_used, &params, on_event, f, err);
    progress_clear(&r->app.progress);
    term_mode(r->term, mode);
    free(stop);
    for (int i = 0; i < f->n_used; i++) {
        phi3v_result_fini(&f->results[i]);
        lane_fini(&f->lanes[i]);
    }
    stream_free(f->stream);
    f->stream = NULL;
    return rc;
}

/* After every group the file is whole, so that a crash costs one group. */
static int answer_all(struct foreach *f, struct phi3v_error *err)
{
    size_t at = 0;
    int rc = 0;
    while (at < f->what.n && !rc && !interrupt_requested()) {
        take_group(f, &at);
        if (f->n_used > 0 && !interrupt_requested())
            rc = answer_group(f, err);
        else
            for (int i = 0; i < f->n_used; i++) lane_fini(&f->lanes[i]);
        if (!rc && f->file) rc = table_store(&f->table, f->file, err);
    }
    return rc;
}

static void tell_end(struct foreach *f)
{
    struct repl *r = f->r;
    if (r->app.opt.json) return;
    fprintf(r->say, "(%s%d of %zu pictures answered", interrupt_requested() ? "interrupted; " : "",
            f->n_answered, f->what.n);
    if (f->file) {
        fputs("; written to ", r->say);
        say_name(r, f->file);
    }
    fputs(")\n", r->say);
}

static void foreach_free(struct foreach *f)
{
    for (int i = 0; i < f->n_lanes; i++) phi3v_session_free(f->sessions[i]);
    free(f->sessions);
    free(f->lanes);
    free(f->jobs);
    free(f->results);
    strings_free(&f->what);
    table_free(&f->table);
    free(f->text);
    free(f->file);
}

int command_foreach(struct repl *r, char *args, struct phi3v_error *err)
{
    struct foreach f = {.r = r};
    int rc = parse(&f, args, err);
    interrupt_clear();
    if (!rc) rc = open_sessions(&f, err);
    if (!rc) {
        table_init(&f.table, (int)f.what.n);
        app_interrupts(f.sessions[0]);
        rc = answer_all(&f, err);
        app_interrupts(r->app.session);
        if (!rc) tell_end(&f);
    }
    if (!rc && interrupt_requested()) rc = 1;
    if (!rc && f.n_failed > 0)
        rc = refuse(err, f.first.code, "%d of %zu pictures gave no answer", f.n_failed, f.what.n);
    foreach_free(&f);
    return rc;
}
