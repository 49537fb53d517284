/* SPDX-License-Identifier: MIT
 * Backend modules for the loader's test: one that answers, one of another version, one without
 * entry. */
#include <stdio.h>

#include "backend/backend.h"

#ifdef FAKE_ABI
static int fake_open(const char *device, const struct config *config,
                     const struct model_weights *weights, struct backend **ret,
                     struct phi3v_error *err)
{
    (void)config, (void)weights, (void)ret;
    err->code = PHI3V_E_UNSUPPORTED;
    snprintf(err->text, sizeof err->text, "asked for %s", device);
    return err->code;
}

__attribute__((visibility("default"))) const struct backend_module *phi3v_backend_entry(void);

const struct backend_module *phi3v_backend_entry(void)
{
    static const struct backend_module module = {FAKE_ABI, fake_open};
    return &module;
}
#endif
