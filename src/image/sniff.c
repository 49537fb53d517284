/* SPDX-License-Identifier: MIT
 * Finds out what the bytes are from their beginning, never from a name. Text is read past comments
 * and declarations, so that a web page or a drawing is recognised after them. */
#define _GNU_SOURCE // memmem
#include "image/image.h"

#include <string.h>
#include <strings.h>

struct magic {
    size_t at;
    const char *bytes;
    size_t n;
    enum image_format format;
    const char *name, *remedy;
};

#define MAGIC(at, s, format, name)                                                                 \
    {                                                                                              \
        at, s, sizeof(s) - 1, format, name, NULL                                                   \
    }
#define OTHER(at, s, name, remedy)                                                                 \
    {                                                                                              \
        at, s, sizeof(s) - 1, IMAGE_OTHER, name, remedy                                            \
    }
#define UNREAD(at, s, name, remedy)                                                                \
    {                                                                                              \
        at, s, sizeof(s) - 1, IMAGE_UNREAD, name, remedy                                           \
    }

static const char unknown[] = "data of an unknown kind";
static const char save_as_png[] = "save it as PNG";
static const char develop[] = "develop it to JPEG or PNG first, or use the JPEG the camera made";
static const char take_a_still[] =
    "take a still from it, for instance with ffmpeg -i FILM still.png";
static const char unpack_it[] = "unpack it and name the picture inside";
static const char fetch_again[] =
    "a transfer as text has changed its bytes: fetch it again as it is";
static const char decode_base64[] =
    "decode it with base64 -d, or put data:image/png;base64, before it";
static const char save_from_it[] = "save the picture in it by itself";
static const char print_a_page[] =
    "make a picture of the page that matters, for instance with pdftoppm -r 150 -png FILE page";

/* The first match counts, so special cases come before general ones. */
static const struct magic magics[] = {
    MAGIC(0, "\x89PNG\r\n\x1a\n", IMAGE_PNG, "PNG"),
    MAGIC(0, "\xff\xd8\xff", IMAGE_JPEG, "JPEG"),
    MAGIC(0, "GIF87a", IMAGE_GIF, "GIF"),
    MAGIC(0, "GIF89a", IMAGE_GIF, "GIF"),
    MAGIC(0, "\0\0\1\0", IMAGE_ICO, "ICO"),
    MAGIC(0, "\xff\x0a", IMAGE_JXL, "JPEG XL"),
    MAGIC(0, "\0\0\0\x0cJXL ", IMAGE_JXL, "JPEG XL"),
    /* Unsupported pictures */
    UNREAD(8, "CR\2", "a Canon camera's raw file", develop),
    UNREAD(4, "ftypcrx ", "a Canon camera's raw file", develop),
    UNREAD(0, "FUJIFILMCCD-RAW", "a Fujifilm camera's raw file", develop),
    UNREAD(0, "IIRO", "an Olympus camera's raw file", develop),
    UNREAD(0, "IIU\0", "a Panasonic camera's raw file", develop),
    UNREAD(0, "\0\0\0\x0cjP  ", "a JPEG 2000 picture", save_as_png),
    UNREAD(0, "\xff\x4f\xff\x51", "a JPEG 2000 picture", save_as_png),
    UNREAD(0, "II\xbc\1", "a JPEG XR picture", save_as_png),
    UNREAD(0, "8BPS", "a Photoshop document", save_as_png),
    UNREAD(0, "gimp xcf", "a GIMP document", save_as_png),
    UNREAD(0, "\0\0\2\0\1\0", "a mouse pointer file", save_as_png),
    UNREAD(0, "\0\0\2\0\2\0", "a mouse pointer file", save_as_png),
    UNREAD(0, "\0\0\2\0\3\0", "a mouse pointer file", save_as_png),
    UNREAD(0, "icns", "a macOS icon", save_as_png),
    UNREAD(0, "DDS ", "a DDS texture", save_as_png),
    UNREAD(0, "qoif", "a QOI picture", save_as_png),
    UNREAD(0, "BPG\xfb", "a BPG picture", save_as_png),
    UNREAD(0, "FLIF", "a FLIF picture", save_as_png),
    UNREAD(0, "SDPX", "a DPX picture", save_as_png),
    UNREAD(0, "XPDS", "a DPX picture", save_as_png),
    UNREAD(0, "\0\0\0\x0cJXS ", "a JPEG XS picture", save_as_png),
    UNREAD(0, "\xabKTX ", "a KTX texture", save_as_png),
    UNREAD(0, "\x76\x2f\x31\x01", "an OpenEXR picture", save_as_png),
    UNREAD(0, "P7\n", "a PAM picture", save_as_png),
    UNREAD(0, "PF\n", "a PFM picture", save_as_png),
    UNREAD(0, "Pf\n", "a PFM picture", save_as_png),
    UNREAD(0, "\n\5\1", "a PCX picture", save_as_png),
    UNREAD(0, "\1\xda", "an SGI picture", save_as_png),
    UNREAD(0, "\x59\xa6\x6a\x95", "a Sun raster picture", save_as_png),
    UNREAD(0, "SIMPLE  =", "a FITS picture", save_as_png),
    UNREAD(0, "\xc5\xd0\xd3\xc6", "a PostScript picture", save_as_png),
    UNREAD(0, "AT&TFORM", "a DjVu document", save_as_png),
    UNREAD(0, "\xd7\xcd\xc6\x9a", "a Windows metafile", save_as_png),
    UNREAD(0, "\1\0\x09\0\0\3", "a Windows metafile", save_as_png),
    UNREAD(0, "\x8bJNG\r\n\x1a\n", "a JNG picture", save_as_png),
    UNREAD(0, "FOVb", "a Sigma camera's raw file", develop),
    UNREAD(0, "\0MRM", "a Minolta camera's raw file", develop),
    UNREAD(0, "\x8aMNG\r\n\x1a\n", "an MNG animation", "save its first frame as PNG"),
    UNREAD(0, "\x89PNG\n\x1a\n", "a PNG picture whose line ends were changed", fetch_again),
    UNREAD(0, "\x89PNG\r\n\x1a\r\n", "a PNG picture whose line ends were changed", fetch_again),
    UNREAD(0, "\xef\xbf\xbdPNG", "a PNG picture that was taken for text", fetch_again),
    UNREAD(0, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
           "a picture that was taken for text", fetch_again),
    /* Documents */
    OTHER(0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document", save_from_it),
    OTHER(0, "L\0\0\0\1\x14\2\0", "a Windows shortcut", "name the file it points to"),
    OTHER(0, "\0\5\x16\7", "the side file of another one (AppleDouble)",
          "name the file without ._ at its beginning"),
    /* Video and sound */
    OTHER(4, "ftypM4A", "a sound file", NULL),
    OTHER(4, "ftyp", "an MP4 or QuickTime film", take_a_still),
    OTHER(4, "moov", "an MP4 or QuickTime film", take_a_still),
    OTHER(4, "mdat", "an MP4 or QuickTime film", take_a_still),
    OTHER(0, "\x1a\x45\xdf\xa3", "a Matroska or WebM film", take_a_still),
    OTHER(8, "AVI LIST", "an AVI film", take_a_still),
    OTHER(0, "\0\0\1\xba", "an MPEG film", take_a_still),
    OTHER(0, "\0\0\1\xb3", "an MPEG film", take_a_still),
    OTHER(0, "FLV\1", "a Flash film", take_a_still),
    OTHER(0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media film", take_a_still),
    OTHER(8, "WAVE", "a sound file", NULL),
    OTHER(0, "OggS", "an Ogg film or sound file", NULL),
    OTHER(0, "fLaC", "a sound file", NULL),
    OTHER(0, "ID3", "a sound file", NULL),
    /* Archives and programs */
    OTHER(0, "PK\3\4", "a ZIP archive or an Office document", unpack_it),
    OTHER(0, "PK\5\6", "an empty ZIP archive", NULL),
    OTHER(0, "\x1f\x8b", "a gzip archive", unpack_it),
    OTHER(0, "BZh", "a bzip2 archive", unpack_it),
    OTHER(0, "7z\xbc\xaf\x27\x1c", "a 7z archive", unpack_it),
    OTHER(0, "\xfd\x37zXZ", "an xz archive", unpack_it),
    OTHER(0, "\x28\xb5\x2f\xfd", "a zstd archive", unpack_it),
    OTHER(0, "\x04\x22\x4d\x18", "an LZ4 archive", unpack_it),
    OTHER(0, "Rar!\x1a\7", "a RAR archive", unpack_it),
    OTHER(257, "ustar", "a tar archive", unpack_it),
    OTHER(0, "\x7f\x45LF", "a program", NULL),
    OTHER(0, "MZ\x90\0", "a Windows program", NULL),
    OTHER(0, "\xcf\xfa\xed\xfe", "a macOS program", NULL),
    OTHER(0, "\xca\xfe\xba\xbe", "a macOS or Java program", NULL),
    OTHER(0, "SQLite format 3", "an SQLite database", NULL),
    OTHER(0, "GGUF", "a language model (GGUF)", NULL),
    /* After raw files, which are TIFF too */
    MAGIC(0, "II*\0", IMAGE_TIFF, "TIFF"),
    MAGIC(0, "MM\0*", IMAGE_TIFF, "TIFF"),
    MAGIC(0, "II+\0", IMAGE_TIFF, "TIFF"),
    MAGIC(0, "MM\0+", IMAGE_TIFF, "TIFF"),
    /* Marks in the middle of what may be something else */
    UNREAD(40, " EMF", "a Windows metafile", save_as_png),
    UNREAD(128, "DICM", "a medical picture (DICOM)", save_as_png),
};

/* Marks that may come after blanks and a byte order mark. */
static const struct magic text_magics[] = {
    UNREAD(0, "/* XPM */", "an XPM picture", save_as_png),
    UNREAD(0, "#?RADIANCE", "a Radiance picture", save_as_png),
    UNREAD(0, "#?RGBE", "a Radiance picture", save_as_png),
    UNREAD(0, "iVBORw0KGgo", "a PNG picture as base64 text", decode_base64),
    UNREAD(0, "/9j/", "a JPEG picture as base64 text", decode_base64),
    UNREAD(0, "R0lGODdh", "a GIF picture as base64 text", decode_base64),
    UNREAD(0, "R0lGODlh", "a GIF picture as base64 text", decode_base64),
    UNREAD(0, "UklGR", "a WebP picture as base64 text", decode_base64),
    UNREAD(0, "data:image/", "a data: address saved as a file", "give the address itself"),
    OTHER(0, "%PDF-", "a PDF document", print_a_page),
    OTHER(0, "%!PS", "a PostScript document", print_a_page),
    OTHER(0, "{\\rtf", "an RTF document", save_from_it),
    OTHER(0, "MIME-Version:", "a mail or a page saved with its pictures", save_from_it),
    OTHER(0, "From: <Saved by", "a page saved with its pictures", save_from_it),
    OTHER(0, "version https://git-lfs", "a Git LFS pointer, not the file itself",
          "fetch the file with git lfs pull"),
    OTHER(0, "[InternetShortcut]", "a shortcut to a web page", "give the address in it"),
    OTHER(0, "[Desktop Entry]", "a shortcut", "give the name or address in it"),
    OTHER(0, "HTTP/1.", "a web server's answer with its headers",
          "save only what follows the first empty line"),
};

/* The first entry whose mark the bytes have, or NULL. */
static const struct magic *find_magic(const struct magic *table, size_t n_table,
                                      const uint8_t *bytes, size_t n)
{
    for (const struct magic *m = table; m < table + n_table; m++)
        if (n >= m->at + m->n && memcmp(bytes + m->at, m->bytes, m->n) == 0) return m;
    return NULL;
}

/* -- Binary formats without a plain mark ------------------------------------------------------- */

/* "BM" alone is weak evidence, so the header size after it must be one that exists. */
static int is_bmp(const uint8_t *bytes, size_t n)
{
    if (n < 18 || bytes[0] != 'B' || bytes[1] != 'M') return 0;
    static const uint8_t header_sizes[] = {12, 16, 40, 52, 56, 64, 108, 124};
    return !bytes[15] && !bytes[16] && !bytes[17] &&
           memchr(header_sizes, bytes[14], sizeof header_sizes);
}

/* A bitmap without its file header begins with the size of the next header, then has fields, some
 * of which have only one sensible value. */
static int is_dib(const uint8_t *bytes, size_t n)
{
    static const uint8_t header_sizes[] = {12, 40, 52, 56, 64, 108, 124},
                         depths[] = {1, 4, 8, 16, 24, 32};
    if (n < 20 || bytes[1] || bytes[2] || bytes[3]) return 0;
    if (!memchr(header_sizes, bytes[0], sizeof header_sizes)) return 0;
    const uint8_t *planes = bytes + (bytes[0] == 12 ? 8 : 12); // is 1; the depth follows
    return planes[0] == 1 && !planes[1] && memchr(depths, planes[2], sizeof depths) && !planes[3];
}

/* TGA has no mark at its beginning: all header fields must have valid values, or the mark must be
 * at the end. */
static int is_tga(const uint8_t *bytes, size_t n)
{
    if (n >= 26 + 18 && memcmp(bytes + n - 18, "TRUEVISION-XFILE.", 17) == 0) return 1;
    if (n < 18 || bytes[1] > 1 || !bytes[2] || bytes[2] > 11 || (bytes[2] & 7) > 3) return 0;
    int has_size = (bytes[12] || bytes[13]) && (bytes[14] || bytes[15]);
    return has_size && memchr("\x08\x10\x18\x20", bytes[16], 4) && bytes[17] < 64;
}

/* An MPEG transport stream: packets of 188 bytes that begin with 'G'. */
static int is_transport_stream(const uint8_t *bytes, size_t n)
{
    return n > 376 && bytes[0] == 'G' && bytes[188] == 'G' && bytes[376] == 'G';
}

static int is_pnm(const uint8_t *bytes, size_t n)
{
    return n >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
           memchr(" \t\r\n\v\f#", bytes[2], 7);
}

static int is_webp(const uint8_t *bytes, size_t n)
{
    return n >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}

/* AVIF and HEIC both begin with a box of brands. Other brands are videos. */
static int read_brands(const uint8_t *bytes, size_t n, struct sniffed *ret)
{
    static const struct {
        char brand[5];
        enum image_format format;
        const char *name;
    } brands[] = {{"avif", IMAGE_AVIF, "AVIF"}, {"avis", IMAGE_AVIF, "AVIF"},
                  {"heic", IMAGE_HEIF, "HEIC"}, {"heix", IMAGE_HEIF, "HEIC"},
                  {"heim", IMAGE_HEIF, "HEIC"}, {"heis", IMAGE_HEIF, "HEIC"},
                  {"hevc", IMAGE_HEIF, "HEIC"}, {"hevx", IMAGE_HEIF, "HEIC"},
                  {"mif1", IMAGE_HEIF, "HEIF"}, {"msf1", IMAGE_HEIF, "HEIF"}};
    if (n < 12 || memcmp(bytes + 4, "ftyp", 4) != 0) return 0;
    size_t end = (size_t)bytes[2] << 8 | bytes[3]; // no such box is longer than a few dozen bytes
    if (end > n) end = n;
    int found = 0;
    for (size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4) { // a version follows the first
        for (size_t i = 0; i < sizeof brands / sizeof *brands; i++) {
            if (memcmp(bytes + at, brands[i].brand, 4) != 0) continue;
            *ret = (struct sniffed){brands[i].format, brands[i].name, NULL};
            found = 1;
            if (brands[i].name[3] != 'F' || brands[i].format == IMAGE_AVIF) return 1;
        }
        if (at == 8 && !found) return 0; // a video, whatever it is compatible with
    }
    return found;
}

/* -- Text -------------------------------------------------------------------------------------- */

struct text {
    const uint8_t *p;
    size_t n;
};

static int starts_with(struct text t, const char *s)
{
    size_t n = strlen(s);
    return t.n >= n && strncasecmp((const char *)t.p, s, n) == 0;
}

static void skip(struct text *t, size_t n)
{
    if (n > t->n) n = t->n;
    t->p += n;
    t->n -= n;
}

static void skip_blanks(struct text *t)
{
    while (t->n && memchr(" \t\r\n\f", *t->p, 5)) skip(t, 1);
}

/* Skips past the next occurrence of `end`, or to the end of the text. */
static void skip_past(struct text *t, const char *end)
{
    const uint8_t *hit = memmem(t->p, t->n, end, strlen(end));
    skip(t, hit ? (size_t)(hit - t->p) + strlen(end) : t->n);
}

/* Skips <!DOCTYPE …>, which may have declarations in [ ]. */
static void skip_doctype(struct text *t)
{
    while (t->n && *t->p != '>' && *t->p != '[') skip(t, 1);
    if (t->n && *t->p == '[') skip_past(t, "]");
    skip_past(t, ">");
}

/* Whether an element with one of these names begins here: <svg, <svg:svg, … */
static int is_element(struct text t, const char *const *names)
{
    skip(&t, 1);
    const uint8_t *colon = t.n ? memchr(t.p, ':', t.n < 40 ? t.n : 40) : NULL;
    size_t n_prefix = colon ? (size_t)(colon - t.p) + 1 : 0;
    for (size_t i = 0; i < n_prefix; i++)
        if (strchr(" \t\r\n>/=\"", t.p[i])) n_prefix = 0;
    skip(&t, n_prefix);
    for (; *names; names++) {
        size_t n = strlen(*names);
        if (starts_with(t, *names) && (t.n == n || strchr(" \t\r\n\f/>", t.p[n]))) return 1;
    }
    return 0;
}

static const struct sniffed web_page = {IMAGE_OTHER, "a web page",
                                        "name the picture in it, by its own address"};
static const struct sniffed svg = {IMAGE_UNREAD, "an SVG drawing",
                                   "draw it as PNG, for instance with rsvg-convert -o FILE.png"};

/* Names markup by its first element after comments, declarations and instructions. */
static struct sniffed name_of_markup(struct text t)
{
    static const char *const svg_names[] = {"svg", NULL};
    static const char *const html_names[] = {
        "html",   "head",    "body",     "title",    "meta",     "link",   "base",    "script",
        "style",  "div",     "p",        "h1",       "h2",       "h3",     "h4",      "h5",
        "h6",     "table",   "tr",       "td",       "span",     "a",      "img",     "picture",
        "iframe", "form",    "input",    "button",   "label",    "select", "center",  "br",
        "hr",     "b",       "strong",   "i",        "em",       "font",   "object",  "embed",
        "video",  "audio",   "canvas",   "pre",      "code",     "ul",     "ol",      "li",
        "dl",     "nav",     "main",     "header",   "footer",   "aside",  "section", "article",
        "figure", "details", "noscript", "template", "frameset", NULL};
    int is_xml = 0;
    for (;;) {
        skip_blanks(&t);
        if (starts_with(t, "<!--")) {
            skip_past(&t, "-->");
        } else if (starts_with(t, "<?")) {
            is_xml = 1;
            skip_past(&t, "?>");
        } else if (starts_with(t, "<!doctype")) {
            skip(&t, 9);
            skip_blanks(&t);
            if (starts_with(t, "html")) return web_page;
            if (starts_with(t, "svg")) return svg;
            is_xml = 1;
            skip_doctype(&t);
        } else {
            break;
        }
    }
    if (t.n && *t.p == '<') {
        if (is_element(t, svg_names)) return svg;
        if (is_element(t, html_names)) return web_page;
    }
    return (struct sniffed){IMAGE_OTHER, is_xml ? "an XML document" : "text", NULL};
}

/* Whether the first part has no control characters and only valid UTF-8 lead bytes. */
static int is_text(struct text t)
{
    size_t n_look = t.n < 512 ? t.n : 512;
    for (size_t i = 0; i < n_look; i++) {
        if (t.p[i] == 0x7f || t.p[i] >= 0xf8) return 0;
        if (t.p[i] < 0x20 && !memchr("\t\n\r\f\033", t.p[i], 5)) return 0;
    }
    return 1;
}

/* Takes text without the blanks at its beginning. */
static struct sniffed name_of_text(struct text start)
{
    if (start.n == 0) return (struct sniffed){IMAGE_OTHER, "nothing but blanks", NULL};
    if (*start.p == '<') return name_of_markup(start);
    if (*start.p == '{' || *start.p == '[')
        return (struct sniffed){IMAGE_OTHER, "JSON text",
                                "perhaps a server's message: look into it"};
    return (struct sniffed){IMAGE_OTHER, "text", NULL};
}

/* Extracts enough ASCII from UTF-16 to recognise markup. */
static struct sniffed name_of_wide_text(struct text t, int big)
{
    uint8_t narrow[2048];
    size_t n = t.n / 2 < sizeof narrow ? t.n / 2 : sizeof narrow;
    for (size_t i = 0; i < n; i++) {
        uint8_t high = t.p[2 * i + (big ? 0 : 1)], low = t.p[2 * i + (big ? 1 : 0)];
        narrow[i] = high || low >= 0x80 ? '?' : low;
    }
    struct text start = {narrow, n};
    skip_blanks(&start);
    return name_of_text(start);
}

static int only_zeros(struct text t)
{
    size_t n_look = t.n < 4096 ? t.n : 4096;
    for (size_t i = 0; i < n_look; i++)
        if (t.p[i]) return 0;
    return t.n >= 16;
}

static struct sniffed name_of_rest(struct text t)
{
    if (t.n >= 2 && memcmp(t.p, "\xff\xfe", 2) == 0)
        return name_of_wide_text((struct text){t.p + 2, t.n - 2}, 0);
    if (t.n >= 2 && memcmp(t.p, "\xfe\xff", 2) == 0)
        return name_of_wide_text((struct text){t.p + 2, t.n - 2}, 1);
    if (only_zeros(t))
        return (struct sniffed){IMAGE_OTHER, "nothing but zero bytes",
                                "copying or downloading it was not finished: fetch it again"};
    if (t.n >= 4 && !t.p[0] && t.p[1] == '<' && !t.p[2]) return name_of_wide_text(t, 1);
    if (t.n >= 4 && t.p[0] == '<' && !t.p[1] && !t.p[3]) return name_of_wide_text(t, 0);
    if (starts_with(t, "\xef\xbb\xbf")) skip(&t, 3); // a byte order mark
    skip_blanks(&t);
    const struct magic *m =
        find_magic(text_magics, sizeof text_magics / sizeof *text_magics, t.p, t.n);
    if (m) return (struct sniffed){m->format, m->name, m->remedy};
    if (is_text(t)) return name_of_text(t);
    return (struct sniffed){IMAGE_OTHER, unknown, NULL};
}

/* -- All --------------------------------------------------------------------------------------- */

struct sniffed image_sniff(const uint8_t *bytes, size_t n)
{
    struct sniffed brand;
    if (n == 0) return (struct sniffed){IMAGE_OTHER, "empty", NULL};
    if (read_brands(bytes, n, &brand)) return brand;
    if (is_webp(bytes, n)) return (struct sniffed){IMAGE_WEBP, "WebP", NULL};
    if (is_bmp(bytes, n)) return (struct sniffed){IMAGE_BMP, "BMP", NULL};
    if (is_pnm(bytes, n)) return (struct sniffed){IMAGE_PNM, "PNM", NULL};
    if (is_dib(bytes, n)) return (struct sniffed){IMAGE_BMP, "BMP", NULL};
    const struct magic *m = find_magic(magics, sizeof magics / sizeof *magics, bytes, n);
    if (m) return (struct sniffed){m->format, m->name, m->remedy};
    if (is_transport_stream(bytes, n))
        return (struct sniffed){IMAGE_OTHER, "an MPEG film", take_a_still};
    struct sniffed rest = name_of_rest((struct text){bytes, n});
    if (rest.name == unknown && is_tga(bytes, n))
        return (struct sniffed){IMAGE_UNREAD, "a TGA picture", save_as_png};
    return rest;
}
