/* SPDX-License-Identifier: MIT
 * Lists the decoders' libraries and their versions. */
#include <stdio.h>
#include <string.h>

#include <gif_lib.h>
#include <jpeglib.h>
#include <png.h>
#include <webp/decode.h>
#include <zlib.h>
#ifdef HAVE_TIFF
#include <tiffio.h>
#endif
#ifdef HAVE_AVIF
#include <avif/avif.h>
#endif
#ifdef HAVE_HEIF
#include <libheif/heif.h>
#endif
#ifdef HAVE_JXL
#include <jxl/decode.h>
#endif

#include "image/image.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

/* Formats a version whose three numbers a library packs into one. */
static const char *packed(char out[32], int major, int minor, int patch)
{
    snprintf(out, 32, "%d.%d.%d", major, minor, patch);
    return out;
}

void image_libraries(image_library_fn fn, void *user)
{
    char text[32];
    int webp = WebPGetDecoderVersion();
#ifdef LIBJPEG_TURBO_VERSION
    fn("libjpeg-turbo", TEXT(LIBJPEG_TURBO_VERSION), user);
#else
    fn("libjpeg", TEXT(JPEG_LIB_VERSION), user);
#endif
    fn("libwebp", packed(text, webp >> 16, webp >> 8 & 255, webp & 255), user);
    fn("libpng", png_get_libpng_ver(NULL), user);
    fn("zlib", zlibVersion(), user);
    fn("giflib", packed(text, GIFLIB_MAJOR, GIFLIB_MINOR, GIFLIB_RELEASE), user);
#ifdef HAVE_TIFF
    char tiff[64]; // "LIBTIFF, Version 4.5.0" and lines about rights
    const char *said = strchr(TIFFGetVersion(), 'V');
    snprintf(tiff, sizeof tiff, "%.*s", said ? (int)strcspn(said, "\n") : 0, said ? said : "");
    fn("libtiff", tiff, user);
#else
    fn("libtiff", NULL, user);
#endif
#ifdef HAVE_AVIF
    fn("libavif", avifVersion(), user);
#else
    fn("libavif", NULL, user);
#endif
#ifdef HAVE_HEIF
    fn("libheif", heif_get_version(), user);
#else
    fn("libheif", NULL, user);
#endif
#ifdef HAVE_JXL
    int jxl = (int)JxlDecoderVersion();
    fn("libjxl", packed(text, jxl / 1000000, jxl / 1000 % 1000, jxl % 1000), user);
#else
    fn("libjxl", NULL, user);
#endif
}
