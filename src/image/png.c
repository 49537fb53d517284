/* SPDX-License-Identifier: MIT
 * PNG through libpng. It is fed the whole file and hands out rows as they come, so that the data
 * after the last row may be missing, as in the reference. */
#include "image/decoders.h"

#include <setjmp.h>
#include <string.h>

#include <png.h>
#define ZLIB_CONST
#include <zlib.h>

#include "base/mem.h"

enum { MAX_DEFLATE = 1032 }; // the most bytes that one byte of deflated data can become

/* Everything that must survive the jump out of libpng. */
struct job {
    const struct source *s;
    png_structp lib;
    png_infop info;
    uint8_t *samples; // [height][width][channels]
    int width, height, channels, palette;
    int last_pass, last_row; // the last ones with pixels
    int complete;            // they have been read
    int ended;               // the end mark has been read
    int code;
    struct phi3v_error *err;
};

/* -- The file's structure ---------------------------------------------------------------------- */

int png_next_chunk(const uint8_t *bytes, size_t n, size_t *at, struct png_chunk *ret)
{
    if (n < 12 || *at > n - 12) return 0;
    size_t length = be32(bytes + *at);
    if (length > n - 12 - *at || memcmp(bytes + *at + 4, "IEND", 4) == 0) return 0;
    *ret = (struct png_chunk){.type = bytes + *at + 4, .data = bytes + *at + 8, .n = length};
    *at += length + 12;
    return 1;
}

static int crc_ok(const struct png_chunk *c)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)c; // a fuzzer cannot guess checksums
    return 1;
#else
    return crc32(0, c->type, (uInt)c->n + 4) == be32(c->data + c->n);
#endif
}

/* Whether the picture data ends with its right checksum. This is checked only if a chunk's own
 * checksum is wrong, because some programs do not write that. */
static int data_vouched_for(const struct source *s)
{
    z_stream z = {0};
    if (inflateInit(&z) != Z_OK) return 0;
    struct png_chunk c;
    int status = Z_OK;
    for (size_t at = 8; status == Z_OK && png_next_chunk(s->bytes, s->n, &at, &c);) {
        if (memcmp(c.type, "IDAT", 4) != 0) continue;
        z.next_in = c.data;
        z.avail_in = (uInt)c.n;
        while (status == Z_OK && z.avail_in) {
            uint8_t out[1 << 14];
            z.next_out = out;
            z.avail_out = sizeof out;
            status = inflate(&z, Z_NO_FLUSH);
        }
        if (status == Z_BUF_ERROR) status = Z_OK;
    }
    inflateEnd(&z);
    return status == Z_STREAM_END;
}

/* The number of frames of an animation; a picture before the first frame counts too. */
static int64_t count_frames(const struct source *s)
{
    struct png_chunk c;
    int64_t n = 0, n_before = 0;
    for (size_t at = 8; png_next_chunk(s->bytes, s->n, &at, &c);) {
        if (memcmp(c.type, "IDAT", 4) == 0) break;
        if (memcmp(c.type, "fcTL", 4) == 0) n_before++;
        if (memcmp(c.type, "acTL", 4) == 0 && c.n >= 8) n = be32(c.data);
    }
    return n && n <= INT32_MAX && !n_before ? n + 1 : n;
}

/* Checks the checksums of the chunks that decide how the picture looks. */
static int check_chunks(const struct source *s, struct phi3v_error *err)
{
    struct png_chunk c;
    int data_doubtful = 0;
    for (size_t at = 8; png_next_chunk(s->bytes, s->n, &at, &c);) {
        int is_data = memcmp(c.type, "IDAT", 4) == 0;
        int decides = is_data || !memcmp(c.type, "IHDR", 4) || !memcmp(c.type, "PLTE", 4);
        if (decides && !s->lenient && !crc_ok(&c)) {
            if (!is_data)
                return err_set(err, PHI3V_E_IMAGE,
                               "the PNG picture is damaged: wrong checksum in its %.4s chunk",
                               (const char *)c.type);
            data_doubtful = 1;
        }
    }
    if (data_doubtful && !data_vouched_for(s))
        return err_set(err, PHI3V_E_IMAGE,
                       "the PNG picture is damaged: wrong checksums of its data; with lenient on, "
                       "what is there is read");
    return 0;
}

/* Reads the size from the header chunk, and checks whether the file can hold that many pixels. */
static int check_header(const struct source *s, struct phi3v_error *err)
{
    if (s->n >= 16 && memcmp(s->bytes + 12, "CgBI", 4) == 0)
        return err_set(
            err, PHI3V_E_UNSUPPORTED,
            "the picture is a PNG of Apple's own kind from an app's bundle (CgBI): turn it "
            "back with pngcrush -revert-iphone-optimizations, or save it as PNG on a Mac");
    if (s->n < 33) return truncated(s, err);
    if (memcmp(s->bytes + 12, "IHDR", 4) != 0)
        return err_set(err, PHI3V_E_IMAGE,
                       "the PNG picture is damaged: it does not begin with its header");
    int64_t width = be32(s->bytes + 16), height = be32(s->bytes + 20);
    int bits = s->bytes[24], colour = s->bytes[25];
    int code = size_allowed(s, width, height, 9, 0, err);
    if (code < 0) return code;
    int samples = colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1;
    if (width * bits * samples / 8 * height <= (int64_t)s->n * MAX_DEFLATE) return 0;
    return err_set(
        err, PHI3V_E_IMAGE,
        "the PNG picture is truncated or made to waste memory: its %zu bytes cannot hold "
        "%lld x %lld pixels",
        s->n, (long long)width, (long long)height);
}

/* -- libpng ------------------------------------------------------------------------------------ */

static _Noreturn void on_error(png_structp lib, png_const_charp text)
{
    struct job *job = png_get_error_ptr(lib);
    if (job->code == 0)
        job->code = err_set(job->err, PHI3V_E_IMAGE, "the PNG picture is damaged: %s", text);
    png_longjmp(lib, 1);
}

static void on_warning(png_structp lib, png_const_charp text) { (void)lib, (void)text; }

/* Remembers the lack of memory, which libpng and zlib report as something else. */
static png_voidp give_memory(png_structp lib, png_alloc_size_t n)
{
    struct job *job = png_get_mem_ptr(lib);
    void *p = mem_alloc(n);
    if (!p && job->code == 0) job->code = err_memory(job->err, "the PNG picture", n);
    return p;
}

static void take_memory(png_structp lib, png_voidp p)
{
    (void)lib;
    mem_free(p);
}

static void find_last_row(struct job *job, int interlaced)
{
    job->last_row = job->height - 1;
    for (int pass = 0; interlaced && pass < PNG_INTERLACE_ADAM7_PASSES; pass++) {
        if (PNG_PASS_COLS(job->width, pass) < 1 || PNG_PASS_ROWS(job->height, pass) < 1) continue;
        job->last_pass = pass;
        job->last_row = PNG_ROW_FROM_PASS_ROW(PNG_PASS_ROWS(job->height, pass) - 1, pass);
    }
}

/* Called before the first row: asks for samples of 8 bits; palette indices stay as they are. */
static void on_header(png_structp lib, png_infop info)
{
    struct job *job = png_get_progressive_ptr(lib);
    if (job->samples) png_error(lib, "its data lie in two places");
    int interlaced = png_get_interlace_type(lib, info) != PNG_INTERLACE_NONE;
    job->palette = png_get_color_type(lib, info) == PNG_COLOR_TYPE_PALETTE;
    job->width = (int)png_get_image_width(lib, info);
    job->height = (int)png_get_image_height(lib, info);
    find_last_row(job, interlaced);
    if (job->palette) {
        png_set_packing(lib);
    } else {
        png_set_expand_gray_1_2_4_to_8(lib);
        if (png_get_valid(lib, info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(lib);
        png_set_strip_16(lib);
    }
    png_set_interlace_handling(lib);
    png_read_update_info(lib, info);
    job->channels = png_get_channels(lib, info);
    size_t stride = (size_t)job->width * (size_t)job->channels;
    if (png_get_rowbytes(lib, info) != stride) png_error(lib, "its header makes no sense");
    job->samples = mem_zarray(stride, (size_t)job->height);
    if (!job->samples) {
        job->code = err_memory(job->err, "the picture", stride * (size_t)job->height);
        png_error(lib, "memory");
    }
}

static void on_row(png_structp lib, png_bytep row, png_uint_32 y, int pass)
{
    struct job *job = png_get_progressive_ptr(lib);
    if (source_stopped(job->s)) png_error(lib, "stopped");
    if (!row) return; // the row has no pixels in this pass
    size_t stride = (size_t)job->width * (size_t)job->channels;
    png_progressive_combine_row(lib, job->samples + y * stride, row);
    if (pass == job->last_pass && (int)y >= job->last_row) job->complete = 1;
}

static void on_end(png_structp lib, png_infop info)
{
    (void)info;
    struct job *job = png_get_progressive_ptr(lib);
    job->ended = 1;
}

/* -- Decoding ---------------------------------------------------------------------------------- */

/* Returns 0 when libpng reported no error. */
static int feed(struct job *job)
{
    if (setjmp(png_jmpbuf(job->lib))) return job->code;
    png_set_crc_action(job->lib, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE); // they were checked before
    png_set_benign_errors(job->lib, 1);
    /* Some programs wrote a smaller window into the data's header than they used. */
    png_set_option(job->lib, PNG_MAXIMUM_INFLATE_WINDOW, PNG_OPTION_ON);
    png_set_progressive_read_fn(job->lib, job, on_header, on_row, on_end);
    png_process_data(job->lib, job->info, (png_bytep)job->s->bytes, job->s->n);
    return 0;
}

/* Turns palette indices, one byte each, into colours; missing colours become greys, as in the
 * reference. */
static int look_up(struct job *job, struct pixels *ret)
{
    png_colorp colours = NULL;
    png_bytep alphas = NULL;
    int n_colours = 0, n_alphas = 0;
    png_get_PLTE(job->lib, job->info, &colours, &n_colours);
    png_get_tRNS(job->lib, job->info, &alphas, &n_alphas, NULL);
    int code = pixels_init(ret, job->width, job->height, n_alphas > 0, job->err);
    if (code < 0) return code;
    size_t n = (size_t)job->width * (size_t)job->height;
    for (size_t i = 0; i < n; i++) {
        if (i % (size_t)job->width == 0 && source_stopped(job->s)) break;
        uint8_t c = job->samples[i];
        png_color colour = c < n_colours ? colours[c] : (png_color){c, c, c};
        ret->rgb[3 * i] = colour.red;
        ret->rgb[3 * i + 1] = colour.green;
        ret->rgb[3 * i + 2] = colour.blue;
        if (ret->alpha) ret->alpha[i] = c < n_alphas ? alphas[c] : 255;
    }
    return 0;
}

static int make_pixels(struct job *job, struct pixels *ret)
{
    if (job->palette) return look_up(job, ret);
    uint8_t *samples = job->samples;
    job->samples = NULL;
    return pixels_from_samples(job->s, samples, job->channels, job->width, job->height, ret,
                               job->err);
}

static int rows_missing(const struct job *job)
{
    if (!job->ended) return truncated(job->s, job->err);
    return err_set(job->err, PHI3V_E_IMAGE,
                   "the PNG picture is damaged: its data cannot be unpacked to the end%s",
                   job->s->lenient ? "" : "; with lenient on, what is there is read");
}

static int run(struct job *job, struct decoded *ret)
{
    int code = feed(job);
    if (code == PHI3V_E_MEMORY || !job->samples) return code < 0 ? code : rows_missing(job);
    if (!job->complete && !job->s->lenient) return code < 0 ? code : rows_missing(job);
    ret->incomplete = !job->complete;
    return make_pixels(job, &ret->pixels);
}

int png_decode(const struct source *s, struct decoded *ret, struct phi3v_error *err)
{
    int code = check_header(s, err);
    if (code < 0 || (code = check_chunks(s, err)) < 0) return code;
    struct job job = {.s = s, .err = err};
    job.lib = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning, &job,
                                       give_memory, take_memory);
    if (job.lib) job.info = png_create_info_struct(job.lib);
    if (job.info)
        code = run(&job, ret);
    else
        code = err_set(err, PHI3V_E_MEMORY, "not enough memory for the PNG picture");
    png_destroy_read_struct(&job.lib, &job.info, NULL);
    mem_free(job.samples);
    if (code == 0) ret->animated = count_frames(s) > 1;
    return code;
}
