/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notebook/book.h"
#include "notebook/fork.h"
#include "notebook/undo.h"

/* -- Cells ------------------------------------------------------------------------------------ */

void cell_free(struct cell *c)
{
    lines_free(&c->lines);
    free(c->prompt);
    free(c->text);
    int_list_free(&c->images);
    strings_free(&c->overrides);
    free(c->answer);
    free(c->ids);
    certainty_free(&c->certainty);
    free(c->error);
    json_decref(c->saved);
    json_decref(c->metadata);
    json_decref(c->before);
    *c = (struct cell){0};
}

bool cell_copy(struct cell *to, const struct cell *from)
{
    unsigned before = memory_failures();
    *to = *from;
    lines_copy(&to->lines, &from->lines);
    to->prompt = text_copy(from->prompt);
    to->text = text_copy(from->text);
    int_list_copy(&to->images, &from->images);
    to->overrides = (struct strings){0};
    strings_copy(&to->overrides, &from->overrides);
    to->answer = text_copy(from->answer);
    to->ids = memory_copy(from->ids, from->n_ids * sizeof *to->ids);
    certainty_copy(&to->certainty, &from->certainty);
    to->error = text_copy(from->error);
    json_incref(to->saved);
    json_incref(to->metadata);
    json_incref(to->before);
    if (memory_failures() == before) return true;
    cell_free(to);
    return false;
}

/* -- Life ------------------------------------------------------------------------------------- */

int book_init(struct book *b, const struct settings *base, struct phi3v_error *err)
{
    *b = (struct book){.next_id = 1};
    return settings_copy(&b->base, base, err);
}

void book_free(struct book *b)
{
    for (int i = 0; i < b->n; i++) cell_free(&b->v[i]);
    free(b->v);
    images_free(&b->images);
    lines_free(&b->pending);
    settings_free(&b->base);
    steps_free(&b->undo);
    steps_free(&b->redo);
    json_decref(b->file);
    json_decref(b->after);
    free(b->path);
    free(b->journal);
    *b = (struct book){0};
}

struct cell *book_append(struct book *b)
{
    struct cell *v = memory_room(b->v, (size_t)b->n, sizeof *v);
    if (!v) return NULL;
    b->v = v;
    struct cell *c = &b->v[b->n++];
    *c = (struct cell){.prompt_origin = NB_TYPED};
    snprintf(c->id, sizeof c->id, "cell-%u", b->next_id++);
    return c;
}

void book_remove_last(struct book *b) { cell_free(&b->v[--b->n]); }

int images_of_cell(const struct book *b, const struct cell *c, const char *what)
{
    for (int k = 0; c && k < c->images.n; k++) {
        const struct image *m = &b->images.v[c->images.v[k]];
        if (!m->dropped && !strcmp(m->what, what)) return c->images.v[k];
    }
    return -1;
}

char *book_dir(const struct book *b)
{
    if (!b->path) return NULL;
    const char *slash = strrchr(b->path, '/');
    return slash ? text_copyn(b->path, (size_t)(slash - b->path) + (slash == b->path)) : NULL;
}

bool book_stopped_at(const struct book *b, size_t i)
{
    enum { CELLS_A_LOOK = 64 };
    return i % CELLS_A_LOOK == 0 && stop_asked(b->stop);
}

/* -- Branches --------------------------------------------------------------------------------- */

bool book_find_fork(const struct book *b, int i, struct fork *ret)
{
    const struct lines *lines = i < b->n ? &b->v[i].lines : &b->pending;
    return fork_of_lines(lines, ret) && ret->cell >= 1 && ret->cell <= i;
}

int book_fork_of(const struct book *b, int i)
{
    struct fork fork;
    return book_find_fork(b, i, &fork) ? fork.cell - 1 : -1;
}

int book_parent(const struct book *b, int i)
{
    for (int of; (of = book_fork_of(b, i)) >= 0;) i = of;
    return i - 1;
}

bool book_is_above(const struct book *b, int k, int i)
{
    while (i > k) i = book_parent(b, i);
    return i == k;
}
