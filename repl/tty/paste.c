/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdbool.h>
#include <string.h>

#include <utf8proc.h>

#include "common/must.h"
#include "tty/paste.h"

/* Length of "In [3]: " or "In [3] @1 @cover: " at the beginning of a line; 0: none there. */
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

/* In place. */
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

/* Length of the letter at s, 0 where there is none in UTF-8. */
static size_t letter(const char *s, size_t n)
{
    utf8proc_int32_t cp;
    utf8proc_ssize_t k =
        utf8proc_iterate((const utf8proc_uint8_t *)s, n < 4 ? (utf8proc_ssize_t)n : 4, &cp);
    return k > 0 ? (size_t)k : 0;
}

char *paste_read(void *user, const char *bytes, size_t n)
{
    (void)user;
    struct text text = {0};
    size_t k;
    for (size_t i = 0; i < n; i += k ? k : 1) {
        k = letter(bytes + i, n - i);
        bool crlf = bytes[i] == '\r' && i + 1 < n && bytes[i + 1] == '\n';
        if (!k)
            text_add(&text, "\ufffd");
        else if (bytes[i] == '\r')
            text_add(&text, crlf ? "" : "\n");
        else if (bytes[i])
            text_addn(&text, bytes + i, k);
    }
    char *result = text_take(&text);
    take_prompts_off(result);
    return result;
}
