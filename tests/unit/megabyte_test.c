/* SPDX-License-Identifier: MIT
 * Long prompts of a single character, of every byte and of some that take more than one: tokenised
 * in time proportional to their length, back to the same text, and refused by a session in a
 * sentence.   megabyte_test [BYTES] */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine_fixture.h"

#ifdef __SANITIZE_ADDRESS__
enum { SLOWER = 20 };
#else
enum { SLOWER = 1 };
#endif

static size_t n_bytes = 1 << 20;
static phi3v_model *model;
static char *text;

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void repeat(const char *s, size_t n)
{
    for (size_t i = 0; i + n <= n_bytes; i += n) memcpy(text + i, s, n);
    text[n_bytes / n * n] = 0;
}

/* One second for a megabyte, and something for the beginning. */
static void assert_in_time(double start_s, const char *what)
{
    double seconds = cpu_s() - start_s, most = SLOWER * (0.2 + (double)n_bytes / (1 << 20) * 0.8);
    if (seconds > most) fail_msg("%s took %.2f s", what, seconds);
}

static void check(const char *s, size_t n, const char *back)
{
    char what[60];
    snprintf(what, sizeof what, "bytes %02x…, %zu of them,", (unsigned char)*s, n);
    repeat(s, n);
    size_t length = n_bytes / n * n, n_ids, n_back;
    int32_t *ids;
    char *again;
    double start_s = cpu_s();
    assert_int_equal(phi3v_tokenize(model, text, length, 1, 0, &ids, &n_ids, NULL), 0);
    assert_in_time(start_s, what);
    assert_int_equal(phi3v_detokenize(model, ids, n_ids, 1, &again, &n_back, NULL), 0);
    const char *bos = "<s> ", *end = again + n_back;
    assert_memory_equal(again, bos, strlen(bos));
    size_t n_unit = strlen(back) ? strlen(back) : 1;
    assert_int_equal(n_back, strlen(bos) + length / n * n_unit);
    for (const char *p = again + strlen(bos); p < end; p += n_unit)
        assert_memory_equal(p, back, n_unit);
    phi3v_string_free(again);
    phi3v_ids_free(ids);
}

static void every_byte(void **state)
{
    (void)state;
    for (int b = 0; b < 256; b++) {
        char s[2] = {(char)b, 0};
        check(s, 1, b < 0x80 ? s : "\xef\xbf\xbd");
    }
}

static const char *const longer[] = {"é",    "漢",        "한",  "😀",    "\u0301", "\xef\xbf\xbd",
                                     "ab",   "<|image_1", "1.",  "\n\n", "a ",     "</s>",
                                     "</s ", "<0x0A>",    "\t ", "[x]("};

static void longer_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof longer / sizeof *longer; i++)
        check(longer[i], strlen(longer[i]), longer[i]);
}

/* As a question: a prompt, which no session takes. */
static void as_a_question(void **state)
{
    (void)state;
    phi3v_session *s = test_session(model);
    static const char *const some[] = {"a", ".", "<", "漢", "😀", "- "};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        struct phi3v_error err;
        repeat(some[i], strlen(some[i]));
        struct phi3v_turn turn = {.role = "user", .text = text};
        phi3v_prompt *prompt;
        double start_s = cpu_s();
        if (phi3v_prompt_chat(model, &turn, 1, NULL, &prompt, &err)) fail_msg("%s", err.text);
        int rc = phi3v_generate(s, prompt, NULL, NULL, NULL, NULL, &err);
        assert_in_time(start_s, some[i]);
        assert_int_equal(rc, PHI3V_E_TOO_LONG);
        phi3v_prompt_free(prompt);
    }
    phi3v_session_free(s);
}

int main(int argc, char **argv)
{
    if (argc > 1) n_bytes = strtoul(argv[1], NULL, 10);
    model = test_model("tiny-gqa-bf16", 1, 1000);
    text = malloc(n_bytes + 1);
    if (!text) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte),
        cmocka_unit_test(longer_ones),
        cmocka_unit_test(as_a_question),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(text);
    phi3v_model_close(model);
    return rc;
}
