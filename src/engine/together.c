/* SPDX-License-Identifier: MIT */
#include "engine/together.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/answer.h"
#include "engine/generate.h"

/* A job's place at the table, until its answer is complete. */
struct seat {
    struct table *table;
    struct phi3v_job *job;
    struct answer a;
    struct turn turn;
    struct work w;
    double start_s;
    bool live;
};

struct table {
    struct seat *seats; // [n]
    int n;
    phi3v_job_event_fn on_event;
    void *user;
    /* The step: the seats that take part, their sessions, the ids they go on with, their logits. */
    struct seat **takers;            // [n]
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
    const struct table *t = user;
    for (int i = 0; i < t->n; i++)
        if (t->seats[i].live && work_stopped(&t->seats[i].w)) return 1;
    return 0;
}

static int table_init(struct table *t, int n, int n_vocab, struct phi3v_error *err)
{
    size_t count = (size_t)n, bytes = count * (size_t)n_vocab * sizeof *t->logits;
    t->n = n;
    t->pulse = (struct pulse){.fn = any_stopped, .user = t};
    t->seats = mem_zarray(count, sizeof *t->seats);
    t->takers = mem_zarray(count, sizeof *t->takers);
    t->sessions = mem_zarray(count, sizeof *t->sessions);
    t->ids = mem_zarray(count, sizeof *t->ids);
    t->logits = mem_array(count, (size_t)n_vocab * sizeof *t->logits);
    bool whole = t->seats && t->takers && t->sessions && t->ids && t->logits;
    return whole ? 0 : err_memory(err, "answers side by side", bytes);
}

static void table_fini(struct table *t)
{
    mem_free(t->seats);
    mem_free(t->takers);
    mem_free(t->sessions);
    mem_free(t->ids);
    mem_free(t->logits);
}

/* -- One seat ---------------------------------------------------------------------------------- */

static int tell(const struct phi3v_event *event, void *user)
{
    struct seat *seat = user;
    return seat->table->on_event(event, (int)(seat - seat->table->seats), seat->table->user);
}

/* The job is done, with an answer or without. */
static void seat_end(struct seat *seat, int rc)
{
    struct phi3v_job *job = seat->job;
    struct phi3v_timing *t = &seat->w.timing;
    seat->live = false;
    if (seat->start_s > 0) {
        t->decode_s += clock_s() - seat->start_s;
        session_settle(job->session);
    }
    if (!rc) rc = answer_flush(&seat->a, &job->error);
    work_end(&seat->w);
    if (!rc && job->result) answer_hand_over(&seat->a, job->result);
    answer_fini(&seat->a);
    job->code = rc;
    if (seat->table->on_event) tell(&(struct phi3v_event){.type = PHI3V_EVENT_END}, seat);
}

/* Pictures, prompt and the first token. */
static void seat_begin(struct seat *seat, const struct phi3v_params *params)
{
    struct phi3v_job *job = seat->job;
    struct phi3v_session *s = job->session;
    struct phi3v_error *err = &job->error;
    size_t room = answer_room(s, job->prompt, params->max_new_tokens);
    seat->a = (struct answer){.params = params, .work = &seat->w};
    seat->turn = (struct turn){.a = &seat->a, .s = s, .err = err};
    work_begin(&seat->w, &s->work, seat->table->on_event ? tell : NULL, seat);
    int rc = answer_init(&seat->a, s, job->prompt, room, err);
    if (!rc) rc = session_load(s, job->prompt, room, NULL, &seat->w, err);
    if (!rc && work_stopped(&seat->w)) rc = work_cancelled(err);
    if (rc) {
        seat_end(seat, rc);
        return;
    }
    answer_show_prompt(s, job->prompt, params);
    seat->live = true;
}

static void seat_first(struct seat *seat)
{
    struct phi3v_session *s = seat->job->session;
    seat->start_s = clock_s();
    work_stage(&seat->w, PHI3V_STAGE_DECODE, (int64_t)seat->a.cap);
    answer_on_id(&seat->turn, sampler_pick(s->sampler, s->logits));
    if (seat->turn.ends) seat_end(seat, seat->turn.rc);
}

/* Going on alone: to the end, or a single step. */
static void seat_go_on(struct seat *seat, size_t n)
{
    struct phi3v_timing *t = &seat->w.timing;
    double other_s = t->vision_s + t->prefill_s;
    int rc = generate_rest(&seat->turn, n);
    t->decode_s -= t->vision_s + t->prefill_s - other_s; // crossing into the long rope factors
    if (rc || seat->turn.ends) seat_end(seat, rc);
}

/* -- Steps ------------------------------------------------------------------------------------- */

static int n_live(const struct table *t)
{
    int n = 0;
    for (int i = 0; i < t->n; i++) n += t->seats[i].live;
    return n;
}

/* After a step that failed or was stopped: ends whom it concerns. */
static void end_takers(struct seat *const *takers, int n, int rc, const struct phi3v_error *err)
{
    bool any = false;
    for (int i = 0; i < n; i++) any |= work_stopped(&takers[i]->w);
    for (int i = 0; i < n; i++) {
        struct seat *seat = takers[i];
        if (rc == PHI3V_E_CANCELLED && any && !work_stopped(&seat->w)) continue;
        if (rc != PHI3V_E_CANCELLED) seat->job->error = *err;
        seat_end(seat, rc == PHI3V_E_CANCELLED ? 0 : rc);
    }
}

static int on_id(void *user, int i, int32_t id)
{
    struct seat *const *takers = user;
    return answer_on_id(&takers[i]->turn, id);
}

/* Takers first … first + n - 1, which the device computes together. What fails is theirs alone. */
static void step_group(struct table *t, int first, int n, size_t n_steps)
{
    struct seat **takers = t->takers + first;
    struct phi3v_error err = {0};
    int rc = session_follow_together(t->sessions + first, t->ids + first, n, n_steps, t->logits,
                                     on_id, takers, &t->pulse, &err);
    if (rc) {
        end_takers(takers, n, rc, &err);
        return;
    }
    for (int i = 0; i < n; i++)
        if (takers[i]->turn.ends) seat_end(takers[i], takers[i]->turn.rc);
}

/* A token more for every live seat, or several until one of them ends: together, as far as the
 * device takes them, but for those that need more than a step. Several groups go in turns. */
static void step(struct table *t)
{
    int n = 0;
    size_t n_steps = SIZE_MAX;
    for (int i = 0; i < t->n; i++) {
        struct seat *seat = &t->seats[i];
        size_t left = seat->a.cap - seat->a.n;
        if (!seat->live) continue;
        if (work_stopped(&seat->w)) {
            seat_end(seat, 0);
        } else if (!session_steps(seat->job->session)) {
            seat_go_on(seat, 1);
        } else {
            t->takers[n] = seat;
            t->sessions[n] = seat->job->session;
            t->ids[n++] = seat->turn.id;
            if (left < n_steps) n_steps = left;
        }
    }
    if (n == 0) return;
    int most = session_most_together(t->sessions[0]);
    if (n > most) n_steps = 1;
    for (int first = 0; first < n; first += most)
        step_group(t, first, n - first < most ? n - first : most, n_steps);
}

int generate_many(struct phi3v_job *jobs, int n, const struct phi3v_params *params,
                  phi3v_job_event_fn on_event, void *user, struct phi3v_error *err)
{
    struct table t = {.on_event = on_event, .user = user};
    int n_vocab = jobs[0].session->model->config.n_vocab;
    int rc = table_init(&t, n, n_vocab, err);
    for (int i = 0; i < n && !rc; i++) {
        struct phi3v_job *job = job_at(jobs, i);
        job->code = 0;
        job->error = (struct phi3v_error){0};
        t.seats[i].table = &t;
        t.seats[i].job = job;
    }
    for (int i = 0; i < n && !rc; i++) seat_begin(&t.seats[i], params);
    for (int i = 0; i < n && !rc; i++)
        if (t.seats[i].live) seat_first(&t.seats[i]);
    while (!rc && n_live(&t) > 1) step(&t);
    for (int i = 0; i < n && !rc; i++)
        if (t.seats[i].live) seat_go_on(&t.seats[i], t.seats[i].a.cap);
    table_fini(&t);
    return rc;
}
