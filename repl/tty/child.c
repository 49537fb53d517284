/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tty/child.h"

int child_run(struct term *t, const char *command)
{
    /* Ctrl-Z must stop everything that runs on the terminal, including us. */
    struct sigaction usual = {.sa_handler = SIG_DFL}, ours;
    fflush(NULL);
    enum term_mode mode = term_mode(t, TERM_USUAL);
    sigemptyset(&usual.sa_mask);
    sigaction(SIGTSTP, &usual, &ours);
    int status = system(command);
    sigaction(SIGTSTP, &ours, NULL);
    term_mode(t, mode);
    term_after_others(t);
    return status;
}
