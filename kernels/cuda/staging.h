/* SPDX-License-Identifier: MIT
 * What the host makes piece by piece for the GPU: two pinned buffers that take turns, each with
 * its place on the GPU and a stream of their own for the copies. So the host fills one while the
 * other is on its way, and both while the GPU computes with what came before. */
#ifndef CUDA_STAGING_H
#define CUDA_STAGING_H

#include "queue.h"

struct phi3v_error;

enum { STAGING_SLOTS = 2 };

struct staging {
    cudaStream_t copies;
    char *host, *gpu; // [STAGING_SLOTS][slot_bytes]
    size_t slot_bytes;
    cudaEvent_t sent[STAGING_SLOTS]; // a copy is done: read it on the GPU, fill the slot again
    cudaEvent_t read[STAGING_SLOTS]; // the GPU has read it: it may be copied over
    int next;                        // the slot in turn
};

/* Errors: DEVICE. staging_fini is right for what failed, too. */
int staging_init(struct staging *s, struct phi3v_error *err);
void staging_fini(struct staging *s);
/* Slots of at least slot_bytes. Nothing may be under way. Error: MEMORY. */
int staging_reserve(struct staging *s, size_t slot_bytes, struct phi3v_error *err);

/* For each piece, in this order; errors stay in the queue.
 * The slot in turn, to be filled: waits until its last copy is done. */
void *staging_take(struct staging *s, struct queue *q);
/* Sends n_bytes of it; where they will lie when the launches queued from now on run. */
void *staging_send(struct staging *s, struct queue *q, size_t n_bytes);
/* Everything that reads them is queued. */
void staging_done(struct staging *s, struct queue *q);

#endif
