/* SPDX-License-Identifier: GPL-3.0-or-later
 * What large notebooks and long prompts cost the core itself. Processor time is counted, so that a
 * busy machine does not fail it.
 *
 *     notebook_size_test [CELLS] */
#define _GNU_SOURCE
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "common/json.h"
#include "notebook/refs.h"
#include "notebook/source.h"
#include "recorder.h"

/* Sanitizers read a text to its end for each strchr and strspn in it. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SLOWER = 20, PATTERN_BYTES = 1 << 15 };
#else
enum { SLOWER = 1, PATTERN_BYTES = 1 << 20 };
#endif

enum { N_PICTURES = 50, BEHIND = 20, MEGABYTE = 1 << 20 };

static struct recorder r;
static int n_cells = 200;

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static off_t state_bytes(void)
{
    off_t sum = 0;
    struct stat st;
    char path[300];
    DIR *d = opendir("state");
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(path, sizeof path, "state/%.200s", e->d_name);
        if (!stat(path, &st) && S_ISREG(st.st_mode)) sum += st.st_size;
    }
    closedir(d);
    return sum;
}

/* -- Many cells ------------------------------------------------------------------------------- */

struct cost {
    double own_s; // outside the engine
    off_t bytes;  // of autosave
};

static struct cost ask(int k)
{
    char prompt[60];
    off_t bytes = state_bytes();
    struct phi3v_timing was = r.nb->engine.total;
    snprintf(prompt, sizeof prompt, "What about number %d?", k);
    double begun = cpu_s();
    works(&r, prompt);
    char *staged = nb_staged(r.nb, 0); /* as the prompt in front of the line asks */
    double all = cpu_s() - begun;
    free(staged);
    const struct phi3v_timing *now = &r.nb->engine.total;
    double engine = now->vision_s + now->prefill_s + now->decode_s -
                    (was.vision_s + was.prefill_s + was.decode_s);
    return (struct cost){all - engine, state_bytes() - bytes};
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The middle one of the last cells: one may fall together with something else on the machine. */
static struct cost cost_at(int from)
{
    double own[BEHIND];
    struct cost most = {0};
    for (int k = 0; k < BEHIND; k++) {
        struct cost c = ask(from + k);
        own[k] = c.own_s;
        if (c.bytes > most.bytes) most.bytes = c.bytes;
    }
    qsort(own, BEHIND, sizeof *own, by_size);
    most.own_s = own[BEHIND / 2];
    return most;
}

static void many_cells(void **state)
{
    (void)state;
    recorder_open(&r, true);
    works(&r, ":mode cell");
    works(&r, ":set max_new_tokens 1");
    for (int k = 0; k < N_PICTURES; k++) {
        char name[20], line[40];
        snprintf(name, sizeof name, "p%d.ppm", k);
        recorder_picture(&r, name, (unsigned)k);
        snprintf(line, sizeof line, ":load %s\nWhat?", name);
        works(&r, line);
    }
    struct cost early = cost_at(N_PICTURES);
    while (r.nb->book.n < n_cells - BEHIND) ask(r.nb->book.n);
    struct cost late = cost_at(n_cells - BEHIND);
    printf("# cell %d: %.2f ms of its own, %ld bytes; cell %d: %.2f ms, %ld bytes\n",
           N_PICTURES + BEHIND, 1e3 * early.own_s, (long)early.bytes, n_cells, 1e3 * late.own_s,
           (long)late.bytes);
    assert_true(late.own_s < 0.030 * SLOWER);
    assert_true(late.bytes <= 15000);
    double begun = cpu_s();
    works(&r, ":save x.ipynb");
    double saved = cpu_s();
    works(&r, ":open x.ipynb");
    printf("# saved in %.0f ms, opened in %.0f ms\n", 1e3 * (saved - begun),
           1e3 * (cpu_s() - saved));
    recorder_close(&r);
}

static void twenty_thousand(void **state)
{
    (void)state;
    enum { N = 20000 };
    recorder_open(&r, true);
    FILE *f = fopen("x.ipynb", "w");
    assert_non_null(f);
    fputs("{\"cells\": [\n", f);
    for (int k = 0; k < N; k++)
        fprintf(f,
                "%s{\"cell_type\": \"code\", \"execution_count\": %d, \"id\": \"cell-%d\", "
                "\"metadata\": {\"phiscope\": {\"digest\": \"%032x\", \"finish_reason\": \"stop\", "
                "\"num_crops\": 1, \"output_ids\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "
                "\"pictures\": [], \"seed\": 0, \"state\": \"ok\", \"text\": \"What about %d?\"}}, "
                "\"outputs\": [{\"data\": {\"text/markdown\": [\"An answer of some length,\\n\", "
                "\"on two lines.\"], \"text/plain\": [\"An answer of some length,\\n\", \"on two "
                "lines.\"]}, \"execution_count\": %d, \"metadata\": {}, \"output_type\": "
                "\"execute_result\"}], \"source\": [\":set seed %d\\n\", \"What about %d?\"]}",
                k ? ",\n" : "", k + 1, k + 1, k, k, k + 1, k, k);
    fputs("],\n\"metadata\": {\"phiscope\": {}}, \"nbformat\": 4, \"nbformat_minor\": 5}\n", f);
    assert_int_equal(fclose(f), 0);
    double begun = cpu_s();
    works(&r, ":open x.ipynb");
    double opened = cpu_s();
    works(&r, ":cells");
    double listed = cpu_s();
    works(&r, ":save y.ipynb");
    printf("# %d cells opened in %.2f s, listed in %.2f s, saved in %.2f s\n", N, opened - begun,
           listed - opened, cpu_s() - listed);
    assert_int_equal(r.nb->book.n, N);
    assert_true(opened - begun < 3.0 * SLOWER);
    recorder_close(&r);
}

/* -- Long prompts ----------------------------------------------------------------------------- */

/* All that the core does with a prompt before and behind the tokenizer. */
static void read_and_write(const char *text, size_t n, const struct images *images)
{
    char *normal;
    struct source s;
    struct refs refs;
    struct phi3v_error err;
    struct nb_candidates found = {0};
    if (source_normalise(text, n, "it", &normal, &err)) return;
    nb_is_complete(normal);
    assert_int_equal(source_read(normal, &s, &err), 0);
    if (!refs_find(s.prompt, images, NB_TYPED, NULL, &refs, &err)) refs_free(&refs);
    struct text words = {0};
    pictures_of(s.prompt, &words);
    text_free(&words);
    refs_paste(s.prompt);
    has_image_tag(s.prompt);
    free(source_of_prompt(s.prompt));
    for (size_t k = 0; k < s.commands.n && k < 10; k++) free(source_arguments(s.commands.v[k]));
    free(nb_for_keeping(normal));
    if (!nb_candidates(r.nb, normal, strlen(normal), &found, &err)) strings_free(&found.words);
    json_t *json = json_text(s.prompt);
    free(json_line(json));
    json_decref(json);
    source_free(&s);
    free(normal);
}

static double seconds_for(const char *unit, long n_bytes)
{
    size_t k = strlen(unit), n = (size_t)n_bytes / k * k;
    char *text = malloc(n + 1);
    assert_non_null(text);
    for (size_t i = 0; i < n; i += k) memcpy(text + i, unit, k);
    text[n] = 0;
    double begun = cpu_s();
    read_and_write(text, n, &r.nb->book.images);
    double took = cpu_s() - begun;
    free(text);
    return took;
}

/* A machine that is slow, or shared, may take longer than a second; then a quarter of the text has
 * to show that time grows as the text does. */
static void much_of(const char *unit, long n_bytes)
{
    double took = seconds_for(unit, n_bytes);
    if (took > 1.0 * SLOWER && took > 8 * seconds_for(unit, n_bytes / 4))
        fail_msg("%ld bytes of \"%s\" take %.1f s", n_bytes, unit, took);
}

static void megabytes(void **state)
{
    (void)state;
    static const char *const units[] = {
        "é",          "图",          "\U0001F600", "e\u0301",      "@é",
        "@图 ",       "@1 ",         "@1-",        "{Out[1]",      "{Out[1]} ",
        "{_}",        "\"\\",        "\" ",        "' ",           ":x\\\n",
        "\\\n",       "\"\"\"\n",    "\"\"\"",     "\n\n ",        "./ ",
        "../",        "/a",          "a.png ",     "@a.png ",      "@./a ",
        "@~/",        "~/ ",         "http://",    "https://a ",   "a://",
        "://",        "@https://",   "?a=b&",      "http://a?k=",  "http://me:x@",
        "<|image_",   "<|image_1|>", "file:///",   "\r",           "\r\n",
        "::\n",       "!\n",         "?\n",        ":\n",          "a\n",
        "%20",        "&;",          "\xC3",       "\xED\xA0\x80", "@\xC3",
        ":load \\\n", ":set a=\"\n", "(@a",        "@\"",          "@'"};
    recorder_open(&r, false);
    for (int c = 1; c < 256; c++) {
        char unit[2] = {(char)c, 0};
        much_of(unit, n_cells < 2000 ? MEGABYTE / 16 : MEGABYTE);
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) much_of(units[i], PATTERN_BYTES);
    recorder_close(&r);
}

int main(int argc, char **argv)
{
    if (argc > 1) n_cells = atoi(argv[1]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(many_cells),
                                       cmocka_unit_test(twenty_thousand),
                                       cmocka_unit_test(megabytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
