/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the terminal can do. It is asked once at the start and again after a resize; it is never
 * guessed from TERM alone. Answers are taken out of the input by a parser that stays in front of
 * the line editor, so that a late answer never shows up as typed text and typed letters are never
 * lost. */
#ifndef TERM_TERM_H
#define TERM_TERM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum term_graphics {
    TERM_GRAPHICS_NONE,
    TERM_GRAPHICS_ASCII,
    TERM_GRAPHICS_BLOCKS,
    TERM_GRAPHICS_SIXEL,
    TERM_GRAPHICS_KITTY
};

/* Colours that may be used for decoration (prompts, markdown, blocks); NO_COLOR means none. */
enum term_colour { TERM_COLOUR_NONE, TERM_COLOUR_16, TERM_COLOUR_256, TERM_COLOUR_RGB };

struct term_options {
    int in_fd, out_fd;
    bool plain;  /* --plain */
    bool silent; /* nothing will be drawn: no questions */
    const char
        *graphics;  /* the setting: "kitty", "sixel", "blocks", "ascii", "none"; NULL or "auto":
                             ask */
    int timeout_ms; /* 0: 300, or 1000 over ssh */
    const char *(*env)(const char *name); /* NULL: getenv; tests bring their own */
};

/* The facts: read them, do not change them. */
struct term_facts {
    bool is_tty;  /* the output is a terminal and --plain is off: cursor movement is allowed */
    bool is_dumb; /* text alone, appended: TERM says so, or ACCESSIBLE */
    bool is_accessible;  /* ACCESSIBLE is set: pictures are described */
    bool knows_osc;      /* links, marks and the like may be sent */
    bool needs_cleaning; /* a terminal reads what is printed, --plain or not */
    bool asked;          /* questions were sent */
    bool answered;       /* and DA1 came back in time */
    enum term_graphics graphics;
    const char *graphics_why; /* static: "the terminal says it has sixel", "inside tmux", … */
    enum term_colour colour;
    int cols, rows;
    int cell_w, cell_h; // pixels
    bool cell_assumed;  /* nobody told: 8 x 16 */
    int registers;      /* sixel colours */
    int max_w, max_h;   /* largest sixel picture, pixels */
    uint8_t background[3];
    bool background_known; /* else black */
    bool has_sixel, has_kitty;
    bool through_tmux; /* kitty's protocol is, by letters that stand for a picture's cells */
    char name[64];     /* what it calls itself, clean; may be empty */
    int generation;    /* counts size changes */
};

struct term;

/* Finds out. Never fails for want of a terminal: then the facts say so. NULL only without memory.
 * At most one at a time may be open on the process's terminal. */
struct term *term_open(const struct term_options *opt); /* NULL: defaults */
/* Restores the terminal, after the last answer to what was asked has come. NULL is harmless. */
void term_close(struct term *t);
const struct term_facts *term_facts(const struct term *t);
/* Chooses again by the setting "auto", "kitty", "sixel", "blocks", "ascii" or "none"; -1: unknown word. */
int term_set_graphics(struct term *t, const char *setting);
/* A few lines for `doctor` and bug reports. */
void term_describe(const struct term *t, FILE *out);

/* -- Size ---------------------------------------------------------------------------------- */

/* Installs handlers of SIGWINCH and SIGCONT that only set a flag (readline's own must be off). */
void term_watch_size(struct term *t);
/* After a SIGWINCH: reads size and cell size again and counts facts->generation up; after a SIGCONT
 * sets the mode again, too. Cheap otherwise. Returns true when what is on the screen may be wrong.
 * Not while another thread uses *t. */
bool term_update(struct term *t);

/* -- Input --------------------------------------------------------------------------------- */

enum term_mode {
    TERM_USUAL,  /* as it was found: for the shell and for programs we start */
    TERM_QUIET,  /* while we work: keys are not echoed and wait for the editor; Ctrl-C signals */
    TERM_EDITING /* while lines are read: each key, Ctrl-C and Ctrl-Z too, comes in its turn */
};

/* Returns the mode before. NULL and what is no terminal are harmless. */
enum term_mode term_mode(struct term *t, enum term_mode mode);

/* Leaves what is being drawn: attributes off, a new line. For others to write on. */
void term_fresh_line(struct term *t);

/* What comes next of the input. */
enum term_event {
    TERM_NOTHING,   /* so far */
    TERM_KEY,       /* a byte: term_getc has it */
    TERM_PASTE,     /* term_take_paste has it */
    TERM_INTERRUPT, /* Ctrl-C, Ctrl-Z, Ctrl-\: term_take takes it off; in TERM_EDITING only */
    TERM_STOP,
    TERM_QUIT,
    TERM_END
};

/* Takes in what has arrived, without waiting (at most 30 ms, behind a lone ESC). */
enum term_event term_next(struct term *t);
void term_take(struct term *t);
/* Pasted bytes with a NUL behind them, to be freed; NULL: more than 64 MiB were pasted. */
char *term_take_paste(struct term *t, size_t *ret_n);
/* Waits until something arrives, also_fd (-1: none) can be read, or term_wake() is called.
 * timeout_ms < 0: for ever. */
void term_wait(struct term *t, int also_fd, int timeout_ms);
/* Ends term_wait(), now or the next one; for signal handlers. */
void term_wake(void);

#define TERM_ABORT_KEY                                                                             \
    7 /* Ctrl-G, for an editor that waits for a key where something else comes                     \
       */
int term_getc(FILE *unused);    /* for rl_getc_function: waits for a byte; EOF at the end */
int term_input_available(void); /* for rl_input_available_hook */

/* Whether this value of ACCESSIBLE asks for appended lines and pictures in words; NULL: it is not set. */
bool term_wants_accessible(const char *value);

/* -- Clipboard ------------------------------------------------------------------------------ */

/* Gives the terminal a text to copy. Whether it does, nobody says. False: it is none that could. */
bool term_copy(struct term *t, const char *text, size_t n);
/* What the terminal's clipboard holds, to be freed; NULL: it does not tell. Where the terminal asks
 * its person first, that takes a while: `stopped` ends it. Not in TERM_EDITING. */
char *term_clipboard(struct term *t, bool (*stopped)(void *user), void *user, size_t *ret_n);

/* -- Leaving -------------------------------------------------------------------------------- */

/* Handlers that restore the terminal (a sequence being written, attributes, cursor, paste mode,
 * termios) on a crash and on signals that end a program, then let the signal do what it did before.
 * exit() restores by itself. */
void term_guard(struct term *t);
/* The same at once; safe in a signal handler; harmless when nothing is open. */
void term_restore(void);

#endif
