/* SPDX-License-Identifier: MIT
 * JPEG through libjpeg-turbo, with the settings that give the reference's bytes: exact integer DCT,
 * smooth chroma upsampling. golden: preprocess/rgb_sha256 */
#include "image/decoders.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#include <jerror.h>

#include "base/mem.h"

enum { MAX_SCANS = 500 }; // a progressive file with thousands of empty scans would take hours

/* Everything that must survive the jump out of libjpeg. */
struct job {
    struct jpeg_decompress_struct lib;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf out;
    const uint8_t *bytes;
    size_t n;
    struct pixels pixels;
    uint8_t *cmyk_row; // [width][4], for CMYK files
    int code;          // why out was taken
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
    char text[JMSG_LENGTH_MAX];
    lib->err->format_message(lib, text);
    leave(job, err_set(job->err, PHI3V_E_IMAGE, "the JPEG picture cannot be decoded: %s", text));
}

/* libjpeg goes on with grey where data is missing; we would rather say so. Level -1 is a warning.
 */
static void on_message(j_common_ptr lib, int level)
{
    if (level >= 0) return;
    struct job *job = lib->client_data;
    switch (lib->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA: // harmless: filling between segments, odd headers
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_TOO_MUCH_DATA:
        return;
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
        leave(job,
              err_set(job->err, PHI3V_E_IMAGE,
                      "the JPEG picture is truncated or damaged: its data ends early (%zu bytes)",
                      job->n));
    default:
        on_error(lib);
    }
}

static void on_output(j_common_ptr lib) { (void)lib; }

static void on_progress(j_common_ptr lib)
{
    if (((j_decompress_ptr)lib)->input_scan_number <= MAX_SCANS) return;
    struct job *job = lib->client_data;
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

/* phi3v.md 4.1. The file holds inverted inks, as Adobe's programs write them and the reference
 * assumes. */
static void cmyk_to_rgb(const uint8_t *row, int width, uint8_t *rgb)
{
    for (int x = 0; x < width; x++) {
        int light = row[4 * x + 3]; // 255 - K
        for (int c = 0; c < 3; c++) {
            int ink = 255 - row[4 * x + c];
            int v = light - (ink * light * 2 + 255) / 510; // rounded ink * light / 255
            rgb[3 * x + c] = (uint8_t)(v > 0 ? v : 0);
        }
    }
}

static void read_rows(struct job *job)
{
    struct jpeg_decompress_struct *lib = &job->lib;
    int width = job->pixels.width;
    while (lib->output_scanline < lib->output_height) {
        uint8_t *rgb = job->pixels.rgb + (size_t)lib->output_scanline * (size_t)width * 3;
        uint8_t *row = job->cmyk_row ? job->cmyk_row : rgb;
        jpeg_read_scanlines(lib, &row, 1);
        if (job->cmyk_row) cmyk_to_rgb(row, width, rgb);
    }
}

/* Returns 0 or a negative code; what was allocated is in *job either way. */
static int run(struct job *job)
{
    if (setjmp(job->out)) return job->code;
    struct jpeg_decompress_struct *lib = &job->lib;
    open_lib(job);
    jpeg_mem_src(lib, job->bytes, (unsigned long)job->n);
    jpeg_read_header(lib, TRUE);
    /* A progressive picture is kept whole as coefficients. */
    size_t work = 3 + (jpeg_has_multiple_scans(lib) ? 2 * (size_t)lib->num_components : 0);
    int code = size_allowed("JPEG", lib->image_width, lib->image_height, work, job->err);
    if (code < 0) return code;
    choose_colours(job);
    jpeg_start_decompress(lib);
    int width = (int)lib->output_width, height = (int)lib->output_height;
    if ((code = pixels_init(&job->pixels, width, height, 0, job->err)) < 0) return code;
    if (lib->out_color_space == JCS_CMYK) {
        job->cmyk_row = mem_array((size_t)width, 4);
        if (!job->cmyk_row) return err_memory(job->err, "the JPEG picture", (size_t)width * 4);
    }
    read_rows(job);
    return 0;
}

int jpeg_decode(const uint8_t *bytes, size_t n, struct pixels *ret, struct phi3v_error *err)
{
    struct job job = {.bytes = bytes, .n = n, .err = err};
    int code = run(&job);
    jpeg_destroy_decompress(&job.lib);
    mem_free(job.cmyk_row);
    if (code < 0)
        pixels_fini(&job.pixels);
    else
        *ret = job.pixels;
    return code;
}
