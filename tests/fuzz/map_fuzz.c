/* SPDX-License-Identifier: GPL-3.0-or-later
 * The map beside a file that is being fetched, as a crash or somebody else may leave it: what it
 * says is there lies within the file, and only the digest makes a file whole. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "fuzz.h"
#include "net/hub_part.h"

enum { SIZE = 1000, SEGMENT = 300 };

/* git's name of SIZE zeros would be another one: nothing here is ever right. */
static const struct hub_file file = {
    .name = "config.json", .size = SIZE, .key = "0123456789abcdef0123456789abcdef01234567"};

static void check(struct hub_part *p)
{
    for (size_t i = 0; i < p->n_segments; i++)
        if (p->done[i] < 0 || hub_part_begin(p, i) + p->done[i] > hub_part_end(p, i)) abort();
    if (hub_part_done(p) < 0 || hub_part_done(p) > SIZE) abort();
    while (hub_part_hash(p)) continue;
    if (p->hashed > SIZE || hub_part_is_right(p)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct folder folder;
    struct hub_part part;
    struct phi3v_error err = {0};
    char name[96];
    folder_make(&folder);
    folder_puts(&folder, "repo/blobs/x", "");
    snprintf(name, sizeof name, "repo/blobs/%s.phiscope-map", file.key);
    folder_write(&folder, name, bytes, n);
    char *repo = strdup(folder_file(&folder, "repo"));
    struct hub_cache cache = {.root = folder.path, .repo = repo, .locks = folder.path};
    if (!hub_part_open(&part, &cache, &file, SEGMENT, &err)) {
        check(&part);
        hub_part_close(&part);
    } else if (!err.text[0]) {
        abort();
    }
    free(repo);
    folder_remove(&folder);
    return 0;
}
