/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "term/term.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "term/clean.h"
#include "term/clipboard.h"
#include "term/clock.h"
#include "term/keys.h"
#include "term/modes.h"

#define SIDE_LIMIT 4096 /* the largest side of a sixel picture, whatever the terminal claims */

struct term {
    struct term_facts facts;
    struct modes modes;
    struct keys keys;
    int timeout_ms;
    char setting[16];
    bool multiplexed; /* we run inside tmux or screen */
    bool asks_outer;  /* replies come from the terminal around tmux */
    bool can_ask;
    struct clipboard *clipboard;        /* being read; NULL: none */
    bool waiting;                       /* questions are open: replies count until DA1's comes */
    int told_w, told_h, area_w, area_h; // pixels of the cell and the text area; 0: no reply
};

/* The open terminal; global, because readline's hooks take no argument. */
static struct term *current;
static atomic_int size_changed, continued; /* set by handlers on any thread */
static int wake[2] = {-1, -1};             /* a pipe that ends term_wait() */

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
    /* blocks consist of colours only */
    if (graphics == TERM_GRAPHICS_BLOCKS && t->facts.colour == TERM_COLOUR_NONE)
        graphics = TERM_GRAPHICS_ASCII;
    t->facts.graphics = graphics;
    t->facts.graphics_why = why;
}

/* Tries the ways of drawing in order; the first that applies wins. */
static void decide(struct term *t)
{
    const char *setting = t->setting;
    if (!t->facts.is_tty)
        choose(t, TERM_GRAPHICS_NONE, "the output is not a terminal, or --plain");
    else if (t->facts.is_accessible)
        choose(t, TERM_GRAPHICS_NONE, "ACCESSIBLE is set");
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
    else if (!strcmp(setting, "kitty"))
        choose(t, TERM_GRAPHICS_KITTY, "set by hand");
    else if (t->facts.through_tmux)
        choose(t, TERM_GRAPHICS_KITTY, "the terminal around tmux has kitty's protocol");
    else if (t->multiplexed)
        choose(t, TERM_GRAPHICS_BLOCKS, "inside tmux or screen");
    else if (t->facts.has_kitty)
        choose(t, TERM_GRAPHICS_KITTY, "the terminal says it has kitty's protocol");
    else if (t->facts.has_sixel)
        choose(t, TERM_GRAPHICS_SIXEL, "the terminal says it has sixel");
    else if (!t->facts.asked)
        choose(t, TERM_GRAPHICS_BLOCKS, "the terminal could not be asked");
    else if (!t->facts.answered)
        choose(t, TERM_GRAPHICS_BLOCKS, "the terminal did not answer in time");
    else
        choose(t, TERM_GRAPHICS_BLOCKS,
               "the terminal says it has neither kitty's protocol nor sixel");
}

int term_set_graphics(struct term *t, const char *setting)
{
    static const char *const known[] = {"auto", "kitty", "sixel", "blocks", "ascii", "none"};
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

/* Reads columns, rows and the cell's size from the best source. Window pixels per cell are rounded
 * down, because xterm's count includes its border. */
static void read_size(struct term *t)
{
    struct term_facts *f = &t->facts;
    struct winsize ws = {0};
    if (ioctl(t->modes.out_fd, TIOCGWINSZ, &ws) != 0) return;
    if (ws.ws_col > 0) f->cols = ws.ws_col;
    if (ws.ws_row > 0) f->rows = ws.ws_row;
    f->cell_assumed = !set_cell(f, t->told_w, t->told_h) &&
                      !set_cell(f, t->area_w / f->cols, t->area_h / f->rows) &&
                      !set_cell(f, ws.ws_xpixel / f->cols, ws.ws_ypixel / f->rows);
    if (f->cell_assumed) set_cell(f, 8, 16);
}

/* -- Answers --------------------------------------------------------------------------------- */

static void take_attributes(struct term *t, const struct terminal_reply *a)
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
static void take_graphics(struct term_facts *f, const struct terminal_reply *a)
{
    const int *v = a->values;
    if (v[1] != 0) return;
    if (v[0] == 1 && a->n_values == 3 && v[2] >= 2) f->registers = v[2];
    if (v[0] == 2 && a->n_values == 4 && v[2] >= 16 && v[3] >= 16) {
        f->max_w = v[2] < SIDE_LIMIT ? v[2] : SIDE_LIMIT;
        f->max_h = v[3] < SIDE_LIMIT ? v[3] : SIDE_LIMIT;
    }
}

static void take_size(struct term *t, const struct terminal_reply *a)
{
    if (a->values[0] == 6) {
        t->told_h = a->values[1];
        t->told_w = a->values[2];
    } else if (a->values[0] == 4) {
        t->area_h = a->values[1];
        t->area_w = a->values[2];
    }
}

/* Whether the name says kitty, version 0.MINOR or newer. */
static bool is_kitty(const char *name, int minor)
{
    int its_major = 0, its_minor = 0;
    return sscanf(name, "kitty(%d.%d", &its_major, &its_minor) == 2 &&
           (its_major > 0 || its_minor >= minor);
}

/* Not every terminal with kitty's protocol knows its placeholder characters (Konsole does not), so
 * those that do are recognised by name. */
static bool knows_placeholders(const char *name)
{
    return !strncmp(name, "ghostty", 7) || is_kitty(name, 28);
}

static void take_outer(struct term *t, const struct terminal_reply *a)
{
    struct term_facts *f = &t->facts;
    if (a->kind == REPLY_KITTY) f->has_kitty = strcmp(a->text, "i=31;OK") == 0;
    if (a->kind == REPLY_NAME) f->through_tmux = f->has_kitty && knows_placeholders(a->text);
    if (a->kind == REPLY_ATTRIBUTES) t->waiting = false;
}

static void on_reply(const struct terminal_reply *a, void *user)
{
    struct term *t = user;
    struct term_facts *f = &t->facts;
    if (!t->waiting) return; /* nobody asked: just keep it from the editor */
    if (t->asks_outer) {
        take_outer(t, a);
        return;
    }
    switch (a->kind) {
    case REPLY_ATTRIBUTES:
        take_attributes(t, a);
        break;
    case REPLY_GRAPHICS:
        take_graphics(f, a);
        break;
    case REPLY_SIZE:
        take_size(t, a);
        break;
    case REPLY_BACKGROUND:
        for (int i = 0; i < 3; i++) f->background[i] = (uint8_t)a->values[i];
        f->background_known = true;
        break;
    case REPLY_KITTY:
        f->has_kitty = strcmp(a->text, "i=31;OK") == 0;
        break;
    case REPLY_NAME: {
        char *name = clean_string(a->text, CLEAN_NAME);
        if (name) snprintf(f->name, sizeof f->name, "%s", name);
        free(name);
        /* xterm sets TERM=xterm, which means 8 colours in terminfo, but has 256 */
        if (!strncmp(f->name, "XTerm(", 6) && f->colour == TERM_COLOUR_16)
            f->colour = TERM_COLOUR_256;
        break;
    }
    case REPLY_OTHER:
        break;
    }
}

/* A reply that nobody asked for, or that is late, is just kept from the editor. */
static void on_clipboard(int byte, void *user)
{
    struct term *t = user;
    if (t->clipboard) clipboard_byte(t->clipboard, byte);
}

/* -- Input ----------------------------------------------------------------------------------- */

/* Ends term_wait, now or the next one; for signal handlers. */
static void wake_wait(void)
{
    int before = errno;
    if (wake[1] >= 0 && write(wake[1], "", 1) < 0) errno = before; /* a full pipe wakes it too */
    errno = before;
}

void term_wait(struct term *t, int also_fd, int timeout_ms)
{
    struct pollfd fds[3] = {{.fd = t->keys.fd, .events = POLLIN},
                            {.fd = wake[0], .events = POLLIN},
                            {.fd = also_fd, .events = POLLIN}};
    char bytes[64];
    if (poll(fds, 3, timeout_ms) > 0 && fds[1].revents)
        while (read(wake[0], bytes, sizeof bytes) > 0) continue;
}

enum term_event term_next(struct term *t) { return keys_next(&t->keys); }

void term_take(struct term *t) { keys_take(&t->keys); }

char *term_take_paste(struct term *t, size_t *ret_n) { return keys_take_paste(&t->keys, ret_n); }

int term_getc(FILE *unused)
{
    (void)unused;
    struct term *t = current;
    if (!t) return EOF;
    enum term_event next;
    while ((next = term_next(t)) == TERM_NOTHING) term_wait(t, -1, -1);
    if (next == TERM_END) return EOF;
    return next == TERM_KEY ? keys_take(&t->keys) : TERM_ABORT_KEY;
}

int term_input_available(void) { return current && term_next(current) == TERM_KEY; }

/* -- Asking ---------------------------------------------------------------------------------- */

/* Waits for the reply to the last question, at most timeout_ms. */
static void await_answers(struct term *t, int timeout_ms)
{
    for (double end = now_ms() + timeout_ms; t->waiting && !t->keys.at_end;) {
        int left = (int)(end - now_ms()) + 1;
        if (left <= 0) break;
        if (!keys_pump(&t->keys, left) && KEYS_QUEUE - t->keys.n < 2 * 4096) break;
    }
}

/* Sends questions and then DA1, which every terminal answers; its reply ends the wait. Sends
 * nothing while earlier questions are open. */
static void ask(struct term *t, const char *questions, int timeout_ms)
{
    if (!t->can_ask || t->waiting || !modes_ask(&t->modes)) return;
    t->keys.signals_now = !t->keys.take_signals;
    t->keys.take_signals = true;
    t->waiting = t->facts.asked = true;
    modes_send(&t->modes, questions);
    await_answers(t, timeout_ms);
    t->keys.take_signals = !t->keys.signals_now;
    t->keys.signals_now = false;
    modes_set(&t->modes, t->modes.mode);
    int signal_number = t->keys.raise;
    t->keys.raise = 0;
    if (signal_number) raise(signal_number);
}

/* Asks the terminal around tmux, if tmux lets the questions through (allow-passthrough). */
static void ask_outer(struct term *t)
{
    static const char questions[] =
        "\033Ptmux;\033\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\033\\\033\\"
        "\033Ptmux;\033\033[>q\033\\"
        "\033Ptmux;\033\033[c\033\\";
    if (t->waiting || !t->facts.answered) return;
    t->asks_outer = true;
    ask(t, questions, t->timeout_ms / 2);
    t->asks_outer = t->waiting = false;
}

bool term_wants_accessible(const char *value) { return is_set(value) && strcmp(value, "0") != 0; }

static void find_out(struct term *t, const struct term_options *opt,
                     const char *(*env)(const char *))
{
    struct term_facts *f = &t->facts;
    const char *name = env("TERM");
    bool console = name && !strcmp(name, "linux");
    bool terminal = isatty(t->modes.out_fd);
    f->is_tty = !opt->plain && terminal;
    f->needs_cleaning = terminal;
    bool dumb = !is_set(name) || !strcmp(name, "dumb");
    f->is_accessible = term_wants_accessible(env("ACCESSIBLE"));
    f->is_dumb = dumb || f->is_accessible;
    f->colour = f->is_tty && !f->is_dumb ? find_colour(env) : TERM_COLOUR_NONE;
    t->multiplexed = is_set(env("TMUX")) || is_set(env("STY")) ||
                     (name && (!strncmp(name, "screen", 6) || !strncmp(name, "tmux", 4)));
    t->modes.may_write = terminal && !dumb;
    t->can_ask = f->is_tty && !dumb && !console && !opt->silent;
    f->knows_osc = t->modes.may_link = f->is_tty && !f->is_dumb && !console;
    read_size(t);
    /* kitty's question is an APC, which tmux and screen take for a title */
    static const char questions[] = "\033_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\033\\"
                                    "\033[>q"          /* name */
                                    "\033[?1;1;0S"     /* colour registers */
                                    "\033[?2;4;0S"     /* largest picture */
                                    "\033[16t\033[14t" /* cell, text area */
                                    "\033]11;?\033\\"  /* background */
                                    "\033[c";
    if (!f->is_dumb)
        ask(t, t->multiplexed ? strstr(questions, "\033[>q") : questions, t->timeout_ms);
    if (!f->is_dumb && is_set(env("TMUX"))) ask_outer(t);
    decide(t);
}

static const char *from_environment(const char *name) { return getenv(name); }

struct term *term_open(const struct term_options *opt)
{
    static const struct term_options defaults = {.in_fd = 0, .out_fd = 1};
    if (!opt) opt = &defaults;
    const char *(*env)(const char *) = opt->env ? opt->env : from_environment;
    struct term *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->facts = (struct term_facts){.cols = 80, .rows = 24, .cell_w = 8, .cell_h = 16};
    t->facts.cell_assumed = true;
    t->facts.registers = 256;
    t->facts.max_w = t->facts.max_h = 1000; /* the smallest known limit, xterm's */
    modes_init(&t->modes, opt->in_fd, opt->out_fd);
    keys_init(&t->keys, opt->in_fd, &t->modes.original, on_reply, on_clipboard, t);
    if (wake[0] < 0 && pipe2(wake, O_CLOEXEC | O_NONBLOCK)) wake[0] = wake[1] = -1;
    bool remote = is_set(env("SSH_TTY")) || is_set(env("SSH_CONNECTION"));
    t->timeout_ms = opt->timeout_ms > 0 ? opt->timeout_ms : remote ? 1000 : 300;
    strcpy(t->setting, "auto");
    if (opt->graphics) term_set_graphics(t, opt->graphics);
    current = t;
    modes_keep(&t->modes);
    find_out(t, opt, env);
    return t;
}

/* Waits for open replies, which would otherwise end up in the shell's line. */
static void drain(struct term *t)
{
    if (!t->waiting || !modes_in_foreground(&t->modes)) return;
    await_answers(t, 2 * t->timeout_ms);
    if (t->waiting) tcflush(t->modes.in_fd, TCIFLUSH);
}

void term_close(struct term *t)
{
    if (!t) return;
    if (t->modes.mode == TERM_USUAL && t->waiting) modes_set(&t->modes, TERM_QUIET);
    drain(t);
    modes_set(&t->modes, TERM_USUAL);
    if (modes_kept() == &t->modes) modes_keep(NULL);
    if (current == t) current = NULL;
    keys_fini(&t->keys);
    free(t);
}

enum term_mode term_mode(struct term *t, enum term_mode mode)
{
    if (!t) return mode;
    enum term_mode before = t->modes.mode;
    t->keys.take_signals = mode == TERM_EDITING;
    modes_set(&t->modes, mode);
    return before;
}

const struct term_facts *term_facts(const struct term *t) { return &t->facts; }

void term_fresh_line(struct term *t)
{
    if (!t) return;
    fflush(stdout); /* what is buffered comes first */
    if (t->modes.may_write) modes_end_styles(&t->modes);
    modes_send(&t->modes, t->modes.may_write ? "\r\n" : "\n");
}

/* A row of blanks ends in the next row, unless it began at the beginning of one. A dumb terminal
 * gets a line end in any case. */
void term_after_others(struct term *t)
{
    struct winsize ws = {0};
    if (!t || !isatty(t->modes.out_fd)) return;
    if (!t->modes.may_write || t->facts.is_dumb) {
        modes_send(&t->modes, "\n");
        return;
    }
    bool known = ioctl(t->modes.out_fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0;
    char *blanks = NULL;
    modes_end_styles(&t->modes);
    if (asprintf(&blanks, "%*s\r\033[K", known ? ws.ws_col : t->facts.cols, "") > 0)
        modes_send(&t->modes, blanks);
    free(blanks);
}

/* -- Changes of size -------------------------------------------------------------------------- */

static void on_size(int sig)
{
    if (sig == SIGCONT)
        continued = 1;
    else
        size_changed = 1;
    wake_wait();
}

void term_watch_size(struct term *t)
{
    (void)t;
    struct sigaction action = {.sa_handler = on_size, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGWINCH, &action, NULL);
    sigaction(SIGCONT, &action, NULL);
}

bool term_update(struct term *t)
{
    bool was_stopped = atomic_exchange(&continued, 0);
    if (!atomic_exchange(&size_changed, 0) && !was_stopped) return false;
    if (was_stopped) modes_set(&t->modes, t->modes.mode); /* the shell has set its own */
    struct term_facts before = t->facts;
    t->told_w = t->told_h = t->area_w = t->area_h = 0;
    if (t->facts.answered) ask(t, "\033[16t\033[14t\033[c", t->timeout_ms);
    read_size(t);
    bool changed = before.cols != t->facts.cols || before.rows != t->facts.rows ||
                   before.cell_w != t->facts.cell_w || before.cell_h != t->facts.cell_h;
    if (changed) t->facts.generation++;
    return changed || was_stopped;
}

/* -- Clipboard --------------------------------------------------------------------------------- */

bool term_copy(struct term *t, const char *text, size_t n)
{
    char *order = t->can_ask ? clipboard_order(text, n) : NULL;
    if (order) modes_send(&t->modes, order);
    free(order);
    return order != NULL;
}

char *term_clipboard(struct term *t, bool (*stopped)(void *user), void *user, size_t *ret_n)
{
    enum { PATIENCE_MS = 1000, PERSON_MS = 30000, SILENCE_MS = 5000, STEP_MS = 50 };
    struct clipboard c = {0};
    const char *name = t->facts.name;
    bool asks_person = !strncmp(name, "kitty", 5) || !strncmp(name, "ghostty", 7);
    if (!t->can_ask || !modes_in_foreground(&t->modes)) return NULL;
    t->clipboard = &c;
    modes_send(&t->modes,
               clipboard_question(is_kitty(name, 27))); /* since 0.27 kitty hands out pictures */
    double latest = now_ms();
    while (!c.over && !t->keys.at_end && !stopped(user)) {
        if (keys_pump(&t->keys, STEP_MS) && c.begun) latest = now_ms();
        int patience = c.begun ? SILENCE_MS : asks_person ? PERSON_MS : PATIENCE_MS;
        if (now_ms() - latest > patience) break;
    }
    t->clipboard = NULL;
    char *bytes = c.over && !c.refused && c.n ? c.bytes : NULL;
    if (bytes) c.bytes = NULL;
    *ret_n = c.n;
    clipboard_free(&c);
    return bytes;
}

/* -- For people -------------------------------------------------------------------------------- */

void term_describe(const struct term *t, FILE *out)
{
    static const char *const graphics[] = {[TERM_GRAPHICS_NONE] = "none",
                                           [TERM_GRAPHICS_ASCII] = "letters",
                                           [TERM_GRAPHICS_BLOCKS] = "half blocks",
                                           [TERM_GRAPHICS_SIXEL] = "sixel",
                                           [TERM_GRAPHICS_KITTY] = "kitty's protocol"};
    static const char *const colours[] = {"none", "16", "256", "24 bits"};
    const struct term_facts *f = &t->facts;
    fprintf(out, "terminal  %s\n", !f->is_tty ? "none" : f->name[0] ? f->name : "gives no name");
    fprintf(out, "graphics  %s (%s)\n", graphics[f->graphics], f->graphics_why);
    if (!f->is_tty) return;
    fprintf(out, "size      %d x %d cells of %d x %d pixels%s\n", f->cols, f->rows, f->cell_w,
            f->cell_h, f->cell_assumed ? " (assumed: the terminal does not tell)" : "");
    fprintf(out, "colours   %s", colours[f->colour]);
    if (f->background_known)
        fprintf(out, ", background #%02x%02x%02x", f->background[0], f->background[1],
                f->background[2]);
    fputc('\n', out);
    if (f->has_sixel)
        fprintf(out, "sixel     %d registers, at most %d x %d pixels\n", f->registers, f->max_w,
                f->max_h);
}
