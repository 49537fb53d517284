/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "term/clean.h"
#include "term/clock.h"
#include "term/out.h"

#define REDRAW_S 0.1
#define APPEND_S 5
#define LINE_BYTES 256

void progress_init(struct progress *p, FILE *out, int cols, bool at_once)
{
    *p = (struct progress){.out = out, .cols = cols > 0 ? cols : 80, .delay_s = at_once ? 0 : 1};
    const char *term = getenv("TERM");
    p->appended = term_wants_accessible(getenv("ACCESSIBLE"));
    p->enabled = isatty(out_fileno(out)) && term && *term && strcmp(term, "dumb") != 0;
}

/* "12.3 MB", "4 crops" */
static void print_amount(char *to, size_t size, enum progress_unit unit, double n)
{
    static const char *const names[] = {[PROGRESS_CROPS] = "crops", [PROGRESS_TOKENS] = "tokens"};
    if (unit != PROGRESS_BYTES)
        snprintf(to, size, "%.*f %s", n < 10 && n != (double)(int64_t)n ? 1 : 0, n, names[unit]);
    else if (n < 1e6)
        snprintf(to, size, "%.0f kB", n / 1e3);
    else if (n < 1e9)
        snprintf(to, size, "%.1f MB", n / 1e6);
    else
        snprintf(to, size, "%.2f GB", n / 1e9);
}

/* "1:25", "40 s". At least a second, as this is an estimate. */
static void print_wait(char *to, size_t size, double seconds)
{
    long s = seconds < 1 ? 1 : seconds < 1e6 ? (long)(seconds + 0.5) : 1000000;
    if (s < 60)
        snprintf(to, size, "%ld s", s);
    else
        snprintf(to, size, "%ld:%02ld", s / 60, s % 60);
}

static void print_share(char *to, size_t size, const struct progress *p, int64_t done,
                        int64_t total)
{
    enum { CELLS = 10 };
    double share = total > 0 ? (double)done / (double)total : 0;
    char bar[3 * CELLS + 1] = "", wait[32];
    int full = (int)(share * CELLS + 0.5);
    for (int i = 0; i < CELLS; i++) strcat(bar, i < full ? "█" : " ");
    print_wait(wait, sizeof wait, p->left_s);
    char *drawn = p->appended ? "" : bar;
    snprintf(to, size, "%s%s%s%s %.0f %%%s%s", p->stage, *drawn ? " ▕" : "", drawn,
             *drawn ? "▏" : "", 100 * share, p->left_s < 0 ? "" : " · first word in about ",
             p->left_s < 0 ? "" : wait);
}

static void print_line(char *to, size_t size, const struct progress *p, enum progress_unit unit,
                       int64_t done, int64_t total, double seconds)
{
    if (unit == PROGRESS_SHARE) {
        print_share(to, size, p, done, total);
        return;
    }
    if (done == 0 && total == 0) { /* nothing can be counted yet */
        snprintf(to, size, "%s%s%s", p->stage, *p->detail ? " " : "", p->detail);
        return;
    }
    char part[32], all[32], rate[32];
    double per_s = seconds > 0.05 ? (double)(done - p->begun) / seconds : 0;
    print_amount(part, sizeof part, unit, (double)done);
    print_amount(all, sizeof all, unit, (double)total);
    print_amount(rate, sizeof rate, unit, per_s);
    int n = snprintf(to, size, "%s%s%s  %s", p->stage, *p->detail ? " " : "", p->detail, part);
    if (total > 0 && n >= 0 && (size_t)n < size)
        n += snprintf(to + n, size - (size_t)n, " of %s", all);
    if (per_s > 0 && n >= 0 && (size_t)n < size)
        n += snprintf(to + n, size - (size_t)n, "  %s/s", rate);
    double left_s = per_s > 0 ? (double)(total - done) / per_s + 0.5 : 0;
    if (left_s > 0.5 && n >= 0 && (size_t)n < size)
        snprintf(to + n, size - (size_t)n, left_s < 120 ? "  %.0f s left" : "  %.0f min left",
                 left_s < 120 ? left_s : left_s / 60);
}

struct row {
    FILE *out;
    int column, limit;
};

static void put_in_row(int32_t cp, void *user)
{
    struct row *row = user;
    if (row->column + clean_width(cp) < row->limit) clean_write(cp, &row->column, row->out);
}

/* Draws at most one line of the terminal's present width, with the last column free. */
static void draw_line(const struct progress *p, const char *line)
{
    struct winsize size;
    struct row row = {.out = p->out, .limit = p->cols};
    struct clean c;
    if (ioctl(out_fileno(p->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        row.limit = size.ws_col;
    if (!p->appended) fputc('\r', p->out);
    clean_init(&c, CLEAN_NAME, put_in_row, &row);
    clean_feed(&c, line, strlen(line));
    clean_end(&c);
    fputs(p->appended ? "\r\n" : "\033[K", p->out);
    fflush(p->out);
}

void progress_update(struct progress *p, const char *stage, enum progress_unit unit, int64_t done,
                     int64_t total)
{
    if (!p->enabled) return;
    double now = now_ms() / 1e3;
    if (strncmp(p->stage, stage, sizeof p->stage - 1) != 0 || p->begun_s <= 0) {
        snprintf(p->stage, sizeof p->stage, "%s", stage);
        p->begun_s = now;
        p->begun = done;
    }
    if (p->first_s <= 0) p->first_s = now;
    if (now - p->first_s < p->delay_s ||
        (p->visible && now - p->shown_s < (p->appended ? APPEND_S : REDRAW_S)))
        return;
    char line[LINE_BYTES];
    print_line(line, sizeof line, p, unit, done, total, now - p->begun_s);
    draw_line(p, line);
    p->shown_s = now;
    p->visible = true;
}

void progress_left(struct progress *p, double seconds) { p->left_s = seconds; }

void progress_detail(struct progress *p, const char *text)
{
    snprintf(p->detail, sizeof p->detail, "%s", text);
}

void progress_clear(struct progress *p)
{
    if (p->visible && !p->appended) {
        fputs("\r\033[K", p->out);
        fflush(p->out);
    }
    p->visible = false;
    p->first_s = 0;
    p->stage[0] = 0;
    p->detail[0] = 0;
}
