/* SPDX-License-Identifier: MIT
 * Files that are being written. Each is written under a separate name beside the final one, or
 * without a name if the system supports that, and moved when it is complete. It stays locked until
 * it is closed, which tells it from a file whose program was killed. */
#ifndef COMMON_PART_H
#define COMMON_PART_H

#include <stdbool.h>

struct part {
    int fd;
    char *name;  // its name until it is moved: PATH.part and eight hexadecimal digits
    bool named;  // it already has that name
    bool locked; // some file systems have no locks
};

/* Opens a new empty file for `path`, for reading and appending; the umask applies to the mode.
 * False: errno says why. */
bool part_open(struct part *p, const char *path, unsigned mode);
/* Syncs the file and moves it to `path`; it stays open and locked. False: errno says why. */
bool part_move(struct part *p, const char *path);
/* Allowed even if part_open failed. A file that was not moved is deleted. */
void part_close(struct part *p);

/* Whether a file's name is that of a part. */
bool part_is_name(const char *name);
/* Removes parts that nobody is writing: those of the file, or all in the folder. */
void parts_tidy_of(const char *path);
void parts_tidy_in(const char *folder);
/* Whether a plain file's program has ended: nobody holds its lock any more. We take a shared lock,
 * since others may be checking, too. If so, `remove` deletes the file. `folder` is as for openat. */
bool file_is_left(int folder, const char *name, bool remove);

#endif
