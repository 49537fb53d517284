/* SPDX-License-Identifier: MIT */
#include "result.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGREE 0.1     // the largest difference, relative to the greater of two probes
#define TWO_MODES 1.3 // the least ratio of high to low

static const char *const limit_names[N_LIMITS] = {"read_gbs", "f32_gflops", "bf16_gflops",
                                                  "int8_gops"};

bool sample_agrees(const struct sample *s)
{
    for (int i = 0; i < N_LIMITS; i++) {
        double a = limit_value(&s->before, (enum limit)i);
        double b = limit_value(&s->after, (enum limit)i);
        if (s->amount[i] > 0 && fabs(a - b) > AGREE * fmax(a, b)) return false;
    }
    return true;
}

bool sample_counts(const struct result *r, const struct sample *s)
{
    bool any = false;
    for (int i = 0; i < r->n_samples; i++) any |= sample_agrees(&r->samples[i]);
    return !any || sample_agrees(s);
}

void limits_raise(struct machine_limits *best, const struct machine_limits *seen)
{
    best->read_gbs = fmax(best->read_gbs, seen->read_gbs);
    best->f32_gflops = fmax(best->f32_gflops, seen->f32_gflops);
    best->bf16_gflops = fmax(best->bf16_gflops, seen->bf16_gflops);
    best->int8_gops = fmax(best->int8_gops, seen->int8_gops);
}

/* Bandwidth varies, so the probes around the sample count. The arithmetic peak is constant, and a
 * lower one was disturbed, so the best one counts. */
static double limit_around(const struct result *r, const struct sample *s, enum limit limit)
{
    if (limit != LIMIT_READ) return limit_value(&r->best, limit);
    return (s->before.read_gbs + s->after.read_gbs) / 2;
}

/* The least time that the limits allow, divided by the time it took; 0 when a limit is unknown. */
static double share_of(const struct result *r, const struct sample *s)
{
    double least_s = 0;
    for (int i = 0; i < N_LIMITS; i++) {
        double limit = limit_around(r, s, (enum limit)i);
        if (s->amount[i] > 0 && limit <= 0) return 0;
        if (s->amount[i] > 0) least_s += s->amount[i] / limit / 1e9;
    }
    return least_s / s->seconds;
}

/* -- Medians ----------------------------------------------------------------------------------- */

enum figure { SECONDS, TOK_S, SHARE, BEFORE, AFTER };

static double figure_of(const struct result *r, const struct sample *s, enum figure figure)
{
    switch (figure) {
    case SECONDS:
        return s->seconds;
    case TOK_S:
        return s->n_tokens / s->seconds;
    case SHARE:
        return share_of(r, s);
    case BEFORE:
        return s->before.read_gbs;
    default:
        return s->after.read_gbs;
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const struct result *r, enum figure figure)
{
    double v[MAX_SAMPLES];
    int n = 0;
    for (int i = 0; i < r->n_samples; i++)
        if (sample_counts(r, &r->samples[i])) v[n++] = figure_of(r, &r->samples[i], figure);
    qsort(v, (size_t)n, sizeof *v, ascending);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* -- Summary ----------------------------------------------------------------------------------- */

static void set_limit(struct summary *m, const struct sample *s)
{
    for (int i = 0; i < N_LIMITS; i++) {
        if (s->amount[i] <= 0) continue;
        size_t n = strlen(m->limit);
        snprintf(m->limit + n, sizeof m->limit - n, "%s%s", n ? "," : "", limit_names[i]);
        m->amount += s->amount[i];
    }
}

/* Data that is read repeatedly and takes at most half the cache comes mostly from there. */
static bool cached(const struct result *r, const struct sample *s)
{
    double steps = s->n_tokens > 0 ? s->n_tokens : 1;
    return s->amount[LIMIT_READ] > 0 &&
           s->amount[LIMIT_READ] / steps < 2.0 * (double)r->cache_bytes;
}

static void summarize_memory(const struct sample *s, struct summary *m)
{
    m->reads = true;
    m->amount = (double)s->resident_bytes;
    m->share = m->amount / (double)(s->file_bytes + s->kv_bytes);
    snprintf(m->limit, sizeof m->limit, "file_and_kv");
}

void result_summary(const struct result *r, struct summary *m)
{
    const struct sample *s = &r->samples[0];
    *m = (struct summary){.n = s->n,
                          .ctx = s->ctx,
                          .tokens = s->tokens,
                          .seconds = median(r, SECONDS),
                          .tok_s = s->n_tokens > 0 ? median(r, TOK_S) : 0,
                          .read_gbs_before = median(r, BEFORE),
                          .read_gbs_after = median(r, AFTER),
                          .n_samples = r->n_samples};
    for (int i = 0; i < r->n_samples; i++) m->n_counted += sample_agrees(&r->samples[i]);
    if (!strcmp(r->name, "memory")) {
        summarize_memory(s, m);
        return;
    }
    m->reads = s->amount[LIMIT_READ] > 0;
    set_limit(m, s);
    if (cached(r, s))
        snprintf(m->limit, sizeof m->limit, "cache");
    else
        m->share = median(r, SHARE);
}

/* -- Modes of bandwidth ------------------------------------------------------------------------ */

void band_widen(struct band *band, const struct machine_limits *limits)
{
    double gbs = limits->read_gbs;
    if (gbs <= 0) return;
    if (band->low == 0 || gbs < band->low) band->low = gbs;
    if (gbs > band->high) band->high = gbs;
}

const char *band_mode(const struct band *band, const struct summary *s)
{
    if (band->high < TWO_MODES * band->low) return "steady";
    double gbs = (s->read_gbs_before + s->read_gbs_after) / 2;
    return gbs * gbs < band->low * band->high ? "low" : "high";
}
