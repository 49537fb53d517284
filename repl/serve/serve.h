/* SPDX-License-Identifier: GPL-3.0-or-later
 * An HTTP server for one model with OpenAI's interface: docs/serve.md. */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include "notebook/settings.h"

struct serve_options { // borrowed
    phi3v_model *model;
    const char *name;                // of the model, for clients
    const char *no_picture;          // the fixed answer to prompts without a picture, or NULL
    const char *mode;                // the mode that notebooks with the model begin in, or NULL
    const struct settings *settings; // defaults for requests, and limits for fetching
    const char *host;
    int port;             // 0: any free one
    const char *key_file; // NULL: no keys, loopback only
    int max_waiting;
    int parallel; // answers at once; 0: as many as the model gains from
    /* Called when the server listens, with "http://127.0.0.1:8080". */
    void (*ready)(const char *address, const struct serve_options *opt);
};

/* Serves until SIGTERM or SIGINT, then completes the answers that have begun, unless a second
 * signal comes. Errors: ARGUMENT, IO, MEMORY. */
int serve_run(const struct serve_options *opt, struct phi3v_error *err);

#endif
