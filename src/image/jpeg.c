/* SPDX-License-Identifier: MIT
 * JPEG through libjpeg-turbo, with the settings that give the reference's bytes: exact integer DCT
 * and smooth chroma upsampling. golden: preprocess/rgb_sha256 */
#include "image/decoders.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "base/mem.h"

enum {
    MAX_SCANS = 100,         // a progressive file with thousands of empty scans would take hours
    BELIEVED_PER_BYTE = 1024 // pixels; a block of 64 takes two bits, or one when it is subsampled
};

/* Everything that must survive the jump out of libjpeg. */
struct job {
    const struct source *s;
    size_t n; // how many of its bytes are read
    struct jpeg_decompress_struct lib;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf out;
    struct pixels pixels;
    uint8_t *cmyk_row;   // [width][4], for CMYK files
    int ended;           // the file ends before its end mark
    volatile int damage; // lenient: something was missing
    int code;            // why out was taken
    struct phi3v_error *err;
};

/* -- Errors ----------------------------------------------------------------------------------- */

static _Noreturn void leave(struct job *job, int code)
{
    job->code = code;
    longjmp(job->out, 1);
}

static void on_error(j_common_ptr lib)
{
    struct job *job = lib->client_data;
    if (lib->err->msg_code == JERR_OUT_OF_MEMORY)
        leave(job, err_memory(job->err, "the JPEG picture", (size_t)lib->err->msg_parm.i[0]));
    if (job->ended) leave(job, truncated(job->s, job->err));
    char text[JMSG_LENGTH_MAX];
    lib->err->format_message(lib, text);
    leave(job, err_set(job->err, PHI3V_E_IMAGE, "the JPEG picture cannot be decoded: %s", text));
}

/* libjpeg fills in grey for missing data; unless asked to be lenient, we report that as an error.
 * Level -1 is a warning. */
static void on_message(j_common_ptr lib, int level)
{
    if (level >= 0) return;
    struct job *job = lib->client_data;
    switch (lib->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA: // harmless: padding between segments, odd headers
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_TOO_MUCH_DATA:
    case JWRN_NOT_SEQUENTIAL: // cameras write zeros where only progressive scans have a meaning
        return;
    case JWRN_JPEG_EOF: // later it shows whether more than the end mark is missing
        job->ended = 1;
        return;
    case JWRN_HIT_MARKER:
        job->damage = 1;
        if (!job->s->lenient) leave(job, truncated(job->s, job->err));
        return;
    default:
        job->damage = 1;
        if (job->s->lenient) return;
        char text[JMSG_LENGTH_MAX];
        lib->err->format_message(lib, text);
        leave(job,
              err_set(job->err, PHI3V_E_IMAGE,
                      "the JPEG picture is damaged (%s); with lenient on, what is there is read",
                      text));
    }
}

static void on_output(j_common_ptr lib) { (void)lib; }

static void on_progress(j_common_ptr lib)
{
    struct job *job = lib->client_data;
    if (source_stopped(job->s)) leave(job, PHI3V_E_CANCELLED);
    if (((j_decompress_ptr)lib)->input_scan_number <= MAX_SCANS) return;
    leave(job,
          err_set(job->err, PHI3V_E_IMAGE,
                  "the JPEG picture has more than %d scans: it was made to waste time", MAX_SCANS));
}

/* -- Decoding --------------------------------------------------------------------------------- */

static void open_lib(struct job *job)
{
    struct jpeg_decompress_struct *lib = &job->lib;
    lib->err = jpeg_std_error(&job->errors);
    job->errors.error_exit = on_error;
    job->errors.emit_message = on_message;
    job->errors.output_message = on_output;
    lib->client_data = job;
    jpeg_create_decompress(lib);
    job->progress.progress_monitor = on_progress;
    lib->progress = &job->progress;
}

static void choose_colours(struct job *job)
{
    struct jpeg_decompress_struct *lib = &job->lib;
    int n = lib->num_components;
    if (n != 1 && n != 3 && n != 4)
        leave(job, err_set(job->err, PHI3V_E_UNSUPPORTED,
                           "the JPEG picture has %d colour channels; 1, 3 and 4 are read", n));
    lib->out_color_space = n == 4 ? JCS_CMYK : JCS_RGB;
    lib->dct_method = JDCT_ISLOW;
    lib->do_fancy_upsampling = TRUE;
}

/* The file holds inverted inks, as Adobe's programs write them and the reference assumes. */
static void row_to_rgb(uint8_t *inverted, int width, uint8_t *rgb)
{
    for (int i = 0; i < 4 * width; i++) inverted[i] = (uint8_t)(255 - inverted[i]);
    cmyk_to_rgb(inverted, (size_t)width, rgb);
}

static void read_rows(struct job *job)
{
    struct jpeg_decompress_struct *lib = &job->lib;
    int width = job->pixels.width;
    while (lib->output_scanline < lib->output_height) {
        uint8_t *rgb = job->pixels.rgb + (size_t)lib->output_scanline * (size_t)width * 3;
        uint8_t *row = job->cmyk_row ? job->cmyk_row : rgb;
        jpeg_read_scanlines(lib, &row, 1);
        if (job->cmyk_row) row_to_rgb(row, width, rgb);
    }
}

/* A progressive picture whose file ends early is complete if all bits of all coefficients are
 * there. */
static int all_scans_seen(const struct jpeg_decompress_struct *lib)
{
    if (!lib->coef_bits) return 0;
    for (int c = 0; c < lib->num_components; c++)
        for (int i = 0; i < DCTSIZE2; i++)
            if (lib->coef_bits[c][i] != 0) return 0;
    return 1;
}

/* Reads the header, checks limits, and gets ready for the first row. */
static int begin(struct job *job)
{
    struct jpeg_decompress_struct *lib = &job->lib;
    jpeg_mem_src(lib, job->s->bytes, (unsigned long)job->n);
    jpeg_read_header(lib, TRUE);
    /* A picture in several scans is kept whole as coefficients. */
    int several_scans = jpeg_has_multiple_scans(lib);
    size_t work = 3 + (several_scans ? 2 * (size_t)lib->num_components : 0);
    int code = size_allowed(job->s, lib->image_width, lib->image_height, work, BELIEVED_PER_BYTE,
                            job->err);
    if (code < 0) return code;
    choose_colours(job);
    jpeg_start_decompress(lib);
    if (several_scans && job->ended && !all_scans_seen(lib)) {
        job->damage = 1;
        if (!job->s->lenient) return truncated(job->s, job->err);
    }
    int width = (int)lib->output_width, height = (int)lib->output_height;
    if ((code = pixels_init(&job->pixels, width, height, 0, job->err)) < 0) return code;
    memset(job->pixels.rgb, 128, (size_t)width * (size_t)height * 3); // for rows that are missing
    if (lib->out_color_space != JCS_CMYK) return 0;
    job->cmyk_row = mem_array((size_t)width, 4);
    return job->cmyk_row ? 0 : err_memory(job->err, "the JPEG picture", (size_t)width * 4);
}

/* Returns 0 or a negative code; allocated memory is in *job either way. */
static int run(struct job *job)
{
    if (setjmp(job->out)) {
        int rows_there = job->lib.output_scanline > 0 && job->pixels.rgb;
        if (!job->s->lenient || !rows_there || job->code == PHI3V_E_MEMORY) return job->code;
        job->damage = 1;
        return 0;
    }
    open_lib(job);
    int code = begin(job);
    if (code == 0) read_rows(job);
    return code;
}

/* Where the last marker begins; in picture data no 0xff is followed by such a byte. */
static size_t last_marker(const uint8_t *bytes, size_t n)
{
    for (size_t at = n; at-- > 2;)
        if (bytes[at - 1] == 0xff && bytes[at] >= 0xc0 && bytes[at] < 0xff &&
            (bytes[at] < 0xd0 || bytes[at] > 0xd9))
            return at - 1;
    return 0;
}

int jpeg_decode(const struct source *s, struct decoded *ret, struct phi3v_error *err)
{
    struct job job = {.s = s, .n = s->n, .err = err};
    int code = run(&job);
    jpeg_destroy_decompress(&job.lib);
    if (code == PHI3V_E_IMAGE && s->lenient && job.ended && !job.pixels.rgb) {
        /* The file is cut within a scan's tables; the scans before are complete. */
        job = (struct job){.s = s, .n = last_marker(s->bytes, s->n), .err = err, .damage = 1};
        code = run(&job);
        jpeg_destroy_decompress(&job.lib);
    }
    mem_free(job.cmyk_row);
    if (code < 0) {
        pixels_fini(&job.pixels);
        return code;
    }
    ret->pixels = job.pixels;
    ret->incomplete = job.damage;
    return 0;
}
