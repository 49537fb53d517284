/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope script: runs a file as if it were typed, up to the first cell that fails. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/files.h"
#include "notebook/script.h"
#include "tty/interrupt.h"
#include "verbs/plain.h"
#include "verbs/model_choice.h"
#include "verbs/verbs.h"

static int status_of(int rc, bool interrupted)
{
    if (interrupted || rc == PHI3V_E_CANCELLED) return EXIT_INTERRUPTED;
    if (!rc) return EXIT_FINE;
    return rc == PHI3V_E_IO || rc == PHI3V_E_IMAGE ? EXIT_INPUT : EXIT_CELL;
}

static int run_cells(struct plain *p, const struct options *opt, FILE *f)
{
    struct nb_result result = {0};
    struct phi3v_error err;
    int rc = 0;
    bool first = true;
    while (!rc && !result.quit && !result.interrupted && !p->out.error) {
        char *cell;
        interrupt_ends_reads(true);
        int got = script_next(f, first, &cell, &err);
        interrupt_ends_reads(false);
        if (got < 0 && interrupt_requested())
            result.interrupted = true;
        else
            rc = got < 0 ? got : 0;
        if (got <= 0) break;
        first = false;
        rc = nb_eval(p->nb, cell, NB_TYPED, &result, &err);
        free(cell);
        if (!rc && interrupt_requested()) result.interrupted = true;
    }
    if (rc) verb_report_error(opt, &err, 0);
    return status_of(rc, result.interrupted);
}

static int run(struct plain *p, const struct options *opt, FILE *f)
{
    struct phi3v_error err;
    int status = EXIT_FINE, rc = 0;
    for (size_t i = 0; i < opt->images.n && !rc; i++)
        if ((rc = nb_stage(p->nb, opt->images.v[i], &err))) status = verb_input_status(rc);
    if (!rc && (rc = model_choice_open(opt, p->nb, &err))) status = verb_model_status(rc);
    return rc ? verb_report_error(opt, &err, status) : run_cells(p, opt, f);
}

static FILE *open_script(const char *file)
{
    struct stat st;
    FILE *f = fopen(file, "re");
    if (!f || fstat(fileno(f), &st) || !S_ISDIR(st.st_mode)) return f;
    fclose(f);
    errno = EISDIR;
    return NULL;
}

int script_run(const struct options *opt, const char *file)
{
    bool is_input = !strcmp(file, "-");
    FILE *f = is_input ? stdin : open_script(file);
    struct phi3v_error err;
    if (!f) {
        refuse(&err, PHI3V_E_IO, "cannot open %.300s: %s", file, strerror(errno));
        return verb_report_error(opt, &err, EXIT_INPUT);
    }
    struct plain p;
    int status = plain_open(&p, opt, !is_input, &err) ? verb_report_error(opt, &err, EXIT_CELL)
                                                      : plain_close(&p, run(&p, opt, f));
    if (!is_input) fclose(f);
    return status;
}

int script_main(struct options *opt, int argc, char **argv)
{
    char **words;
    int n, status = verb_options(opt, argc, argv, &words, &n);
    if (status >= 0) return status;
    if (n != 1) return verb_misuse(opt, "script needs one file, or - for standard input");
    if (has_ending(words[0], ".ipynb"))
        return verb_misuse(opt, "%.300s is a notebook: a script can :open it and :run all",
                           words[0]);
    return script_run(opt, words[0]);
}
