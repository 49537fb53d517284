/* SPDX-License-Identifier: MIT */
#include "staging.h"

#include "device.h"

int staging_init(struct staging *s, struct phi3v_error *err)
{
    cudaError_t rc = cudaStreamCreateWithFlags(&s->copies, cudaStreamNonBlocking);
    for (int i = 0; i < STAGING_SLOTS; i++) {
        if (rc == cudaSuccess) rc = cudaEventCreateWithFlags(&s->sent[i], cudaEventDisableTiming);
        if (rc == cudaSuccess) rc = cudaEventCreateWithFlags(&s->read[i], cudaEventDisableTiming);
    }
    return rc == cudaSuccess ? 0 : device_error(rc, "a session", 0, err);
}

static void give_memory(struct staging *s)
{
    cudaFree(s->gpu);
    cudaFreeHost(s->host);
    s->gpu = s->host = NULL;
    s->slot_bytes = 0;
}

void staging_fini(struct staging *s)
{
    if (s->copies) cudaStreamSynchronize(s->copies);
    give_memory(s);
    for (int i = 0; i < STAGING_SLOTS; i++) {
        if (s->sent[i]) cudaEventDestroy(s->sent[i]);
        if (s->read[i]) cudaEventDestroy(s->read[i]);
    }
    if (s->copies) cudaStreamDestroy(s->copies);
}

int staging_reserve(struct staging *s, size_t slot_bytes, struct phi3v_error *err)
{
    if (slot_bytes <= s->slot_bytes) return 0;
    give_memory(s);
    cudaError_t rc = cudaMalloc((void **)&s->gpu, STAGING_SLOTS * slot_bytes);
    if (rc == cudaSuccess) rc = cudaMallocHost((void **)&s->host, STAGING_SLOTS * slot_bytes);
    if (rc != cudaSuccess) {
        give_memory(s);
        return device_error(rc, "a picture's crops", STAGING_SLOTS * slot_bytes, err);
    }
    s->slot_bytes = slot_bytes;
    return 0;
}

void *staging_take(struct staging *s, struct queue *q)
{
    queue_check(q, "staging", cudaEventSynchronize(s->sent[s->next]));
    return s->host + (size_t)s->next * s->slot_bytes;
}

void *staging_send(struct staging *s, struct queue *q, size_t n_bytes)
{
    size_t at = (size_t)s->next * s->slot_bytes;
    cudaEvent_t sent = s->sent[s->next];
    queue_check(q, "staging", cudaStreamWaitEvent(s->copies, s->read[s->next], 0));
    queue_check(q, "staging",
                cudaMemcpyAsync(s->gpu + at, s->host + at, n_bytes, cudaMemcpyDefault, s->copies));
    queue_check(q, "staging", cudaEventRecord(sent, s->copies));
    queue_check(q, "staging", cudaStreamWaitEvent(q->stream, sent, 0));
    return s->gpu + at;
}

void staging_done(struct staging *s, struct queue *q)
{
    queue_check(q, "staging", cudaEventRecord(s->read[s->next], q->stream));
    s->next = (s->next + 1) % STAGING_SLOTS;
}
