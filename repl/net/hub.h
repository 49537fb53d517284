/* SPDX-License-Identifier: MIT
 * Models from the Hugging Face hub into the cache that Python's huggingface_hub uses, in its layout
 * and under its locks, so that either finds what the other brought. Resumed after any interruption,
 * verified by digest, published only when whole. */
#ifndef NET_HUB_H
#define NET_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phi3v.h"

/* -- The environment -------------------------------------------------------------------------- */

struct hub_env {
    char *endpoint; /* HF_ENDPOINT, else https://huggingface.co; without a slash at its end */
    char *token;    /* HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or the token file's; NULL: none */
    char *cache;    /* HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, … */
    bool offline;   /* HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE */
    double meta_s;  /* HF_HUB_ETAG_TIMEOUT: for an answer without a file */
    /* How files are fetched; tests make these smaller. */
    double stall_s; /* a connection that brings less than stall_bytes_s for so long is given up */
    int64_t stall_bytes_s;
    double backoff_s; /* before the second try; doubled for each more */
    int n_connections;
    int64_t segment_bytes;
};

/* Fills in everything. Errors: IO (a token file that cannot be read), ARGUMENT (no home and no
 * cache named), MEMORY. */
int hub_env_init(struct hub_env *ret, struct phi3v_error *err);
void hub_env_fini(struct hub_env *env);

/* -- Names ------------------------------------------------------------------------------------ */

struct hub_name {
    char *repo; /* ORG/NAME */
    char *rev;  /* branch, tag or commit; "main" */
};

/* ORG/NAME[@REV], hf://[models/]ORG/NAME[@REV], or a web address of the endpoint or the hub:
 * /ORG/NAME, /ORG/NAME/tree/REV, /ORG/NAME/blob/REV/FILE. Errors: ARGUMENT, MEMORY. */
int hub_name_parse(const char *what, const struct hub_env *env, struct hub_name *ret,
                   struct phi3v_error *err);
void hub_name_fini(struct hub_name *name);

/* -- Pulling ---------------------------------------------------------------------------------- */

struct hub_progress {
    const char *file;             /* the one that is fetched at present */
    int64_t file_done, file_size; /* of it */
    int64_t done, size;           /* of all files */
    int n_files, n_files_done;
    const char *waiting; /* why nothing moves, or NULL */
};

struct hub_options {
    const struct hub_env *env;
    /* About ten times a second, on the calling thread; non-zero stops. May be NULL. */
    int (*on_progress)(const struct hub_progress *p, void *user);
    void *user;
};

struct hub_pulled {
    char *path; /* the snapshot's folder */
    char commit[41];
    int n_files;
    int64_t size;    /* of all files */
    int64_t fetched; /* bytes that came over the network now */
};

/* Brings the files that running the model needs. Errors: ARGUMENT (the name), IO (the hub, the
 * network, the disk), MODEL (no weights we read), MEMORY, CANCELLED. What was fetched before an
 * error stays and is gone on from. */
int hub_pull(const char *what, const struct hub_options *opt, struct hub_pulled *ret,
             struct phi3v_error *err);
void hub_pulled_fini(struct hub_pulled *p);

/* How many bytes hub_pull would have in the end, and how many of them are missing here. */
int hub_size(const char *what, const struct hub_options *opt, int64_t *ret_size,
             int64_t *ret_missing, struct phi3v_error *err);

#endif
