/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "notebook/book.h"
#include "notebook/fork.h"
#include "notebook/lines.h"
#include "notebook/refs.h"

enum { MAX_UNDO = 50 };

/* One step back, or forward again; taking it gives the step the other way. */
enum step_kind {
    STEP_REMOVE, /* the last cell goes */
    STEP_ADD,    /* `cell` comes behind the last */
    STEP_CELL,   /* `cell` comes in the place of the one that is there */
    STEP_ALL     /* `all` comes in the place of everything; its own steps are none */
};

struct undo {
    enum step_kind kind;
    int index; /* of the cell */
    struct cell cell;
    struct book *all;
};

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

static void undo_free(struct undo *u)
{
    cell_free(&u->cell);
    if (u->all) book_free(u->all);
    free(u->all);
}

static void forget_steps(struct steps *s)
{
    for (int i = 0; i < s->n; i++) undo_free(&s->v[i]);
    free(s->v);
    *s = (struct steps){0};
}

void book_free(struct book *b)
{
    for (int i = 0; i < b->n; i++) cell_free(&b->v[i]);
    free(b->v);
    images_free(&b->images);
    lines_free(&b->pending);
    settings_free(&b->base);
    forget_steps(&b->undo);
    forget_steps(&b->redo);
    json_decref(b->file);
    json_decref(b->after);
    free(b->path);
    free(b->journal);
    *b = (struct book){0};
}

struct cell *book_append(struct book *b)
{
    bool full = (b->n & (b->n - 1)) == 0; /* room grows in powers of two */
    if (full) {
        struct cell *v = memory_grow(b->v, b->n ? 2 * (size_t)b->n : 1, sizeof *v);
        if (!v) return NULL;
        b->v = v;
    }
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

/* -- Branches --------------------------------------------------------------------------------- */

/* The last line that says so counts, as with settings. */
static bool find_fork(const struct book *b, int i, struct fork *ret)
{
    const struct lines *lines = i < b->n ? &b->v[i].lines : &b->pending;
    for (int k = lines->n - 1; k >= 0; k--)
        if (fork_of_line(lines->v[k].text, ret)) return ret->cell >= 1 && ret->cell <= i;
    return false;
}

int book_fork_of(const struct book *b, int i)
{
    struct fork fork;
    return find_fork(b, i, &fork) ? fork.cell - 1 : -1;
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

/* -- Undo ------------------------------------------------------------------------------------- */

/* Room for one more; the oldest goes when there are many. NULL without memory. */
static struct undo *room_for_step(struct steps *s)
{
    if (s->n == MAX_UNDO) {
        undo_free(&s->v[0]);
        memmove(s->v, s->v + 1, (MAX_UNDO - 1) * sizeof *s->v);
        s->n--;
    }
    struct undo *v = memory_grow(s->v, (size_t)s->n + 1, sizeof *v);
    if (v) s->v = v;
    return v ? &v[s->n] : NULL;
}

/* Takes the step, also where it cannot be kept. */
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
    forget_steps(&b->redo);
    return 0;
}

void book_forget_last(struct book *b) { undo_free(&b->undo.v[--b->undo.n]); }

/* Everything but the steps changes places. */
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
    forget_steps(&b->redo);
    return 0;
}

struct book *book_aside(const struct book *b, bool forward)
{
    const struct steps *s = forward ? &b->redo : &b->undo;
    return s->n ? s->v[s->n - 1].all : NULL;
}

/* Pictures that a cell names are there again, if they had been dropped meanwhile. */
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

/* What :fork has put into a cell is not the person's to begin the next prompt with. */
static bool gives_lines_back(const struct book *b, int i)
{
    struct fork fork;
    return !find_fork(b, i, &fork) || !fork.token;
}

/* The last cell goes; its lines are pending again. False: it is not whole, for want of memory. */
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

/* The cell comes back, and takes its lines out of the pending ones; false: they are others now, or
 * there is no memory. */
static bool add_cell(struct book *b, struct cell *c)
{
    unsigned next_id = b->next_id;
    struct cell *to = book_append(b);
    if (!to) return false;
    b->next_id = next_id; /* it has its own */
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

/* Takes a step, which becomes the one the other way; *ret_whole: it can be taken. */
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

/* to: where the step the other way is kept; NULL: nowhere. */
static enum book_undone step(struct book *b, struct steps *from, struct steps *to, int *ret_cell)
{
    if (!from->n) return BOOK_NOTHING;
    struct undo u = from->v[--from->n];
    *ret_cell = u.index + 1;
    bool whole;
    enum book_undone what = take_step(b, &u, &whole);
    if (what == BOOK_NOTHING) {
        from->v[from->n++] = u; /* perhaps later */
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

/* -- Digests ---------------------------------------------------------------------------------- */

static bool add(EVP_MD_CTX *h, const void *bytes, size_t n)
{
    /* Lengths keep "ab","c" and "a","bc" apart. */
    uint64_t length = n;
    return EVP_DigestUpdate(h, &length, sizeof length) && EVP_DigestUpdate(h, bytes, n);
}

static bool add_text(EVP_MD_CTX *h, const char *s) { return add(h, s ? s : "", s ? strlen(s) : 0); }

static bool add_images(EVP_MD_CTX *h, const struct book *b, const struct int_list *images)
{
    bool ok = add(h, &images->n, sizeof images->n);
    for (int k = 0; k < images->n && ok; k++) ok = add_text(h, b->images.v[images->v[k]].sha256);
    return ok;
}

static void write_hex(const unsigned char *bytes, char ret[DIGEST_CHARS])
{
    for (int i = 0; i < (DIGEST_CHARS - 1) / 2; i++) snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

/* The digest of what `fill` adds. */
static int digest_of(bool (*fill)(EVP_MD_CTX *h, const void *of), const void *of,
                     char ret[DIGEST_CHARS], struct phi3v_error *err)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *h = EVP_MD_CTX_new();
    bool ok = h && EVP_DigestInit_ex(h, EVP_sha256(), NULL) && fill(h, of) &&
              EVP_DigestFinal_ex(h, bytes, NULL);
    EVP_MD_CTX_free(h);
    if (!ok) return memory_error(err);
    write_hex(bytes, ret);
    return 0;
}

struct asked {
    const struct book *book;
    const struct cell *cell;
    const struct standing *standing; // with the cell's own lines
};

static bool fill_turn(EVP_MD_CTX *h, const void *of)
{
    const struct asked *a = of;
    const struct cell *c = a->cell;
    bool ok = add_text(h, a->standing->conversation) &&
              add_text(h, c->text ? c->text : c->prompt) &&
              add(h, &c->num_crops, sizeof c->num_crops) && add_images(h, a->book, &c->images);
    return ok && (c->ids ? add(h, c->ids, c->n_ids * sizeof *c->ids) : add_text(h, c->answer));
}

/* Every setting that belongs to a cell. */
static bool add_settings(EVP_MD_CTX *h, const struct settings *s)
{
    for (int i = 0; i < n_settings; i++) {
        if (!(setting_table[i].use & SETTING_CELL)) continue;
        char *value = setting_value(s, &setting_table[i]);
        bool ok = value && add_text(h, value);
        free(value);
        if (!ok) return false;
    }
    return true;
}

/* What stands above is a part of the question: as the conversation, or because an answer is pasted.
 */
static bool depends_on_above(const struct asked *a)
{
    return standing_is_chat(a->standing) || refs_paste(a->cell->prompt);
}

/* The pictures that come from the cell above, unless this one may name its own. */
static bool add_above(EVP_MD_CTX *h, const struct asked *a)
{
    const struct standing *s = a->standing;
    const char *prompt = a->cell->prompt;
    bool own = s->staged.n > 0 || strchr(prompt, '@') || has_image_tag(prompt);
    return standing_is_chat(s) || own || !s->above.n || add_images(h, a->book, &s->above);
}

/* Of another cell's answer, what this one begins with. */
static bool add_begun(EVP_MD_CTX *h, const struct book *b, int i)
{
    struct fork fork;
    if (!find_fork(b, i, &fork) || !fork.token) return true;
    const struct cell *of = &b->v[fork.cell - 1];
    size_t n = of->n_ids < fork.token ? of->n_ids : fork.token;
    return of->ids ? add(h, of->ids, n * sizeof *of->ids) : add_text(h, of->answer);
}

static bool fill_cell(EVP_MD_CTX *h, const void *of)
{
    const struct asked *a = of;
    const struct cell *c = a->cell;
    bool ok = add_text(h, depends_on_above(a) ? a->standing->conversation : "") &&
              add_text(h, c->prompt) && add_images(h, a->book, &c->images) &&
              add_settings(h, &a->standing->settings);
    for (int k = 0; k < c->lines.n && ok; k++) ok = add_text(h, c->lines.v[k].text);
    for (size_t k = 0; k < c->overrides.n && ok; k++) ok = add_text(h, c->overrides.v[k]);
    return ok && add_above(h, a) && add_begun(h, a->book, (int)(c - a->book->v));
}

/* -- Standing --------------------------------------------------------------------------------- */

static int standing_init(struct standing *s, const struct book *b, struct phi3v_error *err)
{
    *s = (struct standing){0};
    return settings_copy(&s->settings, &b->base, err);
}

void standing_free(struct standing *s)
{
    settings_free(&s->settings);
    int_list_free(&s->staged);
    int_list_free(&s->above);
}

int standing_apply(struct standing *s, const struct lines *lines, struct phi3v_error *err)
{
    int rc = 0;
    for (int k = 0; k < lines->n && !rc; k++) rc = line_apply(&lines->v[k], s, err);
    return rc;
}

void standing_take(struct standing *s, const struct cell *c)
{
    for (int k = 0; k < c->images.n; k++) int_list_remove(&s->staged, c->images.v[k]);
}

bool standing_is_chat(const struct standing *s) { return strcmp(s->settings.mode, "cell") != 0; }

const struct int_list *standing_pictures(const struct standing *s)
{
    return s->staged.n || standing_is_chat(s) ? &s->staged : &s->above;
}

/* Behind a cell whose lines have been applied. */
static int pass(struct standing *s, const struct book *b, const struct cell *c,
                struct phi3v_error *err)
{
    struct int_list above = {0};
    standing_take(s, c);
    if (c->text) {
        if (!int_list_copy(&above, &c->images)) return memory_error(err);
        int_list_free(&s->above);
        s->above = above;
    }
    if (!c->answer) return 0;
    struct asked a = {b, c, s};
    return digest_of(fill_turn, &a, s->conversation, err);
}

/* The cells that cell i goes on from, the first one first; to be freed; NULL without memory. */
static int *chain(const struct book *b, int i, int *ret_n)
{
    int n = 0;
    for (int k = book_parent(b, i); k >= 0; k = book_parent(b, k)) n++;
    int *list = memory_zero((size_t)n, sizeof *list);
    *ret_n = n;
    for (int k = book_parent(b, i); list && k >= 0; k = book_parent(b, k)) list[--n] = k;
    return list;
}

int book_standing(const struct book *b, int i, struct standing *ret, struct phi3v_error *err)
{
    int n, *above = chain(b, i, &n);
    if (!above) return memory_error(err);
    int rc = standing_init(ret, b, err);
    for (int k = 0; k < n && !rc; k++) {
        const struct cell *c = &b->v[above[k]];
        rc = standing_apply(ret, &c->lines, err);
        if (!rc) rc = pass(ret, b, c, err);
    }
    free(above);
    if (!rc && i == b->n) rc = standing_apply(ret, &b->pending, err);
    if (rc) standing_free(ret);
    return rc;
}

/* -- State ------------------------------------------------------------------------------------ */

int book_digest(const struct book *b, int i, char ret[DIGEST_CHARS], struct phi3v_error *err)
{
    struct standing s;
    int rc = book_standing(b, i, &s, err);
    if (rc) return rc;
    const struct cell *c = &b->v[i];
    rc = standing_apply(&s, &c->lines, err);
    struct asked a = {b, c, &s};
    if (!rc) rc = digest_of(fill_cell, &a, ret, err);
    standing_free(&s);
    return rc;
}

static enum cell_state state_with(const struct cell *c, const char *digest)
{
    if (c->error) return CELL_ERROR;
    if (!c->answer) return CELL_NEW;
    if (strcmp(c->digest, digest) != 0) return CELL_STALE;
    return c->finish == PHI3V_FINISH_INTERRUPTED ? CELL_INTERRUPTED : CELL_OK;
}

int book_states(const struct book *b, enum cell_state *ret, struct phi3v_error *err)
{
    struct standing s;
    int rc = standing_init(&s, b, err);
    for (int k = 0; k < b->n && !rc; k++) {
        const struct cell *c = &b->v[k];
        char digest[DIGEST_CHARS];
        struct asked a = {b, c, &s};
        if (book_fork_of(b, k) >= 0) {
            standing_free(&s);
            rc = book_standing(b, k, &s, err);
            if (rc) return rc;
        }
        rc = standing_apply(&s, &c->lines, err);
        if (!rc) rc = digest_of(fill_cell, &a, digest, err);
        if (!rc) ret[k] = state_with(c, digest);
        if (!rc) rc = pass(&s, b, c, err);
    }
    standing_free(&s);
    return rc;
}

enum cell_state book_state(const struct book *b, int i)
{
    char digest[DIGEST_CHARS];
    return book_digest(b, i, digest, NULL) ? CELL_NEW : state_with(&b->v[i], digest);
}

const char *state_name(enum cell_state state)
{
    static const char *const name[] = {"new", "ok", "stale", "interrupted", "error"};
    return name[state];
}

const char *finish_name(enum phi3v_finish finish)
{
    static const char *const name[] = {[PHI3V_FINISH_STOP] = "stop",
                                       [PHI3V_FINISH_LENGTH] = "length",
                                       [PHI3V_FINISH_INTERRUPTED] = "interrupted"};
    return name[finish];
}
