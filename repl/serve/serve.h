/* SPDX-License-Identifier: GPL-3.0-or-later
 * An HTTP server in the manner of OpenAI's, for one model: docs/serve.md. */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include "notebook/settings.h"

struct serve_options { // borrowed
    phi3v_model *model;
    const char *name;                // of the model, as clients say it
    const char *no_picture;          // the answer to prompts without a picture, or NULL
    const char *mode;                // that notebooks with it begin in, or NULL
    const struct settings *settings; // what requests leave out, and what may be fetched
    const char *host;
    int port;             // 0: any that is free
    const char *key_file; // NULL: no keys, loopback only
    int max_waiting;
    int parallel; // 0: as many as the model gains by
    /* It listens now, at "http://127.0.0.1:8080". */
    void (*ready)(const char *address, const struct serve_options *opt);
};

/* Serves until SIGTERM or SIGINT; then answers what it has begun, unless a second one comes. Errors:
 * ARGUMENT, IO, MEMORY. */
int serve_run(const struct serve_options *opt, struct phi3v_error *err);

#endif
