/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope kernel: installs the Jupyter kernel, or runs as one. */
#define _GNU_SOURCE
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/must.h"
#include "kernel/kernel.h"
#include "term/out.h"
#include "verbs/model_choice.h"
#include "verbs/verbs.h"

static int install(const struct options *opt)
{
    char exe[PATH_MAX], *path;
    struct phi3v_error err;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n < 0) return verb_misuse(opt, "this program's own path is not known");
    exe[n] = 0;
    int rc = kernel_install(exe, opt->user || !opt->prefix, opt->prefix, &path, &err);
    if (rc) return verb_report_error(opt, &err, EXIT_INPUT);
    struct out out;
    out_init(&out, stdout, NULL);
    out_format(&out, "%s\n", path);
    out_flush(&out);
    free(path);
    return EXIT_FINE;
}

int kernel_main(struct options *opt, int argc, char **argv)
{
    char **words;
    struct phi3v_error err;
    int n, status = verb_options(opt, argc, argv, &words, &n);
    if (status >= 0) return status;
    if (n == 1 && !strcmp(words[0], "install")) return install(opt);
    if (n != 0 || !opt->connection)
        return verb_misuse(opt, "kernel needs install [--prefix DIR], or -f CONNECTION_FILE");
    char *key, *name = model_choice_engine(opt);
    int rc = model_choice_api_key(opt, &key, &err);
    const struct nb_options how = {
        .settings = &opt->set, .model_dirs = model_choice_dirs(), .api_key = key};
    if (!rc) rc = kernel_run(opt->connection, &how, name, &err);
    free(key);
    free(name);
    if (!rc) return EXIT_FINE;
    return verb_report_error(opt, &err, rc == PHI3V_E_IO ? EXIT_INPUT : verb_model_status(rc));
}
