/* SPDX-License-Identifier: MIT
 * Pictures' features on disk, so that later runs need not encode the pictures again. A file's name
 * is a digest of everything that decides its content, and the library refuses files that do not
 * fit, so answers are the same with and without them. Nothing here fails: without the files,
 * pictures are encoded. */
#ifndef NOTEBOOK_FEATURES_H
#define NOTEBOOK_FEATURES_H

#include "notebook/core.h"

/* Puts the stored features of a picture into the model's cache, before it would be encoded. */
void features_recall(struct notebook *nb, const phi3v_image *image, int num_crops);
/* The same for all pictures that cell i sees. */
void features_recall_for(struct notebook *nb, int i);
/* Whether there is a file of the features. */
bool features_are_kept(struct notebook *nb, const phi3v_image *image, int num_crops);
/* Stores the features of the cell's own pictures; the oldest files are removed when there are too
 * many. */
void features_keep(struct notebook *nb, int i);

/* How many files there are, and their bytes. */
void features_count(const struct notebook *nb, int *ret_files, double *ret_bytes);
/* Removes all of them. */
void features_clear(const struct notebook *nb);

#endif
