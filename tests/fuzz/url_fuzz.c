/* SPDX-License-Identifier: GPL-3.0-or-later
 * Addresses as text: spelling, secrets, names of the hub, and a camera's stream behind the first
 * line, which is its type. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/address.h"
#include "net/hub.h"
#include "net/multipart.h"
#include "net/url.h"

/* What was cleaned once stays, and says that it was. */
static void try_secrets(const char *what)
{
    bool removed = false, again = false;
    char *kept = url_without_secrets(what, &removed);
    char *twice = kept ? url_without_secrets(kept, &again) : NULL;
    if (!kept || !twice || strcmp(kept, twice) || again) abort();
    if (removed ? !url_lacks_secret(kept) : strcmp(kept, what) != 0) abort();
    free(kept);
    free(twice);
    kept = url_text_without_secrets(what, &removed);
    twice = kept ? url_text_without_secrets(kept, &again) : NULL;
    if (!kept || !twice || again || (!removed && strcmp(kept, what))) abort();
    free(kept);
    free(twice);
}

/* Nothing that could end a line of a request. */
static void try_spelling(const char *what)
{
    char *url = url_spell(what);
    for (const char *c = url; c && *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7F) abort();
    free(url);
}

/* A name that was accepted cannot lead out of the cache. */
static void try_name(const char *what)
{
    struct hub_env env = {.endpoint = (char *)(uintptr_t) "https://hub.example"};
    struct hub_name name = {0};
    struct phi3v_error err = {0};
    if (hub_name_parse(what, &env, &name, &err) == 0) {
        if (strstr(name.repo, "..") || strstr(name.rev, "/.") || *name.rev == '/' ||
            *name.repo == '/' || !strchr(name.repo, '/'))
            abort();
    } else if (!err.text[0]) {
        abort();
    }
    hub_name_fini(&name);
}

static void try_stream(const char *what, const uint8_t *bytes, size_t n)
{
    struct multipart whole, pieces;
    size_t at = 0, size = 0, at_once = 0, size_once = 0;
    multipart_init(&whole, what);
    if (!whole.is_one) return;
    multipart_init(&pieces, what);
    enum multipart_state s = MULTIPART_MORE;
    for (size_t k = 0; k < n && s == MULTIPART_MORE; k += 7)
        s = multipart_first(&pieces, bytes, k, false, &at, &size);
    if (s == MULTIPART_MORE) s = multipart_first(&pieces, bytes, n, true, &at, &size);
    if (s == MULTIPART_FRAME && (at > n || size > n - at)) abort();
    s = multipart_first(&whole, bytes, n, true, &at_once, &size_once);
    if (s == MULTIPART_FRAME && (at_once > n || size_once > n - at_once)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *what = malloc(n + 1);
    if (!what) return 0;
    memcpy(what, bytes, n);
    what[n] = 0;
    try_secrets(what);
    try_spelling(what);
    try_name(what);
    address_host_is_private(what);
    char *end = strchr(what, '\n');
    if (end) {
        *end = 0;
        try_stream(what, bytes + (end + 1 - what), n - (size_t)(end + 1 - what));
    }
    free(what);
    return 0;
}
