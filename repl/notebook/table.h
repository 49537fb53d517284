/* SPDX-License-Identifier: MIT
 * The answers of :foreach as a file: CSV (RFC 4180) or a JSON object a line, by the file's name. */
#ifndef NOTEBOOK_TABLE_H
#define NOTEBOOK_TABLE_H

#include "common/text.h"

struct table_row {
    char *picture;
    char *answer;       // NULL: none (yet)
    const char *finish; // finish_name of the answer; static
    char *error;        // why there is none; NULL
};

/* A row for each picture; those with neither answer nor error are not written. */
struct table {
    struct table_row *v; // [n]
    int n;
};

int table_init(struct table *t, int n, struct phi3v_error *err); /* errors: MEMORY */
void table_free(struct table *t);
/* Whether the file could be written, before hours of work. Errors: ARGUMENT (not .csv or .jsonl),
 * IO. */
int table_check(const char *path, struct phi3v_error *err);
/* Errors: IO; the old file is then as it was. */
int table_store(const struct table *t, const char *path, struct phi3v_error *err);

#endif
