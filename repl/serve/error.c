/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "serve/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/json.h"

int serve_refuse(struct serve_error *err, int status, const char *code, const char *param,
                 const char *format, ...)
{
    *err = (struct serve_error){.status = status, .code = code};
    if (param) snprintf(err->param, sizeof err->param, "%s", param);
    va_list ap;
    va_start(ap, format);
    vsnprintf(err->text, sizeof err->text, format, ap);
    va_end(ap);
    return -1;
}

int serve_refuse_as(struct serve_error *err, const char *param, const struct phi3v_error *why)
{
    int status = 500;
    const char *code = error_name(why->code);
    switch (why->code) {
    case PHI3V_E_TOO_LONG:
        code = "context_length_exceeded"; /* fallthrough */
    case PHI3V_E_ARGUMENT:
    case PHI3V_E_PROMPT:
    case PHI3V_E_IMAGE:
    case PHI3V_E_UNSUPPORTED:
    case PHI3V_E_IO:
        status = 400;
        break;
    case PHI3V_E_MEMORY:
    case PHI3V_E_CANCELLED:
        status = 503;
        break;
    default:
        break;
    }
    return serve_refuse(err, status, code, param, "%s", why->text);
}

static const char *type_of(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 429:
        return "rate_limit_error";
    default:
        return status < 500 ? "invalid_request_error" : "server_error";
    }
}

json_t *serve_error_json(const struct serve_error *err)
{
    return json_pack("{s:{s:o,s:s,s:o,s:s?}}", "error", "message", json_text(err->text), "type",
                     type_of(err->status), "param",
                     *err->param ? json_text(err->param) : json_null(), "code", err->code);
}
