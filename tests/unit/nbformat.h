/* SPDX-License-Identifier: GPL-3.0-or-later
 * The structural rules of nbformat 4.5, strictly: nothing is repaired. */
#ifndef UNIT_NBFORMAT_H
#define UNIT_NBFORMAT_H

#include <jansson.h>

/* NULL when the notebook is valid, else what is wrong (static text). */
const char *nbformat_fault(const json_t *notebook);

#endif
