/* SPDX-License-Identifier: MIT
 * The set of ids that a constraint allows: one bit per id. */
#ifndef ENGINE_ALLOWED_H
#define ENGINE_ALLOWED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t allowed_words(int n_vocab) { return ((size_t)n_vocab + 31) / 32; }

/* With allowed NULL every id is allowed. */
static inline bool is_allowed(const uint32_t *allowed, int32_t id)
{
    return !allowed || (allowed[id / 32] >> (id % 32) & 1);
}

static inline void allow_id(uint32_t *allowed, int32_t id, bool yes)
{
    uint32_t bit = UINT32_C(1) << (id % 32);
    allowed[id / 32] = yes ? allowed[id / 32] | bit : allowed[id / 32] & ~bit;
}

#endif
