/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "bench.h"

#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

enum exit_status { EXIT_FINE = 0, EXIT_CASE = 1, EXIT_USAGE = 2, EXIT_MODEL = 3 };

struct settings {
    const char *model, *synthetic, *cases, *dtype, *device;
    int threads;
    bool json;
};

static const char help_text[] =
    "phiscope bench [-m MODEL | --synthetic phi3v] [options]\n"
    "Speeds as shares of what this machine can do at most, measured in the same run.\n"
    "  --case NAME[,NAME]   tg (one token after the other), pp (prompts), vision (crops),\n"
    "                       turn (first token for a picture, and again for another question)\n"
    "  --synthetic phi3v    full-size pseudo-random weights made in memory (8.3 GB)\n"
    "  --dtype TYPE         f32 is what this build has: f32 arithmetic on the stored weights\n"
    "  --device DEVICE      auto, cpu, cuda[:N]\n"
    "  --threads N          0: one per core\n"
    "  --json               one JSON object on standard output\n"
    "Example: phiscope bench --case tg,pp\n";

/* -- mistakes ------------------------------------------------------------------------------ */

static int report(const struct settings *s, int status, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int report(const struct settings *s, int status, int code, const char *format, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (!s->json) {
        fprintf(stderr, "phiscope bench: %s\n", text);
        return status;
    }
    json_t *error = json_pack("{s:{s:i,s:s}}", "error", "code", code, "message", text);
    if (error) json_dumpf(error, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(error);
    return status;
}

/* -- options ------------------------------------------------------------------------------- */

enum { OPT_SYNTHETIC = 256, OPT_CASE, OPT_DTYPE, OPT_DEVICE, OPT_THREADS, OPT_JSON };

static const struct option long_options[] = {{"model", required_argument, NULL, 'm'},
                                             {"synthetic", required_argument, NULL, OPT_SYNTHETIC},
                                             {"case", required_argument, NULL, OPT_CASE},
                                             {"dtype", required_argument, NULL, OPT_DTYPE},
                                             {"device", required_argument, NULL, OPT_DEVICE},
                                             {"threads", required_argument, NULL, OPT_THREADS},
                                             {"json", no_argument, NULL, OPT_JSON},
                                             {"help", no_argument, NULL, 'h'},
                                             {0}};

/* Is `name` among the words of a comma-separated list? */
static bool listed(const char *list, const char *name, size_t n)
{
    for (const char *word = list; word; word = strchr(word, ',') ? strchr(word, ',') + 1 : NULL)
        if (strcspn(word, ",") == n && strncmp(word, name, n) == 0) return true;
    return false;
}

static int check_cases(const struct settings *s)
{
    for (const char *word = s->cases; word;) {
        size_t n = strcspn(word, ",");
        bool known = false;
        for (int i = 0; i < n_bench_cases; i++) known |= listed(bench_cases[i].name, word, n);
        if (!known)
            return report(s, EXIT_USAGE, PHI3V_E_ARGUMENT,
                          "no case \"%.*s\": there are tg, pp, vision and turn", (int)n, word);
        word = word[n] ? word + n + 1 : NULL;
    }
    return EXIT_FINE;
}

static int check_settings(struct settings *s, const char *threads)
{
    char *end = "";
    long n = threads ? strtol(threads, &end, 10) : 0;
    if (*end || n < 0 || n > 4096 || (threads && !*threads))
        return report(s, EXIT_USAGE, PHI3V_E_ARGUMENT,
                      "--threads is \"%s\"; allowed is 0 (one per core) to 4096", threads);
    s->threads = n ? (int)n : machine_cores();
    if (s->model && s->synthetic)
        return report(s, EXIT_USAGE, PHI3V_E_ARGUMENT, "either -m or --synthetic, not both");
    if (strcmp(s->dtype, "f32") != 0 && strcmp(s->dtype, "auto") != 0)
        return report(s, EXIT_USAGE, PHI3V_E_UNSUPPORTED,
                      "--dtype %s is not in this build yet: it computes in f32 on the weights as "
                      "they are stored (--dtype f32)",
                      s->dtype);
    return check_cases(s);
}

/* Returns -1 to go on, else the exit status. */
static int read_options(int argc, char **argv, struct settings *s)
{
    const char *threads = NULL;
    *s = (struct settings){.dtype = "auto", .device = "auto"};
    for (int i = 1; i < argc; i++) s->json |= strcmp(argv[i], "--json") == 0;
    opterr = 0;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "m:h", long_options, NULL)) != -1;) {
        switch (c) {
        case 'm':
            s->model = optarg;
            break;
        case OPT_SYNTHETIC:
            s->synthetic = optarg;
            break;
        case OPT_CASE:
            s->cases = optarg;
            break;
        case OPT_DTYPE:
            s->dtype = optarg;
            break;
        case OPT_DEVICE:
            s->device = optarg;
            break;
        case OPT_THREADS:
            threads = optarg;
            break;
        case OPT_JSON:
            break;
        case 'h':
            fputs(help_text, stdout);
            return EXIT_FINE;
        default:
            return report(
                s, EXIT_USAGE, PHI3V_E_ARGUMENT,
                "\"%s\" is no option of bench or lacks its value: see phiscope bench --help",
                argv[optind - 1]);
        }
    }
    if (optind < argc)
        return report(s, EXIT_USAGE, PHI3V_E_ARGUMENT,
                      "bench takes options only, not \"%s\": see phiscope bench --help",
                      argv[optind]);
    int status = check_settings(s, threads);
    return status == EXIT_FINE ? -1 : status;
}

/* -- the model ----------------------------------------------------------------------------- */

static int open_model(const struct settings *s, const char *model, const char *const *models_dirs,
                      struct bench *b, struct phi3v_error *err)
{
    struct phi3v_model_options opt;
    phi3v_model_options_default(&opt);
    opt.device = s->device;
    opt.dtype = "f32";
    opt.n_threads = s->threads;
    opt.synthetic = s->synthetic;
    char *path = NULL;
    int rc = 0;
    if (!s->synthetic) rc = phi3v_model_find(s->model ? s->model : model, models_dirs, &path, err);
    if (!rc) rc = phi3v_model_open(path, &opt, &b->model, err);
    if (!rc) rc = work_count(b->model, s->synthetic != NULL, &b->work, err);
    if (!rc) rc = phi3v_session_new(b->model, &b->session, err);
    phi3v_string_free(path);
    b->n_threads = s->threads;
    return rc;
}

/* -- results ------------------------------------------------------------------------------- */

/* The rate that the limit is of, in GB/s or GFLOP/s. */
static double rate(const struct result *r) { return r->amount / r->seconds / 1e9; }

/* For reading: the bandwidth around the case, since it moves with what else the machine does. */
static double limit_of(const struct result *r, const struct machine_limits *limits)
{
    return r->limit == LIMIT_READ ? (r->read_gbs_before + r->read_gbs_after) / 2
                                  : limits->f32_gflops;
}

static json_t *result_json(const struct result *r, const struct machine_limits *limits)
{
    bool tokens = r->tok_s > 0, reads = r->limit == LIMIT_READ;
    double limit = limit_of(r, limits);
    return json_pack("{s:s,s:s,s:I,s:I,s:f,s:f,s:s,s:f,s:f,s:f}", "case", r->name, "dtype", "f32",
                     "n", (json_int_t)r->n, "ctx", (json_int_t)r->ctx, tokens ? "tok_s" : "s",
                     tokens ? r->tok_s : r->seconds, reads ? "bytes" : "flops", r->amount, "limit",
                     reads ? "read_gbs" : "f32_gflops", "share", limit > 0 ? rate(r) / limit : 0.0,
                     "read_gbs_before", r->read_gbs_before, "read_gbs_after", r->read_gbs_after);
}

static void print_json(const struct settings *s, const struct machine_limits *limits,
                       const struct result *results, int n)
{
    json_t *cases = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(cases, result_json(&results[i], limits));
    json_t *all =
        json_pack("{s:{s:f,s:f,s:f,s:f},s:o,s:s,s:i}", "limits", "read_gbs", limits->read_gbs,
                  "f32_gflops", limits->f32_gflops, "bf16_gflops", limits->bf16_gflops, "int8_gops",
                  limits->int8_gops, "cases", cases, "cpu", machine_name(), "threads", s->threads);
    if (all) json_dumpf(all, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(all);
}

static void print_limits(const struct settings *s, const struct machine_limits *limits)
{
    printf("%s, %d threads: reads %.1f GB/s, f32 %.0f GFLOP/s", machine_name(), s->threads,
           limits->read_gbs, limits->f32_gflops);
    if (limits->bf16_gflops > 0) printf(", bf16 %.0f GFLOP/s", limits->bf16_gflops);
    if (limits->int8_gops > 0) printf(", int8 %.0f GOP/s", limits->int8_gops);
    printf("\n\n%-8s %6s %6s  %-16s  %-20s  %s\n", "case", "n", "ctx", "speed", "moved or computed",
           "of the limit");
}

static void print_result(const struct result *r, const struct machine_limits *limits)
{
    char speed[32], amount[40];
    bool reads = r->limit == LIMIT_READ;
    if (r->tok_s > 0)
        snprintf(speed, sizeof speed, "%.2f tok/s", r->tok_s);
    else
        snprintf(speed, sizeof speed, "%.2f s", r->seconds);
    snprintf(amount, sizeof amount, "%.1f %s", rate(r), reads ? "GB/s" : "GFLOP/s");
    printf("%-8s %6lld %6lld  %-16s  %-20s  %.0f %% of %s\n", r->name, (long long)r->n,
           (long long)r->ctx, speed, amount, 100 * rate(r) / limit_of(r, limits),
           reads ? "reading" : "f32");
    fflush(stdout);
}

/* -- the run ------------------------------------------------------------------------------- */

/* *read_gbs: the bandwidth measured last, so just before this case; then that behind it. */
static int run_case(struct bench *b, const struct bench_case *c, double *read_gbs,
                    struct result *results, struct phi3v_error *err)
{
    for (int i = 0; i < c->n_results; i++)
        results[i] = (struct result){.name = c->name, .n = c->n, .ctx = c->ctx};
    double before = *read_gbs;
    int rc = c->run(b, c, results, err);
    *read_gbs = machine_read_gbs(b->n_threads);
    for (int i = 0; i < c->n_results; i++) {
        results[i].read_gbs_before = before;
        results[i].read_gbs_after = *read_gbs;
    }
    return rc;
}

/* Says what comes next; what takes long only where the weights are many. */
static void announce(const struct bench *b, const struct bench_case *c)
{
    bool large = b->work.layers > 1e9;
    fprintf(stderr, "bench: %s, n %lld, ctx %lld%s%s\n", c->name, (long long)c->n,
            (long long)c->ctx, large && c->note ? ": " : "", large && c->note ? c->note : "");
}

static int run_all(const struct settings *s, struct bench *b, struct phi3v_error *err)
{
    struct machine_limits limits;
    struct result *results = calloc((size_t)n_bench_cases * MAX_CASE_RESULTS, sizeof *results);
    int n = 0, rc = 0;
    if (!results) {
        *err = (struct phi3v_error){PHI3V_E_MEMORY, "not enough memory for the results"};
        return PHI3V_E_MEMORY;
    }
    fprintf(stderr, "bench: measuring the limits of this machine\n");
    machine_limits_measure(s->threads, &limits);
    double read_gbs = limits.read_gbs;
    if (!s->json) print_limits(s, &limits);
    for (int i = 0; i < n_bench_cases && !rc; i++) {
        const struct bench_case *c = &bench_cases[i];
        if (s->cases && !listed(s->cases, c->name, strlen(c->name))) continue;
        announce(b, c);
        rc = run_case(b, c, &read_gbs, results + n, err);
        if (rc == PHI3V_E_TOO_LONG) { /* a small model, or little memory: the others still count */
            fprintf(stderr, "bench: left out: %s\n", err->text);
            rc = 0;
            continue;
        }
        for (int k = 0; !rc && !s->json && k < c->n_results; k++)
            print_result(&results[n + k], &limits);
        if (!rc) n += c->n_results;
    }
    if (!rc && s->json) print_json(s, &limits, results, n);
    free(results);
    return rc;
}

int bench_main(int argc, char **argv, const char *model, const char *const *models_dirs)
{
    struct settings s;
    struct bench b = {0};
    struct phi3v_error err = {0};
    int status = read_options(argc, argv, &s);
    if (status >= 0) return status;
    status = EXIT_FINE;
    if (open_model(&s, model, models_dirs, &b, &err) != 0)
        status = report(&s, EXIT_MODEL, err.code, "%s", err.text);
    else if (run_all(&s, &b, &err) != 0)
        status = report(&s, EXIT_CASE, err.code, "%s", err.text);
    phi3v_session_free(b.session);
    phi3v_model_close(b.model);
    return status;
}
