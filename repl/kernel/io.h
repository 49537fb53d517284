/* SPDX-License-Identifier: GPL-3.0-or-later
 * The kernel's sockets, on a thread of their own: heartbeats are echoed and control requests answered
 * at once, also while a cell runs; requests of the shell wait in a queue for the thread that has the
 * notebook. */
#ifndef KERNEL_IO_H
#define KERNEL_IO_H

#include "kernel/wire.h"

struct io;

struct io_host {
    /* Stops the cell that runs; called on the sockets' thread. */
    void (*interrupt)(void *user);
    json_t *(*kernel_info)(void *user); /* the reply's content; called on both threads */
    void *user;
};

/* Binds all sockets and starts the thread. Errors: IO (an address that cannot be had). */
int io_new(const struct wire_connection *c, const struct io_host *host, struct io **ret,
           struct phi3v_error *err);
void io_free(struct io *io); /* what was sent goes out first, for a second at most */

/* The next request of the shell; false: the kernel is to end. wait: until there is one; else
 * *ret_any says whether there was. The caller frees it. */
bool io_next(struct io *io, bool wait, bool *ret_any, struct request *ret);

/* Takes content. */
void io_reply(struct io *io, const struct request *to, json_t *content);
void io_publish(struct io *io, const char *type, json_t *content, const struct request *parent);
void io_status(struct io *io, const char *state, const struct request *parent);

#endif
