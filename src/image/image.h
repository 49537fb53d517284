/* SPDX-License-Identifier: MIT
 * From a file's bytes to normalised crops: sniff, decode, turn, resize, pad, cut (phi3v.md 4). */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "flow.h"
#include "base/err.h"

/* image/sniff: what the bytes are, by content only. */
enum image_format {
    IMAGE_PNG,
    IMAGE_JPEG,
    IMAGE_WEBP,
    IMAGE_GIF,
    IMAGE_BMP,
    IMAGE_PNM,
    IMAGE_OTHER
};
/* *ret_name: "PNG", … or what else it looks like ("a PDF document", "a web page", "text", "empty").
 */
enum image_format image_sniff(const uint8_t *bytes, size_t n, const char **ret_name);

struct decoded {
    struct pixels pixels;     // free with pixels_fini
    const char *format;       // static
    int exif_orientation;     // 1 when absent
    double transparent_share; // alpha below 255
    int animated;
};
/* Limits: 256 MiB of bytes, 178 956 970 pixels, 65 500 a side, checked from the header before
 * allocating. exif != 0 applies the orientation. */
int image_decode(const uint8_t *bytes, size_t n, int exif, struct decoded *ret,
                 struct phi3v_error *err);
void pixels_fini(struct pixels *p);

/* image/orient */
int exif_orientation(const uint8_t *bytes, size_t n, enum image_format format); /* 1 … 8 */
int pixels_orient(struct pixels *p, int orientation, struct phi3v_error *err);

/* image/resize: Pillow's bilinear resize, bit for bit (phi3v.md 4.3). dst: [dst_h][dst_w][3]. The
 * order of the two passes shows in the last bit: width first is Pillow's; height first is the same
 * on a transposed picture. */
int resize_bilinear(const uint8_t *src, int src_w, int src_h, uint8_t *dst, int dst_w, int dst_h,
                    int height_first, struct phi3v_error *err);
/* The same in bands: rows y … y+n-1 to dst, [n][dst_w][3], each as often as it is asked for.
 * Borrows src. Error: MEMORY. */
struct resizer;
int resizer_new(const uint8_t *src, int src_w, int src_h, int dst_w, int dst_h, int height_first,
                struct resizer **ret, struct phi3v_error *err);
int resizer_rows(struct resizer *r, int y, int n, uint8_t *dst, struct phi3v_error *err);
void resizer_free(struct resizer *r);

/* image/crops: the HD transform. Errors: ARGUMENT (num_crops < 1), IMAGE (picture too thin: names
 * the ratio). */
int crops_plan(int width, int height, int num_crops, int crop_side, struct crop_plan *ret,
               struct phi3v_error *err);
/* Crops made when they are asked for; borrows p until crops_end. The picture is resized in bands, no
 * further down than a crop of the grid reaches; the global view, whose pixels come from all of the
 * resized picture, takes the whole. */
int crops_begin(const struct pixels *p, const struct crop_plan *plan, const float mean[3],
                const float std[3], struct crop_source *ret, struct phi3v_error *err);
void crops_end(struct crop_source *s);
/* All of them at once. */
int crops_make(const struct pixels *p, const struct crop_plan *plan, const float mean[3],
               const float std[3], struct crops *ret, struct phi3v_error *err);
/* Made crops as a source; borrows them. */
struct crop_source crops_ready(struct crops *c);
/* The scaled, padded 8-bit picture [hd_h][hd_w][3] (mem_free), for tests and for showing what the
 * model sees. */
int crops_hd_picture(const struct pixels *p, const struct crop_plan *plan, uint8_t **ret,
                     struct phi3v_error *err);

#endif
