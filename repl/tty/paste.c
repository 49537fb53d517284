/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/must.h"
#include "notebook/source.h"
#include "tty/paste.h"

/* The length of "In [3]: " or "In [3] @1 @cover: " at the beginning of a line; 0 without one. */
static size_t prompt_length(const char *s)
{
    size_t n = strspn(s, " ");
    if (strncmp(s + n, "In [", 4) != 0) return 0;
    n += 4;
    size_t digits = strspn(s + n, "0123456789");
    if (!digits || s[n + digits] != ']') return 0;
    n += digits + 1;
    while (s[n] == ' ' && s[n + 1] == '@') n += 2 + strcspn(s + n + 2, " :\n");
    if (s[n] != ':') return 0;
    n++;
    return n + (s[n] == ' ');
}

static size_t continuation_length(const char *s)
{
    size_t n = strspn(s, " ");
    if (strncmp(s + n, "...:", 4) != 0) return 0;
    n += 4;
    return n + (s[n] == ' ');
}

/* Removes our prompts in place. */
static void take_prompts_off(char *s)
{
    if (!prompt_length(s)) return;
    char *to = s;
    for (const char *from = s; *from;) {
        size_t n = prompt_length(from);
        from += n ? n : continuation_length(from);
        n = strcspn(from, "\n");
        n += from[n] == '\n';
        memmove(to, from, n);
        to += n;
        from += n;
    }
    *to = 0;
}

char *paste_read(void *user, const char *bytes, size_t n)
{
    (void)user;
    char *text = xalloc(n + 1), *result;
    size_t n_text = 0;
    for (size_t i = 0; i < n; i++)
        if (bytes[i]) text[n_text++] = bytes[i];
    int rc = source_normalise(text, n_text, "the paste", &result, NULL);
    free(text);
    if (rc) return NULL;
    take_prompts_off(result);
    return result;
}
