/* SPDX-License-Identifier: MIT
 * What the threads of a pull share, and the work of one thread on one segment. */
#ifndef NET_HUB_JOB_H
#define NET_HUB_JOB_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/hub_part.h"

struct job { /* one file */
    const struct hub_file *file;
    struct hub_part part;
    int lock_fd;
    bool done;   /* published */
    bool *taken; // [n_segments] a thread is fetching it
    int n_taken;
    bool one_stream; /* the server does not support ranges: one thread takes the file */
    char *url;       /* where the bytes are; NULL: ask the hub */
    int n_wrong;     /* wrong digests so far */
};

struct pull {
    const struct hub_env *env;
    const struct hub_options *opt;
    struct hub_name name;
    struct hub_listing listing;
    struct hub_cache cache;
    struct job *jobs;
    pthread_mutex_t lock; /* guards all below and the jobs' fields */
    pthread_cond_t changed;
    pthread_mutex_t asking; /* held by the one thread that asks where a file is */
    size_t n_done;
    int rc; /* the first error */
    struct phi3v_error err;
    char waiting[80];
    atomic_bool stop;
    _Atomic int64_t fetched;
};

/* A thread's present work: a segment, or a whole file if the server does not support ranges. The
 * caller fills in the first four fields. */
struct taking {
    struct pull *pull;
    struct job *job;
    size_t segment;
    bool stream;       /* the whole file at once */
    bool no_ranges;    /* out: the whole file came instead of a part */
    int64_t from, end; /* asked for */
    char *held;        /* bytes that came but are not written yet */
    size_t n_held;
    int n_tries; /* in a row without a byte */
    int n_refused, n_wrong;
    int write_errno;
    bool wrong; /* not the part that was asked for, or more than it */
};

/* Works until the segment is complete, or the server turns out not to support ranges. Errors: as
 * hub_pull. */
int hub_fetch_segment(struct taking *t, struct hub_client *c, struct phi3v_error *err);

#endif
