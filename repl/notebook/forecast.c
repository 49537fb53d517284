/* SPDX-License-Identifier: MIT */
#include "notebook/forecast.h"

static const double trust = 0.1;       /* the expectation weighs as much as this share of a stage */
static const double enough = 0.05;     /* share of a stage to be seen if nothing was expected */
static const double may_rise = 1.2;    /* what is reported, over the least so far */
static const double other_times = 2;   /* the estimate over that: the machine's speed has changed */
static const double no_matter_s = 0.5; /* seconds below which differences do not matter */

void forecast_begin(struct forecast *f, const struct price *p, const struct phi3v_model_info *info,
                    int64_t held, int64_t n_tokens, double now)
{
    double n = (double)(n_tokens > held ? n_tokens - held : 1);
    double worth = price_rows(info, (double)held, (double)held + n);
    *f = (struct forecast){.on = true,
                           .s_per_crop = p->s_per_crop,
                           .s_per_token = p->s_per_row * worth / n,
                           .n_tokens = n,
                           .begun_s = now,
                           .stage = PHI3V_STAGE_LOAD,
                           .least_left_s = -1,
                           .left_s = -1};
}

static void look_at_stage(struct forecast *f, const struct phi3v_event *event, double now)
{
    if (event->stage == f->stage && event->total == f->total && event->part >= f->stage_part)
        return;
    f->stage = event->stage;
    f->total = event->total;
    f->stage_s = now;
    f->stage_part = event->part;
}

/* Seconds per unit of the present stage; 0: not known. */
static double unit_s(const struct forecast *f, double expected, const struct phi3v_event *event,
                     double now)
{
    double seen = event->part - f->stage_part, n = seen * (double)event->total;
    double measured = n > 0 ? (now - f->stage_s) / n : 0;
    if (expected <= 0) return seen >= enough ? measured : 0;
    double weight = seen / (seen + trust);
    return expected + weight * (measured - expected);
}

/* Seconds left; negative: not known. */
static double left_s(const struct forecast *f, const struct phi3v_event *event, double now)
{
    bool pictures = event->stage == PHI3V_STAGE_VISION;
    double one = unit_s(f, pictures ? f->s_per_crop : f->s_per_token, event, now);
    if (one <= 0 || (pictures && f->s_per_token <= 0)) return -1;
    double left = one * (double)event->total * (1 - event->part);
    return pictures ? left + f->s_per_token * f->n_tokens : left;
}

static double tell(struct forecast *f, double left)
{
    double least = f->least_left_s > no_matter_s ? f->least_left_s : no_matter_s;
    bool first = f->least_left_s < 0;
    if (!first && left > may_rise * least && left < other_times * may_rise * least)
        return may_rise * least; /* the least so far stays */
    if (first || left < f->least_left_s || left > may_rise * least) f->least_left_s = left;
    return left;
}

void forecast_event(struct forecast *f, const struct phi3v_event *event, double now)
{
    bool ours = event->stage == PHI3V_STAGE_VISION || event->stage == PHI3V_STAGE_PREFILL;
    if (!f->on || event->type != PHI3V_EVENT_PROGRESS || !ours) return;
    look_at_stage(f, event, now);
    double left = left_s(f, event, now), passed = now - f->begun_s;
    f->left_s = left < 0 ? left : tell(f, left);
    double share = f->left_s < 0 ? 0 : passed / (passed + f->left_s + 1e-9);
    if (share > f->share) f->share = share;
}
