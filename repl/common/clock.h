/* SPDX-License-Identifier: MIT */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

double now_s(void); /* seconds of a clock that only goes forward */

#endif
