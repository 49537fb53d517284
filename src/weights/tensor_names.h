/* SPDX-License-Identifier: MIT
 * Names of tensors that a training program has wrapped: the same model with longer names. */
#ifndef WEIGHTS_TENSOR_NAMES_H
#define WEIGHTS_TENSOR_NAMES_H

#include <stddef.h>

/* Removes from a dotted name the parts that PyTorch's wrappers add ("module", "_orig_mod", …), in
 * place. */
void tensor_names_unwrap(char *name);
/* The length of the part before `end` when `name` is "PREFIX.END"; 0 otherwise. */
size_t tensor_names_prefix(const char *name, const char *end);
/* If a name shows that weights are quantised or that an adapter was not merged, what to say about
 * it; else NULL. */
const char *tensor_names_tell(const char *name);

#endif
