/* SPDX-License-Identifier: MIT
 * The answers of :foreach as a file: CSV (RFC 4180) or one JSON object per line, by the file's
 * name. */
#ifndef NOTEBOOK_FOREACH_FILE_H
#define NOTEBOOK_FOREACH_FILE_H

#include "common/text.h"

struct foreach_row {
    char *picture;
    char *answer;       // NULL: none (yet)
    const char *finish; // finish_name of the answer; static
    char *error;        // why there is no answer; NULL
    char *there;        // the row as it is in the file; NULL: not there yet, so it is asked
};

/* One row per picture; rows without answer and error are not written. */
struct foreach_file {
    struct foreach_row *v; // [n]
    int n;
    struct strings others; // the file's rows about other pictures; they stay at the top
};

int foreach_file_init(struct foreach_file *t, int n, struct phi3v_error *err); /* errors: MEMORY */
void foreach_file_free(struct foreach_file *t);
/* Whether the file can be written, checked before hours of work. Errors: ARGUMENT (not .csv or
 * .jsonl), IO. */
int foreach_file_check(const char *path, struct phi3v_error *err);
/* Reads the file, if there is one: complete answers go into `there` of the rows with the same
 * `picture`, other rows into `others`. Errors: IO (not a table of :foreach), MEMORY. */
int foreach_file_take_over(struct foreach_file *t, const char *path, struct phi3v_error *err);
/* Errors: IO; the old file is then unchanged. */
int foreach_file_store(const struct foreach_file *t, const char *path, struct phi3v_error *err);

#endif
