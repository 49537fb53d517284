/* SPDX-License-Identifier: GPL-3.0-or-later
 * A program of the system that reads some bytes and writes others: started by its name and an
 * argument vector, never by a shell, and bounded in time, memory and what it may write. */
#ifndef PDF_PROCESS_H
#define PDF_PROCESS_H

#include "common/text.h"

struct process_limits {
    double seconds;      // on the clock, and of computing
    size_t memory_bytes; // of its address space
    size_t output_bytes; // of standard output
    bool (*stopped)(void *user);
    void *user;
};

enum process_end {
    PROCESS_FINE,
    PROCESS_MISSING, /* there is no such program */
    PROCESS_LATE,    /* it took longer than it may */
    PROCESS_TOO_MUCH,
    PROCESS_FAILED /* a status other than 0, or a signal */
};

struct process_result {
    enum process_end end;
    struct text out;
    char first_words[200]; // of standard error, its first line
};

/* argv ends with NULL and begins with the name, which is looked for in PATH. in_fd becomes its
 * standard input. Errors: CANCELLED, MEMORY, IO (no process can be made); then there is no result. */
int process_run(const char *const *argv, int in_fd, const struct process_limits *limits,
                struct process_result *ret, struct phi3v_error *err);

#endif
