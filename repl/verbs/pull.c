/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope pull: a model from the Hugging Face hub into the cache that Python uses too. */
#include <stdlib.h>

#include "common/json.h"
#include "net/hub.h"
#include "term/clean.h"
#include "term/progress.h"
#include "tty/interrupt.h"
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

int pull_model(const char *name, bool offline, struct hub_pulled *ret, struct phi3v_error *err)
{
    struct hub_env env;
    struct progress line;
    int rc = hub_env_init(&env, err);
    if (rc) return rc;
    env.offline |= offline;
    progress_init(&line, stderr, 0, false);
    const struct hub_options how = {.env = &env, .on_progress = show, .user = &line};
    rc = hub_pull(name, &how, ret, err);
    progress_clear(&line);
    hub_env_fini(&env);
    return rc;
}

static void report(const struct options *opt, const char *name, const struct hub_pulled *p)
{
    if (opt->json) {
        json_t *line = json_pack("{s:o,s:o,s:s,s:i,s:I,s:I}", "name", json_text(name), "path",
                                 json_text(p->path), "commit", p->commit, "files", p->n_files,
                                 "bytes", (json_int_t)p->size, "fetched", (json_int_t)p->fetched);
        json_print(stdout, line);
        json_decref(line);
        return;
    }
    char size[32], fetched[32], *path = clean_string(p->path, CLEAN_NAME);
    fprintf(stderr, "phiscope: %d files, %s, of which %s came now\n", p->n_files,
            human_bytes((double)p->size, size, sizeof size),
            human_bytes((double)p->fetched, fetched, sizeof fetched));
    printf("%s\n", path ? path : "");
    free(path);
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
    int n, status = verb_options(opt, argc, argv, OPTION_COMMON, &words, &n);
    if (status >= 0) return status;
    if (n != 1)
        return verb_misuse(opt, "pull needs one name: ORG/NAME, with @REVISION if you like");
    struct hub_pulled pulled = {0};
    struct phi3v_error err;
    interrupt_catch();
    int rc = pull_model(words[0], opt->set.offline, &pulled, &err);
    if (rc) return app_report(opt, &err, status_of(rc));
    report(opt, words[0], &pulled);
    hub_pulled_fini(&pulled);
    return EXIT_FINE;
}
