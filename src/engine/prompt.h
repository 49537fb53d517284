/* SPDX-License-Identifier: MIT
 * Prompts: turns the public API's texts and pictures into one token sequence. */
#ifndef ENGINE_PROMPT_H
#define ENGINE_PROMPT_H

#include "engine/model.h"
#include "engine/sequence.h"

struct phi3v_prompt {
    const struct phi3v_model *model; // may be closed already: only compare the pointer
    struct sequence seq;
    size_t n_open; // how many of the last ids are the unfinished answer of an open turn
};

int prompt_new_chat(const struct phi3v_model *m, const struct phi3v_turn *turns, int n_turns,
                    const struct phi3v_prompt_options *opt, struct phi3v_prompt **ret,
                    struct phi3v_error *err);
int prompt_new_raw(const struct phi3v_model *m, const char *text, struct phi3v_image *const *images,
                   int n_images, int num_crops, struct phi3v_prompt **ret, struct phi3v_error *err);
int prompt_new_ids(const struct phi3v_model *m, const int32_t *ids, size_t n,
                   struct phi3v_image *const *images, int n_images, int num_crops,
                   struct phi3v_prompt **ret, struct phi3v_error *err);
void prompt_free(struct phi3v_prompt *p);

#endif
