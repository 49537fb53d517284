/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope ask: one answer to standard output. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/files.h"
#include "common/json.h"
#include "notebook/source.h"
#include "tty/interrupt.h"
#include "verbs/plain.h"
#include "verbs/model_choice.h"
#include "verbs/verbs.h"

enum { MAX_PROMPT_BYTES = 16 << 20, MAX_SCHEMA_BYTES = 4 << 20 };

/* -- Input ------------------------------------------------------------------------------------ */

static int read_prompt(const struct options *opt, const char *word, char **ret,
                       struct phi3v_error *err)
{
    size_t n = strlen(word);
    char *bytes = NULL;
    bool from_input = !strcmp(word, "-");
    int rc = from_input ? load_file("-", MAX_PROMPT_BYTES, &bytes, &n, err) : 0;
    if (rc) return rc;
    if (bytes && memchr(bytes, 0, n))
        rc = refuse(err, PHI3V_E_IO,
                    "standard input has a zero byte: a prompt is text (-i - reads a picture)");
    if (!rc) rc = source_of_file(bytes ? bytes : word, n, "the prompt", ret, err);
    free(bytes);
    if (rc) return rc;
    /* a formatted prompt ends with the line break after <|assistant|> */
    size_t end = strlen(*ret);
    if (from_input && !opt->raw && end > 0 && (*ret)[end - 1] == '\n') (*ret)[end - 1] = 0;
    return 0;
}

/* Sets the answer's schema, which is given as a file or as JSON. */
static int bind_answer(struct plain *p, const char *schema, struct phi3v_error *err)
{
    bool inlined = *schema == '{';
    char *bytes = NULL;
    size_t n = strlen(schema);
    int rc = inlined ? 0 : load_file(schema, MAX_SCHEMA_BYTES, &bytes, &n, err);
    if (rc) return rc;
    json_t *json = json_parse(bytes ? bytes : schema, n, inlined ? "--json-schema" : schema, err);
    rc = json ? nb_bind(p->nb, json, err) : PHI3V_E_IO;
    json_decref(json);
    free(bytes);
    return rc;
}

/* Looks at the first bytes of standard input without consuming them: unless they are a picture,
 * they may belong to somebody else, such as a shell loop that reads a list. */
static size_t peek_input(char *bytes, size_t n)
{
    enum { WAIT_MS = 300 };
    struct stat st;
    int between[2];
    if (fstat(STDIN_FILENO, &st)) return 0;
    ssize_t got = 0;
    if (S_ISREG(st.st_mode)) {
        got = pread(STDIN_FILENO, bytes, n, lseek(STDIN_FILENO, 0, SEEK_CUR));
    } else if (S_ISFIFO(st.st_mode) && !pipe2(between, O_CLOEXEC)) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&in, 1, WAIT_MS) > 0) got = tee(STDIN_FILENO, between[1], n, SPLICE_F_NONBLOCK);
        if (got > 0) got = read(between[0], bytes, n);
        close(between[0]);
        close(between[1]);
    }
    return got > 0 ? (size_t)got : 0;
}

static bool is_picture_piped(void)
{
    static const struct {
        const char *magic;
        size_t at, n;
    } known[] = {{"\x89PNG", 0, 4}, {"\xFF\xD8\xFF", 0, 3}, {"GIF8", 0, 4},  {"WEBP", 8, 4},
                 {"BM", 0, 2},      {"II*\0", 0, 4},        {"MM\0*", 0, 4}, {"ftyp", 4, 4}};
    char bytes[16] = {0};
    size_t n = peek_input(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n >= known[i].at + known[i].n &&
            !memcmp(bytes + known[i].at, known[i].magic, known[i].n))
            return true;
    return false;
}

/* Loads pictures before the model, so that a wrong path is reported at once. */
static int stage_pictures(struct plain *p, const struct options *opt, bool prompt_from_input,
                          struct phi3v_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < opt->images.n && !rc; i++) rc = nb_stage(p->nb, opt->images.v[i], err);
    if (!opt->images.n && !prompt_from_input && is_picture_piped()) rc = nb_stage(p->nb, "-", err);
    return rc;
}

/* -- Verb ------------------------------------------------------------------------------------- */

static int answer(struct plain *p, const struct options *opt, const char *text,
                  struct nb_result *ret, struct phi3v_error *err)
{
    return opt->raw ? nb_answer_raw(p->nb, text, &opt->images, ret, err)
                    : nb_ask(p->nb, text, NB_TYPED, ret, err);
}

/* Reports JSON that was cut off, which is invalid. With --json the printed object already says
 * so. */
static int report_cut(const struct options *opt)
{
    struct phi3v_error err;
    refuse(&err, PHI3V_E_TOO_LONG,
           "the answer is cut off before its JSON is complete: --max-new-tokens N allows more "
           "than %d tokens",
           opt->set.max_new_tokens);
    return opt->json ? EXIT_CELL : verb_report_error(opt, &err, EXIT_CELL);
}

static int ask(struct plain *p, const struct options *opt, const char *word)
{
    struct phi3v_error err;
    struct nb_result result = {0};
    char *text;
    interrupt_ends_reads(true);
    int rc = read_prompt(opt, word, &text, &err);
    if (rc)
        return interrupt_requested() ? EXIT_INTERRUPTED : verb_report_error(opt, &err, EXIT_INPUT);
    int status = EXIT_FINE;
    if (opt->json_schema) rc = bind_answer(p, opt->json_schema, &err);
    if (!rc && !opt->raw) rc = stage_pictures(p, opt, !strcmp(word, "-"), &err);
    interrupt_ends_reads(false);
    if (rc) status = verb_input_status(rc);
    if (!rc && (rc = model_choice_open(opt, p->nb, &err))) status = verb_model_status(rc);
    if (!rc && (rc = answer(p, opt, text, &result, &err)))
        status = rc == PHI3V_E_IMAGE || rc == PHI3V_E_IO ? EXIT_INPUT : verb_answer_status(rc);
    free(text);
    if (rc) return verb_report_error(opt, &err, status);
    if (result.interrupted) return EXIT_INTERRUPTED;
    return opt->json_schema && p->cut_off ? report_cut(opt) : EXIT_FINE;
}

int ask_main(struct options *opt, int argc, char **argv)
{
    char **words;
    int n, status = verb_options(opt, argc, argv, &words, &n);
    if (status >= 0) return status;
    if (n == 0)
        return verb_misuse(opt, "ask needs a prompt: phiscope ask -i picture.png \"What is this?\" "
                                "(- reads it from standard input)");
    if (n > 1)
        return verb_misuse(opt, "ask takes one prompt, in quotes; \"%s\" is another word",
                           words[1]);
    for (size_t i = 0; i < opt->images.n; i++)
        if (!strcmp(opt->images.v[i], "-") && !strcmp(words[0], "-"))
            return verb_misuse(opt, "only one of picture and prompt can come from standard input");
    struct plain p;
    struct phi3v_error err;
    if (plain_open(&p, opt, true, &err)) return verb_report_error(opt, &err, EXIT_CELL);
    p.answers_alone = true;
    return plain_close(&p, ask(&p, opt, words[0]));
}
