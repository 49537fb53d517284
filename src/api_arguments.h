/* SPDX-License-Identifier: MIT
 * How the public functions check their arguments. */
#ifndef API_ARGUMENTS_H
#define API_ARGUMENTS_H

#include "base/err.h"

/* Returns ARGUMENT from the function it stands in when the pointer is NULL. */
#define REFUSE_NULL(pointer, err)                                                                  \
    do {                                                                                           \
        if (!(pointer))                                                                            \
            return err_set(err, PHI3V_E_ARGUMENT, "%s: %s is NULL", __func__, #pointer);           \
    } while (0)

/* The caller's params (NULL: the defaults) over the defaults, checked. Error: ARGUMENT. */
int api_read_params(struct phi3v_params *ret, const struct phi3v_params *params,
                    struct phi3v_error *err);

#endif
