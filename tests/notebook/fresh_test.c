/* SPDX-License-Identifier: GPL-3.0-or-later
 * Whatever was reused to give it, an answer is that of a fresh process, tokens and their
 * log-probabilities bit for bit: after edits back and forth, with pictures and conversations read while
 * the person typed, cancelled and asked again, forked, gone on with, with features from the disk, in
 * another notebook of the same run, on either side of the switch of rope factors. Sequences are made by
 * chance; every answer is asked once more of this program, run anew.
 *
 *     notebook_fresh_test [SEQUENCES [FIRST]] */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "recorder.h"

extern char **environ;

enum {
    MOST_IDS = 4096,
    MOST_IMAGES = 64,
    SHORT_TOKENS = 256
}; /* tiny-long switches behind those */

/* What was asked, in a form that another process can ask. */
struct asked {
    char model[64];
    float temperature;
    uint64_t seed;
    int max_new_tokens, n_images;
    size_t n_ids;
    int32_t ids[MOST_IDS];
};

struct reply {
    size_t n;
    int32_t ids[MOST_IDS];
    float logprobs[MOST_IDS];
};

static struct recorder r;
static int n_sequences = 15, first_sequence, sequence;
static int n_compared, n_long, n_crossed, n_reused, n_worked_ahead, n_cancelled, n_not_encoded;

static const char *image_path(int i) // PPM
{
    static char path[32];
    snprintf(path, sizeof path, "image%d", i);
    return path;
}

/* -- A fresh process -------------------------------------------------------------------------- */

static void read_exactly(const char *path, void *to, size_t n)
{
    FILE *f = fopen(path, "rb");
    if (!f || fread(to, 1, n, f) != n) abort();
    fclose(f);
}

static void write_exactly(const char *path, const void *from, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(from, 1, n, f) != n || fclose(f)) abort();
}

static phi3v_image *read_picture(const char *path)
{
    size_t n;
    char *bytes = recorder_read(path, &n);
    phi3v_image *image = NULL;
    if (!bytes || phi3v_image_from_bytes(bytes, n, NULL, &image, NULL)) abort();
    free(bytes);
    return image;
}

static void answer(const struct asked *q, struct reply *ret)
{
    phi3v_image *images[MOST_IMAGES];
    struct phi3v_model_options how;
    struct phi3v_params params;
    struct phi3v_result result = {.size = sizeof result};
    struct phi3v_error err = {0};
    phi3v_model *model = NULL;
    phi3v_session *session = NULL;
    phi3v_prompt *prompt = NULL;
    phi3v_model_options_default(&how);
    how.device = "cpu";
    how.dtype = "f32";
    how.n_threads = 2; /* another number of threads must not matter */
    how.reuse_bytes = -1;
    char path[1000];
    snprintf(path, sizeof path, TEST_MODELS "/%s", q->model);
    for (int i = 0; i < q->n_images; i++) images[i] = read_picture(image_path(i));
    phi3v_params_default(&params);
    params.temperature = q->temperature;
    params.seed = q->seed;
    params.max_new_tokens = q->max_new_tokens;
    params.logprobs = 1;
    if (phi3v_model_open(path, &how, &model, &err) || phi3v_session_new(model, &session, &err) ||
        phi3v_prompt_ids_new(model, q->ids, q->n_ids, images, q->n_images, 1, &prompt, &err) ||
        phi3v_generate(session, prompt, &params, NULL, NULL, &result, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    ret->n = result.n_ids;
    memcpy(ret->ids, result.ids, result.n_ids * sizeof *ret->ids);
    memcpy(ret->logprobs, result.logprobs, result.n_ids * sizeof *ret->logprobs);
    phi3v_result_fini(&result);
    phi3v_prompt_free(prompt);
    phi3v_session_free(session);
    phi3v_model_close(model);
    for (int i = 0; i < q->n_images; i++) phi3v_image_free(images[i]);
}

static int fresh_main(void)
{
    static struct asked q;
    static struct reply reply;
    read_exactly("question", &q, sizeof q);
    answer(&q, &reply);
    write_exactly("reply", &reply, sizeof reply);
    return 0;
}

static void ask_elsewhere(const struct asked *q, struct reply *ret)
{
    char *argv[] = {"notebook_fresh_test", "--fresh", NULL};
    int status;
    pid_t pid;
    write_exactly("question", q, sizeof *q);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    while (waitpid(pid, &status, 0) < 0) assert_int_equal(errno, EINTR);
    assert_int_equal(status, 0);
    read_exactly("reply", ret, sizeof *ret);
}

/* -- Comparing -------------------------------------------------------------------------------- */

static void put_picture(const phi3v_image *image, const char *path)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fprintf(f, "P6 %d %d 255\n", info->width, info->height);
    size_t n = (size_t)info->width * (size_t)info->height * 3;
    assert_int_equal(fwrite(phi3v_image_rgb(image), 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Every answer, as it ends. One that was begun is asked for behind its beginning. */
static void compare(const struct nb_answer *a)
{
    static struct asked q;
    static struct reply reply;
    const struct settings *s = &r.nb->now;
    const struct phi3v_result *result = a->result;
    size_t n_new = result->n_ids - a->n_begun;
    if (!n_new) return;
    q = (struct asked){.temperature = (float)s->temperature,
                       .seed = s->seed,
                       .max_new_tokens = (int)n_new,
                       .n_images = phi3v_prompt_n_images(a->question->prompt)};
    snprintf(q.model, sizeof q.model, "%s", r.model);
    const int32_t *ids = phi3v_prompt_ids(a->question->prompt, &q.n_ids);
    assert_true(q.n_ids <= MOST_IDS && q.n_images <= MOST_IMAGES);
    memcpy(q.ids, ids, q.n_ids * sizeof *ids);
    for (int i = 0; i < q.n_images; i++) {
        put_picture(phi3v_prompt_image(a->question->prompt, i, NULL), image_path(i));
    }
    ask_elsewhere(&q, &reply);
    if (reply.n != n_new || memcmp(reply.ids, result->ids + a->n_begun, n_new * sizeof *ids) != 0)
        fail_msg("sequence %d: cell %d answers otherwise in a fresh process", sequence,
                 r.nb->book.n);
    if (memcmp(reply.logprobs, result->logprobs + a->n_begun, n_new * sizeof(float)) != 0)
        fail_msg("sequence %d: cell %d is as certain otherwise in a fresh process", sequence,
                 r.nb->book.n);
    n_compared++;
    n_reused += result->timing.cached_tokens > 0;
    n_long += q.n_ids > SHORT_TOKENS;
    n_crossed += q.n_ids <= SHORT_TOKENS && q.n_ids + n_new > SHORT_TOKENS + 1;
    n_not_encoded += q.n_images > 0 && result->timing.vision_crops == 0;
}

/* -- Steps ------------------------------------------------------------------------------------ */

/* %d becomes the number of a cell, %p one of a picture, %w some words. The last ones are about
 * pictures, which make a prompt longer than the short one of tiny-long at once. */
static const char *const steps[] = {
    "%w",
    "%w",
    "%w",
    "%w",
    ":edit %d %w",
    ":edit %d What?",
    ":edit %d Why then?",
    ":run %d",
    ":run %d-",
    ":more %d",
    ":fork %d",
    ":fork %d@1",
    ":fork %d@2",
    ":fork %d@2=x y",
    ":say x y\n%w",
    ":undo",
    ":redo",
    "@%p %w",
    "@1 and @%p %w",
    ":load a.ppm\n%w",
    ":load a.ppm",
    ":load b.ppm c.ppm",
    ":unstage",
    ":mode cell",
    ":mode chat",
    ":reset",
};
enum { ALL_STEPS = sizeof steps / sizeof *steps, TEXT_STEPS = 17 };
static unsigned n_steps;

static void add_words(struct text *t)
{
    static const char *const words[] = {"copper", "north", "river", "seven",
                                        "glass",  "chart", "of"};
    for (unsigned n = 1 + below(60); n > 0; n--)
        text_addf(t, "%s ", words[below(sizeof words / sizeof *words)]);
}

/* A prompt so long that its answer crosses the switch. */
static void ask_long(void)
{
    struct text t = {0};
    size_t n = 0, wanted = SHORT_TOKENS - 40 + below(30);
    while (n < wanted) {
        int32_t *ids;
        text_add(&t, "river ");
        assert_int_equal(phi3v_tokenize(r.nb->engine.model, t.s, t.n, 1, 0, &ids, &n, NULL), 0);
        phi3v_ids_free(ids);
    }
    works(&r, t.s);
    text_free(&t);
}

static void evaluate_one(void)
{
    struct text source = {0};
    for (const char *p = steps[below(n_steps)]; *p; p++) {
        if (*p == '%' && p[1] == 'w')
            add_words(&source);
        else if (*p == '%')
            text_addf(&source, "%u", 1 + below(p[1] == 'd' ? 5 : 3));
        else
            text_addn(&source, p, 1);
        p += *p == '%';
    }
    int rc = recorder_try(&r, source.s);
    n_cancelled += rc == PHI3V_E_CANCELLED || r.result.interrupted;
    text_free(&source);
}

/* The person types for a while, up to three milliseconds. */
static void type_for_a_while(void)
{
    nb_typing(r.nb, "");
    n_worked_ahead += !nb_is_ready(r.nb);
    nanosleep(&(struct timespec){.tv_nsec = 1000000L * below(4)}, NULL);
}

static void begin_anew(void)
{
    works(&r, ":save! kept.ipynb");
    recorder_restart(&r, false);
    works(&r, ":open kept.ipynb");
}

static void step(void)
{
    if (below(2)) type_for_a_while();
    if (r.nb->book.n && below(12) == 0) begin_anew();
    r.stop_after = below(6) == 0 ? (long)below(12) : -1;
    evaluate_one();
    r.stop_after = -1;
}

static void set(const char *key, const char *value)
{
    assert_int_equal(settings_set(&r.settings, key, value, ~0, &r.err), 0);
}

static void play(int number)
{
    sequence = number;
    recorder_chance((uint64_t)number);
    n_steps = number % 3 == 1 ? TEXT_STEPS : ALL_STEPS;
    recorder_open(&r, false);
    r.model = number % 3 ? "tiny-long-bf16" : "tiny-gqa-bf16";
    r.cache = number % 2;
    r.answered = compare;
    set("max_new_tokens", number % 3 == 1 ? "40" : "6"); /* long ones may cross the switch */
    set("temperature", number % 5 ? "0" : "0.8");
    set("seed", "7");
    recorder_restart(&r, false);
    recorder_picture(&r, "a.ppm", 1);
    recorder_picture(&r, "b.ppm", 2);
    recorder_picture(&r, "c.ppm", 3);
    if (n_steps == TEXT_STEPS) ask_long();
    for (int n = 5 + (int)below(10); n > 0; n--) step();
    recorder_close(&r);
}

static void answers_are_those_of_a_fresh_process(void **state)
{
    (void)state;
    for (int k = first_sequence; k < first_sequence + n_sequences; k++) play(k);
    printf("# %d sequences: %d answers compared, %d of them reused something, %d were behind the "
           "switch of rope factors and %d crossed it, %d were about pictures and encoded none; "
           "work ahead was begun %d times, %d answers were stopped\n",
           n_sequences, n_compared, n_reused, n_long, n_crossed, n_not_encoded, n_worked_ahead,
           n_cancelled);
    assert_true(n_compared > n_sequences && n_reused > n_sequences / 2);
    assert_true(n_long > 0 && n_long < n_compared && n_crossed > 0 && n_not_encoded > 0);
    assert_true(n_worked_ahead > 0 && n_cancelled > 0);
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--fresh")) return fresh_main();
    if (argc > 1) n_sequences = atoi(argv[1]);
    if (argc > 2) first_sequence = atoi(argv[2]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_are_those_of_a_fresh_process)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
