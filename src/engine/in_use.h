/* SPDX-License-Identifier: MIT
 * The features of a prompt's pictures while a session computes their rows: from the model's cache,
 * or encoded now and put there. */
#ifndef ENGINE_IN_USE_H
#define ENGINE_IN_USE_H

#include "engine/feature_cache.h"
#include "engine/sequence.h"
#include "engine/task.h"

struct phi3v_session;

struct in_use {
    struct feature_cache *cache;
    struct feature_entry **entries; // [n] by slot; NULL: no row of its picture is computed
    int n;
};

/* Takes the features of all pictures with rows at or after `from`, and encodes those that are not
 * cached. What a stopped call leaves unfinished is in the cache, for the next one. Errors: MEMORY,
 * DEVICE, CANCELLED. */
int in_use_take(struct in_use *u, struct phi3v_session *s, const struct sequence *seq, size_t from,
                struct task *task, struct phi3v_error *err);
/* Encodes all pictures afresh, with tracing. */
int in_use_trace(struct in_use *u, struct phi3v_session *s, const struct sequence *seq,
                 struct task *task, const struct trace *trace, struct phi3v_error *err);
void in_use_fini(struct in_use *u);

#endif
