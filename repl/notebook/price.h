/* SPDX-License-Identifier: MIT
 * What prefill costs on this machine: seconds per crop and per row of a prompt. Learnt from all
 * that is computed, and kept between runs by model, device and dtype; while nothing is known, a
 * trial of at most a fifth of a second measures it. */
#ifndef NOTEBOOK_PRICE_H
#define NOTEBOOK_PRICE_H

#include "phi3v.h"

struct price {
    double s_per_crop; // 0: not known
    double s_per_row;  // at the beginning of a prompt; rows after many others cost more
};

/* The cost of rows from … to-1 of a prompt, in rows at its beginning. */
double price_rows(const struct phi3v_model_info *info, double from, double to);
/* Seconds to prefill that; 0: not known. */
double price_s(const struct price *p, const struct phi3v_model_info *info, int n_crops, double from,
               double to);
/* Learns from a computation; a longer one counts more. */
void price_learn(struct price *p, const struct phi3v_model_info *info,
                 const struct phi3v_timing *timing);
/* Measures what is not known yet, in a separate session. */
void price_try(struct price *p, phi3v_model *model);

/* Read and write the folder's file of all models' prices; dir NULL: do nothing. */
void price_recall(struct price *p, const struct phi3v_model_info *info, const char *dir);
void price_keep(const struct price *p, const struct phi3v_model_info *info, const char *dir);

/* "0.24 s", "14 s", "1:25" */
enum { DURATION_BYTES = 32 };
const char *duration_text(double seconds, char to[DURATION_BYTES]);

#endif
