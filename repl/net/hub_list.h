/* SPDX-License-Identifier: MIT
 * The files of a hub repository at a revision, and which of them are needed to run the model. */
#ifndef NET_HUB_LIST_H
#define NET_HUB_LIST_H

#include "net/hub_http.h"

struct hub_file {
    char *name; /* as in the repository; no folders, and nothing that could lead out of one */
    int64_t size;
    char key[65]; /* SHA-256 (64 hex digits) or git's SHA-1 of a blob (40) */
};

struct hub_listing {
    char commit[41];
    struct hub_file *files; /* smallest first */
    size_t n_files;
    int64_t size;
};

/* Errors: as hub_pull. */
int hub_list(struct hub_client *c, const struct hub_name *name, struct hub_listing *ret,
             struct phi3v_error *err);
/* Adds the wanted files of one page of the API's tree. Returns 0; IO: not such a page; MODEL: too
 * many files; MEMORY. */
int hub_listing_add(struct hub_listing *l, const json_t *page);
void hub_listing_fini(struct hub_listing *l);

/* …/resolve/COMMIT/FILE; new string (free). */
char *hub_file_url(const struct hub_env *env, const struct hub_name *name, const char *commit,
                   const char *file);

#endif
