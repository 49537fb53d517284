/* SPDX-License-Identifier: MIT
 * --dtype, --vision-dtype and --kv: the number formats in which weights, keys and values are kept
 * and multiplied. */
#ifndef ENGINE_WEIGHT_FORM_H
#define ENGINE_WEIGHT_FORM_H

#include <stdbool.h>

#include "phi3v.h"
#include "weights/bind.h"

/* What the options ask for; with "auto", `form` is FORM_F32 and `type` is KV_F32. */
struct wanted_form {
    bool automatic;
    enum weights_form form;
};
struct wanted_kv {
    bool automatic;
    enum kv_type type;
};
struct wanted_forms {
    struct wanted_form weights;
    struct wanted_form vision; // of tower and projector, which have no 4-bit form
    struct wanted_kv kv;
};

/* Error ARGUMENT for a name that is not among the known ones. */
int wanted_forms_from_options(const struct phi3v_model_options *opt, struct wanted_forms *ret,
                              struct phi3v_error *err);

const char *weight_form_name(enum weights_form form); /* "f32", "bf16", "q8", "q4" */
const char *kv_type_name(enum kv_type type);          /* "f32", "f16", "q8", "bf16" */

/* What "auto" means for stored weights: exact f32 for small models, else q8, or q4 when memory is
 * short. kv_bytes is what the shortest useful context needs. */
enum weights_form weight_form_for(const struct model_weights *mw, size_t free_bytes,
                                  size_t kv_bytes);

#endif
