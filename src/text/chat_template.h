/* SPDX-License-Identifier: MIT
 * Prompts: the chat template and image slots (phi3v.md 10), to ids with placeholders -n. */
#ifndef TEXT_CHAT_TEMPLATE_H
#define TEXT_CHAT_TEMPLATE_H

#include "text/tokenizer.h"

/* One turn; tags <|image_k|> in a user's text count within the turn. */
struct chat_turn {
    const char *role;
    const char *text;
    int n_images;       // of this turn
    const int32_t *ids; // exact answer ids instead of text, or NULL
    size_t n_ids;
    bool open; // last assistant turn, to be continued
};

/* Formatted string -> ids; image_tokens[k] rows for picture k+1. n_images 0: tags are ordinary
 * text. stop: may be NULL. Errors: PROMPT (set of tags is not 1 … n_images, names the tag), MEMORY,
 * CANCELLED. */
int chat_template_raw(const struct tokenizer *t, const char *text, size_t n_bytes,
                      const int *image_tokens, int n_images, struct stop *stop, struct ids *ret_ids,
                      struct phi3v_error *err);
/* Template over turns; special tokens in turn texts are ordinary text (tags of this turn's pictures
 * excepted), pictures numbered across turns. image_tokens: of all turns' pictures in order. A tag
 * may be used twice (the rows repeat). The ids equal chat_template_raw of the template string wherever the
 * texts hold no special tokens and ids is NULL. */
int chat_template_turns(const struct tokenizer *t, const struct chat_turn *turns, int n_turns,
                        const int *image_tokens, struct stop *stop, struct ids *ret_ids,
                        struct phi3v_error *err);

#endif
