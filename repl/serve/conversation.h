/* SPDX-License-Identifier: GPL-3.0-or-later
 * Turns a request's messages into a prompt: fetches and decodes pictures, and applies the chat
 * template. */
#ifndef SERVE_CONVERSATION_H
#define SERVE_CONVERSATION_H

#include <stdatomic.h>

#include "serve/request.h"

/* The memory that all requests together may use for bodies and decoded pictures. */
struct room {
    atomic_size_t held;
    size_t limit;
};
/* A request that exceeds the limit by itself is let in when there is no other. */
bool room_take(struct room *room, size_t n_bytes);
void room_give(struct room *room, size_t n_bytes);

struct conversation {
    phi3v_prompt *prompt;
    size_t n_prompt;     // number of its tokens
    size_t raster_bytes; // taken from the room
};

struct conversation_host { // borrowed
    const phi3v_model *model;
    const struct settings *settings;
    struct room *room;
    bool (*stopped)(void *user); // whether the client is gone
    void *user;
};

int conversation_new(const struct request *r, const struct conversation_host *host,
                     struct conversation *ret, struct serve_error *err);

#endif
