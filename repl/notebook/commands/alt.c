/* SPDX-License-Identifier: MIT
 * Commands about alternatives to an answer: :alt :ab :fork :say */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "notebook/commands.h"
#include "notebook/diff.h"
#include "notebook/fork.h"
#include "notebook/lines.h"
#include "notebook/token_text.h"
#include "notebook/run.h"

enum { USUAL_COUNT = 5, MAX_COUNT = 1000, RUNNERS_UP = 3 };

/* -- :alt ------------------------------------------------------------------------------------- */

/* Reads [n] [COUNT]. */
static int read_alt(struct call *c, int *ret_cell, int *ret_count, struct phi3v_error *err)
{
    struct words words;
    int rc = words_split(c->args, &words, err);
    if (rc) return rc;
    rc = words.n > 2 ? refuse(err, PHI3V_E_ARGUMENT, ":alt [n] [COUNT]")
                     : cell_index(c->nb, words.n ? words.v[0].text : "", ret_cell, err);
    *ret_count = USUAL_COUNT;
    if (!rc && words.n == 2) {
        const char *s = words.v[1].text;
        size_t n = strspn(s, "0123456789");
        *ret_count = n && n <= 4 && !s[n] ? atoi(s) : 0;
        if (*ret_count < 1 || *ret_count > MAX_COUNT)
            rc = refuse(err, PHI3V_E_ARGUMENT, "%.40s is no number of tokens from 1 to %d", s,
                        MAX_COUNT);
    }
    words_free(&words);
    return rc;
}

/* Shows the answer in its pieces. */
static int show_certainty(struct notebook *nb, int i, const size_t *ends, struct phi3v_error *err)
{
    const struct cell *c = &nb->book.v[i];
    struct nb_piece *pieces = memory_zero(c->n_ids + 1, sizeof *pieces);
    char *text = text_format("%s\n", c->answer);
    if (!pieces || !text) {
        free(pieces);
        free(text);
        return memory_error(err);
    }
    size_t at = 0, all = strlen(text);
    for (size_t k = 0; k < c->n_ids; k++) {
        pieces[k] =
            (struct nb_piece){ends[k] - at, (float)certainty_probability(&c->certainty.v[k])};
        at = ends[k];
    }
    pieces[c->n_ids].n_bytes = all - at;
    nb->front.output(nb->front.user, &(struct nb_output){.kind = NB_CERTAINTY,
                                                         .cell = i + 1,
                                                         .text = text,
                                                         .n_bytes = all,
                                                         .pieces = pieces,
                                                         .n_pieces = (int)c->n_ids + 1});
    free(pieces);
    free(text);
    return 0;
}

static void add_percent(struct text *t, double p)
{
    if (p > 0 && p < 0.01)
        text_add(t, "<1%");
    else
        text_addf(t, "%.0f%%", floor(100 * p + 0.5));
}

/* In quotes, to make blanks visible; a line end becomes \n. */
static void add_token(struct text *t, const char *s)
{
    text_add(t, "\"");
    for (; *s; s++) {
        if (*s == '\n')
            text_add(t, "\\n");
        else
            text_addn(t, s, 1);
    }
    text_add(t, "\"");
}

static int add_runners_up(struct text *t, const struct notebook *nb, const struct cell *c, size_t k,
                          struct phi3v_error *err)
{
    const struct certain_token *token = &c->certainty.v[k];
    int n = 0;
    for (int j = 0; j < CERTAINTY_TOP && n < RUNNERS_UP; j++) {
        const struct phi3v_logprob *other = &token->top[j];
        if (other->id < 0 || other->id == c->ids[k]) continue;
        char *says;
        int rc = token_text_next(nb, c->ids, k, other->id, &says, err);
        if (rc) return rc;
        text_add(t, n++ ? ", " : "   not ");
        add_token(t, says);
        text_add(t, " ");
        add_percent(t, exp((double)other->logprob));
        phi3v_string_free(says);
    }
    return 0;
}

/* Reports one of the least certain tokens, its place in the answer, and its runners-up. */
static int say_token(struct notebook *nb, const struct cell *c, size_t k, struct phi3v_error *err)
{
    struct text t = {0};
    char *says;
    int rc = token_text_next(nb, c->ids, k, c->ids[k], &says, err);
    if (rc) return rc;
    text_addf(&t, "@%-5zu", k + 1);
    add_token(&t, says);
    text_add(&t, " ");
    add_percent(&t, certainty_probability(&c->certainty.v[k]));
    phi3v_string_free(says);
    rc = add_runners_up(&t, nb, c, k, err);
    text_add(&t, "\n");
    if (!rc && t.failed) rc = memory_error(err);
    if (!rc) report_text(nb, &t);
    text_free(&t);
    return rc;
}

struct place {
    double probability;
    size_t token;
};

static int less_certain_first(const void *x, const void *y)
{
    const struct place *a = x, *b = y;
    if (a->probability != b->probability) return a->probability < b->probability ? -1 : 1;
    return a->token < b->token ? -1 : 1;
}

static int say_least(struct notebook *nb, const struct cell *c, int count, struct phi3v_error *err)
{
    struct place *places = memory_zero(c->n_ids, sizeof *places);
    size_t n = 0;
    int rc = places ? 0 : memory_error(err);
    for (size_t k = 0; places && k < c->n_ids; k++)
        if (!isnan(c->certainty.v[k].logprob))
            places[n++] = (struct place){certainty_probability(&c->certainty.v[k]), k};
    if (n > 1) qsort(places, n, sizeof *places, less_certain_first);
    for (size_t k = 0; k < n && k < (size_t)count && !rc; k++)
        rc = say_token(nb, c, places[k].token, err);
    free(places);
    return rc;
}

int command_alt(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    int i, count, rc = read_alt(c, &i, &count, err);
    if (rc) return rc;
    const struct cell *cell = &nb->book.v[i];
    if (!cell->answer || cell->certainty.n != cell->n_ids ||
        isnan(certainty_least(&cell->certainty)))
        return refuse(err, PHI3V_E_ARGUMENT,
                      "how certain answer %d was is not known: :set certainty on, then :run %d",
                      i + 1, i + 1);
    size_t *ends = memory_zero(cell->n_ids, sizeof *ends);
    rc = ends ? token_text_ends(nb, cell, ends, err) : memory_error(err);
    if (!rc) rc = show_certainty(nb, i, ends, err);
    if (!rc) rc = say_least(nb, cell, count, err);
    if (!rc) note(nb, "(:fork %d@TOKEN=TEXT goes on from another word)", i + 1);
    free(ends);
    return rc;
}

/* -- :ab -------------------------------------------------------------------------------------- */

static int show_diff(struct notebook *nb, int before, int after, struct phi3v_error *err)
{
    struct diff d;
    int rc = diff_words(nb->book.v[before].answer, nb->book.v[after].answer, &d, err);
    if (rc) return rc;
    char *marked = diff_text(&d), *text = marked ? text_format("%s\n", marked) : NULL;
    if (text)
        nb->front.output(nb->front.user, &(struct nb_output){.kind = NB_DIFF,
                                                             .text = text,
                                                             .n_bytes = strlen(text),
                                                             .changes = d.v,
                                                             .n_changes = d.n,
                                                             .before = before + 1,
                                                             .after = after + 1});
    free(marked);
    free(text);
    diff_free(&d);
    return text ? 0 : memory_error(err);
}

int command_ab(struct call *c, struct phi3v_error *err)
{
    struct words words;
    int cell[2], rc = words_split(c->args, &words, err);
    if (rc) return rc;
    if (words.n != 2) rc = refuse(err, PHI3V_E_ARGUMENT, ":ab needs two cells: :ab 1 3");
    for (int k = 0; k < 2 && !rc; k++) {
        rc = cell_index(c->nb, words.v[k].text, &cell[k], err);
        if (!rc && !c->nb->book.v[cell[k]].answer)
            rc = refuse(err, PHI3V_E_ARGUMENT, "cell %d has no answer", cell[k] + 1);
    }
    words_free(&words);
    return rc ? rc : show_diff(c->nb, cell[0], cell[1], err);
}

/* -- :fork ------------------------------------------------------------------------------------ */

/* Gives the cell another answer at once; "_" is the last cell. */
static int fork_now(struct call *c, const struct fork *f, struct phi3v_error *err)
{
    char *line = fork_line(f);
    if (!line) return memory_error(err);
    c->shows_only = true; // the new cell holds the line
    int rc = run_fork(c->nb, f->cell - 1, line, c->origin, err);
    free(line);
    return rc;
}

/* Asks the next prompt in place of the cell, with the pictures that were staged for it: its lines
 * go before the :fork line, which is recorded already. */
static int fork_next(struct call *c, const struct fork *f, struct phi3v_error *err)
{
    struct lines *pending = &c->nb->book.pending, more = {0};
    struct fork earlier;
    for (int k = 0; k < pending->n - 1; k++)
        if (fork_of_line(pending->v[k].text, &earlier))
            return refuse(err, PHI3V_E_ARGUMENT,
                          "the next prompt stands in the place of cell %d already", earlier.cell);
    bool whole = fork_lines(c->nb, f->cell - 1, &more) && lines_join(pending, &more, true);
    lines_free(&more);
    if (!whole) return memory_error(err);
    note(c->nb, "(the next prompt stands in the place of cell %d)", f->cell);
    return 0;
}

int command_fork(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    bool alone = !c->cell && !nb->prompt_follows;
    struct fork f;
    char *args = alone && !strncmp(c->args, "_@", 2) ? text_format("%d%s", nb->book.n, c->args + 1)
                                                     : text_copy(c->args);
    if (!args) return memory_error(err);
    int i = c->cell ? (int)(c->cell - nb->book.v) : nb->book.n;
    int rc = fork_read(args, &f)
                 ? fork_check(nb, i, &f, err)
                 : refuse(err, PHI3V_E_ARGUMENT,
                          "a cell, perhaps with a token of :alt and what to say there: "
                          ":fork 2@5=TEXT");
    if (!rc && alone) rc = f.token ? fork_now(c, &f, err) : fork_next(c, &f, err);
    free(args);
    return rc;
}

/* -- :say ------------------------------------------------------------------------------------- */

/* The line is all there is to it (begin.h); without words it takes an earlier one back. */
int command_say(struct call *c, struct phi3v_error *err)
{
    phi3v_model *model;
    return engine_model(&c->nb->engine, "an answer's beginning", &model, err);
}
