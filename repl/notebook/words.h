/* SPDX-License-Identifier: MIT
 * The words of a command, split and quoted as by a shell, and ranges of cells. */
#ifndef NOTEBOOK_WORDS_H
#define NOTEBOOK_WORDS_H

#include "common/text.h"

struct word {
    char *text;    // quotes and backslashes undone
    char *pattern; // for glob(), if there is a * ? or [ that was not quoted; else NULL
    bool quoted;   // part of it was quoted
    char quote;    // the word began with this quote; 0: none
    size_t start;  // where it begins in the line, in bytes
};
struct words {
    struct word *v;
    size_t n;
};

/* "C:\Users\…" or "\\wsl.localhost\NAME\…", as Windows' terminal pastes a file: in such words a
 * backslash is an ordinary character. Returns the bytes before the path itself, 0 for other
 * words. */
size_t windows_prefix(const char *word);
/* Splits at blanks that '…', "…" and \ do not protect; $'…' writes what cannot be typed: \n, \t,
 * \x07. An open quote ends with the line. Errors: MEMORY. */
int words_split(const char *line, struct words *ret, struct phi3v_error *err);
void words_free(struct words *w);
void word_free(struct word *w);
/* Quotes the word so that words_split returns it as one, including unquoted patterns; NULL without
 * memory. */
char *word_quote(const char *word);

/* Whether it has bytes that cannot be typed (control characters, what is not UTF-8), which
 * word_quote writes as $'…'. */
bool word_needs_escapes(const char *word);
/* A file's name as text that JSON can hold, $'…' if it is not UTF-8, and back; to be freed. NULL
 * without memory. */
char *name_as_text(const char *name);
char *name_of_text(const char *text);
/* Decodes $'…' at p into *out; returns the bytes read, 0 when there is none or it is not closed. */
size_t word_escapes(const char *p, struct text *out);

/* Reads "3", "2-5", "4-", "all" or "_" (the last) over cells 1 … n. Errors: ARGUMENT. */
int range_parse(const char *word, int n, int *ret_first, int *ret_last, struct phi3v_error *err);

#endif
