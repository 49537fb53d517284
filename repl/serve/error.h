/* SPDX-License-Identifier: GPL-3.0-or-later
 * The error that a client gets: {"error": {"message", "type", "param", "code"}}, as in OpenAI's
 * interface. */
#ifndef SERVE_ERROR_H
#define SERVE_ERROR_H

#include <jansson.h>

#include "phi3v.h"

struct serve_error {
    int status;       // of HTTP
    const char *code; // a word; NULL becomes null
    char param[80];   // the part of the request; "" becomes null
    char text[500];   // one sentence
};

/* Fills *err and returns -1. code and param may be NULL. */
int serve_refuse(struct serve_error *err, int status, const char *code, const char *param,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The same for an error of the library. */
int serve_refuse_as(struct serve_error *err, const char *param, const struct phi3v_error *why);
/* The object around "error". */
json_t *serve_error_json(const struct serve_error *err);

#endif
