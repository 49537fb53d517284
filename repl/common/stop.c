/* SPDX-License-Identifier: MIT */
#include "common/stop.h"
#include "common/text.h"

int stop_error(struct phi3v_error *err, const char *doing, const char *what)
{
    return refuse(err, PHI3V_E_CANCELLED, "%s %.200s was cancelled", doing, what);
}
