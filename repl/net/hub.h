/* SPDX-License-Identifier: MIT
 * Fetches models from the Hugging Face hub into the cache of Python's huggingface_hub, in its
 * layout and with its locks, so that each program finds the other's downloads. Downloads resume
 * after any interruption, are verified by digest, and are published only when complete. */
#ifndef NET_HUB_H
#define NET_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phi3v.h"

/* -- The environment -------------------------------------------------------------------------- */

struct hub_env {
    char *endpoint; /* HF_ENDPOINT, else https://huggingface.co; without a final slash */
    char *token;    /* HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or the token file's; NULL: none */
    char *cache;    /* HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME/hub, … */
    bool offline;   /* HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE */
    double meta_s;  /* HF_HUB_ETAG_TIMEOUT: for replies without a file */
    /* How files are fetched; tests use smaller values. */
    double stall_s; /* a connection below stall_bytes_s for this long is given up */
    int64_t stall_bytes_s;
    double backoff_s; /* before the second try; doubled for each further one */
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
    const char *file;             /* the file being fetched */
    int64_t file_done, file_size; /* of it */
    int64_t done, size;           /* of all files */
    int n_files, n_files_done;
    const char *waiting; /* why there is no progress, or NULL */
};

struct hub_options {
    const struct hub_env *env;
    /* Called about ten times a second on the calling thread; non-zero stops. May be NULL. */
    int (*on_progress)(const struct hub_progress *p, void *user);
    void *user;
};

struct hub_pulled {
    char *path; /* the snapshot's folder */
    char commit[41];
    int n_files;
    int64_t size;    /* of all files */
    int64_t fetched; /* bytes fetched over the network in this call */
};

/* Fetches the files needed to run the model. Errors: ARGUMENT (the name), IO (the hub, the network,
 * the disk), MODEL (no weights in a supported form), MEMORY, CANCELLED. What was fetched before an
 * error is kept and continued. */
int hub_pull(const char *what, const struct hub_options *opt, struct hub_pulled *ret,
             struct phi3v_error *err);
void hub_pulled_fini(struct hub_pulled *p);

/* The total bytes of the files that hub_pull would fetch, and how many are missing here. */
int hub_size(const char *what, const struct hub_options *opt, int64_t *ret_size,
             int64_t *ret_missing, struct phi3v_error *err);

#endif
