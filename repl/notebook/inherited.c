/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "notebook/fork.h"
#include "notebook/lines.h"
#include "notebook/refs.h"
#include "notebook/inherited.h"

/* -- Digests ---------------------------------------------------------------------------------- */

static bool add(EVP_MD_CTX *h, const void *bytes, size_t n)
{
    /* Lengths make "ab","c" and "a","bc" differ. */
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
    hex_text(bytes, (DIGEST_CHARS - 1) / 2, ret);
    return 0;
}

struct asked {
    const struct book *book;
    const struct cell *cell;
    const struct inherited *inherited; // includes the cell's own lines
};

static bool fill_turn(EVP_MD_CTX *h, const void *of)
{
    const struct asked *a = of;
    const struct cell *c = a->cell;
    bool ok = add_text(h, a->inherited->conversation) &&
              add_text(h, c->text ? c->text : c->prompt) &&
              add(h, &c->num_crops, sizeof c->num_crops) && add_images(h, a->book, &c->images);
    return ok && (c->ids ? add(h, c->ids, c->n_ids * sizeof *c->ids) : add_text(h, c->answer));
}

/* Adds every setting that belongs to a cell. */
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

/* Whether the cells above are part of the question: as the conversation, or because an answer is
 * pasted. */
static bool depends_on_above(const struct asked *a)
{
    return inherited_is_chat(a->inherited) || refs_paste(a->cell->prompt);
}

/* Adds the pictures of the cell above, unless the cell may name its own. */
static bool add_above(EVP_MD_CTX *h, const struct asked *a)
{
    const struct inherited *s = a->inherited;
    const char *prompt = a->cell->prompt;
    bool own = s->staged.n > 0 || strchr(prompt, '@') || has_image_tag(prompt);
    return inherited_is_chat(s) || own || !s->above.n || add_images(h, a->book, &s->above);
}

/* Adds the part of another cell's answer that this one begins with. */
static bool add_begun(EVP_MD_CTX *h, const struct book *b, int i)
{
    struct fork fork;
    if (!book_find_fork(b, i, &fork) || !fork.token) return true;
    const struct cell *of = &b->v[fork.cell - 1];
    size_t n = of->n_ids < fork.token ? of->n_ids : fork.token;
    return of->ids ? add(h, of->ids, n * sizeof *of->ids) : add_text(h, of->answer);
}

static bool fill_cell(EVP_MD_CTX *h, const void *of)
{
    const struct asked *a = of;
    const struct cell *c = a->cell;
    bool ok = add_text(h, depends_on_above(a) ? a->inherited->conversation : "") &&
              add_text(h, c->prompt) && add_images(h, a->book, &c->images) &&
              add_settings(h, &a->inherited->settings);
    for (int k = 0; k < c->lines.n && ok; k++) ok = add_text(h, c->lines.v[k].text);
    for (size_t k = 0; k < c->overrides.n && ok; k++) ok = add_text(h, c->overrides.v[k]);
    return ok && add_above(h, a) && add_begun(h, a->book, (int)(c - a->book->v));
}

/* -- Standing --------------------------------------------------------------------------------- */

static int standing_init(struct inherited *s, const struct book *b, struct phi3v_error *err)
{
    *s = (struct inherited){0};
    return settings_copy(&s->settings, &b->base, err);
}

void inherited_free(struct inherited *s)
{
    settings_free(&s->settings);
    int_list_free(&s->staged);
    int_list_free(&s->above);
}

int inherited_apply(struct inherited *s, const struct lines *lines, struct phi3v_error *err)
{
    int rc = 0;
    for (int k = 0; k < lines->n && !rc; k++) rc = line_apply(&lines->v[k], s, err);
    return rc;
}

/* Unstages what the cell has used. */
static void take(struct inherited *s, const struct cell *c)
{
    for (int k = 0; k < c->images.n; k++) int_list_remove(&s->staged, c->images.v[k]);
}

bool inherited_is_chat(const struct inherited *s) { return strcmp(s->settings.mode, "cell") != 0; }

const struct int_list *inherited_pictures(const struct inherited *s)
{
    return s->staged.n || inherited_is_chat(s) ? &s->staged : &s->above;
}

/* Moves past a cell whose lines have been applied. */
static int pass(struct inherited *s, const struct book *b, const struct cell *c,
                struct phi3v_error *err)
{
    struct int_list above = {0};
    take(s, c);
    if (c->text) {
        if (!int_list_copy(&above, &c->images)) return memory_error(err);
        int_list_free(&s->above);
        s->above = above;
    }
    if (!c->answer) return 0;
    struct asked a = {b, c, s};
    return digest_of(fill_turn, &a, s->conversation, err);
}

/* The cells that cell i continues, first one first; to be freed; NULL without memory. */
static int *chain(const struct book *b, int i, int *ret_n)
{
    int n = 0;
    for (int k = book_parent(b, i); k >= 0; k = book_parent(b, k)) n++;
    int *list = memory_zero((size_t)n, sizeof *list);
    *ret_n = n;
    for (int k = book_parent(b, i); list && k >= 0; k = book_parent(b, k)) list[--n] = k;
    return list;
}

int book_inherited(const struct book *b, int i, struct inherited *ret, struct phi3v_error *err)
{
    int n, *above = chain(b, i, &n);
    if (!above) return memory_error(err);
    int rc = standing_init(ret, b, err);
    for (int k = 0; k < n && !rc; k++) {
        const struct cell *c = &b->v[above[k]];
        rc = inherited_apply(ret, &c->lines, err);
        if (!rc) rc = pass(ret, b, c, err);
    }
    free(above);
    if (!rc && i == b->n) rc = inherited_apply(ret, &b->pending, err);
    if (rc) inherited_free(ret);
    return rc;
}

/* -- State ------------------------------------------------------------------------------------ */

int book_digest(const struct book *b, int i, char ret[DIGEST_CHARS], struct phi3v_error *err)
{
    struct inherited s;
    int rc = book_inherited(b, i, &s, err);
    if (rc) return rc;
    const struct cell *c = &b->v[i];
    rc = inherited_apply(&s, &c->lines, err);
    struct asked a = {b, c, &s};
    if (!rc) rc = digest_of(fill_cell, &a, ret, err);
    inherited_free(&s);
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
    struct inherited s;
    int rc = standing_init(&s, b, err);
    for (int k = 0; k < b->n && !rc; k++) {
        const struct cell *c = &b->v[k];
        char digest[DIGEST_CHARS];
        struct asked a = {b, c, &s};
        if (book_fork_of(b, k) >= 0) {
            inherited_free(&s);
            rc = book_inherited(b, k, &s, err);
            if (rc) return rc;
        }
        rc = inherited_apply(&s, &c->lines, err);
        if (!rc) rc = digest_of(fill_cell, &a, digest, err);
        if (!rc) ret[k] = state_with(c, digest);
        if (!rc) rc = pass(&s, b, c, err);
    }
    inherited_free(&s);
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
