/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a model's folder says of its use: cells by themselves, one answer without a picture, and
 * answers that are told to be unsure. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "notebook/advice.h"
#include "recorder.h"

static struct recorder r;
static struct recorder_fixture fixture = {.r = &r, .n_pictures = 2};

/* The tiny model with advice of its own, as the folder `name`. */
static void model_with(const char *name, const char *advice)
{
    static const char *const files[] = {"added_tokens.json",
                                        "config.json",
                                        "generation_config.json",
                                        "model-00001-of-00002.safetensors",
                                        "model-00002-of-00002.safetensors",
                                        "model.safetensors.index.json",
                                        "preprocessor_config.json",
                                        "special_tokens_map.json",
                                        "tokenizer.json",
                                        "tokenizer_config.json"};
    char from[1000], to[300];
    snprintf(to, sizeof to, "%s/phiscope.json", name);
    folder_puts(&r.folder, to, advice);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(from, sizeof from, TEST_MODELS "/tiny-gqa-bf16/%s", files[i]);
        snprintf(to, sizeof to, "%s/%s", name, files[i]);
        assert_int_equal(symlink(from, to), 0);
    }
}

static int setup(void **state)
{
    recorder_set_up(state);
    model_with("alone", "{\"mode\": \"cell\", \"no_picture\": \"Show me one.\", \"other\": 1}");
    model_with("unsure", "{\"min_certainty\": 1}");
    return 0;
}

static const struct cell *cell(int number) { return &r.nb->book.v[number - 1]; }

static void pictures_are(int number, const char *labels)
{
    char *now = nb_staged(r.nb, number);
    assert_string_equal(now, labels);
    free(now);
}

static void state_is(int number, enum cell_state state)
{
    assert_string_equal(state_name(book_state(&r.nb->book, number - 1)), state_name(state));
}

static void mode_is(const char *mode)
{
    char line[40];
    snprintf(line, sizeof line, "report: %s\n", mode);
    works(&r, ":mode");
    assert_saw(&r, line);
}

/* -- Mode ------------------------------------------------------------------------------------- */

static void the_folder_says_the_mode(void **state)
{
    (void)state;
    mode_is("chat");
    works(&r, ":model ./alone");
    mode_is("cell");
    works(&r, ":mode chat");
    mode_is("chat");
    works(&r, ":reset all");
    mode_is("cell");
    works(&r, ":model " TEST_MODELS "/tiny-gqa-bf16");
    mode_is("chat");
    works(&r, ":load a.ppm\nOne?");
    works(&r, ":model ./alone");
    assert_saw(&r, "note: (mode cell from here on, as the model's folder says)");
    mode_is("cell");
    state_is(1, CELL_OK);
}

/* A mode that somebody chose stays. */
static void a_choice_stays(void **state)
{
    (void)state;
    works(&r, ":mode cell");
    works(&r, ":model " TEST_MODELS "/tiny-gqa-bf16");
    mode_is("cell");
    assert_int_equal(settings_set(&r.settings, "mode", "chat", SETTING_SHOWN, NULL), 0);
    recorder_restart(&r, false);
    works(&r, ":model ./alone");
    mode_is("chat");
}

static void a_notebook_says_its_mode(void **state)
{
    (void)state;
    works(&r, ":model ./alone");
    works(&r, ":load a.ppm\nOne?");
    works(&r, "Two?");
    works(&r, ":save m.ipynb");
    works(&r, ":model " TEST_MODELS "/tiny-gqa-bf16");
    works(&r, ":open m.ipynb");
    mode_is("cell");
    state_is(1, CELL_OK);
    state_is(2, CELL_OK);
    pictures_are(2, "@1");
    works(&r, ":save n.ipynb");
    char *one = recorder_read("m.ipynb", NULL), *two = recorder_read("n.ipynb", NULL);
    assert_string_equal(one, two);
    free(one);
    free(two);
    /* One from before notebooks said so was a conversation. */
    recorder_write("old.ipynb",
                   "{\"cells\":[{\"cell_type\":\"code\",\"id\":\"a\",\"source\":\"x\","
                   "\"metadata\":{},\"outputs\":[],\"execution_count\":null}],\"metadata\":{"
                   "\"phiscope\":{\"model\":\"m\"}},\"nbformat\":4,\"nbformat_minor\":5}");
    works(&r, ":model ./alone");
    works(&r, ":open old.ipynb");
    mode_is("chat");
}

/* -- Pictures of the cell above --------------------------------------------------------------- */

static void the_pictures_above_are_seen(void **state)
{
    (void)state;
    works(&r, ":mode cell\n:load a.ppm\nOne?");
    pictures_are(0, "@1");
    works(&r, "Two?");
    pictures_are(2, "@1");
    assert_saw(&r, "begin 2 @1");
    assert_string_equal(cell(2)->text, "<|image_1|>\nTwo?");
    char *with = recorder_ids(&r, 2);
    works(&r, ":edit 2 @1 Two?");
    char *named = recorder_ids(&r, 2);
    assert_string_equal(with, named);
    free(with);
    free(named);
    works(&r, ":undo");
    works(&r, ":load b.ppm\nThree?");
    pictures_are(3, "@2");
    works(&r, "Four? And @1?");
    pictures_are(4, "@1");
    works(&r, "Five?");
    pictures_are(5, "@1");
    works(&r, ":unstage");
    pictures_are(0, "");
    works(&r, "Six?");
    pictures_are(6, "");
    works(&r, "Seven?");
    pictures_are(7, "");
    works(&r, ":mode chat\nEight?");
    pictures_are(8, "");
}

static void other_pictures_above_make_it_stale(void **state)
{
    (void)state;
    works(&r, ":load a.ppm b.ppm\n:unstage\n:mode cell\n@1 One?");
    works(&r, "@2 Two?");
    works(&r, "Three?");
    pictures_are(3, "@2");
    works(&r, ":edit 1 @2 One?");
    state_is(2, CELL_OK);
    state_is(3, CELL_OK);
    works(&r, ":edit 2 @1 Two?");
    state_is(3, CELL_STALE);
    works(&r, ":run 3");
    pictures_are(3, "@1");
    state_is(3, CELL_OK);
    works(&r, ":undo\n:undo");
    state_is(3, CELL_OK);
}

/* -- One answer ------------------------------------------------------------------------------- */

static void nothing_is_computed_without_a_picture(void **state)
{
    (void)state;
    works(&r, ":model ./alone");
    int before = r.nb->engine.n_answers;
    works(&r, "Hello");
    assert_saw(&r, "text 1: Show me one.\nend 1 ok\n");
    assert_string_equal(cell(1)->answer, "Show me one.");
    assert_null(cell(1)->ids);
    works(&r, ":mode chat\nHello again");
    assert_string_equal(cell(2)->answer, "Show me one.");
    assert_int_equal(r.nb->engine.n_answers, before);
    fails(&r, ":alt", "is not known");
    fails(&r, ":fork 2@1", "tokens of cell 2 are not known");
    fails(&r, ":more", "is complete");
    /* A conversation with a picture goes on as such. */
    works(&r, ":load a.ppm\nAnd this?");
    works(&r, "And more?");
    assert_int_equal(r.nb->engine.n_answers, before + 2);
    works(&r, ":save h.ipynb\n:open h.ipynb\n:cells");
    assert_not_saw(&r, "stale");
}

/* -- Unsure ----------------------------------------------------------------------------------- */

static const char withheld[] = "I can't make this out reliably.";

static void an_unsure_answer_is_not_shown(void **state)
{
    (void)state;
    works(&r, ":load a.ppm\nOne?");
    assert_not_saw(&r, "unsure");
    char *answer = strdup(cell(1)->answer);
    works(&r, ":model ./unsure");
    works(&r, ":run 1");
    assert_string_equal(cell(1)->answer, withheld);
    assert_int_equal(cell(1)->n_ids, 0);
    assert_saw(&r, "note: (an answer is not shown, because its least certain letter had ");
    assert_saw(&r, "often wrong below 100%; :set guess on shows such answers)");
    assert_not_saw(&r, answer);
    works(&r, ":save w.ipynb\n:open w.ipynb");
    assert_string_equal(cell(1)->answer, withheld);
    works(&r, ":set guess on\n:run 1");
    assert_string_equal(cell(1)->answer, answer);
    assert_saw(&r, "note: (unsure: the least certain letter had ");
    free(answer);
}

/* Who asked for no certainty, or for the answer to go on, gets it. */
static void what_is_not_judged(void **state)
{
    (void)state;
    works(&r, ":load a.ppm\n:model ./unsure\n:set certainty off\nOne?");
    assert_string_not_equal(cell(1)->answer, withheld);
    works(&r,
          ":set certainty auto\n:set guess on\nTwo?\n:set guess off\n:set max_new_tokens 3\n:more");
    assert_string_not_equal(cell(2)->answer, withheld);
    works(&r, "Three?\n:fork 2@1");
    assert_string_not_equal(cell(2)->answer, withheld);
}

/* Who asked for a form gets it, and no words instead. */
static void forms_are_kept(void **state)
{
    (void)state;
    json_t *schema = json_loads("{\"enum\": [1, 2]}", 0, NULL);
    works(&r, ":load a.ppm\n:model ./unsure");
    assert_int_equal(nb_bind(r.nb, schema, &r.err), 0);
    works(&r, "One or two?");
    assert_true(!strcmp(cell(1)->answer, "1") || !strcmp(cell(1)->answer, "2"));
    works(&r, ":reset all\n:model ./alone");
    works(&r, "One or two?");
    assert_true(!strcmp(cell(1)->answer, "1") || !strcmp(cell(1)->answer, "2"));
    json_decref(schema);
}

static void each_of_many_is_judged(void **state)
{
    (void)state;
    works(&r, ":load a.ppm\n:model ./unsure\n:foreach a.ppm a.ppm \"What?\" to out.csv");
    char *rows = recorder_read("out.csv", NULL);
    const char *first = strstr(rows, withheld);
    assert_non_null(first);
    assert_non_null(strstr(first + 1, withheld));
    free(rows);
}

/* -- The file --------------------------------------------------------------------------------- */

static void a_damaged_file_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {{"{", "phiscope.json is not JSON"},
               {"[]", "phiscope.json is no JSON object"},
               {"{\"mode\": \"talk\"}", "mode must be \"chat\" or \"cell\""},
               {"{\"mode\": 1}", "mode must be"},
               {"{\"min_certainty\": 1.5}", "min_certainty must be a number from 0 to 1"},
               {"{\"min_certainty\": \"0.5\"}", "min_certainty must be"},
               {"{\"no_picture\": \"\"}", "no_picture must be"},
               {"{\"no_picture\": \"a\\u0000b\"}", "JSON"}};
    struct advice a;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        folder_puts(&r.folder, "bad/phiscope.json", bad[i].text);
        assert_int_equal(advice_load("bad", &a, &r.err), PHI3V_E_MODEL);
        assert_int_equal(r.err.code, PHI3V_E_MODEL);
        if (!strstr(r.err.text, bad[i].says)) fail_msg("%s", r.err.text);
    }
    assert_int_equal(advice_load("nowhere", &a, &r.err), 0);
    assert_null(a.mode);
    /* The model in use stays. */
    model_with("broken", "{\"mode\": 0}");
    fails(&r, ":model ./broken", "mode must be");
    works(&r, ":load a.ppm\nOne?");
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_prestate_setup_teardown(name, setup, recorder_tear_down, &fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(the_folder_says_the_mode),
                                       TEST(a_choice_stays),
                                       TEST(a_notebook_says_its_mode),
                                       TEST(the_pictures_above_are_seen),
                                       TEST(other_pictures_above_make_it_stale),
                                       TEST(nothing_is_computed_without_a_picture),
                                       TEST(an_unsure_answer_is_not_shown),
                                       TEST(what_is_not_judged),
                                       TEST(forms_are_kept),
                                       TEST(each_of_many_is_judged),
                                       TEST(a_damaged_file_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
