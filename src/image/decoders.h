/* SPDX-License-Identifier: MIT
 * Inside src/image: what decode.c asks of the decoders, and the helpers they share. A decoder fills
 * ret->pixels, and ret->animated and ret->incomplete where they apply, only on success. It weighs
 * the size in the header against the bytes of the file before it allocates, and refuses truncated
 * and damaged data with a sentence that names the format; a lenient source is read as far as it
 * goes instead. */
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

/* For the rows of a large picture: a decoder that finds this true gives up, with any error or with
 * none. */
static inline int source_stopped(const struct source *s) { return stop_asked(s->stop); }

typedef int decode_fn(const struct source *s, struct decoded *ret, struct phi3v_error *err);

decode_fn png_decode, jpeg_decode, webp_decode, gif_decode, bmp_decode, pnm_decode, ico_decode;
/* Those whose library may be missing. */
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

/* A bitmap without the file header of BMP, as icons hold it: there its height counts a mask too. */
int dib_decode(const struct source *s, size_t header_at, int in_icon, struct decoded *ret,
               struct phi3v_error *err);

/* Steps through the chunks of a PNG: *at is 8 at first; 0 when the data ends before the chunk does.
 */
struct png_chunk {
    const uint8_t *type, *data;
    size_t n;
};
int png_next_chunk(const uint8_t *bytes, size_t n, size_t *at, struct png_chunk *ret);

/* Refuses sizes beyond the limits, pictures for which decoding needs more memory than there is, and
 * large ones that a file of this length is not believed to hold: some formats write a plain surface
 * of any size in a few bytes, so what is believed is a convention, about what a real picture of one
 * colour takes. pixels_per_byte 0: the format's own arithmetic has been asked already. */
int size_allowed(const struct source *s, int64_t width, int64_t height, size_t work_bytes_per_pixel,
                 size_t pixels_per_byte, struct phi3v_error *err);
int truncated(const struct source *s, struct phi3v_error *err); // says so; PHI3V_E_IMAGE
/* rgb, and alpha when asked for, uninitialised. */
int pixels_init(struct pixels *p, int width, int height, int with_alpha, struct phi3v_error *err);
/* From interleaved samples of 1 (grey), 2 (grey, alpha), 3 or 4 channels; takes them over
 * (mem_free), also when it fails. */
int pixels_from_samples(const struct source *s, uint8_t *samples, int channels, int width,
                        int height, struct pixels *ret, struct phi3v_error *err);
/* phi3v.md 4.1: n x [C M Y K], 255 is full ink, to [R G B]. */
void cmyk_to_rgb(const uint8_t *cmyk, size_t n, uint8_t *rgb);

static inline uint32_t be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static inline uint32_t be32(const uint8_t *p) { return be16(p) << 16 | be16(p + 2); }
static inline uint32_t le16(const uint8_t *p) { return (uint32_t)p[1] << 8 | p[0]; }
static inline uint32_t le32(const uint8_t *p) { return le16(p + 2) << 16 | le16(p); }

#endif
