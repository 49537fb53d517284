/* SPDX-License-Identifier: GPL-3.0-or-later
 * Notebooks: what is written is valid nbformat 4.5, what is read and not touched is written as it
 * was, what is damaged is refused with a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notebook/ipynb.h"
#include "common/json.h"
#include "nbformat.h"

static struct book new_book(void)
{
    struct settings base;
    struct book b;
    assert_int_equal(settings_init(&base, NULL), 0);
    assert_int_equal(settings_set(&base, "mode", "chat", SETTING_SHOWN, NULL), 0);
    assert_int_equal(book_init(&b, &base, NULL), 0);
    settings_free(&base);
    return b;
}

static struct cell *add_cell(struct book *b, const char *typed, const char *answer)
{
    struct cell *c = book_append(b);
    c->prompt = text_copy(typed);
    c->text = text_copy(typed);
    if (answer) {
        c->answer = text_copy(answer);
        c->ids = memory_zero(2, sizeof *c->ids);
        c->ids[0] = 5;
        c->ids[1] = 32000;
        c->n_ids = 2;
        assert_int_equal(book_digest(b, b->n - 1, c->digest, NULL), 0);
    }
    return c;
}

static json_t *valid(const char *text)
{
    struct phi3v_error err;
    json_t *notebook = json_parse(text, strlen(text), "notebook", &err);
    assert_non_null(notebook);
    const char *fault = nbformat_fault(notebook);
    assert_true(fault == NULL);
    return notebook;
}

static char *written(struct book *b)
{
    char *text = ipynb_text(b, "tiny", NULL);
    json_decref(valid(text));
    return text;
}

static void reads(const char *text, struct book *b, const char *system)
{
    struct phi3v_error err;
    *b = new_book();
    assert_int_equal(ipynb_parse(text, strlen(text), "x.ipynb", b, &err), 0);
    assert_string_equal(b->base.system, system);
}

static void round_trip(void **state)
{
    (void)state;
    struct book b = new_book(), again;
    struct loaded none = {0};
    int index;
    const struct setting *stop = setting_find("stop", SETTING_ANSWER);
    assert_int_equal(setting_set_value(&b.base, stop, "a b", NULL), 0);
    assert_int_equal(setting_set_value(&b.base, stop, "c", NULL), 0);
    assert_int_equal(
        images_add(&b.images, &none, "charts/a b.png", "cover", NB_TYPED, &index, NULL), 0);
    strcpy(b.images.v[0].sha256, "ab12");
    struct cell *c = add_cell(&b, "What is @cover?\nIn two lines.", "**Three**\nlines é");
    assert_true(int_list_add(&c->images, 0));
    assert_true(lines_add(&c->lines, ":load charts/a\\ b.png as cover", NB_TYPED, &c->images));
    assert_int_equal(book_digest(&b, 0, c->digest, NULL), 0);
    c = add_cell(&b, "and \x01 now?", "part");
    c->finish = PHI3V_FINISH_INTERRUPTED;
    add_cell(&b, "never run", NULL);
    char *text = written(&b);

    reads(text, &again, "");
    assert_int_equal(again.n, 3);
    assert_int_equal(again.base.stop.n, 2);
    assert_string_equal(again.base.stop.v[0], "a b");
    assert_string_equal(again.base.stop.v[1], "c");
    assert_string_equal(again.v[0].prompt, "What is @cover?\nIn two lines.");
    assert_string_equal(again.v[0].answer, "**Three**\nlines é");
    assert_int_equal(again.v[0].n_ids, 2);
    assert_int_equal(again.v[0].ids[1], 32000);
    assert_string_equal(again.v[0].lines.v[0].text, ":load charts/a\\ b.png as cover");
    assert_string_equal(again.images.v[0].what, "charts/a b.png");
    assert_string_equal(again.images.v[0].name, "cover");
    assert_int_equal(again.images.v[0].origin, NB_FILE);
    assert_null(again.images.v[0].loaded.image);
    assert_int_equal(again.v[0].lines.v[0].images.n, 1);
    assert_int_equal(book_state(&again, 0), CELL_OK);
    assert_int_equal(book_state(&again, 1), CELL_INTERRUPTED);
    assert_int_equal(book_state(&again, 2), CELL_NEW);
    assert_string_equal(again.v[1].prompt, "and \x01 now?");

    char *same = written(&again);
    assert_string_equal(same, text);
    free(same);
    /* An edited first cell leaves the second stale, in the file too. */
    again.v[0].ids[0] = 6;
    again.changed = true;
    same = written(&again);
    assert_non_null(strstr(same, "\"state\": \"stale\""));
    free(same);
    free(text);
    book_free(&again);
    book_free(&b);
}

static void pictures_are_outputs(void **state)
{
    (void)state;
    struct book b = new_book();
    struct phi3v_error err;
    struct loaded loaded = {0};
    uint8_t rgb[3 * 800 * 2] = {200};
    int index;
    assert_int_equal(phi3v_image_from_rgb(rgb, 800, 2, &loaded.image, &err), 0);
    loaded.source = text_copy("wide.png");
    assert_int_equal(images_add(&b.images, &loaded, "wide.png", NULL, NB_TYPED, &index, &err), 0);
    struct cell *c = add_cell(&b, "what?", "a line");
    assert_true(int_list_add(&c->images, 0));
    char *text = written(&b);
    json_t *notebook = valid(text);
    json_t *cell = json_array_get(json_object_get(notebook, "cells"), 0);
    json_t *shown = json_array_get(json_object_get(cell, "outputs"), 0);
    const char *png =
        json_string_value(json_object_get(json_object_get(shown, "data"), "image/png"));
    assert_non_null(png);
    assert_int_equal(strncmp(png, "iVBORw0KGgo", 11), 0);
    assert_null(strpbrk(png, "\r\n "));
    json_t *size = json_object_get(json_object_get(shown, "metadata"), "image/png");
    assert_int_equal(json_integer_value(json_object_get(size, "width")), 640);
    assert_int_equal(json_integer_value(json_object_get(size, "height")), 1);
    json_decref(notebook);
    free(text);
    book_free(&b);
}

/* Written by another program: a text cell with an attachment, unknown metadata, odd key order,
 * foreign outputs. */
static const char foreign[] =
    "{\n \"nbformat\": 4,\n \"cells\": [\n  {\n   \"cell_type\": \"markdown\",\n   \"id\": "
    "\"m1\",\n"
    "   \"metadata\": {},\n   \"source\": \"# Notes\",\n   \"attachments\": {\n    \"a.png\": {\n"
    "     \"image/png\": \"AAAA\"\n    }\n   }\n  },\n  {\n   \"source\": [\n    \"ask me\"\n   "
    "],\n"
    "   \"id\": \"c1\",\n   \"cell_type\": \"code\",\n   \"execution_count\": 12,\n   "
    "\"metadata\": {\n"
    "    \"tags\": [\n     \"x\"\n    ],\n    \"weight\": 0.1\n   },\n   \"outputs\": [\n    {\n"
    "     \"output_type\": \"stream\",\n     \"name\": \"stdout\",\n     \"text\": "
    "\"\\u001b[31mred\"\n"
    "    }\n   ]\n  },\n  {\n   \"cell_type\": \"raw\",\n   \"id\": \"r1\",\n   \"metadata\": {},\n"
    "   \"source\": []\n  }\n ],\n \"metadata\": {\n  \"other\": {\n   \"k\": [\n    1,\n    2.5\n "
    "  ]\n"
    "  }\n },\n \"nbformat_minor\": 7\n}\n";

static void foreign_things_stay(void **state)
{
    (void)state;
    struct book b;
    reads(foreign, &b, "");
    assert_int_equal(b.n, 1);
    assert_string_equal(b.v[0].prompt, "ask me");
    char *text = written(&b);
    assert_string_equal(text, foreign);
    free(text);
    /* Answered now: our outputs, their metadata. */
    json_decref(b.v[0].saved);
    b.v[0].saved = NULL;
    b.v[0].answer = text_copy("yes");
    b.changed = true;
    text = written(&b);
    assert_non_null(strstr(text, "\"weight\": 0.1"));
    assert_non_null(strstr(text, "\"other\": {"));
    assert_non_null(strstr(text, "\"# Notes\""));
    assert_non_null(strstr(text, "\"nbformat_minor\": 7"));
    assert_null(strstr(text, "[31m"));
    free(text);
    book_free(&b);
}

static void ids_are_repaired(void **state)
{
    (void)state;
    struct book b;
    reads("{\"cells\":[{\"cell_type\":\"code\",\"id\":\"a\",\"source\":\"x\",\"metadata\":{},"
          "\"outputs\":[],"
          "\"execution_count\":null},{\"cell_type\":\"code\",\"id\":\"a\",\"source\":\"y\","
          "\"metadata\":{},"
          "\"outputs\":[],\"execution_count\":null},{\"cell_type\":\"code\",\"source\":\"z\","
          "\"metadata\":{},"
          "\"outputs\":[],\"execution_count\":null}],\"metadata\":{},\"nbformat\":4,\"nbformat_"
          "minor\":2}",
          &b, "");
    assert_int_equal(b.n, 3);
    add_cell(&b, "new", NULL);
    free(written(&b));
    book_free(&b);
}

static void damaged_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "is empty"},
        {"\xEF\xBB\xBF", "is empty"},
        {"\xFF\xFE{", "is UTF-16: save it as UTF-8"},
        {"{\"cells\": [", "is not JSON"},
        {"[]", "is not a notebook"},
        {"{\"nbformat\": 3, \"worksheets\": []}", "turn it into format 4"},
        {"{\"nbformat\": 5}", "turn it into format 4"},
        {"{\"nbformat\": 4, \"metadata\": {}, \"cells\": 5}", "without cells"},
        {"{\"nbformat\": 4, \"metadata\": {}, \"cells\": [5]}", "cell 1 has no type"},
        {"{\"nbformat\": 4, \"metadata\": {}, \"cells\": [{\"cell_type\": \"code\", \"source\": "
         "5}]}",
         "cell 1 has no text"},
        {"{\"nbformat\": 4, \"metadata\": {\"kernelspec\": {\"name\": \"python3\"}}, \"cells\": "
         "[{\"cell_type\": \"code\", \"source\": \"print()\"}]}",
         "of the kernel python3"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct book b = new_book();
        struct phi3v_error err;
        assert_int_equal(ipynb_parse(bad[i].text, strlen(bad[i].text), "x.ipynb", &b, &err),
                         PHI3V_E_IO);
        assert_non_null(strstr(err.text, bad[i].says));
        book_free(&b);
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    struct text deep = {0};
    text_add(&deep, "{\"nbformat\": 4, \"cells\": [], \"metadata\": {\"x\": ");
    for (int i = 0; i < 200; i++) text_add(&deep, "[");
    for (int i = 0; i < 200; i++) text_add(&deep, "]");
    text_add(&deep, "}}");
    struct book b = new_book();
    struct phi3v_error err;
    assert_int_equal(ipynb_parse(deep.s, deep.n, "x.ipynb", &b, &err), PHI3V_E_IO);
    assert_non_null(strstr(err.text, "nested too deeply"));
    text_free(&deep);
    book_free(&b);
}

/* What strict readers refuse or round passes through as it was. */
static void foreign_values_stay(void **state)
{
    (void)state;
    static const char text[] = "{\n \"cells\": [\n  {\n   \"cell_type\": \"code\",\n   "
                               "\"execution_count\": null,\n   \"id\": "
                               "\"p\",\n   \"metadata\": {\n    \"duration\": NaN,\n    \"lone\": "
                               "\"\\ud83d x \\u0000\",\n    "
                               "\"mark\": \"\xEE\x83\xB5n1\"\n   },\n   \"outputs\": [],\n   "
                               "\"source\": \"df.plot()\"\n  }\n ],\n "
                               "\"metadata\": {\n  \"big\": 123456789012345678901234567890,\n  "
                               "\"e\": 1E400,\n  \"minus\": -0,\n  "
                               "\"n\": [\n   -Infinity,\n   1.00,\n   7\n  ]\n },\n \"nbformat\": "
                               "4,\n \"nbformat_minor\": 5\n}\n";
    struct book b;
    reads(text, &b, "");
    assert_int_equal(b.n, 1);
    char *same = ipynb_text(&b, NULL, NULL);
    assert_string_equal(same, text);
    free(same);
    book_free(&b);
    static const char marked[] = "\xEF\xBB\xBF{\"nbformat\": 4, \"metadata\": {}, \"cells\": []}";
    reads(marked, &b, "");
    book_free(&b);
    static const char *const bad[] = {"{\"a\": NaNa}", "{\"a\": 01}", "{\"a\": 1.}",
                                      "{\"a\": nan}",  "{\"a\": +1}", "[1,]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct phi3v_error err;
        struct book c = new_book();
        assert_int_equal(ipynb_parse(bad[i], strlen(bad[i]), "x", &c, &err), PHI3V_E_IO);
        assert_non_null(strstr(err.text, "is not JSON"));
        book_free(&c);
    }
}

/* A notebook of ours whose kernel was switched keeps all its cells, added ones too. */
static void a_switched_kernel_hides_nothing(void **state)
{
    (void)state;
    struct book b;
    reads("{\"cells\":[{\"cell_type\":\"code\",\"id\":\"a\",\"source\":\"x\",\"metadata\":{"
          "\"phiscope\":{}},"
          "\"outputs\":[],\"execution_count\":null},{\"cell_type\":\"code\",\"id\":\"b\","
          "\"source\":\"y\","
          "\"metadata\":{},\"outputs\":[],\"execution_count\":null}],\"metadata\":{\"kernelspec\":{"
          "\"name\":"
          "\"python3\"}},\"nbformat\":4,\"nbformat_minor\":5}",
          &b, "");
    assert_int_equal(b.n, 2);
    book_free(&b);
}

/* Fields of the wrong kind are left out, not believed. */
static void odd_metadata_is_ignored(void **state)
{
    (void)state;
    struct book b;
    reads("{\"cells\":[{\"cell_type\":\"code\",\"id\":\"a\",\"source\":\"x\",\"execution_count\":"
          "null,"
          "\"metadata\":{\"phiscope\":{\"output_ids\":[1,-5],\"pictures\":[{\"handle\":99999999,"
          "\"source\":"
          "\"x\"}],\"text\":\"t\",\"seed\":\"no\",\"state\":7}},\"outputs\":[{\"output_type\":"
          "\"execute_result\",\"data\":{\"text/plain\":[\"a\",\"b\"]},\"metadata\":{},"
          "\"execution_count\":1}]}],\"metadata\":{\"phiscope\":{\"system\":[]}},\"nbformat\":4,"
          "\"nbformat_minor\":5}",
          &b, "");
    assert_string_equal(b.v[0].answer, "ab");
    assert_null(b.v[0].ids);
    assert_null(b.v[0].text);
    assert_int_equal(b.images.n, 0);
    assert_int_equal(book_state(&b, 0), CELL_STALE);
    book_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip),
                                       cmocka_unit_test(pictures_are_outputs),
                                       cmocka_unit_test(foreign_things_stay),
                                       cmocka_unit_test(foreign_values_stay),
                                       cmocka_unit_test(a_switched_kernel_hides_nothing),
                                       cmocka_unit_test(ids_are_repaired),
                                       cmocka_unit_test(damaged_files),
                                       cmocka_unit_test(nesting_is_bounded),
                                       cmocka_unit_test(odd_metadata_is_ignored)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
