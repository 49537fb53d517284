/* SPDX-License-Identifier: MIT */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <time.h>

double now_s(void); /* seconds of a clock that only goes forward */
/* The time on a clock so many milliseconds from now, to wait until. */
struct timespec clock_after(clockid_t clock, int ms);

#endif
