/* SPDX-License-Identifier: GPL-3.0-or-later
 * Signals and keys at random moments while answers stream and pictures are drawn: nothing is cut,
 * nothing hangs, and the notebook still answers. storm_cli PHISCOPE [SECONDS]. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "drive.h"
#include "drive_parts.h"
#include "golden.h"

/* A slow line: what is drawn waits in a write while signals come. */
static void stall(struct pty *p)
{
    static const int signals[] = {SIGINT, SIGWINCH, SIGTSTP, SIGCONT};
    for (int i = 0; i < 8; i++) {
        usleep(20000);
        pty_signal(p, signals[drive_draw(4)]);
    }
}

static void one_blow(struct pty *p)
{
    static const char *const keys[] = {"\003",
                                       "\032",
                                       "\014",
                                       "a",
                                       "\r",
                                       "Hello\r",
                                       ":show @1\r",
                                       ":run 1\r",
                                       ":more\r",
                                       "\033[A",
                                       "\033[B",
                                       "\022",
                                       "lo",
                                       ":set \t\t",
                                       "\025",
                                       "\177",
                                       "é你😀",
                                       "\033[200~x\ry\033[201~",
                                       "\033[200~never",
                                       "\033",
                                       ":images\r"};
    switch (drive_draw(10)) {
    case 5:
        pty_type(p, ":show @1\r");
        stall(p);
        break;
    case 0:
        pty_signal(p, SIGINT);
        break;
    case 1:
        pty_signal(p, SIGTSTP);
        break;
    case 2:
        pty_signal(p, SIGCONT);
        break;
    case 3:
        pty_signal(p, SIGWINCH);
        break;
    case 4:
        pty_resize(p, 20 + (int)drive_draw(120), 5 + (int)drive_draw(40));
        break;
    default:
        pty_type(p, keys[drive_draw(sizeof keys / sizeof *keys)]);
    }
}

/* An empty line, whatever was going on. */
static bool calm(struct pty *p)
{
    pty_resize(p, 100, 30);
    for (int i = 0; i < 50; i++) {
        pty_came(p, "");
        pty_signal(p, SIGCONT);
        pty_type(p, "\003");
        pty_came(p, "");
        pty_type(p, ":help quit\r");
        pty_came(p, "");
        if (strstr(pty_screen(p), "    leave\n")) return true;
    }
    tap_note("%s", pty_screen(p));
    return false;
}

static void storm(double seconds)
{
    static const char *list[] = {"-m", NULL, "--num-crops", "1", "--max-new-tokens", "400", NULL};
    list[1] = drive_golden("models/tiny-gqa-bf16");
    struct pty *p = pty_start_with(
        list, &(struct pty_options){.job = true, .attributes = "\033[?62;4;22c", .cols = 100});
    char line[600];
    tap_ok(pty_cursor(p, "In [1]:", 8), "the notebook opens");
    snprintf(line, sizeof line, ":load %s\r", drive_golden("images/tiny_97x61.png"));
    pty_type(p, line);
    tap_ok(pty_cursor(p, "In [1] @1:", 11), "a picture is drawn");
    pty_type(p, "Hello\r");
    pty_expect(p, "Out[1]:");
    int n = 0;
    for (double end = drive_now_s() + seconds; drive_now_s() < end; n++) {
        one_blow(p);
        pty_wait(p, (int)drive_draw(30));
    }
    tap_note("%d signals and keys in %.0f s", n, seconds);
    tap_ok(calm(p), "it answers behind the storm");
    pty_type(p, ":quit\r");
    tap_ok(pty_expect(p, "(0 bytes left)") && pty_end(p) == 0, "and leaves in order");
}

/* A signal that ends the program, in the middle of a picture as well as not. */
static void endings(int n)
{
    static const char *list[] = {"-m", NULL, "--num-crops", "1", NULL};
    char line[600];
    list[1] = drive_golden("models/tiny-gqa-bf16");
    snprintf(line, sizeof line, ":load %s\r", drive_golden("images/tiny_97x61.png"));
    for (int i = 0; i < n; i++) {
        struct pty *p = pty_start_with(list, &(struct pty_options){.attributes = "\033[?62;4;22c"});
        pty_cursor(p, "In [1]:", 8);
        pty_type(p, line);
        for (int k = 0; k < 10; k++) pty_type(p, ":show @1\r");
        usleep(drive_draw(60000));
        pty_wait(p, (int)drive_draw(60));
        pty_signal(p, drive_draw(2) ? SIGTERM : SIGHUP);
        tap_ok(pty_end(p) == -1, "ended by a signal");
    }
}

int main(int argc, char **argv)
{
    double seconds = argc > 2 && atof(argv[2]) > 0 ? atof(argv[2]) : 4;
    unsigned seed = (unsigned)time(NULL);
    drive_seed(seed);
    drive_init(argc > 2 ? 2 : argc, argv);
    tap_note("seed %u", seed);
    if (golden_exists("models/tiny-gqa-bf16")) {
        endings(seconds > 10 ? 40 : 6);
        storm(seconds);
    } else {
        tap_skip("models/tiny-gqa-bf16", "a storm of signals");
    }
    return drive_done();
}
