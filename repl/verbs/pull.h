/* SPDX-License-Identifier: GPL-3.0-or-later
 * What other verbs need of pull. */
#ifndef VERBS_PULL_H
#define VERBS_PULL_H

#include "verbs/options.h"

/* At a terminal, when the chosen model is one of the hub and not here: offers to pull it. 0 means
 * go on, whatever was answered. Errors: as hub_pull. */
int pull_offer(const struct options *opt, struct phi3v_error *err);

#endif
