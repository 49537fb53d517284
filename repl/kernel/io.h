/* SPDX-License-Identifier: GPL-3.0-or-later
 * The kernel's sockets, on their own thread. It echoes heartbeats and answers control requests at
 * once, even while a cell runs; shell requests wait in a queue for the notebook's thread. Until that
 * takes the first one, kernel_info requests are answered here. */
#ifndef KERNEL_IO_H
#define KERNEL_IO_H

#include "kernel/wire.h"

struct io;

struct io_host {
    /* Stops the running cell; called on the sockets' thread. */
    void (*interrupt)(void *user);
    json_t *(*kernel_info)(void *user); /* the reply's content; called on both threads */
    void *user;
};

/* Binds all sockets and starts the thread. Errors: IO (an address cannot be bound). */
int io_new(const struct wire_connection *c, const struct io_host *host, struct io **ret,
           struct phi3v_error *err);
void io_free(struct io *io); /* waits for unsent messages, for at most a second */

/* Gets the next shell request, which the caller frees; false when the kernel must end. Without
 * `wait`, *ret_any says whether there was one. */
bool io_next(struct io *io, bool wait, bool *ret_any, struct request *ret);

/* Takes content. */
void io_reply(struct io *io, const struct request *to, json_t *content);
void io_publish(struct io *io, const char *type, json_t *content, const struct request *parent);
void io_status(struct io *io, const char *state, const struct request *parent);

#endif
