/* SPDX-License-Identifier: MIT
 * The one filter between text from elsewhere (answers, file names, URLs, error bodies, notebooks,
 * model names, history) and the terminal. Its output cannot move the cursor, change a mode, or pass
 * for other text: UTF-8 is decoded strictly, and control characters, C1, bidirectional controls,
 * line separators, tags and floods of combining marks are removed.
 *
 * Only text for a terminal is cleaned: files, --json and pipes get the true text. */
#ifndef TERM_CLEAN_H
#define TERM_CLEAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum clean_mode {
    CLEAN_TEXT, /* several lines: LF and TAB pass, unsafe characters are dropped */
    CLEAN_NAME  /* one line (names, URLs, errors): unsafe characters show as ^J or <U+202E> */
};

#define CLEAN_MARKS 8 /* combining marks on one letter; real scripts need three or four */

/* Takes one clean character: LF, TAB (CLEAN_TEXT only) or a printable code point. */
typedef void (*clean_put_fn)(int32_t cp, void *user);

/* Keeps its state between pieces, so that a character may be cut in two by the end of a piece. */
struct clean {
    enum clean_mode mode;
    clean_put_fn put;
    void *user;
    unsigned char held[4]; /* first bytes of an unfinished character */
    int n_held;
    int n_marks; /* zero-width characters since the last one with a width */
};

void clean_init(struct clean *c, enum clean_mode mode, clean_put_fn put, void *user);
void clean_feed(struct clean *c, const char *bytes, size_t n);
/* Ends the text: an unfinished character becomes U+FFFD. The state is as after clean_init. */
void clean_end(struct clean *c);

/* These clean whole strings. clean_string returns a new string (free), NULL without memory; tabs
 * become spaces up to the next multiple of 8 columns, and in CLEAN_TEXT lines end with LF alone.
 * clean_print writes the same. */
char *clean_string(const char *s, enum clean_mode mode);
char *clean_bytes(const char *bytes, size_t n, enum clean_mode mode);
void clean_print(FILE *out, enum clean_mode mode, const char *s);

/* Writes one clean character; a tab becomes spaces up to the next multiple of 8 columns. *column
 * counts from the line's beginning. */
void clean_write(int32_t cp, int *column, FILE *out);

/* Whether CLEAN_TEXT leaves a character as it is (other than LF and TAB). */
bool clean_passes(int32_t cp);
/* Whether CLEAN_NAME shows it as <U+…> because it would be invisible. */
bool clean_is_invisible(int32_t cp);

/* Columns of one clean character (0 for combining marks, 2 for wide letters) and of a clean string.
 */
int clean_width(int32_t cp);
int clean_string_width(const char *s);

#endif
