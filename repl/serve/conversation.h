/* SPDX-License-Identifier: GPL-3.0-or-later
 * A request's messages as a prompt: pictures fetched and decoded, turns in the model's form. */
#ifndef SERVE_CONVERSATION_H
#define SERVE_CONVERSATION_H

#include <stdatomic.h>

#include "serve/request.h"

/* Memory that requests may hold together: bodies and decoded pictures. */
struct room {
    atomic_size_t held;
    size_t limit;
};
/* A lone request larger than all of it has it to itself. */
bool room_take(struct room *room, size_t n_bytes);
void room_give(struct room *room, size_t n_bytes);

struct conversation {
    phi3v_prompt *prompt;
    size_t n_prompt;     // its tokens
    size_t raster_bytes; // taken of the room
};

struct conversation_host { // borrowed
    const phi3v_model *model;
    const struct settings *settings;
    struct room *room;
    bool (*stopped)(void *user); // the client is gone
    void *user;
};

int conversation_new(const struct request *r, const struct conversation_host *host,
                     struct conversation *ret, struct serve_error *err);

#endif
