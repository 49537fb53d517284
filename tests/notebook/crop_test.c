/* SPDX-License-Identifier: GPL-3.0-or-later
 * Regions of pictures: the right pixels, in a cell's source, in notebooks, from notebooks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notebook/overlay.h"
#include "recorder.h"

static struct recorder r;
static struct recorder_fixture fixture = {.r = &r, .n_pictures = 2}; /* pictures of 30 x 20 */

static const struct image *image(int number) { return &r.nb->book.images.v[number - 1]; }

/* Picture `part` shows these pixels of picture `whole`. */
static void shows(int part, int whole, int x, int y, int width, int height)
{
    const phi3v_image *from = image(whole)->loaded.image, *cut = image(part)->loaded.image;
    assert_int_equal(phi3v_image_info(cut)->width, width);
    assert_int_equal(phi3v_image_info(cut)->height, height);
    int stride = phi3v_image_info(from)->width;
    for (int row = 0; row < height; row++)
        assert_memory_equal(phi3v_image_rgb(cut) + 3 * row * width,
                            phi3v_image_rgb(from) + 3 * ((y + row) * stride + x),
                            3 * (size_t)width);
}

static void regions_are_cut(void **state)
{
    (void)state;
    works(&r, ":load a.ppm");
    works(&r, ":crop @1 4,3,10,8");
    assert_saw(&r, "image @1 @2: @1 a.ppm: PNM 30x20");
    assert_saw(&r, "@2 a.ppm [4,3,10,8]: region 10x8, ");
    shows(2, 1, 4, 3, 10, 8);
    staged_is(&r, "@1 @2");
    works(&r, ":crop 1 50%,0%,50%,100% as right");
    shows(3, 1, 15, 0, 15, 20);
    staged_is(&r, "@1 @2 @right");
    works(&r, ":crop @1 0,0,30,20");
    shows(4, 1, 0, 0, 30, 20);
    works(&r, ":crop @1 29,19,1,1");
    shows(5, 1, 29, 19, 1, 1);
    works(&r, ":crop @1 33.4%,10,50%,25.0%");
    shows(6, 1, 10, 10, 15, 5);
    /* A region of a region is one of the whole. */
    works(&r, ":crop @right 5,6,7,8");
    shows(7, 1, 20, 6, 7, 8);
    assert_int_equal(image(7)->crop_of, 1);
    assert_string_equal(image(7)->what, "@1 20,6,7,8");
}

/* The crops of the plan, by row and column; together they are all of the picture. */
static void tiles_are_crops(void **state)
{
    (void)state;
    works(&r, ":set num_crops 6\n:load a.ppm");
    works(&r, ":show @1 model");
    struct phi3v_image_plan plan;
    const phi3v_image *whole = image(1)->loaded.image;
    assert_int_equal(phi3v_image_plan(r.nb->engine.model, whole, 6, &plan, NULL), 0);
    assert_true(plan.crop_rows * plan.crop_cols > 1);
    bool seen[20][30] = {{0}};
    int side = r.nb->engine.info->crop_side;
    for (int row = 0; row < plan.crop_rows; row++)
        for (int column = 0; column < plan.crop_cols; column++) {
            struct box b = overlay_tile(whole, &plan, side, row, column);
            for (int y = b.y; y < b.y + b.height; y++)
                for (int x = b.x; x < b.x + b.width; x++) seen[y][x] = true;
            if (b.width < 1 || b.height < 1) continue;
            char line[60];
            snprintf(line, sizeof line, ":crop @1 tile %d,%d", row + 1, column + 1);
            works(&r, line);
            shows(r.nb->book.images.n, 1, b.x, b.y, b.width, b.height);
        }
    for (int y = 0; y < 20; y++)
        for (int x = 0; x < 30; x++) assert_true(seen[y][x]);
    fails(&r, ":crop @1 tile 9,1", "there is no crop 9,1: the picture has ");
    fails(&r, ":crop @1 tile 0,1", "there is no crop 0,1");
}

static void a_cell_is_about_it(void **state)
{
    (void)state;
    works(&r, ":load a.ppm\n:unstage\n:crop @1 4,3,10,8 as part\nWhat?");
    assert_saw(&r, "begin 1 @part");
    works(&r, ":save a.ipynb");
    char *answer = text_copy(r.nb->book.v[0].answer);
    works(&r, ":open a.ipynb\n:cells");
    assert_saw(&r, "In [1] ok");
    works(&r, ":save b.ipynb");
    char *one = recorder_read("a.ipynb", NULL), *two = recorder_read("b.ipynb", NULL);
    assert_string_equal(one, two);
    free(one);
    free(two);
    works(&r, ":run 1\n:cells");
    assert_saw(&r, "In [1] ok");
    assert_string_equal(r.nb->book.v[0].answer, answer);
    assert_int_equal(image(2)->crop_of, 1);
    assert_int_equal(image(2)->origin, NB_FILE);
    images_load(&r.nb->book.images, 0,
                &(struct loader){.settings = &r.nb->now, .front = &r.nb->front}, NULL, NULL);
    shows(2, 1, 4, 3, 10, 8);
    /* The source alone says it all. */
    works(&r, ":reset all");
    assert_int_equal(
        recorder_eval(&r, ":load a.ppm\n:unstage\n:crop @1 4,3,10,8 as part\nWhat?", NB_FILE), 0);
    assert_string_equal(r.nb->book.v[0].answer, answer);
    free(answer);
}

/* Where the cell names a region alone, the picture it is of is known all the same. */
static void the_whole_need_not_be_asked_about(void **state)
{
    (void)state;
    works(&r, "See @a.ppm");
    works(&r, ":crop @1 0,0,5,5");
    works(&r, ":reset");
    staged_is(&r, "@2");
    assert_string_equal(r.nb->book.pending.v[0].text, ":crop @1 0,0,5,5");
    works(&r, "What?");
    works(&r, ":save c.ipynb\n:open c.ipynb\n:cells");
    assert_saw(&r, "In [1] ok");
    works(&r, ":run 1\n:cells");
    assert_saw(&r, "In [1] ok");
    shows(2, 1, 0, 0, 5, 5);
}

static void what_is_no_region_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } bad[] = {{":crop", ":crop needs a picture and a region"},
               {":crop @1", ":crop needs"},
               {":crop @1 1,2,3,4 5", ":crop needs"},
               {":crop @9 1,2,3,4", "there is no picture @9"},
               {":crop @1 1,2,3", "is no region"},
               {":crop @1 1,2,3,4,5", "is no region"},
               {":crop @1 a,b,c,d", "is no region"},
               {":crop @1 1,,3,4", "is no region"},
               {":crop @1 1.2.3,2,3,4", "is no region"},
               {":crop @1 -1,0,5,5", "is no region"},
               {":crop @1 1e3,0,5,5", "is no region"},
               {":crop @1 9999999999999999999,0,5,5", "is no region"},
               {":crop @1 0,0,0,5", "the region 0,0,0,5 is not within @1, which is 30x20"},
               {":crop @1 25,0,6,5", "is not within"},
               {":crop @1 0,0,110%,5", "is not within"},
               {":crop @1 1000000000,0,1000000000,5", "is not within"},
               {":crop @1 30,0,1,1", "is not within"},
               {":crop @1 tile 1", "is no region"},
               {":crop @1 tile 1,2,3", "is no region"},
               {":crop @1 0,0,5,5 as 1x", "is no name for a picture"}};
    works(&r, ":load a.ppm");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fails(&r, bad[i].line, bad[i].says);
        assert_int_equal(r.nb->book.images.n, 1);
        staged_is(&r, "@1");
    }
}

/* Files that name themselves, or nothing, as what a region is of. */
static void hostile_files(void **state)
{
    (void)state;
    static const char *const crops[] = {
        "{\"box\":[0,0,5,5],\"handle\":2,\"source\":\"a.ppm\",\"sha256\":\"\"}",
        "{\"box\":[0,0,5,5],\"handle\":3,\"source\":\"a.ppm\",\"sha256\":\"\"}",
        "{\"box\":[0,0,50,50],\"handle\":1,\"source\":\"a.ppm\",\"sha256\":\"\"}",
        "{\"box\":[-1,0,5,5],\"handle\":1,\"source\":\"a.ppm\",\"sha256\":\"\"}",
        "{\"box\":[0,0,5],\"handle\":1,\"source\":\"a.ppm\",\"sha256\":\"\"}",
        "{\"box\":[0,0,1e99,5],\"handle\":1,\"source\":\"a.ppm\",\"sha256\":\"\"}",
        "{\"box\":{},\"handle\":1}",
        "{}"};
    for (size_t i = 0; i < sizeof crops / sizeof *crops; i++) {
        char *file = text_format(
            "{\"cells\":[{\"cell_type\":\"code\",\"id\":\"a\",\"source\":\"<|image_1|> x\","
            "\"metadata\":{\"phiscope\":{\"pictures\":[{\"handle\":2,\"source\":\"@1 x\","
            "\"sha256\":\"\",\"crop\":%s}],\"text\":\"<|image_1|> x\",\"loaded\":[]}},"
            "\"outputs\":[],\"execution_count\":null}],\"metadata\":{\"phiscope\":{}},"
            "\"nbformat\":4,\"nbformat_minor\":5}",
            crops[i]);
        recorder_write("bad.ipynb", file);
        free(file);
        works(&r, ":open bad.ipynb");
        assert_true(recorder_eval(&r, ":run 1", NB_TYPED) < 0);
        recorder_eval(&r, ":show @2", NB_TYPED); /* whatever it is, the program lives on */
    }
}

/* Outlines and grids change no pixel but their own. */
static void overlays_keep_the_picture(void **state)
{
    (void)state;
    works(&r, ":load a.ppm");
    const phi3v_image *whole = image(1)->loaded.image;
    phi3v_image *drawn;
    struct box box = {10, 6, 9, 7};
    assert_int_equal(overlay_box(whole, &box, &drawn, NULL), 0);
    const uint8_t *a = phi3v_image_rgb(whole), *b = phi3v_image_rgb(drawn);
    for (int y = 0; y < 20; y++)
        for (int x = 0; x < 30; x++) {
            bool near = x >= 8 && x < 21 && y >= 4 && y < 15;
            bool inside = x >= 10 && x < 19 && y >= 6 && y < 13;
            bool same = !memcmp(a + 3 * (y * 30 + x), b + 3 * (y * 30 + x), 3);
            if (!near || inside) assert_true(same);
        }
    static const uint8_t red[] = {220, 0, 0};
    assert_memory_equal(b + 3 * (5 * 30 + 12), red, 3);
    phi3v_image_free(drawn);
    /* At the edges, too, there is an outline, and nothing is written beside the picture. */
    box = (struct box){0, 0, 30, 20};
    assert_int_equal(overlay_box(whole, &box, &drawn, NULL), 0);
    assert_memory_equal(phi3v_image_rgb(drawn) + 3 * (1 * 30 + 1), red, 3);
    phi3v_image_free(drawn);
}

#define TEST(name) RECORDER_TEST(name, &fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(regions_are_cut),
                                       TEST(tiles_are_crops),
                                       TEST(a_cell_is_about_it),
                                       TEST(the_whole_need_not_be_asked_about),
                                       TEST(what_is_no_region_is_refused),
                                       TEST(hostile_files),
                                       TEST(overlays_keep_the_picture)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
