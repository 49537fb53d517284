/* SPDX-License-Identifier: MIT */
#include "engine/weight_form.h"

#include <string.h>

static const char *const forms[] = {"f32", "bf16", "q8", "q4"}; // enum weights_form
static const char *const kv_types[KV_TYPES] = {
    [KV_F32] = "f32", [KV_F16] = "f16", [KV_Q8] = "q8", [KV_BF16] = "bf16"};

enum {
    N_FORMS = sizeof forms / sizeof *forms,
    N_VISION_FORMS = FORM_Q4, /* all forms before it */
    SMALL_BYTES = 1 << 30     /* for up to so many stored bytes f32 arithmetic is fast enough */
};

const char *weight_form_name(enum weights_form form) { return forms[form]; }

const char *kv_type_name(enum kv_type type) { return kv_types[type]; }

/* The index of a name among n; 0 for "auto", -1 for an unknown name. */
static int find_name(const char *const *names, int n, const char *name, bool *ret_auto)
{
    *ret_auto = !strcmp(name, "auto");
    for (int i = 0; i < n; i++)
        if (!strcmp(name, names[i])) return i;
    return *ret_auto ? 0 : -1;
}

int wanted_forms_from_options(const struct phi3v_model_options *opt, struct wanted_forms *ret,
                              struct phi3v_error *err)
{
    struct wanted_forms w;
    int form = find_name(forms, N_FORMS, opt->dtype, &w.weights.automatic);
    int vision = find_name(forms, N_VISION_FORMS, opt->vision_dtype, &w.vision.automatic);
    int kv = find_name(kv_types, KV_TYPES, opt->kv, &w.kv.automatic);
    if (form < 0)
        return err_set(err, PHI3V_E_ARGUMENT,
                       "dtype is \"%.40s\"; allowed is auto, f32, bf16, q8 or q4", opt->dtype);
    if (kv < 0)
        return err_set(err, PHI3V_E_ARGUMENT,
                       "kv is \"%.40s\"; allowed is auto, f32, f16, bf16 or q8", opt->kv);
    if (vision < 0)
        return err_set(err, PHI3V_E_ARGUMENT,
                       "vision dtype is \"%.40s\"; allowed is auto, f32, bf16 or q8",
                       opt->vision_dtype);
    w.weights.form = (enum weights_form)form;
    w.vision.form = (enum weights_form)vision;
    w.kv.type = (enum kv_type)kv;
    *ret = w;
    return 0;
}

enum weights_form weight_form_for(const struct model_weights *mw, size_t free_bytes,
                                  size_t kv_bytes)
{
    if (mw->bytes <= SMALL_BYTES) return FORM_F32;
    double q8 = (double)mw->n_params * 8.5 / 8;
    return q8 + (double)kv_bytes <= 0.9 * (double)free_bytes ? FORM_Q8 : FORM_Q4;
}
