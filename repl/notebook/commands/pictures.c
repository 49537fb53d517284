/* SPDX-License-Identifier: MIT
 * Commands about pictures: :load :images :show :unstage :drop */
#include <stdlib.h>
#include <string.h>

#include "notebook/commands.h"
#include "notebook/features.h"

/* -- The price, before it is paid ------------------------------------------------------------- */

/* The tokens of a question and of the template around it. */
enum { FEW_TOKENS = 20 };

/* Seconds to the first word of an answer about this picture alone. */
static double expected_s(struct notebook *nb, const phi3v_image *image,
                         const struct phi3v_image_plan *plan)
{
    struct engine *e = &nb->engine;
    bool known = features_are_kept(nb, image, nb->now.num_crops);
    price_try(&e->price, e->model);
    return price_s(&e->price, e->info, known ? 0 : 1 + plan->crop_rows * plan->crop_cols, 0,
                   plan->n_tokens + FEW_TOKENS);
}

void add_price(struct text *t, struct notebook *nb, int index, const struct phi3v_image_plan *plan)
{
    const struct image *m = &nb->book.images.v[index];
    const struct phi3v_image_info *info = phi3v_image_info(m->loaded.image);
    int64_t ctx = nb->engine.info->ctx;
    text_addf(t, "@%d %s%s%s%s", index + 1, m->name ? "@" : "", m->name ? m->name : "",
              m->name ? " " : "", m->loaded.source);
    text_addf(t, ": %s %dx%d", m->crop_of ? "region" : info->format, info->width, info->height);
    if (plan->n_tokens > 0)
        text_addf(t, ", %dx%d+1 crops, %d tokens (%.1f%%)", plan->crop_rows, plan->crop_cols,
                  plan->n_tokens, 100.0 * plan->n_tokens / (double)(ctx > 0 ? ctx : 1));
    double s = plan->n_tokens > 0 ? expected_s(nb, m->loaded.image, plan) : 0;
    char duration[DURATION_BYTES];
    if (s > 0) text_addf(t, ", about %s", duration_text(s, duration));
    if (info->transparent_share > 0.01)
        text_addf(
            t, "; %.0f%% of it is transparent: the model sees the colours under the transparency",
            100 * info->transparent_share);
    if (info->animated) text_add(t, "; it has more than one frame: only the first is used");
    if (info->incomplete) text_add(t, "; parts of the file are missing or damaged");
    text_add(t, "\n");
}

int show_pictures(struct call *c, const struct int_list *images, bool large,
                  struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    struct text prices = {0};
    size_t n = (size_t)images->n;
    struct nb_picture *pictures = memory_zero(n, sizeof *pictures);
    char(*labels)[64] = memory_zero(n, sizeof *labels);
    int rc = pictures && labels ? 0 : memory_error(err);
    for (int k = 0; k < images->n && !rc; k++) {
        struct phi3v_image_plan plan;
        const phi3v_image *image = nb->book.images.v[images->v[k]].loaded.image;
        rc = engine_plan(&nb->engine, image, c->settings->num_crops, &plan, err);
        if (rc) break;
        picture_of(nb, images->v[k], labels[k], &pictures[k]);
        add_price(&prices, nb, images->v[k], &plan);
    }
    if (!rc && prices.failed) rc = memory_error(err);
    if (!rc)
        nb->front.output(nb->front.user, &(struct nb_output){.kind = NB_IMAGE,
                                                             .text = prices.s ? prices.s : "",
                                                             .n_bytes = prices.n,
                                                             .pictures = pictures,
                                                             .n_pictures = images->n,
                                                             .large = large});
    text_free(&prices);
    free(labels);
    free(pictures);
    return rc;
}

/* -- :load ------------------------------------------------------------------------------------ */

static int load_one(struct call *c, const char *what, const char *name, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    struct loader how = notebook_loader(nb, c->settings);
    struct loaded loaded = {0};
    struct phi3v_image_plan plan;
    int index = images_of_cell(&nb->book, c->cell, what), rc = 0;
    if (index < 0) {
        rc = load_picture(what, &how, c->origin, &loaded, err);
        if (!rc) rc = engine_plan(&nb->engine, loaded.image, c->settings->num_crops, &plan, err);
        if (!rc) rc = images_add(&nb->book.images, &loaded, what, name, c->origin, &index, err);
        loaded_fini(&loaded);
    }
    if (!rc && !int_list_add(&c->images, index)) rc = memory_error(err);
    return rc;
}

const char *name_at_end(const struct words *words, size_t *ret_n)
{
    size_t n = words->n;
    bool named = n >= 3 && !strcmp(words->v[n - 2].text, "as") && !words->v[n - 2].quoted;
    *ret_n = named ? n - 2 : n;
    return named ? words->v[n - 1].text : NULL;
}

/* A request's pattern is not expanded: requests may not read folders. */
static int expand(const struct call *c, const struct word *word, struct strings *ret,
                  struct phi3v_error *err)
{
    if (c->origin != NB_REQUEST) return load_expand(word, ret, err);
    return strings_add(ret, word->text) ? 0 : memory_error(err);
}

static int load_all(struct call *c, const struct words *words, struct phi3v_error *err)
{
    struct strings list = {0};
    size_t n;
    int rc = 0;
    const char *name = name_at_end(words, &n);
    for (size_t k = 0; k < n && !rc; k++) rc = expand(c, &words->v[k], &list, err);
    if (!rc && !list.n) rc = refuse(err, PHI3V_E_ARGUMENT, ":load needs a file, URL or pattern");
    if (!rc && name && list.n > 1)
        rc = refuse(err, PHI3V_E_ARGUMENT, "one name cannot stand for %zu pictures", list.n);
    for (size_t k = 0; k < list.n && !rc; k++) rc = load_one(c, list.v[k], name, err);
    strings_free(&list);
    return rc;
}

int command_load(struct call *c, struct phi3v_error *err)
{
    struct words words;
    int n_images = c->nb->book.images.n;
    engine_begin(&c->nb->engine);
    int rc = c->origin == NB_REQUEST ? words_split(c->args, &words, err)
                                     : load_words(c->args, &words, err);
    if (rc) return rc;
    rc = load_all(c, &words, err);
    words_free(&words);
    if (!rc && !c->cell) rc = show_pictures(c, &c->images, false, err);
    if (rc) {
        int_list_free(&c->images);
        images_truncate(&c->nb->book.images, n_images);
    }
    return rc;
}

/* -- The others ------------------------------------------------------------------------------- */

int command_images(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    const struct images *m = &nb->book.images;
    struct inherited s;
    int rc = book_inherited(&nb->book, nb->book.n, &s, err);
    if (rc) return rc;
    for (int i = 0; i < m->n; i++) {
        const struct image *p = &m->v[i];
        struct text t = {0};
        if (p->dropped) continue;
        text_addf(&t, "@%d%s%s %s", i + 1, p->name ? " @" : "", p->name ? p->name : "",
                  p->loaded.source ? p->loaded.source : p->what);
        if (p->loaded.image) {
            const struct phi3v_image_info *info = phi3v_image_info(p->loaded.image);
            text_addf(&t, ": %s %dx%d", info->format, info->width, info->height);
        } else {
            text_add(&t, ": not loaded yet");
        }
        text_addf(&t, "%s\n", int_list_has(&s.staged, i) ? ", staged" : "");
        report_text(nb, &t);
        text_free(&t);
    }
    if (!m->n) report(nb, "no pictures yet: :load FILE or URL\n");
    inherited_free(&s);
    return 0;
}

/* The first crop of the model's input as 8-bit pixels: its view of the whole picture. */
static uint8_t *global_view(const float *crop, int side)
{
    static const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
    static const float std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
    size_t n = (size_t)side * (size_t)side;
    uint8_t *rgb = memory_new(3 * n);
    for (size_t i = 0; rgb && i < n; i++)
        for (size_t k = 0; k < 3; k++) {
            float x = (crop[k * n + i] * std[k] + mean[k]) * 255.0f + 0.5f;
            rgb[3 * i + k] = (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
        }
    return rgb;
}

/* Shows the picture in its crops, then the model's view of the whole. */
static int show_views(struct call *c, const phi3v_image *const views[2],
                      const struct phi3v_image_plan *plan, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    int side = nb->engine.info->crop_side;
    struct nb_picture pictures[2] = {{views[0], "the crops", ""}, {views[1], "the whole", ""}};
    char *text =
        text_format("the whole at %dx%d, then %d crops (%dx%d) of the picture scaled to "
                    "%dx%d, padded to %dx%d (hatched)\n",
                    side, side, plan->crop_rows * plan->crop_cols, plan->crop_rows, plan->crop_cols,
                    plan->content_width, plan->content_height, plan->hd_width, plan->hd_height);
    if (!text) return memory_error(err);
    nb->front.output(nb->front.user, &(struct nb_output){.kind = NB_IMAGE,
                                                         .text = text,
                                                         .n_bytes = strlen(text),
                                                         .pictures = pictures,
                                                         .n_pictures = 2,
                                                         .large = true});
    free(text);
    return 0;
}

static int show_model_view(struct call *c, const phi3v_image *image, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    int side = nb->engine.info->crop_side;
    float *crops;
    struct phi3v_image_plan plan;
    phi3v_model *seer;
    int rc = engine_model(&nb->engine, "what the model sees of a picture", &seer, err);
    if (!rc) rc = phi3v_image_crops(seer, image, c->settings->num_crops, &crops, &plan, err);
    if (rc) return rc;
    uint8_t *rgb = global_view(crops, side);
    phi3v_image *views[2] = {NULL, NULL};
    phi3v_floats_free(crops);
    rc = rgb ? phi3v_image_from_rgb(rgb, side, side, &views[1], err) : memory_error(err);
    free(rgb);
    if (!rc) rc = overlay_grid(image, &plan, side, &views[0], err);
    if (!rc) rc = show_views(c, (const phi3v_image *const *)views, &plan, err);
    phi3v_image_free(views[0]);
    phi3v_image_free(views[1]);
    return rc;
}

/* Reads [@n] [model]; without @n the latest picture. */
static int which_image(const struct notebook *nb, const struct words *words, bool *ret_model,
                       int *ret_index, struct phi3v_error *err)
{
    const struct images *m = &nb->book.images;
    *ret_model = words->n > 0 && !strcmp(words->v[words->n - 1].text, "model");
    size_t n = words->n - *ret_model;
    if (n > 1) return refuse(err, PHI3V_E_ARGUMENT, ":show [@n] [model]");
    if (n == 1) return images_get(m, words->v[0].text, ret_index, err);
    *ret_index = m->n - 1;
    while (*ret_index >= 0 && m->v[*ret_index].dropped) --*ret_index;
    if (*ret_index < 0) return refuse(err, PHI3V_E_ARGUMENT, "no pictures yet: :load FILE or URL");
    return 0;
}

int command_show(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    struct words words;
    bool model;
    int index, rc = words_split(c->args, &words, err);
    if (rc) return rc;
    rc = which_image(nb, &words, &model, &index, err);
    words_free(&words);
    if (!rc) rc = notebook_load_image(nb, index, c->settings, err);
    if (rc) return rc;
    if (model) return show_model_view(c, nb->book.images.v[index].loaded.image, err);
    return show_pictures(c, &(struct int_list){&index, 1}, true, err);
}

int command_unstage(struct call *c, struct phi3v_error *err)
{
    (void)c, (void)err;
    return 0; /* the line itself is the effect */
}

int command_drop(struct call *c, struct phi3v_error *err)
{
    struct book *b = &c->nb->book;
    int index;
    if (!*c->args) return refuse(err, PHI3V_E_ARGUMENT, ":drop needs a picture: :drop @2");
    int rc = images_get(&b->images, c->args, &index, err);
    if (rc) return rc;
    for (int i = 0; i < b->n; i++)
        if (&b->v[i] != c->cell && int_list_has(&b->v[i].images, index))
            return refuse(err, PHI3V_E_ARGUMENT,
                          "cell %d uses @%d, so it stays (:reset begins anew)", i + 1, index + 1);
    if (!int_list_add(&c->images, index)) return memory_error(err);
    images_drop(&b->images, index);
    return 0;
}
