/* SPDX-License-Identifier: MIT
 * The error of this folder that needs no words of its own. */
#ifndef NET_ERROR_H
#define NET_ERROR_H

#include "common/text.h"

/* "not enough memory to fetch SOURCE" */
int net_fail_memory(struct phi3v_error *err, const char *source);

#endif
