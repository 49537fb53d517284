/* SPDX-License-Identifier: MIT
 * A whole token sequence with its pictures, as prompts and KV caches hold one. */
#ifndef ENGINE_SEQUENCE_H
#define ENGINE_SEQUENCE_H

#include "engine/picture.h"

struct sequence {
    int32_t *ids;  // [n] token id, or -k for a row of slots[k-1]
    int32_t *rows; // [n] the feature row of a picture's position; 0 for tokens
    size_t n, cap;
    struct slot *slots; // [n_slots]
    int n_slots;
};

void sequence_fini(struct sequence *s);
/* Takes ids (mem_free, also on failure), numbers the picture rows and takes a reference to each
 * slot's picture. A picture's positions must be whole repetitions of its rows. Errors: PROMPT
 * (names the bad id), MEMORY. */
int sequence_build(int32_t *ids, size_t n, const struct slot *slots, int n_slots, int n_vocab,
                   struct sequence *ret, struct phi3v_error *err);
/* Copies it, with room for `extra` more tokens. */
int sequence_copy(const struct sequence *s, size_t extra, struct sequence *ret,
                  struct phi3v_error *err);
/* Makes room for `extra` more tokens. */
int sequence_reserve(struct sequence *s, size_t extra, struct phi3v_error *err);
void sequence_push(struct sequence *s, int32_t id); /* into reserved room */
/* The length of the common prefix; picture rows are equal when the pictures' contents are. */
size_t sequence_common(const struct sequence *a, const struct sequence *b);

#endif
