/* SPDX-License-Identifier: GPL-3.0-or-later
 * How long a key takes to appear while pictures are read ahead: keys one by one into the program on a
 * pseudo-terminal, each timed until it is drawn. Tells the median, the 99th percentile and the worst,
 * idle first and then with the worker busy, and how much was computed meanwhile.
 *
 *     key_latency PHISCOPE [KEYS] */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "drive.h"
#include "drive_parts.h"
#include "golden.h"

enum { SIDE = 700, N_PICTURES = 5, BETWEEN_MS = 15, MOST_KEYS = 10000 };

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void write_pictures(void)
{
    static char row[SIDE * 3];
    unsigned seed = 1;
    for (int k = 0; k < N_PICTURES; k++) {
        char name[16];
        snprintf(name, sizeof name, "p%d.ppm", k);
        FILE *f = fopen(drive_file(name), "wb");
        if (!f) drive_die(name);
        fprintf(f, "P6 %d %d 255\n", SIDE, SIDE);
        for (int y = 0; y < SIDE; y++) {
            for (int i = 0; i < SIDE * 3; i++)
                row[i] = (char)((seed = seed * 1664525u + 1013904223u) >> 24);
            fwrite(row, 1, sizeof row, f);
        }
        fclose(f);
    }
}

/* Letters that no control sequence ends with. */
static bool type_keys(struct pty *p, double *ms, int n)
{
    static const char letters[] = "QWXYZ";
    for (int i = 0; i < n; i++) {
        char key[2] = {letters[i % 5], 0};
        double begun = drive_now_s();
        pty_type(p, key);
        if (!pty_expect(p, key)) return false;
        ms[i] = 1000 * (drive_now_s() - begun);
        nanosleep(&(struct timespec){.tv_nsec = 1000000L * BETWEEN_MS}, NULL);
    }
    return true;
}

static void tell(const char *what, double *ms, int n, double seconds, double computed)
{
    qsort(ms, (size_t)n, sizeof *ms, by_size);
    printf(
        "%-8s %d keys: median %.2f ms, 99th percentile %.2f ms, worst %.2f ms; %.1f s computed in "
        "%.1f s\n",
        what, n, ms[n / 2], ms[n * 99 / 100], ms[n - 1], computed, seconds);
}

/* Processor time of all threads. */
static double computed_s(int pid)
{
    char path[40], text[1000] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    unsigned long user = 0, system = 0;
    if (f && fgets(text, sizeof text, f) && strrchr(text, ')'))
        sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system);
    if (f) fclose(f);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void measure(struct pty *p, const char *what, int n)
{
    static double ms[MOST_KEYS];
    double begun = drive_now_s(), computed = computed_s(pty_pid(p));
    if (type_keys(p, ms, n))
        tell(what, ms, n, drive_now_s() - begun, computed_s(pty_pid(p)) - computed);
}

int main(int argc, char **argv)
{
    int n = argc > 2 ? atoi(argv[2]) : 1000;
    drive_init(argc > 2 ? 2 : argc, argv);
    n = n < 10 ? 10 : n > MOST_KEYS ? MOST_KEYS : n;
    write_pictures();
    /* Portable kernels, so that the small model has enough to do. */
    struct pty *p = pty_start_with(
        (const char *const[]){"--num-crops", "16", NULL},
        &(struct pty_options){.env = (const char *const[]){"PHI3V_CPU=portable", NULL}});
    bool up = pty_expect(p, "In [1]:");
    if (up) measure(p, "idle", n);
    char line[200];
    snprintf(line, sizeof line, "\003:load %s/p*.ppm\r", drive_tmp());
    pty_type(p, line);
    if (up && pty_expect(p, "@5 ") && pty_expect(p, "In [1]")) measure(p, "reading", n);
    pty_type(p, "\003:quit\r");
    pty_end(p);
    return drive_done();
}
