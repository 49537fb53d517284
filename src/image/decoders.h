/* SPDX-License-Identifier: MIT
 * For src/image only: the interface of the decoders, and helpers they share. On success a decoder
 * fills ret->pixels and, if they apply, ret->animated and ret->incomplete. It checks the size in
 * the header against the length of the file before it allocates. It refuses truncated and damaged
 * data with a sentence that names the format, or reads as much as there is of a lenient source. */
#ifndef IMAGE_DECODERS_H
#define IMAGE_DECODERS_H

#include "base/stop.h"
#include "image/image.h"

struct source {
    const uint8_t *bytes;
    size_t n;
    const char *name; // of the format, for messages
    int lenient;
    struct stop *stop;
};

/* Decoders check this between rows of a large picture; when it is true they give up, with any error
 * or none. */
static inline int source_stopped(const struct source *s) { return stop_asked(s->stop); }

typedef int decode_fn(const struct source *s, struct decoded *ret, struct phi3v_error *err);

decode_fn png_decode, jpeg_decode, webp_decode, gif_decode, bmp_decode, pnm_decode, ico_decode;
/* Decoders whose library may be missing */
#ifdef HAVE_TIFF
decode_fn tiff_decode;
#else
#define tiff_decode NULL
#endif
#ifdef HAVE_AVIF
decode_fn avif_decode;
#else
#define avif_decode NULL
#endif
#ifdef HAVE_HEIF
decode_fn heif_decode;
#else
#define heif_decode NULL
#endif
#ifdef HAVE_JXL
decode_fn jxl_decode;
#else
#define jxl_decode NULL
#endif

/* A bitmap without BMP's file header, as in icons, where its height includes a mask. */
int dib_decode(const struct source *s, size_t header_at, int in_icon, struct decoded *ret,
               struct phi3v_error *err);

/* Steps through the chunks of a PNG; *at starts at 8. Returns 0 at its end mark, or when the data
 * ends within a chunk. */
struct png_chunk {
    const uint8_t *type, *data;
    size_t n;
};
int png_next_chunk(const uint8_t *bytes, size_t n, size_t *at, struct png_chunk *ret);

/* Refuses sizes beyond the limits, pictures that need more memory than there is, and large pictures
 * in files too short to be plausible. Some formats store a plain surface of any size in a few
 * bytes, so pixels_per_byte is a convention, about what a real picture of one colour takes; 0 means
 * that the decoder has done an exact check. */
int size_allowed(const struct source *s, int64_t width, int64_t height, size_t work_bytes_per_pixel,
                 size_t pixels_per_byte, struct phi3v_error *err);
int truncated(const struct source *s, struct phi3v_error *err); // reports it; PHI3V_E_IMAGE
/* Allocates rgb and, if asked for, alpha, uninitialised. */
int pixels_init(struct pixels *p, int width, int height, int with_alpha, struct phi3v_error *err);
/* Makes pixels from interleaved samples of 1 (grey), 2 (grey, alpha), 3 or 4 channels, which it
 * takes (mem_free), also on failure. */
int pixels_from_samples(const struct source *s, uint8_t *samples, int channels, int width,
                        int height, struct pixels *ret, struct phi3v_error *err);
/* Converts n x [C M Y K], where 255 is full ink, to [R G B]. */
void cmyk_to_rgb(const uint8_t *cmyk, size_t n, uint8_t *rgb);

static inline uint32_t be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static inline uint32_t be32(const uint8_t *p) { return be16(p) << 16 | be16(p + 2); }
static inline uint32_t le16(const uint8_t *p) { return (uint32_t)p[1] << 8 | p[0]; }
static inline uint32_t le32(const uint8_t *p) { return le16(p + 2) << 16 | le16(p); }

#endif
