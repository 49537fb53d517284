/* SPDX-License-Identifier: MIT
 * From the tower's crops to the rows of a prompt: 2x2 merge, tiles arranged as one picture with row
 * separators, global view behind it, projection into the decoder's space (phi3v.md 6). */
#ifndef MODEL_PROJECT_H
#define MODEL_PROJECT_H

#include "model/ops.h"
#include "weights/bind.h"

struct features {
    int n_rows, hidden;
    float *data; // [n_rows][hidden]
};

/* n_rows x hidden, contents undefined; error MEMORY. Freed with project_features_free. */
int project_features_new(int n_rows, int hidden, struct features **ret, struct phi3v_error *err);
void project_features_free(struct features *f);

/* tower: [n][1 + patches][C], crops first_crop … of the picture; their cells go to their rows of
 * merged [config_image_tokens][4C]. */
void project_merge(const struct config *c, const struct crop_plan *plan, const float *tower,
                   int first_crop, int n, float *merged);
void project_separators(const struct config *c, const struct model_weights *w,
                        const struct crop_plan *plan, float *merged);
/* hidden: [n_rows][H] scratch. */
void project_run(const struct model_weights *w, struct ops *o, const float *merged, float *hidden,
                 struct features *f);

#endif
