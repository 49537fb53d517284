/* SPDX-License-Identifier: GPL-3.0-or-later
 * Small things every part of the program needs: memory that is there or ends the program with one
 * line, growing text, string lists, whole files, the nearest name. */
#ifndef REPL_UTIL_H
#define REPL_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "phi3v.h"

/* -- Memory: never NULL; freed with free() -------------------------------------------------- */

void *xalloc(size_t n_bytes);
void *xcalloc(size_t n, size_t size);
void *xgrow(void *p, size_t n, size_t size); /* n * size is checked */
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Text that grows: s is always NUL-terminated once something was added. Zero-initialise. */
struct text {
    char *s;
    size_t n, cap;
};
void text_add(struct text *t, const char *s);
void text_addn(struct text *t, const char *s, size_t n);
void text_addf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *text_take(struct text *t); /* the string ("" when nothing was added), now the caller's */
void text_free(struct text *t);

/* A list of owned strings. Zero-initialise. */
struct strings {
    char **v;
    size_t n;
};
void strings_add(struct strings *list, const char *s);
void strings_free(struct strings *list);
void strings_copy(struct strings *to, const struct strings *from); /* to is empty */

/* -- Errors --------------------------------------------------------------------------------- */

/* As the library's errors: fills *err and returns code. */
int refuse(struct phi3v_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* -- Names ---------------------------------------------------------------------------------- */

/* Number of edits (insert, delete, replace, swap neighbours) between two short names, letter case
 * ignored. */
int edit_distance(const char *a, const char *b);
/* The name the person probably meant: fewest edits, at most a third of its length (and at least
 * one); NULL when none is near. name_of(i, user) gives the i-th candidate. */
const char *nearest_name(const char *typed, int n, const char *(*name_of)(int i, void *user),
                         void *user);

/* -- Files ---------------------------------------------------------------------------------- */

/* The whole file ("-": standard input), NUL-terminated behind its n bytes. Errors: IO (what, why,
 * larger than max_bytes). */
int load_file(const char *path, size_t max_bytes, char **ret_bytes, size_t *ret_n,
              struct phi3v_error *err);
/* Writes beside the file and renames, so that a crash leaves the old one; keeps the old file's
 * mode. */
int store_file(const char *path, const char *bytes, size_t n, struct phi3v_error *err);
/* $VAR/phiscope or ~/DEFAULT/phiscope for the XDG kind ("XDG_STATE_HOME", ".local/state"), made
 * when absent (0700). NULL when there is no home. */
char *xdg_dir(const char *variable, const char *fallback);
/* A path with a leading ~/ replaced by the home directory. */
char *expand_home(const char *path);
/* Whether a file's name ends so, in letters of either case, and has something before it. */
bool has_ending(const char *path, const char *ending);

double now_s(void); /* seconds of a clock that only goes forward */

/* "1.5 GB", "12 kB": decimal units, three digits. Returns buf. */
char *human_bytes(double bytes, char *buf, size_t n);

#endif
