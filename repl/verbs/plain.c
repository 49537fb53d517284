/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/files.h"
#include "pdf/pdf.h"
#include "tty/fault.h"
#include "tty/interrupt.h"
#include "tty/show_progress.h"
#include "verbs/answer_json.h"
#include "verbs/model_choice.h"
#include "verbs/plain.h"
#include "verbs/verb_report.h"

/* -- Answers ---------------------------------------------------------------------------------- */

static void answer_begin(struct plain *p, const struct nb_output *out)
{
    p->last = 0;
    if (p->opt->json) return;
    if (out->label) {
        out_line(&p->err, out->label, 2);
        out_flush(&p->err);
    }
    if (!p->term) return;
    struct stream_options how = {.term = p->term,
                                 .out = stdout,
                                 .layout = STREAM_NO_PICTURES,
                                 .verbatim = p->opt->set.plain};
    p->stream = stream_new(&how);
}

static void answer_text(struct plain *p, const struct nb_output *out)
{
    if (p->opt->json || !out->n_bytes) return;
    if (p->stream)
        stream_text(p->stream, out->text, out->n_bytes);
    else
        fwrite(out->text, 1, out->n_bytes, stdout);
    p->last = out->text[out->n_bytes - 1];
    out_flush(&p->out);
}

static void answer_end(struct plain *p, const struct nb_output *out)
{
    if (p->stream)
        stream_end(p->stream);
    else if (!p->opt->json && (out->answer || p->last) && p->last != '\n')
        putchar('\n');
    stream_free(p->stream);
    p->stream = NULL;
    p->cut_off = out->answer && out->answer->result->finish == PHI3V_FINISH_LENGTH;
    if (p->opt->json && out->answer) {
        int cell = p->answers_alone ? 0 : out->cell;
        json_t *line = answer_json(nb_model(p->nb), nb_load_s(p->nb), cell, out->answer);
        char *json = json_line(line);
        out_json(&p->out, json ? json : "null");
        free(json);
        json_decref(line);
    }
    out_flush(&p->out);
}

/* -- The front end ---------------------------------------------------------------------------- */

static void say(struct plain *p, const struct nb_output *out)
{
    out_text(&p->err, out->text, out->n_bytes);
    if (out->kind == NB_NOTE) out_text(&p->err, "\n", 1);
    out_flush(&p->err);
}

static void output(void *user, const struct nb_output *out)
{
    struct plain *p = user;
    progress_clear(&p->progress);
    switch (out->kind) {
    case NB_REPORT:
    case NB_IMAGE:
    case NB_CERTAINTY:
    case NB_DIFF:
        if (!p->answers_alone) say(p, out);
        break;
    case NB_NOTE:
        if (!p->opt->json) say(p, out);
        break;
    case NB_ANSWER_BEGIN:
        answer_begin(p, out);
        break;
    case NB_ANSWER_TEXT:
        answer_text(p, out);
        break;
    case NB_ANSWER_END:
        answer_end(p, out);
        break;
    case NB_ERROR:
        out_flush(&p->out);
        verb_report_error(p->opt, out->error, 0);
        break;
    }
}

static void on_progress(void *user, const struct nb_progress *now)
{
    struct plain *p = user;
    show_progress(&p->progress, now);
}

static bool stopped(void *user)
{
    (void)user;
    return interrupt_requested();
}

/* Does not clear the interrupt flag, because Ctrl-C ends the whole script. */
static void begins(void *user) { (void)user; }

/* Whether Ctrl-C ended a command; shells that outlive it give 128 + SIGINT. */
static bool was_interrupted(int status)
{
    return (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) ||
           (WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGINT);
}

/* Sends the command's output to stderr, because a script's standard output holds only answers. */
static int shell(void *user, const char *command, struct phi3v_error *err)
{
    (void)user;
    char *line = text_format("{ %s\n} >&2", command);
    if (!line) return memory_error(err);
    fflush(NULL);
    int rc = system(line);
    free(line);
    if (rc == -1) return refuse(err, PHI3V_E_IO, "the shell cannot be started");
    if (was_interrupted(rc)) return refuse(err, PHI3V_E_CANCELLED, "!%.60s: interrupted", command);
    return rc ? refuse(err, PHI3V_E_ARGUMENT, "!%.60s failed", command) : 0;
}

static void model_changed(void *user, const phi3v_model *model)
{
    (void)user;
    fault_model(model);
}

static void cancel(void *nb) { nb_cancel(nb); }

int plain_open(struct plain *p, const struct options *opt, bool standard_input,
               struct phi3v_error *err)
{
    *p = (struct plain){.opt = opt};
    interrupt_catch();
    if (opt->json) fault_as_json();
    if (!opt->json && isatty(STDOUT_FILENO)) {
        struct term_options how = {.in_fd = STDIN_FILENO,
                                   .out_fd = STDOUT_FILENO,
                                   .plain = opt->set.plain,
                                   .graphics = "none",
                                   .silent = true};
        p->term = term_open(&how);
    }
    out_init(&p->out, stdout, p->term);
    out_init(&p->err, stderr, NULL);
    progress_init(&p->progress, stderr, 0, false);
    struct nb_front front = {.output = output,
                             .progress = on_progress,
                             .stopped = stopped,
                             .begins = begins,
                             .model_changed = model_changed,
                             .shell = shell,
                             .draw_pdf = pdf_draw,
                             .user = p,
                             .standard_input = standard_input,
                             .one_at_a_time = true};
    char *cache = xdg_dir("XDG_CACHE_HOME", ".cache"), *key;
    int rc = model_choice_api_key(opt, &key, err);
    struct nb_options how = {.settings = &opt->set,
                             .model_dirs = model_choice_dirs(),
                             .cache_dir = cache,
                             .api_key = key};
    if (!rc) rc = nb_new(&how, &front, &p->nb, err);
    free(cache);
    free(key);
    if (!rc) interrupt_calls(cancel, p->nb);
    return rc;
}

int plain_close(struct plain *p, int status)
{
    interrupt_calls(NULL, NULL);
    nb_free(p->nb);
    term_close(p->term);
    if (!out_flush(&p->out)) return status;
    struct phi3v_error err;
    refuse(&err, PHI3V_E_IO, "standard output cannot be written: %s", strerror(p->out.error));
    struct options plainly = *p->opt;
    plainly.json = false; /* an object could not be printed either */
    return verb_report_error(&plainly, &err, EXIT_CELL);
}
