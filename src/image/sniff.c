/* SPDX-License-Identifier: MIT
 * What the bytes are: by their first bytes, never by a name. */
#include "image/image.h"

#include <string.h>
#include <strings.h>

struct magic {
    size_t at;
    const char *bytes;
    size_t n;
    enum image_format format;
    const char *name;
};

#define MAGIC(at, s, format, name)                                                                 \
    {                                                                                              \
        at, s, sizeof(s) - 1, format, name                                                         \
    }

/* The first row that matches decides: special cases stand before general ones. */
static const struct magic magics[] = {
    MAGIC(0, "\x89PNG\r\n\x1a\n", IMAGE_PNG, "PNG"),
    MAGIC(0, "\xff\xd8\xff", IMAGE_JPEG, "JPEG"),
    MAGIC(0, "GIF87a", IMAGE_GIF, "GIF"),
    MAGIC(0, "GIF89a", IMAGE_GIF, "GIF"),
    MAGIC(0, "%PDF-", IMAGE_OTHER, "a PDF document"),
    MAGIC(0, "%!PS", IMAGE_OTHER, "a PostScript document"),
    MAGIC(0, "II*\0", IMAGE_OTHER, "a TIFF picture"),
    MAGIC(0, "MM\0*", IMAGE_OTHER, "a TIFF picture"),
    MAGIC(4, "ftypavif", IMAGE_OTHER, "an AVIF picture"),
    MAGIC(4, "ftypavis", IMAGE_OTHER, "an AVIF picture"),
    MAGIC(4, "ftypheic", IMAGE_OTHER, "a HEIC picture"),
    MAGIC(4, "ftypheix", IMAGE_OTHER, "a HEIC picture"),
    MAGIC(4, "ftypmif1", IMAGE_OTHER, "a HEIF picture"),
    MAGIC(4, "ftyp", IMAGE_OTHER, "an MP4 or QuickTime film"),
    MAGIC(0, "\xff\x0a", IMAGE_OTHER, "a JPEG XL picture"),
    MAGIC(0, "\0\0\0\x0cJXL ", IMAGE_OTHER, "a JPEG XL picture"),
    MAGIC(0, "\0\0\0\x0cjP  ", IMAGE_OTHER, "a JPEG 2000 picture"),
    MAGIC(0, "8BPS", IMAGE_OTHER, "a Photoshop document"),
    MAGIC(0, "\0\0\1\0", IMAGE_OTHER, "an icon file"),
    MAGIC(0, "\x1a\x45\xdf\xa3", IMAGE_OTHER, "a Matroska or WebM film"),
    MAGIC(0, "PK\3\4", IMAGE_OTHER, "a ZIP archive"),
    MAGIC(0, "\x1f\x8b", IMAGE_OTHER, "a gzip archive"),
    MAGIC(0, "7z\xbc\xaf\x27\x1c", IMAGE_OTHER, "a 7z archive"),
    MAGIC(0,
          "\xfd"
          "7zXZ",
          IMAGE_OTHER, "an xz archive"),
    MAGIC(0, "\x28\xb5\x2f\xfd", IMAGE_OTHER, "a zstd archive"),
    MAGIC(0,
          "\x7f"
          "ELF",
          IMAGE_OTHER, "a program"),
    MAGIC(0, "version https://git-lfs", IMAGE_OTHER, "a Git LFS pointer, not the file itself"),
};

static int starts_with(const uint8_t *bytes, size_t n, const char *s)
{
    size_t n_s = strlen(s);
    return n >= n_s && strncasecmp((const char *)bytes, s, n_s) == 0;
}

/* BM alone is weak: the header size behind it must be one that exists. */
static int is_bmp(const uint8_t *bytes, size_t n)
{
    if (n < 18 || bytes[0] != 'B' || bytes[1] != 'M') return 0;
    static const uint8_t header_sizes[] = {12, 40, 52, 56, 108, 124};
    return !bytes[15] && !bytes[16] && !bytes[17] &&
           memchr(header_sizes, bytes[14], sizeof header_sizes);
}

static int is_pnm(const uint8_t *bytes, size_t n)
{
    return n >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
           memchr(" \t\r\n#", bytes[2], 5);
}

static const char *name_of_text(const uint8_t *bytes, size_t n)
{
    while (n && memchr(" \t\r\n", *bytes, 4)) bytes++, n--;
    if (starts_with(bytes, n, "<!doctype html") || starts_with(bytes, n, "<html") ||
        starts_with(bytes, n, "<head") || starts_with(bytes, n, "<body"))
        return "a web page";
    if (starts_with(bytes, n, "<svg")) return "an SVG drawing";
    if (starts_with(bytes, n, "<?xml")) {
        char start[1024];
        size_t n_start = n < sizeof start ? n : sizeof start - 1;
        memcpy(start, bytes, n_start);
        start[n_start] = 0;
        if (strstr(start, "<svg")) return "an SVG drawing";
        return strstr(start, "<html") ? "a web page" : "an XML document";
    }
    return "text";
}

/* Without control characters and with valid UTF-8 lead bytes in the first part. */
static int is_text(const uint8_t *bytes, size_t n)
{
    size_t n_look = n < 512 ? n : 512;
    for (size_t i = 0; i < n_look; i++) {
        if (bytes[i] == 0x7f || bytes[i] >= 0xf8) return 0;
        if (bytes[i] < 0x20 && !memchr("\t\n\r\f\033", bytes[i], 5)) return 0;
    }
    return 1;
}

enum image_format image_sniff(const uint8_t *bytes, size_t n, const char **ret_name)
{
    *ret_name = "empty";
    if (n == 0) return IMAGE_OTHER;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        const struct magic *m = &magics[i];
        if (n < m->at + m->n || memcmp(bytes + m->at, m->bytes, m->n) != 0) continue;
        *ret_name = m->name;
        return m->format;
    }
    if (n >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0) {
        *ret_name = "WebP";
        return IMAGE_WEBP;
    }
    if (is_bmp(bytes, n)) {
        *ret_name = "BMP";
        return IMAGE_BMP;
    }
    if (is_pnm(bytes, n)) {
        *ret_name = "PNM";
        return IMAGE_PNM;
    }
    if (n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) // a byte order mark
        bytes += 3, n -= 3;
    *ret_name = is_text(bytes, n) ? name_of_text(bytes, n) : "data of an unknown kind";
    return IMAGE_OTHER;
}
