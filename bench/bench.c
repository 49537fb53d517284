/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phi3v_tools.h"
#include "clock.h"
#include "progress.h"
#include "report.h"
#include "start.h"

enum { USUAL_SAMPLES = 5, MOST_TRIES = 3 }; // MOST_TRIES x the wanted samples, if probes disagree
#define CASE_S 10.0                         // the time for a case's samples without --repeat
#define WARM_UP_S 2.0                       // a first sample shorter than this does not count

/* The state of the run. */
struct driver {
    const struct run_options *s;
    char *path; // NULL: synthetic
    struct bench bench;
    struct machine_probe *probe;
    struct run run;
};

/* -- The model --------------------------------------------------------------------------------- */

static void model_options(const struct run_options *s, struct phi3v_model_options *opt)
{
    phi3v_model_options_default(opt);
    opt->device = s->device;
    opt->dtype = s->dtype;
    opt->kv = s->kv;
    opt->n_threads = s->threads;
    opt->synthetic = s->synthetic;
    opt->on_event = progress_event;
}

/* Opens the model for the first case that needs it; start and memory do not. */
static int need_model(struct driver *d, struct phi3v_error *err)
{
    struct bench *b = &d->bench;
    if (b->session) return 0;
    struct phi3v_model_options opt;
    model_options(d->s, &opt);
    progress_say("opening %s", d->path ? d->path : "synthetic weights");
    int rc = b->model ? 0 : phi3v_model_open(d->path, &opt, &b->model, err);
    if (!rc) rc = phi3v_session_new(b->model, &b->session, err);
    if (!rc) phi3v_session_alone(b->session); // reuse would keep samples from computing their part
    if (rc) return rc;
    model_cost_count(b->model, &b->cost);
    d->run.device = phi3v_model_info(b->model)->device;
    progress_session(b->session);
    return cases_warm_up(b, err);
}

/* -- Samples ----------------------------------------------------------------------------------- */

static int run_apart(struct driver *d, const struct plan_item *item, struct result *r,
                     struct sample *sample, struct phi3v_error *err)
{
    struct phi3v_model_options opt;
    struct start_report report;
    model_options(d->s, &opt);
    int rc = start_run(d->path, &opt, (int)item->number, &report);
    if (rc) {
        *err = report.err;
        return rc;
    }
    *sample = report.sample;
    memcpy(r->dtype, report.dtype, sizeof r->dtype);
    memcpy(r->kv, report.kv, sizeof r->kv);
    return 0;
}

/* -- Where the time went ----------------------------------------------------------------------- */

struct stages {
    bool say; // print the stages; otherwise only reset their times
    double total_s, kernels_s;
};

static void one_stage(const char *name, double seconds, void *user)
{
    struct stages *t = user;
    t->kernels_s += seconds;
    if (t->say)
        fprintf(stderr, "  %-10s %9.2f ms  %5.1f %%\n", name, 1e3 * seconds,
                100 * seconds / t->total_s);
}

/* Runs the case and prints its stages, including the making of its prompt. */
static int run_with_stages(struct driver *d, const struct plan_item *item, struct sample *sample,
                           struct phi3v_error *err)
{
    struct stages t = {.say = false};
    phi3v_bench_stages(d->bench.session, one_stage, &t);
    double start_s = now_s();
    int rc = item->kind->run(&d->bench, item, sample, err);
    t = (struct stages){.say = true, .total_s = now_s() - start_s};
    if (rc) return rc;
    fprintf(stderr, "%s:%lld, a sample of %.1f ms\n", item->kind->name, (long long)item->number,
            1e3 * t.total_s);
    phi3v_bench_stages(d->bench.session, one_stage, &t);
    one_stage("the rest", t.total_s - t.kernels_s, &t);
    return 0;
}

/* Takes one sample between two probes. */
static int take_sample(struct driver *d, const struct plan_item *item, struct result *r,
                       struct sample *sample, struct phi3v_error *err)
{
    struct machine_limits before = {0}, after = {0};
    bool probed = !cases_on_gpu(&d->bench);
    if (probed) machine_probe_measure(d->probe, &before);
    int rc;
    if (!item->kind->run)
        rc = run_apart(d, item, r, sample, err);
    else if (d->s->stages)
        rc = run_with_stages(d, item, sample, err);
    else
        rc = item->kind->run(&d->bench, item, sample, err);
    if (rc) return rc;
    if (probed) machine_probe_measure(d->probe, &after);
    sample->before = before;
    sample->after = after;
    band_widen(&d->run.band, &before);
    band_widen(&d->run.band, &after);
    limits_raise(&d->run.best, &before);
    limits_raise(&d->run.best, &after);
    return 0;
}

/* Takes samples until enough of them have probes that agree, or the time is up. One is enough for
 * the memory of a process, which does not vary. */
static int run_case(struct driver *d, const struct plan_item *item, struct result *r,
                    struct phi3v_error *err)
{
    const struct run_options *s = d->s;
    int wanted = s->repeat ? s->repeat : USUAL_SAMPLES, agreed = 0, rc = 0;
    if (!strcmp(r->name, "memory")) wanted = 1;
    struct sample sample;
    rc = take_sample(d, item, r, &sample, err);
    if (rc) return rc;
    double spent_s = 0;
    bool warm_up = wanted > 1 && sample.seconds < WARM_UP_S;
    while (!rc && !progress_interrupted()) {
        if (!warm_up) {
            r->samples[r->n_samples++] = sample;
            agreed += sample_agrees(&sample);
            spent_s += sample.seconds;
            if (agreed >= wanted || r->n_samples >= MOST_TRIES * wanted) break;
            if (!s->repeat && spent_s > CASE_S) break;
        }
        warm_up = false;
        rc = take_sample(d, item, r, &sample, err);
    }
    if (!cases_on_gpu(&d->bench)) r->best = d->run.best;
    return r->n_samples ? 0 : rc;
}

/* -- The run ----------------------------------------------------------------------------------- */

static int result_init(struct result *r, const struct plan_item *item)
{
    *r = (struct result){.name = item->kind->name, .cache_bytes = machine_cache_bytes()};
    r->samples = calloc(MAX_SAMPLES, sizeof *r->samples);
    return r->samples ? 0 : PHI3V_E_MEMORY;
}

static void name_types(struct result *r, const struct phi3v_model_info *info)
{
    snprintf(r->dtype, sizeof r->dtype, "%s", info->dtype);
    snprintf(r->kv, sizeof r->kv, "%s", info->kv ? info->kv : "device");
}

static int run_item(struct driver *d, const struct plan_item *item, struct phi3v_error *err)
{
    struct result *r = &d->run.results[d->run.n_results];
    if (!item->kind->run && !d->path) return 0; /* synthetic weights have no file to open */
    if (!item->kind->run && d->bench.model) {
        *err = (struct phi3v_error){PHI3V_E_ARGUMENT,
                                    "start and memory need a process without an open model"};
        return err->code;
    }
    if (result_init(r, item) != 0) {
        *err = (struct phi3v_error){PHI3V_E_MEMORY, "not enough memory for the results"};
        return err->code;
    }
    int rc = item->kind->run ? need_model(d, err) : 0;
    if (item->number)
        progress_say("%s, %lld", r->name, (long long)item->number);
    else
        progress_say("%s", r->name);
    if (!rc && item->kind->run) name_types(r, phi3v_model_info(d->bench.model));
    if (!rc) rc = run_case(d, item, r, err);
    if (rc || !r->n_samples) {
        free(r->samples);
        if (rc != PHI3V_E_TOO_LONG) return rc;
        progress_say("left out: %s", err->text); /* the model is small, or memory is short */
        return 0;
    }
    d->run.n_results++;
    if (!d->s->json && !d->s->csv) report_result(&d->run, r);
    return 0;
}

/* Runs the cases with their own process first, because a process should fork before it has
 * threads. */
static int run_plan(struct driver *d, struct phi3v_error *err)
{
    const struct run_options *s = d->s;
    int rc = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < s->n_plan && !rc && !progress_interrupted(); i++)
            if ((s->plan[i].kind->run != NULL) == (pass == 1)) rc = run_item(d, &s->plan[i], err);
    return progress_interrupted() ? PHI3V_E_CANCELLED : rc;
}

/* Reports the results and returns the exit status. */
static int finish(struct driver *d, int rc, const struct phi3v_error *err)
{
    const struct run_options *s = d->s;
    bool interrupted = rc == PHI3V_E_CANCELLED;
    if (rc && !interrupted) {
        int status = !d->bench.session && d->run.n_results == 0 ? EXIT_MODEL : EXIT_CASE;
        if (rc == PHI3V_E_ARGUMENT || rc == PHI3V_E_UNSUPPORTED) status = EXIT_USAGE;
        return run_options_report(s, status, rc, "%s", err->text);
    }
    if (s->json) report_json(&d->run, interrupted);
    if (s->csv) report_csv(&d->run);
    if (interrupted) {
        progress_say("interrupted");
        return EXIT_INTERRUPTED;
    }
    return report_slower(&d->run) > 0 ? EXIT_CASE : EXIT_FINE;
}

static int driver_init(struct driver *d, const char *model, const char *const *models_dirs,
                       struct phi3v_error *err)
{
    const struct run_options *s = d->s;
    int rc = 0;
    if (!s->synthetic)
        rc = phi3v_model_find(s->model ? s->model : model, models_dirs, &d->path, err);
    if (rc) return rc;
    d->run.settings = s;
    d->run.results = calloc(MAX_PLAN, sizeof *d->run.results);
    d->probe = d->run.results ? machine_probe_new(s->threads) : NULL;
    if (!d->probe) {
        *err = (struct phi3v_error){PHI3V_E_MEMORY, "not enough memory to measure this machine"};
        return err->code;
    }
    return 0;
}

static void drop_results(struct run *run)
{
    for (int i = 0; i < run->n_results; i++) free(run->results[i].samples);
    run->n_results = 0;
}

/* Runs the plan in the options. */
static int run_once(struct driver *d)
{
    struct phi3v_error err = {0};
    machine_probe_measure(d->probe, &d->run.limits);
    band_widen(&d->run.band, &d->run.limits);
    limits_raise(&d->run.best, &d->run.limits);
    if (!d->s->json && !d->s->csv) report_limits(&d->run);
    int status = finish(d, run_plan(d, &err), &err);
    fflush(stdout);
    drop_results(&d->run);
    return status;
}

/* Runs plans from standard input, for programs that take turns with this one. A line that fails is
 * answered with an error, and the next one is read. */
static int run_lines(struct driver *d, struct run_options *s)
{
    char *line = NULL;
    size_t room = 0;
    int status = EXIT_FINE;
    while (status != EXIT_INTERRUPTED && getline(&line, &room, stdin) > 0) {
        line[strcspn(line, "\n")] = 0;
        status = run_options_plan(s, line);
        if (status == EXIT_FINE) status = run_once(d);
        fflush(stdout);
    }
    free(line);
    return status;
}

static void driver_fini(struct driver *d)
{
    progress_session(NULL);
    phi3v_session_free(d->bench.session);
    cases_end(&d->bench);
    phi3v_model_close(d->bench.model);
    machine_probe_free(d->probe);
    free(d->run.results);
    phi3v_string_free(d->path);
    json_decref(d->run.stored);
}

int bench_main(int argc, char **argv, const char *model, const char *const *models_dirs)
{
    struct run_options s;
    int status = run_options_read(argc, argv, &s);
    if (status >= 0) return status;
    struct driver d = {.s = &s};
    struct phi3v_error err = {0};
    status = s.compare ? report_load(&s, &d.run.stored) : EXIT_FINE;
    if (status) return status;
    progress_catch_interrupt();
    int rc = driver_init(&d, model, models_dirs, &err);
    if (rc)
        status = finish(&d, rc, &err);
    else
        status = s.lines ? run_lines(&d, &s) : run_once(&d);
    driver_fini(&d);
    return status;
}
