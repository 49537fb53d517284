/* SPDX-License-Identifier: MIT */
#include "engine/batch.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/answer.h"
#include "engine/generate.h"
#include "engine/session_decode.h"

/* WAITS: its prefill has not begun; LOADS: prefill is under way; READY: prefill is complete;
 * ANSWERS: it decodes. */
enum slot_state { SLOT_FREE, SLOT_WAITS, SLOT_LOADS, SLOT_READY, SLOT_ANSWERS };

/* Holds a job until its answer is complete. */
struct batch_slot {
    enum slot_state state;
    uint64_t ticket; // in the order of joining
    struct phi3v_job *job;
    struct phi3v_params params;
    struct loading loading;
    struct answer a;
    struct decode_loop loop;
    struct task task;
    double start_s;
};

struct phi3v_batch {
    struct phi3v_model *model;
    struct batch_slot *slots; // [n_slots]
    int n_slots;
    uint64_t tickets;
    /* Scratch of one step: the slots in it, their sessions, newest ids and logits. */
    struct batch_slot **stepping;    // [n_slots]
    struct phi3v_session **sessions; // [n_slots]
    int32_t *ids;                    // [n_slots]
    float *logits;                   // [n_slots][n_vocab]
    struct pulse pulse;
};

/* -- Setting up -------------------------------------------------------------------------------- */

/* Stopping any answer ends the step early; the others then repeat it. */
static int any_stopped(void *user, int64_t done, int64_t total)
{
    (void)done, (void)total;
    const struct phi3v_batch *b = user;
    for (int i = 0; i < b->n_slots; i++)
        if (b->slots[i].state == SLOT_ANSWERS && task_stopped(&b->slots[i].task)) return 1;
    return 0;
}

int batch_new(struct phi3v_model *m, int n_slots, struct phi3v_batch **ret, struct phi3v_error *err)
{
    size_t count = (size_t)n_slots, row_bytes = (size_t)m->config.n_vocab * sizeof(float);
    struct phi3v_batch *b = mem_zalloc(sizeof *b);
    if (!b) return err_memory(err, "answers side by side", sizeof *b);
    b->model = m;
    b->n_slots = n_slots;
    b->pulse = (struct pulse){.fn = any_stopped, .user = b};
    b->slots = mem_zarray(count, sizeof *b->slots);
    b->stepping = mem_zarray(count, sizeof *b->stepping);
    b->sessions = mem_zarray(count, sizeof *b->sessions);
    b->ids = mem_zarray(count, sizeof *b->ids);
    b->logits = mem_array(count, row_bytes);
    if (b->slots && b->stepping && b->sessions && b->ids && b->logits) {
        *ret = b;
        return 0;
    }
    if (!b->slots) b->n_slots = 0;
    batch_free(b);
    return err_memory(err, "answers side by side", count * row_bytes);
}

struct phi3v_model *batch_model(const struct phi3v_batch *b) { return b->model; }

int batch_n(const struct phi3v_batch *b)
{
    int n = 0;
    for (int i = 0; i < b->n_slots; i++) n += b->slots[i].state != SLOT_FREE;
    return n;
}

/* The slot in this state that joined first, or NULL. */
static struct batch_slot *first_in(const struct phi3v_batch *b, enum slot_state state)
{
    struct batch_slot *first = NULL;
    for (int i = 0; i < b->n_slots; i++) {
        struct batch_slot *slot = &b->slots[i];
        if (slot->state == state && (!first || slot->ticket < first->ticket)) first = slot;
    }
    return first;
}

bool batch_answers(const struct phi3v_batch *b) { return first_in(b, SLOT_ANSWERS) != NULL; }

bool batch_has_session(const struct phi3v_batch *b, const struct phi3v_session *s)
{
    for (int i = 0; i < b->n_slots; i++)
        if (b->slots[i].state != SLOT_FREE && b->slots[i].job->session == s) return true;
    return false;
}

/* -- A job comes and goes ---------------------------------------------------------------------- */

/* Ends the job, with an answer or an error, and frees the slot. */
static void slot_end(struct batch_slot *slot, int rc)
{
    struct phi3v_job *job = slot->job;
    struct phi3v_timing *timing = &slot->task.timing;
    if (slot->start_s > 0) {
        timing->decode_s += clock_s() - slot->start_s;
        session_settle(job->session);
    }
    if (!rc) rc = answer_flush(&slot->a, &job->error);
    task_end(&slot->task);
    if (!rc && job->result) answer_hand_over(&slot->a, job->result);
    answer_fini(&slot->a);
    job->code = rc;
    slot->state = SLOT_FREE;
    if (slot->task.on_event)
        slot->task.on_event(&(struct phi3v_event){.type = PHI3V_EVENT_END}, slot->task.user);
}

/* Allocates the answer's memory first, so a job without memory costs no computing. */
static int slot_init(struct batch_slot *slot, phi3v_event_fn on_event, void *user)
{
    struct phi3v_job *job = slot->job;
    struct phi3v_session *s = job->session;
    job->code = 0;
    job->error = (struct phi3v_error){0};
    slot->start_s = 0;
    slot->a = (struct answer){.params = &slot->params, .task = &slot->task};
    slot->loop = (struct decode_loop){.a = &slot->a, .s = s, .err = &job->error};
    task_begin(&slot->task, &s->task_state, on_event, user);
    size_t room = answer_room(s, job->prompt, slot->params.max_new_tokens);
    return answer_init(&slot->a, s, job->prompt, room, &job->error);
}

bool batch_join(struct phi3v_batch *b, struct phi3v_job *job, const struct phi3v_params *params,
                phi3v_event_fn on_event, void *user)
{
    struct batch_slot *slot = first_in(b, SLOT_FREE);
    if (!slot) return false;
    slot->job = job;
    slot->params = *params;
    slot->ticket = ++b->tickets;
    slot->state = SLOT_WAITS;
    int rc = slot_init(slot, on_event, user);
    if (rc) slot_end(slot, rc);
    return true;
}

static void slot_stop(struct batch_slot *slot)
{
    if (slot->state == SLOT_LOADS) session_load_stop(slot->job->session, &slot->loading);
    slot_end(slot, slot->state == SLOT_ANSWERS ? 0 : task_cancelled(&slot->job->error));
}

void batch_free(struct phi3v_batch *b)
{
    if (!b) return;
    for (int i = 0; i < b->n_slots; i++)
        if (b->slots[i].state != SLOT_FREE) slot_stop(&b->slots[i]);
    mem_free(b->slots);
    mem_free(b->stepping);
    mem_free(b->sessions);
    mem_free(b->ids);
    mem_free(b->logits);
    mem_free(b);
}

/* -- Pictures and prompts ---------------------------------------------------------------------- */

/* Prefills one more part of the slot's prompt. */
static void slot_load(struct batch_slot *slot)
{
    struct phi3v_job *job = slot->job;
    bool done = false;
    int rc;
    if (slot->state == SLOT_WAITS) {
        rc = session_load_begin(job->session, job->prompt, slot->a.cap, &slot->task, &slot->loading,
                                &job->error);
        slot->state = rc ? SLOT_WAITS : SLOT_LOADS;
    } else {
        rc = session_load_piece(job->session, &slot->loading, &done, &slot->task, &job->error);
        if (rc || done) slot->state = SLOT_READY;
    }
    if (!rc && done && task_stopped(&slot->task)) rc = task_cancelled(&job->error);
    if (rc) slot_end(slot, rc);
}

/* Keeps the prefill of one job out of the decode times of the others. */
static void set_clocks_back(struct phi3v_batch *b, double seconds)
{
    for (int i = 0; i < b->n_slots; i++)
        if (b->slots[i].state == SLOT_ANSWERS) b->slots[i].start_s += seconds;
}

bool batch_load(struct phi3v_batch *b, bool pause)
{
    struct batch_slot *slot = first_in(b, SLOT_LOADS);
    if (!slot) slot = first_in(b, SLOT_WAITS);
    if (!slot) return false;
    double begun_s = clock_s();
    do slot_load(slot);
    while (!pause && slot->state == SLOT_LOADS);
    set_clocks_back(b, clock_s() - begun_s);
    return true;
}

/* -- Steps ------------------------------------------------------------------------------------- */

static void slot_first(struct batch_slot *slot)
{
    struct phi3v_session *s = slot->job->session;
    slot->state = SLOT_ANSWERS;
    answer_show_prompt(&slot->a, s, slot->job->prompt, slot->job->constraint);
    slot->start_s = clock_s();
    task_stage(&slot->task, PHI3V_STAGE_DECODE, (int64_t)slot->a.cap);
    answer_on_id(&slot->loop, sampler_pick(s->sampler, s->logits));
    if (slot->loop.ends) slot_end(slot, slot->loop.rc);
}

void batch_start_answers(struct phi3v_batch *b)
{
    struct batch_slot *slot;
    while ((slot = first_in(b, SLOT_READY))) slot_first(slot);
}

/* Decodes this slot by itself, for at most n tokens. */
static void slot_go_on(struct batch_slot *slot, size_t n)
{
    struct phi3v_timing *timing = &slot->task.timing;
    double other_s = timing->vision_s + timing->prefill_s;
    int rc = generate_rest(&slot->loop, n);
    timing->decode_s -=
        timing->vision_s + timing->prefill_s - other_s; // crossing into the long rope factors
    if (rc || slot->loop.ends) slot_end(slot, rc);
}

void batch_finish_last(struct phi3v_batch *b)
{
    struct batch_slot *slot = first_in(b, SLOT_ANSWERS);
    if (slot) slot_go_on(slot, slot->a.cap);
}

/* After a step that failed or was stopped, ends the jobs it concerns. */
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
    return answer_on_id(&stepping[i]->loop, id);
}

/* Steps the slots first … first + n - 1 as one device batch. A failure ends only these. */
static void step_group(struct phi3v_batch *b, int first, int n, size_t n_steps)
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
        if (stepping[i]->loop.ends) slot_end(stepping[i], stepping[i]->loop.rc);
}

/* Whether a slot takes part in this step, where slots that decode ahead step apart from the others.
 * A slot that was stopped, or that needs a whole recomputation, is dealt with here. */
static bool takes_part(struct batch_slot *slot, bool ahead)
{
    if (slot->state != SLOT_ANSWERS || session_draws_ahead(slot->job->session) != ahead)
        return false;
    if (task_stopped(&slot->task)) {
        slot_end(slot, 0);
        return false;
    }
    if (session_steps(slot->job->session, 1)) return true;
    slot_go_on(slot, 1);
    return false;
}

/* Steps all slots, in groups of as many as the device takes at once. */
static void step_all(struct phi3v_batch *b, bool ahead, size_t n_steps)
{
    int n = 0;
    for (int i = 0; i < b->n_slots; i++) {
        struct batch_slot *slot = &b->slots[i];
        if (!takes_part(slot, ahead)) continue;
        size_t left = slot->a.cap - slot->a.n;
        b->stepping[n] = slot;
        b->sessions[n] = slot->job->session;
        b->ids[n++] = slot->loop.id;
        if (left < n_steps) n_steps = left;
    }
    if (n == 0) return;
    int most = session_batch_most(b->sessions[0]);
    if (n > most) n_steps = 1;
    for (int first = 0; first < n; first += most)
        step_group(b, first, n - first < most ? n - first : most, n_steps);
}

void batch_step(struct phi3v_batch *b, size_t n)
{
    step_all(b, true, n);
    step_all(b, false, n);
}
