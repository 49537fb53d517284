/* SPDX-License-Identifier: MIT
 * Strings that end an answer. Text that could be the beginning of one is held back until later text
 * decides; a match may span several tokens. */
#ifndef ENGINE_STOP_STRING_H
#define ENGINE_STOP_STRING_H

#include <stdbool.h>
#include <stddef.h>

/* Searches text[from … n); bytes before `from` were handed out and belong to no match. *ret_end is
 * how far text may be handed out now. Returns true when a stop string was found; *ret_end is then
 * where the earliest one begins. stops is a NULL-terminated list, or NULL. */
bool stop_string_find(const char *const *stops, const char *text, size_t n, size_t from,
                      size_t *ret_end);

#endif
