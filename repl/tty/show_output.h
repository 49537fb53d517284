/* SPDX-License-Identifier: GPL-3.0-or-later
 * The notebook's outputs on the terminal: reports, pictures, answers as they grow, certainty and
 * differences. What is shown, and which pictures are in sight, is kept in struct front. */
#ifndef TTY_SHOW_OUTPUT_H
#define TTY_SHOW_OUTPUT_H

#include "tty/front.h"

void show_output(struct front *f, const struct nb_output *out);
/* Writes "In [n]: " and the prompt of the cell whose answer is shown; nothing outside a cell. */
void show_head(const struct front *f, FILE *file);
/* Frees the pictures next to the answer. */
void show_forget(struct front *f);

#endif
