/* SPDX-License-Identifier: MIT
 * AVIF through libavif; a sequence gives its first picture. */
#include "image/decoders.h"

#include <avif/avif.h>

#include "base/mem.h"

enum { BELIEVED_PER_BYTE = 16384 }; // pixels; a plain surface takes almost no bytes

/* The file rotates to the left by quarter turns, then mirrors; this combines both into an EXIF
 * orientation. Axis 0 swaps top and bottom, 1 left and right. */
static int turn_of(const avifImage *image)
{
    static const uint8_t turned[4] = {1, 8, 3, 6};
    static const uint8_t reflected[4][2] = {{4, 2}, {5, 7}, {2, 4}, {7, 5}};
    int quarters = image->transformFlags & AVIF_TRANSFORM_IROT ? image->irot.angle & 3 : 0;
    if (!(image->transformFlags & AVIF_TRANSFORM_IMIR)) return turned[quarters];
    return reflected[quarters][image->imir.mode & 1];
}

static int refuse(avifResult result, const struct source *s, struct phi3v_error *err)
{
    switch (result) {
    case AVIF_RESULT_TRUNCATED_DATA:
    case AVIF_RESULT_WAITING_ON_IO:
        return err_set(err, PHI3V_E_IMAGE, "the AVIF picture is truncated: it ends after %zu bytes",
                       s->n);
    case AVIF_RESULT_OUT_OF_MEMORY:
        return err_set(err, PHI3V_E_MEMORY, "not enough memory for the AVIF picture");
    case AVIF_RESULT_NO_CODEC_AVAILABLE:
        return err_set(
            err, PHI3V_E_UNSUPPORTED,
            "the AVIF picture needs a decoder that libavif was built without: save it as "
            "PNG");
    default:
        return err_set(err, PHI3V_E_IMAGE, "the AVIF picture is damaged: %s",
                       avifResultToString(result));
    }
}

static int to_pixels(const avifImage *image, const struct source *s, struct pixels *ret,
                     struct phi3v_error *err)
{
    avifRGBImage rgb;
    avifRGBImageSetDefaults(&rgb, image);
    int with_alpha = image->alphaPlane != NULL, channels = with_alpha ? 4 : 3;
    rgb.format = with_alpha ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
    rgb.depth = 8;
    rgb.rowBytes = image->width * (uint32_t)channels;
    rgb.pixels = mem_array((size_t)rgb.rowBytes, image->height);
    if (!rgb.pixels) return err_memory(err, "the picture", (size_t)rgb.rowBytes * image->height);
    avifResult result = avifImageYUVToRGB(image, &rgb);
    if (result == AVIF_RESULT_OK)
        return pixels_from_samples(s, rgb.pixels, channels, (int)image->width, (int)image->height,
                                   ret, err);
    mem_free(rgb.pixels);
    return refuse(result, s, err);
}

static int decode(avifDecoder *decoder, const struct source *s, struct decoded *ret,
                  struct phi3v_error *err)
{
    decoder->maxThreads = 1;
    decoder->strictFlags = AVIF_STRICT_DISABLED;
    avifResult result = avifDecoderSetIOMemory(decoder, s->bytes, s->n);
    if (result == AVIF_RESULT_OK) result = avifDecoderParse(decoder);
    if (result != AVIF_RESULT_OK) return refuse(result, s, err);
    const avifImage *image = decoder->image;
    int code = size_allowed(s, image->width, image->height, 18, BELIEVED_PER_BYTE, err);
    if (code < 0) return code;
    result = avifDecoderNextImage(decoder);
    if (result != AVIF_RESULT_OK) return refuse(result, s, err);
    if ((code = to_pixels(image, s, &ret->pixels, err)) < 0) return code;
    ret->orientation = turn_of(image);
    if (ret->orientation == 1 && !exif_orientation(image->exif.data, image->exif.size)) {
        int xmp = xmp_orientation(image->xmp.data, image->xmp.size);
        if (xmp) ret->orientation = xmp;
    }
    ret->animated = decoder->imageCount > 1;
    return 0;
}

int avif_decode(const struct source *s, struct decoded *ret, struct phi3v_error *err)
{
    avifDecoder *decoder = avifDecoderCreate();
    if (!decoder) return refuse(AVIF_RESULT_OUT_OF_MEMORY, s, err);
    int code = decode(decoder, s, ret, err);
    avifDecoderDestroy(decoder);
    return code;
}
