/* SPDX-License-Identifier: GPL-3.0-or-later
 * The line editor: readline through its callback interface, with multi-line text, history and Tab.
 * It knows nothing of cells or commands, and asks its host about the text. */
#ifndef TTY_LINE_H
#define TTY_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/must.h"
#include "term/term.h"

/* What Tab may replace text[start … cursor) by. */
struct line_candidates {
    size_t start;
    struct strings words; /* whole words, quoted for the line */
    bool append_blank;    /* add a blank after a single candidate, unless it ends in / */
    bool are_files;       /* list only the last part of each path */
};

/* Events other than keys. */
struct line_news {
    int fd;      /* to wait for as well; -1: none */
    int wait_ms; /* when to look again at the latest; -1: never */
    bool to_show;
    size_t dim_from, dim_to; /* bytes of the prompt to draw dim */
};

struct line_host {
    /* Clears the screen and draws its contents again after Ctrl-L (asked) or a resize. False when
     * there was nothing to draw, so that only the line is drawn again. */
    bool (*redraw)(void *user, bool asked);
    /* Finds candidates for Tab. *ret is zero-initialised; the caller frees it. */
    void (*candidates)(void *user, const char *text, size_t cursor, struct line_candidates *ret);
    /* Whether Return sends the text; otherwise it adds a line. */
    bool (*complete_enough)(void *user, const char *text);
    /* Turns pasted bytes into text for the line, which the caller frees; NULL when they are not
     * text. */
    char *(*pasted)(void *user, const char *bytes, size_t n);
    /* Called before each wait to look for news. */
    void (*look)(void *user, struct line_news *ret);
    /* Writes the news in place of the line, which is drawn again below with the returned prompt
     * (borrowed until the next call). text is what has been typed so far. */
    const char *(*show_news)(void *user, const char *text);
    /* Called when others have written to the terminal, so its contents are unknown. May be NULL. */
    void (*others_wrote)(void *user);
    void *user;
    struct term *term;   /* must stay open as long as the editor */
    const char *history; /* a file; NULL: none is kept */
};

enum line_end {
    LINE_SENT,
    LINE_CANCELLED, /* Ctrl-C */
    LINE_OVER       /* the end of input, or Ctrl-D on an empty line */
};

struct line;

/* There can be only one. Copies *host. SIGINT and SIGTSTP must be caught (interrupt.h). */
struct line *line_new(const struct line_host *host);
void line_free(struct line *l);
/* Reads one cell. prompt is plain text such as "In [3]: "; preset is text to begin with, or NULL.
 * When the cell is sent, *ret_text is set, which the caller frees. Meanwhile the terminal is in
 * TERM_EDITING. */
enum line_end line_read(struct line *l, const char *prompt, const char *preset, char **ret_text);
/* For Ctrl-Z while an answer streams: stops the program if asked to. True after coming back, when
 * the screen shows other things. */
bool line_stop_answering(struct term *t);
/* Adds an entry to the history and its file. */
void line_remember(struct line *l, const char *entry);
/* Version of readline, for bug reports. */
const char *line_library(void);

#endif
