/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/err.h"
#include "device.h"

static int64_t count(int n_dims, const int64_t *shape)
{
    int64_t n = 1;
    for (int i = 0; i < n_dims; i++) n *= shape[i];
    return n;
}

static int no_memory(struct phi3v_error *err, const char *name)
{
    return err_set(err, PHI3V_E_MEMORY, "not enough memory to hand out %s", name);
}

/* The trace sees the sum so far: everything queued is waited for. */
static int hand_out(struct backend_state *s, const struct trace *t, const char *name, int n_dims,
                    const int64_t *shape, const float *data, struct phi3v_error *err)
{
    int rc = queue_error(&s->q, err);
    if (!rc && t->fn(name, n_dims, shape, data, t->user) != 0)
        rc = err_set(err, PHI3V_E_CANCELLED, "cancelled");
    return rc;
}

int trace_floats(struct backend_state *s, const struct trace *t, const char *name, int n_dims,
                 const int64_t *shape, const float *x, struct phi3v_error *err)
{
    if (!t) return 0;
    size_t n = (size_t)count(n_dims, shape);
    float *host = malloc(n * sizeof *host);
    if (!host) return no_memory(err, name);
    queue_copy(&s->q, host, x, n * sizeof *host);
    queue_wait(&s->q);
    int rc = hand_out(s, t, name, n_dims, shape, host, err);
    free(host);
    return rc;
}

static float widened(struct bf16 x)
{
    union {
        uint32_t bits;
        float value;
    } u = {.bits = (uint32_t)x.bits << 16};
    return u.value;
}

int trace_rows(struct backend_state *s, const struct trace *t, const char *name, int n_dims,
               const int64_t *shape, const struct bf16 *x, int64_t ld, struct phi3v_error *err)
{
    if (!t) return 0;
    int64_t width = shape[n_dims - 1], n_rows = count(n_dims, shape) / width;
    struct bf16 *rows = malloc((size_t)(n_rows * ld) * sizeof *rows);
    float *host = malloc((size_t)(n_rows * width) * sizeof *host);
    int rc = rows && host ? 0 : no_memory(err, name);
    if (!rc) {
        queue_copy(&s->q, rows, x, (size_t)(n_rows * ld) * sizeof *rows);
        queue_wait(&s->q);
        for (int64_t r = 0; r < n_rows; r++)
            for (int64_t i = 0; i < width; i++) host[r * width + i] = widened(rows[r * ld + i]);
        rc = hand_out(s, t, name, n_dims, shape, host, err);
    }
    free(rows);
    free(host);
    return rc;
}

int trace_change(struct backend_state *s, const struct trace *t, const char *name, int n_dims,
                 const int64_t *shape, const float *x, float *before, struct phi3v_error *err)
{
    if (!t) return 0;
    size_t n = (size_t)count(n_dims, shape);
    float *after = malloc(n * sizeof *after);
    if (!after) return no_memory(err, name);
    queue_copy(&s->q, after, x, n * sizeof *after);
    queue_wait(&s->q);
    for (size_t i = 0; i < n; i++) before[i] = after[i] - before[i];
    free(after);
    return hand_out(s, t, name, n_dims, shape, before, err);
}

int trace_keep(struct backend_state *s, const struct trace *t, size_t n, const float *x,
               float **ret, struct phi3v_error *err)
{
    *ret = NULL;
    if (!t) return 0;
    float *kept = malloc(n * sizeof *kept);
    if (!kept) return no_memory(err, "a block's output");
    queue_copy(&s->q, kept, x, n * sizeof *kept);
    queue_wait(&s->q);
    *ret = kept;
    return queue_error(&s->q, err);
}
