/* SPDX-License-Identifier: MIT
 * Files in the making. Each is written under a name of its own beside the one it is to have, or
 * without a name where the system can do that, and moved when it is whole. It is locked until it
 * is closed, so that a file whose program was killed can be told from one that somebody writes. */
#ifndef COMMON_PART_H
#define COMMON_PART_H

#include <stdbool.h>

struct part {
    int fd;
    char *name;  // it has, or gets, until it is moved: PATH.part and eight hexadecimal digits
    bool named;  // it has that name already
    bool locked; // some file systems have no locks
};

/* A new empty file for `path`, open for reading and for appending; the mode is cut by the umask.
 * False: errno says why. */
bool part_open(struct part *p, const char *path, unsigned mode);
/* Puts it onto the disk and in the place of `path`, where it stays open and locked. False: errno
 * says why. */
bool part_move(struct part *p, const char *path);
/* Also of one that could not be opened. What was not moved is gone. */
void part_close(struct part *p);

/* Whether a file's name is that of a part. */
bool part_is_name(const char *name);
/* Removes the parts that nobody is writing: of the file, of all files of the folder. */
void parts_tidy_of(const char *path);
void parts_tidy_in(const char *folder);

#endif
