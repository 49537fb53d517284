/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "common/must.h"
#include "notebook/words.h"
#include "tty/candidates.h"
#include "tty/front.h"
#include "tty/history.h"
#include "tty/fault.h"
#include "tty/line.h"
#include "tty/paste.h"
#include "tty/repl.h"

struct repl {
    const struct repl_options *opt;
    struct front front;
    struct notebook *nb;
    struct line *line;
    int editing; // number of the cell in the line; 0: a new one
    bool quit;
};

/* -- One source ------------------------------------------------------------------------------- */

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
    int cell = r->editing;
    r->editing = 0;
    int rc = cell ? nb_edit(r->nb, cell, source, NB_TYPED, &result, &err)
                  : nb_eval(r->nb, source, NB_TYPED, &result, &err);
    tell(r, rc, &err);
    r->quit = result.quit;
}

/* A command of the program's own, with one word that somebody named. */
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
    char *staged = nb_staged(r->nb, 0);
    /* Lines and pictures have moved after a resize; what is only staged stays, as well as it can.
     */
    bool keep = !asked && (nb_n_cells(r->nb) == 0 || (staged && *staged));
    free(staged);
    if (!keep) front_redraw(&r->front);
    return !keep;
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

static void open_line(struct repl *r)
{
    struct line_host host = {.redraw = redraw,
                             .candidates = candidates,
                             .complete_enough = complete_enough,
                             .pasted = paste_read,
                             .user = r,
                             .term = r->front.term,
                             .history = r->front.history};
    r->line = line_new(&host);
}

/* "In [4] @1 @2: " */
static char *prompt_text(const struct repl *r)
{
    struct text t = {0};
    char *staged = nb_staged(r->nb, r->editing);
    text_addf(&t, "In [%d]", r->editing ? r->editing : nb_n_cells(r->nb) + 1);
    if (staged && *staged) text_addf(&t, " %s", staged);
    text_add(&t, ": ");
    free(staged);
    return xtake(&t);
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
    char *prompt = prompt_text(r);
    enum line_end end = line_read(r->line, prompt, preset, &text);
    free(prompt);
    free(preset);
    if (end != LINE_SENT) return end == LINE_CANCELLED;
    remember(r, text);
    if (text[strspn(text, " \t\n")]) evaluate(r, text);
    free(text);
    return !r->quit;
}

/* -- The whole -------------------------------------------------------------------------------- */

static void banner(struct repl *r)
{
    const struct phi3v_model_info *m = nb_model(r->nb);
    char *first = xasprintf("phiscope %s: %s on %s, %lld tokens of context", phi3v_version(),
                            m->name, m->device, (long long)m->ctx);
    out_line(&r->front.out, first, 0);
    if (m->description) out_line(&r->front.out, m->description, 0);
    out_line(&r->front.out,
             ":load FILE or URL takes a picture, then ask about it. :help lists commands, Ctrl-D "
             "leaves.",
             0);
    free(first);
}

/* What the command line asked for. */
static void begin(struct repl *r)
{
    char *left = r->opt->go_on ? nb_latest_left_behind(r->nb) : NULL;
    if (r->opt->go_on && !left) out_line(&r->front.out, "(nothing was left unsaved)", 1);
    if (!r->opt->go_on) nb_tell_left_behind(r->nb);
    if (left) command(r, "open", left);
    if (r->opt->notebook) command(r, "open", r->opt->notebook);
    for (size_t i = 0; i < r->opt->pictures->n && !r->quit; i++)
        command(r, "load", r->opt->pictures->v[i]);
    free(left);
    out_flush(&r->front.out);
}

static int open_notebook(struct repl *r, struct phi3v_error *err)
{
    struct nb_front face = front_face(&r->front);
    char *state = xdg_dir("XDG_STATE_HOME", ".local/state");
    struct nb_options how = {
        .settings = r->opt->settings, .model_dirs = r->opt->model_dirs, .state_dir = state};
    int rc = nb_new(&how, &face, &r->nb, err);
    free(state);
    if (rc) return rc;
    front_shows(&r->front, r->nb);
    return nb_open_model(r->nb, r->opt->model, err);
}

int repl_run(const struct repl_options *opt, struct phi3v_error *err)
{
    struct repl r = {.opt = opt};
    char *history = opt->no_history ? NULL : history_path();
    front_init(&r.front, opt->settings, history);
    free(history);
    int rc = open_notebook(&r, err);
    if (!rc) {
        banner(&r);
        begin(&r);
        open_line(&r);
        fault_autosaves();
        while (step(&r)) {}
        line_free(r.line);
    }
    front_shows(&r.front, NULL);
    nb_free(r.nb);
    if (!rc && out_flush(&r.front.out))
        rc = refuse(err, PHI3V_E_IO, "standard output cannot be written: %s",
                    strerror(r.front.out.error));
    front_fini(&r.front);
    return rc;
}
