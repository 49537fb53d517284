/* SPDX-License-Identifier: MIT
 * Prompts: texts and pictures of the public API to one token sequence of a model. */
#ifndef ENGINE_PROMPT_H
#define ENGINE_PROMPT_H

#include "engine/model.h"
#include "engine/sequence.h"

struct phi3v_prompt {
    const struct phi3v_model *model; // whose it is; not dereferenced after prompt_new_*
    struct sequence seq;
    size_t n_open; // how many of the last ids are an open turn's answer so far
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
