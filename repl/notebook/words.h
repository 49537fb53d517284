/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a typed line is made of: words with quotes, ranges of cells, pictures referred to by @. */
#ifndef REPL_WORDS_H
#define REPL_WORDS_H

#include "base/util.h"

/* Splits like a shell: blanks separate, '…', "…" and \ keep them. An open quote ends with the line.
 */
void words_split(const char *line, struct strings *ret);
/* Whether word number `index`, from 0, which must be there, begins with a double quote. */
bool word_is_quoted(const char *line, size_t index);
/* The word so that words_split gives it back as one. */
char *word_quote(const char *word);

/* "3", "2-5", "4-", "all", "_" (the last) over cells 1 … n. Errors: ARGUMENT. */
int range_parse(const char *word, int n, int *ret_first, int *ret_last, struct phi3v_error *err);

/* -- Lines that are not complete yet --------------------------------------------------------- */

/* The person wants another line: it begins with """ not closed yet, or ends with a lone \. */
bool line_incomplete(const char *text);
/* Takes the """ around a complete text away; a new string. */
char *line_unwrap(const char *text);
/* The prompt that a complete text means: without """ around it, with one colon for a leading "::";
 * a new string. */
char *line_typed(const char *text);
/* The other way: the text that means this prompt and no command; a new string. */
char *line_of_typed(const char *typed);

/* -- @ in prompts ----------------------------------------------------------------------------- */

enum ref_kind {
    REF_PICTURE, /* @1, @cover: `index` says which */
    REF_LOAD,    /* @path, @URL: `what` is to be loaded */
    REF_ANSWER   /* {Out[3]}, {_}: `index` is the cell's number, 0 for the last */
};

struct ref {
    enum ref_kind kind;
    size_t start, end; // bytes of the text it stands for
    int index;
    char *what;
};
struct refs {
    struct ref *v;
    size_t n;
};

/* Index of the picture called `name` (a number or a name), or -1. */
typedef int (*ref_lookup_fn)(const char *name, void *user);

/* Finds every reference in text. Errors: IMAGE (an @thing that must be a picture and is not there);
 * me@x.org and @people are left alone. */
int refs_find(const char *text, ref_lookup_fn lookup, void *user, struct refs *ret,
              struct phi3v_error *err);
void refs_free(struct refs *r);
/* The text has raw tags such as <|image_1|>. */
bool has_image_tag(const char *text);
/* The text of a prompt with n pictures: without tags of its own they go first, one a line, as the
 * model was trained; a new string. */
char *with_image_tags(const char *text, size_t n_images);

#endif
