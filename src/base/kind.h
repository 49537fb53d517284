/* SPDX-License-Identifier: MIT
 * What a file is that is not what its name promises: for the one sentence in which it is refused.
 */
#ifndef BASE_KIND_H
#define BASE_KIND_H

#include <stddef.h>

enum { KIND_TEXT = 300 };

/* "a Git LFS pointer, …: run git lfs pull …" for the bytes at the beginning of a file, written into
 * out; NULL when they are of no kind that is known here. What a server said in place of the file is
 * quoted. */
const char *kind_of_bytes(const void *bytes, size_t n, char out[KIND_TEXT]);

#endif
