/* SPDX-License-Identifier: MIT
 * A whole token sequence with its pictures: what a prompt is, and what a session's cache holds. */
#ifndef ENGINE_SEQUENCE_H
#define ENGINE_SEQUENCE_H

#include "engine/picture.h"

struct sequence {
    int32_t *ids;  // [n] token id, or -k for a row of slots[k-1]
    int32_t *rows; // [n] which feature row a picture position is, 0 for tokens
    size_t n, cap;
    struct slot *slots; // [n_slots]
    int n_slots;
};

void sequence_fini(struct sequence *s);
/* Takes ids (mem_free) and numbers the picture rows; slots are shared (one more owner each). Every
 * picture's positions must be whole repetitions of its rows. Errors: PROMPT (a bad id, named),
 * MEMORY. On failure ids are freed too. */
int sequence_build(int32_t *ids, size_t n, const struct slot *slots, int n_slots, int n_vocab,
                   struct sequence *ret, struct phi3v_error *err);
/* A copy with room for `extra` more tokens. */
int sequence_copy(const struct sequence *s, size_t extra, struct sequence *ret,
                  struct phi3v_error *err);
/* Room for `extra` more tokens behind the n there are. */
int sequence_reserve(struct sequence *s, size_t extra, struct phi3v_error *err);
void sequence_push(struct sequence *s, int32_t id); /* reserved before */
/* Positions, from 0, that are equal: same token, or same row of a picture of the same content. */
size_t sequence_common(const struct sequence *a, const struct sequence *b);

#endif
