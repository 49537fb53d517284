/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope script: what one would type, from a file, up to the first failing cell. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tty/interrupt.h"
#include "base/json.h"
#include "notebook/repl.h"
#include "verbs/verbs.h"
#include "notebook/words.h"

/* The next complete cell; NULL at the end. A closing backslash becomes the line break. */
static char *next_cell(FILE *f)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    struct text cell = {0};
    bool more = true, any = false;
    while (more && (n = getline(&line, &cap, f)) >= 0) {
        any = true;
        if (n > 0 && line[n - 1] == '\n') line[--n] = 0;
        text_addn(&cell, line, strlen(line));
        more = line_incomplete(cell.s);
        if (!more) break;
        if (cell.s[cell.n - 1] == '\\') cell.s[--cell.n] = 0;
        text_add(&cell, "\n");
    }
    free(line);
    if (any) return text_take(&cell);
    text_free(&cell);
    return NULL;
}

static int status_of(int rc)
{
    if (rc > 0 || rc == PHI3V_E_CANCELLED) return EXIT_INTERRUPTED;
    return rc == PHI3V_E_IO || rc == PHI3V_E_IMAGE ? EXIT_INPUT : EXIT_CELL;
}

static int run_lines(struct repl *r, FILE *f)
{
    int rc = 0;
    bool first = true;
    char *cell;
    while (!rc && !r->quit && (cell = next_cell(f))) {
        struct phi3v_error err;
        bool hash_bang = first && !strncmp(cell, "#!", 2);
        first = false;
        if (!hash_bang) rc = repl_eval(r, cell, &err);
        free(cell);
        if (rc < 0) repl_report(r, &err);
        if (!rc && interrupt_requested()) rc = 1;
    }
    return rc ? status_of(rc) : EXIT_FINE;
}

int repl_script(struct repl *r, const char *file)
{
    bool is_stdin = !strcmp(file, "-");
    FILE *f = is_stdin ? stdin : fopen(file, "re");
    struct phi3v_error err;
    if (!f) {
        refuse(&err, PHI3V_E_IO, "cannot open %.300s: %s", file, strerror(errno));
        int status = app_report(&r->app.opt, &err, EXIT_INPUT);
        repl_close(r);
        return status;
    }
    r->script = true;
    r->script_stdin = is_stdin;
    r->say = stderr;
    int rc = repl_open(r, &err);
    int status =
        rc ? app_report(&r->app.opt, &err, rc == PHI3V_E_CANCELLED ? EXIT_INTERRUPTED : EXIT_MODEL)
           : run_lines(r, f);
    if (!is_stdin) fclose(f);
    repl_close(r);
    return status;
}

int script_main(struct options *opt, int argc, char **argv)
{
    char **words;
    int n, status = verb_options(opt, argc, argv, OPTION_COMMON, &words, &n);
    if (status >= 0) return status;
    if (n != 1) return verb_misuse(opt, "script wants one file, or - for standard input");
    struct repl r = {0};
    options_copy(&r.app.opt, opt);
    return repl_script(&r, words[0]);
}
