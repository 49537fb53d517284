/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "notebook/script.h"
#include "notebook/source.h"

/* Reads a line without its end or a byte order mark. Returns as script_next. */
static int next_line(FILE *f, bool first, char **ret, struct phi3v_error *err)
{
    char *bytes = NULL;
    size_t cap = 0;
    ssize_t n = getline(&bytes, &cap, f);
    int rc = n < 0 ? 0 : 1;
    if (n > 0 && bytes[n - 1] == '\n') n--;
    if (n > 0 && bytes[n - 1] == '\r') n--;
    if (rc) {
        int why = source_of_file(bytes, (size_t)n, first ? "the script" : "a line of the script",
                                 ret, err);
        if (why) rc = why;
    } else if (ferror(f)) {
        rc = refuse(err, PHI3V_E_IO, "the script cannot be read: %s", strerror(errno));
    }
    free(bytes);
    return rc;
}

/* Adds lines to the cell until it is complete. A backslash at the end of a line becomes the line
 * break in a prompt, and stays in a command. */
static int read_cell(FILE *f, bool first, struct text *cell, struct phi3v_error *err)
{
    char *line;
    int rc;
    bool any = false;
    while ((rc = next_line(f, first && !any, &line, err)) > 0) {
        bool hash_bang = first && !any && !strncmp(line, "#!", 2);
        any = true;
        if (!hash_bang) text_add(cell, line);
        free(line);
        if (hash_bang) continue;
        if (cell->failed) return memory_error(err);
        if (!source_incomplete(cell->s ? cell->s : "")) return 1;
        if (cell->s[cell->n - 1] == '\\' && !source_is_command(cell->s)) cell->s[--cell->n] = 0;
        text_add(cell, "\n");
    }
    return rc < 0 ? rc : cell->n > 0;
}

int script_next(FILE *f, bool first, char **ret, struct phi3v_error *err)
{
    struct text cell = {0};
    int rc = read_cell(f, first, &cell, err);
    if (rc > 0 && !(*ret = cell.s ? text_take(&cell) : text_copy(""))) rc = memory_error(err);
    if (rc <= 0) text_free(&cell);
    return rc;
}
