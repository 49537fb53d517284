/* SPDX-License-Identifier: MIT
 * While there are crops for all threads, each takes one through the tower alone: nothing then
 * passes from one core's caches to another's, and nobody waits. When a thread finds none left, the
 * others stop where they are, and all go on together with one crop after the other. So they do from
 * the beginning where there are fewer crops than threads; and with all crops at once in a traced
 * pass, whose tensors have them all. */
#include "model/vision.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/tower.h"

enum { ALONE_ROWS = 294 }; // of a chunk at most, where a thread reads the weights for itself

/* What is on its way through the tower: a crop, or all of them. */
struct lane {
    struct tower tower;
    struct ops alone; // of a lane that has its thread
    struct arena arena;
    size_t mark; // of the arena, between crops
    float *pixels;
    int crop, step;
    bool busy;
};

struct encoding {
    const struct config *c;
    const struct model_weights *w;
    const struct crop_source *crops;
    struct features *f; // not finished
    struct lane *lanes;
    int n_lanes, lane_crops;
    pthread_mutex_t lock; // of what follows, and of crops->make
    int next;             // crop, done ones aside
    int n_left;           // crops to do when this began
    int rc;
    struct phi3v_error *err;
    atomic_bool all_taken; // or one could not be made
    atomic_int n_steps;    // of all lanes so far
};

/* -- Lanes ------------------------------------------------------------------------------------ */

static int lane_init(struct lane *lane, const struct encoding *e, const struct ops *o, int thread)
{
    const bool alone = e->n_lanes > 1;
    const size_t crop_floats =
        3 * (size_t)e->crops->plan.crop_side * (size_t)e->crops->plan.crop_side;
    lane->alone = ops_alone(o, thread, ALONE_ROWS);
    if (!tower_init(&lane->tower, e->c, e->w, alone ? &lane->alone : o, e->lane_crops))
        return err_memory(e->err, "the vision tower", SIZE_MAX);
    const size_t prepared = alone ? arena_size(ALONE_ROWS * o->prepared_room) : 0;
    const size_t bytes = prepared + tower_bytes(&lane->tower);
    lane->pixels = mem_array((size_t)e->lane_crops * crop_floats, sizeof *lane->pixels);
    if (!lane->pixels || arena_init(&lane->arena, bytes))
        return err_memory(e->err, "the vision tower", bytes);
    if (prepared) lane->alone.prepared = arena_take(&lane->arena, prepared);
    lane->mark = arena_mark(&lane->arena);
    return 0;
}

static void lanes_free(struct encoding *e)
{
    for (int i = 0; i < e->n_lanes && e->lanes; i++) {
        arena_fini(&e->lanes[i].arena);
        mem_free(e->lanes[i].pixels);
    }
    mem_free(e->lanes);
}

static int lanes_new(struct encoding *e, const struct ops *o)
{
    const int n_threads = ops_threads(o);
    e->lane_crops = o->trace ? e->crops->n : 1;
    e->n_lanes = o->trace || e->n_left < n_threads ? 1 : n_threads;
    e->lanes = mem_zarray((size_t)e->n_lanes, sizeof *e->lanes);
    if (!e->lanes)
        return err_memory(e->err, "the vision tower", (size_t)e->n_lanes * sizeof *e->lanes);
    int rc = 0;
    for (int i = 0; i < e->n_lanes && !rc; i++) rc = lane_init(&e->lanes[i], e, o, i);
    return rc;
}

/* The next crop that is not done. */
static void skip_done(struct encoding *e)
{
    while (e->next < e->crops->n && e->f->done[e->next]) e->next++;
}

/* Makes the next crop, or does a part of what it needs first: then the lane is not busy. Called
 * under the lock. */
static int make_next(struct encoding *e, struct lane *lane)
{
    const struct crop_source *s = e->crops;
    int rc = s->prepare ? s->prepare(s->user, e->next, e->lane_crops, e->err) : 0;
    if (rc) return rc < 0 ? rc : 0;
    rc = s->make(s->user, e->next, e->lane_crops, lane->pixels, e->err);
    lane->busy = !rc;
    lane->crop = e->next;
    e->next += e->lane_crops;
    skip_done(e);
    return rc;
}

/* The next crop begins its way, or is prepared; false: there is none, or it could not be made. */
static bool begin(struct encoding *e, struct lane *lane, struct ops *o)
{
    pthread_mutex_lock(&e->lock);
    bool any = !e->rc && e->next < e->crops->n;
    if (any) e->rc = make_next(e, lane);
    any &= !e->rc;
    pthread_mutex_unlock(&e->lock);
    if (!lane->busy) return any;
    arena_release(&lane->arena, lane->mark);
    tower_enter(&lane->tower, o, &lane->arena, lane->pixels);
    lane->step = 0;
    return true;
}

static void end(struct encoding *e, struct lane *lane)
{
    project_merge(e->c, &e->crops->plan, lane->tower.x, lane->crop, e->lane_crops, e->f->merged);
    for (int i = 0; i < e->lane_crops; i++) e->f->done[lane->crop + i] = true;
    lane->busy = false;
}

/* In steps of the tower: a crop lasts long. */
static int64_t steps_done(struct encoding *e)
{
    const int64_t before = e->crops->n - e->n_left, steps = tower_steps(&e->lanes->tower);
    return before * steps + atomic_load(&e->n_steps) * e->lane_crops;
}

/* By one step, or to the next crop's first; false: there is none. */
static bool advance(struct encoding *e, struct lane *lane, struct ops *o)
{
    if (!lane->busy) return begin(e, lane, o);
    tower_step(&lane->tower, o, lane->step++);
    atomic_fetch_add(&e->n_steps, 1);
    if (lane->step == tower_steps(&lane->tower) && !o->stopped) end(e, lane);
    return true;
}

/* -- A picture -------------------------------------------------------------------------------- */

static void alone_item(struct ops *o, void *arg, int64_t item, int thread)
{
    (void)item;
    struct encoding *e = arg;
    struct lane *lane = &e->lanes[thread];
    if (atomic_load(&e->all_taken)) return;
    if (!advance(e, lane, &lane->alone)) atomic_store(&e->all_taken, true);
    if (thread == 0) o->done = steps_done(e);
}

/* Until there is no crop for one of the threads. */
static void run_alone(struct encoding *e, struct ops *o)
{
    const int64_t steps = 1 + (int64_t)tower_steps(&e->lanes->tower);
    ops_run(o, e->n_left * steps + e->crops->n_prepare, INT64_MAX, alone_item, e);
    ops_add_spent(o, &e->lanes->alone);
}

static void run_together(struct encoding *e, struct ops *o)
{
    for (struct lane *lane = e->lanes; lane < e->lanes + e->n_lanes; lane++)
        while (!o->stopped && !e->rc && (lane->busy || e->next < e->crops->n)) {
            advance(e, lane, o);
            ops_progress(o, steps_done(e));
        }
}

/* All crops that are not done through the tower, into merged. */
static int encode_crops(struct encoding *e, struct ops *o)
{
    skip_done(e);
    e->n_left = e->crops->n - project_features_done(e->f);
    if (e->n_left == 0) return 0;
    pthread_mutex_init(&e->lock, NULL);
    int rc = lanes_new(e, o);
    if (!rc) {
        o->total = (int64_t)e->crops->n * tower_steps(&e->lanes->tower);
        if (e->n_lanes > 1) run_alone(e, o);
        run_together(e, o);
        rc = e->rc ? e->rc : ops_end(o, e->err);
    }
    lanes_free(e);
    pthread_mutex_destroy(&e->lock);
    return rc;
}

int vision_encode(const struct config *c, const struct model_weights *w, struct ops *o,
                  const struct crop_source *crops, struct features **f, struct phi3v_error *err)
{
    int rc = *f ? 0 : project_features_new(c, w, &crops->plan, f, err);
    if (rc) return rc;
    struct encoding e = {.c = c, .w = w, .crops = crops, .f = *f, .err = err};
    rc = encode_crops(&e, o);
    if (rc) return rc;
    project_separators(c, w, &crops->plan, (*f)->merged);
    ops_trace(o, "merged_features", 2, (int64_t[]){(*f)->n_rows, (*f)->width}, (*f)->merged);
    return project_run(w, o, *f, err);
}
