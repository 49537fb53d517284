/* SPDX-License-Identifier: GPL-3.0-or-later
 * Messages of the Jupyter protocol (5.5) as frames: signed, checked, sent. Names and rules are those
 * of the protocol's own documentation (jupyter_client, "Messaging in Jupyter"). */
#ifndef KERNEL_WIRE_H
#define KERNEL_WIRE_H

#include "common/json.h"

/* What the connection file says. */
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
/* A whole message of a socket. 0, or -1 when there is none (or the socket is gone). */
int frames_receive(void *socket, int flags, struct frames *ret);
int frames_send(void *socket, const struct frames *f);

/* One request. */
struct request {
    struct frames ids; // who asked, for the reply
    char *header;      // its bytes, which become the parent of every answer
    char *type;
    json_t *content, *metadata;
};

/* Signs with the connection's key, and remembers signatures that were seen. Belongs to one thread
 * for reading; writing may happen on another. */
struct wire;
struct wire *wire_new(const char *key);
void wire_free(struct wire *w);
/* Takes a message apart. false: not signed with the key, seen before, or no message at all; it is
 * dropped without an answer. */
bool wire_read(struct wire *w, const struct frames *f, struct request *ret);
void request_free(struct request *r);
/* Makes a message: identities (of a request, or one topic), type, content (taken), and the request
 * that it belongs to (NULL: none). */
void wire_make(const struct wire *w, const struct frames *ids, const char *type, json_t *content,
               const struct request *parent, struct frames *ret);

#endif
