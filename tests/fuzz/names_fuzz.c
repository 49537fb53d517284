/* SPDX-License-Identifier: MIT
 * What people type after -m, names of tensors and the beginnings of foreign files: the first byte
 * says which. A model that is found lies where it was put. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/kind.h"
#include "base/mem.h"
#include "base/near.h"
#include "folder.h"
#include "fuzz.h"
#include "weights/find.h"
#include "weights/hub_name.h"
#include "weights/tensor_names.h"

#define SHA "0123456789abcdef0123456789abcdef01234567"

/* Every part of a name that is accepted is a plain one, so that no path leaves the cache. */
static void parse(const char *text)
{
    struct hub_name h;
    if (hub_parse(text, &h) != HUB_MODEL) return;
    if (!hub_is_plain(h.org, strlen(h.org)) || !hub_is_plain(h.name, strlen(h.name))) abort();
    if (!*h.rev || *h.rev == '/' || strstr(h.rev, "..") == h.rev || strstr(h.rev, "//")) abort();
}

static void find(const char *text)
{
    struct folder folder;
    struct phi3v_error err = {0};
    char *path = NULL;
    folder_make(&folder);
    folder_puts(&folder, "models/default/config.json", "{}");
    folder_puts(&folder, "hub/models--org--name/refs/main", SHA);
    folder_puts(&folder, "hub/models--org--name/snapshots/" SHA "/config.json", "{}");
    setenv("HF_HUB_CACHE", folder_file(&folder, "hub"), 1);
    char models[600];
    snprintf(models, sizeof models, "%s", folder_file(&folder, "models"));
    int code = model_find(text, (const char *const[]){models, NULL}, &path, &err);
    if (code < 0 && (err.code != code || !err.text[0])) abort(); // an error says what is wrong
    mem_free(path);
    folder_remove(&folder);
}

static void unwrap(char *text)
{
    size_t n = strlen(text);
    tensor_names_unwrap(text);
    if (strlen(text) > n || tensor_names_prefix(text, "model.norm.weight") > n) abort();
    tensor_names_tell(text);
    struct near near = {.typed = text};
    near_offer(&near, "model.norm.weight", "x");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char out[KIND_TEXT];
    if (n == 0) return 0;
    char *text = malloc(n);
    if (!text) return 0;
    memcpy(text, bytes + 1, n - 1);
    text[n - 1] = 0;
    switch (bytes[0] % 4) {
    case 0:
        parse(text);
        break;
    case 1:
        find(text);
        break;
    case 2:
        unwrap(text);
        break;
    default:
        kind_of_bytes(bytes + 1, n - 1, out);
    }
    free(text);
    return 0;
}
