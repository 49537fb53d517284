/* SPDX-License-Identifier: MIT
 * GIF through giflib: the first frame on its canvas, composed like in the reference. */
#include "image/decoders.h"

#include <string.h>

#include <gif_lib.h>

#include "base/mem.h"

enum { BELIEVED_PER_BYTE = 4096 }; // pixels; LZW reaches 2700, and an empty canvas takes no bytes

struct feed {
    const struct source *s;
    size_t at;
};

/* At the end of the file giflib gets the end mark of a series of blocks, which is right after the
 * last pixel and counts as damage before it. */
static int give_bytes(GifFileType *gif, GifByteType *to, int n_wanted)
{
    struct feed *feed = gif->UserData;
    size_t n = (size_t)n_wanted, left = feed->s->n - feed->at;
    if (left == 0 && n == 1) {
        *to = 0;
        return 1;
    }
    if (n > left) n = left;
    memcpy(to, feed->s->bytes + feed->at, n);
    feed->at += n;
    return (int)n;
}

/* Reads on to the next frame, skipping stray bytes; 0 when there is none. *transparent is the
 * frame's transparent colour, if an extension gives one. */
static int find_frame(GifFileType *gif, int *transparent)
{
    for (;;) {
        GifRecordType kind;
        if (DGifGetRecordType(gif, &kind) == GIF_ERROR) {
            const struct feed *feed = gif->UserData;
            if (gif->Error != D_GIF_ERR_WRONG_RECORD || feed->at == feed->s->n) return 0;
            continue;
        }
        if (kind == IMAGE_DESC_RECORD_TYPE) return 1;
        if (kind != EXTENSION_RECORD_TYPE) return 0;
        int label;
        GifByteType *block; // its length, then the data
        if (DGifGetExtension(gif, &label, &block) == GIF_ERROR) return 0;
        GraphicsControlBlock control;
        if (label == GRAPHICS_EXT_FUNC_CODE && block &&
            DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK &&
            control.TransparentColor != NO_TRANSPARENT_COLOR)
            *transparent = control.TransparentColor;
        while (block)
            if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) return 0;
    }
}

/* Reports whether the file is cut or damaged; at its end giflib gets empty blocks. */
static int cut_or_damaged(const GifFileType *gif, const struct source *s, struct phi3v_error *err)
{
    const struct feed *feed = gif->UserData;
    if (feed->at == s->n) return truncated(s, err);
    return err_set(err, PHI3V_E_IMAGE,
                   "the GIF picture is damaged (%s); with lenient on, what is there is read",
                   GifErrorString(gif->Error));
}

/* Reads the frame's rows into canvas [height][width]; 0 when the data ends early or is invalid. */
static int read_rows(GifFileType *gif, const struct source *s, uint8_t *canvas, size_t width)
{
    static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2}; // interlaced
    const GifImageDesc *frame = &gif->Image;
    uint8_t *corner = canvas + (size_t)frame->Top * width + (size_t)frame->Left;
    int n_passes = frame->Interlace ? 4 : 1;
    for (int pass = 0; pass < n_passes; pass++) {
        int y = frame->Interlace ? first[pass] : 0;
        for (; y < frame->Height; y += frame->Interlace ? step[pass] : 1)
            if (source_stopped(s) ||
                DGifGetLine(gif, corner + (size_t)y * width, frame->Width) == GIF_ERROR)
                return 0;
    }
    return 1;
}

/* Colours that are not in the palette, or all if there is none, become the greys of their
 * indices. */
static int look_up(const struct source *s, const uint8_t *canvas, const ColorMapObject *map,
                   int transparent, int width, int height, struct pixels *ret,
                   struct phi3v_error *err)
{
    struct pixels out;
    int code = pixels_init(&out, width, height, transparent >= 0, err);
    if (code < 0) return code;
    size_t n = (size_t)width * (size_t)height;
    for (size_t i = 0; i < n; i++) {
        if (i % (size_t)width == 0 && source_stopped(s)) break;
        int c = canvas[i];
        GifColorType colour = {canvas[i], canvas[i], canvas[i]};
        if (map && c < map->ColorCount) colour = map->Colors[c];
        out.rgb[3 * i] = colour.Red;
        out.rgb[3 * i + 1] = colour.Green;
        out.rgb[3 * i + 2] = colour.Blue;
        if (out.alpha) out.alpha[i] = c == transparent ? 0 : 255;
    }
    *ret = out;
    return 0;
}

static int decode(GifFileType *gif, const struct source *s, struct decoded *ret,
                  struct phi3v_error *err)
{
    int transparent = NO_TRANSPARENT_COLOR;
    if (!find_frame(gif, &transparent) || DGifGetImageDesc(gif) == GIF_ERROR)
        return cut_or_damaged(gif, s, err);
    const GifImageDesc *frame = &gif->Image;
    if (frame->Width < 1 || frame->Height < 1)
        return size_allowed(s, frame->Width, frame->Height, 0, 0, err);
    int width = frame->Left + frame->Width, height = frame->Top + frame->Height;
    if (width < gif->SWidth) width = gif->SWidth;
    if (height < gif->SHeight) height = gif->SHeight;
    int code = size_allowed(s, width, height, 5, BELIEVED_PER_BYTE, err);
    if (code < 0) return code;

    CLEANUP(mem_free_ptr) uint8_t *canvas = mem_zarray((size_t)width, (size_t)height);
    if (!canvas) return err_memory(err, "the picture", (size_t)width * (size_t)height);
    if (transparent > 0) memset(canvas, transparent, (size_t)width * (size_t)height);
    int complete = read_rows(gif, s, canvas, (size_t)width);
    if (!complete && !s->lenient) return cut_or_damaged(gif, s, err);
    const ColorMapObject *map = frame->ColorMap ? frame->ColorMap : gif->SColorMap;
    code = look_up(s, canvas, map, transparent, width, height, &ret->pixels, err);
    if (code < 0) return code;
    ret->incomplete = !complete;
    ret->animated = complete && find_frame(gif, &transparent);
    return 0;
}

int gif_decode(const struct source *s, struct decoded *ret, struct phi3v_error *err)
{
    struct feed feed = {.s = s};
    int error = 0;
    GifFileType *gif = DGifOpen(&feed, give_bytes, &error);
    if (!gif && error == D_GIF_ERR_NOT_ENOUGH_MEM)
        return err_set(err, PHI3V_E_MEMORY, "not enough memory for the GIF picture");
    if (!gif) return truncated(s, err);
    int code = decode(gif, s, ret, err);
    DGifCloseFile(gif, &error);
    return code;
}
