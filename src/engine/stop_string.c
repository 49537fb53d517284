/* SPDX-License-Identifier: MIT */
#include "engine/stop_string.h"

#include <string.h>

/* Whether text from `at` on is a stop string or, where text ends early, may become one. */
static bool begins_here(const char *stop, const char *text, size_t n, size_t at, bool *ret_whole)
{
    size_t len = strlen(stop), left = n - at;
    *ret_whole = len <= left;
    return !memcmp(stop, text + at, *ret_whole ? len : left);
}

bool stop_string_find(const char *const *stops, const char *text, size_t n, size_t from,
                      size_t *ret_end)
{
    size_t held = n; // where a match may begin at the earliest
    for (size_t at = from; at < n && stops; at++) {
        for (const char *const *stop = stops; *stop; stop++) {
            bool whole;
            if (!begins_here(*stop, text, n, at, &whole)) continue;
            if (whole) {
                *ret_end = at;
                return true;
            }
            if (held == n) held = at;
        }
    }
    *ret_end = held;
    return false;
}
