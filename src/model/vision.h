/* SPDX-License-Identifier: MIT
 * The vision tower and what follows it: crops of one picture to its feature rows (docs/model.md,
 * Vision tower, Projection). */
#ifndef MODEL_VISION_H
#define MODEL_VISION_H

#include "model/project.h"

/* crops fit the config (the engine sees to that); an empty grid leaves the global view. Work memory
 * is taken for the call. *f: NULL, or what an earlier call for the same crops has left unfinished.
 * On success it is finished; on an error it holds the crops done so far, or is NULL.
 * project_features_free. Errors: MEMORY, CANCELLED. */
int vision_encode(const struct config *c, const struct model_weights *w, struct ops *o,
                  const struct crop_source *crops, struct features **f, struct phi3v_error *err);

#endif
