/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memmem, strcasestr */
#include "net/multipart.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/limits.h"

void multipart_init(struct multipart *m, const char *content_type)
{
    static const char type[] = "multipart/"; /* x-mixed-replace, and mixed of old cameras */
    *m = (struct multipart){0};
    if (!content_type || strncasecmp(content_type, type, sizeof type - 1)) return;
    m->is_one = true;
    const char *b = strcasestr(content_type, "boundary=");
    if (!b) return;
    b += 9;
    b += strspn(b, "\"-"); /* some servers include the dashes of its use in the boundary */
    size_t n = strcspn(b, "\"; \t\r\n");
    if (n >= sizeof m->boundary) n = sizeof m->boundary - 1;
    memcpy(m->boundary, b, n);
}

/* The boundary of the stream's first line counts: some servers declare another one, or none. */
static void learn_boundary(struct multipart *m, const uint8_t *bytes, size_t n)
{
    size_t i = 0, length = 0;
    if (n > NET_PART_HEAD_BYTES) n = NET_PART_HEAD_BYTES;
    while (i < n && (bytes[i] == '\r' || bytes[i] == '\n')) i++;
    if (n - i < 2 || memcmp(bytes + i, "--", 2) || !memchr(bytes + i, '\n', n - i)) return;
    while (bytes[i] == '-') i++;
    while (!memchr(" \t\r\n", bytes[i + length], 5)) length++; /* a zero byte ends it, too */
    if (length == 0 || length >= sizeof m->boundary) return;
    memcpy(m->boundary, bytes + i, length);
    m->boundary[length] = 0;
}

/* Finds the line that begins with two dashes and the boundary; n: none. */
static size_t find_boundary(const struct multipart *m, const uint8_t *bytes, size_t n, size_t from)
{
    size_t n_boundary = strlen(m->boundary);
    while (from + 2 + n_boundary <= n) {
        const uint8_t *at = memmem(bytes + from, n - from, "--", 2);
        if (!at) return n;
        size_t i = (size_t)(at - bytes), dashes = i;
        while (dashes < n && bytes[dashes] == '-') dashes++;
        if ((i == 0 || bytes[i - 1] == '\n') && dashes + n_boundary <= n &&
            !memcmp(bytes + dashes, m->boundary, n_boundary))
            return i;
        from = dashes;
    }
    return n;
}

/* The position after the blank line that ends a part's head; 0: it has not come yet. */
static size_t head_end(const uint8_t *bytes, size_t n, size_t from)
{
    for (size_t i = from; i < n; i++) {
        if (bytes[i] != '\n') continue;
        if (i + 1 < n && bytes[i + 1] == '\n') return i + 2;
        if (i + 2 < n && bytes[i + 1] == '\r' && bytes[i + 2] == '\n') return i + 3;
    }
    return 0;
}

/* The length given in a part's head; 0: none. */
static size_t content_length(const uint8_t *head, size_t n)
{
    char text[NET_PART_HEAD_BYTES + 1];
    if (n >= sizeof text) return 0;
    memcpy(text, head, n);
    text[n] = 0;
    const char *at = strcasestr(text, "content-length:");
    unsigned long long length = at ? strtoull(at + 15, NULL, 10) : 0;
    return length < SIZE_MAX / 2 ? (size_t)length : 0;
}

enum multipart_state multipart_first(struct multipart *m, const uint8_t *bytes, size_t n,
                                     bool ended, size_t *ret_at, size_t *ret_n)
{
    if (!m->looked) learn_boundary(m, bytes, n);
    size_t n_head = n < NET_PART_HEAD_BYTES ? n : NET_PART_HEAD_BYTES;
    size_t begin = m->boundary[0] ? find_boundary(m, bytes, n_head, 0) : n;
    size_t body = begin < n ? head_end(bytes, n, begin) : 0;
    if (body == 0) return ended || n > NET_PART_HEAD_BYTES ? MULTIPART_BAD : MULTIPART_MORE;
    size_t length = content_length(bytes + begin, body - begin), end;
    if (length > 0) {
        if (n - body < length) return ended ? MULTIPART_BAD : MULTIPART_MORE;
        end = body + length;
    } else {
        end = find_boundary(m, bytes, n, m->looked > body ? m->looked : body);
        if (end == n && !ended) {
            size_t tail = strlen(m->boundary) + 8; /* part of a boundary may have come */
            m->looked = n > body + tail ? n - tail : body;
            return MULTIPART_MORE;
        }
        if (end > body && end < n && bytes[end - 1] == '\n') end--;
        if (end > body && end < n && bytes[end - 1] == '\r') end--;
    }
    *ret_at = body;
    *ret_n = end - body;
    return MULTIPART_FRAME;
}
