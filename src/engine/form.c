/* SPDX-License-Identifier: MIT */
#include "engine/form.h"

#include <string.h>

static const char *const names[] = {"f32", "bf16", "q8", "q4"};

enum { SMALL_BYTES = 1 << 30 }; /* stored: f32 arithmetic on so few weights is fast enough */

const char *form_name(enum weights_form form) { return names[form]; }

int form_from_name(const char *name, bool *ret_auto, enum weights_form *ret_form,
                   struct phi3v_error *err)
{
    *ret_auto = !strcmp(name, "auto");
    *ret_form = FORM_F32;
    if (*ret_auto) return 0;
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *ret_form = (enum weights_form)i;
        return 0;
    }
    return err_set(err, PHI3V_E_ARGUMENT,
                   "dtype is \"%.40s\"; allowed is auto, f32, bf16, q8 or q4", name);
}

int vision_form_from_name(const char *name, bool *ret_auto, enum weights_form *ret_form,
                          struct phi3v_error *err)
{
    if (strcmp(name, "q4") != 0 && !form_from_name(name, ret_auto, ret_form, NULL)) return 0;
    return err_set(err, PHI3V_E_ARGUMENT,
                   "vision dtype is \"%.40s\"; allowed is auto, f32, bf16 or q8", name);
}

enum weights_form form_for(const struct model_weights *mw, size_t free_bytes, size_t kv_bytes)
{
    if (mw->bytes <= SMALL_BYTES) return FORM_F32;
    double q8 = (double)mw->n_params * 8.5 / 8;
    return q8 + (double)kv_bytes <= 0.9 * (double)free_bytes ? FORM_Q8 : FORM_Q4;
}
