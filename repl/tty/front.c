/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/must.h"
#include "pdf/pdf.h"
#include "tty/child.h"
#include "tty/clipboard.h"
#include "tty/fault.h"
#include "tty/front.h"
#include "tty/history.h"
#include "tty/interrupt.h"
#include "tty/line.h"
#include "tty/show_output.h"
#include "tty/show_progress.h"
#include "tty/watch.h"

/* -- The face --------------------------------------------------------------------------------- */

static void output(void *user, const struct nb_output *out) { show_output(user, out); }

static void on_progress(void *user, const struct nb_progress *p)
{
    struct front *f = user;
    show_progress(&f->progress, p);
}

static bool stopped(void *user)
{
    struct front *f = user;
    if (interrupt_stop_requested()) progress_clear(&f->progress);
    if (line_stop_answering(f->term)) {
        if (f->screen) screen_lost(f->screen);
        if (f->stream) stream_redraw(f->stream);
    }
    return interrupt_requested();
}

static void begins(void *user)
{
    (void)user;
    interrupt_clear();
}

static void next_input(void *user, int cell, const char *text)
{
    struct front *f = user;
    free(f->returned);
    f->returned = xstrdup(text);
    f->editing = cell;
}

static int shell(void *user, const char *command, struct phi3v_error *err)
{
    const struct front *f = user;
    if (f->screen) screen_lost(f->screen);
    return child_run(f->term, command) == -1
               ? refuse(err, PHI3V_E_IO, "the shell cannot be started")
               : 0;
}

static int paste(void *user, char **ret_bytes, size_t *ret_n, struct phi3v_error *err)
{
    const struct front *f = user;
    return clipboard_read(f->term, stopped, user, ret_bytes, ret_n, err);
}

static int copy(void *user, const char *text, struct phi3v_error *err)
{
    const struct front *f = user;
    if (f->term && term_copy(f->term, text, strlen(text))) return 0;
    return refuse(err, PHI3V_E_ARGUMENT,
                  "this terminal has no clipboard: :save FILE.txt writes the text");
}

static int watch(void *user, const char *folder, struct phi3v_error *err)
{
    struct front *f = user;
    struct watch *w = NULL;
    int rc = folder ? watch_open(folder, &w, err) : 0;
    if (rc) return rc;
    watch_close(f->watch);
    f->watch = w;
    return 0;
}

static int history(void *user, struct strings *ret, struct phi3v_error *err)
{
    const struct front *f = user;
    (void)err;
    history_read(f->history, ret);
    return 0;
}

static void describe(void *user, struct text *lines)
{
    const struct front *f = user;
    char *text = NULL;
    size_t n;
    FILE *memory = f->term ? open_memstream(&text, &n) : NULL;
    if (!memory) return;
    fputs("terminal\n", memory);
    term_describe(f->term, memory);
    if (!fclose(memory)) text_addn(lines, text, n);
    free(text);
}

static void settings_changed(void *user, const struct settings *now)
{
    struct front *f = user;
    if (f->term) term_set_graphics(f->term, now->graphics);
}

static void model_changed(void *user, const phi3v_model *model)
{
    (void)user;
    fault_model(model);
}

struct nb_front front_face(struct front *f)
{
    return (struct nb_front){.output = output,
                             .progress = on_progress,
                             .stopped = stopped,
                             .begins = begins,
                             .next_input = next_input,
                             .shell = shell,
                             .draw_pdf = pdf_draw,
                             .paste = paste,
                             .copy = copy,
                             .watch = watch,
                             .history = history,
                             .describe = describe,
                             .model_changed = model_changed,
                             .settings_changed = settings_changed,
                             .user = f};
}

/* -- Life ------------------------------------------------------------------------------------- */

static void cancel(void *nb) { nb_cancel(nb); }

void front_init(struct front *f, const struct settings *s, const char *history_file)
{
    struct term_options how = {
        .in_fd = STDIN_FILENO, .out_fd = STDOUT_FILENO, .plain = s->plain, .graphics = s->graphics};
    *f = (struct front){.history = history_file ? xstrdup(history_file) : NULL};
    interrupt_catch();
    interrupt_catch_stop();
    f->term = term_open(&how);
    term_mode(f->term, TERM_QUIET); /* keys typed while we work wait for the line */
    if (f->term) {
        term_watch_size(f->term);
        term_guard(f->term);
    }
    /* All output to the terminal goes through the stream that counts its rows. */
    f->usual_out = stdout;
    f->screen = f->term ? screen_open(STDOUT_FILENO, term_facts(f->term)) : NULL;
    if (f->screen) stdout = screen_stream(f->screen);
    out_init(&f->out, stdout, f->term);
    progress_init(&f->progress, stderr, f->term ? term_facts(f->term)->cols : 0, false);
}

void front_shows(struct front *f, struct notebook *nb)
{
    f->nb = nb;
    interrupt_calls(nb ? cancel : NULL, nb);
}

void front_fini(struct front *f)
{
    interrupt_calls(NULL, NULL);
    fflush(stdout);
    stdout = f->usual_out;
    show_forget(f);
    watch_close(f->watch);
    screen_close(f->screen);
    term_close(f->term);
    free(f->history);
    free(f->returned);
}

void front_error(struct front *f, const struct phi3v_error *err)
{
    struct out out;
    out_flush(&f->out);
    if (f->out.facts) {
        out_line_styled(&f->out, STYLE_LABEL, err->text, 2);
        out_flush(&f->out);
        return;
    }
    out_init(&out, stderr, NULL);
    fputs("phiscope: ", stderr);
    out_name(&out, err->text);
    fputc('\n', stderr);
    out_flush(&out);
}

void front_redraw(struct front *f)
{
    int cell = nb_n_cells(f->nb);
    if (!out_clear(&f->out)) return;
    if (nb_cell_answer(f->nb, cell)) {
        f->cell = cell;
        show_head(f, stdout);
        nb_show_again(f->nb, cell);
        out_text(&f->out, "\n", 1);
    }
    out_flush(&f->out);
}
