/* SPDX-License-Identifier: MIT
 * Monotonic time in seconds. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

double clock_s(void);

#endif
