/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

int err_set(struct phi3v_error *err, int code, const char *format, ...)
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

int err_memory(struct phi3v_error *err, const char *what, size_t needed_bytes)
{
    const double mib = 1024.0 * 1024.0;
    return err_set(err, PHI3V_E_MEMORY, "not enough memory for %s: %.1f MiB needed, %.0f MiB free",
                   what, (double)needed_bytes / mib, (double)mem_available_bytes() / mib);
}
