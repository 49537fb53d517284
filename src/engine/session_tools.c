/* SPDX-License-Identifier: MIT */
#include "engine/session_tools.h"

#include "base/mem.h"
#include "engine/session_parts.h"
#include "image/image.h"

int session_trace(struct phi3v_session *s, const struct phi3v_prompt *prompt, struct task *task,
                  const struct trace *trace, struct phi3v_error *err)
{
    int rc = session_check_prompt(s, prompt, 0, err);
    if (rc) return rc;
    struct in_use u;
    if ((rc = in_use_trace(&u, s, &prompt->seq, task, trace, err))) return rc;
    size_t n = prompt->seq.n;
    struct kv_cache_start start = {0};
    struct prompt_row *rows = mem_array(n, sizeof *rows);
    if (!rows) rc = err_memory(err, "a traced pass", n * sizeof *rows);
    if (!rc) rc = kv_cache_start(&s->kv, &prompt->seq, 0, s->kv.rope_factors, &start, err);
    if (!rc) rc = session_adopt(s, &prompt->seq, 0, &start, err);
    if (!rc) {
        rc = kv_cache_reserve(&s->kv, n, err);
        session_fill_rows(s, rows, 0, n, &u);
        if (!rc) rc = session_forward(s, rows, (int)n, NULL, s->logits, task, trace, err);
        if (rc) kv_cache_clear(&s->kv);
    }
    kv_cache_start_fini(&s->kv, &start);
    mem_free(rows);
    in_use_fini(&u);
    return rc;
}

int session_fill(struct phi3v_session *s, int64_t n, struct phi3v_error *err)
{
    if (n < 0 || n > s->model->info.ctx)
        return err_set(err, PHI3V_E_ARGUMENT, "%lld tokens to pretend; allowed is 0 to %lld",
                       (long long)n, (long long)s->model->info.ctx);
    struct kv_cache *kv = &s->kv;
    session_clear(s);
    int rc = sequence_reserve(&kv->seq, (size_t)n, err);
    if (!rc) rc = kv_cache_reserve(kv, (size_t)n, err);
    if (rc) return rc;
    for (int64_t i = 0; i < n; i++) sequence_push(&kv->seq, s->model->config.bos_id);
    struct backend *b = s->model->backend;
    for (int i = 0; i < kv->n_blocks; i++) b->table->kv_fill(b, kv->blocks[i], (uint64_t)i);
    kv->alone = true; // these keys and values are not real, so nobody else may use them
    kv->held = (size_t)n;
    kv->rope_factors = model_rope_factors(s->model, kv->held);
    return 0;
}

/* A grid as square as n_crops - 1 tiles allow. */
static struct crop_plan bench_plan(int n_crops, int side)
{
    int tiles = n_crops - 1, rows = 1;
    for (int r = 1; r * r <= tiles; r++)
        if (tiles % r == 0) rows = r;
    int cols = tiles / rows;
    return (struct crop_plan){.crop_side = side,
                              .scaled_w = cols * side,
                              .scaled_h = rows * side,
                              .hd_w = cols * side,
                              .hd_h = rows * side,
                              .rows = tiles ? rows : 0,
                              .cols = cols};
}

int session_bench_vision(struct phi3v_session *s, int n_crops, double *ret_seconds,
                         struct phi3v_error *err)
{
    if (n_crops < 1 || n_crops > 1024)
        return err_set(err, PHI3V_E_ARGUMENT, "%d crops to encode; allowed is 1 to 1024", n_crops);
    const struct backend_table *table = s->model->backend->table;
    int side = s->model->config.vision.image_size;
    size_t n = (size_t)n_crops * 3 * (size_t)side * (size_t)side;
    struct crops crops = {.plan = bench_plan(n_crops, side), .n = n_crops};
    crops.data = mem_array(n, sizeof *crops.data);
    if (!crops.data) return err_memory(err, "crops", n * sizeof *crops.data);
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        crops.data[i] = (float)(int32_t)x * 0x1p-30f; // roughly the range of normalised pixels
    }
    struct features *features = NULL;
    struct crop_source source = crops_ready(&crops);
    struct task task;
    task_begin(&task, &s->task_state, NULL, NULL);
    task_stage(&task, PHI3V_STAGE_VISION, n_crops);
    int rc = table->encode(s->state, &source, NULL, &task.pulse, &features, err);
    double seconds = task_stage_s(&task);
    task_end(&task);
    mem_free(crops.data);
    table->features_free(features);
    if (!rc) *ret_seconds = seconds;
    return rc;
}

void session_stages(struct phi3v_session *s, phi3v_stage_fn fn, void *user)
{
    const struct backend_table *table = s->model->backend->table;
    const char *name;
    double seconds;
    for (int i = 0; table->stage && table->stage(s->state, i, &name, &seconds) == 0; i++)
        fn(name, seconds, user);
}