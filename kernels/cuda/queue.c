/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <string.h>

void queue_check(struct queue *q, const char *name, cudaError_t rc)
{
    if (rc == cudaSuccess || q->status != cudaSuccess) return;
    q->status = rc;
    q->failed = name;
}

static struct profile_entry *entry_of(struct profile *p, const char *name)
{
    for (int i = 0; i < p->n; i++)
        if (!strcmp(p->entries[i].name, name)) return &p->entries[i];
    if (p->n == PROFILE_MAX) return NULL;
    p->entries[p->n] = (struct profile_entry){.name = name};
    return &p->entries[p->n++];
}

void queue_begin(struct queue *q)
{
    if (q->profile) queue_check(q, "profile", cudaEventRecord(q->profile->begin, q->stream));
}

void queue_end(struct queue *q, const char *name, struct work_size work, cudaError_t rc)
{
    queue_check(q, name, rc);
    struct profile *p = q->profile;
    struct profile_entry *e = p ? entry_of(p, name) : NULL;
    if (!e) return;
    float ms = 0;
    queue_check(q, name, cudaEventRecord(p->end, q->stream));
    queue_check(q, name, cudaEventSynchronize(p->end));
    queue_check(q, name, cudaEventElapsedTime(&ms, p->begin, p->end));
    e->n_launches++;
    e->ms += ms;
    e->work.bytes += work.bytes;
    e->work.flops += work.flops;
}

void queue_copy(struct queue *q, void *to, const void *from, size_t n_bytes)
{
    if (q->status != cudaSuccess || n_bytes == 0) return;
    queue_check(q, "copy", cudaMemcpyAsync(to, from, n_bytes, cudaMemcpyDefault, q->stream));
}

void queue_zero(struct queue *q, void *to, size_t n_bytes)
{
    if (q->status != cudaSuccess || n_bytes == 0) return;
    queue_check(q, "zero", cudaMemsetAsync(to, 0, n_bytes, q->stream));
}

void queue_wait(struct queue *q) { queue_check(q, "wait", cudaStreamSynchronize(q->stream)); }
