/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "fake_term.h"

#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

static const char *term_name;

static const char *only_term(const char *name) { return strcmp(name, "TERM") ? NULL : term_name; }

static struct winsize size_of(int cols, int rows, int cell_w, int cell_h)
{
    return (struct winsize){.ws_col = (unsigned short)cols,
                            .ws_row = (unsigned short)rows,
                            .ws_xpixel = (unsigned short)(cols * cell_w),
                            .ws_ypixel = (unsigned short)(rows * cell_h)};
}

void fake_term_open(struct fake_term *f, const char *term, const char *graphics, int cols, int rows,
                    int cell_w, int cell_h)
{
    struct winsize size = size_of(cols, rows, cell_w, cell_h);
    *f = (struct fake_term){.vt = vt_new(cols, rows, cell_w, cell_h)};
    assert_int_equal(openpty(&f->master, &f->slave, NULL, NULL, &size), 0);
    term_name = term;
    struct term_options opt = {
        .in_fd = f->slave, .out_fd = f->slave, .graphics = graphics, .env = only_term};
    f->term = term_open(&opt);
    f->out = open_memstream(&f->bytes, &f->n_bytes);
    assert_non_null(f->term);
    assert_non_null(f->out);
}

void fake_term_resize(struct fake_term *f, int cols, int rows)
{
    const struct term_facts *facts = term_facts(f->term);
    struct winsize size = size_of(cols, rows, facts->cell_w, facts->cell_h);
    assert_int_equal(ioctl(f->slave, TIOCSWINSZ, &size), 0);
    raise(SIGWINCH);
}

void fake_term_show(struct fake_term *f)
{
    fflush(f->out);
    vt_feed(f->vt, f->bytes + f->n_shown, f->n_bytes - f->n_shown);
    f->n_shown = f->n_bytes;
    if (f->vt->error[0]) fail_msg("%s", f->vt->error);
}

void fake_term_close(struct fake_term *f)
{
    fake_term_show(f);
    vt_end(f->vt);
    if (f->vt->error[0]) fail_msg("%s", f->vt->error);
    fclose(f->out);
    free(f->bytes);
    term_close(f->term);
    vt_free(f->vt);
    close(f->master);
    close(f->slave);
}

struct picture quarters(int width, int height)
{
    static const uint8_t colour[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}};
    uint8_t *rgb = malloc((size_t)width * (size_t)height * 3);
    if (!rgb) abort();
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            memcpy(rgb + 3 * ((size_t)y * (size_t)width + (size_t)x),
                   colour[2 * (2 * y >= height) + (2 * x >= width)], 3);
    return (struct picture){.width = width, .height = height, .rgb = rgb};
}
