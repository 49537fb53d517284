/* SPDX-License-Identifier: MIT
 * From a file's bytes to normalised crops: sniff, decode, turn, resize, pad, cut (docs/model.md,
 * Pictures). */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "flow.h"
#include "base/err.h"
#include "base/stop.h"

/* image/sniff: what the bytes are, judged by content only. */
enum image_format {
    IMAGE_PNG,
    IMAGE_JPEG,
    IMAGE_WEBP,
    IMAGE_GIF,
    IMAGE_BMP,
    IMAGE_PNM,
    IMAGE_ICO,
    IMAGE_TIFF,
    IMAGE_AVIF,
    IMAGE_HEIF,
    IMAGE_JXL,
    IMAGE_UNREAD, // a picture of an unsupported kind
    IMAGE_OTHER   // not a picture
};
struct sniffed {
    enum image_format format;
    const char *name;   // "PNG", … or what else it is ("a PDF document", "text", "empty"); static
    const char *remedy; // what to do instead, for UNREAD and OTHER, or NULL; static
};
struct sniffed image_sniff(const uint8_t *bytes, size_t n);

struct decode_options {
    int exif;          // rotate the picture as its orientation says
    int lenient;       // read as much as there is of a damaged or truncated file
    struct stop *stop; // ends the work with CANCELLED; may be NULL
};
struct decoded {
    struct pixels pixels;     // free with pixels_fini
    const char *format;       // static
    int orientation;          // 1 when absent
    double transparent_share; // alpha below 255
    int animated;             // more than one frame: this is the first
    int incomplete;           // lenient: parts were missing or damaged
};
/* Limits: 256 MiB of bytes, 178 956 970 pixels, 65 500 a side, checked from the header and weighed
 * against the bytes before allocating. The memory it takes stays below 256 MiB or six times that of
 * the RGB raster. */
int image_decode(const uint8_t *bytes, size_t n, const struct decode_options *opt,
                 struct decoded *ret, struct phi3v_error *err);
void pixels_fini(struct pixels *p);

/* image/exif: the orientation in the file's EXIF or XMP data, 1 … 8; 1 when absent. It is read from
 * the same places, and as tolerantly, as in the reference. */
int image_orientation(const uint8_t *bytes, size_t n, enum image_format format);
/* The same for bare EXIF data (a TIFF structure, with or without the mark); 0 when absent. */
int exif_orientation(const uint8_t *exif, size_t n);
int xmp_orientation(const uint8_t *xmp, size_t n);

/* image/orient */
/* Error CANCELLED when stop (may be NULL) says so. */
int pixels_orient(struct pixels *p, int orientation, struct stop *stop, struct phi3v_error *err);

/* image/resize: Pillow's bilinear resize, bit for bit (docs/model.md, Pictures), in bands: writes
 * rows y … y+n-1 to dst, [n][dst_w][3], in any order and repeatedly. The order of the two passes
 * shows in the last bit: width first is Pillow's; height first is the same on a transposed picture.
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
/* Makes crops when they are asked for; borrows p until crops_end. The picture is resized in bands,
 * only as far down as the crops asked for need; the global view needs the whole resized picture. */
int crops_begin(const struct pixels *p, const struct crop_plan *plan, const float mean[3],
                const float std[3], struct crop_source *ret, struct phi3v_error *err);
void crops_end(struct crop_source *s);
/* Makes all crops at once. */
int crops_make(const struct pixels *p, const struct crop_plan *plan, const float mean[3],
               const float std[3], struct crops *ret, struct phi3v_error *err);
/* Finished crops as a source; borrows them. */
struct crop_source crops_ready(struct crops *c);
/* The scaled, padded 8-bit picture [hd_h][hd_w][3] (mem_free), for tests. */
int crops_hd_picture(const struct pixels *p, const struct crop_plan *plan, uint8_t **ret,
                     struct phi3v_error *err);

/* image/libraries: the libraries for decoding; version is NULL for one that this build lacks. */
typedef void (*image_library_fn)(const char *name, const char *version, void *user);
void image_libraries(image_library_fn fn, void *user);

#endif
