/* SPDX-License-Identifier: MIT
 * Inside src/image: what decode.c asks of the decoders, and the helpers they share. A decoder fills
 * *ret only on success, checks the size it finds in the header before it allocates, and refuses
 * truncated and damaged data with a sentence that names the format. */
#ifndef IMAGE_DECODERS_H
#define IMAGE_DECODERS_H

#include "image/image.h"

/* PNG, BMP, GIF through stb_image, behind their checks. */
int stb_decode(const uint8_t *bytes, size_t n, enum image_format format, struct pixels *ret,
               struct phi3v_error *err);
int jpeg_decode(const uint8_t *bytes, size_t n, struct pixels *ret, struct phi3v_error *err);
int webp_decode(const uint8_t *bytes, size_t n, struct pixels *ret, int *ret_animated,
                struct phi3v_error *err);
int pnm_decode(const uint8_t *bytes, size_t n, struct pixels *ret, struct phi3v_error *err);

/* Size limits, then the chunks of a PNG to IEND: lengths and checksums. */
int png_check(const uint8_t *bytes, size_t n, int *ret_animated, struct phi3v_error *err);
/* The size limits, the rows and the palette of a BMP. */
int bmp_check(const uint8_t *bytes, size_t n, struct phi3v_error *err);
/* A GIF up to the end of its first frame; whether there is a second. */
int gif_check(const uint8_t *bytes, size_t n, int *ret_animated, struct phi3v_error *err);
/* The data of the first chunk of that type, NULL when there is none before the data ends. */
const uint8_t *png_chunk(const uint8_t *bytes, size_t n, const char type[4], size_t *ret_n);

/* Refuses sizes beyond the limits, and pictures for which decoding needs more memory than there is.
 */
int size_allowed(const char *format, int64_t width, int64_t height, size_t work_bytes_per_pixel,
                 struct phi3v_error *err);
/* rgb, and alpha when asked for, uninitialised. */
int pixels_init(struct pixels *p, int width, int height, int with_alpha, struct phi3v_error *err);
/* From interleaved samples of 1 (grey), 2 (grey, alpha), 3 or 4 channels. */
int pixels_from_samples(const uint8_t *samples, int channels, int width, int height,
                        struct pixels *ret, struct phi3v_error *err);

static inline uint32_t be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static inline uint32_t be32(const uint8_t *p) { return be16(p) << 16 | be16(p + 2); }
static inline uint32_t le16(const uint8_t *p) { return (uint32_t)p[1] << 8 | p[0]; }
static inline uint32_t le32(const uint8_t *p) { return le16(p + 2) << 16 | le16(p); }

#endif
