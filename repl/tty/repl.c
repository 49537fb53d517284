/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/files.h"
#include "common/must.h"
#include "notebook/words.h"
#include "term/marks.h"
#include "tty/candidates.h"
#include "tty/front.h"
#include "tty/history.h"
#include "tty/fault.h"
#include "tty/line.h"
#include "tty/paste.h"
#include "tty/repl.h"
#include "tty/watch.h"

enum { MAX_NOTICED_BYTES = 1 << 20 };

struct repl {
    const struct repl_options *opt;
    struct front front;
    struct notebook *nb;
    struct line *line;
    int editing;                     // the number of the cell in the line; 0: a new one
    bool quit, failed;               // whether the latest source ends the program, or has failed
    bool warned;                     // leaving now loses cells, and the person was told so
    char *prompt;                    // of the line being read
    size_t handles_from, handles_to; // where the prompt names pictures
    char *appeared;                  // a picture to load; NULL: none
    enum watch_news news;            // to report
};

/* -- One source ------------------------------------------------------------------------------- */

/* Writes the blank line between groups of output. */
static void space(struct repl *r)
{
    if (r->front.out.facts) out_text(&r->front.out, "\n", 1);
}

static void tell(struct repl *r, int rc, const struct phi3v_error *err)
{
    if (rc == PHI3V_E_CANCELLED)
        out_format(&r->front.out, "(cancelled; everything is as it was)\n");
    else if (rc < 0)
        front_error(&r->front, err);
    out_flush(&r->front.out);
}

static void evaluate(struct repl *r, const char *source)
{
    struct nb_result result = {0};
    struct phi3v_error err;
    int cell = r->editing, n_answers = r->front.n_answers;
    double bell = nb_settings(r->nb)->bell;
    double begun_s = now_s();
    r->editing = 0;
    int rc = cell ? nb_edit(r->nb, cell, source, NB_TYPED, &result, &err)
                  : nb_eval(r->nb, source, NB_TYPED, &result, &err);
    tell(r, rc, &err);
    bool stopped = result.interrupted || rc == PHI3V_E_CANCELLED;
    if (bell > 0 && now_s() - begun_s > bell && !stopped)
        bell_ring(r->front.term ? term_facts(r->front.term) : NULL, stdout);
    if (r->front.n_answers > n_answers) space(r);
    r->failed = rc < 0;
    out_flush(&r->front.out);
    r->quit = result.quit;
}

/* Runs one of our commands with one word from outside, which is quoted. */
static void command(struct repl *r, const char *name, const char *word)
{
    char *quoted = must(word_quote(word)), *line = xasprintf(":%s %s", name, quoted);
    evaluate(r, line);
    free(line);
    free(quoted);
}

/* -- The line --------------------------------------------------------------------------------- */

static bool redraw(void *user, bool asked)
{
    struct repl *r = user;
    /* A resize has moved lines and pictures. Pictures loaded after the last answer stay as they
     * are, because drawing that answer again would remove them. */
    bool keep = !asked && !r->front.answer_is_last;
    if (!keep) front_redraw(&r->front);
    return !keep;
}

static void others_wrote(void *user)
{
    struct repl *r = user;
    if (r->front.screen) screen_lost(r->front.screen);
}

static bool complete_enough(void *user, const char *text)
{
    (void)user;
    return nb_is_complete(text) == NB_COMPLETE;
}

static void candidates(void *user, const char *text, size_t cursor, struct line_candidates *ret)
{
    struct repl *r = user;
    candidates_find(r->nb, r->opt->each_model, text, cursor, ret);
}

/* "In [4] @1 @2: " */
static void make_prompt(struct repl *r)
{
    struct text t = {0};
    char *staged = nb_staged(r->nb, r->editing);
    text_addf(&t, "In [%d]", r->editing ? r->editing : nb_n_cells(r->nb) + 1);
    r->handles_from = t.n + 1;
    if (staged && *staged) text_addf(&t, " %s", staged);
    r->handles_to = t.n;
    text_add(&t, ": ");
    free(staged);
    free(r->prompt);
    r->prompt = xtake(&t);
}

/* Looks for pictures to draw no longer dim in the prompt, and for new ones in a watched folder. */
static void look(void *user, struct line_news *ret)
{
    enum { STEP_MS = 100 };
    struct repl *r = user;
    bool reading = r->handles_to > r->handles_from && !r->editing && !nb_is_ready(r->nb);
    if (!r->news)
        r->news = watch_next(r->front.watch, nb_is_picture_file, &r->appeared, &ret->wait_ms);
    ret->fd = watch_fd(r->front.watch);
    ret->to_show = r->news != WATCH_NOTHING;
    ret->dim_from = reading ? r->handles_from : 0;
    ret->dim_to = reading ? r->handles_to : 0;
    if (reading && (ret->wait_ms < 0 || ret->wait_ms > STEP_MS)) ret->wait_ms = STEP_MS;
}

static const char *show_news(void *user, const char *text)
{
    struct repl *r = user;
    int editing = r->editing;
    char *path = r->appeared;
    r->appeared = NULL;
    r->editing = 0; /* the news do not belong to the cell in the line */
    if (r->news == WATCH_GONE) command(r, "watch", "off");
    if (r->news == WATCH_MISSED)
        out_line(&r->front.out,
                 "(too much happened in the watched folder: some pictures may be missing)", 1);
    if (path) command(r, "load", path);
    r->news = WATCH_NOTHING;
    r->editing = editing;
    out_flush(&r->front.out);
    free(path);
    make_prompt(r);
    nb_typing(r->nb, text);
    return r->prompt;
}

static void open_line(struct repl *r)
{
    struct line_host host = {.redraw = redraw,
                             .candidates = candidates,
                             .complete_enough = complete_enough,
                             .pasted = paste_read,
                             .look = look,
                             .show_news = show_news,
                             .others_wrote = others_wrote,
                             .user = r,
                             .term = r->front.term,
                             .history = r->front.history};
    r->line = line_new(&host);
}

static void remember(struct repl *r, const char *text)
{
    char *kept = nb_for_keeping(text);
    if (kept) line_remember(r->line, kept);
    free(kept);
}

/* Reads one source and evaluates it; false at the end of input. */
static bool step(struct repl *r)
{
    char *preset = r->front.returned, *text;
    r->front.returned = NULL;
    r->editing = preset ? r->front.editing : 0;
    make_prompt(r);
    nb_typing(r->nb, preset ? preset : "");
    enum line_end end = line_read(r->line, r->prompt, preset, &text);
    free(preset);
    if (end != LINE_SENT) return end == LINE_CANCELLED;
    remember(r, text);
    r->failed = false;
    if (text[strspn(text, " \t\n")]) evaluate(r, text);
    mark_write(r->front.out.facts, r->failed ? MARK_FAILED : MARK_DONE, stdout);
    free(text);
    if (!r->quit) r->warned = false;
    return !r->quit;
}

/* Whether the program goes on because leaving would lose cells. A second time it does not. */
static bool stays(struct repl *r)
{
    struct phi3v_error why, err;
    if (r->warned || !nb_leave(r->nb, &why)) return false;
    refuse(
        &err, PHI3V_E_IO,
        "unsaved cells cannot be kept (%.300s): :save FILE saves them, and leaving once more loses "
        "them",
        why.text);
    front_error(&r->front, &err);
    out_flush(&r->front.out);
    r->warned = true;
    return true;
}

/* -- The whole -------------------------------------------------------------------------------- */

/* Whether the model's description of itself was never shown on this machine. */
static bool is_new_here(const struct phi3v_model_info *m, const char *state)
{
    char *path = state ? xasprintf("%s/noticed", state) : NULL, *text = NULL;
    size_t n;
    bool known = path && !load_file(path, MAX_NOTICED_BYTES, &text, &n, NULL) &&
                 strstr(text, m->description);
    free(text);
    FILE *f = known || !path ? NULL : fopen(path, "ae");
    if (f) {
        fprintf(f, "%s\n", m->description);
        fclose(f);
    }
    free(path);
    return !known;
}

static void banner(struct repl *r, const char *state)
{
    const struct phi3v_model_info *m = nb_model(r->nb);
    char *ctx = m->ctx > 0 ? xasprintf(" · %lld tokens", (long long)m->ctx) : NULL;
    char *first = xasprintf("phiscope %s · %s · %s %s %s%s", phi3v_version(), m->name, m->dtype,
                            m->weights_bytes ? "on" : "by", m->device, ctx ? ctx : "");
    out_line(&r->front.out, first, 2);
    out_line(&r->front.out, "try  :load samples/chart.png   :help   Ctrl-D", 5);
    if (m->description && is_new_here(m, state)) out_line(&r->front.out, m->description, 0);
    free(first);
    free(ctx);
    space(r);
}

/* Opens a notebook or, as editors do, begins one in a folder that is there. */
static void open_or_begin(struct repl *r, const char *path)
{
    struct phi3v_error err;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? xasprintf("%.*s", (int)(slash - path + 1), path) : NULL;
    bool begins = has_ending(path, ".ipynb") && access(path, F_OK) && errno == ENOENT &&
                  !access(folder ? folder : ".", F_OK);
    free(folder);
    if (!begins)
        command(r, "open", path);
    else if (nb_name(r->nb, path, &err))
        front_error(&r->front, &err);
}

/* Opens what the command line asked for. */
static void begin(struct repl *r)
{
    char *left = r->opt->go_on ? nb_latest_left_behind(r->nb) : NULL;
    if (r->opt->go_on && !left) out_line(&r->front.out, "(nothing was left unsaved)", 1);
    if (!r->opt->go_on) nb_tell_left_behind(r->nb);
    if (left) command(r, "open", left);
    if (r->opt->notebook) open_or_begin(r, r->opt->notebook);
    for (size_t i = 0; i < r->opt->pictures->n && !r->quit; i++)
        command(r, "load", r->opt->pictures->v[i]);
    free(left);
    out_flush(&r->front.out);
}

static int open_notebook(struct repl *r, const char *state, struct phi3v_error *err)
{
    struct nb_front face = front_face(&r->front);
    char *cache = xdg_dir("XDG_CACHE_HOME", ".cache");
    struct nb_options how = {.settings = r->opt->settings,
                             .for_opened = r->opt->for_opened,
                             .model_dirs = r->opt->model_dirs,
                             .cache_dir = cache,
                             .api_key = r->opt->api_key,
                             .settings_file = r->opt->settings_file,
                             .state_dir = state};
    int rc = nb_new(&how, &face, &r->nb, err);
    free(cache);
    if (rc) return rc;
    front_shows(&r->front, r->nb);
    return nb_open_model(r->nb, r->opt->model, err);
}

int repl_run(const struct repl_options *opt, struct phi3v_error *err)
{
    struct repl r = {.opt = opt};
    char *history = opt->no_history ? NULL : history_path();
    char *state = xdg_dir("XDG_STATE_HOME", ".local/state");
    front_init(&r.front, opt->settings, history);
    free(history);
    int rc = open_notebook(&r, state, err);
    if (!rc) {
        banner(&r, state);
        begin(&r);
        open_line(&r);
        fault_autosaves();
        while (step(&r) || stays(&r)) {}
        line_free(r.line);
        free(r.prompt);
        free(r.appeared);
    }
    front_shows(&r.front, NULL);
    nb_free(r.nb);
    if (!rc && out_flush(&r.front.out))
        rc = refuse(err, PHI3V_E_IO, "standard output cannot be written: %s",
                    strerror(r.front.out.error));
    front_fini(&r.front);
    free(state);
    return rc;
}
