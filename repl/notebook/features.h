/* SPDX-License-Identifier: MIT
 * Pictures' features on disk, so that another run need not encode what this one has. A file's name is
 * a digest of all that decides its content, and the library refuses what does not fit: an answer is
 * the same with and without. Nothing here fails: without the files pictures are encoded. */
#ifndef NOTEBOOK_FEATURES_H
#define NOTEBOOK_FEATURES_H

#include "notebook/core.h"

/* Takes what is kept of a picture into the model's cache, before it would be encoded. */
void features_recall(struct notebook *nb, const phi3v_image *image, int num_crops);
/* The same for all pictures that cell i sees. */
void features_recall_for(struct notebook *nb, int i);
/* There is a file of them. */
bool features_are_kept(struct notebook *nb, const phi3v_image *image, int num_crops);
/* Keeps the features of the cell's own pictures; the oldest files go where there are too many. */
void features_keep(struct notebook *nb, int i);

/* How many files there are, and their bytes. */
void features_count(const struct notebook *nb, int *ret_files, double *ret_bytes);
/* Removes all of them. */
void features_clear(const struct notebook *nb);

#endif
