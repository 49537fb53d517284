/* SPDX-License-Identifier: MIT
 * The HD transform: how many crops, the scaled and padded picture, normalisation, global view
 * (docs/model.md, Pictures). golden: preprocess */
#include "image/image.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

enum {
    MAX_CROPS = 4096,
    MAX_CROP_SIDE = 4096,
    WHITE = 255,
    BAND_PIXELS = 4 << 20 /* resized at once, in about ten milliseconds */
};

/* -- The plan --------------------------------------------------------------------------------- */

/* The largest number of crops along the long side for which the grid has at most num_crops. */
static int grid_scale(double ratio, int num_crops)
{
    int scale = 1;
    while ((scale + 1) * ceil((scale + 1) / ratio) <= num_crops) scale++;
    return scale;
}

int crops_plan(int width, int height, int num_crops, int crop_side, struct crop_plan *ret,
               struct phi3v_error *err)
{
    if (num_crops < 1 || num_crops > MAX_CROPS)
        return err_set(err, PHI3V_E_ARGUMENT, "num_crops is %d; 1 to %d are possible", num_crops,
                       MAX_CROPS);
    if (crop_side < 1 || crop_side > MAX_CROP_SIDE)
        return err_set(err, PHI3V_E_ARGUMENT, "the crop side is %d; 1 to %d are possible",
                       crop_side, MAX_CROP_SIDE);
    if (width < 1 || height < 1)
        return err_set(err, PHI3V_E_ARGUMENT, "a picture of %d x %d has no pixels", width, height);
    int transposed = width < height;
    int long_side = transposed ? height : width, short_side = transposed ? width : height;
    double ratio = (double)long_side / short_side;
    int scale = grid_scale(ratio, num_crops);
    int scaled_long = crop_side * scale;
    int scaled_short = (int)(scaled_long / ratio); // in double and truncated, as the reference does
    if (scaled_short < 1)
        return err_set(
            err, PHI3V_E_IMAGE,
            "the picture is too thin: %d x %d is %.0f:1, at most %d:1 with %d crops; cut it "
            "into shorter pieces",
            width, height, ratio, scaled_long, num_crops);
    int short_crops = (scaled_short + crop_side - 1) / crop_side;
    int pad = (short_crops * crop_side - scaled_short) / 2;
    *ret = (struct crop_plan){
        .crop_side = crop_side,
        .transposed = transposed,
        .scaled_w = transposed ? scaled_short : scaled_long,
        .scaled_h = transposed ? scaled_long : scaled_short,
        .pad_left = transposed ? pad : 0,
        .pad_top = transposed ? 0 : pad,
        .hd_w = crop_side * (transposed ? short_crops : scale),
        .hd_h = crop_side * (transposed ? scale : short_crops),
        .rows = transposed ? scale : short_crops,
        .cols = transposed ? short_crops : scale,
    };
    return 0;
}

/* -- The scaled, padded picture --------------------------------------------------------------- */

/* The bytes of normalised pixels, per channel. */
struct scale {
    float value[3][256];
};

struct maker {
    struct crop_plan plan;
    struct resizer *resizer;
    uint8_t *hd;     // [hd_h][hd_w][3]
    int n_done;      // finished rows of the picture in hd
    int band_rows;   // rows that are resized at once
    uint8_t *scaled; // [crop_side][scaled_w][3] if there is a left margin, else NULL
    struct scale scale;
};

static void maker_free(struct maker *m)
{
    if (!m) return;
    resizer_free(m->resizer);
    mem_free(m->hd);
    mem_free(m->scaled);
    mem_free(m);
}

/* How many rows of the scaled picture come from about BAND_PIXELS of the picture. */
static int band_rows(const struct pixels *p, const struct crop_plan *plan)
{
    int64_t n_pixels = (int64_t)p->width * p->height, n;
    n = BAND_PIXELS * (int64_t)plan->scaled_h / n_pixels;
    return (int)(n < 1 ? 1 : n < plan->crop_side ? n : plan->crop_side);
}

static int maker_new(const struct pixels *p, const struct crop_plan *plan, struct maker **ret,
                     struct phi3v_error *err)
{
    size_t n_bytes = (size_t)plan->hd_w * 3 * (size_t)plan->hd_h;
    bool margin = plan->scaled_w != plan->hd_w;
    struct maker *m = mem_zalloc(sizeof *m);
    int code = 0;
    if (m) m->hd = mem_alloc(n_bytes);
    if (m && margin) m->scaled = mem_array((size_t)plan->scaled_w * 3, (size_t)plan->crop_side);
    if (!m || !m->hd || (margin && !m->scaled))
        code = err_memory(err, "the scaled picture", n_bytes);
    /* The reference turns tall pictures on their side; scaling the height first gives the same
     * result without turning. */
    if (!code)
        code = resizer_new(p->rgb, p->width, p->height, plan->scaled_w, plan->scaled_h,
                           plan->transposed, &m->resizer, err);
    if (code) {
        maker_free(m);
        return code;
    }
    m->plan = *plan;
    m->band_rows = band_rows(p, plan);
    memset(m->hd, WHITE, n_bytes);
    *ret = m;
    return 0;
}

/* Makes one more band of the rows of hd above `end`; returns 1 while there are more. */
static int hd_band(struct maker *m, int end, struct phi3v_error *err)
{
    const struct crop_plan *plan = &m->plan;
    size_t row = (size_t)plan->hd_w * 3, scaled_row = (size_t)plan->scaled_w * 3;
    end -= plan->pad_top;
    if (end > plan->scaled_h) end = plan->scaled_h;
    if (m->n_done >= end) return 0;
    int left = end - m->n_done, n = left < m->band_rows ? left : m->band_rows;
    uint8_t *to = m->hd + (size_t)(plan->pad_top + m->n_done) * row;
    int code = resizer_rows(m->resizer, m->n_done, n, m->scaled ? m->scaled : to, err);
    if (code) return code;
    for (int y = 0; y < n && m->scaled; y++)
        memcpy(to + (size_t)y * row + (size_t)plan->pad_left * 3,
               m->scaled + (size_t)y * scaled_row, scaled_row);
    m->n_done += n;
    return m->n_done < end;
}

/* Makes all rows of hd above `end`. */
static int hd_until(struct maker *m, int end, struct phi3v_error *err)
{
    int code;
    do code = hd_band(m, end, err);
    while (code > 0);
    return code;
}

int crops_hd_picture(const struct pixels *p, const struct crop_plan *plan, uint8_t **ret,
                     struct phi3v_error *err)
{
    struct maker *m;
    int code = maker_new(p, plan, &m, err);
    if (code) return code;
    code = hd_until(m, plan->hd_h, err);
    if (!code) {
        *ret = m->hd;
        m->hd = NULL;
    }
    maker_free(m);
    return code;
}

/* -- Normalisation ---------------------------------------------------------------------------- */

/* Rounds to f32 after each operation, like the reference. golden: preprocess/hd_crops_sha256 */
static void scale_init(struct scale *s, const float mean[3], const float std[3])
{
    for (int c = 0; c < 3; c++) {
        for (int byte = 0; byte < 256; byte++) {
            float v = (float)byte / 255.0f;
            s->value[c][byte] = (v - mean[c]) / std[c];
        }
    }
}

/* One tile at (x0, y0) of the picture into dst: [3][side][side] */
static void normalise_tile(const uint8_t *hd, int hd_w, int x0, int y0, int side,
                           const struct scale *s, float *dst)
{
    size_t plane = (size_t)side * (size_t)side;
    for (int y = 0; y < side; y++) {
        const uint8_t *from = hd + ((size_t)(y0 + y) * (size_t)hd_w + (size_t)x0) * 3;
        float *to = dst + (size_t)y * (size_t)side;
        for (int x = 0; x < side; x++) {
            to[x] = s->value[0][from[3 * x]];
            to[plane + (size_t)x] = s->value[1][from[3 * x + 1]];
            to[2 * plane + (size_t)x] = s->value[2][from[3 * x + 2]];
        }
    }
}

/* -- The global view -------------------------------------------------------------------------- */

/* Bicubic with a = -0.75 at an integer factor: plain subsampling if it is odd, else four taps. */
static const double half_way[4] = {-0.09375, 0.59375, 0.59375, -0.09375};

struct axis {
    int n_taps; // 1 or 4
    int last;   // largest index
    int factor; // source samples for each output
};

static struct axis axis_of(int n_crops, int side)
{
    return (struct axis){n_crops % 2 ? 1 : 4, n_crops * side - 1, n_crops};
}

/* Source index of a tap of output d; indices beyond the picture repeat its edge. */
static int tap_index(const struct axis *a, int d, int tap)
{
    int i = a->factor * d + (a->factor - 1) / 2;
    if (a->n_taps == 4) i += tap - 1;
    return i < 0 ? 0 : i > a->last ? a->last : i;
}

/* One output row of a channel: to[side] */
static void global_row(const uint8_t *hd, const struct crop_plan *plan, int y, int c,
                       const float value[256], float *to)
{
    struct axis ax = axis_of(plan->cols, plan->crop_side),
                ay = axis_of(plan->rows, plan->crop_side);
    size_t row = (size_t)plan->hd_w * 3;
    for (int x = 0; x < plan->crop_side; x++) {
        double sum = 0;
        for (int ty = 0; ty < ay.n_taps; ty++) {
            const uint8_t *from = hd + (size_t)tap_index(&ay, y, ty) * row + c;
            double line = 0;
            for (int tx = 0; tx < ax.n_taps; tx++) {
                double v = value[from[(size_t)tap_index(&ax, x, tx) * 3]];
                line += ax.n_taps == 1 ? v : v * half_way[tx];
            }
            sum += ay.n_taps == 1 ? line : line * half_way[ty];
        }
        to[x] = (float)sum;
    }
}

static void global_view(const uint8_t *hd, const struct crop_plan *plan, const struct scale *s,
                        float *dst)
{
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < plan->crop_side; y++, dst += plan->crop_side)
            global_row(hd, plan, y, c, s->value[c], dst);
}

/* -- Crops, when they are asked for ------------------------------------------------------------ */

/* The last row of the grid that a crop needs; the global view needs all rows. */
static int last_row(const struct crop_plan *p, int i)
{
    return i ? (i - 1) / p->cols : p->rows - 1;
}

static int prepare_crops(void *user, int first, int n, struct phi3v_error *err)
{
    struct maker *m = user;
    int row = last_row(&m->plan, first ? first + n - 1 : 0);
    return hd_band(m, (row + 1) * m->plan.crop_side, err);
}

static int make_crop(struct maker *m, int i, float *to, struct phi3v_error *err)
{
    const struct crop_plan *p = &m->plan;
    int side = p->crop_side, row = last_row(p, i);
    int code = hd_until(m, (row + 1) * side, err);
    if (code) return code;
    if (i == 0)
        global_view(m->hd, p, &m->scale, to);
    else
        normalise_tile(m->hd, p->hd_w, (i - 1) % p->cols * side, row * side, side, &m->scale, to);
    return 0;
}

static size_t crop_floats(const struct crop_plan *p)
{
    return 3 * (size_t)p->crop_side * (size_t)p->crop_side;
}

static int make_crops(void *user, int first, int n, float *to, struct phi3v_error *err)
{
    struct maker *m = user;
    int code = 0;
    for (int i = first; i < first + n && !code; i++, to += crop_floats(&m->plan))
        code = make_crop(m, i, to, err);
    return code;
}

int crops_begin(const struct pixels *p, const struct crop_plan *plan, const float mean[3],
                const float std[3], struct crop_source *ret, struct phi3v_error *err)
{
    struct maker *m;
    int code = maker_new(p, plan, &m, err);
    if (code) return code;
    scale_init(&m->scale, mean, std);
    *ret = (struct crop_source){.plan = *plan,
                                .n = 1 + plan->rows * plan->cols,
                                .prepare = prepare_crops,
                                .n_prepare = plan->scaled_h / m->band_rows + 1,
                                .make = make_crops,
                                .user = m};
    return 0;
}

void crops_end(struct crop_source *s)
{
    maker_free(s->user);
    *s = (struct crop_source){0};
}

/* -- All crops at once ------------------------------------------------------------------------- */

int crops_make(const struct pixels *p, const struct crop_plan *plan, const float mean[3],
               const float std[3], struct crops *ret, struct phi3v_error *err)
{
    struct crop_source s;
    int code = crops_begin(p, plan, mean, std, &s, err);
    if (code) return code;
    size_t n_floats = (size_t)s.n * crop_floats(plan);
    float *data = mem_array(n_floats, sizeof *data);
    code = data ? s.make(s.user, 0, s.n, data, err)
                : err_memory(err, "the crops of the picture", n_floats * sizeof *data);
    if (code)
        mem_free(data);
    else
        *ret = (struct crops){.plan = *plan, .n = s.n, .data = data};
    crops_end(&s);
    return code;
}

static int copy_crops(void *user, int first, int n, float *to, struct phi3v_error *err)
{
    const struct crops *c = user;
    size_t each = crop_floats(&c->plan);
    (void)err;
    memcpy(to, c->data + (size_t)first * each, (size_t)n * each * sizeof *to);
    return 0;
}

struct crop_source crops_ready(struct crops *c)
{
    return (struct crop_source){.plan = c->plan, .n = c->n, .make = copy_crops, .user = c};
}
