/* SPDX-License-Identifier: MIT
 * Backend modules for the loader's test: one that answers, one of another version, one without
 * entry. */
#include <stdio.h>
#include <stdlib.h>

#include "backend/backend.h"

#ifdef FAKE_ABI
static int fake_open(const char *device, const struct config *config,
                     const struct model_weights *weights, enum kv_type kv_type,
                     struct backend **ret, struct phi3v_error *err)
{
    (void)config, (void)weights, (void)kv_type, (void)ret;
    err->code = PHI3V_E_UNSUPPORTED;
    snprintf(err->text, sizeof err->text, "asked for %s", device);
    return err->code;
}

static int fake_describe(int i, char *text, size_t n_bytes, struct phi3v_error *err)
{
    const char *gpus = getenv("FAKE_GPUS"); // how many; not set: an error
    if (!gpus) {
        err->code = PHI3V_E_DEVICE;
        snprintf(err->text, sizeof err->text, "no driver for the fake GPU");
        return err->code;
    }
    snprintf(text, n_bytes, "fake GPU %d, 24.0 GiB", i);
    return i < atoi(gpus) ? 0 : 1;
}

__attribute__((visibility("default"))) const struct backend_module *phi3v_backend_entry(void);

const struct backend_module *phi3v_backend_entry(void)
{
    static const struct backend_module module = {FAKE_ABI, fake_open, fake_describe};
    return &module;
}
#endif
