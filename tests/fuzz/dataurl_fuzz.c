/* SPDX-License-Identifier: GPL-3.0-or-later
 * data: URLs and the names shown for what a person typed. */
#include <stdlib.h>
#include <string.h>

#include "net/fetch.h"
#include "fuzz.h"

static void expect_clean(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7F) abort();
}

/* Only data: URLs are fetched here; of everything the name is asked. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct fetched f;
    struct phi3v_error err = {0};
    const struct fetch_options opt = {.limit_bytes = 2000};
    char *what = malloc(n + 1);
    if (!what) return 0;
    memcpy(what, bytes, n);
    what[n] = 0;
    char *name = fetch_display_name(what);
    if (name) expect_clean(name);
    free(name);
    if (strncmp(what, "data:", 5) == 0) {
        if (fetch_picture(what, &opt, &f, &err) == 0) {
            if (f.n_bytes < 1 || f.n_bytes > 2000) abort();
            fetched_fini(&f);
        } else {
            if (!err.text[0]) abort();
            expect_clean(err.text);
        }
    }
    free(what);
    return 0;
}
