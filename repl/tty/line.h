/* SPDX-License-Identifier: GPL-3.0-or-later
 * The line editor: readline through its callback interface, cells of many lines, history, Tab. It
 * knows nothing of cells or commands: what it must know of the text it asks its host. */
#ifndef TTY_LINE_H
#define TTY_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/must.h"
#include "term/term.h"

/* What Tab may put in the place of text[start … cursor). */
struct line_candidates {
    size_t start;
    struct strings words; /* whole words, quoted as they must stand in the line */
    bool append_blank;    /* behind the only one, unless it ends in / */
    bool are_files;       /* lists show the last part of each path */
};

/* What happens besides keys. */
struct line_news {
    int fd;      /* to be waited for as well; -1: none */
    int wait_ms; /* before it is looked again; -1: for ever */
    bool to_show;
    size_t dim_from, dim_to; /* bytes of the prompt that are not quite there yet */
};

struct line_host {
    /* Clears the screen and draws what was on it; false: nothing to draw, the line alone is drawn
     * again. After Ctrl-L (asked), and after the terminal has changed its size. */
    bool (*redraw)(void *user, bool asked);
    /* *ret is zero-initialised; the caller frees it. */
    void (*candidates)(void *user, const char *text, size_t cursor, struct line_candidates *ret);
    /* Return sends the text; else it adds a line. */
    bool (*complete_enough)(void *user, const char *text);
    /* What pasted bytes become in the line; to be freed. NULL: they are no text. */
    char *(*pasted)(void *user, const char *bytes, size_t n);
    /* Looks for news, before each wait. */
    void (*look)(void *user, struct line_news *ret);
    /* Writes them where the line stood, which is drawn again below, with the prompt returned:
     * borrowed until the next call. text: what has been typed so far. */
    const char *(*show_news)(void *user, const char *text);
    /* Others have written to the terminal: what was on it is not known any more. NULL: no matter.
     */
    void (*others_wrote)(void *user);
    void *user;
    struct term *term;   /* open for as long as the editor is */
    const char *history; /* file; NULL: none is kept */
};

enum line_end {
    LINE_SENT,
    LINE_CANCELLED, /* Ctrl-C */
    LINE_OVER       /* the end of the input: Ctrl-D on an empty line */
};

struct line;

/* One at a time. Copies *host. SIGINT and SIGTSTP are to be caught (interrupt.h). */
struct line *line_new(const struct line_host *host);
void line_free(struct line *l);
/* Reads one cell. prompt: plain text, "In [3]: ". preset: text to begin with, or NULL. *ret_text
 * (to be freed) is set when it was sent. The terminal is in TERM_EDITING meanwhile. */
enum line_end line_read(struct line *l, const char *prompt, const char *preset, char **ret_text);
/* While an answer streams: does what Ctrl-Z asked for; true after coming back, when the screen
 * shows other things. */
bool line_stop_answering(struct term *t);
/* Adds to the list and to the file. */
void line_remember(struct line *l, const char *entry);
/* Version of readline, for bug reports. */
const char *line_library(void);

#endif
