/* SPDX-License-Identifier: MIT
 * :crop and :turn: a region of a picture, or the picture laid another way, becomes a picture of its
 * own, which the model sees with all its crops. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notebook/commands.h"
#include "notebook/overlay.h"

/* -- The region ------------------------------------------------------------------------------- */

static int bad_region(const char *word, struct phi3v_error *err)
{
    return refuse(err, PHI3V_E_ARGUMENT,
                  "\"%.60s\" is no region: x,y,width,height in pixels or percent, or tile "
                  "ROW,COLUMN",
                  word);
}

/* Reads a number of pixels, or a percentage of `all`, and moves *at past it. False: there is
 * none. */
static bool read_length(const char **at, int all, double *ret)
{
    size_t n = strspn(*at, "0123456789.");
    char digits[20], *end;
    if (n < 1 || n >= sizeof digits) return false;
    memcpy(digits, *at, n);
    digits[n] = 0;
    *ret = strtod(digits, &end);
    *at += n;
    bool percent = **at == '%';
    if (percent) *ret *= all / 100.0;
    *at += percent;
    return !*end && *ret <= 1e9;
}

/* Reads "40,20,200,120" or "50%,0,50%,100%"; edges are rounded to whole pixels. */
static int read_box(const char *word, const struct phi3v_image_info *info, struct box *ret,
                    struct phi3v_error *err)
{
    const char *at = word;
    double v[4];
    for (int k = 0; k < 4; k++) {
        if (k && *at++ != ',') return bad_region(word, err);
        if (!read_length(&at, k % 2 ? info->height : info->width, &v[k]))
            return bad_region(word, err);
    }
    if (*at) return bad_region(word, err);
    int left = (int)lround(v[0]), top = (int)lround(v[1]);
    *ret = (struct box){left, top, (int)lround(v[0] + v[2]) - left, (int)lround(v[1] + v[3]) - top};
    return 0;
}

/* Reads "2,3": row and column of a crop, from 1. */
static int read_tile(struct call *c, const char *word, const phi3v_image *image, struct box *ret,
                     struct phi3v_error *err)
{
    int row, column, n = 0;
    struct phi3v_image_plan plan;
    if (sscanf(word, "%4d,%4d%n", &row, &column, &n) != 2 || word[n]) return bad_region(word, err);
    phi3v_model *model;
    int rc = engine_model(&c->nb->engine, "the crops of a picture", &model, err);
    if (!rc) rc = phi3v_image_plan(model, image, c->settings->num_crops, &plan, err);
    if (rc) return rc;
    if (row < 1 || row > plan.crop_rows || column < 1 || column > plan.crop_cols)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "there is no crop %d,%d: the picture has %d rows of %d (:show @n model)", row,
                      column, plan.crop_rows, plan.crop_cols);
    *ret = overlay_tile(image, &plan, c->nb->engine.info->crop_side, row - 1, column - 1);
    if (ret->width > 0 && ret->height > 0) return 0;
    return refuse(err, PHI3V_E_ARGUMENT, "crop %d,%d shows nothing of the picture", row, column);
}

/* -- What both do ----------------------------------------------------------------------------- */

/* Finds the picture of a command and loads it. */
static int whole_of(struct call *c, const char *name, int *ret_index, struct phi3v_error *err)
{
    int rc = images_get(&c->nb->book.images, name, ret_index, err);
    return rc ? rc : notebook_load_image(c->nb, *ret_index, c->settings, err);
}

/* Reads the words from..n as a turn. */
static bool read_turn(const struct words *words, size_t from, size_t n, struct turn *ret)
{
    *ret = (struct turn){false, 0};
    for (size_t k = from; k < n; k++) {
        struct turn next;
        if (!turn_read(words->v[k].text, &next)) return false;
        *ret = turn_then(*ret, next);
    }
    return true;
}

/* Shows the whole with the region outlined, then the region, and what each costs. */
static int show_both(struct call *c, int whole, int part, const struct box *box,
                     struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    char labels[2][64];
    struct nb_picture pictures[2];
    struct phi3v_image_plan plan;
    struct text prices = {0};
    phi3v_image *outlined = NULL;
    int rc = 0;
    for (int k = 0; k < 2 && !rc; k++) {
        int index = k ? part : whole;
        const phi3v_image *image = nb->book.images.v[index].loaded.image;
        picture_of(nb, index, labels[k], &pictures[k]);
        rc = engine_plan(&nb->engine, image, c->settings->num_crops, &plan, err);
        if (!rc) add_price(&prices, nb, index, &plan);
    }
    if (!rc) rc = overlay_box(pictures[0].image, box, &outlined, err);
    pictures[0].image = outlined;
    if (!rc && prices.failed) rc = memory_error(err);
    if (!rc)
        nb->front.output(nb->front.user, &(struct nb_output){.kind = NB_IMAGE,
                                                             .text = prices.s,
                                                             .n_bytes = prices.n,
                                                             .pictures = pictures,
                                                             .n_pictures = 2});
    phi3v_image_free(outlined);
    text_free(&prices);
    return rc;
}

/* Runs `make` on the words of the command; a failure leaves no picture behind. */
static int command(struct call *c,
                   int (*make)(struct call *c, const struct words *words, struct phi3v_error *err),
                   struct phi3v_error *err)
{
    struct words words;
    int n_images = c->nb->book.images.n, rc = words_split(c->args, &words, err);
    if (rc) return rc;
    engine_begin(&c->nb->engine);
    rc = make(c, &words, err);
    words_free(&words);
    if (rc) {
        int_list_free(&c->images);
        images_truncate(&c->nb->book.images, n_images);
    }
    return rc;
}

/* -- :crop ------------------------------------------------------------------------------------ */

static int crop(struct call *c, const struct words *words, struct phi3v_error *err)
{
    struct images *m = &c->nb->book.images;
    size_t n;
    const char *name = name_at_end(words, &n);
    bool tile = n > 2 && !strcmp(words->v[1].text, "tile");
    int whole, part;
    struct turn turn;
    struct box box;
    if (n < 2 || !read_turn(words, tile ? 3 : 2, n, &turn))
        return refuse(err, PHI3V_E_ARGUMENT,
                      ":crop needs a picture and a region: :crop @1 40,20,200,120");
    int rc = whole_of(c, words->v[0].text, &whole, err);
    if (rc) return rc;
    const phi3v_image *image = m->v[whole].loaded.image;
    rc = tile ? read_tile(c, words->v[2].text, image, &box, err)
              : read_box(words->v[1].text, phi3v_image_info(image), &box, err);
    if (!rc) rc = images_cut(m, whole + 1, &box, turn, name, c->origin, &part, err);
    if (!rc && !int_list_add(&c->images, part)) rc = memory_error(err);
    return !rc && !c->cell ? show_both(c, whole, part, &box, err) : rc;
}

int command_crop(struct call *c, struct phi3v_error *err) { return command(c, crop, err); }

/* -- :turn ------------------------------------------------------------------------------------ */

static int turn(struct call *c, const struct words *words, struct phi3v_error *err)
{
    struct images *m = &c->nb->book.images;
    size_t n;
    const char *name = name_at_end(words, &n);
    int whole, turned;
    struct turn how;
    if (n < 2 || !read_turn(words, 1, n, &how))
        return refuse(err, PHI3V_E_ARGUMENT,
                      ":turn needs a picture, and 90, 180, 270 (clockwise) or flip: :turn @1 90");
    int rc = whole_of(c, words->v[0].text, &whole, err);
    if (rc) return rc;
    const struct phi3v_image_info *info = phi3v_image_info(m->v[whole].loaded.image);
    struct box all = {0, 0, info->width, info->height};
    rc = images_cut(m, whole + 1, &all, how, name, c->origin, &turned, err);
    if (!rc && (!int_list_add(&c->images, whole) || !int_list_add(&c->images, turned)))
        rc = memory_error(err);
    if (!rc && !c->cell) rc = show_pictures(c, &(struct int_list){&turned, 1}, false, err);
    return rc;
}

int command_turn(struct call *c, struct phi3v_error *err) { return command(c, turn, err); }
