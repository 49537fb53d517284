/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "notebook/cells.h"

enum { MAX_UNDO = 50 };

struct undo {
    int index;
    bool was_new; /* the cell did not exist */
    struct cell cell;
};

/* -- Life ----------------------------------------------------------------------------------- */

void book_init(struct book *b) { *b = (struct book){0}; }

void cell_free(struct cell *c)
{
    strings_free(&c->commands);
    free(c->typed);
    free(c->text);
    free(c->pictures);
    free(c->answer);
    free(c->ids);
    free(c->error);
    json_decref(c->saved);
    json_decref(c->metadata);
    json_decref(c->before);
    *c = (struct cell){0};
}

static void *copy_bytes(const void *from, size_t n)
{
    if (!from) return NULL;
    void *to = xalloc(n);
    memcpy(to, from, n);
    return to;
}

static char *copy_text(const char *s) { return s ? xstrdup(s) : NULL; }

void cell_copy(struct cell *to, const struct cell *from)
{
    *to = *from;
    to->commands = (struct strings){0};
    strings_copy(&to->commands, &from->commands);
    to->typed = copy_text(from->typed);
    to->text = copy_text(from->text);
    to->answer = copy_text(from->answer);
    to->error = copy_text(from->error);
    to->pictures = copy_bytes(from->pictures, (size_t)from->n_pictures * sizeof(int));
    to->ids = copy_bytes(from->ids, from->n_ids * sizeof(int32_t));
    to->saved = json_incref(from->saved);
    to->metadata = json_incref(from->metadata);
    to->before = json_incref(from->before);
}

static void forget_undo(struct book *b)
{
    for (int i = 0; i < b->n_undo; i++) cell_free(&b->undo[i].cell);
    free(b->undo);
    b->undo = NULL;
    b->n_undo = 0;
}

void book_clear(struct book *b, bool pictures)
{
    for (int i = 0; i < b->n; i++) cell_free(&b->v[i]);
    b->n = 0;
    forget_undo(b);
    strings_free(&b->commands);
    json_decref(b->file);
    json_decref(b->after);
    b->file = b->after = NULL;
    free(b->path);
    b->path = NULL;
    b->changed = false;
    if (!pictures) return;
    handles_free(&b->handles);
    book_unstage(b);
}

void book_free(struct book *b)
{
    book_clear(b, true);
    free(b->v);
    free(b->staged);
    *b = (struct book){0};
}

static void new_id(const struct book *b, char *id, size_t n)
{
    for (unsigned try = (unsigned)b->n;; try++) {
        bool taken = false;
        snprintf(id, n, "cell-%u", try);
        for (int i = 0; i + 1 < b->n; i++) taken |= !strcmp(b->v[i].id, id);
        if (!taken) return;
    }
}

struct cell *book_append(struct book *b)
{
    b->v = xgrow(b->v, (size_t)b->n + 1, sizeof *b->v);
    struct cell *c = &b->v[b->n++];
    *c = (struct cell){0};
    new_id(b, c->id, sizeof c->id);
    return c;
}

void book_remove_last(struct book *b) { cell_free(&b->v[--b->n]); }

/* -- Staging -------------------------------------------------------------------------------- */

void book_stage(struct book *b, int handle)
{
    for (int i = 0; i < b->n_staged; i++)
        if (b->staged[i] == handle) return;
    b->staged = xgrow(b->staged, (size_t)b->n_staged + 1, sizeof *b->staged);
    b->staged[b->n_staged++] = handle;
}

void book_unstage(struct book *b) { b->n_staged = 0; }

static void unstage_one(struct book *b, int handle)
{
    int kept = 0;
    for (int i = 0; i < b->n_staged; i++)
        if (b->staged[i] != handle) b->staged[kept++] = b->staged[i];
    b->n_staged = kept;
}

void book_drop(struct book *b, int handle)
{
    unstage_one(b, handle);
    handles_drop(&b->handles, handle);
}

/* -- Undo ----------------------------------------------------------------------------------- */

void book_remember(struct book *b, int i)
{
    if (b->n_undo == MAX_UNDO) {
        cell_free(&b->undo[0].cell);
        memmove(b->undo, b->undo + 1, (MAX_UNDO - 1) * sizeof *b->undo);
        b->n_undo--;
    }
    b->undo = xgrow(b->undo, (size_t)b->n_undo + 1, sizeof *b->undo);
    struct undo *u = &b->undo[b->n_undo++];
    *u = (struct undo){.index = i, .was_new = i >= b->n};
    if (!u->was_new) cell_copy(&u->cell, &b->v[i]);
}

int book_undo(struct book *b)
{
    if (!b->n_undo) return 0;
    struct undo *u = &b->undo[--b->n_undo];
    cell_free(&b->v[u->index]);
    if (u->was_new)
        b->n = u->index;
    else
        b->v[u->index] = u->cell;
    b->changed = true;
    return u->index + 1;
}

/* -- State ---------------------------------------------------------------------------------- */

static uint64_t digest(uint64_t h, const void *bytes, size_t n)
{
    for (const unsigned char *p = bytes, *end = p + n; p < end; p++)
        h = (h ^ *p) * 0x100000001B3u; /* FNV-1a */
    return h;
}

static uint64_t digest_text(uint64_t h, const char *s) { return digest(h, s, strlen(s) + 1); }

static uint64_t digest_prompt(uint64_t h, const struct book *b, const struct cell *c)
{
    h = digest_text(h, c->text ? c->text : c->typed);
    for (int k = 0; k < c->n_pictures; k++) h = digest_text(h, b->handles.v[c->pictures[k]].sha256);
    return h;
}

uint64_t book_context(const struct book *b, int i, const char *system)
{
    uint64_t h = digest_text(0xCBF29CE484222325u, system);
    for (int k = 0; k < i; k++) {
        const struct cell *c = &b->v[k];
        if (!c->answer) continue;
        h = digest_prompt(h, b, c);
        h = c->ids ? digest(h, c->ids, c->n_ids * sizeof *c->ids) : digest_text(h, c->answer);
    }
    h = digest_prompt(h, b, &b->v[i]);
    return h ? h : 1;
}

enum cell_state book_state(const struct book *b, int i, const char *system)
{
    const struct cell *c = &b->v[i];
    if (c->error) return CELL_ERROR;
    if (!c->answer) return CELL_NEW;
    if (c->context != book_context(b, i, system)) return CELL_STALE;
    return c->interrupted ? CELL_INTERRUPTED : CELL_OK;
}

const char *state_name(enum cell_state state)
{
    static const char *const name[] = {"new", "ok", "stale", "interrupted", "error"};
    return name[state];
}

char *book_dir(const struct book *b)
{
    if (!b->path) return NULL;
    const char *slash = strrchr(b->path, '/');
    return slash ? xstrndup(b->path, (size_t)(slash - b->path) + (slash == b->path)) : NULL;
}
