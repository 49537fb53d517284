/* SPDX-License-Identifier: MIT
 * WebP through libwebp; of an animation the first frame, on its canvas. */
#include "image/decoders.h"

#include <webp/decode.h>
#include <webp/demux.h>

#include "base/mem.h"

static int refuse(VP8StatusCode status, size_t n, struct phi3v_error *err)
{
    switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return err_set(err, PHI3V_E_IMAGE, "the WebP picture is truncated: it ends after %zu bytes",
                       n);
    case VP8_STATUS_OUT_OF_MEMORY:
        return err_set(err, PHI3V_E_MEMORY, "not enough memory for the WebP picture");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return err_set(err, PHI3V_E_UNSUPPORTED,
                       "the WebP picture uses a feature libwebp does not read");
    default:
        return err_set(err, PHI3V_E_IMAGE, "the WebP picture is damaged");
    }
}

/* Decodes a still picture into n_samples bytes with rows of stride bytes, which hold it (libwebp
 * checks). */
static VP8StatusCode decode_into(const uint8_t *bytes, size_t n, int channels, uint8_t *samples,
                                 size_t n_samples, size_t stride)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return VP8_STATUS_INVALID_PARAM;
    config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = samples;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = n_samples;
    VP8StatusCode status = WebPDecode(bytes, n, &config);
    WebPFreeDecBuffer(&config.output);
    return status;
}

static int decode_still(const uint8_t *bytes, size_t n, const WebPBitstreamFeatures *f,
                        struct pixels *ret, struct phi3v_error *err)
{
    int channels = f->has_alpha ? 4 : 3;
    size_t stride = (size_t)f->width * (size_t)channels;
    CLEANUP(mem_free_ptr) uint8_t *samples = mem_array(stride, (size_t)f->height);
    if (!samples) return err_memory(err, "the WebP picture", stride * (size_t)f->height);
    VP8StatusCode status =
        decode_into(bytes, n, channels, samples, stride * (size_t)f->height, stride);
    if (status != VP8_STATUS_OK) return refuse(status, n, err);
    if (channels == 4) return pixels_from_samples(samples, 4, f->width, f->height, ret, err);
    *ret = (struct pixels){.width = f->width, .height = f->height, .rgb = samples};
    samples = NULL;
    return 0;
}

/* The canvas starts transparent black; the first frame is set into it as it is. */
static int decode_first_frame(const WebPIterator *frame, const WebPBitstreamFeatures *f, size_t n,
                              struct pixels *ret, struct phi3v_error *err)
{
    size_t stride = (size_t)f->width * 4;
    int inside = frame->x_offset >= 0 && frame->y_offset >= 0 && frame->width > 0 &&
                 frame->height > 0 && frame->x_offset <= f->width - frame->width &&
                 frame->y_offset <= f->height - frame->height;
    if (!inside || !frame->complete) return refuse(VP8_STATUS_BITSTREAM_ERROR, n, err);
    CLEANUP(mem_free_ptr) uint8_t *canvas = mem_zarray(stride, (size_t)f->height);
    if (!canvas) return err_memory(err, "the WebP picture", stride * (size_t)f->height);
    size_t start = (size_t)frame->y_offset * stride + (size_t)frame->x_offset * 4;
    WebPBitstreamFeatures inner;
    VP8StatusCode status = WebPGetFeatures(frame->fragment.bytes, frame->fragment.size, &inner);
    if (status == VP8_STATUS_OK && (inner.width != frame->width || inner.height != frame->height))
        status = VP8_STATUS_BITSTREAM_ERROR;
    if (status == VP8_STATUS_OK)
        status = decode_into(frame->fragment.bytes, frame->fragment.size, 4, canvas + start,
                             stride * (size_t)f->height - start, stride);
    if (status != VP8_STATUS_OK) return refuse(status, n, err);
    return pixels_from_samples(canvas, 4, f->width, f->height, ret, err);
}

static int decode_animation(const uint8_t *bytes, size_t n, const WebPBitstreamFeatures *f,
                            struct pixels *ret, struct phi3v_error *err)
{
    WebPData data = {.bytes = bytes, .size = n};
    WebPDemuxer *demuxer = WebPDemux(&data);
    if (!demuxer) return refuse(VP8_STATUS_NOT_ENOUGH_DATA, n, err);
    WebPIterator frame;
    int code;
    if (WebPDemuxGetFrame(demuxer, 1, &frame)) {
        code = decode_first_frame(&frame, f, n, ret, err);
        WebPDemuxReleaseIterator(&frame);
    } else {
        code = refuse(VP8_STATUS_BITSTREAM_ERROR, n, err);
    }
    WebPDemuxDelete(demuxer);
    return code;
}

int webp_decode(const uint8_t *bytes, size_t n, struct pixels *ret, int *ret_animated,
                struct phi3v_error *err)
{
    WebPBitstreamFeatures f;
    VP8StatusCode status = WebPGetFeatures(bytes, n, &f);
    if (status != VP8_STATUS_OK) return refuse(status, n, err);
    int code = size_allowed("WebP", f.width, f.height, 11, err);
    if (code < 0) return code;
    *ret_animated = f.has_animation;
    return f.has_animation ? decode_animation(bytes, n, &f, ret, err)
                           : decode_still(bytes, n, &f, ret, err);
}
