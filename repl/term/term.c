/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "term/term.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "term/answers.h"
#include "term/clean.h"

#define QUEUE_BYTES 65536 /* typed ahead; more waits in the kernel */
#define LONE_ESC_MS 30
#define SIDE_LIMIT 4096 /* pixels of a sixel picture, whatever the terminal claims */

struct term {
    struct term_facts facts;
    int in_fd, out_fd;
    int timeout_ms;
    char setting[16];
    bool multiplexed; /* tmux or screen stands between */
    bool can_ask;
    bool waiting;                       /* questions are out: answers count until DA1 has come */
    int told_w, told_h, area_w, area_h; // pixels: the cell, the text area; 0: not answered
    struct answers answers;
    unsigned char queue[QUEUE_BYTES]; /* ring of typed bytes */
    size_t queue_first, queue_n;
    bool at_end;
    bool interrupted; /* Ctrl-C was typed while we were asking */
    bool asking;
    bool quiet;
    struct termios before_quiet;
    struct termios original;
    bool have_original;
};

/* The one on the process's terminal: signal handlers and readline's hooks have no argument for it.
 */
static struct term *current;
static volatile sig_atomic_t size_changed;

/* -- Decisions ------------------------------------------------------------------------------ */

static bool is_set(const char *value) { return value && *value; }

static enum term_colour find_colour(const char *(*env)(const char *))
{
    const char *colorterm = env("COLORTERM"), *name = env("TERM");
    if (is_set(env("NO_COLOR"))) return TERM_COLOUR_NONE;
    if (colorterm && (!strcmp(colorterm, "truecolor") || !strcmp(colorterm, "24bit")))
        return TERM_COLOUR_RGB;
    if (name && strstr(name, "-direct")) return TERM_COLOUR_RGB;
    return name && strstr(name, "256color") ? TERM_COLOUR_256 : TERM_COLOUR_16;
}

static void choose(struct term *t, enum term_graphics graphics, const char *why)
{
    /* blocks are nothing but colours */
    if (graphics == TERM_GRAPHICS_BLOCKS && t->facts.colour == TERM_COLOUR_NONE)
        graphics = TERM_GRAPHICS_ASCII;
    t->facts.graphics = graphics;
    t->facts.graphics_why = why;
}

/* The order of decision; the first that applies wins. */
static void decide(struct term *t)
{
    const char *setting = t->setting;
    if (!t->facts.is_tty)
        choose(t, TERM_GRAPHICS_NONE, "the output is not a terminal, or --plain");
    else if (t->facts.is_dumb)
        choose(t, TERM_GRAPHICS_NONE, "TERM is dumb or not set");
    else if (!strcmp(setting, "none"))
        choose(t, TERM_GRAPHICS_NONE, "set by hand");
    else if (!strcmp(setting, "ascii"))
        choose(t, TERM_GRAPHICS_ASCII, "set by hand");
    else if (!strcmp(setting, "blocks"))
        choose(t, TERM_GRAPHICS_BLOCKS, "set by hand");
    else if (!strcmp(setting, "sixel"))
        choose(t, TERM_GRAPHICS_SIXEL, "set by hand");
    else if (t->multiplexed)
        choose(t, TERM_GRAPHICS_BLOCKS, "inside tmux or screen");
    else if (t->facts.has_sixel)
        choose(t, TERM_GRAPHICS_SIXEL, "the terminal says it has sixel");
    else if (!t->facts.asked)
        choose(t, TERM_GRAPHICS_BLOCKS, "the terminal could not be asked");
    else if (!t->facts.answered)
        choose(t, TERM_GRAPHICS_BLOCKS, "the terminal did not answer in time");
    else
        choose(t, TERM_GRAPHICS_BLOCKS, "the terminal says it has no sixel");
}

int term_set_graphics(struct term *t, const char *setting)
{
    static const char *const known[] = {"auto", "sixel", "blocks", "ascii", "none"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(setting, known[i]) != 0) continue;
        strcpy(t->setting, setting);
        decide(t);
        return 0;
    }
    return -1;
}

/* -- Size ------------------------------------------------------------------------------------ */

static bool set_cell(struct term_facts *f, int w, int h)
{
    if (w < 3 || h < 6 || w > 200 || h > 400) return false;
    f->cell_w = w;
    f->cell_h = h;
    return true;
}

/* Columns, rows and the cell, from the best source there is. Pixels of the window are divided
 * rounding down: xterm counts its border among them. */
static void read_size(struct term *t)
{
    struct term_facts *f = &t->facts;
    struct winsize ws = {0};
    if (ioctl(t->out_fd, TIOCGWINSZ, &ws) != 0) return;
    if (ws.ws_col > 0) f->cols = ws.ws_col;
    if (ws.ws_row > 0) f->rows = ws.ws_row;
    f->cell_assumed = !set_cell(f, t->told_w, t->told_h) &&
                      !set_cell(f, t->area_w / f->cols, t->area_h / f->rows) &&
                      !set_cell(f, ws.ws_xpixel / f->cols, ws.ws_ypixel / f->rows);
    if (f->cell_assumed) set_cell(f, 8, 16);
}

/* -- Answers --------------------------------------------------------------------------------- */

static void take_attributes(struct term *t, const struct answer *a)
{
    t->facts.has_sixel = false;
    for (int i = 0; i < a->n_values; i++)
        if (a->values[i] == 4) t->facts.has_sixel = true;
    t->facts.answered = true;
    t->waiting = false;
    read_size(t);
    decide(t);
}

/* Item 1 is registers, item 2 the largest picture; status 0 is fine. */
static void take_graphics(struct term_facts *f, const struct answer *a)
{
    const int *v = a->values;
    if (v[1] != 0) return;
    if (v[0] == 1 && a->n_values == 3 && v[2] >= 2) f->registers = v[2];
    if (v[0] == 2 && a->n_values == 4 && v[2] >= 16 && v[3] >= 16) {
        f->max_w = v[2] < SIDE_LIMIT ? v[2] : SIDE_LIMIT;
        f->max_h = v[3] < SIDE_LIMIT ? v[3] : SIDE_LIMIT;
    }
}

static void take_size(struct term *t, const struct answer *a)
{
    if (a->values[0] == 6) {
        t->told_h = a->values[1];
        t->told_w = a->values[2];
    } else if (a->values[0] == 4) {
        t->area_h = a->values[1];
        t->area_w = a->values[2];
    }
}

static void on_answer(const struct answer *a, void *user)
{
    struct term *t = user;
    struct term_facts *f = &t->facts;
    if (!t->waiting) return; /* nobody asked: only kept from the editor */
    switch (a->kind) {
    case ANSWER_ATTRIBUTES:
        take_attributes(t, a);
        break;
    case ANSWER_GRAPHICS:
        take_graphics(f, a);
        break;
    case ANSWER_SIZE:
        take_size(t, a);
        break;
    case ANSWER_BACKGROUND:
        for (int i = 0; i < 3; i++) f->background[i] = (uint8_t)a->values[i];
        f->background_known = true;
        break;
    case ANSWER_KITTY:
        f->has_kitty = strcmp(a->text, "i=31;OK") == 0;
        break;
    case ANSWER_NAME: {
        char *name = clean_string(a->text, CLEAN_NAME);
        if (name) snprintf(f->name, sizeof f->name, "%s", name);
        free(name);
        /* xterm says TERM=xterm, 8 colours in terminfo, and has 256 */
        if (!strncmp(f->name, "XTerm(", 6) && f->colour == TERM_COLOUR_16)
            f->colour = TERM_COLOUR_256;
        break;
    }
    case ANSWER_OTHER:
        break;
    }
}

static void on_typed(unsigned char byte, void *user)
{
    struct term *t = user;
    if (t->asking && byte == 3) {
        t->interrupted = true;
    } else if (t->queue_n < QUEUE_BYTES) {
        t->queue[(t->queue_first + t->queue_n++) % QUEUE_BYTES] = byte;
    }
}

/* -- Input ----------------------------------------------------------------------------------- */

/* Waits until there is input: 1 yes, 0 not in time. timeout_ms < 0: for ever. */
static int wait_input(const struct term *t, int timeout_ms)
{
    struct pollfd fd = {.fd = t->in_fd, .events = POLLIN};
    int n = poll(&fd, 1, timeout_ms);
    return n > 0;
}

/* Reads what is there into the queue; false when nothing was. */
static bool pump(struct term *t, int timeout_ms)
{
    unsigned char bytes[ANSWER_BYTES];
    size_t room = QUEUE_BYTES - t->queue_n - t->answers.n_held;
    if (t->at_end || room < sizeof bytes || !wait_input(t, timeout_ms)) return false;
    ssize_t n = read(t->in_fd, bytes, sizeof bytes);
    if (n < 0) {
        if (errno != EINTR && errno != EAGAIN) t->at_end = true;
        return false;
    }
    if (n == 0) t->at_end = true;
    for (ssize_t i = 0; i < n; i++) answers_byte(&t->answers, bytes[i]);
    return n > 0;
}

bool term_input(struct term *t)
{
    while (pump(t, 0)) continue;
    while (answers_ambiguous(&t->answers))
        if (!pump(t, LONE_ESC_MS)) answers_flush(&t->answers);
    if (t->at_end) answers_flush(&t->answers);
    return t->queue_n > 0 || t->at_end;
}

int term_getc(FILE *unused)
{
    (void)unused;
    struct term *t = current;
    if (!t) return EOF;
    while (!term_input(t)) wait_input(t, -1);
    if (t->queue_n == 0) return EOF;
    unsigned char byte = t->queue[t->queue_first];
    t->queue_first = (t->queue_first + 1) % QUEUE_BYTES;
    t->queue_n--;
    return byte;
}

int term_input_available(void) { return current && term_input(current); }

/* -- Asking ---------------------------------------------------------------------------------- */

static void send(const struct term *t, const char *s)
{
    size_t n = strlen(s);
    while (n > 0) {
        ssize_t done = write(t->out_fd, s, n);
        if (done < 0 && errno != EINTR) return;
        if (done > 0) s += done, n -= (size_t)done;
    }
}

static double now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* No echo, no line editing by the kernel. */
static struct termios raw_mode(struct termios mode, bool signals)
{
    mode.c_iflag &= (tcflag_t) ~(ICRNL | INLCR | IGNCR | ISTRIP | IXON);
    mode.c_lflag &= (tcflag_t) ~(ECHO | ICANON | IEXTEN | (signals ? 0 : ISIG));
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    return mode;
}

/* Questions end with DA1, which every terminal answers: its answer ends the wait. */
static void ask(struct term *t, const char *questions)
{
    struct termios before;
    if (!t->can_ask || tcgetattr(t->in_fd, &before) != 0) return;
    struct termios raw = raw_mode(before, false);
    if (tcsetattr(t->in_fd, TCSADRAIN, &raw) != 0) return;
    t->asking = t->waiting = true;
    t->facts.asked = true;
    send(t, questions);
    for (double end = now_ms() + t->timeout_ms; t->waiting && !t->at_end;) {
        int left = (int)(end - now_ms()) + 1;
        if (left <= 0) break;
        if (!pump(t, left) && QUEUE_BYTES - t->queue_n < 2 * ANSWER_BYTES) break;
    }
    t->asking = false;
    tcsetattr(t->in_fd, TCSADRAIN, &before);
    if (t->interrupted) {
        t->interrupted = false;
        raise(SIGINT);
    }
}

static bool same_terminal(int a, int b)
{
    struct stat sa, sb;
    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_rdev == sb.st_rdev;
}

/* Only the foreground job may ask its controlling terminal; others would be stopped. */
static bool may_ask(const struct term *t)
{
    return isatty(t->in_fd) && same_terminal(t->in_fd, t->out_fd) &&
           tcgetpgrp(t->in_fd) == getpgrp();
}

static void find_out(struct term *t, const struct term_options *opt,
                     const char *(*env)(const char *))
{
    struct term_facts *f = &t->facts;
    const char *name = env("TERM");
    bool console = name && !strcmp(name, "linux");
    f->is_tty = !opt->plain && isatty(t->out_fd);
    f->needs_cleaning = isatty(t->out_fd);
    f->is_dumb = !is_set(name) || !strcmp(name, "dumb");
    f->colour = f->is_tty && !f->is_dumb ? find_colour(env) : TERM_COLOUR_NONE;
    t->multiplexed = is_set(env("TMUX")) || is_set(env("STY")) ||
                     (name && (!strncmp(name, "screen", 6) || !strncmp(name, "tmux", 4)));
    t->have_original = isatty(t->in_fd) && tcgetattr(t->in_fd, &t->original) == 0;
    t->can_ask = f->is_tty && !f->is_dumb && !console && may_ask(t);
    read_size(t);
    /* tmux and screen take an APC, kitty's question, for a title */
    static const char questions[] = "\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\"
                                    "\033[>q"          /* name */
                                    "\033[?1;1;0S"     /* colour registers */
                                    "\033[?2;4;0S"     /* largest picture */
                                    "\033[16t\033[14t" /* cell, text area */
                                    "\033]11;?\033\\"  /* background */
                                    "\033[c";
    ask(t, t->multiplexed ? strstr(questions, "\033[>q") : questions);
    decide(t);
}

static const char *from_environment(const char *name) { return getenv(name); }

struct term *term_open(const struct term_options *opt)
{
    static const struct term_options defaults = {.in_fd = 0, .out_fd = 1};
    static bool at_exit;
    if (!opt) opt = &defaults;
    const char *(*env)(const char *) = opt->env ? opt->env : from_environment;
    struct term *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->facts = (struct term_facts){.cols = 80, .rows = 24, .cell_w = 8, .cell_h = 16};
    t->facts.cell_assumed = true;
    t->facts.registers = 256;
    t->facts.max_w = t->facts.max_h = 1000; /* xterm's, the smallest known */
    t->in_fd = opt->in_fd;
    t->out_fd = opt->out_fd;
    bool remote = is_set(env("SSH_TTY")) || is_set(env("SSH_CONNECTION"));
    t->timeout_ms = opt->timeout_ms > 0 ? opt->timeout_ms : remote ? 1000 : 300;
    answers_init(&t->answers, on_typed, on_answer, t);
    strcpy(t->setting, "auto");
    if (opt->graphics) term_set_graphics(t, opt->graphics);
    find_out(t, opt, env);
    current = t;
    if (!at_exit) at_exit = atexit(term_restore) == 0;
    return t;
}

void term_close(struct term *t)
{
    if (!t) return;
    term_quiet_end(t);
    if (current == t) current = NULL;
    free(t);
}

const struct term_facts *term_facts(const struct term *t) { return &t->facts; }

/* -- Changes of size -------------------------------------------------------------------------- */

static void on_size(int sig)
{
    (void)sig;
    size_changed = 1;
}

void term_watch_size(struct term *t)
{
    (void)t;
    struct sigaction action = {.sa_handler = on_size};
    sigemptyset(&action.sa_mask);
    sigaction(SIGWINCH, &action, NULL);
}

bool term_update(struct term *t)
{
    if (!size_changed) return false;
    size_changed = 0;
    struct term_facts before = t->facts;
    t->told_w = t->told_h = t->area_w = t->area_h = 0;
    if (t->facts.answered && may_ask(t)) ask(t, "\033[16t\033[14t\033[c");
    read_size(t);
    bool changed = before.cols != t->facts.cols || before.rows != t->facts.rows ||
                   before.cell_w != t->facts.cell_w || before.cell_h != t->facts.cell_h;
    if (changed) t->facts.generation++;
    return changed;
}

/* -- Quiet while an answer streams ------------------------------------------------------------- */

void term_quiet_begin(struct term *t)
{
    if (!t || t->quiet || !t->facts.is_tty || !may_ask(t)) return;
    if (tcgetattr(t->in_fd, &t->before_quiet) != 0) return;
    struct termios raw = raw_mode(t->before_quiet, true);
    t->quiet = tcsetattr(t->in_fd, TCSADRAIN, &raw) == 0;
}

void term_quiet_end(struct term *t)
{
    if (!t) return;
    if (t->quiet) tcsetattr(t->in_fd, TCSADRAIN, &t->before_quiet);
    t->quiet = false;
}

/* -- Leaving ----------------------------------------------------------------------------------- */

static const int guarded[] = {SIGTERM, SIGHUP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
static struct sigaction guarded_before[sizeof guarded / sizeof *guarded];

void term_restore(void)
{
    struct term *t = current;
    if (!t) return;
    current = NULL;
    if (t->facts.is_tty && !t->facts.is_dumb) send(t, "\033[0m\033[?25h\033[?2004l");
    if (t->have_original && tcgetpgrp(t->in_fd) == getpgrp())
        tcsetattr(t->in_fd, TCSANOW, &t->original);
}

/* Restores, then lets what was there before have the signal: a fault happens again on return. */
static void on_fatal(int sig, siginfo_t *info, void *context)
{
    (void)context;
    term_restore();
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
        if (guarded[i] == sig) sigaction(sig, &guarded_before[i], NULL);
    if (info->si_code <= 0 || sig == SIGTERM || sig == SIGHUP) raise(sig);
}

void term_guard(struct term *t)
{
    (void)t;
    struct sigaction action = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
        sigaction(guarded[i], &action, &guarded_before[i]);
}

/* -- For people -------------------------------------------------------------------------------- */

void term_describe(const struct term *t, FILE *out)
{
    static const char *const graphics[] = {"none", "letters", "half blocks", "sixel"};
    static const char *const colours[] = {"none", "16", "256", "24 bits"};
    const struct term_facts *f = &t->facts;
    fprintf(out, "terminal  %s\n", !f->is_tty ? "none" : f->name[0] ? f->name : "gives no name");
    fprintf(out, "graphics  %s (%s)\n", graphics[f->graphics], f->graphics_why);
    if (!f->is_tty) return;
    fprintf(out, "size      %d x %d cells of %d x %d pixels%s\n", f->cols, f->rows, f->cell_w,
            f->cell_h, f->cell_assumed ? " (assumed: the terminal does not say)" : "");
    fprintf(out, "colours   %s", colours[f->colour]);
    if (f->background_known)
        fprintf(out, ", background #%02x%02x%02x", f->background[0], f->background[1],
                f->background[2]);
    fputc('\n', out);
    if (f->has_sixel)
        fprintf(out, "sixel     %d registers, at most %d x %d pixels\n", f->registers, f->max_w,
                f->max_h);
    if (f->has_kitty) fprintf(out, "kitty     has its graphics protocol (not used yet)\n");
}
