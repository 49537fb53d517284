/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <stdio.h>
#include <string.h>

#include "progress.h"

#define SLOWER 0.9 // a lower fraction of the stored share is more than noise

/* -- Against a stored run ---------------------------------------------------------------------- */

int report_load(const struct run_options *s, json_t **ret)
{
    json_error_t why;
    json_t *stored = json_load_file(s->compare, 0, &why);
    if (stored && json_is_array(json_object_get(stored, "cases"))) {
        *ret = stored;
        return 0;
    }
    int status = run_options_report(s, EXIT_USAGE, PHI3V_E_ARGUMENT, "--compare %.200s: %s",
                                    s->compare, stored ? "no run stored by --json" : why.text);
    json_decref(stored);
    return status;
}

/* Ratios of a case to the stored one; above 1 is better. */
struct ratios {
    bool found, slower;
    double speed, share; // share 0: not known for both
};

/* Runs that store no length of questions used USUAL_QUESTION. */
static bool is_case(const json_t *c, const struct result *r, const struct summary *m)
{
    const json_t *tokens = json_object_get(c, "tokens");
    int64_t asked = tokens ? json_integer_value(tokens) : m->tokens ? USUAL_QUESTION : 0;
    const char *name = json_string_value(json_object_get(c, "case"));
    const char *dtype = json_string_value(json_object_get(c, "dtype"));
    const char *kv = json_string_value(json_object_get(c, "kv"));
    return name && dtype && (!kv || !strcmp(kv, r->kv)) && !strcmp(name, r->name) &&
           !strcmp(dtype, r->dtype) && json_integer_value(json_object_get(c, "n")) == m->n &&
           json_integer_value(json_object_get(c, "ctx")) == m->ctx && asked == m->tokens;
}

/* Compares shares when they are known, because the machine's bandwidth varies. Less memory is
 * better. */
static void compare(const struct summary *m, const json_t *c, struct ratios *ret)
{
    double tok_s = json_number_value(json_object_get(c, "tok_s"));
    double seconds = json_number_value(json_object_get(c, "s"));
    double share = json_number_value(json_object_get(c, "share"));
    bool memory = !strcmp(m->limit, "file_and_kv");
    ret->found = true;
    if (tok_s > 0 && m->tok_s > 0)
        ret->speed = m->tok_s / tok_s;
    else if (seconds > 0 && m->seconds > 0)
        ret->speed = seconds / m->seconds;
    if (share > 0 && m->share > 0) ret->share = memory ? share / m->share : m->share / share;
    double ratio = ret->share > 0 ? ret->share : ret->speed;
    ret->slower = ratio > 0 && ratio < SLOWER;
}

static struct ratios ratios_of(const struct run *run, const struct result *r,
                               const struct summary *m)
{
    struct ratios ratios = {0};
    const json_t *cases = json_object_get(run->stored, "cases");
    for (size_t i = 0; i < json_array_size(cases) && !ratios.found; i++) {
        const json_t *c = json_array_get(cases, i);
        if (is_case(c, r, m)) compare(m, c, &ratios);
    }
    return ratios;
}

int report_slower(const struct run *run)
{
    int n = 0;
    for (int i = 0; run->stored && i < run->n_results; i++) {
        const struct result *r = &run->results[i];
        struct summary m;
        result_summary(r, &m);
        struct ratios ratios = ratios_of(run, r, &m);
        if (!ratios.slower) continue;
        progress_say("%s, n %lld, ctx %lld: %.2f times the stored %s", r->name, (long long)m.n,
                     (long long)m.ctx, ratios.share > 0 ? ratios.share : ratios.speed,
                     ratios.share > 0 ? "share of the limit" : "speed");
        n++;
    }
    return n;
}

/* -- Table ------------------------------------------------------------------------------------- */

void report_limits(const struct run *run)
{
    const struct machine_limits *l = &run->limits;
    printf("%s, %d threads: reads %.1f GB/s, f32 %.0f GFLOP/s", machine_name(),
           run->settings->threads, l->read_gbs, l->f32_gflops);
    if (l->bf16_gflops > 0) printf(", bf16 %.0f GFLOP/s", l->bf16_gflops);
    if (l->int8_gops > 0) printf(", int8 %.0f GOP/s", l->int8_gops);
    printf("\n\n%-7s %-4s %-4s %5s %6s  %-13s  %-15s  %s\n", "case", "type", "kv", "n", "ctx",
           "speed", "rate", "of the limit, measured around it");
    fflush(stdout);
}

static void print_share(const struct run *run, const struct summary *m)
{
    if (!strcmp(m->limit, "cache")) {
        printf("none: %.0f MB of weights and keys fit the cache of %.0f MB",
               m->amount / (m->tok_s > 0 ? (double)m->n : 1) / 1e6,
               (double)machine_cache_bytes() / 1e6);
    } else if (m->share <= 0) {
        printf("unknown for %s", m->limit);
    } else if (m->reads) {
        printf("%.0f %% of reading at %.0f GB/s (%s)", 100 * m->share,
               (m->read_gbs_before + m->read_gbs_after) / 2, band_mode(&run->band, m));
    } else {
        printf("%.0f %% of %s", 100 * m->share, m->limit);
    }
    if (m->n_counted == 0) printf(", probes differ");
}

void report_result(const struct run *run, const struct result *r)
{
    struct summary m;
    char name[32], speed[32], rate[40];
    result_summary(r, &m);
    snprintf(name, sizeof name, "%s", r->name);
    if (m.tokens && m.tokens != USUAL_QUESTION)
        snprintf(name, sizeof name, "%s+%d", r->name, m.tokens);
    if (!strcmp(r->name, "memory")) {
        printf("%-7s %-4s %-4s %5lld %6lld  %.2f GB, %.2f times (file + keys and values)", r->name,
               r->dtype, r->kv, (long long)m.n, (long long)m.ctx, m.amount / 1e9, m.share);
    } else {
        if (m.tok_s > 0)
            snprintf(speed, sizeof speed, "%.2f tok/s", m.tok_s);
        else
            snprintf(speed, sizeof speed, "%.3f s", m.seconds);
        snprintf(rate, sizeof rate, "%.1f %s", m.amount / m.seconds / 1e9,
                 m.reads ? "GB/s" : "GFLOP/s");
        printf("%-7s %-4s %-4s %5lld %6lld  %-13s  %-15s  ", name, r->dtype, r->kv, (long long)m.n,
               (long long)m.ctx, speed, rate);
        print_share(run, &m);
    }
    struct ratios ratios = ratios_of(run, r, &m);
    if (ratios.found) printf("; speed %.2fx", ratios.speed);
    if (ratios.share > 0) printf(", share %.2fx%s", ratios.share, ratios.slower ? " SLOWER" : "");
    putchar('\n');
    fflush(stdout);
}

/* -- JSON -------------------------------------------------------------------------------------- */

static json_t *limits_json(const struct machine_limits *l)
{
    return json_pack("{s:f,s:f,s:f,s:f}", "read_gbs", l->read_gbs, "f32_gflops", l->f32_gflops,
                     "bf16_gflops", l->bf16_gflops, "int8_gops", l->int8_gops);
}

static json_t *samples_json(const struct result *r)
{
    json_t *samples = json_array();
    for (int i = 0; i < r->n_samples; i++) {
        const struct sample *s = &r->samples[i];
        json_array_append_new(samples,
                              json_pack("{s:f,s:o,s:o,s:b}", "s", s->seconds, "before",
                                        limits_json(&s->before), "after", limits_json(&s->after),
                                        "counts", (int)sample_counts(r, s)));
    }
    return samples;
}

static json_t *result_json(const struct run *run, const struct result *r)
{
    struct summary m;
    result_summary(r, &m);
    bool tokens = m.tok_s > 0;
    json_t *c = json_pack("{s:s,s:s,s:s,s:I,s:I,s:f,s:f,s:s,s:f,s:f,s:s,s:o}", "case", r->name,
                          "dtype", r->dtype, "kv", r->kv, "n", (json_int_t)m.n, "ctx",
                          (json_int_t)m.ctx, tokens ? "tok_s" : "s", tokens ? m.tok_s : m.seconds,
                          m.reads ? "bytes" : "flops", m.amount, "limit", m.limit,
                          "read_gbs_before", m.read_gbs_before, "read_gbs_after", m.read_gbs_after,
                          "mode", band_mode(&run->band, &m), "samples", samples_json(r));
    if (m.tokens) json_object_set_new(c, "tokens", json_integer(m.tokens));
    json_object_set_new(c, "share", m.share > 0 ? json_real(m.share) : json_null());
    if (!strcmp(r->name, "memory")) {
        json_object_set_new(c, "file_bytes", json_integer(r->samples[0].file_bytes));
        json_object_set_new(c, "kv_bytes", json_integer(r->samples[0].kv_bytes));
    }
    struct ratios ratios = ratios_of(run, r, &m);
    if (ratios.found)
        json_object_set_new(c, "compared",
                            json_pack("{s:f,s:f,s:b}", "speed", ratios.speed, "share", ratios.share,
                                      "slower", (int)ratios.slower));
    return c;
}

void report_json(const struct run *run, bool interrupted)
{
    json_t *cases = json_array();
    for (int i = 0; i < run->n_results; i++)
        json_array_append_new(cases, result_json(run, &run->results[i]));
    json_t *all = json_pack("{s:o,s:o,s:s,s:i}", "limits", limits_json(&run->limits), "cases",
                            cases, "cpu", machine_name(), "threads", run->settings->threads);
    if (run->device) json_object_set_new(all, "device", json_string(run->device));
    if (interrupted) json_object_set_new(all, "interrupted", json_true());
    if (all) json_dumpf(all, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
}

/* -- CSV --------------------------------------------------------------------------------------- */

/* Writes a field, which is empty when there is no figure. */
static void field(double value)
{
    putchar(',');
    if (value > 0) printf("%.6g", value);
}

void report_csv(const struct run *run)
{
    puts("case,dtype,kv,n,ctx,tok_s,s,bytes,flops,limit,share,read_gbs_before,read_gbs_after,mode,"
         "samples,agreed,tokens");
    for (int i = 0; i < run->n_results; i++) {
        const struct result *r = &run->results[i];
        struct summary m;
        result_summary(r, &m);
        printf("%s,%s,%s,%lld,%lld", r->name, r->dtype, r->kv, (long long)m.n, (long long)m.ctx);
        field(m.tok_s);
        field(m.seconds);
        field(m.reads ? m.amount : 0);
        field(m.reads ? 0 : m.amount);
        printf(",%s", strchr(m.limit, ',') ? "mixed" : m.limit);
        field(m.share);
        field(m.read_gbs_before);
        field(m.read_gbs_after);
        printf(",%s,%d,%d", band_mode(&run->band, &m), m.n_samples, m.n_counted);
        field(m.tokens);
        putchar('\n');
    }
}
