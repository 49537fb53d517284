/* SPDX-License-Identifier: MIT */
#include "net/error.h"

int net_fail_memory(struct phi3v_error *err, const char *source)
{
    return refuse(err, PHI3V_E_MEMORY, "not enough memory to fetch %s", source);
}
