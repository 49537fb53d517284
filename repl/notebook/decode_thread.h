/* SPDX-License-Identifier: MIT
 * A picture out of a file's bytes, on a thread of its own: some libraries decode in one piece (HEIC,
 * AVIF) and cannot be stopped, and a person who asks for that does not wait for them. */
#ifndef NOTEBOOK_DECODE_THREAD_H
#define NOTEBOOK_DECODE_THREAD_H

#include "net/fetch.h"
#include "notebook/notebook.h"

/* The bytes stay the caller's, unless the work is left behind, which takes them: then *file is empty
 * and the error is CANCELLED. `opt` without stop. Errors: IMAGE, ARGUMENT, CANCELLED, MEMORY. */
int decode_picture(struct fetched *file, const struct phi3v_image_options *opt,
                   const struct nb_front *front, phi3v_image **ret, struct phi3v_error *err);

/* Waits for work that was left behind; before the program ends. */
void decode_finish(void);

#endif
