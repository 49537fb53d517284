/* SPDX-License-Identifier: MIT
 * The block structure of GIF: stb_image takes missing data for the end of the picture. */
#include "image/decoders.h"

/* Steps over the data blocks at *at; 0 when the data ends first. */
static int gif_skip_blocks(const uint8_t *bytes, size_t n, size_t *at)
{
    while (*at < n) {
        size_t length = bytes[(*at)++];
        if (length == 0) return 1;
        if (length > n - *at) return 0;
        *at += length;
    }
    return 0;
}

/* Complete frames of a GIF, counted no further than two. */
static int gif_frames(const uint8_t *bytes, size_t n)
{
    size_t at = 13;
    if (n < at) return 0;
    if (bytes[10] & 0x80) at += (size_t)3 << ((bytes[10] & 7) + 1); // palette
    int frames = 0;
    while (at < n && frames < 2) {
        int kind = bytes[at++];
        if (kind == 0x21) { // extension: label, blocks
            at++;
        } else if (kind == 0x2c &&
                   at + 10 <= n) { // frame: place, size, flags, [palette], code size
            int flags = bytes[at + 8];
            at += 10;
            if (flags & 0x80) at += (size_t)3 << ((flags & 7) + 1);
        } else {
            break;
        }
        if (!gif_skip_blocks(bytes, n, &at)) break;
        frames += kind == 0x2c;
    }
    return frames;
}

int gif_check(const uint8_t *bytes, size_t n, int *ret_animated, struct phi3v_error *err)
{
    int frames = gif_frames(bytes, n);
    if (frames == 0)
        return err_set(err, PHI3V_E_IMAGE,
                       "the GIF picture is truncated: it ends after %zu bytes, in its first frame",
                       n);
    *ret_animated = frames > 1;
    return 0;
}
