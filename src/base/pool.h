/* SPDX-License-Identifier: MIT
 * Worker threads that share one loop at a time. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stdint.h>

#include "base/err.h"

struct pool;

/* One piece [begin, end) of the loop on worker `thread` (0 … n_threads-1; 0 is the caller). */
typedef void (*pool_fn)(void *arg, int64_t begin, int64_t end, int thread);

int pool_new(int n_threads, struct pool **ret_pool, struct phi3v_error *err);
void pool_free(struct pool *pool);
int pool_threads(const struct pool *pool);
/* Runs fn over [0, n) in pieces of at most `grain`, handed out dynamically, and returns when all
 * are done. The caller takes part. Callers on several threads take turns. Results must not depend
 * on which thread takes which piece. */
void pool_run(struct pool *pool, int64_t n, int64_t grain, pool_fn fn, void *arg);

#endif
