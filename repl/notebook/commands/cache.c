/* SPDX-License-Identifier: MIT
 * :cache: pictures' features on disk */
#include <string.h>

#include "notebook/commands.h"
#include "notebook/features.h"

int command_cache(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    bool clear = !strcmp(c->args, "clear");
    if (*c->args && !clear) return refuse(err, PHI3V_E_ARGUMENT, ":cache or :cache clear");
    if (!nb->cache_dir) return refuse(err, PHI3V_E_IO, "there is no folder to keep anything in");
    if (clear) features_clear(nb);
    int files;
    double bytes;
    char size[32];
    features_count(nb, &files, &bytes);
    report(nb, "%d picture%s, %s in %s (at most %d MiB: :set cache_mib)\n", files,
           files == 1 ? "" : "s", human_bytes(bytes, size, sizeof size), nb->cache_dir,
           nb->now.cache_mib);
    return 0;
}
