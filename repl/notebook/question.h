/* SPDX-License-Identifier: MIT
 * A question in the form that the engine takes. */
#ifndef NOTEBOOK_QUESTION_H
#define NOTEBOOK_QUESTION_H

#include <jansson.h>

#include "phi3v.h"

struct question {
    phi3v_prompt *prompt; // for a model on this machine; otherwise NULL, and
    json_t *messages;     // text and pictures as chat servers take them
    phi3v_image **images; // [n_images] in their order there
    int n_images;
    int64_t n_tokens;     // 0: not known
    const int32_t *draft; // [n_draft] an earlier answer, borrowed; NULL: none
    size_t n_draft;
};

void question_fini(struct question *q);

#endif
