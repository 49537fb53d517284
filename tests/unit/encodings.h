/* SPDX-License-Identifier: GPL-3.0-or-later
 * Bytes in the encodings that HTTP answers come in, made by hand: stored blocks, which any decoder
 * takes, and a bomb. Each writes into a new buffer (free) and its length. */
#ifndef TESTS_ENCODINGS_H
#define TESTS_ENCODINGS_H

#include <stddef.h>
#include <stdint.h>

enum encoding { ENCODE_NOT, ENCODE_GZIP, ENCODE_ZLIB, ENCODE_DEFLATE, ENCODE_BROTLI };

uint8_t *encode_stored(enum encoding e, const uint8_t *bytes, size_t n, size_t *ret_n);
/* gzip that becomes the beginning of a GIF and n_bytes more, 150 times its own size. */
uint8_t *encode_bomb(size_t n_bytes, size_t *ret_n);

#endif
