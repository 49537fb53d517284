/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _XOPEN_SOURCE 700
#include "term/marks.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void mark_write(const struct term_facts *facts, enum mark mark, FILE *out)
{
    /* redraw=0 tells kitty not to erase the prompt when the window changes, because we do. */
    static const char *const what[] = {[MARK_PROMPT] = "A;redraw=0",
                                       [MARK_INPUT] = "B",
                                       [MARK_OUTPUT] = "C",
                                       [MARK_DONE] = "D;0",
                                       [MARK_FAILED] = "D;1"};
    if (facts && facts->knows_osc) fprintf(out, "\033]133;%s\033\\", what[mark]);
}

/* -- Links ------------------------------------------------------------------------------------ */

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~/", c));
}

static void encode(const char *s, char **to)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        *to += sprintf(*to, is_plain(c) ? "%c" : "%%%02X", c);
    }
}

char *link_to(const char *path)
{
    char host[256] = "", *real = realpath(path, NULL);
    if (!real) return NULL;
    /* The host name shows a terminal at the other end of ssh that the file is not local. */
    if (gethostname(host, sizeof host - 1)) host[0] = 0;
    char *address = malloc(8 + 3 * (strlen(host) + strlen(real)));
    if (address) {
        char *to = address + sprintf(address, "file://");
        encode(host, &to);
        encode(real, &to);
        *to = 0;
    }
    free(real);
    return address;
}

void link_begin(const char *address, FILE *out) { fprintf(out, "\033]8;;%s\033\\", address); }

void link_end(FILE *out) { fputs("\033]8;;\033\\", out); }

/* -- The bell --------------------------------------------------------------------------------- */

void bell_ring(const struct term_facts *facts, FILE *out)
{
    if (!facts || !facts->needs_cleaning) return;
    fputc('\a', out);
    fflush(out);
}
