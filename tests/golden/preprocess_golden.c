/* SPDX-License-Identifier: MIT
 * preprocess/preprocess.json: rasters, plans, scaled pictures and crops of every recorded picture,
 * and the tables of sizes. Decoded bytes, scaled pictures and crops must be equal; the global view,
 * which the reference computes in another order of f32 operations, must agree within 1e-6. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/sha256.h"
#include "golden.h"
#include "image/image.h"

static const float mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
static const float std[3] = {0.26862954f, 0.26130258f, 0.27577711f};

enum { SIDE = 336 };
static const double global_tolerance = 1e-6;
static const double sum_tolerance = 1e-5; // of recorded means and deviations

static json_t *sample_points; // [[y, x], …]

/* -- Small readers ---------------------------------------------------------------------------- */

static int64_t number(json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static int64_t item(json_t *array, size_t i)
{
    return json_integer_value(json_array_get(array, i));
}

static bool hash_is(const void *data, size_t n_bytes, json_t *object, const char *key)
{
    char hex[65];
    const char *want = json_string_value(json_object_get(object, key));
    struct sha256_part part = {data, n_bytes};
    return want && sha256_hex(&part, 1, NULL, hex, NULL) == 0 && strcmp(hex, want) == 0;
}

/* -- Tables ----------------------------------------------------------------------------------- */

static int n_image_tokens(const struct crop_plan *p)
{
    return (p->rows * p->cols + 1) * 144 + 1 + (p->rows + 1) * 12;
}

static bool size_row_ok(json_t *row)
{
    struct crop_plan p;
    return crops_plan((int)item(row, 0), (int)item(row, 1), (int)item(row, 2), SIDE, &p, NULL) ==
               0 &&
           p.hd_h == item(row, 3) && p.hd_w == item(row, 4) && n_image_tokens(&p) == item(row, 5);
}

/* width, height, num_crops, long side, short side, padding of the short side; null: refused */
static bool resize_row_ok(json_t *row)
{
    struct crop_plan p;
    int code = crops_plan((int)item(row, 0), (int)item(row, 1), (int)item(row, 2), SIDE, &p, NULL);
    if (json_is_null(json_array_get(row, 3))) return code == PHI3V_E_IMAGE;
    return code == 0 && (p.transposed ? p.scaled_h : p.scaled_w) == item(row, 3) &&
           (p.transposed ? p.scaled_w : p.scaled_h) == item(row, 4) &&
           (p.transposed ? p.pad_left : p.pad_top) == item(row, 5);
}

static bool refused_row_ok(json_t *row)
{
    struct crop_plan p;
    struct phi3v_error err;
    int num_crops = (int)item(row, 2);
    int code = crops_plan((int)item(row, 0), (int)item(row, 1), num_crops, SIDE, &p, &err);
    if (num_crops < 1) return code == PHI3V_E_ARGUMENT;
    return code == PHI3V_E_IMAGE && strstr(err.text, "too thin");
}

static void check_table(json_t *all, const char *name, bool (*row_ok)(json_t *))
{
    json_t *table = json_object_get(all, name), *row;
    size_t i, n_bad = 0;
    json_array_foreach(table, i, row)
    {
        if (row_ok(row)) continue;
        if (n_bad++ < 5)
            tap_note("%s: wrong for %d x %d, %d crops", name, (int)item(row, 0), (int)item(row, 1),
                     (int)item(row, 2));
    }
    tap_ok(n_bad == 0 && json_array_size(table) > 0, "%s: %zu rows", name, json_array_size(table));
}

/* -- One picture ------------------------------------------------------------------------------- */

static bool plan_ok(const struct crop_plan *p, json_t *c)
{
    json_t *scaled = json_object_get(c, "resized_wh_before_transpose_back");
    json_t *hd = json_object_get(c, "image_size_hw"), *grid = json_object_get(c, "grid_rows_cols");
    return p->transposed == json_is_true(json_object_get(c, "transposed")) &&
           (p->transposed ? p->scaled_h : p->scaled_w) == item(scaled, 0) &&
           (p->transposed ? p->scaled_w : p->scaled_h) == item(scaled, 1) &&
           (p->transposed ? p->pad_left : p->pad_top) == number(c, "pad_top") &&
           p->hd_h == item(hd, 0) && p->hd_w == item(hd, 1) && p->rows == item(grid, 0) &&
           p->cols == item(grid, 1) && n_image_tokens(p) == number(c, "num_img_tokens");
}

/* Recorded samples, mean and deviation of a crop: [3][SIDE][SIDE] */
static bool crop_ok(const float *crop, json_t *want, double tolerance)
{
    size_t n = (size_t)3 * SIDE * SIDE, i;
    double sum = 0, squares = 0;
    for (i = 0; i < n; i++) sum += crop[i];
    for (i = 0; i < n; i++) squares += (crop[i] - sum / (double)n) * (crop[i] - sum / (double)n);
    bool ok =
        fabs(sum / (double)n - json_real_value(json_object_get(want, "mean"))) < sum_tolerance &&
        fabs(sqrt(squares / (double)n) - json_real_value(json_object_get(want, "std"))) <
            sum_tolerance;
    json_t *sample;
    json_array_foreach(json_object_get(want, "samples"), i, sample)
    {
        json_t *at = json_array_get(sample_points, i);
        for (size_t c = 0; c < 3; c++) {
            double got = crop[(c * SIDE + (size_t)item(at, 0)) * SIDE + (size_t)item(at, 1)];
            if (fabs(got - json_number_value(json_array_get(sample, c))) > tolerance) ok = false;
        }
    }
    return ok;
}

static void check_npy(const char *file, const float *got, size_t n, double tolerance)
{
    struct npy *want = golden_npy(file);
    if (!want) return;
    struct golden_diff d = {.max_abs = INFINITY};
    if (want->f32 && want->n == n) d = golden_compare(got, want->f32, n);
    tap_ok(d.max_abs <= tolerance, "%s: largest difference %.2g of %.2g", file, d.max_abs,
           tolerance);
    npy_free(want);
}

/* The complete recordings there are. */
static void check_recorded(const char *file, int num_crops, const struct crops *crops)
{
    size_t n = (size_t)3 * SIDE * SIDE;
    if (strcmp(file, "chart.png") == 0 && num_crops == 4)
        check_npy("preprocess/chart_c4_global.npy", crops->data, n, global_tolerance);
    if (strcmp(file, "photo.png") == 0 && num_crops == 16)
        check_npy("preprocess/photo_c16_global.npy", crops->data, n, global_tolerance);
    if (strcmp(file, "tiny_97x61.png") == 0 && num_crops == 1)
        check_npy("preprocess/tiny_97x61_c1_pixel_values.npy", crops->data, 2 * n,
                  global_tolerance);
}

static void check_case(const char *file, const struct pixels *p, json_t *c)
{
    int num_crops = (int)number(c, "num_crops");
    struct phi3v_error err = {0};
    struct crop_plan plan;
    struct crops crops;
    uint8_t *hd;
    if (crops_plan(p->width, p->height, num_crops, SIDE, &plan, &err) < 0 ||
        crops_hd_picture(p, &plan, &hd, &err) < 0) {
        tap_ok(false, "%s, %d crops: %s", file, num_crops, err.text);
        return;
    }
    tap_ok(plan_ok(&plan, c), "%s, %d crops: plan", file, num_crops);
    tap_ok(hash_is(hd, (size_t)plan.hd_w * (size_t)plan.hd_h * 3, c, "hd_rgb_sha256"),
           "%s, %d crops: scaled picture", file, num_crops);
    mem_free(hd);
    if (crops_make(p, &plan, mean, std, &crops, &err) < 0) {
        tap_ok(false, "%s, %d crops: %s", file, num_crops, err.text);
        return;
    }
    size_t n = (size_t)3 * SIDE * SIDE;
    tap_ok(hash_is(crops.data + n, (size_t)(crops.n - 1) * n * sizeof(float), c, "hd_crops_sha256"),
           "%s, %d crops: crops", file, num_crops);
    json_t *recorded = json_object_get(c, "crops"), *crop;
    bool ok = json_array_size(recorded) == (size_t)crops.n;
    size_t i;
    if (ok)
        json_array_foreach(recorded, i, crop) ok =
            crop_ok(crops.data + i * n, crop, i ? 1e-7 : global_tolerance) && ok;
    tap_ok(ok, "%s, %d crops: samples, means, deviations of %d crops", file, num_crops, crops.n);
    check_recorded(file, num_crops, &crops);
    mem_free(crops.data);
}

/* gray16.png is recorded all white (the reference clips 16-bit grey); we take the high byte
 * instead, so only its size and plan are compared. */
static void check_clipped(const char *file, const struct decoded *d, json_t *picture)
{
    struct crop_plan plan;
    json_t *c;
    size_t i, n_white = 0, n = (size_t)d->pixels.width * (size_t)d->pixels.height * 3;
    for (i = 0; i < n; i++) n_white += d->pixels.rgb[i] == 255;
    tap_ok(n_white < n / 2, "%s: scaled, not clipped", file);
    json_array_foreach(json_object_get(picture, "cases"), i, c)
    {
        int num_crops = (int)number(c, "num_crops");
        tap_ok(crops_plan(d->pixels.width, d->pixels.height, num_crops, SIDE, &plan, NULL) == 0 &&
                   plan_ok(&plan, c),
               "%s, %d crops: plan", file, num_crops);
    }
}

static void check_picture(json_t *picture)
{
    const char *file = json_string_value(json_object_get(picture, "file"));
    char relative[256];
    snprintf(relative, sizeof relative, "images/%s", file ? file : "");
    size_t n_bytes, i;
    char *bytes = golden_bytes(relative, &n_bytes);
    if (!bytes) return;
    struct decoded d;
    struct phi3v_error err;
    int code = image_decode((const uint8_t *)bytes, n_bytes, &(struct decode_options){0}, &d, &err);
    mem_free(bytes);
    if (!tap_ok(code == 0, "%s: decoded%s%s", file, code ? ": " : "", code ? err.text : "")) return;
    const char *format = json_string_value(json_object_get(picture, "format"));
    tap_ok(d.pixels.width == number(picture, "width") &&
               d.pixels.height == number(picture, "height") && format &&
               strcasecmp(d.format, format) == 0,
           "%s: %s, %d x %d", file, d.format, d.pixels.width, d.pixels.height);
    if (strcmp(file, "gray16.png") == 0) {
        check_clipped(file, &d, picture);
    } else {
        size_t n = (size_t)d.pixels.width * (size_t)d.pixels.height * 3;
        tap_ok(hash_is(d.pixels.rgb, n, picture, "rgb_sha256"), "%s: raster", file);
        json_t *c;
        json_array_foreach(json_object_get(picture, "cases"), i, c) check_case(file, &d.pixels, c);
    }
    pixels_fini(&d.pixels);
}

int main(int argc, char **argv)
{
    golden_init(argc, argv);
    json_t *all = golden_json("preprocess/preprocess.json");
    if (!all) return tap_done();
    check_table(all, "size_table", size_row_ok);
    check_table(all, "resize_table", resize_row_ok);
    check_table(all, "refused_width_height_num_crops", refused_row_ok);
    sample_points = json_object_get(all, "sample_points_yx");
    json_t *picture;
    size_t i;
    json_array_foreach(json_object_get(all, "images"), i, picture) check_picture(picture);
    tap_ok(mem_in_use_bytes() == 0, "nothing leaked");
    json_decref(all);
    return tap_done();
}
