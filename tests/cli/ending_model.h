/* SPDX-License-Identifier: GPL-3.0-or-later
 * The golden models never end an answer by themselves. A copy of one with two rows of its output
 * layer exchanged says
 * <|end|> where the original says some other token. */
#ifndef CLI_ENDING_MODEL_H
#define CLI_ENDING_MODEL_H

#include <stdint.h>

/* Copies the folder `from` to `to` and exchanges the output rows of ids a and b. 0, or -1 with a
 * note. */
int ending_model(const char *from, const char *to, int32_t a, int32_t b);

#endif
