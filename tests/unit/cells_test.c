/* SPDX-License-Identifier: GPL-3.0-or-later
 * The notebook without a model: what is sent, what is stale, undo, handles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notebook/cells.h"

/* A picture that is known but not loaded. */
static int picture(struct book *b, const char *name)
{
    struct media none = {0};
    struct phi3v_error err;
    int index;
    assert_int_equal(handles_add(&b->handles, &none, "a.png", name, true, &index, &err), 0);
    return index;
}

/* Sends `typed` and pretends an answer of one id came. */
static int answered(struct book *b, const char *typed, int32_t id)
{
    struct options opt;
    struct phi3v_error err;
    options_init(&opt);
    struct cell *c = book_append(b);
    c->typed = xstrdup(typed);
    assert_int_equal(book_expand(b, c, &opt, &err), 0);
    options_free(&opt);
    c->answer = xstrdup("answer");
    c->ids = xalloc(sizeof *c->ids);
    c->ids[0] = id;
    c->n_ids = 1;
    c->context = book_context(b, b->n - 1, "");
    return b->n - 1;
}

static void sends(struct book *b, const char *typed, const char *want, int n_pictures)
{
    struct options opt;
    struct phi3v_error err;
    options_init(&opt);
    struct cell *c = book_append(b);
    c->typed = xstrdup(typed);
    assert_int_equal(book_expand(b, c, &opt, &err), 0);
    assert_string_equal(c->text, want);
    assert_int_equal(c->n_pictures, n_pictures);
    book_remove_last(b);
    options_free(&opt);
}

static void what_is_sent(void **state)
{
    (void)state;
    struct book b;
    book_init(&b);
    picture(&b, NULL);
    picture(&b, "cover");
    sends(&b, "hello", "hello", 0);
    sends(&b, "@1 what is it?", "<|image_1|>\nwhat is it?", 1);
    sends(&b, "@2 @1 compare", "<|image_1|>\n<|image_2|>\ncompare", 2);
    sends(&b, "compare @cover with @1 and @cover",
          "compare <|image_1|> with <|image_2|> and <|image_1|>", 2);
    sends(&b, "mail me@x.org", "mail me@x.org", 0);
    book_stage(&b, 0);
    book_stage(&b, 1);
    book_stage(&b, 0);
    sends(&b, " What is difference in this two images?",
          "<|image_1|>\n<|image_2|>\n What is difference in this two images?", 2);
    sends(&b, "only @2", "only <|image_1|>", 1);
    sends(&b, "<|image_2|> then <|image_1|>", "<|image_2|> then <|image_1|>", 2);
    answered(&b, "x", 7);
    sends(&b, "shorten: {_}", "<|image_1|>\n<|image_2|>\nshorten: answer", 2);
    sends(&b, "{Out[1]} again @1", "answer again <|image_1|>", 1);
    book_free(&b);
}

static void refused_without_change(void **state)
{
    (void)state;
    struct book b;
    struct options opt;
    struct phi3v_error err;
    book_init(&b);
    options_init(&opt);
    picture(&b, NULL);
    struct cell *c = book_append(&b);
    static const char *const bad[] = {"@2", "@nothing.png", "{Out[5]}", "{_}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        free(c->typed);
        c->typed = xstrdup(bad[i]);
        assert_true(book_expand(&b, c, &opt, &err) < 0);
        assert_null(c->text);
        assert_int_equal(b.handles.n, 1);
    }
    options_free(&opt);
    book_free(&b);
}

static enum cell_state state_of(const struct book *b, int i, const char *system)
{
    return book_state(b, i, system);
}

static void stale_follows_from_contents(void **state)
{
    (void)state;
    struct book b;
    book_init(&b);
    answered(&b, "one", 10);
    answered(&b, "two", 20);
    answered(&b, "three", 30);
    assert_int_equal(state_of(&b, 2, ""), CELL_OK);
    book_remember(&b, 1);
    b.v[1].ids[0] = 21;
    assert_int_equal(state_of(&b, 0, ""), CELL_OK);
    assert_int_equal(state_of(&b, 1, ""), CELL_OK);
    assert_int_equal(state_of(&b, 2, ""), CELL_STALE);
    assert_int_equal(book_undo(&b), 2);
    assert_int_equal(state_of(&b, 2, ""), CELL_OK);
    assert_int_equal(state_of(&b, 0, "be brief"), CELL_STALE);
    b.v[2].interrupted = true;
    assert_int_equal(state_of(&b, 2, ""), CELL_INTERRUPTED);
    b.v[2].error = xstrdup("no memory");
    assert_int_equal(state_of(&b, 2, ""), CELL_ERROR);
    assert_string_equal(state_name(CELL_STALE), "stale");
    book_free(&b);
}

static void undo_takes_new_cells_back(void **state)
{
    (void)state;
    struct book b;
    book_init(&b);
    for (int i = 0; i < 70; i++) {
        book_remember(&b, b.n);
        answered(&b, "again", i);
    }
    int n = 0;
    while (book_undo(&b)) n++;
    assert_int_equal(n, 50);
    assert_int_equal(b.n, 20);
    book_free(&b);
}

static void handle_names(void **state)
{
    (void)state;
    struct book b;
    struct media none = {0};
    struct phi3v_error err;
    char label[64];
    int index;
    book_init(&b);
    picture(&b, NULL);
    picture(&b, "cover");
    assert_int_equal(handles_find("@2", &b.handles), 1);
    assert_int_equal(handles_find("cover", &b.handles), 1);
    assert_int_equal(handles_find("3", &b.handles), -1);
    assert_int_equal(handles_find("0", &b.handles), -1);
    assert_int_equal(handles_add(&b.handles, &none, "x", "cover", true, &index, &err),
                     PHI3V_E_ARGUMENT);
    assert_int_equal(handles_add(&b.handles, &none, "x", "9lives", true, &index, &err),
                     PHI3V_E_ARGUMENT);
    assert_string_equal(handle_label(&b.handles, 1, label, sizeof label), "@cover");
    book_stage(&b, 1);
    book_drop(&b, 1);
    assert_int_equal(b.n_staged, 0);
    assert_int_equal(handles_find("cover", &b.handles), -1);
    assert_int_equal(handles_get(&b.handles, "@2", &index, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(picture(&b, "cover"), 2);
    book_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent), cmocka_unit_test(refused_without_change),
        cmocka_unit_test(stale_follows_from_contents), cmocka_unit_test(undo_takes_new_cells_back),
        cmocka_unit_test(handle_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
