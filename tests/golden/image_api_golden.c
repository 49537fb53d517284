/* SPDX-License-Identifier: MIT
 * The recorded pictures through the public functions: what phi3v_image_… says and gives must be
 * what the reference recorded, in every field that a caller can see. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "golden.h"
#include "phi3v.h"

enum { SIDE = 336 };
static const char model_folder[] = "models/tiny-gqa-bf16";

static int64_t number(json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static int64_t item(json_t *array, size_t i)
{
    return json_integer_value(json_array_get(array, i));
}

static bool hash_is(const void *data, size_t n_bytes, const char *want)
{
    char hex[65];
    struct sha256_part part = {data, n_bytes};
    return want && sha256_hex(&part, 1, NULL, hex, NULL) == 0 && strcmp(hex, want) == 0;
}

static phi3v_image *open_image(const char *relative, int exif, const char **ret_bytes,
                               size_t *ret_n)
{
    size_t n;
    char *bytes = golden_bytes(relative, &n);
    if (!bytes) return NULL;
    struct phi3v_image_options opt;
    phi3v_image_options_default(&opt);
    opt.exif = exif;
    phi3v_image *image = NULL;
    struct phi3v_error err;
    if (phi3v_image_from_bytes(bytes, n, &opt, &image, &err) < 0)
        tap_ok(false, "%s: %s", relative, err.text);
    *ret_bytes = bytes;
    *ret_n = n;
    return image;
}

/* -- Plans and crops -------------------------------------------------------------------------- */

/* The picture lies centred in the scaled one, margins on one axis only. */
static bool plan_ok(const struct phi3v_image_plan *p, json_t *c)
{
    json_t *scaled = json_object_get(c, "resized_wh_before_transpose_back");
    json_t *hd = json_object_get(c, "image_size_hw"), *grid = json_object_get(c, "grid_rows_cols");
    bool turned = json_is_true(json_object_get(c, "transposed"));
    return p->hd_height == item(hd, 0) && p->hd_width == item(hd, 1) &&
           p->crop_rows == item(grid, 0) && p->crop_cols == item(grid, 1) &&
           p->n_tokens == number(c, "num_img_tokens") && p->content_width == item(scaled, turned) &&
           p->content_height == item(scaled, !turned) &&
           (turned ? p->content_x : p->content_y) == number(c, "pad_top") &&
           (turned ? p->content_y : p->content_x) == 0;
}

static void check_case(const phi3v_model *model, const phi3v_image *image, const char *file,
                       json_t *c, bool same_raster)
{
    struct phi3v_image_plan plan, again;
    struct phi3v_error err = {0};
    int num_crops = (int)number(c, "num_crops");
    float *crops;
    if (phi3v_image_plan(model, image, num_crops, &plan, &err) < 0 ||
        phi3v_image_crops(model, image, num_crops, &crops, &again, &err) < 0) {
        tap_ok(false, "%s, %d crops: %s", file, num_crops, err.text);
        return;
    }
    tap_ok(plan_ok(&plan, c) && memcmp(&plan, &again, sizeof plan) == 0, "%s, %d crops: plan", file,
           num_crops);
    size_t n = (size_t)3 * SIDE * SIDE;
    const char *want = json_string_value(json_object_get(c, "hd_crops_sha256"));
    if (same_raster)
        tap_ok(
            hash_is(crops + n, (size_t)(plan.crop_rows * plan.crop_cols) * n * sizeof *crops, want),
            "%s, %d crops: crops", file, num_crops);
    phi3v_floats_free(crops);
}

/* -- One picture ------------------------------------------------------------------------------- */

/* A copy of the raster has the same identity; another raster has not. */
static void check_identity(const phi3v_image *image, const char *file)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    size_t n = (size_t)info->width * (size_t)info->height * 3;
    uint8_t *rgb = mem_alloc(n);
    phi3v_image *same = NULL, *other = NULL, *turned = NULL;
    bool ok = rgb != NULL;
    if (ok) {
        memcpy(rgb, phi3v_image_rgb(image), n);
        ok = phi3v_image_from_rgb(rgb, info->width, info->height, &same, NULL) == 0;
        rgb[n - 1] ^= 1;
        ok = ok && phi3v_image_from_rgb(rgb, info->width, info->height, &other, NULL) == 0;
        ok = ok && phi3v_image_from_rgb(phi3v_image_rgb(image), info->height, info->width, &turned,
                                        NULL) == 0;
    }
    if (ok) {
        const struct phi3v_image_info *s = phi3v_image_info(same), *o = phi3v_image_info(other);
        ok = strcmp(s->format, "RGB") == 0 && strlen(s->content_sha256) == 64 &&
             strcmp(s->content_sha256, info->content_sha256) == 0 &&
             strcmp(o->content_sha256, info->content_sha256) != 0;
        if (info->width != info->height) // the same bytes in another shape
            ok = ok && strcmp(phi3v_image_info(turned)->content_sha256, info->content_sha256) != 0;
    }
    tap_ok(ok, "%s: identity", file);
    phi3v_image_free(same);
    phi3v_image_free(other);
    phi3v_image_free(turned);
    mem_free(rgb);
}

static void check_info(const phi3v_image *image, const char *file, json_t *picture,
                       const char *bytes, size_t n_bytes)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    const char *format = json_string_value(json_object_get(picture, "format"));
    tap_ok(info->width == number(picture, "width") && info->height == number(picture, "height") &&
               format && strcasecmp(info->format, format) == 0 &&
               hash_is(bytes, n_bytes, info->file_sha256) &&
               (phi3v_image_alpha(image) != NULL) == (info->transparent_share > 0) &&
               info->animated == (strncmp(file, "anim", 4) == 0) &&
               info->exif_orientation == (strcmp(file, "exif_orient6.jpg") == 0 ? 6 : 1),
           "%s: facts", file);
}

static void check_picture(const phi3v_model *model, json_t *picture)
{
    const char *file = json_string_value(json_object_get(picture, "file")), *bytes = NULL;
    char relative[256];
    snprintf(relative, sizeof relative, "images/%s", file ? file : "");
    size_t n_bytes, i;
    phi3v_image *image = open_image(relative, 0, &bytes, &n_bytes);
    if (image) {
        const struct phi3v_image_info *info = phi3v_image_info(image);
        bool clipped = strcmp(file, "gray16.png") == 0; // recorded white, see preprocess_golden.c
        check_info(image, file, picture, bytes, n_bytes);
        if (!clipped)
            tap_ok(hash_is(phi3v_image_rgb(image), (size_t)info->width * (size_t)info->height * 3,
                           json_string_value(json_object_get(picture, "rgb_sha256"))),
                   "%s: raster", file);
        check_identity(image, file);
        json_t *c;
        json_array_foreach(json_object_get(picture, "cases"), i, c)
            check_case(model, image, file, c, !clipped);
    }
    phi3v_image_free(image);
    mem_free((void *)bytes);
}

/* -- Everything else -------------------------------------------------------------------------- */

static void check_exif(void)
{
    const char *bytes = NULL;
    size_t n;
    phi3v_image *stored = open_image("images/exif_orient6.jpg", 0, &bytes, &n);
    mem_free((void *)bytes);
    bytes = NULL;
    phi3v_image *turned = open_image("images/exif_orient6.jpg", 1, &bytes, &n);
    mem_free((void *)bytes);
    if (stored && turned) {
        const struct phi3v_image_info *s = phi3v_image_info(stored), *t = phi3v_image_info(turned);
        const uint8_t *corner = phi3v_image_rgb(turned) + 3 * ((size_t)t->width - 1);
        tap_ok(s->width == t->height && s->height == t->width &&
                   memcmp(phi3v_image_rgb(stored), corner, 3) == 0 &&
                   strcmp(s->content_sha256, t->content_sha256) != 0 &&
                   strcmp(s->file_sha256, t->file_sha256) == 0,
               "orientation 6: a quarter turn clockwise");
    }
    phi3v_image_free(stored);
    phi3v_image_free(turned);
}

static void refuses(int code, int want, const struct phi3v_error *err, const char *what)
{
    tap_ok(code == want && err->code == want && err->text[0], "refused: %s (%s)", what, err->text);
}

/* A file cut in half is refused, or on request read as far as it goes. */
static void check_lenient(void)
{
    size_t n;
    CLEANUP(mem_free_ptr) char *bytes = golden_bytes("images/photo_baseline_420.jpg", &n);
    if (!bytes) return;
    struct phi3v_image_options opt;
    phi3v_image_options_default(&opt);
    struct phi3v_error err = {0};
    phi3v_image *whole = NULL, *half = NULL;
    refuses(phi3v_image_from_bytes(bytes, n / 2, &opt, &half, &err), PHI3V_E_IMAGE, &err,
            "half a picture");
    opt.lenient = 1;
    tap_ok(phi3v_image_from_bytes(bytes, n, &opt, &whole, &err) == 0 &&
               !phi3v_image_info(whole)->incomplete,
           "lenient: a whole picture is complete");
    tap_ok(phi3v_image_from_bytes(bytes, n / 2, &opt, &half, &err) == 0 &&
               phi3v_image_info(half)->incomplete,
           "lenient: half a picture is read and incomplete");
    if (whole && half) {
        size_t row = 3 * (size_t)phi3v_image_info(whole)->width;
        tap_ok(phi3v_image_info(half)->height == phi3v_image_info(whole)->height &&
                   !memcmp(phi3v_image_rgb(half), phi3v_image_rgb(whole), 8 * row),
               "lenient: its first rows are the picture's");
    }
    phi3v_image_free(whole);
    phi3v_image_free(half);
}

static void check_sniffing(void)
{
    int is_picture = -1;
    tap_ok(!strcmp(phi3v_image_sniff("GIF89a", 6, &is_picture), "GIF") && is_picture == 1,
           "bytes named: a picture");
    tap_ok(!strcmp(phi3v_image_sniff("8BPS", 4, &is_picture), "a Photoshop document") &&
               is_picture == 1,
           "bytes named: a picture of a kind that is not read");
    tap_ok(!strcmp(phi3v_image_sniff("<!-- x --><html>", 16, &is_picture), "a web page") &&
               is_picture == 0,
           "bytes named: no picture");
    tap_ok(!strcmp(phi3v_image_sniff("", 0, NULL), "empty"), "bytes named: none");
}

static void check_refusals(const phi3v_model *model)
{
    struct phi3v_error err = {0};
    struct phi3v_image_plan plan;
    phi3v_image *image = NULL;
    static const uint8_t thin[6000 * 3];
    refuses(phi3v_image_from_bytes("%PDF-1.4", 8, NULL, &image, &err), PHI3V_E_IMAGE, &err,
            "a document");
    refuses(phi3v_image_from_bytes("", 0, NULL, &image, &err), PHI3V_E_IMAGE, &err, "nothing");
    refuses(phi3v_image_from_rgb(thin, 0, 5, &image, &err), PHI3V_E_IMAGE, &err, "no width");
    refuses(phi3v_image_from_rgb(thin, 5, -1, &image, &err), PHI3V_E_IMAGE, &err, "no height");
    tap_ok(image == NULL, "output parameters are untouched by errors");
    if (phi3v_image_from_rgb(thin, 6000, 1, &image, &err) < 0) {
        tap_ok(false, "6000 x 1: %s", err.text);
        return;
    }
    refuses(phi3v_image_plan(model, image, 16, &plan, &err), PHI3V_E_IMAGE, &err, "too thin");
    refuses(phi3v_image_plan(model, image, -1, &plan, &err), PHI3V_E_ARGUMENT, &err, "-1 crops");
    phi3v_image *second = phi3v_image_ref(image);
    phi3v_image_free(image);
    tap_ok(second == image && phi3v_image_info(second)->width == 6000,
           "a second owner keeps the picture");
    phi3v_image_free(second);
}

int main(int argc, char **argv)
{
    golden_init(argc, argv);
    json_t *all = golden_json("preprocess/preprocess.json"), *picture;
    if (!all) return tap_done();
    if (!golden_exists(model_folder)) {
        tap_skip("not in this golden set", "%s", model_folder);
        json_decref(all);
        return tap_done();
    }
    char *path = golden_path(model_folder);
    phi3v_model *model = NULL;
    struct phi3v_error err;
    int code = phi3v_model_open(path, NULL, &model, &err);
    if (tap_ok(code == 0, "%s%s%s", model_folder, code ? ": " : "", code ? err.text : "")) {
        size_t i;
        json_array_foreach(json_object_get(all, "images"), i, picture)
            check_picture(model, picture);
        check_exif();
        check_lenient();
        check_sniffing();
        check_refusals(model);
    }
    phi3v_model_close(model);
    mem_free(path);
    json_decref(all);
    return tap_done();
}
