/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "notebook/token_text.h"
#include "notebook/prompt.h"
#include "notebook/refs.h"

/* -- Expanding -------------------------------------------------------------------------------- */

struct expansion {
    struct notebook *nb;
    const struct cell *cell;
    int i;
    const struct inherited *inherited;
    struct text text;
    struct int_list images;
    bool failed; // out of memory
};

/* A picture's tag number: its place in this cell, assigned here if it has none. */
static int tag_of(struct expansion *x, int image)
{
    for (int k = 0; k < x->images.n; k++)
        if (x->images.v[k] == image) return k + 1;
    if (!int_list_add(&x->images, image)) x->failed = true;
    return x->images.n;
}

static void take_staged(struct expansion *x)
{
    const struct int_list *pictures = inherited_pictures(x->inherited);
    for (int k = 0; k < pictures->n; k++) tag_of(x, pictures->v[k]);
}

static int load_ref(struct expansion *x, struct ref *ref, struct phi3v_error *err)
{
    struct loader how = notebook_loader(x->nb, &x->inherited->settings);
    struct loaded loaded = {0};
    ref->first = images_of_cell(&x->nb->book, x->cell, ref->what);
    if (ref->first < 0) {
        enum nb_origin origin = x->cell->prompt_origin;
        int rc = load_picture(ref->what, &how, origin, &loaded, err);
        if (!rc)
            rc =
                images_add(&x->nb->book.images, &loaded, ref->what, NULL, origin, &ref->first, err);
        loaded_fini(&loaded);
        if (rc) return rc;
        if (ref->bare) note(x->nb, "(%s is sent as the picture @%d)", ref->what, ref->first + 1);
    }
    ref->last = ref->first;
    return 0;
}

static int check_answer(const struct expansion *x, struct ref *ref, struct phi3v_error *err)
{
    const struct book *b = &x->nb->book;
    if (!ref->first) ref->first = x->i;
    if (ref->first < 1 || ref->first > x->i || !b->v[ref->first - 1].answer)
        return refuse(err, PHI3V_E_PROMPT, "there is no answer %d above this cell to paste",
                      ref->first);
    return 0;
}

/* Says that a picture's name stays text, so that nobody takes an answer for one about it. */
static int note_text(struct notebook *nb, const char *what, struct phi3v_error *err)
{
    char *name = fetch_display_name(what);
    if (!name) return memory_error(err);
    if (fetch_is_url(what))
        note(nb, "(%s is sent as text: put @ before it to send the picture)", name);
    else
        note(nb, "(%s is no file here, so it is sent as text)", name);
    free(name);
    return 0;
}

static int resolve(struct expansion *x, struct refs *refs, struct phi3v_error *err)
{
    int rc = 0;
    const struct ref *missing = NULL;
    for (size_t k = 0; k < refs->n && !rc; k++) {
        if (refs->v[k].kind == REF_MISSING && !missing) missing = &refs->v[k];
        if (refs->v[k].kind == REF_LOAD) rc = load_ref(x, &refs->v[k], err);
        if (refs->v[k].kind == REF_ANSWER) rc = check_answer(x, &refs->v[k], err);
    }
    return rc || !missing ? rc : note_text(x->nb, missing->what, err);
}

/* Pictures named before any text get lines of their own, as the model was trained. */
static const char *add_pictures(struct expansion *x, const struct ref *ref, bool leading,
                                const char *rest)
{
    for (int image = ref->first; image <= ref->last; image++)
        text_addf(&x->text, "%s<|image_%d|>", image > ref->first ? leading ? "\n" : " " : "",
                  tag_of(x, image));
    if (!leading) return rest;
    text_add(&x->text, "\n");
    rest += strspn(rest, " \t");
    return *rest == '\n' ? rest + 1 : rest;
}

static void replace(struct expansion *x, const char *typed, const struct refs *refs)
{
    const char *p = typed;
    bool leading = true;
    for (size_t k = 0; k < refs->n; k++) {
        const struct ref *ref = &refs->v[k];
        const char *at = typed + ref->start;
        if (at < p) at = p; /* the line end after a leading picture may be consumed already */
        if (ref->kind == REF_MISSING) continue;
        leading = leading && ref->kind != REF_ANSWER && strspn(p, " \t") >= (size_t)(at - p);
        if (!leading) text_addn(&x->text, p, (size_t)(at - p));
        p = typed + ref->end;
        if (ref->kind == REF_ANSWER)
            text_add(&x->text, x->nb->book.v[ref->first - 1].answer);
        else
            p = add_pictures(x, ref, leading, p);
    }
    text_add(&x->text, p);
}

static bool names_pictures(const struct refs *refs)
{
    for (size_t k = 0; k < refs->n; k++)
        if (refs->v[k].kind == REF_PICTURE || refs->v[k].kind == REF_LOAD) return true;
    return false;
}

static int write_text(struct expansion *x, const char *typed, const struct refs *refs,
                      struct phi3v_error *err)
{
    if (has_image_tag(typed)) {
        take_staged(x); /* raw tags number the staged pictures too */
    } else if (!names_pictures(refs)) {
        take_staged(x);
        for (int k = 0; k < x->images.n; k++) text_addf(&x->text, "<|image_%d|>\n", k + 1);
    }
    replace(x, typed, refs);
    if (x->failed || x->text.failed) return memory_error(err);
    if (x->images.n == 0 && has_image_tag(typed))
        return refuse(err, PHI3V_E_PROMPT,
                      "the text names a picture, but none is staged: :load one (ask: -i FILE)");
    return 0;
}

int prompt_expand(struct notebook *nb, int i, const struct inherited *s, struct phi3v_error *err)
{
    struct cell *c = &nb->book.v[i];
    struct expansion x = {.nb = nb, .cell = c, .i = i, .inherited = s};
    struct refs refs;
    int rc = refs_find(c->prompt, &nb->book.images, c->prompt_origin, &nb->stop, &refs, err);
    if (rc) return rc;
    const struct ref *missing = refs_missing_alone(c->prompt, &refs);
    if (missing)
        rc = refuse(err, PHI3V_E_IMAGE, "%.200s: no such picture; nothing was sent", missing->what);
    if (!rc) rc = resolve(&x, &refs, err);
    if (!rc) rc = write_text(&x, c->prompt, &refs, err);
    refs_free(&refs);
    /* Passwords in addresses are removed here: neither the model nor any file gets them. */
    char *typed = rc ? NULL : text_take(&x.text);
    char *text = typed ? nb_for_keeping(typed) : NULL, *prompt = nb_for_keeping(c->prompt);
    free(typed);
    if (!rc && (!text || !prompt)) rc = memory_error(err);
    if (rc) {
        free(text);
        free(prompt);
        text_free(&x.text);
        int_list_free(&x.images);
        return rc;
    }
    free(c->prompt);
    c->prompt = prompt;
    free(c->text);
    int_list_free(&c->images);
    c->text = text;
    c->images = x.images;
    c->num_crops = s->settings.num_crops;
    return 0;
}

/* -- Building --------------------------------------------------------------------------------- */

/* A conversation's turns with their pictures. */
struct conversation {
    struct phi3v_turn *turns;
    int n;
    phi3v_image **images;
    struct loaded **pictures; // [n_images], from which the images come
    int n_images;
};

static bool sees_above(const struct settings *s) { return strcmp(s->mode, "cell") != 0; }

static bool is_part(const struct notebook *nb, int k, int i, const struct settings *s)
{
    return k < i && sees_above(s) && nb->book.v[k].answer && book_is_above(&nb->book, k, i);
}

static bool add_images(struct int_list *to, const struct int_list *more)
{
    for (int j = 0; j < more->n; j++)
        if (!int_list_add(to, more->v[j])) return false;
    return true;
}

/* The pictures of the cells that cell i sees, with `last` in its place. */
static int images_of(const struct notebook *nb, int i, const struct cell *last,
                     const struct settings *s, struct int_list *ret, struct phi3v_error *err)
{
    *ret = (struct int_list){0};
    bool whole = true;
    for (int k = 0; k < i && whole; k++)
        if (is_part(nb, k, i, s)) whole = add_images(ret, &nb->book.v[k].images);
    if (whole && add_images(ret, &last->images)) return 0;
    int_list_free(ret);
    return memory_error(err);
}

int prompt_images(const struct notebook *nb, int i, const struct settings *s, struct int_list *ret,
                  struct phi3v_error *err)
{
    return images_of(nb, i, &nb->book.v[i], s, ret, err);
}

/* Collects all pictures of the conversation, loading those that are missing. */
static int load_images(struct notebook *nb, const struct int_list *list, const struct settings *s,
                       struct conversation *to, struct phi3v_error *err)
{
    int rc = 0;
    to->images = memory_zero((size_t)list->n, sizeof *to->images);
    to->pictures = memory_zero((size_t)list->n, sizeof *to->pictures);
    if (!to->images || !to->pictures) rc = memory_error(err);
    for (int k = 0; k < list->n && !rc; k++) {
        rc = notebook_load_image(nb, list->v[k], s, err);
        if (rc) break;
        to->pictures[to->n_images] = &nb->book.images.v[list->v[k]].loaded;
        to->images[to->n_images] = to->pictures[to->n_images]->image;
        to->n_images++;
    }
    return rc;
}

/* An answer goes in as its token ids, or as text if another model gave it. */
static void add_cell(const struct notebook *nb, struct conversation *to, const struct cell *c,
                     int *at, bool reply, bool open)
{
    bool same_model = reply && token_text_fits(nb, c);
    to->turns[to->n++] =
        (struct phi3v_turn){.role = "user",
                            .text = c->text ? c->text : c->prompt,
                            .images = to->images + *at,
                            .n_images = c->images.n,
                            .num_crops = c->num_crops ? c->num_crops : nb->engine.info->num_crops};
    *at += c->images.n;
    if (reply)
        to->turns[to->n++] = (struct phi3v_turn){.role = "assistant",
                                                 .text = c->answer,
                                                 .ids = same_model ? c->ids : NULL,
                                                 .n_ids = same_model ? c->n_ids : 0,
                                                 .open = open};
}

/* Adds the turns of the cells that cell i sees, with `last` in its place. */
static int add_turns(struct notebook *nb, int i, const struct cell *last, const struct settings *s,
                     bool go_on, struct conversation *to, struct phi3v_error *err)
{
    int at = 0;
    to->turns = memory_zero(2 * (size_t)i + 3, sizeof *to->turns);
    if (!to->turns) return memory_error(err);
    if (*s->system) to->turns[to->n++] = (struct phi3v_turn){.role = "system", .text = s->system};
    for (int k = 0; k < i; k++)
        if (is_part(nb, k, i, s)) add_cell(nb, to, &nb->book.v[k], &at, true, false);
    add_cell(nb, to, last, &at, go_on, go_on);
    return 0;
}

static int build(struct notebook *nb, int i, const struct cell *last, const struct settings *s,
                 bool go_on, const struct phi3v_prompt_options *how, struct question *ret,
                 struct phi3v_error *err)
{
    struct conversation talk = {0};
    struct int_list images;
    int rc = images_of(nb, i, last, s, &images, err);
    if (rc) return rc;
    rc = load_images(nb, &images, s, &talk, err);
    if (!rc) rc = add_turns(nb, i, last, s, go_on, &talk, err);
    if (!rc) rc = engine_ask(&nb->engine, talk.turns, talk.n, talk.pictures, how, ret, err);
    int_list_free(&images);
    free(talk.turns);
    free(talk.images);
    free(talk.pictures);
    return rc;
}

int prompt_build(struct notebook *nb, int i, const struct settings *s, bool go_on,
                 struct question *ret, struct phi3v_error *err)
{
    struct phi3v_prompt_options how = engine_prompt_options(&nb->engine, s->num_crops);
    return build(nb, i, &nb->book.v[i], s, go_on, &how, ret, err);
}

static bool all_loaded(const struct notebook *nb, const struct int_list *images)
{
    for (int k = 0; k < images->n; k++)
        if (!nb->book.images.v[images->v[k]].loaded.image) return false;
    return true;
}

int prompt_build_ahead(struct notebook *nb, const struct inherited *s, struct question *ret,
                       struct phi3v_error *err)
{
    /* One letter stands for the text: what follows the pictures is prefilled again anyway. */
    struct cell next = {.images = *inherited_pictures(s), .num_crops = s->settings.num_crops};
    struct phi3v_prompt_options how;
    struct int_list images;
    phi3v_prompt_options_default(&how);
    how.num_crops = s->settings.num_crops;
    int rc = images_of(nb, nb->book.n, &next, &s->settings, &images, err);
    if (rc) return rc;
    if (!all_loaded(nb, &images))
        rc = refuse(err, PHI3V_E_IMAGE, "not all pictures are loaded yet");
    int_list_free(&images);
    if (rc) return rc;
    next.text = with_image_tags("?", (size_t)next.images.n);
    rc = next.text ? build(nb, nb->book.n, &next, &s->settings, false, &how, ret, err)
                   : memory_error(err);
    free(next.text);
    return rc;
}
