/* SPDX-License-Identifier: MIT
 * A stream with a memory for its first error, so that a pass of hundreds of launches is checked
 * once; and, for the bench, a clock around every launch. */
#ifndef CUDA_QUEUE_H
#define CUDA_QUEUE_H

#include <cuda_runtime_api.h>
#include <stdbool.h>

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PROFILE_MAX = 64 };

/* Times of launches, summed by name. */
struct profile {
    cudaEvent_t begin, end;
    int n;
    struct profile_entry {
        const char *name; // of the launch; compared as a string
        int n_launches;
        double ms;
        struct work_size work;
    } entries[PROFILE_MAX];
};

struct queue {
    cudaStream_t stream;
    cudaError_t status;      // the first error of all launches and copies
    const char *failed;      // whose it was
    int n_sms;               // multiprocessors of the GPU
    bool overlap;            // programmatic dependent launch works here (sm_90 and later)
    struct profile *profile; // or NULL; launches then run one by one
};

/* Around every launch. */
void queue_begin(struct queue *q);
void queue_end(struct queue *q, const char *name, struct work_size work, cudaError_t rc);
/* Keeps the first error. */
void queue_check(struct queue *q, const char *name, cudaError_t rc);
void queue_copy(struct queue *q, void *to, const void *from, size_t n_bytes);
void queue_zero(struct queue *q, void *to, size_t n_bytes);
/* Blocks until all is done. */
void queue_wait(struct queue *q);

#ifdef __cplusplus
}
#endif
#endif
