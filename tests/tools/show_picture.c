/* SPDX-License-Identifier: GPL-3.0-or-later
 * Draws a generated picture in the real terminal with text streaming beside it, for screenshots:
 *   show_picture [above] [slow] [n=PICTURES] [WIDTHxHEIGHT]
 * The picture: red, green, blue and white quarters, a grey frame, and a soft gradient in the
 * middle. */
#define _POSIX_C_SOURCE 200809L
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "term/stream.h"

static const char answer[] =
    "## What the picture shows\n"
    "Four quarters: **red** at the top left, **green** at the top right, **blue** at the bottom "
    "left, "
    "and white at the bottom right, with a `gradient` in the middle.\n"
    "\n"
    "- a first point that is long enough to be wrapped onto a second line\n"
    "- a second one\n"
    "1. numbered, and also long enough to be wrapped onto another line\n"
    "\n"
    "| colour | share |\n"
    "|--------|-------|\n"
    "| red    | 25 %  |\n"
    "\n"
    "```c\n"
    "int main(void) { return 0; }\n"
    "```\n"
    "Wide letters: \u65e5\u672c\u8a9e\u306e\u6587\u7ae0\u3082\u6298\u308a\u8fd4\u3055\u308c\u307e"
    "\u3059\u3002 \033]0;owned\a\033[31mnot red\033[0m \u202ereversed.\n"
    "\n"
    "The text goes on below the picture and then uses the whole width of the terminal, so that a "
    "long "
    "answer does not stay in a narrow column for ever; this sentence only exists to fill lines "
    "until "
    "that can be seen.\n";

static void paint(uint8_t *rgb, int width, int height)
{
    static const uint8_t quarter[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}};
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            uint8_t *p = rgb + 3 * ((size_t)y * (size_t)width + (size_t)x);
            memcpy(p, quarter[2 * (2 * y >= height) + (2 * x >= width)], 3);
            if (x < 4 || y < 4 || x >= width - 4 || y >= height - 4) memset(p, 128, 3);
            if (abs(x - width / 2) < width / 6 && abs(y - height / 2) < height / 6) {
                p[0] = (uint8_t)(255 * x / width);
                p[1] = (uint8_t)(255 * y / height);
                p[2] = 128;
            }
        }
    }
}

static void print_head(FILE *out, void *user)
{
    (void)user;
    fputs("In [3] @1: What does the picture show?\r\n", out);
}

static void stream_answer(struct stream *s, int slow)
{
    for (const char *p = answer; *p; p += 3) {
        size_t n = strlen(p) < 3 ? strlen(p) : 3;
        stream_text(s, p, n);
        if (slow) nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
        if (n < 3) break;
    }
}

int main(int argc, char **argv)
{
    int width = 300, height = 200, n_pictures = 1, slow = 0;
    struct stream_options opt = {.out = stdout, .label = "Out[3]: ", .head = print_head};
    setlocale(LC_ALL, "");
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "above")) opt.layout = STREAM_ABOVE;
        if (!strcmp(argv[i], "slow")) slow = 1;
        sscanf(argv[i], "n=%d", &n_pictures);
        sscanf(argv[i], "%dx%d", &width, &height);
    }
    uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);
    struct picture pictures[4];
    opt.term = term_open(NULL);
    if (!rgb || !opt.term || n_pictures > 4) return 1;
    paint(rgb, width, height);
    for (int i = 0; i < n_pictures; i++)
        pictures[i] = (struct picture){.width = width, .height = height, .rgb = rgb};
    opt.pictures = pictures;
    opt.n_pictures = n_pictures;
    term_guard(opt.term);
    term_watch_size(opt.term);
    print_head(stdout, NULL);
    term_mode(opt.term, TERM_QUIET);
    struct stream *s = stream_new(&opt);
    if (!s) return 1;
    stream_answer(s, slow);
    stream_end(s);
    stream_free(s);
    term_mode(opt.term, TERM_USUAL);
    printf("In [4]: ");
    fflush(stdout);
    if (slow) getchar();
    term_close(opt.term);
    free(rgb);
    return 0;
}
