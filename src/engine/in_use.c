/* SPDX-License-Identifier: MIT */
#include "engine/in_use.h"

#include <assert.h>

#include "base/mem.h"
#include "engine/session.h"
#include "image/image.h"

void in_use_fini(struct in_use *u)
{
    for (int i = 0; i < u->n; i++) feature_cache_release(u->cache, u->entries[i]);
    mem_free(u->entries);
    *u = (struct in_use){0};
}

/* What every backend may rely on: the global view and a grid of crops, all of the model's size. */
static bool crops_fit(const struct config *c, const struct crop_source *crops)
{
    const struct crop_plan *p = &crops->plan;
    return p->crop_side == c->vision.image_size && p->rows >= 0 && p->cols >= 0 &&
           crops->n == 1 + p->rows * p->cols;
}

/* Continues the unfinished features of a call that was stopped, and leaves its own when stopped. */
static int encode(struct phi3v_session *s, const struct slot *slot, struct task *task,
                  const struct trace *trace, struct features **ret, struct phi3v_error *err)
{
    const struct backend_table *table = s->model->backend->table;
    struct feature_cache *cache = &s->model->features;
    struct crop_source crops;
    int rc = slot_crops_begin(&s->model->config, slot, &crops, err);
    if (rc) return rc;
    struct features *f = trace ? NULL : feature_cache_take_unfinished(cache, slot);
    int n_done = f ? table->features_done(f) : 0;
    assert(crops_fit(&s->model->config, &crops));
    task_share(task, crops.n);
    rc = table->encode(s->state, &crops, trace, &task->pulse, &f, err);
    if (!rc) task->timing.vision_crops += crops.n - n_done;
    crops_end(&crops);
    if (!rc) {
        *ret = f;
        task_done(task);
    } else if (f) {
        feature_cache_put_unfinished(cache, slot, f);
    }
    return rc;
}

/* Two slots of a prompt may hold the same picture; the second then finds the first one's
 * features. */
static int encode_missing(struct phi3v_session *s, const struct slot *slots, const bool *missing,
                          struct in_use *u, struct task *task, struct phi3v_error *err)
{
    for (int i = 0; i < u->n; i++) {
        if (!missing[i] || (u->entries[i] = feature_cache_get(u->cache, &slots[i]))) continue;
        if (task_stopped(task)) return task_cancelled(err);
        struct features *features;
        int rc = encode(s, &slots[i], task, NULL, &features, err);
        if (!rc) rc = feature_cache_put(u->cache, &slots[i], features, &u->entries[i], err);
        if (rc) return rc;
    }
    return 0;
}

int in_use_take(struct in_use *u, struct phi3v_session *s, const struct sequence *seq, size_t from,
                struct task *task, struct phi3v_error *err)
{
    *u = (struct in_use){.cache = &s->model->features};
    if (seq->n_slots == 0) return 0;
    size_t n = (size_t)seq->n_slots;
    CLEANUP(mem_free_ptr) bool *missing = mem_zarray(n, sizeof *missing);
    u->entries = mem_zarray(n, sizeof *u->entries);
    if (!missing || !u->entries) {
        in_use_fini(u);
        return err_memory(err, "pictures", n * sizeof *u->entries);
    }
    u->n = seq->n_slots;
    for (size_t i = from; i < seq->n; i++)
        if (seq->ids[i] < 0) missing[-seq->ids[i] - 1] = true;
    int64_t n_crops = 0;
    for (int i = 0; i < u->n; i++) {
        if (!missing[i] || (u->entries[i] = feature_cache_get(u->cache, &seq->slots[i])))
            missing[i] = false;
        else
            n_crops += 1 + seq->slots[i].plan.rows * seq->slots[i].plan.cols;
    }
    if (n_crops == 0) return 0;
    task_stage(task, PHI3V_STAGE_VISION, n_crops);
    int rc = encode_missing(s, seq->slots, missing, u, task, err);
    task->timing.vision_s += task_stage_s(task);
    if (rc) in_use_fini(u);
    return rc;
}

int in_use_trace(struct in_use *u, struct phi3v_session *s, const struct sequence *seq,
                 struct task *task, const struct trace *trace, struct phi3v_error *err)
{
    *u = (struct in_use){.cache = &s->model->features};
    u->entries = mem_zarray((size_t)seq->n_slots, sizeof *u->entries);
    if (!u->entries) return err_memory(err, "pictures", (size_t)seq->n_slots * sizeof *u->entries);
    u->n = seq->n_slots;
    for (int i = 0; i < seq->n_slots; i++) {
        struct features *features;
        int rc = encode(s, &seq->slots[i], task, trace, &features, err);
        if (!rc) rc = feature_cache_put(u->cache, &seq->slots[i], features, &u->entries[i], err);
        if (rc) {
            in_use_fini(u);
            return rc;
        }
    }
    return 0;
}
