/* SPDX-License-Identifier: MIT
 * The answers of :foreach as a file: CSV (RFC 4180) or a JSON object a line, by the file's name. */
#ifndef NOTEBOOK_FOREACH_FILE_H
#define NOTEBOOK_FOREACH_FILE_H

#include "common/text.h"

struct foreach_row {
    char *picture;
    char *answer;       // NULL: none (yet)
    const char *finish; // finish_name of the answer; static
    char *error;        // why there is none; NULL
    char *there;        // the row as it stands in the file already; NULL: it is asked about now
};

/* A row for each picture; those with neither answer nor error are not written. */
struct foreach_file {
    struct foreach_row *v; // [n]
    int n;
    struct strings others; // rows of the file about other pictures; they stay in front
};

int foreach_file_init(struct foreach_file *t, int n, struct phi3v_error *err); /* errors: MEMORY */
void foreach_file_free(struct foreach_file *t);
/* Whether the file could be written, before hours of work. Errors: ARGUMENT (not .csv or .jsonl),
 * IO. */
int foreach_file_check(const char *path, struct phi3v_error *err);
/* Reads what the file has, where there is one, into `there` of rows with the same `picture`, if it
 * is a complete answer, and into `others`. Errors: IO (it is no table of :foreach), MEMORY. */
int foreach_file_take_over(struct foreach_file *t, const char *path, struct phi3v_error *err);
/* Errors: IO; the old file is then as it was. */
int foreach_file_store(const struct foreach_file *t, const char *path, struct phi3v_error *err);

#endif
