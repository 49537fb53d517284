/* SPDX-License-Identifier: MIT
 * Writes an open model as a folder with packed weights. */
#ifndef ENGINE_QUANTIZE_H
#define ENGINE_QUANTIZE_H

#include "engine/model.h"

/* Makes the folder if needed, copies the JSON files and the tokenizer, and writes the weights.
 * Errors: ARGUMENT (not opened as q8 or q4, or opened from packed files), IO, MEMORY. */
int quantize_write(const struct phi3v_model *m, const char *dir, struct phi3v_error *err);

#endif
