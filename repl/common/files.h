/* SPDX-License-Identifier: MIT
 * Whole files: read up to a limit, and written so that a crash leaves either the old or the new
 * file. */
#ifndef COMMON_FILES_H
#define COMMON_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text.h"

/* Reads the whole file ("-": standard input); a NUL follows its n bytes. Errors: IO (what, why,
 * larger than max_bytes), MEMORY. */
int load_file(const char *path, size_t max_bytes, char **ret_bytes, size_t *ret_n,
              struct phi3v_error *err);

/* Writes a file beside the old one and renames it. A symbolic link is kept and its target replaced.
 * An old file's mode is kept; a new one gets `mode` (less the umask). Parts left by killed programs
 * are removed. Errors: IO, MEMORY. */
int store_file(const char *path, const char *bytes, size_t n, unsigned mode,
               struct phi3v_error *err);

/* Writes all bytes into an open file; on failure errno says why. */
bool write_all(int fd, const char *bytes, size_t n);

/* A file's identity and state, to tell later whether it has changed. */
struct file_mark {
    bool there;
    long long size, seconds, nanoseconds;
    unsigned long long device, inode;
};
struct file_mark file_mark(const char *path);
bool file_mark_same(const struct file_mark *a, const struct file_mark *b);

/* $VAR/phiscope or ~/DEFAULT/phiscope for the XDG kind ("XDG_STATE_HOME", ".local/state"), created
 * if absent (0700). NULL when there is no home. */
char *xdg_dir(const char *variable, const char *fallback);
/* A path with a leading ~ or ~/ replaced by the home directory; NULL without memory. */
char *expand_home(const char *path);
bool is_plain_file(const char *path); /* a leading ~ is expanded */
/* Whether a file's name has this ending, in either case, and something before it. */
bool has_ending(const char *path, const char *ending);

#endif
