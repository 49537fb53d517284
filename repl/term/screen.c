/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "term/screen.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#include "term/clean.h"

enum state {
    GROUND,
    ESCAPE,  /* after ESC */
    CONTROL, /* in a control sequence */
    STRING,  /* in a device control or other string, up to ST or BEL */
    STRING_ESCAPE
};

struct place {
    long row;
    int column;
};

struct screen {
    int fd;
    FILE *stream;
    const struct term_facts *facts;
    struct place at, saved;
    long bottom; // the lowest row so far
    long begin;  // rows above it were cleared
    enum state state;
    int parameter; // of the control sequence, the first
    bool private;  // it begins with ? or the like
    unsigned char letter[4];
    int n_letter;
};

/* -- Following what is written ---------------------------------------------------------------- */

static void go_to_row(struct screen *s, long row)
{
    s->at.row = row;
    if (row > s->bottom) s->bottom = row;
}

static long top_of(const struct screen *s)
{
    long top = s->bottom - s->facts->rows + 1;
    return top > s->begin ? top : s->begin;
}

static void put_letter(struct screen *s, int32_t cp)
{
    int width = clean_width(cp);
    if (s->at.column + width > s->facts->cols) {
        go_to_row(s, s->at.row + 1);
        s->at.column = 0;
    }
    s->at.column += width;
}

static void text_byte(struct screen *s, unsigned char c)
{
    if (c < 0x80) {
        s->n_letter = 0;
        put_letter(s, c);
        return;
    }
    if (s->n_letter == 4) s->n_letter = 0;
    s->letter[s->n_letter++] = c;
    utf8proc_int32_t cp;
    if (utf8proc_iterate(s->letter, s->n_letter, &cp) > 0) {
        s->n_letter = 0;
        put_letter(s, cp);
    }
}

static void control_end(struct screen *s, unsigned char c)
{
    int n = s->parameter > 0 ? s->parameter : 1;
    if (s->private) return;
    if (c == 'A') s->at.row -= s->at.row - n >= s->begin ? n : s->at.row - s->begin;
    if (c == 'B') go_to_row(s, s->at.row + n);
    if (c == 'C') s->at.column += n;
    if (c == 'D') s->at.column -= s->at.column < n ? s->at.column : n;
    if (c == 'G') s->at.column = n - 1;
    if (c == 'H') s->at = (struct place){.row = top_of(s)};
    /* Clearing the screen removes all earlier rows. */
    if (c == 'J' && s->parameter == 2) {
        long below_top = s->at.row - top_of(s);
        s->begin = s->bottom + 1;
        go_to_row(s, s->begin + below_top);
    }
}

static void ground_byte(struct screen *s, unsigned char c)
{
    if (c == 033)
        s->state = ESCAPE;
    else if (c == '\n')
        go_to_row(s, s->at.row + 1), s->at.column = 0;
    else if (c == '\r')
        s->at.column = 0;
    else if (c == '\b')
        s->at.column -= s->at.column > 0;
    else if (c >= ' ' && c != 0x7F)
        text_byte(s, c);
}

static void escape_byte(struct screen *s, unsigned char c)
{
    s->state = GROUND;
    if (c == '7') s->saved = s->at;
    if (c == '8') s->at = s->saved;
    if (c == '[') {
        s->state = CONTROL;
        s->parameter = 0;
        s->private = false;
    }
    if (c == 'P' || c == ']' || c == '_' || c == '^') s->state = STRING;
}

static void byte(struct screen *s, unsigned char c)
{
    switch (s->state) {
    case GROUND:
        ground_byte(s, c);
        break;
    case ESCAPE:
        escape_byte(s, c);
        break;
    case CONTROL:
        if (c >= '0' && c <= '9' && s->parameter < 10000)
            s->parameter = 10 * s->parameter + c - '0';
        else if (c >= '<' && c <= '?')
            s->private = true;
        else if (c >= '@') {
            control_end(s, c);
            s->state = GROUND;
        }
        break;
    case STRING:
        if (c == 033) s->state = STRING_ESCAPE;
        if (c == 7) s->state = GROUND;
        break;
    case STRING_ESCAPE:
        s->state = c == '\\' ? GROUND : STRING;
        break;
    }
}

/* -- The stream ------------------------------------------------------------------------------- */

static ssize_t on_write(void *cookie, const char *bytes, size_t n)
{
    struct screen *s = cookie;
    size_t done = 0;
    while (done < n) {
        ssize_t k = write(s->fd, bytes + done, n - done);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0 && errno == EAGAIN) { /* another program has made it non-blocking */
            struct pollfd out = {.fd = s->fd, .events = POLLOUT};
            poll(&out, 1, -1);
            continue;
        }
        if (k <= 0) return done ? (ssize_t)done : 0; /* 0: the stream's error flag */
        done += (size_t)k;
    }
    if (s->facts)
        for (size_t i = 0; i < n; i++) byte(s, (unsigned char)bytes[i]);
    return (ssize_t)n;
}

struct screen *screen_open(int fd, const struct term_facts *facts)
{
    struct screen *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->fd = fd;
    s->facts = facts;
    s->stream = fopencookie(s, "w", (cookie_io_functions_t){.write = on_write});
    if (!s->stream) {
        free(s);
        return NULL;
    }
    return s;
}

FILE *screen_stream(struct screen *s) { return s->stream; }

void screen_close(struct screen *s)
{
    if (!s) return;
    fclose(s->stream);
    free(s);
}

/* -- Looking ---------------------------------------------------------------------------------- */

long screen_row(struct screen *s)
{
    fflush(s->stream);
    return s->at.row;
}

bool screen_shows(struct screen *s, long row)
{
    fflush(s->stream);
    return s->facts && row >= top_of(s);
}

void screen_lost(struct screen *s)
{
    fflush(s->stream);
    s->begin = s->bottom + 1;
    s->bottom = s->at.row = s->begin;
    s->at.column = 0;
}
