/* SPDX-License-Identifier: MIT
 * TIFF through libtiff: the first page. The library unpacks strips and tiles, which are put
 * together here with the reference's values; YCbCr is converted by the library, as in the
 * reference. */
#include "image/decoders.h"

#include <string.h>

#include <tiffio.h>

#include "base/mem.h"

enum {
    BELIEVED_PER_BYTE = 65536, // pixels; an empty fax page compresses that well
    MAX_SAMPLES = 6,
    MAX_ALLOCATION = 256 << 20, // bytes, of one block in libtiff
    LARGE_STRIP = 16 << 20      // bytes
};

struct feed {
    const struct source *s;
    uint64_t at;
};

struct page {
    uint32_t width, height;
    uint16_t bits, samples, photometric, format, planar, compression;
    uint16_t *colours[3]; // of a palette, 1 << bits each; libtiff's
    int alpha;            // index of that sample, or -1
    int associated;       // colours are premultiplied with alpha
};

/* -- The file in memory ------------------------------------------------------------------------ */

static tmsize_t read_at(thandle_t handle, void *to, tmsize_t n_wanted)
{
    struct feed *f = (struct feed *)handle;
    uint64_t left = f->at < f->s->n ? f->s->n - f->at : 0, n = (uint64_t)n_wanted;
    if (source_stopped(f->s)) return 0;
    if (n > left) n = left;
    memcpy(to, f->s->bytes + (n ? f->at : 0), n);
    f->at += n;
    return (tmsize_t)n;
}

static tmsize_t write_nothing(thandle_t handle, void *from, tmsize_t n)
{
    (void)handle, (void)from, (void)n;
    return 0;
}

static toff_t seek(thandle_t handle, toff_t to, int whence)
{
    struct feed *f = (struct feed *)handle;
    f->at = whence == SEEK_SET ? to : whence == SEEK_CUR ? f->at + to : f->s->n + to;
    return f->at;
}

static int close_nothing(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t size_of(thandle_t handle) { return ((struct feed *)handle)->s->n; }

/* Suppresses the library's messages, which are about its internals; ours say what is wrong. */
static int say_nothing(TIFF *tiff, void *user, const char *module, const char *format, va_list args)
{
    (void)tiff, (void)user, (void)module, (void)format, (void)args;
    return 1;
}

static TIFF *open_file(struct feed *feed)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return NULL;
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, MAX_ALLOCATION);
    TIFFOpenOptionsSetErrorHandlerExtR(options, say_nothing, NULL);
    TIFFOpenOptionsSetWarningHandlerExtR(options, say_nothing, NULL);
    TIFF *tiff = TIFFClientOpenExt("picture", "rm", (thandle_t)feed, read_at, write_nothing, seek,
                                   close_nothing, size_of, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

/* -- The page ---------------------------------------------------------------------------------- */

static int not_read(const char *what, struct phi3v_error *err)
{
    return err_set(err, PHI3V_E_UNSUPPORTED,
                   "the TIFF picture %s, which is not read here: save it as PNG", what);
}

static void find_alpha(TIFF *tiff, struct page *p, int n_colours)
{
    uint16_t n_extra = 0, *extra = NULL;
    p->alpha = -1;
    if (p->samples <= n_colours) return;
    if (!TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &n_extra, &extra) || n_extra == 0) {
        if (p->samples == n_colours + 1 && n_colours == 3) p->alpha = n_colours;
        return;
    }
    if (extra[0] == EXTRASAMPLE_UNSPECIFIED) return;
    p->alpha = n_colours;
    p->associated = extra[0] == EXTRASAMPLE_ASSOCALPHA && n_colours == 3;
}

/* A raw file is a TIFF whose first page is a small copy of the picture, which lies below it. */
static int is_raw_file(TIFF *tiff)
{
    uint32_t kind = 0;
    uint16_t n_below = 0;
    toff_t *below = NULL;
    return TIFFGetField(tiff, TIFFTAG_SUBFILETYPE, &kind) && kind & FILETYPE_REDUCEDIMAGE &&
           TIFFGetField(tiff, TIFFTAG_SUBIFD, &n_below, &below) && n_below > 0;
}

static int read_page(TIFF *tiff, struct page *ret, struct phi3v_error *err)
{
    struct page p = {0};
    if (is_raw_file(tiff))
        return err_set(err, PHI3V_E_UNSUPPORTED,
                       "the TIFF picture is a camera's raw file, of which only a small copy can be "
                       "read: develop it to JPEG or PNG first, or use the JPEG the camera made");
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &p.width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &p.height);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &p.bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &p.samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &p.format);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &p.planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &p.compression);
    if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &p.photometric))
        p.photometric = p.samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISWHITE;
    if (!TIFFIsCODECConfigured(p.compression)) return not_read("is packed in an unusual way", err);
    if (p.format != SAMPLEFORMAT_UINT && p.format != SAMPLEFORMAT_VOID)
        return not_read("has samples that are signed or fractions", err);
    if (p.bits != 1 && p.bits != 2 && p.bits != 4 && p.bits != 8 && p.bits != 16)
        return not_read("has an unusual number of bits to a sample", err);
    int n_colours = 1;
    switch (p.photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
        break;
    case PHOTOMETRIC_PALETTE:
        if (!TIFFGetField(tiff, TIFFTAG_COLORMAP, &p.colours[0], &p.colours[1], &p.colours[2]) ||
            p.bits > 8)
            return not_read("has no palette", err);
        break;
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_YCBCR:
        n_colours = 3;
        break;
    case PHOTOMETRIC_SEPARATED:
        n_colours = 4;
        break;
    default:
        return not_read("has an unusual colour space", err);
    }
    if (p.samples < n_colours || p.samples > MAX_SAMPLES || (p.samples > 1 && p.bits < 8))
        return not_read("has an unusual number of samples to a pixel", err);
    find_alpha(tiff, &p, n_colours);
    *ret = p;
    return 0;
}

/* -- Pixels ------------------------------------------------------------------------------------ */

/* Sample i of a row as 0 … 255: the high byte of a large sample; small greys use the full range. */
static uint8_t sample(const struct page *p, const uint8_t *row, size_t i)
{
    if (p->bits == 8) return row[i];
    if (p->bits == 16) {
        uint16_t v; // libtiff gives them in the machine's order
        memcpy(&v, row + 2 * i, 2);
        return (uint8_t)(v >> 8);
    }
    uint32_t per_byte = 8u / p->bits, most = (1u << p->bits) - 1;
    uint32_t v = row[i / per_byte] >> (per_byte - 1 - i % per_byte) * p->bits & most;
    return (uint8_t)(p->photometric == PHOTOMETRIC_PALETTE ? v : v * 255 / most);
}

/* Like the reference, undoes the multiplication with alpha by dividing without rounding. */
static uint8_t divided(uint8_t v, uint8_t alpha)
{
    if (alpha == 0) return 0;
    int undone = 255 * v / alpha;
    return (uint8_t)(undone < 255 ? undone : 255);
}

/* Sets one pixel from its samples. */
static void put_pixel(const struct page *p, const uint8_t *v, uint8_t *rgb, uint8_t *alpha)
{
    switch (p->photometric) {
    case PHOTOMETRIC_MINISWHITE:
        memset(rgb, 255 - v[0], 3);
        break;
    case PHOTOMETRIC_PALETTE:
        for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(p->colours[c][v[0]] >> 8);
        break;
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_YCBCR: // in JPEG data, which libjpeg has converted
        for (int c = 0; c < 3; c++) rgb[c] = p->associated ? divided(v[c], v[p->alpha]) : v[c];
        break;
    case PHOTOMETRIC_SEPARATED:
        cmyk_to_rgb(v, 1, rgb);
        break;
    default:
        memset(rgb, v[0], 3);
    }
    if (alpha) *alpha = v[p->alpha];
}

/* A strip or tile: its place, and the layout of its rows. */
struct block {
    uint32_t x, y, width, height;
    size_t stride;                      // bytes of a row of one plane
    const uint8_t *planes[MAX_SAMPLES]; // one, or one per sample
};

static void put_block(const struct source *s, const struct page *p, const struct block *b,
                      struct pixels *to)
{
    int separate = p->planar == PLANARCONFIG_SEPARATE && p->samples > 1;
    for (uint32_t y = 0; y < b->height && b->y + y < p->height && !source_stopped(s); y++) {
        for (uint32_t x = 0; x < b->width && b->x + x < p->width; x++) {
            uint8_t v[MAX_SAMPLES];
            for (size_t c = 0; c < p->samples; c++)
                v[c] = separate ? sample(p, b->planes[c] + y * b->stride, x)
                                : sample(p, b->planes[0] + y * b->stride, x * p->samples + c);
            size_t at = (size_t)(b->y + y) * p->width + b->x + x;
            put_pixel(p, v, to->rgb + 3 * at, to->alpha ? to->alpha + at : NULL);
        }
    }
}

/* Unpacks the rows of a strip; those of a large one are unpacked one by one, so that the work can
 * be stopped. Returns its bytes, which are fewer than expected when it is incomplete. */
static tmsize_t read_strip(TIFF *tiff, const struct source *s, const struct block *b,
                           uint16_t plane, uint8_t *to, tmsize_t wanted)
{
    if (wanted <= LARGE_STRIP)
        return TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, b->y, plane), to, wanted);
    tmsize_t got = 0;
    for (uint32_t y = b->y; got < wanted && !source_stopped(s); y++) {
        if (TIFFReadScanline(tiff, to + got, y, plane) < 0) break;
        got += (tmsize_t)b->stride;
    }
    return got;
}

/* Unpacks a strip or tile into `room`, plane after plane. 0 when it is incomplete. */
static int read_block(TIFF *tiff, const struct source *s, const struct page *p, struct block *b,
                      uint8_t *room, size_t n)
{
    int n_planes = p->planar == PLANARCONFIG_SEPARATE ? p->samples : 1, tiled = TIFFIsTiled(tiff);
    int whole = 1;
    for (int plane = 0; plane < n_planes; plane++) {
        uint8_t *to = room + (size_t)plane * n;
        uint16_t nth = (uint16_t)plane;
        uint32_t rows = p->height - b->y < b->height ? p->height - b->y : b->height;
        tmsize_t wanted = tiled ? (tmsize_t)n : (tmsize_t)(rows * b->stride);
        memset(to, 0, n);
        tmsize_t got =
            tiled ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, b->x, b->y, 0, nth), to, wanted)
                  : read_strip(tiff, s, b, nth, to, wanted);
        if (got < wanted) whole = 0;
        b->planes[plane] = to;
    }
    return whole;
}

static int read_blocks(TIFF *tiff, const struct source *s, const struct page *p,
                       struct decoded *ret, struct phi3v_error *err)
{
    struct block b = {.width = p->width};
    int tiled = TIFFIsTiled(tiff), n_planes = p->planar == PLANARCONFIG_SEPARATE ? p->samples : 1;
    if (tiled) {
        TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &b.width);
        TIFFGetField(tiff, TIFFTAG_TILELENGTH, &b.height);
    } else {
        TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &b.height);
        if (b.height > p->height) b.height = p->height;
    }
    if (b.width < 1 || b.height < 1) return truncated(s, err);
    b.stride = (size_t)(tiled ? TIFFTileRowSize(tiff) : TIFFScanlineSize(tiff));
    size_t needed = ((size_t)b.width * p->bits * (n_planes > 1 ? 1 : p->samples) + 7) / 8;
    /* A tile may extend past the picture's edge, but not so far that it costs much memory. */
    size_t n = b.stride * b.height, most = (size_t)p->width * p->height * 8 + (16 << 20);
    if (b.stride < needed || n / b.height != b.stride || n > most)
        return not_read("has strips or tiles of an unusual size", err);
    CLEANUP(mem_free_ptr) uint8_t *room = mem_array(n, (size_t)n_planes);
    if (!room) return err_memory(err, "the picture", n * (size_t)n_planes);
    for (b.y = 0; b.y < p->height; b.y += b.height) {
        for (b.x = 0; b.x < p->width; b.x += b.width) {
            if (source_stopped(s)) return PHI3V_E_CANCELLED;
            if (!read_block(tiff, s, p, &b, room, n)) {
                if (!s->lenient) return truncated(s, err);
                ret->incomplete = 1;
            }
            put_block(s, p, &b, &ret->pixels);
        }
    }
    return 0;
}

/* Reads everything else, which libtiff converts itself. */
static int read_converted(TIFF *tiff, const struct source *s, const struct page *p,
                          struct decoded *ret, struct phi3v_error *err)
{
    size_t n = (size_t)p->width * p->height;
    CLEANUP(mem_free_ptr) uint32_t *raster = mem_zarray(n, 4);
    if (!raster) return err_memory(err, "the picture", n * 4);
    int ok = TIFFReadRGBAImageOriented(tiff, p->width, p->height, raster, ORIENTATION_TOPLEFT,
                                       !s->lenient);
    if (!ok) return truncated(s, err);
    for (size_t i = 0; i < n; i++) {
        ret->pixels.rgb[3 * i] = TIFFGetR(raster[i]);
        ret->pixels.rgb[3 * i + 1] = TIFFGetG(raster[i]);
        ret->pixels.rgb[3 * i + 2] = TIFFGetB(raster[i]);
    }
    return 0;
}

/* The orientation from its tag or else, as in other formats, from XMP. */
static int orientation_of(TIFF *tiff)
{
    uint16_t orientation = 0;
    uint32_t n = 0;
    void *xmp = NULL;
    if (TIFFGetField(tiff, TIFFTAG_ORIENTATION, &orientation))
        return orientation >= 1 && orientation <= 8 ? orientation : 1;
    int found = TIFFGetField(tiff, TIFFTAG_XMLPACKET, &n, &xmp) ? xmp_orientation(xmp, n) : 0;
    return found ? found : 1;
}

static int decode(TIFF *tiff, const struct source *s, struct decoded *ret, struct phi3v_error *err)
{
    struct page p = {0};
    int code = read_page(tiff, &p, err);
    if (code == 0) code = size_allowed(s, p.width, p.height, 14, BELIEVED_PER_BYTE, err);
    if (code == 0) code = pixels_init(&ret->pixels, (int)p.width, (int)p.height, p.alpha >= 0, err);
    if (code < 0) return code;
    int is_jpeg = p.compression == COMPRESSION_JPEG && p.planar == PLANARCONFIG_CONTIG;
    if (p.photometric == PHOTOMETRIC_YCBCR && is_jpeg)
        TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    if (p.photometric == PHOTOMETRIC_YCBCR && !is_jpeg)
        code = read_converted(tiff, s, &p, ret, err);
    else
        code = read_blocks(tiff, s, &p, ret, err);
    if (code < 0) {
        pixels_fini(&ret->pixels);
        return code;
    }
    ret->orientation = orientation_of(tiff);
    ret->animated = TIFFReadDirectory(tiff) == 1;
    return 0;
}

int tiff_decode(const struct source *s, struct decoded *ret, struct phi3v_error *err)
{
    struct feed feed = {.s = s};
    TIFF *tiff = open_file(&feed);
    if (!tiff) return truncated(s, err);
    int code = decode(tiff, s, ret, err);
    TIFFClose(tiff);
    return code;
}
