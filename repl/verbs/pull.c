/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope pull: fetches a model from the Hugging Face hub into the cache shared with Python. Also
 * the offer to do so when a model that is not here is named. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "net/hub.h"
#include "term/clean.h"
#include "term/out.h"
#include "term/progress.h"
#include "tty/interrupt.h"
#include "verbs/model_choice.h"
#include "verbs/pull.h"
#include "verbs/verbs.h"

static int show(const struct hub_progress *p, void *user)
{
    struct progress *line = user;
    char detail[80] = "", *file = p->file ? clean_string(p->file, CLEAN_NAME) : NULL;
    if (p->waiting)
        snprintf(detail, sizeof detail, "(%s)", p->waiting);
    else if (file)
        snprintf(detail, sizeof detail, "%d/%d %.40s %.0f %%", p->n_files_done + 1, p->n_files,
                 file, p->file_size ? 100 * (double)p->file_done / (double)p->file_size : 100);
    progress_detail(line, detail);
    progress_update(line, "pulling", PROGRESS_BYTES, p->done, p->size);
    free(file);
    return interrupt_requested();
}

/* Pulls with progress on stderr; Ctrl-C stops it. */
static int pull(const char *name, const struct hub_env *env, struct hub_pulled *ret,
                struct phi3v_error *err)
{
    struct progress line;
    progress_init(&line, stderr, 0, false);
    const struct hub_options how = {.env = env, .on_progress = show, .user = &line};
    int rc = hub_pull(name, &how, ret, err);
    progress_clear(&line);
    return rc;
}

static int find_env(const struct options *opt, struct hub_env *ret, struct phi3v_error *err)
{
    int rc = hub_env_init(ret, err);
    if (!rc) ret->offline |= opt->set.offline;
    return rc;
}

/* -- The verb --------------------------------------------------------------------------------- */

static void report(const struct options *opt, const char *name, const struct hub_pulled *p)
{
    if (opt->json) {
        json_t *line = json_pack("{s:o,s:o,s:s,s:i,s:I,s:I}", "name", json_text(name), "path",
                                 json_text(p->path), "commit", p->commit, "files", p->n_files,
                                 "bytes", (json_int_t)p->size, "fetched", (json_int_t)p->fetched);
        verb_report_json(line);
        json_decref(line);
        return;
    }
    char size[32], fetched[32];
    struct out out;
    fprintf(stderr, "phiscope: %d files, %s, of which %s fetched now\n", p->n_files,
            human_bytes((double)p->size, size, sizeof size),
            human_bytes((double)p->fetched, fetched, sizeof fetched));
    out_init(&out, stdout, NULL);
    out_name(&out, p->path);
    out_text(&out, "\n", 1);
}

static int status_of(int code)
{
    return code == PHI3V_E_CANCELLED  ? EXIT_INTERRUPTED
           : code == PHI3V_E_ARGUMENT ? EXIT_USAGE
           : code == PHI3V_E_MODEL    ? EXIT_MODEL
                                      : EXIT_INPUT;
}

int pull_main(struct options *opt, int argc, char **argv)
{
    char **words;
    int n, status = verb_options(opt, argc, argv, &words, &n);
    if (status >= 0) return status;
    if (n != 1)
        return verb_misuse(opt, "pull needs one name: ORG/NAME, with @REVISION if you like");
    struct hub_pulled pulled = {0};
    struct phi3v_error err;
    struct hub_env env;
    interrupt_catch();
    int rc = find_env(opt, &env, &err);
    if (!rc) {
        rc = pull(words[0], &env, &pulled, &err);
        hub_env_fini(&env);
    }
    if (rc) return verb_report_error(opt, &err, status_of(rc));
    report(opt, words[0], &pulled);
    hub_pulled_fini(&pulled);
    return EXIT_FINE;
}

/* -- The offer -------------------------------------------------------------------------------- */

/* A line that begins with y or Y means yes; anything else, end of input and Ctrl-C mean no. */
static bool says_yes(void)
{
    char line[64] = "";
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    while (!interrupt_requested())
        if (poll(&p, 1, 100) > 0) break;
    if (!interrupt_requested() && read(STDIN_FILENO, line, sizeof line - 1) <= 0) line[0] = 0;
    if (interrupt_requested()) fputc('\n', stderr);
    return line[0] == 'y' || line[0] == 'Y';
}

static bool asks(const char *name, const struct hub_env *env, int64_t missing)
{
    char size[32];
    struct out out;
    out_init(&out, stderr, NULL);
    out_name(&out, name);
    out_format(&out, " is not here. Fetch it, %s, from ",
               human_bytes((double)missing, size, sizeof size));
    out_name(&out, env->endpoint);
    out_text(&out, "? [y/N] ", 8);
    out_flush(&out);
    return says_yes();
}

/* Whether it is a name of the hub that neither a folder nor the cache has. */
static bool is_missing(const char *name, const struct hub_env *env)
{
    char *path = NULL;
    struct hub_name parsed = {0};
    bool is_name = hub_name_parse(name, env, &parsed, NULL) == 0;
    hub_name_fini(&parsed);
    if (!is_name) return false;
    bool found = phi3v_model_find(name, model_choice_dirs(), &path, NULL) == 0;
    phi3v_string_free(path);
    return !found;
}

int pull_offer(const struct options *opt, struct phi3v_error *err)
{
    const char *name = model_choice_name(opt);
    struct hub_env env;
    if (!name || opt->connect || opt->json || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return 0;
    if (find_env(opt, &env, NULL)) return 0;
    interrupt_catch();
    int rc = 0;
    int64_t size = 0, missing = 0;
    const struct hub_options how = {.env = &env};
    if (!env.offline && is_missing(name, &env) && !hub_size(name, &how, &size, &missing, NULL) &&
        asks(name, &env, missing)) {
        struct hub_pulled pulled = {0};
        rc = pull(name, &env, &pulled, err);
        hub_pulled_fini(&pulled);
    }
    hub_env_fini(&env);
    return rc;
}
