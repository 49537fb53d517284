/* SPDX-License-Identifier: GPL-3.0-or-later
 * From a typed prompt to what is sent: @ references become tags, {Out[n]} becomes text. */
#include <stdlib.h>
#include <string.h>

#include "notebook/cells.h"
#include "notebook/words.h"

struct expansion {
    struct book *book;
    struct text text;
    int *pictures;
    int n_pictures;
};

/* The tag's number of a picture: its place in this cell, taken now when it has none. */
static int tag_of(struct expansion *x, int handle)
{
    for (int i = 0; i < x->n_pictures; i++)
        if (x->pictures[i] == handle) return i + 1;
    x->pictures = xgrow(x->pictures, (size_t)x->n_pictures + 1, sizeof *x->pictures);
    x->pictures[x->n_pictures++] = handle;
    return x->n_pictures;
}

static void take_staged(struct expansion *x)
{
    for (int i = 0; i < x->book->n_staged; i++) tag_of(x, x->book->staged[i]);
}

/* typed: by a person, not read from a file. */
static int load_ref(struct book *b, struct ref *ref, bool typed, const struct options *opt,
                    struct phi3v_error *err)
{
    struct media media;
    int rc = media_load(ref->what, opt, typed, &media, err);
    if (!rc) rc = handles_add(&b->handles, &media, ref->what, NULL, typed, &ref->index, err);
    return rc;
}

static int check_answer(const struct book *b, const struct cell *self, struct ref *ref,
                        struct phi3v_error *err)
{
    int limit = self >= b->v && self < b->v + b->n ? (int)(self - b->v) : b->n;
    if (!ref->index) ref->index = limit;
    if (ref->index < 1 || ref->index > b->n || !b->v[ref->index - 1].answer)
        return refuse(err, PHI3V_E_PROMPT, "there is no answer %d to paste", ref->index);
    return 0;
}

/* A picture named before any text goes on a line of its own, as the model was trained. */
static const char *add_picture(struct expansion *x, int handle, bool leading, const char *rest)
{
    text_addf(&x->text, "<|image_%d|>", tag_of(x, handle));
    if (!leading) return rest;
    text_add(&x->text, "\n");
    rest += strspn(rest, " \t");
    return *rest == '\n' ? rest + 1 : rest;
}

static void replace(struct expansion *x, const char *typed, const struct refs *refs)
{
    const char *p = typed;
    bool leading = true;
    for (size_t i = 0; i < refs->n; i++) {
        const struct ref *ref = &refs->v[i];
        const char *at = typed + ref->start;
        if (at < p) at = p; /* cannot be: references do not overlap */
        leading = leading && ref->kind != REF_ANSWER && strspn(p, " \t") >= (size_t)(at - p);
        if (!leading) text_addn(&x->text, p, (size_t)(at - p));
        p = typed + ref->end;
        if (ref->kind == REF_ANSWER)
            text_add(&x->text, x->book->v[ref->index - 1].answer);
        else
            p = add_picture(x, ref->index, leading, p);
    }
    text_add(&x->text, p);
}

static int resolve(struct book *b, const struct cell *c, struct refs *refs,
                   const struct options *opt, struct phi3v_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < refs->n && !rc; i++) {
        if (refs->v[i].kind == REF_LOAD) rc = load_ref(b, &refs->v[i], !c->pending, opt, err);
        if (refs->v[i].kind == REF_ANSWER) rc = check_answer(b, c, &refs->v[i], err);
    }
    return rc;
}

static bool names_pictures(const struct refs *refs)
{
    for (size_t i = 0; i < refs->n; i++)
        if (refs->v[i].kind != REF_ANSWER) return true;
    return false;
}

int book_expand(struct book *b, struct cell *c, const struct options *opt, struct phi3v_error *err)
{
    struct refs refs;
    int n_before = b->handles.n;
    int rc = refs_find(c->typed, handles_find, &b->handles, &refs, err);
    if (rc) return rc;
    rc = resolve(b, c, &refs, opt, err);
    if (rc) {
        handles_truncate(&b->handles, n_before);
        refs_free(&refs);
        return rc;
    }
    struct expansion x = {.book = b};
    if (has_image_tag(c->typed)) {
        take_staged(&x); /* a tag's number counts these */
    } else if (!names_pictures(&refs)) {
        take_staged(&x);
        for (int i = 0; i < x.n_pictures; i++) text_addf(&x.text, "<|image_%d|>\n", i + 1);
    }
    replace(&x, c->typed, &refs);
    refs_free(&refs);
    if (x.n_pictures == 0 && has_image_tag(c->typed)) {
        free(text_take(&x.text));
        free(x.pictures);
        return refuse(err, PHI3V_E_PROMPT,
                      "the text names a picture, but none is staged: :load one");
    }
    free(c->text);
    free(c->pictures);
    c->text = text_take(&x.text);
    c->pictures = x.pictures;
    c->n_pictures = x.n_pictures;
    return 0;
}

/* -- Prompt --------------------------------------------------------------------------------- */

int *book_prompt_pictures(const struct book *b, int i, int *ret_n)
{
    int *list = NULL, n = 0;
    for (int k = 0; k <= i; k++) {
        const struct cell *c = &b->v[k];
        if (k < i && !c->answer) continue;
        if (!c->n_pictures) continue;
        list = xgrow(list, (size_t)(n + c->n_pictures), sizeof *list);
        memcpy(list + n, c->pictures, (size_t)c->n_pictures * sizeof *list);
        n += c->n_pictures;
    }
    *ret_n = n;
    return list;
}

static struct phi3v_turn question(const struct cell *c, phi3v_image **images)
{
    return (struct phi3v_turn){.role = "user",
                               .text = c->text ? c->text : c->typed,
                               .images = images,
                               .n_images = c->n_pictures};
}

static struct phi3v_turn reply(const struct cell *c, bool open)
{
    return (struct phi3v_turn){.role = "assistant",
                               .text = c->answer,
                               .ids = c->ids,
                               .n_ids = c->ids ? c->n_ids : 0,
                               .open = open};
}

int book_prompt(struct book *b, int i, const phi3v_model *model, const struct options *opt,
                bool go_on, phi3v_prompt **ret, struct phi3v_error *err)
{
    int n_pictures, n = 0, rc = 0, at = 0;
    int *pictures = book_prompt_pictures(b, i, &n_pictures);
    phi3v_image **images = xcalloc((size_t)n_pictures, sizeof *images);
    struct phi3v_turn *turns = xcalloc(2 * (size_t)i + 3, sizeof *turns);
    char *dir = book_dir(b);
    for (int k = 0; k < n_pictures && !rc; k++)
        rc = handles_image(&b->handles, pictures[k], opt, dir, &images[k], err);
    if (*opt->system) turns[n++] = (struct phi3v_turn){.role = "system", .text = opt->system};
    for (int k = 0; k <= i && !rc; k++) {
        const struct cell *c = &b->v[k];
        if (k < i && !c->answer) continue;
        turns[n++] = question(c, images + at);
        at += c->n_pictures;
        if (k < i || go_on) turns[n++] = reply(c, k == i);
    }
    if (!rc) rc = phi3v_prompt_chat(model, turns, n, opt->num_crops, ret, err);
    free(dir);
    free(turns);
    free(images);
    free(pictures);
    return rc;
}
