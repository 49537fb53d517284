/* SPDX-License-Identifier: MIT
 * Rotates and mirrors pictures by their EXIF orientation, a number from 1 to 8. */
#include "image/decoders.h"

#include "base/mem.h"

/* Each orientation is a combination of: swap x and y, read the source from the right, and from
 * below. */
struct turn {
    uint8_t swap, from_right, from_below;
};

static const struct turn turns[9] = {
    [1] = {0, 0, 0}, [2] = {0, 1, 0}, [3] = {0, 1, 1}, [4] = {0, 0, 1},
    [5] = {1, 0, 0}, [6] = {1, 0, 1}, [7] = {1, 1, 1}, [8] = {1, 1, 0},
};

/* dst: [swap ? width : height][swap ? height : width][channels]. Returns 0 when it was stopped. */
static int turn_plane(const uint8_t *src, int width, int height, int channels, struct turn t,
                      struct stop *stop, uint8_t *dst)
{
    int out_w = t.swap ? height : width, out_h = t.swap ? width : height;
    for (int y = 0; y < out_h; y++) {
        if (stop_asked(stop)) return 0;
        for (int x = 0; x < out_w; x++) {
            int sx = t.swap ? y : x, sy = t.swap ? x : y;
            if (t.from_right) sx = width - 1 - sx;
            if (t.from_below) sy = height - 1 - sy;
            const uint8_t *from =
                src + ((size_t)sy * (size_t)width + (size_t)sx) * (size_t)channels;
            for (int c = 0; c < channels; c++) *dst++ = from[c];
        }
    }
    return 1;
}

int pixels_orient(struct pixels *p, int orientation, struct stop *stop, struct phi3v_error *err)
{
    if (orientation < 1 || orientation > 8)
        return err_set(err, PHI3V_E_ARGUMENT, "orientation %d is not one of 1 to 8", orientation);
    if (orientation == 1) return 0;
    struct turn t = turns[orientation];
    struct pixels out;
    int code = pixels_init(&out, t.swap ? p->height : p->width, t.swap ? p->width : p->height,
                           p->alpha != NULL, err);
    if (code < 0) return code;
    int whole = turn_plane(p->rgb, p->width, p->height, 3, t, stop, out.rgb);
    if (whole && p->alpha) whole = turn_plane(p->alpha, p->width, p->height, 1, t, stop, out.alpha);
    if (!whole) {
        pixels_fini(&out);
        return err_set(err, PHI3V_E_CANCELLED, "turning the picture was cancelled");
    }
    pixels_fini(p);
    *p = out;
    return 0;
}
