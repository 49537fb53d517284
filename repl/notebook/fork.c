/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "notebook/core.h"
#include "notebook/fork.h"

/* -- The line --------------------------------------------------------------------------------- */

/* Reads a number of at most nine digits; 0: none. */
static int number_of(const char *s, size_t *ret_bytes)
{
    size_t n = strspn(s, "0123456789");
    *ret_bytes = n;
    return n >= 1 && n <= 9 ? atoi(s) : 0;
}

bool fork_read(const char *args, struct fork *ret)
{
    size_t n;
    *ret = (struct fork){.cell = number_of(args, &n)};
    args += n;
    if (!ret->cell || !*args) return ret->cell > 0;
    if (*args++ != '@') return false;
    ret->token = (size_t)number_of(args, &n);
    args += n;
    if (!ret->token || !*args) return ret->token > 0;
    if (*args++ != '=' || !*args) return false;
    ret->text = args;
    return true;
}

bool fork_of_line(const char *line, struct fork *ret)
{
    static const char command[] = ":fork ";
    return !strncmp(line, command, sizeof command - 1) &&
           fork_read(line + sizeof command - 1 + strspn(line + sizeof command - 1, " \t"), ret);
}

bool fork_of_lines(const struct lines *lines, struct fork *ret)
{
    for (int k = lines->n - 1; k >= 0; k--)
        if (fork_of_line(lines->v[k].text, ret)) return true;
    return false;
}

/* Line ends are escaped with a backslash, as in every command. */
char *fork_line(const struct fork *f)
{
    struct text t = {0};
    text_addf(&t, ":fork %d", f->cell);
    if (f->token) text_addf(&t, "@%zu", f->token);
    if (f->text) text_add(&t, "=");
    for (const char *p = f->text ? f->text : ""; *p;) {
        size_t n = strcspn(p, "\n");
        text_addn(&t, p, n);
        if (p[n]) text_add(&t, "\\\n");
        p += n + (p[n] != 0);
    }
    return text_take(&t);
}

bool fork_lines(const struct notebook *nb, int of, struct lines *to)
{
    const struct lines *from = &nb->book.v[of].lines;
    struct fork f;
    bool whole = true;
    for (int k = 0; k < from->n && whole; k++)
        if (!fork_of_line(from->v[k].text, &f))
            whole = lines_add(to, from->v[k].text, from->v[k].origin, &from->v[k].images);
    return whole;
}

/* -- Checks ----------------------------------------------------------------------------------- */

int fork_check(const struct notebook *nb, int i, const struct fork *f, struct phi3v_error *err)
{
    if (f->cell < 1 || f->cell > i)
        return refuse(err, PHI3V_E_ARGUMENT, "there is no cell %d above to stand in the place of",
                      f->cell);
    const struct cell *of = &nb->book.v[f->cell - 1];
    if (!f->token) return 0;
    if (!of->answer || !of->ids)
        return refuse(err, PHI3V_E_ARGUMENT, "the tokens of cell %d are not known: :run %d first",
                      f->cell, f->cell);
    if (f->token > of->n_ids)
        return refuse(err, PHI3V_E_ARGUMENT, "the answer of cell %d has %zu tokens: :alt %d",
                      f->cell, of->n_ids, f->cell);
    return 0;
}
