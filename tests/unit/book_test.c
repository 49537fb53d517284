/* SPDX-License-Identifier: GPL-3.0-or-later
 * Cells without a model: what is staged, what is stale, undo, names of pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notebook/inherited.h"
#include "notebook/undo.h"

static struct book new_book(void)
{
    struct settings base;
    struct book b;
    assert_int_equal(settings_init(&base, NULL), 0);
    assert_int_equal(book_init(&b, &base, NULL), 0);
    settings_free(&base);
    return b;
}

/* A picture that is known but not loaded. */
static int picture(struct book *b, const char *name)
{
    struct loaded none = {0};
    int index;
    assert_int_equal(images_add(&b->images, &none, "a.png", name, NB_TYPED, &index, NULL), 0);
    snprintf(b->images.v[index].sha256, 65, "%d", index);
    return index;
}

static void line(struct book *b, const char *text, int image)
{
    struct int_list images = {&image, image >= 0};
    assert_true(lines_add(&b->pending, text, NB_TYPED, &images));
}

/* A cell that takes the pending lines, asked about `image` (-1: none), answered with one id. */
static int answered(struct book *b, const char *prompt, int image, int32_t id)
{
    assert_int_equal(book_remember(b, b->n, NULL), 0);
    struct cell *c = book_append(b);
    c->prompt = text_copy(prompt);
    c->text = text_copy(prompt);
    c->lines = b->pending;
    b->pending = (struct lines){0};
    if (image >= 0) assert_true(int_list_add(&c->images, image));
    c->answer = text_copy("answer");
    c->ids = memory_copy(&id, sizeof id);
    c->n_ids = 1;
    assert_int_equal(book_digest(b, b->n - 1, c->digest, NULL), 0);
    return b->n - 1;
}

static void staged_is(const struct book *b, int n, int first)
{
    struct inherited s;
    assert_int_equal(book_inherited(b, b->n, &s, NULL), 0);
    assert_int_equal(s.staged.n, n);
    if (n) assert_int_equal(s.staged.v[0], first);
    inherited_free(&s);
}

static void staging_follows_from_lines(void **state)
{
    (void)state;
    struct book b = new_book();
    int number;
    picture(&b, NULL);
    picture(&b, "cover");
    line(&b, ":load a.png", 0);
    line(&b, ":load b.png as cover", 1);
    staged_is(&b, 2, 0);
    answered(&b, "only the first", 0, 7);
    staged_is(&b, 1, 1);
    line(&b, ":unstage", -1);
    staged_is(&b, 0, 0);
    answered(&b, "none", -1, 8);
    staged_is(&b, 0, 0);
    assert_int_equal(book_undo(&b, &number), BOOK_CELL_GONE);
    assert_int_equal(number, 2);
    staged_is(&b, 0, 0); /* :unstage is pending again */
    assert_int_equal(book_undo(&b, &number), BOOK_CELL_GONE);
    assert_int_equal(b.pending.n, 3);
    assert_string_equal(b.pending.v[0].text, ":load a.png");
    book_free(&b);
}

static void settings_belong_to_cells(void **state)
{
    (void)state;
    struct book b = new_book();
    struct inherited s;
    line(&b, ":set num_crops 4", -1);
    line(&b, ":system Be brief.", -1);
    answered(&b, "one", -1, 1);
    line(&b, ":set num_crops 1", -1);
    line(&b, ":system off", -1);
    assert_int_equal(book_inherited(&b, 0, &s, NULL), 0);
    assert_int_equal(s.settings.num_crops, 0);
    assert_int_equal(inherited_apply(&s, &b.v[0].lines, NULL), 0);
    assert_int_equal(s.settings.num_crops, 4);
    assert_string_equal(s.settings.system, "Be brief.");
    inherited_free(&s);
    assert_int_equal(book_inherited(&b, 1, &s, NULL), 0);
    assert_int_equal(s.settings.num_crops, 1);
    assert_string_equal(s.settings.system, "");
    inherited_free(&s);
    assert_int_equal(book_state(&b, 0), CELL_OK);
    /* The same lines in a file may not do everything. */
    line(&b, ":set max_new_tokens 1000000", -1);
    struct settings before;
    assert_int_equal(settings_copy(&before, &b.base, NULL), 0);
    assert_int_equal(book_inherited(&b, 0, &s, NULL), 0);
    b.pending.v[b.pending.n - 1].origin = NB_FILE;
    assert_int_equal(inherited_apply(&s, &b.pending, NULL), 0);
    assert_int_equal(s.settings.max_new_tokens, before.max_new_tokens);
    settings_free(&before);
    inherited_free(&s);
    book_free(&b);
}

static void stale_follows_from_contents(void **state)
{
    (void)state;
    struct book b = new_book();
    int number;
    picture(&b, NULL);
    answered(&b, "one", 0, 10);
    answered(&b, "two", -1, 20);
    answered(&b, "three", -1, 30);
    assert_int_equal(book_state(&b, 2), CELL_OK);
    assert_int_equal(book_remember(&b, 1, NULL), 0);
    b.v[1].ids[0] = 21;
    assert_int_equal(book_state(&b, 0), CELL_OK);
    assert_int_equal(book_state(&b, 1), CELL_OK);
    assert_int_equal(book_state(&b, 2), CELL_STALE);
    assert_int_equal(book_undo(&b, &number), BOOK_CELL_BACK);
    assert_int_equal(number, 2);
    assert_int_equal(book_state(&b, 2), CELL_OK);
    /* Another prompt, another picture, another setting: each makes it stale. */
    free(b.v[0].prompt);
    b.v[0].prompt = text_copy("won");
    assert_int_equal(book_state(&b, 0), CELL_STALE);
    free(b.v[0].prompt);
    b.v[0].prompt = text_copy("one");
    snprintf(b.images.v[0].sha256, 65, "other");
    assert_int_equal(book_state(&b, 0), CELL_STALE);
    assert_int_equal(book_state(&b, 1), CELL_STALE);
    snprintf(b.images.v[0].sha256, 65, "0");
    b.v[0].num_crops = 4; /* of the picture in the conversation */
    assert_int_equal(book_state(&b, 1), CELL_STALE);
    b.v[0].num_crops = 0;
    char *system = b.base.system;
    b.base.system = (char[]){"Be brief."};
    assert_int_equal(book_state(&b, 1), CELL_STALE);
    b.base.system = system;
    assert_int_equal(book_state(&b, 1), CELL_OK);
    b.base.temperature = 0.5;
    assert_int_equal(book_state(&b, 1), CELL_STALE);
    b.base.temperature = 0;
    b.v[2].finish = PHI3V_FINISH_INTERRUPTED;
    assert_int_equal(book_state(&b, 2), CELL_INTERRUPTED);
    b.v[2].error = text_copy("no memory");
    assert_int_equal(book_state(&b, 2), CELL_ERROR);
    enum cell_state states[3];
    assert_int_equal(book_states(&b, states, NULL), 0);
    for (int i = 0; i < 3; i++) assert_int_equal(states[i], book_state(&b, i));
    assert_string_equal(state_name(CELL_STALE), "stale");
    book_free(&b);
}

/* In `:mode cell` what stands above does not matter. */
static void cells_by_themselves(void **state)
{
    (void)state;
    struct book b = new_book();
    answered(&b, "one", -1, 10);
    line(&b, ":mode cell", -1);
    answered(&b, "two", -1, 20);
    answered(&b, "In other words: {Out[1]}", -1, 30); /* but for what is pasted */
    b.v[0].ids[0] = 11;
    assert_int_equal(book_state(&b, 1), CELL_OK);
    assert_int_equal(book_state(&b, 2), CELL_STALE);
    book_free(&b);
}

/* A fork goes on from above its cell, the first one, too; the last :fork counts. */
static void forks_stand_elsewhere(void **state)
{
    (void)state;
    struct book b = new_book();
    enum cell_state states[4];
    int number;
    answered(&b, "one", -1, 10);
    answered(&b, "two", -1, 20);
    line(&b, ":fork 1", -1);
    answered(&b, "one again", -1, 30);
    line(&b, ":fork 1", -1);
    line(&b, ":fork 2", -1);
    answered(&b, "two again", -1, 40);
    assert_int_equal(book_parent(&b, 2), -1);
    assert_int_equal(book_parent(&b, 3), 0);
    assert_true(book_is_above(&b, 0, 3));
    assert_false(book_is_above(&b, 1, 3));
    assert_false(book_is_above(&b, 2, 3));
    line(&b, ":fork 5", -1); /* of itself, as a file may say: none */
    answered(&b, "five", -1, 50);
    assert_int_equal(book_fork_of(&b, 4), -1);
    assert_int_equal(book_undo(&b, &number), BOOK_CELL_GONE);
    lines_free(&b.pending);
    b.v[1].ids[0] = 21;
    b.v[2].ids[0] = 31;
    assert_int_equal(book_states(&b, states, NULL), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(states[i], CELL_OK);
    b.v[0].ids[0] = 11;
    assert_int_equal(book_states(&b, states, NULL), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(states[i], i == 1 || i == 3 ? CELL_STALE : CELL_OK);
        assert_int_equal(states[i], book_state(&b, i));
    }
    book_free(&b);
}

static void undo_takes_new_cells_back(void **state)
{
    (void)state;
    struct book b = new_book();
    int number;
    for (int i = 0; i < 70; i++) answered(&b, "again", -1, i);
    int n = 0;
    while (book_undo(&b, &number) != BOOK_NOTHING) n++;
    assert_int_equal(n, 50);
    assert_int_equal(b.n, 20);
    book_free(&b);
}

static void undo_brings_whole_notebooks_back(void **state)
{
    (void)state;
    struct book b = new_book(), fresh = new_book();
    int number;
    picture(&b, "cover");
    answered(&b, "one", 0, 1);
    answered(&b, "two", -1, 2);
    assert_int_equal(book_replace(&b, &fresh, NULL), 0);
    assert_int_equal(b.n, 0);
    answered(&b, "another", -1, 3);
    assert_int_equal(book_undo(&b, &number), BOOK_CELL_GONE);
    assert_int_equal(book_undo(&b, &number), BOOK_ALL_BACK);
    assert_int_equal(b.n, 2);
    assert_int_equal(images_find(&b.images, "cover"), 0);
    assert_int_equal(book_undo(&b, &number), BOOK_CELL_GONE);
    assert_int_equal(b.n, 1);
    book_free(&b);
}

/* A picture that was dropped meanwhile is there again when a cell that names it comes back. */
static void undo_brings_pictures_back(void **state)
{
    (void)state;
    struct book b = new_book();
    int number;
    picture(&b, NULL);
    answered(&b, "one", 0, 1);
    assert_int_equal(book_remember(&b, 0, NULL), 0);
    b.v[0].images.n = 0;
    images_drop(&b.images, 0);
    assert_int_equal(images_find(&b.images, "@1"), -1);
    assert_int_equal(book_undo(&b, &number), BOOK_CELL_BACK);
    assert_int_equal(images_find(&b.images, "@1"), 0);
    /* And when it is there again. */
    assert_int_equal(book_undo(&b, &number), BOOK_CELL_GONE);
    images_drop(&b.images, 0);
    assert_int_equal(book_redo(&b, &number), BOOK_CELL_THERE);
    assert_int_equal(images_find(&b.images, "@1"), 0);
    book_free(&b);
}

/* Every step is a change that has to be saved. */
static void undo_changes_the_notebook(void **state)
{
    (void)state;
    struct book b = new_book();
    int number;
    answered(&b, "one", -1, 1);
    b.changed = false;
    assert_int_equal(book_undo(&b, &number), BOOK_CELL_GONE);
    assert_true(b.changed);
    b.changed = false;
    assert_int_equal(book_redo(&b, &number), BOOK_CELL_THERE);
    assert_true(b.changed);
    book_free(&b);
}

/* A cell whose lines are not those that are pending comes back once they are. */
static void redo_waits_for_its_lines(void **state)
{
    (void)state;
    struct book b = new_book();
    int number;
    line(&b, ":set temperature 1", -1);
    answered(&b, "one", -1, 1);
    assert_int_equal(book_undo(&b, &number), BOOK_CELL_GONE);
    lines_free(&b.pending);
    assert_int_equal(book_redo(&b, &number), BOOK_NOTHING);
    assert_int_equal(b.n, 0);
    line(&b, ":set temperature 1", -1);
    assert_int_equal(book_redo(&b, &number), BOOK_CELL_THERE);
    assert_int_equal(b.pending.n, 0);
    book_free(&b);
}

/* Whose notebook it is stays able to stop what takes long. */
static void another_book_asks_the_same(void **state)
{
    (void)state;
    struct book b = new_book(), fresh = new_book();
    struct stop stop = {0};
    int number;
    b.stop = &stop;
    assert_int_equal(book_replace(&b, &fresh, NULL), 0);
    assert_ptr_equal(b.stop, &stop);
    assert_int_equal(book_undo(&b, &number), BOOK_ALL_BACK);
    assert_ptr_equal(b.stop, &stop);
    book_free(&b);
}

static void picture_names(void **state)
{
    (void)state;
    struct images m = {0};
    struct loaded none = {0};
    char label[64];
    int index;
    assert_int_equal(images_add(&m, &none, "x", NULL, NB_TYPED, &index, NULL), 0);
    assert_int_equal(images_add(&m, &none, "x", "cover", NB_TYPED, &index, NULL), 0);
    assert_int_equal(images_find(&m, "@2"), 1);
    assert_int_equal(images_find(&m, "cover"), 1);
    assert_int_equal(images_find(&m, "3"), -1);
    assert_int_equal(images_find(&m, "0"), -1);
    static const char *const bad[] = {"cover", "9lives", "a b", "x\033[", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(images_add(&m, &none, "x", bad[i], NB_TYPED, &index, NULL),
                         PHI3V_E_ARGUMENT);
    assert_string_equal(image_label(&m, 1, label, sizeof label), "@cover");
    images_drop(&m, 1);
    assert_int_equal(images_find(&m, "cover"), -1);
    assert_int_equal(images_get(&m, "@2", &index, NULL), PHI3V_E_ARGUMENT);
    assert_int_equal(images_add(&m, &none, "x", "cover", NB_TYPED, &index, NULL), 0);
    assert_int_equal(index, 2);
    /* What is kept of an address has no password. */
    assert_int_equal(
        images_add(&m, &none, "https://me:pw@example.org/a.png", NULL, NB_TYPED, &index, NULL), 0);
    assert_null(strstr(m.v[index].what, "pw"));
    images_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(staging_follows_from_lines),
                                       cmocka_unit_test(settings_belong_to_cells),
                                       cmocka_unit_test(stale_follows_from_contents),
                                       cmocka_unit_test(cells_by_themselves),
                                       cmocka_unit_test(undo_takes_new_cells_back),
                                       cmocka_unit_test(undo_brings_whole_notebooks_back),
                                       cmocka_unit_test(undo_brings_pictures_back),
                                       cmocka_unit_test(undo_changes_the_notebook),
                                       cmocka_unit_test(redo_waits_for_its_lines),
                                       cmocka_unit_test(another_book_asks_the_same),
                                       cmocka_unit_test(forks_stand_elsewhere),
                                       cmocka_unit_test(picture_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
