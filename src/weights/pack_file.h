/* SPDX-License-Identifier: MIT
 * Model folders with packed weights: the published layout, except that packed matrices are U8
 * tensors [strips][bytes of a strip] in memory order (kernels/packed.h), and that the safetensors
 * file has a metadata block:
 *   phiscope_packed  "2", the version of the layout and of the choice of types per matrix
 *   phiscope_form    "q8" or "q4"
 *   source_sha256    of the names and data of the tensors that were packed, in name order */
#ifndef WEIGHTS_PACK_FILE_H
#define WEIGHTS_PACK_FILE_H

#include "weights/bind.h"

/* The form of a folder's tensors; FORM_F32 without the metadata block. Errors: UNSUPPORTED for
 * another version, MODEL for a form that does not exist. */
int pack_file_form(const struct weights *w, enum weights_form *ret_form, struct phi3v_error *err);
/* Writes dir/model.safetensors. source is the files that mw was bound to and packed from. Errors:
 * ARGUMENT (mw is not packed, or was packed already in its files), IO, MEMORY. */
int pack_file_write(const struct model_weights *mw, const struct config *c,
                    const struct weights *source, const char *dir, struct phi3v_error *err);

#endif
