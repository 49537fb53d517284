/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the files of the driver share. */
#ifndef CLI_DRIVE_PARTS_H
#define CLI_DRIVE_PARTS_H

#include <sys/types.h>

void drive_die(const char *what);
double drive_now_s(void);
/* In a child: becomes the program, in an environment of its own and what env changes of it. */
void drive_become(const char *const *words, const char *const *env);
/* The exit status, -1 after a signal or when it had to be killed at `until`. */
int drive_wait(pid_t pid, double until);

#endif
