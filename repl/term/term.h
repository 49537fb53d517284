/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the terminal can do. It is asked once at the start and again after a resize; it is never
 * guessed from TERM alone. Answers are taken out of the input by a parser that stays in front of
 * the line editor, so that a late answer never shows up as typed text and typed letters are never
 * lost.
 *
 * With readline's callback interface:
 *   rl_getc_function = term_getc;  rl_input_available_hook = term_input_available;
 *   loop: poll(stdin, …);  while (term_input(t)) rl_callback_read_char();
 * term_input() must also be called once before the first poll(): letters typed while the terminal
 * was being asked wait in memory, not in the kernel. */
#ifndef TERM_TERM_H
#define TERM_TERM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum term_graphics {
    TERM_GRAPHICS_NONE,
    TERM_GRAPHICS_ASCII,
    TERM_GRAPHICS_BLOCKS,
    TERM_GRAPHICS_SIXEL
};

/* Colours that may be used for decoration (prompts, markdown, blocks); NO_COLOR means none. */
enum term_colour { TERM_COLOUR_NONE, TERM_COLOUR_16, TERM_COLOUR_256, TERM_COLOUR_RGB };

struct term_options {
    int in_fd, out_fd;
    bool plain;           /* --plain */
    const char *graphics; /* the setting: "sixel", "blocks", "ascii", "none"; NULL or "auto": ask */
    int timeout_ms;       /* 0: 300, or 1000 over ssh */
    const char *(*env)(const char *name); /* NULL: getenv; tests bring their own */
};

/* The facts: read them, do not change them. */
struct term_facts {
    bool is_tty; /* the output is a terminal and --plain is off: cursor movement is allowed */
    bool is_dumb;
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
    char name[64];  /* what it calls itself, clean; may be empty */
    int generation; /* counts size changes */
};

struct term;

/* Finds out. Never fails for want of a terminal: then the facts say so. NULL only without memory.
 * At most one at a time may be open on the process's terminal. */
struct term *term_open(const struct term_options *opt); /* NULL: defaults */
void term_close(struct term *t); /* restores the terminal; NULL is harmless */
const struct term_facts *term_facts(const struct term *t);
/* Chooses again by the setting "auto", "sixel", "blocks", "ascii" or "none"; -1: unknown word. */
int term_set_graphics(struct term *t, const char *setting);
/* A few lines for `doctor` and bug reports. */
void term_describe(const struct term *t, FILE *out);

/* -- Size ---------------------------------------------------------------------------------- */

/* Installs a SIGWINCH handler that only sets a flag (readline's own must be off). */
void term_watch_size(struct term *t);
/* After a SIGWINCH: reads size and cell size again and counts facts->generation up. Cheap
 * otherwise. Returns true when something changed. Not while another thread uses *t. */
bool term_update(struct term *t);

/* -- Input --------------------------------------------------------------------------------- */

/* Takes in what has arrived, without waiting; true when term_getc has a byte (or the end of the
 * input) for the editor. Waits at most 30 ms, and only behind a lone ESC. */
bool term_input(struct term *t);
int term_getc(FILE *unused);    /* for rl_getc_function: waits for a byte; EOF at the end */
int term_input_available(void); /* for rl_input_available_hook */

/* While an answer streams: keys are not echoed and do not wait for Return (Ctrl-C and Ctrl-Z still
 * signal); they stay for the editor. Calls do not nest; both are harmless without a terminal. */
void term_quiet_begin(struct term *t);
void term_quiet_end(struct term *t);

/* -- Leaving -------------------------------------------------------------------------------- */

/* Handlers that restore the terminal (attributes, cursor, paste mode, termios) on a crash and on
 * SIGTERM and SIGHUP, then let the signal do what it did before. exit() restores by itself. A
 * program that handles SIGTERM and SIGHUP in its loop installs its own handlers afterwards. */
void term_guard(struct term *t);
/* The same at once; safe in a signal handler; harmless when nothing is open. */
void term_restore(void);

#endif
