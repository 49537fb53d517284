/* SPDX-License-Identifier: MIT */
#include "engine/task.h"

#include "base/clock.h"
#include "base/err.h"

bool task_stopped(const struct task *task)
{
    return task->refused ||
           atomic_load_explicit(task->state, memory_order_relaxed) == TASK_CANCELLED;
}

static void send(struct task *task, const struct phi3v_event *event)
{
    if (task->on_event && !task->refused && task->on_event(event, task->user)) task->refused = true;
}

static void report(struct task *task, double done)
{
    send(task, &(struct phi3v_event){.type = PHI3V_EVENT_PROGRESS,
                                     .stage = task->stage,
                                     .done = (int64_t)done,
                                     .total = task->total,
                                     .part = task->total > 0 ? done / (double)task->total : 1,
                                     .seconds = task_stage_s(task)});
}

/* Decoding reports no progress here; its text events show it. */
static int pulse(void *user, int64_t done, int64_t total)
{
    struct task *task = user;
    if (task->stage != PHI3V_STAGE_DECODE && done < total && !task_stopped(task))
        report(task, (double)task->done + (double)task->share * (double)done / (double)total);
    return task_stopped(task);
}

void task_begin(struct task *task, atomic_int *state, phi3v_event_fn on_event, void *user)
{
    *task = (struct task){.state = state, .on_event = on_event, .user = user};
    task->pulse = (struct pulse){.fn = pulse, .user = task};
    task->stage_start_s = clock_s();
    atomic_store(state, TASK_RUNNING);
}

void task_end(struct task *task) { atomic_store(task->state, TASK_IDLE); }

void task_cancel(atomic_int *state)
{
    int running = TASK_RUNNING;
    atomic_compare_exchange_strong(state, &running, TASK_CANCELLED);
}

void task_stage(struct task *task, enum phi3v_stage stage, int64_t total)
{
    task->stage = stage;
    task->stage_start_s = clock_s();
    task->done = task->share = 0;
    task->total = total;
    if (stage != PHI3V_STAGE_DECODE) report(task, 0);
}

void task_share(struct task *task, int64_t share) { task->share = share; }

void task_done(struct task *task)
{
    task->done += task->share;
    task->share = 0;
    if (task->stage != PHI3V_STAGE_DECODE) report(task, (double)task->done);
}

double task_stage_s(const struct task *task) { return clock_s() - task->stage_start_s; }

void task_token(struct task *task, int32_t id, float logprob, const struct phi3v_logprob *top,
                int n_top)
{
    send(task, &(struct phi3v_event){.type = PHI3V_EVENT_TOKEN,
                                     .stage = PHI3V_STAGE_DECODE,
                                     .seconds = task_stage_s(task),
                                     .id = id,
                                     .logprob = logprob,
                                     .n_top = n_top,
                                     .top = top});
}

void task_text(struct task *task, const char *text, size_t n_bytes, int32_t newest)
{
    send(task, &(struct phi3v_event){.type = PHI3V_EVENT_TEXT,
                                     .stage = PHI3V_STAGE_DECODE,
                                     .seconds = task_stage_s(task),
                                     .text = text,
                                     .n_text_bytes = n_bytes,
                                     .id = newest});
}

int task_cancelled(struct phi3v_error *err) { return err_set(err, PHI3V_E_CANCELLED, "cancelled"); }
