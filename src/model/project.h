/* SPDX-License-Identifier: MIT
 * From the tower's crops to the rows of a prompt: 2x2 merge, tiles arranged as one picture with row
 * separators, global view behind it, projection into the decoder's space (docs/model.md,
 * Projection). */
#ifndef MODEL_PROJECT_H
#define MODEL_PROJECT_H

#include <stdbool.h>

#include "model/ops.h"
#include "weights/bind.h"

struct features {
    int n_rows, hidden;
    float *data; // [n_rows][hidden]; NULL: not finished
    /* While they are not finished, what there is of them: */
    float *merged; // [n_rows][width]: the rows of crops that are done
    int width;
    bool *done; // [n_crops]
    int n_crops;
};

/* Of n_crops crops, none done. Error MEMORY. Freed with project_features_free. */
int project_features_new(const struct config *c, const struct model_weights *w,
                         const struct crop_plan *plan, struct features **ret,
                         struct phi3v_error *err);
/* Finished ones, of data [n_rows][hidden]. Error MEMORY. */
int project_features_make(int n_rows, int hidden, const void *data, struct features **ret,
                          struct phi3v_error *err);
void project_features_free(struct features *f);
size_t project_features_bytes(const struct features *f);
int project_features_done(const struct features *f); /* crops; all of them when finished */

/* tower: [n][1 + patches][C], crops first_crop … of the picture; their cells go to their rows of
 * merged [config_image_tokens][4C]. */
void project_merge(const struct config *c, const struct crop_plan *plan, const float *tower,
                   int first_crop, int n, float *merged);
void project_separators(const struct config *c, const struct model_weights *w,
                        const struct crop_plan *plan, float *merged);
/* Finishes features whose crops are done. Errors: MEMORY, CANCELLED. */
int project_run(const struct model_weights *w, struct ops *o, struct features *f,
                struct phi3v_error *err);

#endif
