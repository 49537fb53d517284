/* SPDX-License-Identifier: MIT
 * Turns prompts into ids: the chat template, and placeholders -n for pictures (docs/model.md,
 * Prompts). */
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

/* Formatted string -> ids, with image_tokens[k] rows for picture k+1. If n_images is 0, tags are
 * ordinary text. stop may be NULL. Errors: PROMPT (the tags are not 1 … n_images; names the tag),
 * MEMORY, CANCELLED. */
int chat_template_raw(const struct tokenizer *t, const char *text, size_t n_bytes,
                      const int *image_tokens, int n_images, struct stop *stop, struct ids *ret_ids,
                      struct phi3v_error *err);
/* Applies the template to turns. Special tokens in their texts are ordinary text, except the tags
 * of the turn's pictures; pictures are numbered across turns. image_tokens has the rows of all
 * turns' pictures in order. A tag may be used twice, which repeats the rows. Without special tokens
 * in the texts, and without ids, the result equals chat_template_raw of the template string. */
int chat_template_turns(const struct tokenizer *t, const struct chat_turn *turns, int n_turns,
                        const int *image_tokens, struct stop *stop, struct ids *ret_ids,
                        struct phi3v_error *err);

#endif
