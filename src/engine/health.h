/* SPDX-License-Identifier: MIT
 * What a bug report should say about the machine and the model. */
#ifndef ENGINE_HEALTH_H
#define ENGINE_HEALTH_H

#include "engine/model.h"
#include "phi3v_tools.h"

/* These implement phi3v_cpu_levels, phi3v_libraries and phi3v_model_health. */
void health_cpu_levels(phi3v_level_fn fn, void *user);
void health_libraries(phi3v_library_fn fn, void *user);
int health_of_model(const struct phi3v_model *m, struct phi3v_model_health *ret,
                    struct phi3v_error *err);

#endif
