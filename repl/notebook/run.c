/* SPDX-License-Identifier: GPL-3.0-or-later
 * Running cells: from a typed prompt to a kept answer. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verbs/answer.h"
#include "notebook/autosave.h"
#include "notebook/commands.h"
#include "tty/interrupt.h"
#include "tty/line.h"
#include "notebook/repl.h"
#include "term/clean.h"
#include "term/layout.h"
#include "term/stream.h"
#include "notebook/words.h"

/* -- Output --------------------------------------------------------------------------------- */

static void say(struct repl *r, const char *s, enum clean_mode mode)
{
    if (isatty(fileno(r->say)))
        clean_print(r->say, mode, s);
    else
        fputs(s, r->say);
}

void say_text(struct repl *r, const char *s) { say(r, s, CLEAN_TEXT); }

void say_name(struct repl *r, const char *s) { say(r, s, CLEAN_NAME); }

static void put_in_layout(int32_t cp, void *layout) { layout_put(layout, cp, 0); }

void say_line(struct repl *r, const char *s, int indent)
{
    const struct term_facts *facts = r->term ? term_facts(r->term) : NULL;
    if (!facts || !facts->is_tty || facts->is_dumb) {
        say_name(r, s);
        fputc('\n', r->say);
        return;
    }
    struct layout l;
    struct clean c;
    layout_begin(&l, facts, r->say, NULL, 0, false);
    layout_indent(&l, indent);
    clean_init(&c, CLEAN_NAME, put_in_layout, &l);
    clean_feed(&c, s, strlen(s));
    clean_end(&c);
    layout_end(&l);
}

struct output {
    struct repl *r;
    const struct cell *cell;
    int number;
    struct stream *stream; // NULL: bytes as they are to stdout, or nothing with --json
    struct picture *pictures;
    char last;
    double begun, first_token_s;
};

static void draw_head(FILE *out, void *user)
{
    const struct output *o = user;
    fprintf(out, "In [%d]: ", o->number);
    clean_print(out, CLEAN_TEXT, o->cell->typed);
    fputc('\n', out);
}

static enum stream_layout layout_of(const struct options *opt)
{
    if (!strcmp(opt->layout, "beside")) return STREAM_BESIDE;
    if (!strcmp(opt->layout, "above")) return STREAM_ABOVE;
    return STREAM_AUTO;
}

static struct picture drawable(const phi3v_image *image)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    return (struct picture){info->width, info->height, phi3v_image_rgb(image),
                            phi3v_image_alpha(image)};
}

static void output_begin(struct output *o, bool go_on)
{
    struct repl *r = o->r;
    o->begun = now_s();
    progress_init(&r->app.progress, stderr, r->term ? term_facts(r->term)->cols : 0, false);
    if (!r->term || r->app.opt.json) return;
    o->pictures = xcalloc((size_t)o->cell->n_pictures, sizeof *o->pictures);
    int n = 0;
    for (int i = 0; i < o->cell->n_pictures && !go_on; i++) {
        /* an opened notebook loads its pictures when a cell runs: none to draw before */
        const phi3v_image *image = r->book.handles.v[o->cell->pictures[i]].media.image;
        if (image) o->pictures[n++] = drawable(image);
    }
    char label[32];
    snprintf(label, sizeof label, "Out[%d]: ", o->number);
    struct stream_options how = {.term = r->term,
                                 .out = stdout,
                                 .layout = layout_of(&r->app.opt),
                                 .verbatim = r->app.opt.plain,
                                 .pictures = o->pictures,
                                 .n_pictures = n,
                                 .label = r->script ? NULL : label,
                                 .head = draw_head,
                                 .user = o};
    o->stream = stream_new(&how);
}

static int on_event(const struct phi3v_event *event, void *user)
{
    struct output *o = user;
    if (line_stop_answering(o->r->term) && o->stream) stream_redraw(o->stream);
    if (event->type == PHI3V_EVENT_TEXT) {
        if (o->first_token_s == 0) o->first_token_s = now_s() - o->begun;
        progress_clear(&o->r->app.progress);
        if (o->stream)
            stream_text(o->stream, event->text, event->n_text_bytes);
        else if (!o->r->app.opt.json)
            fwrite(event->text, 1, event->n_text_bytes, stdout);
        o->last = event->text[event->n_text_bytes - 1];
        if (!o->stream && !o->r->app.opt.json) fflush(stdout);
    }
    return app_on_progress(event, &o->r->app);
}

static void output_end(struct output *o, bool answered)
{
    progress_clear(&o->r->app.progress);
    if (o->stream)
        stream_end(o->stream);
    else if (answered && !o->r->app.opt.json && o->last != '\n')
        putchar('\n');
    fflush(stdout);
    stream_free(o->stream);
    free(o->pictures);
}

static void print_json(struct repl *r, int i, const phi3v_prompt *prompt,
                       const struct phi3v_result *result)
{
    int n;
    double decode_s = 0;
    int *pictures = book_prompt_pictures(&r->book, i, &n);
    const char **sources = xcalloc((size_t)n, sizeof *sources);
    for (int k = 0; k < n; k++) {
        const struct media *m = &r->book.handles.v[pictures[k]].media;
        sources[k] = m->source;
        decode_s += m->decode_s;
    }
    json_t *line = answer_json(&r->app, prompt, result, sources, decode_s);
    json_object_set_new(line, "cell", json_integer(i + 1));
    json_object_set_new(line, "state",
                        json_string(state_name(book_state(&r->book, i, r->app.opt.system))));
    json_print(stdout, line);
    json_decref(line);
    free(sources);
    free(pictures);
}

/* -- One answer ----------------------------------------------------------------------------- */

void run_add_up(struct repl *r, const struct phi3v_timing *t)
{
    if (t->vision_crops > 0) r->s_per_crop = t->vision_s / t->vision_crops;
    if (t->prefill_tokens > 0) r->s_per_token = t->prefill_s / (double)t->prefill_tokens;
    r->total.vision_s += t->vision_s;
    r->total.prefill_s += t->prefill_s;
    r->total.decode_s += t->decode_s;
    r->total.prefill_tokens += t->prefill_tokens;
    r->total.cached_tokens += t->cached_tokens;
    r->total.decode_tokens += t->decode_tokens;
    r->total.vision_crops += t->vision_crops;
    r->n_answers++;
}

/* Puts the answer into the cell; go_on: behind what is there. */
static void keep_answer(struct repl *r, int i, const struct phi3v_result *result,
                        const struct options *opt, bool go_on)
{
    struct cell *c = &r->book.v[i];
    if (!go_on) {
        free(c->answer);
        c->answer = NULL;
        c->n_ids = 0;
    }
    struct text answer = {0};
    if (c->answer) text_add(&answer, c->answer);
    if (result->text) text_addn(&answer, result->text, result->n_text_bytes);
    free(c->answer);
    c->answer = text_take(&answer);
    c->ids = xgrow(c->ids, c->n_ids + result->n_answer_ids, sizeof *c->ids);
    if (result->n_answer_ids)
        memcpy(c->ids + c->n_ids, result->ids, result->n_answer_ids * sizeof *c->ids);
    c->n_ids += result->n_answer_ids;
    c->interrupted = result->finish == PHI3V_FINISH_INTERRUPTED;
    c->finish = result->finish;
    c->timing = result->timing;
    c->seed = opt->seed;
    free(c->error);
    c->error = NULL;
    json_decref(c->saved);
    c->saved = NULL;
    c->context = book_context(&r->book, i, r->app.opt.system);
    r->book.changed = true;
    run_add_up(r, &result->timing);
}

static void tell_end(struct repl *r, const struct cell *c)
{
    if (r->app.opt.json) return;
    if (c->finish == PHI3V_FINISH_INTERRUPTED)
        fprintf(r->say, "(interrupted; :more goes on)\n");
    else if (c->finish == PHI3V_FINISH_LENGTH)
        fprintf(r->say, "(stopped at the longest allowed length; :more goes on)\n");
}

static int answer_prompt(struct repl *r, int i, const phi3v_prompt *prompt,
                         const struct options *opt, bool go_on, struct phi3v_error *err)
{
    struct phi3v_params params;
    struct phi3v_result result = {.size = sizeof result};
    const char **stop = xcalloc(opt->stop.n + 1, sizeof *stop);
    options_params(opt, &params, stop);
    struct output o = {.r = r, .cell = &r->book.v[i], .number = i + 1};
    interrupt_clear();
    enum term_mode mode = term_mode(r->term, TERM_QUIET);
    output_begin(&o, go_on);
    int rc = phi3v_generate(r->app.session, prompt, &params, on_event, &o, &result, err);
    output_end(&o, !rc);
    term_mode(r->term, mode);
    free(stop);
    if (rc) return rc;
    keep_answer(r, i, &result, opt, go_on);
    r->book.v[i].first_token_s = o.first_token_s;
    if (r->app.opt.json) print_json(r, i, prompt, &result);
    tell_end(r, &r->book.v[i]);
    phi3v_result_fini(&result);
    return r->book.v[i].interrupted;
}

static int generate(struct repl *r, int i, const struct options *opt, bool go_on,
                    struct phi3v_error *err)
{
    phi3v_prompt *prompt;
    int rc = book_prompt(&r->book, i, r->app.model, opt, go_on, &prompt, err);
    if (rc) return rc;
    rc = answer_prompt(r, i, prompt, opt, go_on, err);
    phi3v_prompt_free(prompt);
    return rc;
}

/* -- Cells ---------------------------------------------------------------------------------- */

static bool uses(const struct cell *c, int handle)
{
    for (int i = 0; i < c->n_pictures; i++)
        if (c->pictures[i] == handle) return true;
    return false;
}

/* The pictures a sent cell took are staged no longer; those it did not name stay. */
static void unstage_used(struct book *b, const struct cell *c)
{
    int kept = 0;
    for (int i = 0; i < b->n_staged; i++)
        if (!uses(c, b->staged[i])) b->staged[kept++] = b->staged[i];
    b->n_staged = kept;
}

/* Trouble that leaves the cell in the notebook, marked: the prompt was fine, the machine was not.
 */
static bool keeps_cell(int rc)
{
    return rc == PHI3V_E_MEMORY || rc == PHI3V_E_DEVICE || rc == PHI3V_E_UNSUPPORTED;
}

int run_prompt(struct repl *r, const char *typed, struct phi3v_error *err)
{
    struct book *b = &r->book;
    int i = b->n, n_handles = b->handles.n;
    book_remember(b, i);
    struct cell *c = book_append(b);
    c->typed = xstrdup(typed);
    int rc = book_expand(b, c, &r->app.opt, err);
    if (!rc) rc = generate(r, i, &r->app.opt, false, err);
    c = &b->v[i];
    if (rc < 0 && !keeps_cell(rc)) {
        book_undo(b);
        handles_truncate(&b->handles, n_handles);
        free(r->returned);
        r->returned = line_of_typed(typed);
        return rc;
    }
    if (rc < 0) c->error = xstrdup(err->text);
    c->commands = b->commands;
    b->commands = (struct strings){0};
    unstage_used(b, c);
    autosave_write(r);
    return rc;
}

/* The commands at the head of a cell from a file, once. known: the cell's pictures stand in the
 * file's metadata, so that they are not loaded again. */
static int run_head(struct repl *r, int i, bool known, struct phi3v_error *err)
{
    struct book *b = &r->book;
    int rc = 0;
    r->from_file = true;
    for (size_t k = 0; k < b->v[i].commands.n && !rc; k++)
        if (!known || strncmp(b->v[i].commands.v[k], ":load", 5) != 0)
            rc = command_line(r, b->v[i].commands.v[k], err);
    r->from_file = false;
    return rc;
}

/* Reads the text of a cell for the first time; it takes the staged pictures it uses. */
static int expand_first(struct repl *r, int i, struct phi3v_error *err)
{
    struct book *b = &r->book;
    int rc = book_expand(b, &b->v[i], &r->app.opt, err);
    unstage_used(b, &b->v[i]);
    return rc;
}

int run_commands(struct repl *r, int i, struct phi3v_error *err)
{
    struct cell *c = &r->book.v[i];
    if (!c->pending) return 0;
    bool known = c->text != NULL;
    int rc = run_head(r, i, known, err);
    if (!rc && !known) rc = expand_first(r, i, err);
    if (!rc) r->book.v[i].pending = false;
    return rc;
}

int run_again(struct repl *r, int i, const struct options *opt, struct phi3v_error *err)
{
    struct book *b = &r->book;
    book_remember(b, i);
    int rc = run_commands(r, i, err);
    if (!rc) rc = generate(r, i, opt, false, err);
    if (rc < 0) {
        book_undo(b);
        return rc;
    }
    autosave_write(r);
    return rc;
}

/* The cell's own pictures count as staged while its new text is read. */
static int expand_edited(struct repl *r, struct cell *c, struct phi3v_error *err)
{
    struct book *b = &r->book;
    int *staged = b->staged, n_staged = b->n_staged;
    b->staged = xalloc((size_t)c->n_pictures * sizeof *b->staged);
    if (c->n_pictures) memcpy(b->staged, c->pictures, (size_t)c->n_pictures * sizeof *b->staged);
    b->n_staged = c->n_pictures;
    int rc = book_expand(b, c, &r->app.opt, err);
    free(b->staged);
    b->staged = staged;
    b->n_staged = n_staged;
    return rc;
}

int run_edited(struct repl *r, int i, const char *typed, struct phi3v_error *err)
{
    struct book *b = &r->book;
    int n_handles = b->handles.n;
    book_remember(b, i);
    bool first = b->v[i].pending && !b->v[i].text; // the old text is never read then
    int rc = b->v[i].pending ? run_head(r, i, !first, err) : 0;
    free(b->v[i].typed);
    b->v[i].typed = xstrdup(typed);
    if (!rc) rc = first ? expand_first(r, i, err) : expand_edited(r, &b->v[i], err);
    if (!rc) b->v[i].pending = false;
    if (!rc) rc = generate(r, i, &r->app.opt, false, err);
    if (rc < 0) {
        book_undo(b);
        handles_truncate(&b->handles, n_handles);
        return rc;
    }
    autosave_write(r);
    return rc;
}

int run_more(struct repl *r, int i, struct phi3v_error *err)
{
    struct book *b = &r->book;
    if (!b->v[i].answer)
        return refuse(err, PHI3V_E_ARGUMENT, "cell %d has no answer to go on from: :run %d", i + 1,
                      i + 1);
    if (b->v[i].finish == PHI3V_FINISH_STOP)
        return refuse(err, PHI3V_E_ARGUMENT, "the answer of cell %d is complete", i + 1);
    book_remember(b, i);
    int rc = generate(r, i, &r->app.opt, true, err);
    if (rc < 0)
        book_undo(b);
    else
        autosave_write(r);
    return rc;
}

void run_redraw(struct repl *r)
{
    const struct term_facts *facts = r->term ? term_facts(r->term) : NULL;
    if (!facts || !facts->is_tty || facts->is_dumb) return;
    fputs("\033[H\033[2J", stdout);
    const struct cell *c = r->book.n > 0 ? &r->book.v[r->book.n - 1] : NULL;
    if (c && c->answer) {
        struct output o = {.r = r, .cell = c, .number = r->book.n};
        draw_head(stdout, &o);
        output_begin(&o, false);
        if (o.stream) stream_text(o.stream, c->answer, strlen(c->answer));
        output_end(&o, true);
    }
    fflush(stdout);
}

void run_tell_stale(struct repl *r, int i)
{
    int first = 0, last = 0;
    for (int k = i + 1; k < r->book.n; k++) {
        if (book_state(&r->book, k, r->app.opt.system) != CELL_STALE) continue;
        if (!first) first = k + 1;
        last = k + 1;
    }
    if (!first || r->app.opt.json) return;
    if (first == last)
        fprintf(r->say, "(cell %d is stale now; :run %d)\n", first, first);
    else
        fprintf(r->say, "(cells %d-%d are stale now; :run %d-%d)\n", first, last, first, last);
}
