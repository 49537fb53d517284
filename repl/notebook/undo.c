/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "notebook/fork.h"
#include "notebook/undo.h"

enum { MAX_UNDO = 50 };

/* One step of undo or redo; taking it yields the opposite step. */
enum step_kind {
    STEP_REMOVE, /* removes the last cell */
    STEP_ADD,    /* appends `cell` */
    STEP_CELL,   /* replaces a cell by `cell` */
    STEP_ALL     /* replaces everything by `all`, which has no steps itself */
};

struct undo {
    enum step_kind kind;
    int index; /* of the cell */
    struct cell cell;
    struct book *all;
};

/* -- Steps ------------------------------------------------------------------------------------- */

static void undo_free(struct undo *u)
{
    cell_free(&u->cell);
    if (u->all) book_free(u->all);
    free(u->all);
}

void steps_free(struct steps *s)
{
    for (int i = 0; i < s->n; i++) undo_free(&s->v[i]);
    free(s->v);
    *s = (struct steps){0};
}

/* Makes room for a step; the oldest is dropped when there are too many. NULL without memory. */
static struct undo *room_for_step(struct steps *s)
{
    if (s->n == MAX_UNDO) {
        undo_free(&s->v[0]);
        memmove(s->v, s->v + 1, (MAX_UNDO - 1) * sizeof *s->v);
        s->n--;
    }
    struct undo *v = memory_room(s->v, (size_t)s->n, sizeof *v);
    if (v) s->v = v;
    return v ? &v[s->n] : NULL;
}

/* Takes ownership of the step, even if it cannot be kept. */
static void keep_step(struct steps *s, struct undo *step)
{
    struct undo *u = room_for_step(s);
    if (u) {
        *u = *step;
        s->n++;
    } else {
        undo_free(step);
    }
}

int book_remember(struct book *b, int i, struct phi3v_error *err)
{
    struct undo *u = room_for_step(&b->undo);
    if (!u) return memory_error(err);
    *u = (struct undo){.kind = i >= b->n ? STEP_REMOVE : STEP_CELL, .index = i};
    if (u->kind == STEP_CELL && !cell_copy(&u->cell, &b->v[i])) return memory_error(err);
    b->undo.n++;
    steps_free(&b->redo);
    return 0;
}

void book_forget_last(struct book *b) { undo_free(&b->undo.v[--b->undo.n]); }

/* Swaps everything but the steps. */
static void swap_all(struct book *b, struct book *other)
{
    struct steps undo = b->undo, redo = b->redo;
    const struct stop *stop = b->stop;
    struct book was = *b;
    was.undo = was.redo = (struct steps){0};
    *b = *other;
    b->undo = undo;
    b->redo = redo;
    b->stop = stop;
    *other = was;
}

int book_replace(struct book *b, struct book *fresh, struct phi3v_error *err)
{
    struct undo *u = room_for_step(&b->undo);
    struct book *old = u ? memory_new(sizeof *old) : NULL;
    if (!old) return memory_error(err);
    *old = *fresh;
    *fresh = (struct book){0};
    swap_all(b, old);
    *u = (struct undo){.kind = STEP_ALL, .all = old};
    b->undo.n++;
    steps_free(&b->redo);
    return 0;
}

struct book *book_aside(const struct book *b, bool forward)
{
    const struct steps *s = forward ? &b->redo : &b->undo;
    return s->n ? s->v[s->n - 1].all : NULL;
}

/* Restores pictures that a cell names if they have been dropped since. */
static void bring_back_images(struct book *b, const struct int_list *images)
{
    for (int i = 0; i < images->n; i++)
        if (images->v[i] < b->images.n) b->images.v[images->v[i]].dropped = false;
}

static void bring_back(struct book *b, const struct cell *c)
{
    bring_back_images(b, &c->images);
    for (int k = 0; k < c->lines.n; k++) bring_back_images(b, &c->lines.v[k].images);
}

/* Lines that :fork copied into a cell are not the person's, so they do not become pending. */
static bool gives_lines_back(const struct book *b, int i)
{
    struct fork fork;
    return !book_find_fork(b, i, &fork) || !fork.token;
}

/* Removes the last cell; its lines are pending again. False without memory: the cell is incomplete
 * then. */
static bool remove_cell(struct book *b, struct cell *ret)
{
    int i = b->n - 1;
    struct lines copy = {0};
    bool back = gives_lines_back(b, i), whole = true;
    if (back) {
        whole = lines_copy(&copy, &b->v[i].lines);
        lines_join(&b->pending, &b->v[i].lines, true);
        lines_free(&b->v[i].lines);
        b->v[i].lines = copy;
    }
    *ret = b->v[i];
    b->n--;
    return whole;
}

static bool begins_with(const struct lines *l, const struct lines *these)
{
    if (l->n < these->n) return false;
    for (int k = 0; k < these->n; k++)
        if (strcmp(l->v[k].text, these->v[k].text) != 0) return false;
    return true;
}

/* Restores the cell, and takes its lines out of the pending ones; false: those are different now,
 * or there is no memory. */
static bool add_cell(struct book *b, struct cell *c)
{
    unsigned next_id = b->next_id;
    struct cell *to = book_append(b);
    if (!to) return false;
    b->next_id = next_id; /* the cell has its own */
    struct cell empty = *to;
    *to = *c;
    bool back = gives_lines_back(b, b->n - 1);
    if (back && !begins_with(&b->pending, &c->lines)) {
        *to = empty;
        book_remove_last(b);
        return false;
    }
    for (int k = 0; back && k < c->lines.n; k++) lines_remove_first(&b->pending);
    bring_back(b, to);
    return true;
}

static void swap_cell(struct book *b, int i, struct cell *c)
{
    struct cell was = b->v[i];
    b->v[i] = *c;
    *c = was;
    bring_back(b, &b->v[i]);
}

/* Takes a step and turns it into the opposite one; *ret_whole: that one is complete. */
static enum book_undone take_step(struct book *b, struct undo *u, bool *ret_whole)
{
    *ret_whole = true;
    if (u->kind != STEP_ALL) b->changed = true;
    switch (u->kind) {
    case STEP_ALL:
        swap_all(b, u->all);
        return BOOK_ALL_BACK;
    case STEP_CELL:
        swap_cell(b, u->index, &u->cell);
        return BOOK_CELL_BACK;
    case STEP_REMOVE:
        *ret_whole = remove_cell(b, &u->cell);
        u->kind = STEP_ADD;
        return BOOK_CELL_GONE;
    case STEP_ADD:
        if (!add_cell(b, &u->cell)) break;
        u->cell = (struct cell){0};
        u->kind = STEP_REMOVE;
        return BOOK_CELL_THERE;
    }
    return BOOK_NOTHING;
}

/* to: where the opposite step is kept; NULL: nowhere. */
static enum book_undone step(struct book *b, struct steps *from, struct steps *to, int *ret_cell)
{
    if (!from->n) return BOOK_NOTHING;
    struct undo u = from->v[--from->n];
    *ret_cell = u.index + 1;
    bool whole;
    enum book_undone what = take_step(b, &u, &whole);
    if (what == BOOK_NOTHING) {
        from->v[from->n++] = u; /* it may be possible later */
        return what;
    }
    if (whole && to)
        keep_step(to, &u);
    else
        undo_free(&u);
    return what;
}

enum book_undone book_undo(struct book *b, int *ret_cell)
{
    return step(b, &b->undo, &b->redo, ret_cell);
}

enum book_undone book_redo(struct book *b, int *ret_cell)
{
    return step(b, &b->redo, &b->undo, ret_cell);
}

void book_take_back(struct book *b)
{
    int number;
    step(b, &b->undo, NULL, &number);
}
