/* SPDX-License-Identifier: GPL-3.0-or-later
 * Installs the kernelspec: a folder with kernel.json where Jupyter looks for kernels. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/files.h"
#include "common/json.h"
#include "common/must.h"
#include "kernel/kernel.h"

static char *folder_of(bool user, const char *prefix)
{
    const char *data = getenv("JUPYTER_DATA_DIR"), *home = getenv("HOME");
    if (prefix) return xasprintf("%s/share/jupyter/kernels/phiscope", prefix);
    if (!user) return xstrdup("/usr/local/share/jupyter/kernels/phiscope");
    if (data && *data) return xasprintf("%s/kernels/phiscope", data);
    return home && *home ? xasprintf("%s/.local/share/jupyter/kernels/phiscope", home) : NULL;
}

static int make_folders(char *path, struct phi3v_error *err)
{
    for (char *p = path + 1;; p++) {
        if (*p && *p != '/') continue;
        char kept = *p;
        *p = 0;
        int failed = mkdir(path, 0777) && errno != EEXIST ? errno : 0;
        *p = kept;
        if (failed)
            return refuse(err, PHI3V_E_IO, "%.300s cannot be made: %s", path, strerror(failed));
        if (!kept) return 0;
    }
}

int kernel_install(const char *program, bool user, const char *prefix, char **ret_path,
                   struct phi3v_error *err)
{
    char *folder = folder_of(user, prefix);
    if (!folder) return refuse(err, PHI3V_E_IO, "HOME is not set: use --prefix DIR");
    char *path = xasprintf("%s/kernel.json", folder);
    json_t *spec =
        json_pack("{s:[s,s,s,s],s:s,s:s,s:s,s:{},s:{},s:s}", "argv", program, "kernel", "-f",
                  "{connection_file}", "display_name", "phiscope", "language", "phiscope",
                  "interrupt_mode", "message", "env", "metadata", "kernel_protocol_version", "5.5");
    char *text = must(json_pretty(spec, NULL));
    int rc = make_folders(folder, err);
    if (!rc) rc = store_file(path, text, strlen(text), 0666, err);
    json_decref(spec);
    free(text);
    free(path);
    if (rc)
        free(folder);
    else
        *ret_path = folder;
    return rc;
}
