/* SPDX-License-Identifier: MIT
 * Opens backend modules with dlopen by absolute path, and checks their ABI version first. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>

#include "backend/backend.h"
#include "base/env.h"
#include "base/err.h"
#include "base/file.h"

static const char MODULE[] = "phi3v-cuda.so";

/* The first existing module, by absolute path. A relative folder is never searched, because it
 * would depend on the current folder. */
static int find_module(char path[PATH_MAX], struct phi3v_error *err)
{
    const char *dir = env_backend_dir();
    if (dir && dir[0] != '/')
        return err_set(err, PHI3V_E_DEVICE, "PHI3V_BACKEND_DIR is %s: it must be an absolute path",
                       dir);
    const char *places[2] = {dir, PHI3V_MODULE_DIR};
    for (int i = 0; i < 2; i++) {
        if (!places[i]) continue;
        int n = snprintf(path, PATH_MAX, "%s/%s", places[i], MODULE);
        if (n > 0 && n < PATH_MAX && file_exists(path)) return 0;
    }
    return err_set(
        err, PHI3V_E_DEVICE,
        "no CUDA backend is installed: %s is neither in %s nor in %s; use the device cpu", MODULE,
        dir ? dir : "PHI3V_BACKEND_DIR (not set)", PHI3V_MODULE_DIR);
}

/* The dynamic linker's message names the missing file. Loading needs no driver; if there is none,
 * backend_cuda_describe says so. */
static int explain_load(const char *path, struct phi3v_error *err)
{
    return err_set(err, PHI3V_E_DEVICE,
                   "cannot load the CUDA backend %s: %s; install what it names, or use the device "
                   "cpu",
                   path, dlerror());
}

/* The module stays loaded until the process ends, because threads of the driver may still run its
 * code. */
static int load_module(const char *path, const struct backend_module **ret, struct phi3v_error *err)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return explain_load(path, err);
    backend_entry_fn entry;
    *(void **)&entry = dlsym(handle, BACKEND_ENTRY);
    if (!entry) {
        dlclose(handle);
        return err_set(err, PHI3V_E_DEVICE, "%s is not a backend module: it has no %s", path,
                       BACKEND_ENTRY);
    }
    const struct backend_module *module = entry();
    if (!module || module->abi != BACKEND_ABI) {
        int abi = module ? module->abi : 0;
        dlclose(handle);
        return err_set(
            err, PHI3V_E_DEVICE,
            "%s was built for backend version %d, this program needs %d: build both together", path,
            abi, BACKEND_ABI);
    }
    *ret = module;
    return 0;
}

static int find_and_load(const struct backend_module **ret, struct phi3v_error *err)
{
    char path[PATH_MAX];
    int rc = find_module(path, err);
    return rc ? rc : load_module(path, ret, err);
}

bool backend_cuda_installed(void)
{
    char path[PATH_MAX];
    return !find_module(path, NULL);
}

int backend_cuda_describe(int i, char *text, size_t n_bytes, struct phi3v_error *err)
{
    const struct backend_module *module;
    int rc = find_and_load(&module, err);
    return rc ? rc : module->describe(i, text, n_bytes, err);
}

int backend_cuda_open(const char *device, const struct config *config,
                      const struct model_weights *weights, enum kv_type kv_type,
                      struct backend **ret, struct phi3v_error *err)
{
    const struct backend_module *module;
    int rc = find_and_load(&module, err);
    return rc ? rc : module->open(device, config, weights, kv_type, ret, err);
}
