/* SPDX-License-Identifier: MIT
 * Names of tensors that a training program has wrapped: the same model, its names longer. */
#ifndef WEIGHTS_TENSOR_NAMES_H
#define WEIGHTS_TENSOR_NAMES_H

#include <stddef.h>

/* Takes the parts that PyTorch's wrappers add ("module", "_orig_mod", …) out of a dotted name, in
 * place. */
void tensor_names_unwrap(char *name);
/* Length of the part of `name` before `end` when the name is "PREFIX.END"; 0 otherwise. */
size_t tensor_names_prefix(const char *name, const char *end);
/* Whether a name shows that weights are quantised, or that an adapter was not merged: what to say
 * of it, or NULL. */
const char *tensor_names_tell(const char *name);

#endif
