/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "settings.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "term/clean.h"

static const char help_text[] =
    "phiscope bench [-m MODEL | --synthetic phi3v] [options]\n"
    "Speeds as shares of what this machine can do at most, measured around every sample.\n"
    "  --case NAME[:N][,…]  all by default, or some of\n"
    "    tg:CONTEXT   one token after the other behind so many (0, 2048, 8192, 32768)\n"
    "    many:ANSWERS so many answers side by side, all their tokens counted (4)\n"
    "    pp:TOKENS    a prompt of text (128, 512, 2048)\n"
    "    vision:CROPS encoding a picture (1, 5, 17)\n"
    "    turn:CROPS   first token for a new picture, its pixels at hand (5, 17); turn:CROPS+N: "
    "for\n"
    "                 a question of N tokens behind it, not 19\n"
    "    edit:CROPS   first token for another question behind the same picture (5, 17); "
    "edit:CROPS+N\n"
    "    start        opening a model folder to the first token, its files already in memory\n"
    "    memory:CROPS memory of a process behind such a turn, over (files + keys and values) (5)\n"
    "    limits       nothing but the limits\n"
    "    -            lists from standard input, each answered by one JSON object on a line\n"
    "  --synthetic phi3v    full-size pseudo-random weights made in memory\n"
    "  --dtype TYPE         as in phiscope help ask; auto by default\n"
    "  --kv TYPE            how keys and values are kept: f32, f16, q8; auto by default\n"
    "  --device DEVICE      auto, cpu, cuda[:N]\n"
    "  --threads N          0: one per core\n"
    "  --repeat N           samples of each case; else up to five within ten seconds\n"
    "  --json, --csv        one JSON object, or a table for programs, on standard output\n"
    "  --stages             where the time of each sample went, on standard error\n"
    "  --compare FILE       ratios to a run stored with --json; exit status 1 when one is slower\n"
    "Where the probes before and after a sample disagree by more than a tenth, it is repeated.\n"
    "Example: phiscope bench --case tg:0,pp:512\n";

int settings_report(const struct settings *s, int status, int code, const char *format, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    char *clean = clean_string(text, CLEAN_NAME); /* words of the command line stand in it */
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

#define MISUSE(s, ...) settings_report(s, EXIT_USAGE, PHI3V_E_ARGUMENT, __VA_ARGS__)

/* -- Cases ------------------------------------------------------------------------------------- */

static int add_item(struct settings *s, const struct case_kind *kind, int64_t number, int tokens)
{
    if (s->n_plan == MAX_PLAN) return MISUSE(s, "--case lists more than %d cases", MAX_PLAN);
    s->plan[s->n_plan++] = (struct plan_item){kind, number, tokens};
    return EXIT_FINE;
}

static int add_all(struct settings *s, const struct case_kind *kind)
{
    int status = EXIT_FINE;
    for (int i = 0; i < kind->n_defaults && !status; i++)
        status = add_item(s, kind, kind->defaults[i], USUAL_QUESTION);
    return status;
}

/* A number of least … most at *at, which then points behind it. */
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

/* One word of --case: NAME, NAME:NUMBER or, where a question is asked, NAME:NUMBER+TOKENS. */
static int read_case(struct settings *s, const char *word)
{
    size_t n = strcspn(word, ":");
    const struct case_kind *kind = NULL;
    for (int i = 0; i < n_case_kinds; i++)
        if (strlen(case_kinds[i].name) == n && !strncmp(case_kinds[i].name, word, n))
            kind = &case_kinds[i];
    if (!kind)
        return MISUSE(s,
                      "no case \"%.40s\": there are tg, many, pp, vision, turn, edit, start, "
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

int settings_plan(struct settings *s, const char *list)
{
    int status = EXIT_FINE;
    s->n_plan = 0;
    if (!list) {
        for (int i = 0; i < n_case_kinds && !status; i++) status = add_all(s, &case_kinds[i]);
        return status;
    }
    char *words = strdup(list);
    if (!words)
        return settings_report(s, EXIT_CASE, PHI3V_E_MEMORY, "no memory for the list of cases");
    char *rest = words;
    for (char *word; !status && (word = strsep(&rest, ","));) status = read_case(s, word);
    free(words);
    return status;
}

/* -- Options ----------------------------------------------------------------------------------- */

enum {
    OPT_SYNTHETIC = 256,
    OPT_CASE,
    OPT_DTYPE,
    OPT_KV,
    OPT_DEVICE,
    OPT_THREADS,
    OPT_REPEAT,
    OPT_STAGES,
    OPT_JSON,
    OPT_CSV,
    OPT_COMPARE
};

static const struct option long_options[] = {{"model", required_argument, NULL, 'm'},
                                             {"synthetic", required_argument, NULL, OPT_SYNTHETIC},
                                             {"case", required_argument, NULL, OPT_CASE},
                                             {"dtype", required_argument, NULL, OPT_DTYPE},
                                             {"kv", required_argument, NULL, OPT_KV},
                                             {"device", required_argument, NULL, OPT_DEVICE},
                                             {"threads", required_argument, NULL, OPT_THREADS},
                                             {"repeat", required_argument, NULL, OPT_REPEAT},
                                             {"json", no_argument, NULL, OPT_JSON},
                                             {"csv", no_argument, NULL, OPT_CSV},
                                             {"stages", no_argument, NULL, OPT_STAGES},
                                             {"compare", required_argument, NULL, OPT_COMPARE},
                                             {"help", no_argument, NULL, 'h'},
                                             {0}};

/* What getopt found, as words; checked afterwards. */
struct words {
    const char *cases, *threads, *repeat;
};

static int read_number(const struct settings *s, const char *option, const char *word, int least,
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

static int check(struct settings *s, const struct words *words)
{
    int status = read_number(s, "--threads", words->threads, 0, 1024, &s->threads);
    if (!status) status = read_number(s, "--repeat", words->repeat, 1, 100, &s->repeat);
    if (!status && s->threads == 0) s->threads = machine_cores();
    if (!status && s->model && s->synthetic)
        status = MISUSE(s, "either -m or --synthetic, not both");
    if (!status && s->json && s->csv) status = MISUSE(s, "either --json or --csv, not both");
    s->lines = words->cases && !strcmp(words->cases, "-");
    if (!status && s->lines && !s->json) status = MISUSE(s, "--case - wants --json");
    return status || s->lines ? status : settings_plan(s, words->cases);
}

int settings_read(int argc, char **argv, struct settings *s)
{
    struct words words = {0};
    *s = (struct settings){.dtype = "auto", .kv = "auto", .device = "auto"};
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
            words.cases = optarg;
            break;
        case OPT_DTYPE:
            s->dtype = optarg;
            break;
        case OPT_KV:
            s->kv = optarg;
            break;
        case OPT_DEVICE:
            s->device = optarg;
            break;
        case OPT_THREADS:
            words.threads = optarg;
            break;
        case OPT_REPEAT:
            words.repeat = optarg;
            break;
        case OPT_JSON:
            break;
        case OPT_STAGES:
            s->stages = true;
            break;
        case OPT_CSV:
            s->csv = true;
            break;
        case OPT_COMPARE:
            s->compare = optarg;
            break;
        case 'h':
            fputs(help_text, stdout);
            return EXIT_FINE;
        default:
            return MISUSE(
                s, "\"%s\" is no option of bench or lacks its value: see phiscope bench --help",
                argv[optind - 1]);
        }
    }
    if (optind < argc)
        return MISUSE(s, "bench takes options only, not \"%s\": see phiscope bench --help",
                      argv[optind]);
    int status = check(s, &words);
    return status == EXIT_FINE ? -1 : status;
}
