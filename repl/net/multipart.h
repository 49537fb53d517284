/* SPDX-License-Identifier: MIT
 * multipart/x-mixed-replace, in which network cameras send an endless series of frames. */
#ifndef NET_MULTIPART_H
#define NET_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct multipart {
    bool is_one;       /* the reply has this type */
    char boundary[80]; /* without the dashes before it */
    size_t looked;     /* bytes known not to hold the frame's end */
};

/* From a Content-Type, NULL included. */
void multipart_init(struct multipart *m, const char *content_type);

enum multipart_state { MULTIPART_MORE, MULTIPART_FRAME, MULTIPART_BAD };

/* Finds the first frame in the n bytes that have come so far (every call gets the same bytes and
 * more). ended: no more will come. With MULTIPART_FRAME it is *ret_n bytes at *ret_at. */
enum multipart_state multipart_first(struct multipart *m, const uint8_t *bytes, size_t n,
                                     bool ended, size_t *ret_at, size_t *ret_n);

#endif
