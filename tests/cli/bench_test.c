/* SPDX-License-Identifier: GPL-3.0-or-later
 * `phiscope bench`: the shape of its JSON on a tiny model, and what it refuses.
 *   bench_test PHISCOPE [--goldens DIR] */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "golden.h"

/* Runs phiscope bench ARGS; what it wrote to stdout (stderr too when `both`) and its exit status.
 */
static char *run_bench(const char *phiscope, const char *args, bool both, int *ret_status)
{
    char command[1000];
    static char text[20000];
    snprintf(command, sizeof command, "'%s' bench %s 2>%s", phiscope, args,
             both ? "&1" : "/dev/null");
    *ret_status = -1;
    FILE *f = popen(command, "r");
    if (!f) return strcpy(text, "");
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    int status = pclose(f);
    if (WIFEXITED(status)) *ret_status = WEXITSTATUS(status);
    return text;
}

static bool all_numbers(const json_t *object, const char *const *keys)
{
    for (; *keys; keys++)
        if (!json_is_number(json_object_get(object, *keys))) return false;
    return true;
}

static void check_case(const json_t *c, int i, const char *name, int ctx)
{
    static const char *const keys[] = {
        "n", "ctx", "tok_s", "bytes", "share", "read_gbs_before", "read_gbs_after", NULL};
    const char *got = json_string_value(json_object_get(c, "case"));
    tap_ok(got && strcmp(got, name) == 0, "case %d is %s", i, name);
    tap_ok(all_numbers(c, keys), "case %d has its numbers", i);
    tap_ok(json_integer_value(json_object_get(c, "ctx")) == ctx, "case %d has ctx %d", i, ctx);
    tap_ok(json_number_value(json_object_get(c, "tok_s")) > 0, "case %d took time", i);
    const char *limit = json_string_value(json_object_get(c, "limit"));
    tap_ok(limit && strcmp(limit, "read_gbs") == 0, "case %d is a share of reading", i);
}

static void check_json(const char *phiscope)
{
    static const char *const limits[] = {"read_gbs", "f32_gflops", "bf16_gflops", "int8_gops",
                                         NULL};
    char args[600];
    int status;
    char *model = golden_path("models/tiny-gqa-bf16");
    snprintf(args, sizeof args, "-m '%s' --case tg --json --threads 2", model);
    mem_free(model);
    char *text = run_bench(phiscope, args, false, &status);
    tap_ok(status == 0, "bench --json ends well");
    tap_ok(strchr(text, '\n') == text + strlen(text) - 1, "one line");
    json_t *all = json_loads(text, 0, NULL);
    tap_ok(all_numbers(json_object_get(all, "limits"), limits), "limits are numbers");
    tap_ok(json_is_string(json_object_get(all, "cpu")), "cpu is named");
    tap_ok(json_integer_value(json_object_get(all, "threads")) == 2, "threads are those asked for");
    const json_t *cases = json_object_get(all, "cases");
    tap_ok(json_array_size(cases) == 2, "two cases of tg");
    check_case(json_array_get(cases, 0), 0, "tg", 0);
    check_case(json_array_get(cases, 1), 1, "tg", 2048);
    json_decref(all);
}

static void check_refusals(const char *phiscope)
{
    static const struct {
        const char *args;
        int status;
        const char *says;
    } refusals[] = {
        {"--dtype q8", 2, "--dtype q8 is not in this build"},
        {"--case tg,nothing", 2, "no case \"nothing\": there are tg, pp, vision and turn"},
        {"--case ''", 2, "no case \"\""},
        {"--threads many", 2, "--threads is \"many\""},
        {"--nonsense", 2, "\"--nonsense\" is no option of bench"},
        {"--case", 2, "\"--case\" is no option of bench or lacks its value"},
        {"something", 2, "options only, not \"something\""},
        {"-m x --synthetic phi3v", 2, "not both"},
        {"--synthetic phi9", 3, "phi3v"},
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
    if (golden_exists("models/tiny-gqa-bf16"))
        check_json(phiscope);
    else
        tap_skip("models/tiny-gqa-bf16", "bench --json");
    return tap_done();
}
