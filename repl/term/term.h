/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the terminal can do. It is asked at the start and after a resize; TERM alone is never
 * trusted. A parser in front of the line editor takes the replies out of the input, so that a late
 * reply never shows up as typed text and no typed letter is lost. */
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
    bool silent; /* nothing will be drawn, so ask nothing */
    const char
        *graphics;  /* the setting: "kitty", "sixel", "blocks", "ascii", "none"; NULL or "auto":
                             ask */
    int timeout_ms; /* 0: 300, or 1000 over ssh */
    const char *(*env)(const char *name); /* NULL: getenv; tests pass their own */
};

/* What is known of the terminal; read-only for users. */
struct term_facts {
    bool is_tty;  /* the output is a terminal and --plain is off: cursor movement is allowed */
    bool is_dumb; /* only append text, because of TERM or ACCESSIBLE */
    bool is_accessible;  /* ACCESSIBLE is set: describe pictures in words */
    bool knows_osc;      /* links, marks and the like may be sent */
    bool needs_cleaning; /* the output is a terminal, --plain or not */
    bool asked;          /* questions were sent, … */
    bool answered;       /* … and DA1's reply came in time */
    enum term_graphics graphics;
    const char *graphics_why; /* static: "the terminal says it has sixel", "inside tmux", … */
    enum term_colour colour;
    int cols, rows;
    int cell_w, cell_h; // pixels
    bool cell_assumed;  /* unknown, so 8 x 16 is assumed */
    int registers;      /* sixel colours */
    int max_w, max_h;   /* largest sixel picture, pixels */
    uint8_t background[3];
    bool background_known; /* else black is assumed */
    bool has_sixel, has_kitty;
    bool through_tmux; /* kitty's protocol goes through tmux, with placeholder characters */
    char name[64];     /* what it calls itself, cleaned; may be empty */
    int generation;    /* counts size changes */
};

struct term;

/* Finds out the facts. When there is no terminal, they say so; NULL only without memory. Only one
 * may be open at a time. */
struct term *term_open(const struct term_options *opt); /* NULL: defaults */
/* Waits for open replies, then restores the terminal. NULL is harmless. */
void term_close(struct term *t);
const struct term_facts *term_facts(const struct term *t);
/* Chooses again by the setting "auto", "kitty", "sixel", "blocks", "ascii" or "none"; -1 for
 * another word. */
int term_set_graphics(struct term *t, const char *setting);
/* Writes a few lines for `doctor` and bug reports. */
void term_describe(const struct term *t, FILE *out);

/* -- Size ---------------------------------------------------------------------------------- */

/* Installs handlers for SIGWINCH and SIGCONT that only set a flag; readline's own must be off. */
void term_watch_size(struct term *t);
/* After a SIGWINCH, reads the sizes again and increments facts->generation; after a SIGCONT, also
 * sets the mode again. Cheap otherwise. Returns true when the screen may need drawing again. Not
 * while another thread uses *t. */
bool term_update(struct term *t);

/* -- Input --------------------------------------------------------------------------------- */

enum term_mode {
    TERM_USUAL,  /* as it was found, for the shell and for programs we start */
    TERM_QUIET,  /* while we work: keys wait for the editor without echo; Ctrl-C makes a signal */
    TERM_EDITING /* while lines are read: all keys, also Ctrl-C and Ctrl-Z, come in order */
};

/* Returns the former mode. Harmless with NULL or without a terminal. */
enum term_mode term_mode(struct term *t, enum term_mode mode);

/* Switches attributes off and begins a new line, so that others can write. */
void term_fresh_line(struct term *t);
/* After others have written: switches their attributes off, shows the cursor, and begins a new line
 * unless the cursor is at the beginning of one. */
void term_after_others(struct term *t);

/* What comes next in the input. */
enum term_event {
    TERM_NOTHING,   /* has come so far */
    TERM_KEY,       /* a byte: term_getc has it */
    TERM_PASTE,     /* term_take_paste has it */
    TERM_INTERRUPT, /* Ctrl-C, Ctrl-Z, Ctrl-\: term_take takes it off; in TERM_EDITING only */
    TERM_STOP,
    TERM_QUIT,
    TERM_END
};

/* Reads what has arrived, without waiting (except up to 30 ms after a lone ESC). */
enum term_event term_next(struct term *t);
void term_take(struct term *t);
/* The pasted bytes, NUL-terminated, for the caller to free; NULL when they exceed 64 MiB. */
char *term_take_paste(struct term *t, size_t *ret_n);
/* Waits until input arrives, also_fd (-1: none) becomes readable, or a signal of term_watch_size
 * comes, also just before; timeout_ms < 0 means for ever. */
void term_wait(struct term *t, int also_fd, int timeout_ms);

/* Ctrl-G, which term_getc gives to an editor that waits for a key where something else comes. */
enum { TERM_ABORT_KEY = 7 };
int term_getc(FILE *unused);    /* for rl_getc_function: waits for a byte; EOF at the end */
int term_input_available(void); /* for rl_input_available_hook */

/* Whether this value of ACCESSIBLE (NULL: not set) asks for appended lines and pictures in
 * words. */
bool term_wants_accessible(const char *value);

/* -- Clipboard ------------------------------------------------------------------------------ */

/* Asks the terminal to copy a text; it does not say whether it has. False when it surely cannot. */
bool term_copy(struct term *t, const char *text, size_t n);
/* The contents of the terminal's clipboard, for the caller to free; NULL when it refuses. The
 * terminal may ask the person first, which takes a while; `stopped` ends the wait. Not in
 * TERM_EDITING. */
char *term_clipboard(struct term *t, bool (*stopped)(void *user), void *user, size_t *ret_n);

/* -- Leaving -------------------------------------------------------------------------------- */

/* Installs handlers that restore the terminal (a half-written sequence, attributes, cursor, paste
 * mode, termios) on a crash and on signals that end a program, and then pass the signal on. exit()
 * restores it too. */
void term_guard(struct term *t);
/* Restores it now. Safe in a signal handler; harmless when nothing is open. */
void term_restore(void);

#endif
