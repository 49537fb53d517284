/* SPDX-License-Identifier: GPL-3.0-or-later
 * Pictures turned and mirrored: the right pixels, one after the other and of regions, what is
 * staged, in notebooks and from notebooks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recorder.h"

static struct recorder r;
static struct recorder_fixture fixture = {.r = &r, .n_pictures = 2}; /* pictures of 30 x 20 */

static const struct image *image(int number) { return &r.nb->book.images.v[number - 1]; }

static const uint8_t *pixel(int number, int x, int y)
{
    const phi3v_image *p = image(number)->loaded.image;
    return phi3v_image_rgb(p) + 3 * (y * phi3v_image_info(p)->width + x);
}

static void is_size(int number, int width, int height)
{
    const struct phi3v_image_info *info = phi3v_image_info(image(number)->loaded.image);
    assert_int_equal(info->width, width);
    assert_int_equal(info->height, height);
}

static void same(int one, int other)
{
    const phi3v_image *a = image(one)->loaded.image, *b = image(other)->loaded.image;
    const struct phi3v_image_info *info = phi3v_image_info(a);
    is_size(other, info->width, info->height);
    assert_memory_equal(phi3v_image_rgb(a), phi3v_image_rgb(b), 3 * info->width * info->height);
}

/* Where the picture's upper left corner and the pixel at its right have gone. */
static void each_way(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int width, height, corner[2], next[2];
    } ways[] = {{":turn @1 90", 20, 30, {19, 0}, {19, 1}},
                {":turn @1 180", 30, 20, {29, 19}, {28, 19}},
                {":turn @1 270", 20, 30, {0, 29}, {0, 28}},
                {":turn @1 flip", 30, 20, {29, 0}, {28, 0}},
                {":turn @1 flip 90", 20, 30, {19, 29}, {19, 28}},
                {":turn @1 90 flip", 20, 30, {0, 0}, {0, 1}},
                {":turn @1 180 flip", 30, 20, {0, 19}, {1, 19}},
                {":turn @1 flip 270 flip 270 90", 20, 30, {19, 0}, {19, 1}}};
    works(&r, ":load a.ppm");
    assert_memory_not_equal(pixel(1, 0, 0), pixel(1, 1, 0), 3);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        works(&r, ways[i].line);
        int made = r.nb->book.images.n;
        is_size(made, ways[i].width, ways[i].height);
        assert_memory_equal(pixel(made, ways[i].corner[0], ways[i].corner[1]), pixel(1, 0, 0), 3);
        assert_memory_equal(pixel(made, ways[i].next[0], ways[i].next[1]), pixel(1, 1, 0), 3);
    }
}

/* One after the other and all at once are the same, of the whole and of regions. */
static void they_add_up(void **state)
{
    (void)state;
    static const char *const words[] = {"90", "180", "270", "flip"};
    works(&r, ":load a.ppm\n:crop @1 4,3,10,8");
    for (int first = 0; first < 4; first++)
        for (int then = 0; then < 4; then++) {
            char line[80];
            int n = r.nb->book.images.n;
            snprintf(line, sizeof line, ":turn @2 %s\n:turn @%d %s", words[first], n + 1,
                     words[then]);
            works(&r, line);
            snprintf(line, sizeof line, ":crop @1 4,3,10,8 %s %s", words[first], words[then]);
            works(&r, line);
            same(n + 2, n + 3);
            assert_string_equal(image(n + 2)->what, image(n + 3)->what);
            /* A region of what was turned, from the pixels and again from the whole. */
            snprintf(line, sizeof line, ":crop @%d 1,2,5,4", n + 2);
            works(&r, line);
            snprintf(line, sizeof line, ":crop %s", image(n + 4)->what);
            works(&r, line);
            is_size(n + 4, 5, 4);
            same(n + 4, n + 5);
            assert_int_equal(image(n + 4)->crop_of, 1);
            assert_memory_equal(pixel(n + 4, 0, 0), pixel(n + 2, 1, 2), 3);
        }
}

static void it_takes_the_place_of_the_other(void **state)
{
    (void)state;
    works(&r, ":load a.ppm b.ppm");
    works(&r, ":turn @1 90");
    assert_saw(&r, "image @3: @3 a.ppm [90]: region 20x30");
    staged_is(&r, "@3 @2");
    works(&r, ":turn @3 270 as upright");
    staged_is(&r, "@upright @2");
    works(&r, ":unstage\n:turn @2 flip");
    staged_is(&r, "@5");
    works(&r, ":turn 2 180");
    staged_is(&r, "@5 @6");
    works(&r, ":drop @5");
    staged_is(&r, "@6");
}

static void notebooks_keep_it(void **state)
{
    (void)state;
    works(&r, ":load a.ppm\n:turn @1 flip 90 as up\nWhat?");
    assert_saw(&r, "begin 1 @up");
    char *answer = text_copy(r.nb->book.v[0].answer);
    works(&r, ":save a.ipynb\n:open a.ipynb\n:cells");
    assert_saw(&r, "In [1] ok");
    works(&r, ":save b.ipynb");
    char *one = recorder_read("a.ipynb", NULL), *two = recorder_read("b.ipynb", NULL);
    assert_string_equal(one, two);
    assert_non_null(strstr(one, "\"turn\": \"flip 90\""));
    free(one);
    free(two);
    works(&r, ":run 1\n:cells");
    assert_saw(&r, "In [1] ok");
    assert_string_equal(r.nb->book.v[0].answer, answer);
    is_size(2, 20, 30);
    /* The source alone says it all; so does what :reset keeps. */
    works(&r, ":reset all");
    assert_int_equal(recorder_eval(&r, ":load a.ppm\n:turn @1 flip 90 as up\nWhat?", NB_FILE), 0);
    assert_string_equal(r.nb->book.v[0].answer, answer);
    works(&r, ":turn @up 180\n:reset");
    staged_is(&r, "@3");
    assert_string_equal(r.nb->book.pending.v[0].text, ":crop @1 0,0,30,20 flip 270");
    free(answer);
}

static void wrong_words_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {":turn",         ":turn @1",       ":turn @1 45",
                                        ":turn 90",      ":turn @1 90 as", ":turn @1 90 sideways",
                                        ":turn @1 \"\"", ":turn @1 -90",   ":turn @1 9 0"};
    works(&r, ":load a.ppm");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        fails(&r, lines[i], ":turn needs a picture, and 90, 180, 270 (clockwise) or flip");
        assert_int_equal(r.nb->book.images.n, 1);
        staged_is(&r, "@1");
    }
    fails(&r, ":turn @7 90", "there is no picture @7");
    fails(&r, ":crop @1 0,0,5,5 45", ":crop needs");
    fails(&r, ":turn @1 90 as 1x", "is no name for a picture");
    assert_int_equal(r.nb->book.images.n, 1);
    staged_is(&r, "@1");
}

/* A file's "turn" that is none: the picture is not known, and the cell does not run on another. */
static void hostile_files(void **state)
{
    (void)state;
    static const char *const turns[] = {"\"45\"", "\"\"",     "90",
                                        "null",   "[\"90\"]", "\"90\\u0000\""};
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        char *file = text_format(
            "{\"cells\":[{\"cell_type\":\"code\",\"id\":\"a\",\"source\":\"<|image_1|> x\","
            "\"metadata\":{\"phiscope\":{\"pictures\":[{\"handle\":2,\"source\":\"@1 x\","
            "\"sha256\":\"\",\"crop\":{\"box\":[0,0,5,5],\"handle\":1,\"source\":\"a.ppm\","
            "\"sha256\":\"\",\"turn\":%s}}],\"text\":\"<|image_1|> x\",\"loaded\":[]}},"
            "\"outputs\":[],\"execution_count\":null}],\"metadata\":{\"phiscope\":{}},"
            "\"nbformat\":4,\"nbformat_minor\":5}",
            turns[i]);
        recorder_write("bad.ipynb", file);
        free(file);
        recorder_eval(&r, ":open bad.ipynb", NB_TYPED);
        assert_true(recorder_eval(&r, ":run 1", NB_TYPED) < 0);
    }
}

/* A file that has the source alone: its cell finds the pictures when it runs. */
static void a_file_of_sources(void **state)
{
    (void)state;
    recorder_write(
        "plain.ipynb",
        "{\"cells\":[{\"cell_type\":\"code\",\"id\":\"a\",\"source\":\":load a.ppm\\n"
        ":turn @1 90\\nWhat?\",\"metadata\":{},\"outputs\":[],\"execution_count\":null}],"
        "\"metadata\":{},\"nbformat\":4,\"nbformat_minor\":5}");
    works(&r, ":open plain.ipynb\n:cells");
    assert_saw(&r, "In [1] new");
    works(&r, ":run 1");
    assert_saw(&r, "begin 1 @2");
    is_size(2, 20, 30);
}

#define TEST(name) RECORDER_TEST(name, &fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(each_way),
                                       TEST(they_add_up),
                                       TEST(it_takes_the_place_of_the_other),
                                       TEST(notebooks_keep_it),
                                       TEST(wrong_words_are_refused),
                                       TEST(hostile_files),
                                       TEST(a_file_of_sources)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
