/* SPDX-License-Identifier: MIT
 * What bug reports should say about a machine and a model. */
#ifndef ENGINE_HEALTH_H
#define ENGINE_HEALTH_H

#include "engine/model.h"
#include "phi3v_tools.h"

/* As the calls of the same name in phi3v_tools.h. */
void health_cpu_levels(phi3v_level_fn fn, void *user);
void health_libraries(phi3v_library_fn fn, void *user);
int health_of_model(const struct phi3v_model *m, struct phi3v_model_health *ret,
                    struct phi3v_error *err);

#endif
