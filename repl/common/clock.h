/* SPDX-License-Identifier: MIT
 * Time that only goes forward, in seconds, and ends of waits. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <time.h>

double now_s(void); /* seconds on a monotonic clock */
/* The time on a clock `ms` milliseconds from now, as the end of a wait. */
struct timespec clock_after(clockid_t clock, int ms);

#endif
