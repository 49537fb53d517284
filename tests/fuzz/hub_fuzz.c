/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a hub answers: lines of a head, a blank line, a page of the listing. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/hub_list.h"

static void check(const struct hub_listing *l)
{
    for (size_t i = 0; i < l->n_files; i++) {
        const struct hub_file *f = &l->files[i];
        if (strchr(f->name, '/') || *f->name == '.' || f->size < 0) abort();
        if (strspn(f->key, "0123456789abcdef") != strlen(f->key)) abort();
        if (strlen(f->key) != 40 && strlen(f->key) != 64) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct hub_head head = {0};
    struct hub_listing listing = {0};
    double wait_s;
    const char *at = (const char *)bytes, *end = at + n;
    while (at < end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        size_t n_line = line ? (size_t)(line - at) : (size_t)(end - at);
        if (n_line > 0) hub_head_take(&head, at, n_line);
        at += n_line + (line != NULL);
        if (n_line == 0) break;
    }
    struct hub_env env = {.backoff_s = 1};
    head.status = 429;
    if (hub_may_retry(&env, CURLE_OK, &head, 1, &wait_s) && !(wait_s >= 0 && wait_s <= 300))
        abort();
    json_t *page = json_loadb(at, (size_t)(end - at), JSON_REJECT_DUPLICATES, NULL);
    if (page) hub_listing_add(&listing, page);
    check(&listing);
    json_decref(page);
    hub_listing_fini(&listing);
    hub_head_fini(&head);
    return 0;
}
