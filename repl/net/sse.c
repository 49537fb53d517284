/* SPDX-License-Identifier: MIT */
#include "net/sse.h"

#include <stdlib.h>
#include <string.h>

#include "net/limits.h"

static int add(char **to, size_t *n, size_t *cap, const char *bytes, size_t n_more)
{
    if (n_more > NET_EVENT_BYTES - *n) return SSE_TOO_LARGE;
    if (*n + n_more > *cap) {
        size_t bigger = *cap ? 2 * *cap : 1024;
        while (bigger < *n + n_more) bigger *= 2;
        char *p = realloc(*to, bigger);
        if (!p) return SSE_NO_MEMORY;
        *to = p;
        *cap = bigger;
    }
    if (n_more) memcpy(*to + *n, bytes, n_more);
    *n += n_more;
    return 0;
}

static int end_event(struct sse *s, sse_fn fn, void *user)
{
    int rc = s->has_data ? fn(s->n_data ? s->data : "", s->n_data, user) : 0;
    s->has_data = false;
    s->n_data = 0;
    return rc;
}

static int end_line(struct sse *s, sse_fn fn, void *user)
{
    static const char mark[] = "\xEF\xBB\xBF";
    const char *line = s->line;
    size_t n = s->n_line;
    s->n_line = 0;
    if (!s->begun && n >= 3 && !memcmp(line, mark, 3)) line += 3, n -= 3;
    s->begun = true;
    if (n == 0) return end_event(s, fn, user);
    if (n < 4 || memcmp(line, "data", 4) != 0 || (n > 4 && line[4] != ':')) return 0;
    size_t skip = n > 4 ? 5 : 4;
    if (n > skip && line[skip] == ' ') skip++;
    int rc = s->has_data ? add(&s->data, &s->n_data, &s->data_cap, "\n", 1) : 0;
    s->has_data = true;
    return rc ? rc : add(&s->data, &s->n_data, &s->data_cap, line + skip, n - skip);
}

int sse_feed(struct sse *s, const char *bytes, size_t n, sse_fn fn, void *user)
{
    const char *p = bytes, *end = bytes + n;
    while (p < end) {
        if (s->after_cr && *p == '\n') p++;
        s->after_cr = false;
        const char *stop = p;
        while (stop < end && *stop != '\n' && *stop != '\r') stop++;
        int rc = add(&s->line, &s->n_line, &s->line_cap, p, (size_t)(stop - p));
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
    free(s->line);
    free(s->data);
    *s = (struct sse){0};
}
