/* SPDX-License-Identifier: MIT
 * Decodes a picture on a separate thread: some libraries decode in one call that cannot be stopped
 * (HEIC, AVIF), and a person who cancels must not wait for it. */
#ifndef NOTEBOOK_DECODE_THREAD_H
#define NOTEBOOK_DECODE_THREAD_H

#include "net/fetch.h"
#include "notebook/notebook.h"

/* The bytes stay the caller's, unless the work is abandoned and keeps them: then *file is empty and
 * the error is CANCELLED. `opt` has no stop. Errors: IMAGE, ARGUMENT, CANCELLED, MEMORY. */
int decode_picture(struct fetched *file, const struct phi3v_image_options *opt,
                   const struct nb_front *front, phi3v_image **ret, struct phi3v_error *err);

/* Waits for abandoned work; call it before the program ends. */
void decode_finish(void);

#endif
