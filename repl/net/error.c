/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* vasprintf */
#include "net/error.h"

#include <stdarg.h>
#include <stdio.h>

int net_fail(struct phi3v_error *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->code = code;
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return code;
}

int net_fail_memory(struct phi3v_error *err, const char *source)
{
    return net_fail(err, PHI3V_E_MEMORY, "not enough memory to fetch %s", source);
}

char *net_text(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) text = NULL;
    va_end(args);
    return text;
}
