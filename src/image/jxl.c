/* SPDX-License-Identifier: MIT
 * JPEG XL through libjxl; an animation gives its first frame. */
#include "image/decoders.h"

#include <jxl/decode.h>

#include "base/mem.h"

enum {
    BELIEVED_PER_BYTE = 16384, // pixels; a plain surface takes almost no bytes
    WORK_PER_PIXEL = 14,       // bytes that libjxl may use in addition to the samples
    WORK_BYTES = 192 << 20,    // bytes that it may use in any case
    N_PIECES = 64,
    MIN_PIECE_BYTES = 1024
};

/* Counts the library's memory, which a file can make it take much of. Each block begins with its
 * size. */
struct heap {
    size_t used, most;
};

enum { HEAD = 64 };

static void *give(void *opaque, size_t n)
{
    struct heap *heap = opaque;
    if (n > heap->most - heap->used) return NULL;
    char *block = mem_alloc(n + HEAD);
    if (!block) return NULL;
    *(size_t *)block = n;
    heap->used += n;
    return block + HEAD;
}

static void take(void *opaque, void *p)
{
    struct heap *heap = opaque;
    if (!p) return;
    char *block = (char *)p - HEAD;
    heap->used -= *(size_t *)block;
    mem_free(block);
}

struct job {
    const struct source *s;
    struct heap heap;
    JxlDecoder *lib;
    size_t at; // how many bytes of the file the library has
    JxlBasicInfo info;
    JxlPixelFormat format;
    uint8_t *samples;
};

static int begin(struct job *job, struct phi3v_error *err)
{
    if (JxlDecoderGetBasicInfo(job->lib, &job->info) != JXL_DEC_SUCCESS)
        return truncated(job->s, err);
    int code = size_allowed(job->s, job->info.xsize, job->info.ysize, 4 + WORK_PER_PIXEL,
                            BELIEVED_PER_BYTE, err);
    if (code < 0) return code;
    size_t work = (size_t)job->info.xsize * job->info.ysize * WORK_PER_PIXEL;
    if (work > job->heap.most) job->heap.most = work;
    job->format =
        (JxlPixelFormat){job->info.alpha_bits ? 4 : 3, JXL_TYPE_UINT8, JXL_NATIVE_ENDIAN, 0};
    return 0;
}

static int give_room(struct job *job, struct phi3v_error *err)
{
    size_t n;
    if (JxlDecoderImageOutBufferSize(job->lib, &job->format, &n) != JXL_DEC_SUCCESS)
        return truncated(job->s, err);
    job->samples = mem_zalloc(n);
    if (!job->samples) return err_memory(err, "the picture", n);
    JxlDecoderSetImageOutBuffer(job->lib, &job->format, job->samples, n);
    return 0;
}

/* Hands the library the next piece of the file, so that the work can be stopped in between; 0 when
 * there is none. */
static int give_bytes(struct job *job)
{
    size_t left = job->s->n - job->at, piece = job->s->n / N_PIECES + MIN_PIECE_BYTES;
    size_t n_untouched = JxlDecoderReleaseInput(job->lib), n = left < piece ? left : piece;
    if (n == 0 || source_stopped(job->s)) return 0;
    JxlDecoderSetInput(job->lib, job->s->bytes + job->at - n_untouched, n + n_untouched);
    job->at += n;
    return 1;
}

/* Runs the decoder to its first full frame. */
static int run(struct job *job, int *incomplete, struct phi3v_error *err)
{
    JxlDecoderSubscribeEvents(job->lib, JXL_DEC_BASIC_INFO | JXL_DEC_FULL_IMAGE);
    give_bytes(job);
    for (;;) {
        int code = 0;
        switch (JxlDecoderProcessInput(job->lib)) {
        case JXL_DEC_BASIC_INFO:
            code = begin(job, err);
            break;
        case JXL_DEC_NEED_IMAGE_OUT_BUFFER:
            code = give_room(job, err);
            break;
        case JXL_DEC_FULL_IMAGE:
            return 0;
        case JXL_DEC_NEED_MORE_INPUT:
            if (give_bytes(job)) break;
            if (!job->s->lenient || !job->samples ||
                JxlDecoderFlushImage(job->lib) != JXL_DEC_SUCCESS)
                return truncated(job->s, err);
            *incomplete = 1;
            return 0;
        default:
            return err_set(err, PHI3V_E_IMAGE,
                           "the JPEG XL picture is damaged or takes too much memory");
        }
        if (code < 0) return code;
    }
}

int jxl_decode(const struct source *s, struct decoded *ret, struct phi3v_error *err)
{
    struct job job = {.s = s, .heap = {.most = WORK_BYTES}};
    JxlMemoryManager memory = {&job.heap, give, take};
    job.lib = JxlDecoderCreate(&memory);
    if (!job.lib) return err_set(err, PHI3V_E_MEMORY, "not enough memory for the JPEG XL picture");
    int code = run(&job, &ret->incomplete, err);
    JxlDecoderDestroy(job.lib);
    if (code < 0) {
        mem_free(job.samples);
        return code;
    }
    ret->animated = job.info.have_animation;
    return pixels_from_samples(s, job.samples, (int)job.format.num_channels, (int)job.info.xsize,
                               (int)job.info.ysize, &ret->pixels, err);
}
