/* SPDX-License-Identifier: MIT
 * Says what a file really is when its contents do not match its name, for the sentence that refuses
 * it. */
#ifndef BASE_KIND_H
#define BASE_KIND_H

#include <stddef.h>

enum { KIND_TEXT = 300 };

/* Describes the bytes at the beginning of a file: "a Git LFS pointer, …: run git lfs pull …".
 * Returns out, or NULL for an unknown kind. Quotes what a server said in place of the file. */
const char *kind_of_bytes(const void *bytes, size_t n, char out[KIND_TEXT]);

#endif
