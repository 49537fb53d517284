/* SPDX-License-Identifier: MIT
 * What an engine is asked, in the form in which it takes it. */
#ifndef NOTEBOOK_QUESTION_H
#define NOTEBOOK_QUESTION_H

#include <jansson.h>

#include "phi3v.h"

struct question {
    phi3v_prompt *prompt; // for a model on this machine; else NULL, and
    json_t *messages;     // text and pictures as chat servers take them
    phi3v_image **images; // [n_images] in the order in which they stand there
    int n_images;
    int64_t n_tokens; // 0: not known
};

void question_fini(struct question *q);

#endif
