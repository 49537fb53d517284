/* SPDX-License-Identifier: MIT */
#include "net/sse.h"

#include <string.h>

#include "net/limits.h"

static int add(struct bytes *to, const char *more, size_t n)
{
    return bytes_add(to, more, n, NET_EVENT_BYTES);
}

static int end_event(struct sse *s, sse_fn fn, void *user)
{
    int rc = s->has_data ? fn(bytes_text(&s->data), s->data.n, user) : 0;
    s->has_data = false;
    s->data.n = 0;
    return rc;
}

/* The length of the field's name if its value is part of an event, otherwise 0. */
static size_t field_bytes(const char *line, size_t n)
{
    static const char *const names[] = {"data", "error"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        size_t n_name = strlen(names[k]);
        if (n >= n_name && !memcmp(line, names[k], n_name) && (n == n_name || line[n_name] == ':'))
            return n_name;
    }
    return 0;
}

static int end_line(struct sse *s, sse_fn fn, void *user)
{
    static const char mark[] = "\xEF\xBB\xBF";
    const char *line = bytes_text(&s->line);
    size_t n = s->line.n;
    s->line.n = 0;
    if (!s->begun && n >= 3 && !memcmp(line, mark, 3)) line += 3, n -= 3;
    s->begun = true;
    if (n == 0) return end_event(s, fn, user);
    size_t skip = field_bytes(line, n);
    if (!skip) return 0;
    if (n > skip) skip++; /* the colon */
    if (n > skip && line[skip] == ' ') skip++;
    int rc = s->has_data ? add(&s->data, "\n", 1) : 0;
    s->has_data = true;
    return rc ? rc : add(&s->data, line + skip, n - skip);
}

int sse_feed(struct sse *s, const char *bytes, size_t n, sse_fn fn, void *user)
{
    const char *p = bytes, *end = bytes + n;
    while (p < end) {
        if (s->after_cr && *p == '\n') p++;
        s->after_cr = false;
        const char *stop = p;
        while (stop < end && *stop != '\n' && *stop != '\r') stop++;
        int rc = add(&s->line, p, (size_t)(stop - p));
        if (rc) return rc;
        if (stop == end) return 0;
        s->after_cr = *stop == '\r';
        p = stop + 1;
        if ((rc = end_line(s, fn, user))) return rc;
    }
    return 0;
}

void sse_fini(struct sse *s)
{
    bytes_fini(&s->line);
    bytes_fini(&s->data);
    *s = (struct sse){0};
}
