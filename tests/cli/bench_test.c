/* SPDX-License-Identifier: GPL-3.0-or-later
 * `phiscope bench`: what it prints for a tiny model, and what it refuses.
 *   bench_test PHISCOPE [--goldens DIR] */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cpu.h"
#include "golden.h"

/* Runs phiscope bench ARGS; what it wrote to stdout (stderr too when `both`) and its exit status.
 */
/* What a command writes, until the next call, and how it ends (-1: not by itself); NULL: it did not
 * start. */
static char *run_command(const char *command, int *ret_status)
{
    static char text[20000];
    *ret_status = -1;
    FILE *f = popen(command, "r");
    if (!f) return NULL;
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    while (fgetc(f) != EOF) continue; /* it must not be held up by a full pipe */
    int status = pclose(f);
    if (WIFEXITED(status)) *ret_status = WEXITSTATUS(status);
    return text;
}

static char *run_bench(const char *phiscope, const char *args, bool both, int *ret_status)
{
    static char nothing[] = "";
    char command[1000];
    snprintf(command, sizeof command, "'%s' bench %s 2>%s", phiscope, args,
             both ? "&1" : "/dev/null");
    char *text = run_command(command, ret_status);
    return text ? text : nothing;
}

static bool all_numbers(const json_t *object, const char *const *keys)
{
    for (; *keys; keys++)
        if (!json_is_number(json_object_get(object, *keys))) return false;
    return true;
}

static bool is_word(const json_t *object, const char *key, const char *want)
{
    const char *got = json_string_value(json_object_get(object, key));
    return got && strcmp(got, want) == 0;
}

/* Its weights lie in any processor's cache: there is a speed, but no share of reading. */
static void check_tg(const json_t *c)
{
    static const char *const keys[] = {
        "n", "ctx", "tok_s", "bytes", "read_gbs_before", "read_gbs_after", NULL};
    tap_ok(is_word(c, "case", "tg") && is_word(c, "dtype", "f32"), "tg is named");
    tap_ok(all_numbers(c, keys), "tg has its numbers");
    tap_ok(json_integer_value(json_object_get(c, "ctx")) == 64, "tg has the context asked for");
    tap_ok(json_number_value(json_object_get(c, "tok_s")) > 0, "tg took time");
    tap_ok(is_word(c, "limit", "cache") && json_is_null(json_object_get(c, "share")),
           "weights in the cache have no share of reading");
    tap_ok(json_array_size(json_object_get(c, "samples")) > 0, "tg has its samples");
}

static void check_many(const json_t *c)
{
    static const char *const keys[] = {"n", "tok_s", "bytes", NULL};
    tap_ok(is_word(c, "case", "many") && all_numbers(c, keys), "many has its numbers");
    tap_ok(json_integer_value(json_object_get(c, "n")) == 3, "many has the answers asked for");
}

static void check_pp(const json_t *c)
{
    static const char *const keys[] = {"n", "ctx", "tok_s", "flops", "share", NULL};
    tap_ok(is_word(c, "case", "pp") && all_numbers(c, keys), "pp has its numbers");
    tap_ok(is_word(c, "limit", "f32_gflops"), "pp is a share of arithmetic");
    tap_ok(json_integer_value(json_object_get(c, "n")) == 9, "pp has the length asked for");
}

/* The session holds the picture and BOS, or nothing. */
static void check_first_token(const json_t *c, const char *name, int tokens)
{
    static const char *const keys[] = {"n", "ctx", "s", "flops", "tokens", NULL};
    tap_ok(is_word(c, "case", name) && all_numbers(c, keys), "%s has its numbers", name);
    tap_ok(json_integer_value(json_object_get(c, "tokens")) == tokens, "%s asks as much", name);
    bool holds = json_integer_value(json_object_get(c, "ctx")) > 0;
    tap_ok(holds == !strcmp(name, "edit"), "%s computes what is new", name);
}

static void check_own_processes(const json_t *start, const json_t *memory)
{
    static const char *const start_keys[] = {"n", "s", "bytes", NULL};
    static const char *const memory_keys[] = {"n",        "bytes", "file_bytes",
                                              "kv_bytes", "share", NULL};
    tap_ok(is_word(start, "case", "start") && all_numbers(start, start_keys), "start has numbers");
    tap_ok(is_word(memory, "case", "memory") && all_numbers(memory, memory_keys),
           "memory has numbers");
    tap_ok(is_word(memory, "limit", "file_and_kv"), "memory is over files, keys and values");
}

static void check_json(const char *phiscope, const char *model)
{
    static const char *const limits[] = {"read_gbs", "f32_gflops", "bf16_gflops", "int8_gops",
                                         NULL};
    char args[600];
    int status;
    snprintf(args, sizeof args,
             "-m '%s' --case tg:64,many:3,pp:9,start,memory:2,edit:2+30,turn:2 --dtype f32 "
             "--repeat 1 --json "
             "--threads 2",
             model);
    char *text = run_bench(phiscope, args, false, &status);
    tap_ok(status == 0, "bench --json ends well");
    tap_ok(strchr(text, '\n') == text + strlen(text) - 1, "one line");
    json_t *all = json_loads(text, 0, NULL);
    tap_ok(all_numbers(json_object_get(all, "limits"), limits), "limits are numbers");
    tap_ok(json_is_string(json_object_get(all, "cpu")), "cpu is named");
    const char *device = json_string_value(json_object_get(all, "device"));
    tap_ok(device && strncmp(device, "cpu", 3) == 0, "and the device");
    tap_ok(json_integer_value(json_object_get(all, "threads")) == 2, "threads are those asked for");
    const json_t *cases = json_object_get(all, "cases");
    if (tap_ok(json_array_size(cases) == 7, "seven cases")) {
        check_own_processes(json_array_get(cases, 0), json_array_get(cases, 1));
        check_tg(json_array_get(cases, 2));
        check_many(json_array_get(cases, 3));
        check_pp(json_array_get(cases, 4));
        check_first_token(json_array_get(cases, 5), "edit", 30);
        check_first_token(json_array_get(cases, 6), "turn", 19);
    }
    json_decref(all);
}

static void check_csv(const char *phiscope, const char *model)
{
    char args[600];
    int status, lines = 0, commas[2] = {0};
    snprintf(args, sizeof args, "-m '%s' --case tg:0 --repeat 1 --csv", model);
    char *text = run_bench(phiscope, args, false, &status);
    for (const char *p = text; *p; p++) {
        if (*p == ',' && lines < 2) commas[lines]++;
        lines += *p == '\n';
    }
    tap_ok(status == 0 && lines == 2, "bench --csv gives a head and a line");
    tap_ok(commas[0] == 16 && commas[1] == commas[0], "with seventeen fields each");
    tap_ok(strncmp(text, "case,dtype,kv,n,ctx,tok_s,", 26) == 0 && strstr(text, "\ntg,"),
           "named in the head");
}

/* A stored run that was a thousand times as fast, or as slow. */
static bool store_run(const char *path, double tok_s)
{
    json_t *run = json_pack("{s:[{s:s,s:s,s:i,s:i,s:f}]}", "cases", "case", "pp", "dtype", "f32",
                            "n", 9, "ctx", 0, "tok_s", tok_s);
    bool ok = run && json_dump_file(run, path, 0) == 0;
    json_decref(run);
    return ok;
}

static void check_compare(const char *phiscope, const char *model)
{
    char args[700], path[] = "/tmp/bench_test_XXXXXX";
    int status, fd = mkstemp(path);
    if (!tap_ok(fd >= 0 && store_run(path, 1e9), "a stored run")) return;
    close(fd);
    snprintf(args, sizeof args, "-m '%s' --case pp:9 --dtype f32 --repeat 1 --compare %s", model,
             path);
    char *text = run_bench(phiscope, args, true, &status);
    tap_ok(status == 1 && strstr(text, "times the stored speed"), "slower ends with status 1");
    tap_ok(store_run(path, 1e-3), "a slow stored run");
    text = run_bench(phiscope, args, true, &status);
    tap_ok(status == 0 && strstr(text, "; speed "), "faster ends well and says by how much");
    unlink(path);
}

/* Lists from standard input: an answer each, wrong ones too. */
static void check_lines(const char *phiscope, const char *model)
{
    char command[1000];
    int status;
    snprintf(command, sizeof command,
             "printf 'limits\\nnothing\\npp:9\\n' | '%s' bench -m '%s' --case - --repeat 1 --json "
             "2>/dev/null",
             phiscope, model);
    char *text = run_command(command, &status);
    if (!tap_ok(text != NULL, "bench starts")) return;
    tap_ok(status == 0, "bench --case - ends as its last list");
    char *second = strchr(text, '\n'), *third = second ? strchr(second + 1, '\n') : NULL;
    tap_ok(strstr(text, "\"cases\":[]") && second && third, "a list of nothing but the limits");
    tap_ok(second && strncmp(second, "\n{\"error\":", 10) == 0, "a wrong one");
    tap_ok(third && strstr(third, "\"case\":\"pp\""), "one with a case");
}

/* A hundred samples take longer than any machine has until the signal. */
static void check_interrupt(const char *phiscope, const char *model)
{
    char command[1000];
    int status;
    snprintf(command, sizeof command,
             "timeout --preserve-status -s INT 3 '%s' bench -m '%s' --case tg:0 --repeat 100 "
             "--json 2>/dev/null",
             phiscope, model);
    char *text = run_command(command, &status);
    if (!tap_ok(text != NULL, "bench starts")) return;
    tap_ok(status == 130, "Ctrl-C ends bench with status 130");
    tap_ok(strncmp(text, "{\"limits\":", 10) == 0, "and what was measured is still said");
}

/* Products whose peak a level measures have a share of it: f32 and bf16 at every level, also where
 * bf16 is multiplied in f32, and integers where it has an instruction for them. */
static void check_levels(const char *phiscope, const char *model)
{
    static const struct {
        const char *level, *dtype;
    } runs[] = {
        {"portable", "bf16"}, {"avxvnni", "bf16"}, {"avxvnni", "q8"}, {"avx512vnni", "bf16"}};
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        char args[600];
        int status;
        snprintf(args, sizeof args, "-m '%s' --case pp:9 --dtype %s --repeat 1", model,
                 runs[i].dtype);
        setenv("PHI3V_CPU", runs[i].level, 1);
        char *text = run_bench(phiscope, args, true, &status);
        unsetenv("PHI3V_CPU");
        bool has_int8 = strcmp(runs[i].dtype, "q8") != 0 || cpu_has(CPU_AVXVNNI);
        bool ok = status == 0 && (strstr(text, "% of ") || !has_int8);
        if (!tap_ok(ok, "%s at %s is a share of a peak", runs[i].dtype, runs[i].level))
            tap_note("status %d: %s", status, text);
    }
}

static void check_refusals(const char *phiscope)
{
    static const struct {
        const char *args;
        int status;
        const char *says;
    } refusals[] = {
        {"--dtype q9", 2, "dtype is \"q9\""},
        {"--case tg,nothing", 2,
         "no case \"nothing\": there are tg, again, many, pp, vision, turn, edit"},
        {"--case tg:many", 2, "--case has \"tg:many\"; tg takes 0 to 131072"},
        {"--case turn:1", 2, "turn takes 2 to 65, and +1 to +1000 tokens"},
        {"--case edit:2+", 2, "--case has \"edit:2+\""},
        {"--case edit:2+1001", 2, "and +1 to +1000 tokens"},
        {"--case pp:2+3", 2, "--case has \"pp:2+3\"; pp takes 1 to 131072"},
        {"--repeat 0", 2, "--repeat is \"0\""},
        {"--json --csv", 2, "not both"},
        {"--case -", 2, "--case - needs --json"},
        {"--compare /nowhere", 2, "--compare /nowhere"},
        {"--case ''", 2, "no case \"\""},
        {"--threads many", 2, "--threads is \"many\""},
        {"--nonsense", 2, "\"--nonsense\" is not an option of bench"},
        {"--case", 2, "\"--case\" is not an option of bench, or its value is missing"},
        {"something", 2, "options only, not \"something\""},
        {"-m x --synthetic phi3v", 2, "not both"},
        {"--synthetic phi9", 2, "phi3v"},
        {"-m /nowhere/at/all", 3, "/nowhere/at/all"},
        {"-m /nowhere/at/all --json", 3, "{\"error\":{\"code\":"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        int status;
        char *text = run_bench(phiscope, refusals[i].args, true, &status);
        bool ok = status == refusals[i].status && strstr(text, refusals[i].says);
        if (!tap_ok(ok, "bench %s", refusals[i].args)) tap_note("status %d: %s", status, text);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    const char *phiscope = argv[1];
    argv[1] = argv[0];
    golden_init(argc - 1, argv + 1);
    check_refusals(phiscope);
    if (golden_exists("models/tiny-gqa-bf16")) {
        char *model = golden_path("models/tiny-gqa-bf16");
        check_json(phiscope, model);
        check_csv(phiscope, model);
        check_compare(phiscope, model);
        check_lines(phiscope, model);
        check_interrupt(phiscope, model);
        check_levels(phiscope, model);
        mem_free(model);
    } else {
        tap_skip("models/tiny-gqa-bf16", "bench --json");
    }
    return tap_done();
}
