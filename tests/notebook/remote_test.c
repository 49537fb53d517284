/* SPDX-License-Identifier: GPL-3.0-or-later
 * Cells against a server: what it is asked, what comes of its answers, what it cannot do, and
 * :foreach with several questions in flight. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "mock_chat.h"
#include "recorder.h"

static struct recorder r;
static struct recorder_fixture fixture = {.r = &r, .n_pictures = 2};
static struct mock_chat server;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static json_t *asked; // the last request, under lock
static double stop_at_s;

/* -- Servers ---------------------------------------------------------------------------------- */

static void keep_request(const json_t *q)
{
    pthread_mutex_lock(&lock);
    json_decref(asked);
    asked = json_deep_copy(q);
    pthread_mutex_unlock(&lock);
}

static void answer(struct mock_chat *m, struct loopback_request *q, int number, const json_t *json)
{
    char text[40];
    (void)m;
    keep_request(json);
    snprintf(text, sizeof text, "Answer %d.", number);
    mock_chat_answer(q, text);
}

static void answer_long(struct mock_chat *m, struct loopback_request *q, int number,
                        const json_t *json)
{
    (void)m, (void)number, (void)json;
    mock_chat_begin(q);
    mock_chat_say(q, "It goes");
    mock_chat_done(q, "length");
}

static void refuse_it(struct mock_chat *m, struct loopback_request *q, int number,
                      const json_t *json)
{
    (void)m, (void)number, (void)json;
    mock_chat_status(q, 400, "", "{\"error\":{\"message\":\"no pictures, please\"}}");
}

/* The picture's size, which names it, after a while that is another for each. */
static void answer_size(struct mock_chat *m, struct loopback_request *q, int number,
                        const json_t *json)
{
    (void)m;
    const json_t *turn = json_array_get(json_object_get(json, "messages"), 0);
    const json_t *part = json_array_get(json_object_get(turn, "content"), 0);
    const char *url = json_string_value(json_object_get(json_object_get(part, "image_url"), "url"));
    char text[40];
    usleep((useconds_t)(number * 7919 % 20) * 1000);
    snprintf(text, sizeof text, "%zu bytes", url ? strlen(url) : 0);
    mock_chat_answer(q, text);
}

/* -- Life ------------------------------------------------------------------------------------- */

static int teardown(void **state)
{
    recorder_tear_down(state);
    mock_chat_stop(&server);
    json_decref(asked);
    asked = NULL;
    return 0;
}

static void connect_to(mock_chat_fn fn)
{
    char line[128];
    mock_chat_start(&server, fn, NULL);
    snprintf(line, sizeof line, ":model %s", server.url);
    works(&r, line);
}

static const json_t *turn_asked(size_t k)
{
    return json_array_get(json_object_get(asked, "messages"), k);
}

static const char *text_of(const json_t *part)
{
    const char *text = json_string_value(json_object_get(part, "text"));
    return text ? text : "(none)";
}

static const char *url_of(const json_t *part)
{
    const json_t *url = json_object_get(json_object_get(part, "image_url"), "url");
    return json_is_string(url) ? json_string_value(url) : "(none)";
}

/* -- What is asked ---------------------------------------------------------------------------- */

static void the_switch_is_told(void **state)
{
    (void)state;
    connect_to(answer);
    assert_saw(&r, "report: model mock, http://127.0.0.1:");
    assert_saw(&r, "note: (http://127.0.0.1:");
    assert_saw(&r, "token ids and certainty are not known");
    works(&r, ":info");
    assert_saw(&r, "model    mock at http://");
    assert_saw(&r, "context  4096 tokens");
    works(&r, ":model " TEST_MODELS "/tiny-gqa-bf16");
    assert_saw(&r, "tiny-gqa-bf16, cpu");
    fails(&r, ":model http://127.0.0.1:1/v1", "cannot connect");
    works(&r, "Hello"); /* what was open stays */
}

static void turns(void **state)
{
    (void)state;
    connect_to(answer);
    works(&r, ":system Be brief.\nHello");
    assert_int_equal(json_array_size(json_object_get(asked, "messages")), 2);
    assert_string_equal(json_string_value(json_object_get(turn_asked(0), "role")), "system");
    assert_string_equal(json_string_value(json_object_get(turn_asked(0), "content")), "Be brief.");
    assert_string_equal(json_string_value(json_object_get(turn_asked(1), "content")), "Hello");
    assert_saw(&r, "text 1: Answer 1.");
    works(&r, "And {Out[1]} then?");
    assert_int_equal(json_array_size(json_object_get(asked, "messages")), 4);
    assert_string_equal(json_string_value(json_object_get(turn_asked(2), "role")), "assistant");
    assert_string_equal(json_string_value(json_object_get(turn_asked(2), "content")), "Answer 1.");
    assert_string_equal(json_string_value(json_object_get(turn_asked(3), "content")),
                        "And Answer 1. then?");
    works(&r, ":edit 1 Hi");
    assert_saw(&r, "cell 2 is stale now");
    assert_string_equal(nb_cell_answer(r.nb, 1), "Answer 3.");
}

static void settings_travel(void **state)
{
    (void)state;
    connect_to(answer);
    works(&r, "Plain");
    assert_null(json_object_get(asked, "top_k"));
    assert_null(json_object_get(asked, "stop"));
    assert_int_equal(json_integer_value(json_object_get(asked, "max_tokens")),
                     nb_settings(r.nb)->max_new_tokens);
    works(&r, ":set temperature 0.5\n:set top_k 7\n:set top_p 0.9\n:set min_p 0.1\n:set seed 12\n"
              ":set stop END\n:set max_new_tokens 33\n:set doubt 0.5\nNow");
    assert_true(json_number_value(json_object_get(asked, "temperature")) == 0.5);
    assert_int_equal(json_integer_value(json_object_get(asked, "top_k")), 7);
    assert_int_equal(json_integer_value(json_object_get(asked, "seed")), 12);
    assert_int_equal(json_integer_value(json_object_get(asked, "max_tokens")), 33);
    assert_string_equal(json_string_value(json_array_get(json_object_get(asked, "stop"), 0)),
                        "END");
    assert_true(json_is_true(json_object_get(asked, "logprobs")));
}

static void pictures(void **state)
{
    (void)state;
    connect_to(answer);
    works(&r, ":load a.ppm b.ppm\nWhat?");
    const json_t *parts = json_object_get(turn_asked(0), "content");
    assert_int_equal(json_array_size(parts), 3);
    assert_int_equal(strncmp(url_of(json_array_get(parts, 0)), "data:image/png;base64,iVBOR", 27),
                     0);
    assert_string_not_equal(url_of(json_array_get(parts, 0)), url_of(json_array_get(parts, 1)));
    assert_string_equal(text_of(json_array_get(parts, 2)), "What?");
    works(&r, ":mode cell\nIs @2 in @1 or is @2?");
    parts = json_object_get(turn_asked(0), "content");
    assert_int_equal(json_array_size(parts), 7);
    assert_string_equal(text_of(json_array_get(parts, 0)), "Is ");
    assert_string_equal(url_of(json_array_get(parts, 1)), url_of(json_array_get(parts, 5)));
    assert_string_equal(text_of(json_array_get(parts, 6)), "?");
}

/* The file itself where everybody reads it alike. */
static void files_as_they_are(void **state)
{
    (void)state;
    static const char *const types[][2] = {
        {"samples/chart.png", "data:image/png;base64,"},
        {"samples/book-cover.jpg", "data:image/jpeg;base64,"},
        {"samples/compare-2.jpg.webp", "data:image/webp;base64,"}};
    connect_to(answer);
    works(&r, ":mode cell");
    for (size_t k = 0; k < 3; k++) {
        char line[400];
        size_t n;
        snprintf(line, sizeof line, ":load %s/%s\nWhat?", SOURCE_ROOT, types[k][0]);
        works(&r, line);
        snprintf(line, sizeof line, "%s/%s", SOURCE_ROOT, types[k][0]);
        char *file = recorder_read(line, &n);
        const char *url = url_of(json_array_get(json_object_get(turn_asked(0), "content"), 0));
        size_t n_type = strlen(types[k][1]);
        assert_int_equal(strncmp(url, types[k][1], n_type), 0);
        assert_int_equal(strlen(url + n_type), 4 * ((n + 2) / 3));
        free(file);
    }
    works(&r, ":crop @1 0,0,50%,50%\nWhat?");
    assert_int_equal(strncmp(url_of(json_array_get(json_object_get(turn_asked(0), "content"), 0)),
                             "data:image/png", 14),
                     0);
}

/* -- What comes of it ------------------------------------------------------------------------- */

static void what_servers_cannot(void **state)
{
    (void)state;
    connect_to(answer_long);
    works(&r, ":load a.ppm\nTell");
    assert_saw(&r, "image @1: @1 a.ppm: PNM 30x20");
    assert_not_saw(&r, "crops");
    assert_saw(&r, "stopped at the longest allowed length");
    fails(&r, ":more", "cannot go on with an answer");
    fails(&r, ":prompt", "the exact prompt cannot be had of http://");
    fails(&r, ":context", "the exact prompt cannot be had of");
    fails(&r, ":show @1 model", "what the model sees of a picture cannot be had of");
    fails(&r, ":crop @1 tile 1,1", "the crops of a picture cannot be had of");
    fails(&r, ":fork 1@1=no", "are not known");
    fails(&r, ":say No", "an answer's beginning cannot be had of");
    works(&r, ":stats\n:cells\n:reset");
}

static void failures_are_kept(void **state)
{
    (void)state;
    connect_to(refuse_it);
    fails(&r, "Hello", "no pictures, please");
    assert_int_equal(nb_n_cells(r.nb), 1);
    works(&r, ":cells");
    assert_saw(&r, "In [1] error");
    server.answer = answer;
    works(&r, ":run 1");
    assert_string_equal(nb_cell_answer(r.nb, 1), "Answer 2.");
}

static void *stop_later(void *nb)
{
    usleep(300000);
    stop_at_s = now_s();
    nb_cancel(nb);
    return NULL;
}

static void stops(void **state)
{
    (void)state;
    pthread_t thread;
    connect_to(mock_chat_answer_slowly);
    pthread_create(&thread, NULL, stop_later, r.nb);
    works(&r, "Talk");
    double took_s = now_s() - stop_at_s;
    pthread_join(thread, NULL);
    assert_true(r.result.interrupted);
    if (took_s >= 0.3) fail_msg("%.3f s", took_s);
    assert_int_equal(strncmp(nb_cell_answer(r.nb, 1), "more more", 9), 0);
    assert_saw(&r, "interrupted");
    while (atomic_load(&server.n_now)) usleep(1000); /* the server stops, too */
}

static void files_do_not_connect(void **state)
{
    char line[128];
    (void)state;
    mock_chat_start(&server, answer, NULL);
    snprintf(line, sizeof line, ":model %s", server.url);
    fails_as(&r, line, NB_FILE, ":model");
    fails_as(&r, line, NB_REQUEST, ":model");
    assert_int_equal(loopback_accepted(server.server), 0);
}

/* -- Many ------------------------------------------------------------------------------------- */

enum { N = 40 };

static void make_pictures(void)
{
    for (int k = 0; k < N; k++) {
        char name[20], bytes[2000];
        int n = snprintf(bytes, sizeof bytes, "P2 %d 1 9\n", 60 + 3 * k);
        for (int x = 0; x < 60 + 3 * k; x++)
            n += snprintf(bytes + n, sizeof bytes - (size_t)n, "%d ", x * (k + 3) % 10);
        snprintf(name, sizeof name, "p%02d.pgm", k);
        recorder_write(name, bytes);
    }
}

/* In the pictures' order, each once. */
static void check_table(const char *path)
{
    char *table = recorder_read(path, NULL), *line = strchr(table, '\n');
    for (int k = 0; k < N; k++) {
        char name[20];
        snprintf(name, sizeof name, "p%02d.pgm,", k);
        assert_non_null(line);
        assert_int_equal(strncmp(line + 1, name, strlen(name)), 0);
        assert_non_null(strstr(line, " bytes,stop,"));
        line = strchr(line + 1, '\n');
    }
    assert_string_equal(line, "\n");
    free(table);
}

static void many(void **state)
{
    (void)state;
    make_pictures();
    connect_to(answer_size);
    works(&r, ":set parallel 6\n:foreach p*.pgm \"How large?\" to many.csv");
    assert_saw(&r, "40 of 40 pictures answered");
    check_table("many.csv");
    assert_in_range(atomic_load(&server.n_most), 3, 6);
    works(&r, ":set parallel 1\n:foreach p*.pgm \"How large?\" to one.csv");
    char *a = recorder_read("many.csv", NULL), *b = recorder_read("one.csv", NULL);
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static void many_resume(void **state)
{
    (void)state;
    make_pictures();
    connect_to(answer_size);
    r.stop_after = 150;
    int rc = recorder_eval(&r, ":foreach p*.pgm \"How large?\" to part.csv", NB_TYPED);
    r.stop_after = -1;
    assert_true(rc == 0 || rc == PHI3V_E_CANCELLED);
    int before = atomic_load(&server.n_asked);
    assert_in_range(before, 1, N - 1);
    works(&r, ":foreach p*.pgm \"How large?\" to part.csv");
    check_table("part.csv");
    assert_in_range(atomic_load(&server.n_asked), N, N + 10); /* none twice but the stopped ones */
}

/* Every request for memory fails once, thinning out: a sentence for it, or an answer. */
static void memory_may_be_missing(void **state)
{
    static const char *const lines[] = {":load b.ppm\nWhat?", ":foreach a.ppm b.ppm \"What?\"",
                                        ":edit 1 And?"};
    int n_failed = 0;
    (void)state;
    connect_to(answer);
    works(&r, "First?");
    for (size_t k = 0; k < sizeof lines / sizeof *lines; k++) {
        bool pending = false;
        for (long n = 1; !pending; n += 1 + n / 6) {
            memory_fail_at(n);
            int rc = recorder_eval(&r, lines[k], NB_TYPED);
            pending = memory_fail_pending();
            memory_fail_at(0);
            n_failed += rc == PHI3V_E_MEMORY;
            if (rc && rc != PHI3V_E_MEMORY && rc != PHI3V_E_DEVICE) fail_msg("%s", r.err.text);
        }
    }
    assert_true(n_failed > 20);
    works(&r, "Still there?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_prestate_setup_teardown(fn, recorder_set_up, teardown, &fixture)
        TEST(the_switch_is_told),   TEST(turns),
        TEST(settings_travel),      TEST(pictures),
        TEST(files_as_they_are),    TEST(what_servers_cannot),
        TEST(failures_are_kept),    TEST(stops),
        TEST(files_do_not_connect), TEST(many),
        TEST(many_resume),          TEST(memory_may_be_missing),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = cmocka_run_group_tests_name("remote", tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
