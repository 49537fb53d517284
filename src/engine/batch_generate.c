/* SPDX-License-Identifier: MIT */
#include "engine/batch_generate.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/answer.h"
#include "engine/generate.h"

/* A job's place in the batch, until its answer is complete. */
struct batch_slot {
    struct batch_run *batch;
    struct phi3v_job *job;
    struct answer a;
    struct turn turn;
    struct task task;
    double start_s;
    bool live;
};

struct batch_run {
    struct batch_slot *slots; // [n]
    int n;
    phi3v_job_event_fn on_event;
    void *user;
    /* The step: the slots that take part, their sessions, the ids they go on with, their logits. */
    struct batch_slot **stepping;    // [n]
    struct phi3v_session **sessions; // [n]
    int32_t *ids;                    // [n]
    float *logits;                   // [n][n_vocab]
    struct pulse pulse;
};

/* -- Setting up -------------------------------------------------------------------------------- */

/* A step ends early when any of its answers is stopped: the others take it again. */
static int any_stopped(void *user, int64_t done, int64_t total)
{
    (void)done, (void)total;
    const struct batch_run *b = user;
    for (int i = 0; i < b->n; i++)
        if (b->slots[i].live && task_stopped(&b->slots[i].task)) return 1;
    return 0;
}

static int batch_init(struct batch_run *b, int n, int n_vocab, struct phi3v_error *err)
{
    size_t count = (size_t)n, bytes = count * (size_t)n_vocab * sizeof *b->logits;
    b->n = n;
    b->pulse = (struct pulse){.fn = any_stopped, .user = b};
    b->slots = mem_zarray(count, sizeof *b->slots);
    b->stepping = mem_zarray(count, sizeof *b->stepping);
    b->sessions = mem_zarray(count, sizeof *b->sessions);
    b->ids = mem_zarray(count, sizeof *b->ids);
    b->logits = mem_array(count, (size_t)n_vocab * sizeof *b->logits);
    bool whole = b->slots && b->stepping && b->sessions && b->ids && b->logits;
    return whole ? 0 : err_memory(err, "answers side by side", bytes);
}

static void batch_fini(struct batch_run *b)
{
    mem_free(b->slots);
    mem_free(b->stepping);
    mem_free(b->sessions);
    mem_free(b->ids);
    mem_free(b->logits);
}

/* -- One slot ---------------------------------------------------------------------------------- */

static int tell(const struct phi3v_event *event, void *user)
{
    struct batch_slot *slot = user;
    return slot->batch->on_event(event, (int)(slot - slot->batch->slots), slot->batch->user);
}

/* The job is done, with an answer or without. */
static void slot_end(struct batch_slot *slot, int rc)
{
    struct phi3v_job *job = slot->job;
    struct phi3v_timing *timing = &slot->task.timing;
    slot->live = false;
    if (slot->start_s > 0) {
        timing->decode_s += clock_s() - slot->start_s;
        session_settle(job->session);
    }
    if (!rc) rc = answer_flush(&slot->a, &job->error);
    task_end(&slot->task);
    if (!rc && job->result) answer_hand_over(&slot->a, job->result);
    answer_fini(&slot->a);
    job->code = rc;
    if (slot->batch->on_event) tell(&(struct phi3v_event){.type = PHI3V_EVENT_END}, slot);
}

/* Pictures, prompt and the first token. */
static void slot_begin(struct batch_slot *slot, const struct phi3v_params *params)
{
    struct phi3v_job *job = slot->job;
    struct phi3v_session *s = job->session;
    struct phi3v_error *err = &job->error;
    size_t room = answer_room(s, job->prompt, params->max_new_tokens);
    slot->a = (struct answer){.params = params, .task = &slot->task};
    slot->turn = (struct turn){.a = &slot->a, .s = s, .err = err};
    task_begin(&slot->task, &s->task_state, slot->batch->on_event ? tell : NULL, slot);
    int rc = answer_init(&slot->a, s, job->prompt, room, err);
    if (!rc) rc = session_load(s, job->prompt, room, NULL, &slot->task, err);
    if (!rc && task_stopped(&slot->task)) rc = task_cancelled(err);
    if (rc) {
        slot_end(slot, rc);
        return;
    }
    answer_show_prompt(s, job->prompt, params);
    slot->live = true;
}

static void slot_first(struct batch_slot *slot)
{
    struct phi3v_session *s = slot->job->session;
    slot->start_s = clock_s();
    task_stage(&slot->task, PHI3V_STAGE_DECODE, (int64_t)slot->a.cap);
    answer_on_id(&slot->turn, sampler_pick(s->sampler, s->logits));
    if (slot->turn.ends) slot_end(slot, slot->turn.rc);
}

/* Going on alone: to the end, or a single step. */
static void slot_go_on(struct batch_slot *slot, size_t n)
{
    struct phi3v_timing *timing = &slot->task.timing;
    double other_s = timing->vision_s + timing->prefill_s;
    int rc = generate_rest(&slot->turn, n);
    timing->decode_s -=
        timing->vision_s + timing->prefill_s - other_s; // crossing into the long rope factors
    if (rc || slot->turn.ends) slot_end(slot, rc);
}

/* -- Steps ------------------------------------------------------------------------------------- */

static int n_live(const struct batch_run *b)
{
    int n = 0;
    for (int i = 0; i < b->n; i++) n += b->slots[i].live;
    return n;
}

/* After a step that failed or was stopped: ends whom it concerns. */
static void end_stepping(struct batch_slot *const *stepping, int n, int rc,
                         const struct phi3v_error *err)
{
    bool any = false;
    for (int i = 0; i < n; i++) any |= task_stopped(&stepping[i]->task);
    for (int i = 0; i < n; i++) {
        struct batch_slot *slot = stepping[i];
        if (rc == PHI3V_E_CANCELLED && any && !task_stopped(&slot->task)) continue;
        if (rc != PHI3V_E_CANCELLED) slot->job->error = *err;
        slot_end(slot, rc == PHI3V_E_CANCELLED ? 0 : rc);
    }
}

static int on_id(void *user, int i, int32_t id)
{
    struct batch_slot *const *stepping = user;
    return answer_on_id(&stepping[i]->turn, id);
}

/* Takers first … first + n - 1, which the device computes together. What fails is theirs alone. */
static void step_group(struct batch_run *b, int first, int n, size_t n_steps)
{
    struct batch_slot **stepping = b->stepping + first;
    struct phi3v_error err = {0};
    int rc = session_decode_batch(b->sessions + first, b->ids + first, n, n_steps, b->logits, on_id,
                                  stepping, &b->pulse, &err);
    if (rc) {
        end_stepping(stepping, n, rc, &err);
        return;
    }
    for (int i = 0; i < n; i++)
        if (stepping[i]->turn.ends) slot_end(stepping[i], stepping[i]->turn.rc);
}

/* A token more for every live slot, or several until one of them ends: together, as far as the
 * device takes them, but for those that need more than a step. Several groups go in turns. */
static void step(struct batch_run *b)
{
    int n = 0;
    size_t n_steps = SIZE_MAX;
    for (int i = 0; i < b->n; i++) {
        struct batch_slot *slot = &b->slots[i];
        size_t left = slot->a.cap - slot->a.n;
        if (!slot->live) continue;
        if (task_stopped(&slot->task)) {
            slot_end(slot, 0);
        } else if (!session_steps(slot->job->session)) {
            slot_go_on(slot, 1);
        } else {
            b->stepping[n] = slot;
            b->sessions[n] = slot->job->session;
            b->ids[n++] = slot->turn.id;
            if (left < n_steps) n_steps = left;
        }
    }
    if (n == 0) return;
    int most = session_batch_most(b->sessions[0]);
    if (n > most) n_steps = 1;
    for (int first = 0; first < n; first += most)
        step_group(b, first, n - first < most ? n - first : most, n_steps);
}

int generate_many(struct phi3v_job *jobs, int n, const struct phi3v_params *params,
                  phi3v_job_event_fn on_event, void *user, struct phi3v_error *err)
{
    struct batch_run b = {.on_event = on_event, .user = user};
    int n_vocab = jobs[0].session->model->config.n_vocab;
    int rc = batch_init(&b, n, n_vocab, err);
    for (int i = 0; i < n && !rc; i++) {
        struct phi3v_job *job = job_at(jobs, i);
        job->code = 0;
        job->error = (struct phi3v_error){0};
        b.slots[i].batch = &b;
        b.slots[i].job = job;
    }
    for (int i = 0; i < n && !rc; i++) slot_begin(&b.slots[i], params);
    for (int i = 0; i < n && !rc; i++)
        if (b.slots[i].live) slot_first(&b.slots[i]);
    while (!rc && n_live(&b) > 1) step(&b);
    for (int i = 0; i < n && !rc; i++)
        if (b.slots[i].live) slot_go_on(&b.slots[i], b.slots[i].a.cap);
    batch_fini(&b);
    return rc;
}
