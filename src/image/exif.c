/* SPDX-License-Identifier: MIT
 * The orientation of a picture, from the places where the reference looks for it: EXIF data in
 * JPEG, WebP and PNG files, hexadecimal text in PNG files, and XMP data if EXIF has none. */
#include "image/decoders.h"

#include <string.h>

#include <webp/demux.h>
#include <zlib.h>

#include "base/mem.h"

enum { MAX_EXIF = 16 << 20 }; // bytes in a JPEG, where a segment has at most 64 KiB

struct span {
    const uint8_t *bytes; // NULL: nothing found
    size_t n;
};

static int begins(struct span s, const char *mark, size_t n)
{
    return s.bytes && s.n >= n && memcmp(s.bytes, mark, n) == 0;
}

#define BEGINS(s, mark) begins(s, mark, sizeof(mark) - 1)

static struct span behind(struct span s, size_t n) { return (struct span){s.bytes + n, s.n - n}; }

/* -- EXIF: a TIFF structure -------------------------------------------------------------------- */

struct tiff {
    const uint8_t *bytes;
    size_t n;
    int little;
};

static uint32_t get16(const struct tiff *t, const uint8_t *p)
{
    return t->little ? le16(p) : be16(p);
}

static uint32_t get32(const struct tiff *t, const uint8_t *p)
{
    return t->little ? le32(p) : be32(p);
}

/* The number 42 after the mark occurs in both byte orders. */
static int open_tiff(struct span s, struct tiff *ret)
{
    *ret = (struct tiff){s.bytes, s.n, BEGINS(s, "II*\0") || BEGINS(s, "II\0*")};
    return s.n >= 8 && (ret->little || BEGINS(s, "MM\0*") || BEGINS(s, "MM*\0"));
}

enum { SKIPPED = 0, CUT_OFF = -1 };

/* An entry's first value as an orientation, 1 when it is not 1 to 8; SKIPPED for an entry that the
 * reference cannot read, CUT_OFF for one at which it stops reading. */
static int entry_value(const struct tiff *t, const uint8_t *entry)
{
    static const uint8_t sizes[] = {
        [1] = 1, [2] = 1, [3] = 2,  [4] = 4,  [5] = 8,  [6] = 1, [7] = 1,
        [8] = 2, [9] = 4, [10] = 8, [11] = 4, [12] = 8, [13] = 4};
    uint32_t type = get16(t, entry + 2);
    uint64_t count = get32(t, entry + 4);
    if (type >= sizeof sizes || !sizes[type] || count == 0) return SKIPPED;
    const uint8_t *p = entry + 8; // the value, or its offset
    if (count * sizes[type] > 4) {
        size_t at = get32(t, p);
        if (count * sizes[type] > t->n || at > t->n - count * sizes[type]) return CUT_OFF;
        p = t->bytes + at;
    }
    uint32_t v = 1;
    if (type == 3 || type == 8) v = get16(t, p);
    if (type == 4 || type == 9 || type == 13) v = get32(t, p);
    if (type == 6) v = *p;
    if (type == 5 || type == 10) {
        uint32_t by = get32(t, p + 4);
        v = by && get32(t, p) % by == 0 ? get32(t, p) / by : 1;
    }
    return v >= 1 && v <= 8 ? (int)v : 1;
}

int exif_orientation(const uint8_t *exif, size_t n)
{
    struct span s = {exif, n};
    struct tiff t;
    for (int i = 0; i < 2 && BEGINS(s, "Exif\0\0"); i++) s = behind(s, 6); // some write it twice
    if (!open_tiff(s, &t)) return 0;
    size_t at = get32(&t, t.bytes + 4);
    if (at > t.n - 2) return 0;
    size_t n_entries = get16(&t, t.bytes + at), room = (t.n - at - 2) / 12;
    if (n_entries > room) n_entries = room;
    int found = 0;
    for (size_t i = 0; i < n_entries; i++) {
        const uint8_t *entry = t.bytes + at + 2 + 12 * i; // tag, type, count, value
        int value = entry_value(&t, entry);
        if (value == CUT_OFF) break;
        if (get16(&t, entry) == 0x0112 && value != SKIPPED) found = value;
    }
    return found;
}

/* -- XMP: text --------------------------------------------------------------------------------- */

/* The digit after the first tiff:Orientation=" or tiff:Orientation> */
int xmp_orientation(const uint8_t *xmp, size_t n)
{
    static const char name[] = "tiff:Orientation";
    for (struct span s = {xmp, n}; s.n > sizeof name + 1; s = behind(s, 1)) {
        const uint8_t *hit = memchr(s.bytes, 't', s.n);
        if (!hit) return 0;
        s = behind(s, (size_t)(hit - s.bytes));
        if (!BEGINS(s, name)) continue;
        struct span value = behind(s, sizeof name - 1);
        if (BEGINS(value, "=\""))
            value = behind(value, 2);
        else if (BEGINS(value, ">"))
            value = behind(value, 1);
        else
            continue;
        if (value.n && *value.bytes >= '0' && *value.bytes <= '9') {
            int v = *value.bytes - '0';
            return v >= 1 && v <= 8 ? v : 1;
        }
    }
    return 0;
}

/* -- JPEG -------------------------------------------------------------------------------------- */

/* The next APP1 segment before the picture data; 0 when there is none. */
static int next_app1(const uint8_t *bytes, size_t n, size_t *at, struct span *ret)
{
    while (*at + 4 <= n) {
        int marker = bytes[*at + 1];
        if (bytes[*at] != 0xff || marker == 0xff || marker == 0) { // padding, or not a marker
            ++*at;
            continue;
        }
        if (marker == 0xda || marker == 0xd9) break;
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) { // stand alone
            *at += 2;
            continue;
        }
        size_t length = be16(bytes + *at + 2);
        if (length < 2 || length > n - *at - 2) break;
        *ret = (struct span){bytes + *at + 4, length - 2};
        *at += 2 + length;
        if (marker == 0xe1) return 1;
    }
    return 0;
}

/* EXIF data that is too long for a segment continues in further ones, each with the mark. Writes
 * the joined data to `to` unless that is NULL, and returns its length. */
static size_t join_exif(const uint8_t *bytes, size_t n, uint8_t *to)
{
    struct span part;
    size_t n_joined = 0;
    for (size_t at = 2; next_app1(bytes, n, &at, &part);) {
        if (!BEGINS(part, "Exif\0\0")) continue;
        if (n_joined + part.n > MAX_EXIF) break;
        if (n_joined) part = behind(part, 6);
        if (to) memcpy(to + n_joined, part.bytes, part.n);
        n_joined += part.n;
    }
    return n_joined;
}

static int orientation_of_jpeg(const uint8_t *bytes, size_t n)
{
    static const char mark[] = "http://ns.adobe.com/xap/1.0/"; // including the final zero
    struct span part, xmp = {0};
    size_t n_exif = join_exif(bytes, n, NULL);
    CLEANUP(mem_free_ptr) uint8_t *exif = n_exif ? mem_alloc(n_exif) : NULL;
    if (exif) join_exif(bytes, n, exif);
    for (size_t at = 2; next_app1(bytes, n, &at, &part);)
        if (begins(part, mark, sizeof mark)) xmp = behind(part, sizeof mark);
    int found = exif ? exif_orientation(exif, n_exif) : 0;
    return found ? found : xmp_orientation(xmp.bytes, xmp.n);
}

/* -- WebP -------------------------------------------------------------------------------------- */

/* A chunk of the extended layout, which counts only if the file's flags announce it. */
static int orientation_of_chunk(const WebPDemuxer *demuxer, const char *type,
                                int (*orientation_of)(const uint8_t *, size_t))
{
    WebPChunkIterator chunk;
    if (!WebPDemuxGetChunk(demuxer, type, 1, &chunk)) return 0;
    int found = orientation_of(chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
    return found;
}

static int orientation_of_webp(const uint8_t *bytes, size_t n)
{
    WebPData data = {.bytes = bytes, .size = n};
    WebPDemuxState state;
    WebPDemuxer *demuxer = WebPDemuxPartial(&data, &state);
    if (!demuxer) return 0;
    int found = orientation_of_chunk(demuxer, "EXIF", exif_orientation);
    if (!found) found = orientation_of_chunk(demuxer, "XMP ", xmp_orientation);
    WebPDemuxDelete(demuxer);
    return found;
}

/* -- PNG --------------------------------------------------------------------------------------- */

enum {
    MAX_TEXT = 1 << 20, // the reference unpacks no more
    MAX_TEXTS = 16      // so that a file full of packed texts does not take hours
};

/* A text chunk's content; the caller frees *unpacked, the memory that was allocated for it. */
struct text {
    struct span content;
    uint8_t *unpacked;
};

static struct text unpack(struct span packed)
{
    struct text t = {.unpacked = mem_alloc(MAX_TEXT)};
    uLongf n = MAX_TEXT;
    if (t.unpacked && uncompress(t.unpacked, &n, packed.bytes, packed.n) == Z_OK)
        t.content = (struct span){t.unpacked, n};
    return t;
}

static int has_keyword(const struct png_chunk *c, const char *keyword)
{
    int is_text =
        !memcmp(c->type, "tEXt", 4) || !memcmp(c->type, "zTXt", 4) || !memcmp(c->type, "iTXt", 4);
    return is_text && begins((struct span){c->data, c->n}, keyword, strlen(keyword) + 1);
}

/* The text of a chunk that has a keyword. */
static struct text text_of(const struct png_chunk *c)
{
    struct text none = {0};
    struct span s = behind((struct span){c->data, c->n}, strlen((const char *)c->data) + 1);
    if (c->type[0] == 't') return (struct text){.content = s};
    if (c->type[0] == 'z') return s.n > 1 && !*s.bytes ? unpack(behind(s, 1)) : none;
    if (s.n < 2) return none;
    int packed = s.bytes[0];
    s = behind(s, 2);
    for (int i = 0; i < 2; i++) { // a language, and the keyword in it
        const uint8_t *end = s.n ? memchr(s.bytes, 0, s.n) : NULL;
        if (!end) return none;
        s = behind(s, (size_t)(end + 1 - s.bytes));
    }
    return packed ? unpack(s) : (struct text){.content = s};
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The text consists of an empty line, a name, a length, and hexadecimal digits. */
static int orientation_of_hex(struct span s)
{
    for (int line = 0; line < 3; line++) {
        const uint8_t *end = s.n ? memchr(s.bytes, '\n', s.n) : NULL;
        if (!end) return 0;
        s = behind(s, (size_t)(end + 1 - s.bytes));
    }
    CLEANUP(mem_free_ptr) uint8_t *exif = mem_alloc(s.n / 2 + 1);
    size_t n = 0;
    int high = -1;
    for (size_t i = 0; exif && i < s.n; i++) {
        int digit = hex_digit(s.bytes[i]);
        if (digit < 0 && high < 0 && memchr(" \t\r\n", s.bytes[i], 4)) continue;
        if (digit < 0) return 0;
        if (high >= 0) exif[n++] = (uint8_t)(high << 4 | digit);
        high = high < 0 ? digit : -1;
    }
    return exif ? exif_orientation(exif, n) : 0;
}

static int orientation_of_png(const uint8_t *bytes, size_t n)
{
    int exif = 0, hex = 0, xmp = 0, has_exif = 0, n_texts = 0;
    struct png_chunk c;
    for (size_t at = 8; png_next_chunk(bytes, n, &at, &c);) {
        if (memcmp(c.type, "eXIf", 4) == 0) {
            has_exif = 1;
            exif = exif_orientation(c.data, c.n);
        }
        int is_hex = has_keyword(&c, "Raw profile type exif");
        if ((!is_hex && !has_keyword(&c, "XML:com.adobe.xmp")) || ++n_texts > MAX_TEXTS) continue;
        struct text t = text_of(&c);
        if (t.content.bytes && is_hex) hex = orientation_of_hex(t.content);
        if (t.content.bytes && !is_hex) xmp = xmp_orientation(t.content.bytes, t.content.n);
        mem_free(t.unpacked);
    }
    if (!has_exif) exif = hex;
    return exif ? exif : xmp;
}

/* -- All --------------------------------------------------------------------------------------- */

int image_orientation(const uint8_t *bytes, size_t n, enum image_format format)
{
    int found = format == IMAGE_JPEG   ? orientation_of_jpeg(bytes, n)
                : format == IMAGE_PNG  ? orientation_of_png(bytes, n)
                : format == IMAGE_WEBP ? orientation_of_webp(bytes, n)
                                       : 0;
    return found ? found : 1;
}
