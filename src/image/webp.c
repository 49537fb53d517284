/* SPDX-License-Identifier: MIT
 * WebP through libwebp; an animation gives its first frame, on its canvas. */
#include "image/decoders.h"

#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "base/mem.h"

enum {
    BELIEVED_PER_BYTE = 16384, // pixels; a plain surface takes almost no bytes
    N_PIECES = 32,
    MIN_PIECE_BYTES = 1024
};

static int refuse(VP8StatusCode status, const struct source *s, struct phi3v_error *err)
{
    switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return truncated(s, err);
    case VP8_STATUS_OUT_OF_MEMORY:
        return err_set(err, PHI3V_E_MEMORY, "not enough memory for the WebP picture");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return err_set(err, PHI3V_E_UNSUPPORTED,
                       "the WebP picture uses a feature libwebp does not read");
    default:
        return err_set(err, PHI3V_E_IMAGE, "the WebP picture is damaged");
    }
}

/* -- One bitstream ----------------------------------------------------------------------------- */

/* Where pixels are written: rows of stride bytes within n bytes (libwebp checks). */
struct target {
    int channels;
    uint8_t *samples;
    size_t n, stride;
};

static void aim(WebPDecBuffer *buffer, const struct target *to)
{
    buffer->colorspace = to->channels == 4 ? MODE_RGBA : MODE_RGB;
    buffer->is_external_memory = 1;
    buffer->u.RGBA.rgba = to->samples;
    buffer->u.RGBA.stride = (int)to->stride;
    buffer->u.RGBA.size = to->n;
}

/* Whether the file should be longer. The missing part may be padding that no row needs. */
static int is_cut(const uint8_t *bytes, size_t n)
{
    return n >= 8 && !memcmp(bytes, "RIFF", 4) && le32(bytes + 4) > n - 8;
}

/* Feeds the bytes in pieces, so that the work can be stopped; in few pieces, because the library
 * parses an incomplete header again each time. A lenient source keeps the rows of a bitstream that
 * ends early. */
static VP8StatusCode decode_into(const struct source *s, const uint8_t *bytes, size_t n,
                                 const struct target *to, int *ret_incomplete)
{
    WebPDecBuffer buffer;
    if (!WebPInitDecBuffer(&buffer)) return VP8_STATUS_INVALID_PARAM;
    aim(&buffer, to);
    WebPIDecoder *decoder = WebPINewDecoder(&buffer);
    if (!decoder) return VP8_STATUS_OUT_OF_MEMORY;
    size_t piece = n / N_PIECES + MIN_PIECE_BYTES, there = 0;
    VP8StatusCode status = VP8_STATUS_SUSPENDED;
    while (status == VP8_STATUS_SUSPENDED && there < n && !source_stopped(s)) {
        there = n - there < piece ? n : there + piece;
        status = WebPIUpdate(decoder, bytes, there);
    }
    int n_rows = 0;
    WebPIDecGetRGB(decoder, &n_rows, NULL, NULL, NULL);
    WebPIDelete(decoder);
    if (status == VP8_STATUS_OK && is_cut(bytes, n)) status = VP8_STATUS_SUSPENDED;
    int damaged = status != VP8_STATUS_OK && status != VP8_STATUS_OUT_OF_MEMORY;
    if (!damaged || !s->lenient || n_rows < 1) return status;
    *ret_incomplete = 1;
    return VP8_STATUS_OK;
}

/* -- Stills and animations --------------------------------------------------------------------- */

static int decode_still(const struct source *s, const WebPBitstreamFeatures *f, struct decoded *ret,
                        struct phi3v_error *err)
{
    int channels = f->has_alpha ? 4 : 3;
    size_t stride = (size_t)f->width * (size_t)channels, n = stride * (size_t)f->height;
    uint8_t *samples = mem_zalloc(n);
    if (!samples) return err_memory(err, "the WebP picture", n);
    struct target to = {channels, samples, n, stride};
    VP8StatusCode status = decode_into(s, s->bytes, s->n, &to, &ret->incomplete);
    if (status == VP8_STATUS_OK)
        return pixels_from_samples(s, samples, channels, f->width, f->height, &ret->pixels, err);
    mem_free(samples);
    return refuse(status, s, err);
}

/* The canvas is transparent black at first; the first frame is copied into it. */
static int decode_first_frame(const struct source *s, const WebPIterator *frame,
                              const WebPBitstreamFeatures *f, struct decoded *ret,
                              struct phi3v_error *err)
{
    size_t stride = (size_t)f->width * 4, n = stride * (size_t)f->height;
    int inside = frame->x_offset >= 0 && frame->y_offset >= 0 && frame->width > 0 &&
                 frame->height > 0 && frame->x_offset <= f->width - frame->width &&
                 frame->y_offset <= f->height - frame->height;
    if (!inside) return refuse(VP8_STATUS_BITSTREAM_ERROR, s, err);
    if (!frame->complete && !s->lenient) return refuse(VP8_STATUS_NOT_ENOUGH_DATA, s, err);
    uint8_t *canvas = mem_zalloc(n);
    if (!canvas) return err_memory(err, "the WebP picture", n);
    size_t start = (size_t)frame->y_offset * stride + (size_t)frame->x_offset * 4;
    struct target to = {4, canvas + start, n - start, stride};
    const WebPData *data = &frame->fragment;
    WebPBitstreamFeatures inner;
    VP8StatusCode status = WebPGetFeatures(data->bytes, data->size, &inner);
    if (status == VP8_STATUS_OK && (inner.width != frame->width || inner.height != frame->height))
        status = VP8_STATUS_BITSTREAM_ERROR;
    if (status == VP8_STATUS_OK)
        status = decode_into(s, data->bytes, data->size, &to, &ret->incomplete);
    if (status == VP8_STATUS_OK)
        return pixels_from_samples(s, canvas, 4, f->width, f->height, &ret->pixels, err);
    mem_free(canvas);
    return refuse(status, s, err);
}

static int decode_animation(const struct source *s, const WebPBitstreamFeatures *f,
                            struct decoded *ret, struct phi3v_error *err)
{
    WebPData data = {.bytes = s->bytes, .size = s->n};
    WebPDemuxState state;
    WebPDemuxer *demuxer = WebPDemuxPartial(&data, &state); // later frames may be missing
    if (!demuxer) return refuse(VP8_STATUS_NOT_ENOUGH_DATA, s, err);
    WebPIterator frame;
    int code;
    if (WebPDemuxGetFrame(demuxer, 1, &frame)) {
        code = decode_first_frame(s, &frame, f, ret, err);
        ret->animated = frame.num_frames > 1 || state != WEBP_DEMUX_DONE;
        WebPDemuxReleaseIterator(&frame);
    } else {
        code = refuse(state == WEBP_DEMUX_PARSE_ERROR ? VP8_STATUS_BITSTREAM_ERROR
                                                      : VP8_STATUS_NOT_ENOUGH_DATA,
                      s, err);
    }
    WebPDemuxDelete(demuxer);
    return code;
}

int webp_decode(const struct source *s, struct decoded *ret, struct phi3v_error *err)
{
    WebPBitstreamFeatures f;
    VP8StatusCode status = WebPGetFeatures(s->bytes, s->n, &f);
    if (status != VP8_STATUS_OK) return refuse(status, s, err);
    int code = size_allowed(s, f.width, f.height, 11, BELIEVED_PER_BYTE, err);
    if (code < 0) return code;
    return f.has_animation ? decode_animation(s, &f, ret, err) : decode_still(s, &f, ret, err);
}
