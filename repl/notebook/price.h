/* SPDX-License-Identifier: MIT
 * What reading costs here: seconds for a crop and for a row of a prompt. Learnt from all that is
 * computed and kept between runs by model, device and dtype; where nothing is known yet, a trial
 * of at most a fifth of a second tells. */
#ifndef NOTEBOOK_PRICE_H
#define NOTEBOOK_PRICE_H

#include "phi3v.h"

struct price {
    double s_per_crop; // 0: not known
    double s_per_row;  // of a prompt, at its beginning; rows behind many others cost more
};

/* What rows from … to-1 of a prompt are worth, in rows at its beginning. */
double price_rows(const struct phi3v_model_info *info, double from, double to);
/* Seconds until that is read; 0: not known. */
double price_s(const struct price *p, const struct phi3v_model_info *info, int n_crops, double from,
               double to);
/* What was computed just now counts the more, the more it was. */
void price_learn(struct price *p, const struct phi3v_model_info *info,
                 const struct phi3v_timing *timing);
/* Measures what is not known yet, in a session of its own. */
void price_try(struct price *p, phi3v_model *model);

/* In the folder's file of all models' prices; dir NULL: nowhere. */
void price_recall(struct price *p, const struct phi3v_model_info *info, const char *dir);
void price_keep(const struct price *p, const struct phi3v_model_info *info, const char *dir);

/* "0.24 s", "14 s", "1:25" */
enum { DURATION_BYTES = 32 };
const char *duration_text(double seconds, char to[DURATION_BYTES]);

#endif
