/* SPDX-License-Identifier: GPL-3.0-or-later
 * Messages of the Jupyter protocol (5.5) as signed frames. Names and rules are those of the
 * protocol's documentation (jupyter_client, "Messaging in Jupyter"). */
#ifndef KERNEL_WIRE_H
#define KERNEL_WIRE_H

#include "common/json.h"

/* The contents of the connection file. */
struct wire_connection {
    char *transport, *ip, *key;
    int shell_port, control_port, iopub_port, stdin_port, hb_port;
};
/* Errors: IO (cannot be read, not a connection file), UNSUPPORTED (another signature scheme). */
int wire_connection_read(const char *path, struct wire_connection *ret, struct phi3v_error *err);
void wire_connection_fini(struct wire_connection *c);
/* "tcp://127.0.0.1:5000" or "ipc:///path-1"; the caller frees. */
char *wire_address(const struct wire_connection *c, int port);

struct frame {
    char *bytes;
    size_t n;
};
struct frames {
    struct frame *v;
    size_t n;
};
void frames_add(struct frames *f, const void *bytes, size_t n);
void frames_free(struct frames *f);
/* Receives a whole message. Returns 0, or -1 when there is none or the socket is closed. */
int frames_receive(void *socket, int flags, struct frames *ret);
int frames_send(void *socket, const struct frames *f);

struct request {
    struct frames ids; // the sender's identities, to which the reply goes
    char *header;      // its bytes, which become the parent header of every reply
    char *type;
    json_t *content, *metadata;
};

/* Signs messages with the connection's key, and remembers signatures it has seen. Only one thread
 * may read; another may write. */
struct wire;
struct wire *wire_new(const char *key);
void wire_free(struct wire *w);
/* Parses a message. Returns false when it is malformed, not signed with the key, or was seen
 * before; such a message is dropped without a reply. */
bool wire_read(struct wire *w, const struct frames *f, struct request *ret);
void request_free(struct request *r);
/* Makes a message from identities (of a request, or one topic), type, content (taken), and the
 * request that it belongs to (NULL: none). */
void wire_make(const struct wire *w, const struct frames *ids, const char *type, json_t *content,
               const struct request *parent, struct frames *ret);

#endif
