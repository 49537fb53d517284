/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope ask: one answer to stdout. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verbs/answer.h"
#include "tty/interrupt.h"
#include "notebook/media.h"
#include "term/stream.h"
#include "term/term.h"
#include "verbs/verbs.h"
#include "notebook/words.h"

enum { MAX_PROMPT_BYTES = 16 << 20 };

struct ask {
    struct app app;
    char *text;           // the prompt as given
    struct media *images; // opt.images, decoded
    size_t n_images;
    struct term *term;     // of stdout, or NULL
    struct stream *stream; // with term
    char last;             // last byte written
};

/* -- Input ---------------------------------------------------------------------------------- */

static int read_prompt(struct ask *k, const char *word, struct phi3v_error *err)
{
    if (strcmp(word, "-") != 0) {
        k->text = xstrdup(word);
        return 0;
    }
    size_t n;
    int rc = load_file("-", MAX_PROMPT_BYTES, &k->text, &n, err);
    if (rc) return rc;
    if (memchr(k->text, 0, n))
        return refuse(err, PHI3V_E_IO,
                      "standard input has a zero byte: a prompt is text (-i - reads a picture)");
    /* a formatted prompt ends with the line break after <|assistant|> */
    if (!k->app.opt.raw && n > 0 && k->text[n - 1] == '\n') k->text[n - 1] = 0;
    return 0;
}

static int load_images(struct ask *k, struct phi3v_error *err)
{
    const struct strings *list = &k->app.opt.images;
    k->images = xcalloc(list->n, sizeof *k->images);
    for (; k->n_images < list->n; k->n_images++) {
        int rc = media_load(list->v[k->n_images], &k->app.opt, true, &k->images[k->n_images], err);
        if (rc) return rc;
    }
    return 0;
}

/* -- Prompt --------------------------------------------------------------------------------- */

static int build_prompt(struct ask *k, phi3v_prompt **ret, struct phi3v_error *err)
{
    const struct options *opt = &k->app.opt;
    phi3v_image **images = xcalloc(k->n_images, sizeof *images);
    for (size_t i = 0; i < k->n_images; i++) images[i] = k->images[i].image;
    int rc, n = (int)k->n_images;
    if (opt->raw) {
        rc = phi3v_prompt_raw(k->app.model, k->text, images, n, opt->num_crops, ret, err);
    } else if (n == 0 && has_image_tag(k->text)) {
        rc = refuse(err, PHI3V_E_PROMPT, "the prompt names a picture, but none is given: -i FILE");
    } else {
        char *text = with_image_tags(k->text, k->n_images);
        struct phi3v_turn turns[2] = {
            {.role = "system", .text = opt->system},
            {.role = "user", .text = text, .images = images, .n_images = n}};
        int skip = !*opt->system;
        rc = phi3v_prompt_chat(k->app.model, turns + skip, 2 - skip, opt->num_crops, ret, err);
        free(text);
    }
    free(images);
    return rc;
}

/* -- Answer --------------------------------------------------------------------------------- */

static void begin_output(struct ask *k)
{
    if (k->app.opt.json || !isatty(STDOUT_FILENO)) return;
    struct term_options how = {.in_fd = STDIN_FILENO,
                               .out_fd = STDOUT_FILENO,
                               .plain = k->app.opt.plain,
                               .graphics = "none",
                               .silent = true};
    k->term = term_open(&how);
    struct stream_options show = {
        .term = k->term, .out = stdout, .layout = STREAM_NO_PICTURES, .verbatim = k->app.opt.plain};
    k->stream = k->term ? stream_new(&show) : NULL;
}

static int on_event(const struct phi3v_event *event, void *user)
{
    struct ask *k = user;
    if (event->type == PHI3V_EVENT_TEXT && !k->app.opt.json) {
        progress_clear(&k->app.progress);
        if (k->stream) {
            stream_text(k->stream, event->text, event->n_text_bytes);
        } else {
            fwrite(event->text, 1, event->n_text_bytes, stdout);
            fflush(stdout);
        }
        k->last = event->text[event->n_text_bytes - 1];
    }
    return app_on_progress(event, &k->app);
}

static void end_output(struct ask *k)
{
    if (k->stream)
        stream_end(k->stream);
    else if (!k->app.opt.json && k->last != '\n')
        putchar('\n');
    stream_free(k->stream);
    term_close(k->term);
}

static void print_json(const struct ask *k, const phi3v_prompt *prompt,
                       const struct phi3v_result *result)
{
    const char **sources = xcalloc(k->n_images, sizeof *sources);
    double decode_s = 0;
    for (size_t i = 0; i < k->n_images; i++) {
        sources[i] = k->images[i].source;
        decode_s += k->images[i].decode_s;
    }
    json_t *line = answer_json(&k->app, prompt, result, sources, decode_s);
    json_print(stdout, line);
    json_decref(line);
    free(sources);
}

static int answer(struct ask *k, const phi3v_prompt *prompt, struct phi3v_error *err)
{
    struct phi3v_params params;
    const char **stop = xcalloc(k->app.opt.stop.n + 1, sizeof *stop);
    options_params(&k->app.opt, &params, stop);
    progress_init(&k->app.progress, stderr, 0, false);
    begin_output(k);
    struct phi3v_result result = {.size = sizeof result};
    int rc = phi3v_generate(k->app.session, prompt, &params, on_event, k, &result, err);
    progress_clear(&k->app.progress);
    int status = EXIT_FINE;
    if (rc) {
        stream_free(k->stream);
        term_close(k->term);
        status = app_report(&k->app.opt, err, app_status(rc));
    } else {
        end_output(k);
        if (k->app.opt.json) print_json(k, prompt, &result);
        if (result.finish == PHI3V_FINISH_INTERRUPTED) status = EXIT_INTERRUPTED;
        phi3v_result_fini(&result);
    }
    free(stop);
    return status;
}

/* -- Verb ----------------------------------------------------------------------------------- */

static int ask(struct ask *k, const char *word)
{
    struct phi3v_error err;
    struct options *opt = &k->app.opt;
    int rc = read_prompt(k, word, &err);
    if (rc) return app_report(opt, &err, EXIT_INPUT);
    if ((rc = load_images(k, &err)))
        return app_report(opt, &err, rc == PHI3V_E_CANCELLED ? EXIT_INTERRUPTED : EXIT_INPUT);
    if ((rc = app_open_model(&k->app, &err)))
        return app_report(opt, &err, rc == PHI3V_E_CANCELLED ? EXIT_INTERRUPTED : EXIT_MODEL);
    phi3v_prompt *prompt;
    if ((rc = build_prompt(k, &prompt, &err))) {
        int status = rc == PHI3V_E_IMAGE ? EXIT_INPUT : EXIT_CELL;
        return app_report(opt, &err, status);
    }
    int status = answer(k, prompt, &err);
    phi3v_prompt_free(prompt);
    return status;
}

int ask_main(struct options *opt, int argc, char **argv)
{
    char **words;
    int n, status = verb_options(opt, argc, argv, OPTION_COMMON, &words, &n);
    if (status >= 0) return status;
    if (n == 0)
        return verb_misuse(opt,
                           "ask wants a prompt: phiscope ask -i picture.png \"What is this?\"");
    if (n > 1)
        return verb_misuse(opt, "ask wants one prompt, in quotes; \"%s\" is another word",
                           words[1]);
    for (size_t i = 0; i < opt->images.n; i++)
        if (!strcmp(opt->images.v[i], "-") && !strcmp(words[0], "-"))
            return verb_misuse(opt, "only one of picture and prompt can come from standard input");
    interrupt_catch();
    struct ask k = {0};
    options_copy(&k.app.opt, opt);
    status = ask(&k, words[0]);
    for (size_t i = 0; i < k.n_images; i++) media_fini(&k.images[i]);
    free(k.images);
    free(k.text);
    app_close_model(&k.app);
    options_free(&k.app.opt);
    return status;
}
