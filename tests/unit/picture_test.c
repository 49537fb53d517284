/* SPDX-License-Identifier: GPL-3.0-or-later
 * term/palette, sixel, blocks and picture: colours as they were, within registers and limits, sizes
 * in whole cells, on a strict terminal model that decodes sixel. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fake_term.h"
#include "term/palette.h"
#include "term/picture.h"
#include "term/sixel.h"

static struct picture gradient(int width, int height)
{
    struct picture p = quarters(width, height);
    uint8_t *rgb = (uint8_t *)p.rgb;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++, rgb += 3) {
            rgb[0] = (uint8_t)(255 * x / width);
            rgb[1] = (uint8_t)(255 * y / height);
            rgb[2] = (uint8_t)(128 + 127 * sin(x * 0.1) * cos(y * 0.07));
        }
    }
    return p;
}

static double psnr(const uint8_t *a, const uint8_t *b, size_t n)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++) squares += (a[i] - b[i]) * (a[i] - b[i]);
    return squares > 0 ? 10 * log10(255.0 * 255.0 * (double)n / squares) : 99;
}

/* -- Palette ---------------------------------------------------------------------------------- */

static void test_exact_palette(void **state)
{
    (void)state;
    uint8_t rgb[16][16][3], indices[16][16];
    struct palette p;
    for (int i = 0; i < 256; i++) {
        uint8_t *pixel = rgb[i / 16][i % 16];
        pixel[0] = (uint8_t)i, pixel[1] = (uint8_t)(i * 7), pixel[2] = (uint8_t)(i * i);
    }
    assert_int_equal(palette_make(rgb[0][0], 16, 16, 256, &p, indices[0]), 0);
    assert_int_equal(p.n, 256);
    for (int i = 0; i < 256; i++)
        assert_memory_equal(p.rgb[indices[i / 16][i % 16]], rgb[i / 16][i % 16], 3);
    assert_int_equal(palette_make(rgb[0][0], 16, 16, 255, &p, indices[0]), 0); /* one too many */
    assert_in_range(p.n, 128, 255);
}

static void test_cut_palette(void **state)
{
    (void)state;
    static const struct {
        int colours;
        double least; /* dB, of the picture blurred over 4 x 4 pixels, as the eye does */
    } cases[] = {{256, 35}, {64, 28}, {16, 20}, {2, 8}};
    struct picture p = gradient(160, 120);
    uint8_t *indices = malloc(160 * 120);
    for (int k = 0; k < 4; k++) {
        struct palette palette;
        assert_int_equal(palette_make(p.rgb, 160, 120, cases[k].colours, &palette, indices), 0);
        assert_in_range(palette.n, 2, cases[k].colours);
        uint8_t a[30 * 40 * 3], b[30 * 40 * 3];
        for (int i = 0; i < 30 * 40 * 3; i++) {
            int sum_a = 0, sum_b = 0;
            for (int j = 0; j < 16; j++) {
                int at = (i / 120 * 4 + j / 4) * 160 + i / 3 % 40 * 4 + j % 4;
                assert_true(indices[at] < palette.n);
                sum_a += p.rgb[3 * at + i % 3];
                sum_b += palette.rgb[indices[at]][i % 3];
            }
            a[i] = (uint8_t)(sum_a / 16), b[i] = (uint8_t)(sum_b / 16);
        }
        double db = psnr(a, b, sizeof a);
        if (db < cases[k].least) fail_msg("%d colours: %.1f dB", cases[k].colours, db);
    }
    free(indices);
    free((void *)p.rgb);
}

/* Large plain areas of a picture with many colours keep theirs. */
static void test_plain_areas(void **state)
{
    (void)state;
    struct picture p = gradient(200, 200);
    uint8_t *rgb = (uint8_t *)p.rgb, *indices = malloc(200 * 200);
    struct palette palette;
    memset(rgb, 255, 200 * 100 * 3);
    assert_int_equal(palette_make(rgb, 200, 200, 256, &palette, indices), 0);
    for (int i = 0; i < 200 * 100; i++)
        for (int c = 0; c < 3; c++) assert_in_range(palette.rgb[indices[i]][c], 252, 255);
    free(indices);
    free(rgb);
}

/* -- Sixel ------------------------------------------------------------------------------------ */

static void expect_sixel(const struct picture *p, int registers, int tolerance)
{
    char *bytes;
    size_t n, n_rgb = (size_t)p->width * (size_t)p->height * 3;
    uint8_t *before = malloc(n_rgb);
    memcpy(before, p->rgb, n_rgb);
    FILE *out = open_memstream(&bytes, &n);
    assert_int_equal(sixel_write(p->rgb, p->width, p->height, registers, out), 0);
    fclose(out);
    assert_memory_equal(before, p->rgb, n_rgb);
    struct vt *vt = vt_new(200, 90, 8, 16);
    vt_feed(vt, bytes, n);
    vt_end(vt);
    if (vt->error[0]) fail_msg("%d x %d: %s", p->width, p->height, vt->error);
    assert_int_equal(vt->n_pictures, 1);
    assert_int_equal(vt->picture_w, p->width);
    assert_int_equal(vt->picture_h, p->height);
    assert_true(vt->n_colours <= registers);
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < 3 * p->width; x++)
            assert_true(abs(vt->picture[y][x / 3][x % 3] - p->rgb[3 * y * p->width + x]) <=
                        tolerance);
    vt_free(vt);
    free(before);
    free(bytes);
}

static void test_sixel(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 6},     {1, 7},   {7, 8},  {12, 12},
                                   {200, 120}, {63, 65}, {333, 6}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct picture p = quarters(sizes[i][0], sizes[i][1]);
        expect_sixel(&p, 256, 0);
        expect_sixel(&p, 4, 0);
        expect_sixel(&p, 2, 255);
        free((void *)p.rgb);
        p = gradient(sizes[i][0], sizes[i][1]);
        expect_sixel(&p, 1024, 128);
        expect_sixel(&p, 16, 255);
        free((void *)p.rgb);
    }
    uint8_t odd[6 * 3];
    for (int i = 0; i < 6; i++) memcpy(odd + 3 * i, (uint8_t[]){200, 180, 40}, 3);
    struct picture p = {.width = 1, .height = 6, .rgb = odd};
    expect_sixel(&p, 256, 3); /* percent steps */
    assert_int_equal(sixel_write(odd, 0, 6, 256, stdout), -1);
    assert_int_equal(sixel_write(odd, 5000, 6, 256, stdout), -1);
}

/* -- Sizes ------------------------------------------------------------------------------------ */

static struct term_facts screen(enum term_graphics graphics, int cols, int rows)
{
    return (struct term_facts){.is_tty = true,
                               .graphics = graphics,
                               .cols = cols,
                               .rows = rows,
                               .cell_w = 8,
                               .cell_h = 16,
                               .registers = 256,
                               .colour = TERM_COLOUR_RGB,
                               .max_w = 1000,
                               .max_h = 1000};
}

static void expect_fit(const struct term_facts *t, int w, int h, int max_cols, int max_rows,
                       int cols, int rows)
{
    struct picture_size size = picture_fit(t, w, h, max_cols, max_rows);
    assert_int_equal(size.cols, cols);
    assert_int_equal(size.rows, rows);
}

static void test_fit(void **state)
{
    (void)state;
    struct term_facts t = screen(TERM_GRAPHICS_SIXEL, 100, 40);
    expect_fit(&t, 160, 160, 80, 30, 20, 10);  /* its own size */
    expect_fit(&t, 1600, 800, 40, 30, 40, 10); /* shrunk to the columns */
    expect_fit(&t, 800, 1600, 99, 20, 20, 20); /* and to the rows */
    expect_fit(&t, 10000, 1, 40, 30, 40, 1);   /* extreme shapes */
    expect_fit(&t, 1, 10000, 40, 30, 1, 30);
    expect_fit(&t, 5000, 5000, 500, 500, 78, 39); /* the screen */
    t.max_w = t.max_h = 100;
    expect_fit(&t, 5000, 5000, 90, 30, 12, 6); /* the terminal's limit */
    expect_fit(&t, 0, 10, 40, 30, 0, 0);
    expect_fit(&t, 10, 10, 0, 30, 0, 0);
    t = screen(TERM_GRAPHICS_BLOCKS, 100, 40);
    expect_fit(&t, 20, 20, 90, 30, 20, 10); /* a column of pixels becomes a column of cells */
    t = screen(TERM_GRAPHICS_NONE, 100, 40);
    expect_fit(&t, 20, 20, 90, 30, 0, 0);
}

/* -- Drawing ---------------------------------------------------------------------------------- */

/* Reserves rows, draws, and moves to the first column below. Returns the cells used. */
static struct picture_size show(const struct term_facts *t, const struct picture *p, int max_cols,
                                int max_rows, FILE *out)
{
    struct picture_size size = picture_fit(t, p->width, p->height, max_cols, max_rows);
    if (size.rows < 1) return size;
    picture_reserve(size.rows, out);
    picture_draw(t, p, size, 0, out);
    fprintf(out, "\033[%dB\r", size.rows);
    return size;
}

/* Draws at the bottom of a full screen, then text; the model complains about everything that is not
 * right. */
static void test_show(void **state)
{
    (void)state;
    static const char *const graphics[] = {"sixel", "blocks", "ascii"};
    for (int i = 0; i < 9; i++) {
        struct fake_term f;
        fake_term_open(&f, i < 6 ? "xterm-256color" : "xterm", graphics[i % 3], 60, 20, 9, 17);
        f.vt->after = (enum vt_after_picture)(i % 3);
        struct picture p = gradient(300, 200);
        for (int k = 0; k < 30; k++) fputs("text\r\n", f.out);
        struct picture_size size = show(term_facts(f.term), &p, 40, 10, f.out);
        assert_true(size.rows > 0 && size.rows <= 10 && size.cols <= 40);
        fputs("after", f.out);
        fake_term_show(&f);
        assert_int_equal(f.vt->y, 19);
        assert_int_equal(f.vt->n_pictures, i % 3 == 0);
        fake_term_close(&f);
        free((void *)p.rgb);
    }
}

static void test_sixel_limits(void **state)
{
    (void)state;
    struct term_facts t = screen(TERM_GRAPHICS_SIXEL, 200, 80);
    struct picture p = gradient(2000, 1500);
    char *bytes;
    size_t n;
    t.max_w = 500, t.max_h = 333, t.registers = 16;
    FILE *out = open_memstream(&bytes, &n);
    show(&t, &p, 200, 80, out);
    fclose(out);
    struct vt *vt = vt_new(200, 80, 8, 16);
    vt->max_w = 500, vt->max_h = 333;
    vt_feed(vt, bytes, n);
    vt_end(vt);
    assert_string_equal(vt->error, "");
    assert_int_equal(vt->n_pictures, 1);
    assert_true(vt->n_colours <= 16);
    assert_int_equal(vt->picture_h % 16, 0);
    vt_free(vt);
    free(bytes);
    free((void *)p.rgb);
}

static void test_alpha(void **state)
{
    (void)state;
    uint8_t rgb[32 * 32 * 3], alpha[32 * 32];
    for (int i = 0; i < 32 * 32; i++) {
        memcpy(rgb + 3 * i, (uint8_t[]){255, 0, 0}, 3);
        alpha[i] = i % 32 < 8 ? 0 : i % 32 < 16 ? 255 : 128;
    }
    struct picture p = {.width = 32, .height = 32, .rgb = rgb, .alpha = alpha};
    struct term_facts t = screen(TERM_GRAPHICS_SIXEL, 80, 24);
    memcpy(t.background, (uint8_t[]){0, 255, 0}, 3);
    t.background_known = true;
    char *bytes;
    size_t n;
    FILE *out = open_memstream(&bytes, &n);
    show(&t, &p, 40, 20, out);
    fclose(out);
    struct vt *vt = vt_new(80, 24, 8, 16);
    vt_feed(vt, bytes, n);
    assert_string_equal(vt->error, "");
    static const uint8_t wanted[3][3] = {{0, 255, 0}, {255, 0, 0}, {128, 127, 0}};
    for (int k = 0; k < 3; k++)
        for (int c = 0; c < 3; c++)
            assert_true(abs(vt->picture[5][4 + 8 * k + 2 * (k > 1)][c] - wanted[k][c]) <= 3);
    vt_free(vt);
    free(bytes);
}

static void expect_drawn(enum term_graphics graphics, enum term_colour colour, const char *wanted)
{
    struct term_facts t = screen(graphics, 80, 24);
    t.colour = colour;
    struct picture p = quarters(2, 2);
    char *bytes;
    size_t n;
    FILE *out = open_memstream(&bytes, &n);
    picture_draw(&t, &p, (struct picture_size){.cols = 2, .rows = 1}, 0, out);
    fclose(out);
    assert_string_equal(bytes, wanted);
    free(bytes);
    free((void *)p.rgb);
}

#define WRAP(s) "\033[?25l\0337" s "\0338\033[?25h"

static void test_blocks(void **state)
{
    (void)state;
    expect_drawn(TERM_GRAPHICS_BLOCKS, TERM_COLOUR_RGB,
                 WRAP("\033[38;2;255;0;0m\033[48;2;0;0;255m▀"
                      "\033[38;2;0;255;0m\033[48;2;255;255;255m▀\033[0m"));
    expect_drawn(TERM_GRAPHICS_BLOCKS, TERM_COLOUR_256,
                 WRAP("\033[38;5;196m\033[48;5;21m▀\033[38;5;46m\033[48;5;231m▀\033[0m"));
    expect_drawn(TERM_GRAPHICS_BLOCKS, TERM_COLOUR_16,
                 WRAP("\033[91m\033[44m▀\033[92m\033[107m▀\033[0m"));
    expect_drawn(TERM_GRAPHICS_ASCII, TERM_COLOUR_NONE, WRAP(":#"));
}

/* kitty's protocol: one picture, in pieces of at most 4096 letters, that decodes to its pixels. */
static void test_kitty(void **state)
{
    (void)state;
    struct term_facts t = screen(TERM_GRAPHICS_KITTY, 80, 24);
    struct picture p = gradient(160, 96); /* 20 x 6 cells of 8 x 16 */
    char *bytes;
    size_t n;
    FILE *out = open_memstream(&bytes, &n);
    struct picture_size size = show(&t, &p, 80, 20, out);
    fclose(out);
    assert_int_equal(size.cols, 20);
    assert_int_equal(size.rows, 6);
    const char *at = strstr(bytes, "\033_G");
    assert_non_null(at);
    static const char head[] = "\033_Ga=T,f=24,q=2,s=160,v=96,C=1,c=20,r=6,m=1;";
    assert_int_equal(strncmp(at, head, sizeof head - 1), 0);
    size_t letters = 0;
    int pieces = 0;
    for (; (at = strstr(at, "\033_G")); pieces++) {
        const char *data = strchr(at, ';') + 1, *end = strstr(data, "\033\\");
        assert_non_null(end);
        assert_true(end - data <= 4096);
        letters += (size_t)(end - data);
        bool last = !strstr(end, "\033_G");
        assert_int_equal(strncmp(data - 4, last ? "m=0;" : "m=1;", 4), 0);
        at = end;
    }
    assert_int_equal(letters, 160 * 96 * 3 / 3 * 4);
    assert_int_equal(pieces, (int)(letters + 4095) / 4096);
    free(bytes);
    free((void *)p.rgb);
}

/* Past tmux: every sequence wrapped, its ESCs doubled; then a letter for each cell, the first of a
 * row with its number, in the colour of the palette that is the picture's. */
static void test_kitty_past_tmux(void **state)
{
    (void)state;
    struct term_facts t = screen(TERM_GRAPHICS_KITTY, 80, 24);
    t.through_tmux = true;
    struct picture p = gradient(160, 96);
    char *bytes;
    size_t n;
    FILE *out = open_memstream(&bytes, &n);
    picture_reserve(6, out);
    picture_draw(&t, &p, (struct picture_size){.cols = 20, .rows = 6}, 3, out);
    fclose(out);
    int pieces = 0, id = 0;
    char *at = bytes, *end;
    for (; (at = strstr(at, "\033P")); at = end, pieces++) {
        assert_int_equal(strncmp(at, "\033Ptmux;\033\033_G", 11), 0);
        end = strstr(at, "\033\033\\\033\\");
        assert_non_null(end);
        assert_null(memchr(at + 9, '\033', (size_t)(end - at - 9)));
    }
    assert_int_equal(pieces, (160 * 96 * 4 + 4095) / 4096);
    at = strstr(bytes, "\033_G");
    assert_int_equal(sscanf(at, "\033_Ga=T,f=24,q=2,s=160,v=96,U=1,i=%d,c=20,r=6,m=1;", &id), 1);
    assert_in_range(id, 16, 255);
    /* The letters, U+10EEEE, with the marks of rows 0 … 5 and of column 0 behind the first. */
    static const char *const rows[] = {"\u0305", "\u030D", "\u030E", "\u0310", "\u0312", "\u033D"};
    for (int y = 0; y < 6; y++) {
        char wanted[200];
        size_t k =
            (size_t)snprintf(wanted, sizeof wanted, "%s\033[3C\033[38;5;%dm\U0010EEEE%s\u0305",
                             y ? "\r\n" : "", id, rows[y]);
        for (int x = 1; x < 20; x++) k += (size_t)sprintf(wanted + k, "\U0010EEEE");
        sprintf(wanted + k, "\033[0m");
        if (y == 0)
            memmove(wanted, wanted + 4, strlen(wanted + 4) + 1); /* moved before the picture */
        assert_non_null(strstr(bytes, wanted));
    }
    free(bytes);
    free((void *)p.rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_palette),
        cmocka_unit_test(test_cut_palette),
        cmocka_unit_test(test_plain_areas),
        cmocka_unit_test(test_sixel),
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_sixel_limits),
        cmocka_unit_test(test_alpha),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_kitty),
        cmocka_unit_test(test_kitty_past_tmux),
    };
    return cmocka_run_group_tests_name("picture", tests, NULL, NULL);
}
