/* SPDX-License-Identifier: MIT
 * A temporary folder for tests that need files. */
#ifndef UNIT_FOLDER_H
#define UNIT_FOLDER_H

#include <stddef.h>

struct folder {
    char path[64];
};

void folder_make(struct folder *f);   /* aborts when it cannot */
void folder_remove(struct folder *f); /* with all that lies in it */
/* The full name of a file in it, in a buffer that the fourth later call overwrites. */
const char *folder_file(const struct folder *f, const char *name);
/* Makes missing folders of the name too. */
void folder_write(const struct folder *f, const char *name, const void *bytes, size_t n);
void folder_puts(const struct folder *f, const char *name, const char *text);

#endif
