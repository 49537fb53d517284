/* SPDX-License-Identifier: GPL-3.0-or-later
 * The notebook at the prompt: In [n], a line, Out[n]. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "notebook/autosave.h"
#include "notebook/commands.h"
#include "tty/candidates.h"
#include "tty/fault.h"
#include "tty/history.h"
#include "tty/interrupt.h"
#include "tty/line.h"
#include "tty/paste.h"
#include "notebook/repl.h"
#include "term/clean.h"
#include "verbs/verbs.h"
#include "notebook/words.h"

/* -- Life ----------------------------------------------------------------------------------- */

static void open_terminal(struct repl *r)
{
    if (r->script && (!isatty(STDOUT_FILENO) || r->app.opt.json)) return;
    struct term_options how = {.in_fd = STDIN_FILENO,
                               .out_fd = STDOUT_FILENO,
                               .plain = r->app.opt.plain,
                               .graphics = r->app.opt.graphics};
    r->term = term_open(&how);
    if (!r->term) return;
    term_watch_size(r->term);
    term_guard(r->term);
    if (!r->script) term_mode(r->term, TERM_QUIET);
}

int repl_open(struct repl *r, struct phi3v_error *err)
{
    interrupt_catch();
    book_init(&r->book);
    open_terminal(r); /* before the model: what is typed while it loads waits for the line */
    int rc = app_open_model(&r->app, err);
    if (rc) return rc;
    struct phi3v_error load_err;
    /* -i on the command line: as if loaded by hand */
    for (size_t i = 0; i < r->app.opt.images.n && !rc; i++) {
        char *word = word_quote(r->app.opt.images.v[i]);
        char *command = xasprintf(":load %s", word);
        rc = command_line(r, command, &load_err);
        if (rc) repl_report(r, &load_err);
        free(command);
        free(word);
    }
    return 0;
}

void repl_close(struct repl *r)
{
    line_free(r->line);
    book_free(&r->book);
    free(r->returned);
    term_close(r->term);
    app_close_model(&r->app);
    options_free(&r->app.opt);
}

void repl_report(struct repl *r, const struct phi3v_error *err)
{
    fflush(stdout);
    app_report(&r->app.opt, err, 0);
}

/* -- One line ------------------------------------------------------------------------------- */

static int eval_prompt(struct repl *r, const char *text, struct phi3v_error *err)
{
    const char *ours = foreign_habit(text);
    if (ours) return refuse(err, PHI3V_E_ARGUMENT, "that is %s here; nothing was sent", ours);
    char *typed = line_typed(text);
    int rc = run_prompt(r, typed, err);
    free(typed);
    return rc;
}

static int eval_edited(struct repl *r, const char *text, struct phi3v_error *err)
{
    int i = r->editing - 1;
    r->editing = 0;
    char *typed = line_typed(text);
    int rc = run_edited(r, i, typed, err);
    free(typed);
    if (rc >= 0) run_tell_stale(r, i);
    return rc;
}

int repl_eval(struct repl *r, const char *text, struct phi3v_error *err)
{
    if (!text[strspn(text, " \t\n")]) return 0;
    if (is_command_line(text)) {
        r->editing = 0;
        return command_line(r, text, err);
    }
    return r->editing ? eval_edited(r, text, err) : eval_prompt(r, text, err);
}

/* -- The loop ------------------------------------------------------------------------------- */

static void banner(struct repl *r)
{
    const struct phi3v_model_info *m = r->app.info;
    struct text t = {0};
    text_addf(&t, "phiscope %s: %s on %s, %lld tokens of context", phi3v_version(), m->name,
              m->device, (long long)m->ctx);
    say_line(r, t.s, 0);
    text_free(&t);
    if (m->description) say_line(r, m->description, 0);
    say_line(r,
             ":load FILE or URL takes a picture, then ask about it. :help lists commands, Ctrl-D "
             "leaves.",
             0);
}

/* "In [4] @1 @2: " */
static char *prompt_text(const struct repl *r)
{
    struct text t = {0};
    text_addf(&t, "In [%d]", r->editing ? r->editing : r->book.n + 1);
    for (int i = 0; i < r->book.n_staged && !r->editing; i++) {
        char label[64];
        text_addf(&t, " %s",
                  handle_label(&r->book.handles, r->book.staged[i], label, sizeof label));
    }
    text_add(&t, ": ");
    return text_take(&t);
}

/* Lines and pictures have moved after a resize; what is only staged stays, as well as it can. */
static bool redraw(void *user, bool asked)
{
    struct repl *r = user;
    if (!asked && (r->book.n == 0 || r->book.n_staged > 0)) return false;
    run_redraw(r);
    return true;
}

static bool complete_enough(void *user, const char *text)
{
    (void)user;
    return !line_incomplete(text);
}

static void open_line(struct repl *r)
{
    char *history = r->app.opt.no_history ? NULL : history_path();
    struct line_host host = {.redraw = redraw,
                             .candidates = candidates_find,
                             .complete_enough = complete_enough,
                             .pasted = paste_read,
                             .user = r,
                             .term = r->term,
                             .history = history};
    r->line = line_new(&host);
    free(history);
}

/* Reads one cell; false at the end of input. */
static bool step(struct repl *r)
{
    char *prompt = prompt_text(r), *preset = r->returned, *text;
    r->returned = NULL;
    enum line_end end = line_read(r->line, prompt, preset, &text);
    free(prompt);
    free(preset);
    if (end == LINE_CANCELLED) r->editing = 0;
    if (end != LINE_SENT) return end == LINE_CANCELLED;
    line_remember(r->line, text);
    struct phi3v_error err;
    int rc = repl_eval(r, text, &err);
    free(text);
    if (rc == PHI3V_E_CANCELLED)
        fputs("(cancelled; everything is as it was)\n", r->say);
    else if (rc < 0)
        repl_report(r, &err);
    return !r->quit;
}

static int run_terminal(struct repl *r, const char *notebook)
{
    struct phi3v_error err;
    r->say = stdout;
    int rc = repl_open(r, &err);
    if (rc) {
        int status = rc == PHI3V_E_CANCELLED ? EXIT_INTERRUPTED : EXIT_MODEL;
        app_report(&r->app.opt, &err, status);
        repl_close(r);
        return status;
    }
    banner(r);
    fault_autosaves();
    autosave_look(r);
    if (notebook) {
        char *word = word_quote(notebook);
        if (command_open(r, word, &err)) repl_report(r, &err);
        free(word);
    }
    open_line(r);
    while (step(r)) {}
    autosave_end(r);
    repl_close(r);
    return EXIT_FINE;
}

int repl_main(struct options *opt, int argc, char **argv)
{
    struct repl r = {0};
    options_copy(&r.app.opt, opt);
    if (isatty(STDIN_FILENO)) return run_terminal(&r, argc > 0 ? argv[0] : NULL);
    if (argc > 0) {
        options_free(&r.app.opt);
        return verb_misuse(opt, "a notebook opens in a terminal only; a script can :open it");
    }
    return repl_script(&r, "-");
}
