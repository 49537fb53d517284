/* SPDX-License-Identifier: MIT
 * Strings that end an answer. Text that could be the beginning of one is held back until the next
 * text decides; a match may lie over any token borders. */
#ifndef ENGINE_STOP_STRING_H
#define ENGINE_STOP_STRING_H

#include <stdbool.h>
#include <stddef.h>

/* Looks at text[from … n): bytes before `from` have been given out and are no part of a match.
 * *ret_end: how far text may be given out now. Returns true when a stop string was found; then
 * *ret_end is where the earliest one begins. stops: NULL-terminated list, or NULL. */
bool stop_string_find(const char *const *stops, const char *text, size_t n, size_t from,
                      size_t *ret_end);

#endif
