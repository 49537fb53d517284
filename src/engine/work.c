/* SPDX-License-Identifier: MIT */
#include "engine/work.h"

#include "base/clock.h"
#include "base/err.h"

bool work_stopped(const struct work *w)
{
    return w->refused || atomic_load_explicit(w->state, memory_order_relaxed) == WORK_CANCELLED;
}

static void send(struct work *w, const struct phi3v_event *event)
{
    if (w->on_event && !w->refused && w->on_event(event, w->user)) w->refused = true;
}

static void report(struct work *w, int64_t done)
{
    send(w, &(struct phi3v_event){.type = PHI3V_EVENT_PROGRESS,
                                  .stage = w->stage,
                                  .done = done,
                                  .total = w->total,
                                  .seconds = work_stage_s(w)});
}

/* Decode steps are reported by their text. */
static int pulse(void *user, int64_t done, int64_t total)
{
    struct work *w = user;
    if (w->stage != PHI3V_STAGE_DECODE && done < total && !work_stopped(w))
        report(w, w->done + (int64_t)((double)w->share * (double)done / (double)total));
    return work_stopped(w);
}

void work_begin(struct work *w, atomic_int *state, phi3v_event_fn on_event, void *user)
{
    *w = (struct work){.state = state, .on_event = on_event, .user = user};
    w->pulse = (struct pulse){.fn = pulse, .user = w};
    w->stage_start_s = clock_s();
    atomic_store(state, WORK_RUNNING);
}

void work_end(struct work *w) { atomic_store(w->state, WORK_IDLE); }

void work_cancel(atomic_int *state)
{
    int running = WORK_RUNNING;
    atomic_compare_exchange_strong(state, &running, WORK_CANCELLED);
}

void work_stage(struct work *w, enum phi3v_stage stage, int64_t total)
{
    w->stage = stage;
    w->stage_start_s = clock_s();
    w->done = w->share = 0;
    w->total = total;
    if (stage != PHI3V_STAGE_DECODE) report(w, 0);
}

void work_share(struct work *w, int64_t share) { w->share = share; }

void work_done(struct work *w)
{
    w->done += w->share;
    w->share = 0;
    if (w->stage != PHI3V_STAGE_DECODE) report(w, w->done);
}

double work_stage_s(const struct work *w) { return clock_s() - w->stage_start_s; }

void work_token(struct work *w, int32_t id, float logprob, const struct phi3v_logprob *top,
                int n_top)
{
    send(w, &(struct phi3v_event){.type = PHI3V_EVENT_TOKEN,
                                  .stage = PHI3V_STAGE_DECODE,
                                  .seconds = work_stage_s(w),
                                  .id = id,
                                  .logprob = logprob,
                                  .n_top = n_top,
                                  .top = top});
}

void work_text(struct work *w, const char *text, size_t n_bytes, int32_t newest)
{
    send(w, &(struct phi3v_event){.type = PHI3V_EVENT_TEXT,
                                  .stage = PHI3V_STAGE_DECODE,
                                  .seconds = work_stage_s(w),
                                  .text = text,
                                  .n_text_bytes = n_bytes,
                                  .id = newest});
}

int work_cancelled(struct phi3v_error *err) { return err_set(err, PHI3V_E_CANCELLED, "cancelled"); }
