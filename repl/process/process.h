/* SPDX-License-Identifier: GPL-3.0-or-later
 * Runs an installed program that reads bytes and writes others. It is started with an argument
 * vector, never by a shell, and limited in time, memory and output. */
#ifndef PROCESS_PROCESS_H
#define PROCESS_PROCESS_H

#include "common/text.h"

struct process_limits {
    double seconds;      // of wall time, and of CPU time
    bool while_silent;   // the wall time starts again with each piece of output
    size_t memory_bytes; // of its address space
    size_t output_bytes; // of standard output
    bool (*stopped)(void *user);
    void *user;
};

enum process_end {
    PROCESS_FINE,
    PROCESS_MISSING, /* there is no such program */
    PROCESS_LATE,    /* it took too long */
    PROCESS_TOO_MUCH,
    PROCESS_FAILED /* it ended with a status other than 0, or by a signal */
};

struct process_result {
    enum process_end end;
    struct text out;
    char first_words[200]; // the first line of standard error
};

/* argv begins with the program's name, which is searched in PATH, and ends with NULL. in_fd becomes
 * standard input. Errors: CANCELLED, MEMORY, IO (no process can be started); then there is no
 * result. */
int process_run(const char *const *argv, int in_fd, const struct process_limits *limits,
                struct process_result *ret, struct phi3v_error *err);

#endif
