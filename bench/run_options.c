/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "run_options.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "cases.h"
#include "term/clean.h"

int run_options_report(const struct run_options *s, int status, int code, const char *format, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    char *clean = clean_string(text, CLEAN_NAME); /* it quotes the command line */
    if (!s->json) {
        fprintf(stderr, "phiscope bench: %s\n", clean ? clean : "");
    } else {
        json_t *error =
            json_pack("{s:{s:i,s:s}}", "error", "code", code, "message", clean ? clean : "");
        if (error) json_dumpf(error, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        putchar('\n');
        json_decref(error);
    }
    free(clean);
    return status;
}

#define MISUSE(s, ...) run_options_report(s, EXIT_USAGE, PHI3V_E_ARGUMENT, __VA_ARGS__)

/* -- Cases ------------------------------------------------------------------------------------- */

static int add_item(struct run_options *s, const struct case_kind *kind, int64_t number, int tokens)
{
    if (s->n_plan == MAX_PLAN) return MISUSE(s, "--case lists more than %d cases", MAX_PLAN);
    s->plan[s->n_plan++] = (struct plan_item){kind, number, tokens};
    return EXIT_FINE;
}

static int add_all(struct run_options *s, const struct case_kind *kind)
{
    int status = EXIT_FINE;
    for (int i = 0; i < kind->n_defaults && !status; i++)
        status = add_item(s, kind, kind->defaults[i], USUAL_QUESTION);
    return status;
}

/* Reads a number from least to most at *at, which then points after it. */
static bool take_number(const char **at, int64_t least, int64_t most, int64_t *ret)
{
    char *end;
    errno = 0;
    long long number = strtoll(*at, &end, 10);
    bool taken = end != *at && !errno && number >= least && number <= most;
    *at = end;
    *ret = number;
    return taken;
}

/* Reads a word of --case: NAME, NAME:NUMBER or, for a case with a question, NAME:NUMBER+TOKENS. */
static int read_case(struct run_options *s, const char *word)
{
    size_t n = strcspn(word, ":");
    const struct case_kind *kind = NULL;
    for (int i = 0; i < n_case_kinds; i++)
        if (strlen(case_kinds[i].name) == n && !strncmp(case_kinds[i].name, word, n))
            kind = &case_kinds[i];
    if (!kind)
        return MISUSE(
            s,
            "no case \"%.40s\": there are tg, again, many, pp, vision, turn, edit, start, "
            "memory and limits",
            word);
    if (!word[n]) return add_all(s, kind);
    const char *at = word + n + 1;
    int64_t number, tokens = USUAL_QUESTION;
    bool ok = take_number(&at, kind->least, kind->most, &number);
    if (ok && kind->asks && *at == '+') {
        at++;
        ok = take_number(&at, 1, MOST_QUESTION, &tokens);
    }
    if (!ok || *at)
        return MISUSE(s, "--case has \"%.40s\"; %s takes %lld to %lld%s", word, kind->name,
                      (long long)kind->least, (long long)kind->most,
                      kind->asks ? ", and +1 to +1000 tokens" : "");
    return add_item(s, kind, number, (int)tokens);
}

int run_options_plan(struct run_options *s, const char *list)
{
    int status = EXIT_FINE;
    s->n_plan = 0;
    if (!list) {
        for (int i = 0; i < n_case_kinds && !status; i++) status = add_all(s, &case_kinds[i]);
        return status;
    }
    char *words = strdup(list);
    if (!words)
        return run_options_report(s, EXIT_CASE, PHI3V_E_MEMORY, "no memory for the list of cases");
    char *rest = words;
    for (char *word; !status && (word = strsep(&rest, ","));) status = read_case(s, word);
    free(words);
    return status;
}

/* -- Options ----------------------------------------------------------------------------------- */

const struct bench_option bench_options[] = {
    {"model", 'm', "MODEL", "as for other verbs"},
    {"case", 0, "NAME[:N][,…]",
     "all by default, or some of\n"
     "tg:CONTEXT   decoding after so many tokens (0, 2048, 8192, 32768)\n"
     "again:CONTEXT the same answer once more, behind so many tokens (0)\n"
     "many:ANSWERS decoding so many answers at once, all their tokens counted (4)\n"
     "pp:TOKENS    a prompt of text (128, 512, 2048)\n"
     "vision:CROPS encoding a picture (1, 5, 17)\n"
     "turn:CROPS   first token for a new picture, already decoded (5, 17); turn:CROPS+N: with\n"
     "             a question of N tokens instead of 19\n"
     "edit:CROPS   first token for another question about the same picture (5, 17); edit:CROPS+N\n"
     "start        from opening a model folder to the first token, with files already in memory\n"
     "memory:CROPS memory of a process after such a turn, over (files + keys and values) (5)\n"
     "limits       only the limits\n"
     "-            lists from standard input, each answered by one JSON object per line"},
    {"synthetic", 0, "phi3v", "full-size pseudo-random weights made in memory"},
    {"dtype", 0, "auto|f32|bf16|q8|q4", "as in phiscope help ask; auto by default"},
    {"kv", 0, "auto|f32|f16|q8", "type of keys and values; auto by default"},
    {"device", 0, "auto|cpu|cuda[:N]", "where to compute"},
    {"threads", 0, "N", "0: one per core"},
    {"repeat", 0, "N", "samples of each case; else up to five within ten seconds"},
    {"json", 0, NULL, "one JSON object on standard output"},
    {"csv", 0, NULL, "a table for programs on standard output"},
    {"stages", 0, NULL, "where the time of each sample went, on standard error"},
    {"compare", 0, "FILE", "ratios to a run stored with --json; exit status 1 when one is slower"},
    {"help", 'h', NULL, "this help"},
};
enum { N_OPTIONS = (int)(sizeof bench_options / sizeof bench_options[0]) };
const int n_bench_options = N_OPTIONS;

static void print_help(void)
{
    printf("phiscope bench [-m MODEL | --synthetic phi3v] [options]\n"
           "Measures speeds as shares of this machine's limits, which are measured around every "
           "sample.\n");
    for (int i = 0; i < N_OPTIONS; i++) {
        const struct bench_option *o = &bench_options[i];
        char left[40];
        snprintf(left, sizeof left, "--%s %s", o->name, o->arg ? o->arg : "");
        printf("  %-22s ", left);
        for (const char *p = o->help; *p; p++) printf(*p == '\n' ? "\n    " : "%c", *p);
        putchar('\n');
    }
    printf("Where the probes before and after a sample disagree by more than a tenth, it is "
           "repeated.\n"
           "Example: phiscope bench --case tg:0,pp:512\n");
}

/* The words that getopt found, to be checked afterwards. */
struct words {
    const char *cases, *threads, *repeat;
};

static int read_number(const struct run_options *s, const char *option, const char *word, int least,
                       int most, int *ret)
{
    char *end;
    if (!word) return EXIT_FINE;
    long n = strtol(word, &end, 10);
    if (*end || end == word || n < least || n > most)
        return MISUSE(s, "%s is \"%.40s\"; allowed is %d to %d", option, word, least, most);
    *ret = (int)n;
    return EXIT_FINE;
}

static int check(struct run_options *s, const struct words *words)
{
    int status = read_number(s, "--threads", words->threads, 0, 1024, &s->threads);
    if (!status) status = read_number(s, "--repeat", words->repeat, 1, 100, &s->repeat);
    if (!status && s->threads == 0) s->threads = machine_cores();
    if (!status && s->model && s->synthetic)
        status = MISUSE(s, "either -m or --synthetic, not both");
    if (!status && s->json && s->csv) status = MISUSE(s, "either --json or --csv, not both");
    s->lines = words->cases && !strcmp(words->cases, "-");
    if (!status && s->lines && !s->json) status = MISUSE(s, "--case - needs --json");
    return status || s->lines ? status : run_options_plan(s, words->cases);
}

/* Stores an option's value. */
static void take(struct run_options *s, struct words *words, const char *name, const char *value)
{
    const struct {
        const char *name, **to;
    } texts[] = {{"model", &s->model},
                 {"synthetic", &s->synthetic},
                 {"case", &words->cases},
                 {"dtype", &s->dtype},
                 {"kv", &s->kv},
                 {"device", &s->device},
                 {"threads", &words->threads},
                 {"repeat", &words->repeat},
                 {"compare", &s->compare}};
    const struct {
        const char *name;
        bool *to;
    } flags[] = {{"json", &s->json}, {"csv", &s->csv}, {"stages", &s->stages}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!strcmp(texts[i].name, name)) *texts[i].to = value;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (!strcmp(flags[i].name, name)) *flags[i].to = true;
}

int run_options_read(int argc, char **argv, struct run_options *s)
{
    struct words words = {0};
    struct option longs[N_OPTIONS + 1] = {0};
    for (int i = 0; i < N_OPTIONS; i++)
        longs[i] = (struct option){bench_options[i].name,
                                   bench_options[i].arg ? required_argument : no_argument, NULL, 0};
    *s = (struct run_options){.dtype = "auto", .kv = "auto", .device = "auto"};
    for (int i = 1; i < argc; i++) s->json |= strcmp(argv[i], "--json") == 0;
    opterr = 0;
    optind = 0;
    for (int c, at = 0; (c = getopt_long(argc, argv, "m:h", longs, &at)) != -1;) {
        if (c == '?')
            return MISUSE(s,
                          "\"%s\" is not an option of bench, or its value is missing: see phiscope "
                          "bench --help",
                          argv[optind - 1]);
        const char *name = c == 'm' ? "model" : c == 'h' ? "help" : longs[at].name;
        if (!strcmp(name, "help")) {
            print_help();
            return EXIT_FINE;
        }
        take(s, &words, name, optarg);
    }
    if (optind < argc)
        return MISUSE(s, "bench takes options only, not \"%s\": see phiscope bench --help",
                      argv[optind]);
    int status = check(s, &words);
    return status == EXIT_FINE ? -1 : status;
}
