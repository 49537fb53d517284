/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/must.h"
#include "tty/child.h"
#include "tty/fault.h"
#include "tty/front.h"
#include "tty/history.h"
#include "tty/interrupt.h"
#include "tty/line.h"

enum { DRAW_ROWS = 14 };

/* -- Pictures --------------------------------------------------------------------------------- */

static struct picture drawable(const phi3v_image *image)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    return (struct picture){info->width, info->height, phi3v_image_rgb(image),
                            phi3v_image_alpha(image)};
}

static void say_lines(struct front *f, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        char *line = xstrndup(text, n);
        out_line(&f->out, line, 2);
        free(line);
        text += n + (text[n] == '\n');
    }
}

static void show_images(struct front *f, const struct nb_output *out)
{
    for (int i = 0; i < out->n_pictures && f->term; i++) {
        struct picture p = drawable(out->pictures[i].image);
        picture_show(term_facts(f->term), &p, term_facts(f->term)->cols * 2 / 3, DRAW_ROWS, stdout);
    }
    say_lines(f, out->text);
}

/* -- Answers ---------------------------------------------------------------------------------- */

static enum stream_layout layout_of(const struct settings *s)
{
    if (!strcmp(s->layout, "beside")) return STREAM_BESIDE;
    if (!strcmp(s->layout, "above")) return STREAM_ABOVE;
    return STREAM_AUTO;
}

static void draw_head(FILE *file, void *user)
{
    const struct front *f = user;
    struct out out;
    if (!f->cell) return;
    out_init(&out, file, f->term);
    out_format(&out, "In [%d]: %s\n", f->cell, nb_cell_prompt(f->nb, f->cell));
}

static void answer_begin(struct front *f, const struct nb_output *out)
{
    const struct settings *s = nb_settings(f->nb);
    char label[32];
    f->cell = out->cell;
    if (out->label) out_line(&f->out, out->label, 2);
    free(f->pictures);
    f->pictures = xcalloc((size_t)out->n_pictures, sizeof *f->pictures);
    for (int i = 0; i < out->n_pictures; i++) f->pictures[i] = drawable(out->pictures[i].image);
    snprintf(label, sizeof label, "Out[%d]: ", out->cell);
    struct stream_options how = {.term = f->term,
                                 .out = stdout,
                                 .layout = layout_of(s),
                                 .verbatim = s->plain,
                                 .pictures = f->pictures,
                                 .n_pictures = out->n_pictures,
                                 .label = out->cell ? label : NULL,
                                 .head = draw_head,
                                 .user = f};
    f->stream = stream_new(&how);
}

static void answer_end(struct front *f)
{
    if (f->stream) stream_end(f->stream);
    stream_free(f->stream);
    f->stream = NULL;
}

/* -- The face --------------------------------------------------------------------------------- */

static void output(void *user, const struct nb_output *out)
{
    struct front *f = user;
    progress_clear(&f->progress);
    switch (out->kind) {
    case NB_REPORT:
        out_text(&f->out, out->text, out->n_bytes);
        break;
    case NB_NOTE:
        out_line(&f->out, out->text, 1);
        break;
    case NB_IMAGE:
        show_images(f, out);
        break;
    case NB_ANSWER_BEGIN:
        answer_begin(f, out);
        break;
    case NB_ANSWER_TEXT:
        if (f->stream) stream_text(f->stream, out->text, out->n_bytes);
        break;
    case NB_ANSWER_END:
        answer_end(f);
        break;
    case NB_ERROR:
        front_error(f, out->error);
        break;
    }
    out_flush(&f->out);
}

static void show_progress(void *user, const struct nb_progress *p)
{
    struct front *f = user;
    if (p)
        progress_update(&f->progress, p->stage, (enum progress_unit)p->unit, p->done, p->total);
    else
        progress_clear(&f->progress);
}

static bool stopped(void *user)
{
    struct front *f = user;
    if (f->stream && line_stop_answering(f->term)) stream_redraw(f->stream);
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
    return child_run(f->term, command) == -1
               ? refuse(err, PHI3V_E_IO, "the shell cannot be started")
               : 0;
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
                             .progress = show_progress,
                             .stopped = stopped,
                             .begins = begins,
                             .next_input = next_input,
                             .shell = shell,
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
    f->term = term_open(&how);
    term_mode(f->term, TERM_QUIET); /* what is typed while we work waits for the line */
    if (f->term) {
        term_watch_size(f->term);
        term_guard(f->term);
    }
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
    term_close(f->term);
    free(f->pictures);
    free(f->history);
    free(f->returned);
}

void front_error(struct front *f, const struct phi3v_error *err)
{
    struct out out;
    out_flush(&f->out);
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
        draw_head(stdout, f);
        nb_show_again(f->nb, cell);
    }
    out_flush(&f->out);
}
