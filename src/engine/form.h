/* SPDX-License-Identifier: MIT
 * --dtype: in which form the weights are kept and multiplied on the CPU. */
#ifndef ENGINE_FORM_H
#define ENGINE_FORM_H

#include <stdbool.h>

#include "weights/bind.h"

const char *form_name(enum weights_form form); /* "f32", "bf16", "q8", "q4" */
/* *ret_auto: the name is "auto", and *ret_form what that means without weights. Error ARGUMENT for
 * other words. */
int form_from_name(const char *name, bool *ret_auto, enum weights_form *ret_form,
                   struct phi3v_error *err);
/* The same for vision tower and projector, which take no 4 bits. */
int vision_form_from_name(const char *name, bool *ret_auto, enum weights_form *ret_form,
                          struct phi3v_error *err);
/* What auto takes for stored weights: exact f32 for small models; else 8 bits, or 4 where memory is
 * short. kv_bytes: of the shortest context worth having. */
enum weights_form form_for(const struct model_weights *mw, size_t free_bytes, size_t kv_bytes);

#endif
