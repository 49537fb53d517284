/* SPDX-License-Identifier: MIT
 * From a prompt as it was typed to what the model is asked. */
#ifndef NOTEBOOK_PROMPT_H
#define NOTEBOOK_PROMPT_H

#include "notebook/core.h"

/* Turns the prompt of cell i into the text that is sent and the pictures it takes: @ references are
 * loaded and replaced, {Out[n]} pasted; without any reference or tag the staged pictures go first,
 * one a line. Sets text, images and num_crops of the cell. Errors: as they come; nothing has
 * changed then but pictures added at the end. */
int prompt_expand(struct notebook *nb, int i, const struct inherited *s, struct phi3v_error *err);

/* What is sent for cell i: system turn, the answered cells above where it sees them, the cell
 * itself; go_on: with its answer so far, open. Loads pictures that are not there yet. */
int prompt_build(struct notebook *nb, int i, const struct settings *s, bool go_on,
                 struct question *ret, struct phi3v_error *err);
/* What would be sent for a new cell about these pictures whose text is not known yet. Pictures that
 * are not loaded yet are not waited for: PHI3V_E_IMAGE then. */
int prompt_build_ahead(struct notebook *nb, const struct inherited *s, struct question *ret,
                       struct phi3v_error *err);
/* The pictures of that prompt in order, as indices. Errors: MEMORY. */
int prompt_images(const struct notebook *nb, int i, const struct settings *s, struct int_list *ret,
                  struct phi3v_error *err);

#endif
