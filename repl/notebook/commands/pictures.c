/* SPDX-License-Identifier: GPL-3.0-or-later
 * Commands about pictures: :load :images :show :unstage :drop */
#include <stdlib.h>
#include <string.h>

#include "notebook/commands.h"
#include "net/fetch.h"
#include "term/picture.h"
#include "notebook/words.h"

enum { DRAW_ROWS = 14 };

/* -- Drawing -------------------------------------------------------------------------------- */

static void draw(struct repl *r, const struct picture *p)
{
    if (!r->term || r->app.opt.json) return;
    int cols = term_facts(r->term)->cols * 2 / 3;
    picture_show(term_facts(r->term), p, cols, DRAW_ROWS, stdout);
    fflush(stdout);
}

static void draw_image(struct repl *r, const phi3v_image *image)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    struct picture p = {info->width, info->height, phi3v_image_rgb(image),
                        phi3v_image_alpha(image)};
    draw(r, &p);
}

/* -- The price, before it is paid ----------------------------------------------------------- */

static double expected_s(const struct repl *r, const struct phi3v_image_plan *plan)
{
    if (r->s_per_crop <= 0 || r->s_per_token <= 0) return 0;
    return r->s_per_crop * (1 + plan->crop_rows * plan->crop_cols) +
           r->s_per_token * plan->n_tokens;
}

static void say_price(struct repl *r, int index, const struct phi3v_image_plan *plan)
{
    const struct handle *h = &r->book.handles.v[index];
    const struct phi3v_image_info *info = phi3v_image_info(h->media.image);
    struct text t = {0};
    text_addf(&t, "@%d %s%s%s%s", index + 1, h->name ? "@" : "", h->name ? h->name : "",
              h->name ? " " : "", h->media.source);
    text_addf(&t, ": %s %dx%d, %dx%d+1 crops, %d tokens, %.1f%% of the context", info->format,
              info->width, info->height, plan->crop_rows, plan->crop_cols, plan->n_tokens,
              100.0 * plan->n_tokens / (double)(r->app.info->ctx > 0 ? r->app.info->ctx : 1));
    double s = expected_s(r, plan);
    if (s > 0) text_addf(&t, s < 10 ? ", about %.1f s" : ", about %.0f s", s);
    if (info->transparent_share > 0.01)
        text_addf(&t,
                  "; %.0f%% of it is transparent: the model sees the colours under the transparency",
                  100 * info->transparent_share);
    if (info->animated) text_add(&t, "; it is animated: only the first frame is used");
    say_line(r, t.s, 2);
    text_free(&t);
}

/* -- :load ---------------------------------------------------------------------------------- */

static int load_one(struct repl *r, const char *what, const char *name, struct phi3v_error *err)
{
    struct media media;
    struct phi3v_image_plan plan;
    int index, rc = media_load(what, &r->app.opt, !r->from_file, &media, err);
    if (rc) return rc;
    rc = phi3v_image_plan(r->app.model, media.image, r->app.opt.num_crops, &plan, err);
    if (!rc) rc = handles_add(&r->book.handles, &media, what, name, !r->from_file, &index, err);
    if (rc) {
        media_fini(&media);
        return rc;
    }
    book_stage(&r->book, index);
    draw_image(r, r->book.handles.v[index].media.image);
    say_price(r, index, &plan);
    return 0;
}

/* Takes "as NAME" off the end; NULL when there is none. */
static char *take_name(struct strings *words)
{
    if (words->n < 3 || strcmp(words->v[words->n - 2], "as") != 0) return NULL;
    char *name = words->v[words->n - 1];
    free(words->v[words->n - 2]);
    words->n -= 2;
    return name;
}

static int check_load(const struct repl *r, const struct strings *list, const char *name,
                      struct phi3v_error *err)
{
    if (!list->n) return refuse(err, PHI3V_E_ARGUMENT, ":load wants a file, URL or pattern");
    if (name && list->n > 1)
        return refuse(err, PHI3V_E_ARGUMENT, "one name cannot stand for %zu pictures", list->n);
    for (size_t i = 0; i < list->n; i++)
        if (!strcmp(list->v[i], "-") && (!r->script || r->script_stdin || r->from_file))
            return refuse(err, PHI3V_E_ARGUMENT, "standard input is where the commands come from");
    return 0;
}

int command_load(struct repl *r, char *args, struct phi3v_error *err)
{
    struct strings words, list = {0};
    words_split(args, &words);
    char *name = take_name(&words);
    int n_handles = r->book.handles.n, n_staged = r->book.n_staged;
    int rc = media_expand(&words, &list, err);
    if (!rc) rc = check_load(r, &list, name, err);
    for (size_t i = 0; i < list.n && !rc; i++) rc = load_one(r, list.v[i], name, err);
    if (rc) {
        r->book.n_staged = n_staged;
        handles_truncate(&r->book.handles, n_handles);
    }
    strings_free(&list);
    strings_free(&words);
    free(name);
    return rc;
}

/* -- The others ----------------------------------------------------------------------------- */

static bool is_staged(const struct book *b, int index)
{
    for (int i = 0; i < b->n_staged; i++)
        if (b->staged[i] == index) return true;
    return false;
}

int command_images(struct repl *r, char *args, struct phi3v_error *err)
{
    (void)args, (void)err;
    const struct handles *h = &r->book.handles;
    for (int i = 0; i < h->n; i++) {
        const struct handle *p = &h->v[i];
        if (p->dropped) continue;
        fprintf(r->say, "@%d%s%s ", i + 1, p->name ? " @" : "", p->name ? p->name : "");
        say_name(r, p->media.source ? p->media.source : p->what);
        if (p->media.image) {
            const struct phi3v_image_info *info = phi3v_image_info(p->media.image);
            fprintf(r->say, ": %s %dx%d", info->format, info->width, info->height);
        } else {
            fprintf(r->say, ": not loaded yet");
        }
        fprintf(r->say, "%s\n", is_staged(&r->book, i) ? ", staged" : "");
    }
    if (!h->n) fprintf(r->say, "no pictures yet: :load FILE or URL\n");
    return 0;
}

/* The first crop of the model's input as 8-bit pixels: what it sees of the whole picture. */
static uint8_t *global_view(const float *crop, int side)
{
    static const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
    static const float std[3] = {0.26862954f, 0.26130258f, 0.27577711f};
    size_t n = (size_t)side * (size_t)side;
    uint8_t *rgb = xalloc(3 * n);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) {
            float x = (crop[c * n + i] * std[c] + mean[c]) * 255.0f + 0.5f;
            rgb[3 * i + c] = (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
        }
    return rgb;
}

static int show_model_view(struct repl *r, phi3v_image *image, struct phi3v_error *err)
{
    float *crops;
    struct phi3v_image_plan plan;
    int rc = phi3v_image_crops(r->app.model, image, r->app.opt.num_crops, &crops, &plan, err);
    if (rc) return rc;
    int side = r->app.info->crop_side;
    uint8_t *rgb = global_view(crops, side);
    struct picture p = {side, side, rgb, NULL};
    draw(r, &p);
    fprintf(r->say,
            "the whole at %dx%d, then %d crops (%dx%d) of the picture scaled to %dx%d, padded to "
            "%dx%d\n",
            side, side, plan.crop_rows * plan.crop_cols, plan.crop_rows, plan.crop_cols,
            plan.content_width, plan.content_height, plan.hd_width, plan.hd_height);
    free(rgb);
    phi3v_floats_free(crops);
    return 0;
}

int command_show(struct repl *r, char *args, struct phi3v_error *err)
{
    struct strings words;
    words_split(args, &words);
    struct handles *h = &r->book.handles;
    bool model = words.n > 0 && !strcmp(words.v[words.n - 1], "model");
    size_t n = words.n - model;
    int index = h->n - 1, rc = 0;
    if (n > 1)
        rc = refuse(err, PHI3V_E_ARGUMENT, ":show [@n] [model]");
    else if (n == 1)
        rc = handles_get(h, words.v[0], &index, err);
    else if (index < 0)
        rc = refuse(err, PHI3V_E_ARGUMENT, "no pictures yet: :load FILE or URL");
    strings_free(&words);
    if (rc) return rc;
    phi3v_image *image;
    char *dir = book_dir(&r->book);
    rc = handles_image(h, index, &r->app.opt, dir, &image, err);
    free(dir);
    if (rc) return rc;
    if (model) return show_model_view(r, image, err);
    struct phi3v_image_plan plan;
    rc = phi3v_image_plan(r->app.model, image, r->app.opt.num_crops, &plan, err);
    if (rc) return rc;
    draw_image(r, image);
    say_price(r, index, &plan);
    return 0;
}

int command_unstage(struct repl *r, char *args, struct phi3v_error *err)
{
    (void)args, (void)err;
    book_unstage(&r->book);
    return 0;
}

int command_drop(struct repl *r, char *args, struct phi3v_error *err)
{
    int index;
    if (!*args) return refuse(err, PHI3V_E_ARGUMENT, ":drop wants a picture: :drop @2");
    int rc = handles_get(&r->book.handles, args, &index, err);
    if (rc) return rc;
    for (int i = 0; i < r->book.n; i++)
        for (int k = 0; k < r->book.v[i].n_pictures; k++)
            if (r->book.v[i].pictures[k] == index)
                return refuse(err, PHI3V_E_ARGUMENT,
                              "cell %d uses @%d, so it stays (:reset begins anew)", i + 1,
                              index + 1);
    book_drop(&r->book, index);
    return 0;
}
