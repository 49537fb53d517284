/* SPDX-License-Identifier: MIT
 * Turns a typed prompt into what the model is asked. */
#ifndef NOTEBOOK_PROMPT_H
#define NOTEBOOK_PROMPT_H

#include "notebook/core.h"

/* Turns the prompt of cell i into the text that is sent and the pictures it takes: @ references are
 * loaded and replaced, {Out[n]} is pasted; without references and tags the staged pictures go
 * first, one per line. Sets text, images and num_crops of the cell. On any error nothing has
 * changed, except that pictures may have been added at the end. */
int prompt_expand(struct notebook *nb, int i, const struct inherited *s, struct phi3v_error *err);

/* Builds what is sent for cell i: the system turn, the answered cells above if it sees them, and
 * the cell itself; go_on: with its answer so far, left open. Loads pictures that are not loaded
 * yet. */
int prompt_build(struct notebook *nb, int i, const struct settings *s, bool go_on,
                 struct question *ret, struct phi3v_error *err);
/* The same for a new cell about these pictures whose text is not known yet. It does not wait for
 * pictures that are not loaded yet, but returns PHI3V_E_IMAGE. */
int prompt_build_ahead(struct notebook *nb, const struct inherited *s, struct question *ret,
                       struct phi3v_error *err);
/* The pictures of the prompt of cell i in order, as indices. Errors: MEMORY. */
int prompt_images(const struct notebook *nb, int i, const struct settings *s, struct int_list *ret,
                  struct phi3v_error *err);

#endif
