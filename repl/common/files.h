/* SPDX-License-Identifier: MIT
 * Whole files: read with a bound, written so that a crash leaves the old one or the new one. */
#ifndef COMMON_FILES_H
#define COMMON_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text.h"

/* The whole file ("-": standard input), NUL-terminated behind its n bytes. Errors: IO (what, why,
 * larger than max_bytes), MEMORY. */
int load_file(const char *path, size_t max_bytes, char **ret_bytes, size_t *ret_n,
              struct phi3v_error *err);

/* Writes beside the file and renames. A symbolic link stays one: what it points at is replaced. An
 * old file's mode is kept; a new one gets `mode` (less the umask). Parts of the file that a killed
 * program left are removed.
 * Errors: IO, MEMORY. */
int store_file(const char *path, const char *bytes, size_t n, unsigned mode,
               struct phi3v_error *err);

/* All bytes into an open file; errno says why not. */
bool write_all(int fd, const char *bytes, size_t n);

/* What a file looked like, to tell later whether it is still the same. */
struct file_mark {
    bool there;
    long long size, seconds, nanoseconds;
    unsigned long long device, inode;
};
struct file_mark file_mark(const char *path);
bool file_mark_same(const struct file_mark *a, const struct file_mark *b);

/* $VAR/phiscope or ~/DEFAULT/phiscope for the XDG kind ("XDG_STATE_HOME", ".local/state"), made
 * when absent (0700). NULL when there is no home. */
char *xdg_dir(const char *variable, const char *fallback);
/* A path with a leading ~ or ~/ replaced by the home directory; NULL without memory. */
char *expand_home(const char *path);
bool is_plain_file(const char *path); /* ~ is understood */
/* Whether a file's name ends so, in letters of either case, and has something before it. */
bool has_ending(const char *path, const char *ending);

#endif
