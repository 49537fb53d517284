/* SPDX-License-Identifier: MIT
 * notebook/price and notebook/forecast: what is learnt of a machine's speed, what is kept of it, and
 * a wait that is told without rising by more than a fifth. No clock is asked: time is made up. */
#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"
#include "notebook/forecast.h"

/* Of the size of the real model. */
static const struct phi3v_model_info large = {.name = "large",
                                              .device = "cpu (2 threads)",
                                              .dtype = "q4",
                                              .kv = "f16",
                                              .products = "int8",
                                              .vision_products = "int8",
                                              .n_layers = 32,
                                              .hidden = 3072,
                                              .mlp_width = 8192,
                                              .n_heads = 32,
                                              .n_kv_heads = 32,
                                              .head_dim = 96,
                                              .n_params = 4000000000};

/* -- The price -------------------------------------------------------------------------------- */

static void later_rows_cost_more(void **state)
{
    (void)state;
    double first = price_rows(&large, 0, 500), second = price_rows(&large, 500, 1000);
    assert_true(first > 500 && first < 550);
    assert_true(second > first && second < 1.2 * first);
    assert_float_equal(first + second, price_rows(&large, 0, 1000), 1e-9);
    struct phi3v_model_info exact = large;
    exact.products = "f32"; /* products are as slow as attention then */
    assert_true(price_rows(&exact, 0, 500) < first);
}

static void nothing_is_known_at_first(void **state)
{
    (void)state;
    struct price p = {0};
    assert_true(price_s(&p, &large, 5, 0, 100) == 0);
    p.s_per_row = 0.01;
    assert_true(price_s(&p, &large, 5, 0, 100) == 0);
    assert_true(price_s(&p, &large, 0, 0, 100) > 1); /* no crops are to be paid for */
    p.s_per_crop = 0.5;
    assert_float_equal(price_s(&p, &large, 5, 0, 100) - price_s(&p, &large, 0, 0, 100), 2.5, 1e-9);
}

static void what_was_computed_is_learnt(void **state)
{
    (void)state;
    struct price p = {0};
    struct phi3v_timing t = {
        .vision_s = 5, .vision_crops = 10, .prefill_s = 2, .prefill_tokens = 500};
    price_learn(&p, &large, &t);
    assert_float_equal(p.s_per_crop, 0.5, 1e-9);
    assert_float_equal(p.s_per_row * price_rows(&large, 0, 500), 2, 1e-9);
    /* The same once more teaches nothing new; twice as slow teaches, little by little. */
    struct price before = p;
    price_learn(&p, &large, &t);
    assert_float_equal(p.s_per_crop, before.s_per_crop, 1e-9);
    t.vision_s = 10;
    price_learn(&p, &large, &t);
    assert_true(p.s_per_crop > 0.9 && p.s_per_crop < 1);
    /* A few rows say nothing about many, and nothing computed says nothing. */
    before = p;
    price_learn(&p, &large, &(struct phi3v_timing){.prefill_s = 1, .prefill_tokens = 5});
    price_learn(&p, &large, &(struct phi3v_timing){0});
    assert_memory_equal(&p, &before, sizeof p);
}

static void it_is_kept_by_model_device_and_dtype(void **state)
{
    (void)state;
    struct folder folder;
    folder_make(&folder);
    const struct price one = {0.5, 0.01}, two = {0.25, 0.005}, rows_only = {0, 0.02};
    struct phi3v_model_info other = large, third = large;
    struct price p = {9, 9};
    other.dtype = "q8";
    third.device = "cpu (4 threads)";
    price_recall(&p, &large, folder.path); /* there is no file yet */
    assert_true(p.s_per_crop == 0 && p.s_per_row == 0);
    price_keep(&one, &large, folder.path);
    price_keep(&two, &other, folder.path);
    price_keep(&rows_only, &third, folder.path);
    price_keep(&(struct price){0}, &large, folder.path); /* nothing known keeps what is there */
    price_recall(&p, &large, folder.path);
    assert_true(p.s_per_crop == 0.5 && p.s_per_row == 0.01);
    price_recall(&p, &other, folder.path);
    assert_true(p.s_per_crop == 0.25 && p.s_per_row == 0.005);
    price_recall(&p, &third, folder.path);
    assert_true(p.s_per_crop == 0 && p.s_per_row == 0.02);
    price_recall(&p, &large, NULL);
    assert_true(p.s_per_row == 0);
    folder_remove(&folder);
}

static void damaged_files_are_as_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "[]",
                                      "{",
                                      "{\"large\": 1}",
                                      "null",
                                      "{\"large, 4000000000 parameters, cpu (2 threads), q4, int8, "
                                      "kv f16\": [-1, \"x\"]}",
                                      "{\"large, 4000000000 parameters, cpu (2 threads), q4, int8, "
                                      "kv f16\": {\"a\": [1, 2]}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct folder folder;
        struct price p = {9, 9};
        folder_make(&folder);
        folder_puts(&folder, "speeds.json", bad[i]);
        price_recall(&p, &large, folder.path);
        assert_true(p.s_per_crop == 0 && p.s_per_row == 0);
        price_keep(&(struct price){0.5, 0.01}, &large, folder.path);
        price_recall(&p, &large, folder.path);
        assert_true(p.s_per_crop == 0.5 && p.s_per_row == 0.01);
        folder_remove(&folder);
    }
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        double s;
        const char *text;
    } rows[] = {{0.0001, "0.001 s"}, {0.0062, "0.006 s"}, {0.036, "0.036 s"}, {0.24, "0.24 s"},
                {2.51, "2.5 s"},     {9.94, "9.9 s"},     {9.96, "10 s"},     {59.4, "59 s"},
                {59.6, "1:00"},      {85, "1:25"},        {119.7, "2:00"},    {3600, "60:00"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char to[DURATION_BYTES];
        assert_string_equal(duration_text(rows[i].s, to), rows[i].text);
    }
    char to[DURATION_BYTES];
    assert_true(strlen(duration_text(1e300, to)) < DURATION_BYTES);
}

/* -- The wait --------------------------------------------------------------------------------- */

/* A machine that reads crops and tokens at these speeds, seen every tenth of a second. */
struct machine {
    double s_per_crop, s_per_token;
    double stall_at, stall_s; /* it does nothing for so long; 0: never */
};

struct heard {
    double first, last, worst_rise; /* of the seconds left that were told */
    double lowest_share;            /* step of the share: negative when it fell */
    double end_share;
    int n;
};

static void hear(struct heard *h, const struct forecast *f, double *least, double *share)
{
    if (f->share - *share < h->lowest_share) h->lowest_share = f->share - *share;
    *share = f->share;
    if (f->left_s < 0) return;
    if (h->n++ == 0) h->first = f->left_s;
    if (f->left_s > 1 && *least > 1 && f->left_s / *least > h->worst_rise)
        h->worst_rise = f->left_s / *least;
    if (f->left_s < *least) *least = f->left_s;
    h->last = f->left_s;
}

static struct heard wait_for(const struct price *p, const struct machine *m, int n_crops,
                             int n_tokens)
{
    struct forecast f;
    struct heard h = {0};
    double now = 100, least = HUGE_VAL, share = 0;
    forecast_begin(&f, p, &large, 0, n_tokens, now);
    for (int stage = 0; stage < 2; stage++) {
        double total = stage ? n_tokens : n_crops,
               seconds = total * (stage ? m->s_per_token : m->s_per_crop);
        for (double t = 0; t < seconds && total > 0; t += 0.1, now += 0.1) {
            if (m->stall_s > 0 && now - 100 >= m->stall_at && now - 100 < m->stall_at + 0.1)
                now += m->stall_s;
            struct phi3v_event event = {.type = PHI3V_EVENT_PROGRESS,
                                        .stage = stage ? PHI3V_STAGE_PREFILL : PHI3V_STAGE_VISION,
                                        .total = (int64_t)total,
                                        .part = t / seconds};
            forecast_event(&f, &event, now);
            hear(&h, &f, &least, &share);
        }
    }
    h.end_share = f.share;
    return h;
}

static struct price price_of(double s_per_crop, double s_per_token, int n_tokens)
{
    return (struct price){s_per_crop, s_per_token * n_tokens / price_rows(&large, 0, n_tokens)};
}

/* On a machine whose speeds were guessed wrongly by up to a half: nothing that is told rises by more
 * than a fifth, the share never falls, and both end where they must. */
static void the_wait_never_rises_by_more_than_a_fifth(void **state)
{
    (void)state;
    static const double wrong[] = {1 / 1.5, 1 / 1.2, 1, 1.2, 1.5};
    static const int crops[] = {0, 2, 5, 17};
    int n = 0;
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 5; j++)
            for (size_t k = 0; k < 4; k++) {
                int n_tokens = 100 + 145 * crops[k];
                struct price p = price_of(0.3, 0.005, n_tokens);
                struct machine m = {0.3 * wrong[i], 0.005 * wrong[j], 0, 0};
                struct heard h = wait_for(&p, &m, crops[k], n_tokens);
                assert_true(h.n > 0);
                assert_true(h.worst_rise <= 1.2 + 1e-9);
                assert_true(h.lowest_share >= 0);
                assert_true(h.end_share <= 1 && (crops[k] < 5 || h.end_share > 0.85));
                assert_true(h.last < 0.6);
                n++;
            }
    assert_int_equal(n, 100);
}

static void a_right_price_is_told_rightly(void **state)
{
    (void)state;
    struct price p = price_of(0.3, 0.005, 2500);
    struct machine m = {0.3, 0.005, 0, 0};
    struct heard h = wait_for(&p, &m, 17, 2500);
    assert_float_equal(h.first, 17 * 0.3 + 2500 * 0.005, 0.01);
    assert_true(h.worst_rise <= 1.02);
}

/* Where nothing is known, nothing is told until something was seen of everything. */
static void nothing_known_nothing_told(void **state)
{
    (void)state;
    struct price none = {0};
    struct machine m = {0.3, 0.005, 0, 0};
    struct heard h = wait_for(&none, &m, 17, 2500);
    assert_true(h.n > 0 && h.first < 2500 * 0.005);
    assert_float_equal(h.first, 2500 * 0.005 * 0.95, 0.7);
    assert_true(h.worst_rise <= 1.2 + 1e-9);
}

/* A machine that stands still for a minute is another machine: the truth is told. */
static void a_machine_that_stops_is_told(void **state)
{
    (void)state;
    struct price p = price_of(0.3, 0.005, 2500);
    struct machine m = {0.3, 0.005, 2, 60};
    struct heard h = wait_for(&p, &m, 17, 2500);
    assert_true(h.worst_rise > 2);
}

/* Tokens that were read before are not waited for; a second call goes on, on the same scale. */
static void two_calls_are_one_wait(void **state)
{
    (void)state;
    struct price p = price_of(0.3, 0.005, 1000);
    struct forecast f;
    forecast_begin(&f, &p, &large, 900, 1000, 0);
    assert_float_equal(f.n_tokens, 100, 0);
    struct phi3v_event event = {
        .type = PHI3V_EVENT_PROGRESS, .stage = PHI3V_STAGE_PREFILL, .total = 90};
    for (int i = 0; i <= 9; i++) {
        event.part = i / 9.0;
        forecast_event(&f, &event, 0.05 * i);
    }
    double share = f.share;
    assert_true(share > 0.9 && f.left_s < 0.01);
    event.total = 12;
    event.part = 0;
    forecast_event(&f, &event, 0.5);
    assert_true(f.share >= share && f.left_s < 0.2);
    /* Words and other work are none of its. */
    struct forecast before = f;
    forecast_event(&f, &(struct phi3v_event){.type = PHI3V_EVENT_TEXT}, 1);
    forecast_event(&f, &(struct phi3v_event){.stage = PHI3V_STAGE_LOAD, .total = 5}, 1);
    f.on = false;
    forecast_event(&f, &event, 2);
    f.on = true;
    assert_memory_equal(&f, &before, sizeof f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_rows_cost_more),
        cmocka_unit_test(nothing_is_known_at_first),
        cmocka_unit_test(what_was_computed_is_learnt),
        cmocka_unit_test(it_is_kept_by_model_device_and_dtype),
        cmocka_unit_test(damaged_files_are_as_none),
        cmocka_unit_test(durations),
        cmocka_unit_test(the_wait_never_rises_by_more_than_a_fifth),
        cmocka_unit_test(a_right_price_is_told_rightly),
        cmocka_unit_test(nothing_known_nothing_told),
        cmocka_unit_test(a_machine_that_stops_is_told),
        cmocka_unit_test(two_calls_are_one_wait),
    };
    return cmocka_run_group_tests_name("price", tests, NULL, NULL);
}
