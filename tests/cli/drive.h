/* SPDX-License-Identifier: GPL-3.0-or-later
 * Drives the built program as a person or a pipe would: runs it with words, input and environment
 * of its own, types at it through a pseudo-terminal, serves it files over HTTP on the loopback.
 *
 * Every run has an empty home: nothing of the person running the tests is read or written. */
#ifndef CLI_DRIVE_H
#define CLI_DRIVE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* First thing in main: argv[1] is the program; takes it and the golden options off, makes a
 * temporary folder. */
void drive_init(int argc, char **argv);
int drive_done(void); /* removes the folder, prints the TAP plan */

const char *drive_tmp(void);                    /* the temporary folder */
const char *drive_file(const char *relative);   /* a path below it; valid until the program ends */
const char *drive_golden(const char *relative); /* the same below the golden root */
const char *drive_write(const char *relative, const char *text); /* makes the file; its path */
/* The text with the temporary folder in the place of each $; valid until the next call. */
const char *drive_lines(const char *text);
char *drive_read(const char *path); /* free; NULL when it cannot be read */

/* Chance that is the same for the same seed. */
void drive_seed(unsigned seed);
unsigned drive_draw(unsigned n);

/* -- Pipes ------------------------------------------------------------------------------------ */

struct run {
    int status; // exit status, -1 when it did not end by itself
    char *out, *err;
    size_t n_out;
};

/* Runs phiscope with words (NULL-terminated) and input (NULL: empty); waits at most a minute or so.
 * The result is valid until the next run. */
const struct run *drive(const char *input, const char *const *words);
#define DRIVE(input, ...) drive(input, (const char *const[]){__VA_ARGS__, NULL})
/* The k-th line of the last run's output as JSON (from 0); NULL when there is none or it is no
 * JSON. json_decref. */
json_t *drive_json(int k);

/* -- Terminal --------------------------------------------------------------------------------- */

/* A terminal of 80 x 24 cells (TERM=xterm) that says it has no graphics. All that the program
 * writes is read by the strict model of unit/vt.h: an unsafe byte or a sequence that is cut or
 * unknown fails the test at pty_end. */
struct pty;

struct pty_options {
    int cols, rows;         /* 0: 80, 24 */
    const char *const *env; /* "NAME=VALUE", or "NAME" to take away; NULL-terminated; NULL */
    const char *attributes; /* the answer to DA1; NULL: without graphics; "": none comes */
    bool job;               /* under a small shell that brings it back 50 ms after it was stopped */
    const char *output_file; /* its standard output; NULL: the terminal */
};

struct pty *pty_start(const char *const *words);
struct pty *pty_start_with(const char *const *words, const struct pty_options *opt);
/* A notebook on the tiny model, whose answers are three tokens long; it has opened. */
struct pty *pty_start_notebook(const struct pty_options *opt);
void pty_type(struct pty *p, const char *keys);
/* Sends any number of bytes, taking in what comes meanwhile. */
void pty_send(struct pty *p, const char *bytes, size_t n);
/* Waits until text came behind what the last call found; false after 20 s (what came is printed as
 * notes). */
bool pty_expect(struct pty *p, const char *text);
/* Waits for a moment in which nothing comes, two seconds at most; true when `text` came since the
 * last found place. */
bool pty_came(struct pty *p, const char *text);
void pty_wait(struct pty *p, int ms); /* takes in what comes meanwhile */
/* Waits until the screen has such a row, blanks at its end aside … */
bool pty_sees(struct pty *p, const char *row);
/* … and the cursor in a column of it (column < 0: of no matter which). */
bool pty_cursor(struct pty *p, const char *row, int column);
const char *pty_screen(struct pty *p); /* its rows, a line each; valid until the next call */
const char *pty_bytes(struct pty *p);  /* all that has come; valid until the next call */
void pty_resize(struct pty *p, int cols, int rows);
void pty_signal(struct pty *p, int signal_number); /* to the program */
int pty_pid(const struct pty *p);                  /* of the program */
/* Waits for the end of the program; its exit status, -1 when it had to be killed. */
int pty_end(struct pty *p);
/* Ctrl-C, so that the line is empty, and Ctrl-D; then the same. */
int pty_leave(struct pty *p);
/* Kills the program in the middle of whatever it does; what it wrote last may be cut. */
void pty_kill(struct pty *p);

/* -- HTTP ------------------------------------------------------------------------------------- */

struct http;
/* Serves files: path k of the URL gives files[2k] -> file files[2k+1], NULL-terminated. */
struct http *http_start(const char *const *files);
int http_port(const struct http *h);
void http_stop(struct http *h);

#endif
