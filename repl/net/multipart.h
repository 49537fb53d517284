/* SPDX-License-Identifier: MIT
 * multipart/x-mixed-replace, in which network cameras send one frame after the other without end.
 */
#ifndef NET_MULTIPART_H
#define NET_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct multipart {
    bool is_one;       /* the answer's type is this one */
    char boundary[80]; /* without the dashes before it */
    size_t looked;     /* bytes that hold no end of the frame */
};

/* From a Content-Type, NULL included. */
void multipart_init(struct multipart *m, const char *content_type);

enum multipart_state { MULTIPART_MORE, MULTIPART_FRAME, MULTIPART_BAD };

/* The first frame of the n bytes that came so far (each call: the same bytes and more). ended: no
 * more will come. With MULTIPART_FRAME it is *ret_n bytes from *ret_at. */
enum multipart_state multipart_first(struct multipart *m, const uint8_t *bytes, size_t n,
                                     bool ended, size_t *ret_at, size_t *ret_n);

#endif
