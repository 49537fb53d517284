/* SPDX-License-Identifier: GPL-3.0-or-later
 * term/terminal_replies and term/term: replies of real terminals, in any pieces, late, torn and
 * among typed keys; and what is decided from them. The terminal is a pseudo-terminal that this test
 * answers for. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "term/terminal_replies.h"
#include "term/clipboard.h"
#include "term/term.h"

/* -- The parser ------------------------------------------------------------------------------- */

struct heard {
    char typed[4096];
    size_t n_typed;
    bool pasting;
    struct terminal_reply answers[16];
    int n_answers;
};

static void on_typed(unsigned char byte, void *user)
{
    struct heard *h = user;
    if (h->n_typed < sizeof h->typed - 1) h->typed[h->n_typed++] = (char)byte;
}

/* Pastes come between < and >. */
static void on_pasted(int byte, void *user)
{
    struct heard *h = user;
    if (!h->pasting) on_typed('<', user);
    h->pasting = byte >= 0;
    on_typed(byte < 0 ? '>' : (unsigned char)byte, user);
}

static void on_reply(const struct terminal_reply *a, void *user)
{
    struct heard *h = user;
    assert_true(h->n_answers < 16);
    h->answers[h->n_answers++] = *a;
}

static struct heard hear(const char *bytes, size_t n, bool flush)
{
    struct heard h = {.n_typed = 0};
    struct terminal_replies p;
    terminal_replies_init(&p, on_typed, on_pasted, on_reply, &h);
    for (size_t i = 0; i < n; i++) terminal_replies_byte(&p, (unsigned char)bytes[i]);
    if (flush && terminal_replies_ambiguous(&p)) terminal_replies_flush(&p);
    return h;
}

#define HEAR(s) hear(s, sizeof s - 1, true)

static void test_answers(void **state)
{
    (void)state;
    struct heard h =
        HEAR("\033_Gi=31;OK\033\\\033P>|kitty(0.26.5)\033\\\033[?1;0;1024S\033[?2;0;1000;900S"
             "\033[6;20;9t\033[4;480;720t\033]11;rgb:ffff/8000/0000\033\\"
             "\033]11;rgb:11/22/33\a\033[?62;4;22c");
    assert_int_equal(h.n_typed, 0);
    static const enum terminal_reply_kind kinds[] = {
        REPLY_KITTY, REPLY_NAME,       REPLY_GRAPHICS,   REPLY_GRAPHICS,  REPLY_SIZE,
        REPLY_SIZE,  REPLY_BACKGROUND, REPLY_BACKGROUND, REPLY_ATTRIBUTES};
    assert_int_equal(h.n_answers, 9);
    for (int i = 0; i < 9; i++) assert_int_equal(h.answers[i].kind, kinds[i]);
    assert_string_equal(h.answers[0].text, "i=31;OK");
    assert_string_equal(h.answers[1].text, "kitty(0.26.5)");
    assert_int_equal(h.answers[3].values[3], 900);
    assert_int_equal(h.answers[4].values[1], 20);
    assert_int_equal(h.answers[6].values[0], 255);
    assert_int_equal(h.answers[6].values[1], 128);
    assert_int_equal(h.answers[7].values[2], 0x33);
    assert_int_equal(h.answers[8].n_values, 3);
    assert_int_equal(h.answers[8].values[1], 4);
}

/* Keys, and what only begins like an answer, come out as they came in. */
static void test_typed(void **state)
{
    (void)state;
    static const char *const typed[] = {
        "hello\r",         "\033",         "\033[A",
        "\033[1;5C",       "\033[6~",      "\033[4~",
        "\033[8~",         "\033OP",       "\033P",
        "\033]",           "\033_",        "\033p",
        "\033[",           "\033[6",       "\033[1;2R",
        "\033\033[A",      "\033[?x",      "\033[6;5~",
        "\033P\r",         "\033]x\033[D", "\033[20~\033[2~\033[200;1~",
        "\303\244\033[3~", "\033[?1\033[B"};
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
        struct heard h = hear(typed[i], strlen(typed[i]), true);
        assert_string_equal(h.typed, typed[i]);
        assert_int_equal(h.n_answers, 0);
    }
}

static void test_mixed(void **state)
{
    (void)state;
    struct heard h = HEAR("ab\033[?62;4ccd\033[A\033]11;rgb:0/0/0\033\\e");
    assert_string_equal(h.typed, "abcd\033[Ae");
    assert_int_equal(h.n_answers, 2);
    h = HEAR("\033[200~x\033[201~\033[?62c"); /* the paste is over: an answer again */
    assert_int_equal(h.n_answers, 1);
    assert_string_equal(h.typed, "<x>");
    h = HEAR("a\033[200~b\033[?64;4cc\033[A\033[20\033[201\033[201~d\033[201~e");
    assert_string_equal(h.typed, "a<b\033[?64;4cc\033[A\033[20\033[201>d\033[201~e");
    assert_int_equal(h.n_answers, 0);
    h = HEAR("\033]lowned\033\\\033P1+r\033\\"); /* a title report, a capability */
    assert_int_equal(h.n_answers, 2);
    assert_int_equal(h.answers[0].kind, REPLY_OTHER);
    assert_int_equal(h.n_typed, 0);
    h = HEAR("\033[\033[?62;4c"); /* torn, then whole */
    assert_int_equal(h.n_answers, 1);
    assert_string_equal(h.typed, "\033[");
}

/* Absurd numbers and endless strings: nothing is lost or read wrongly. */
static void test_garbage(void **state)
{
    (void)state;
    char many[2000] = "\033[?";
    for (int i = 0; i < 100; i++) strcat(many, "9;");
    strcat(many, "4c");
    struct heard h = hear(many, strlen(many), true);
    assert_int_equal(h.n_answers, 1);
    assert_int_equal(h.answers[0].n_values, REPLY_VALUES);
    h = HEAR("\033[?99999999999999999999c");
    assert_in_range(h.answers[0].values[0], 0, 99999);
    memset(many, 'x', sizeof many);
    memcpy(many, "\033P>|", 4);
    h = hear(many, sizeof many, true);
    assert_int_equal(h.n_answers, 0);
    assert_int_equal(h.n_typed, sizeof many);
    uint32_t random = 3;
    for (int round = 0; round < 3000; round++) {
        static const char letters[] = "\033\033\033[]P_?>GcStR;;4680123\\\a~x";
        char in[40];
        for (size_t i = 0; i < sizeof in; i++) {
            random = random * 1664525 + 1013904223;
            in[i] = letters[(random >> 16) % (sizeof letters - 1)];
        }
        h = hear(in, sizeof in, false);
        assert_true(h.n_typed <= sizeof in);
        if (h.n_answers == 0) assert_memory_equal(h.typed, in, h.n_typed);
    }
}

/* -- Clipboard -------------------------------------------------------------------------------- */

static void ignore_byte(unsigned char byte, void *user) { (void)byte, (void)user; }

static void on_clipboard(int byte, void *user) { clipboard_byte(user, byte); }

static void answers_of_clipboard(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *holds; /* NULL: refused */
    } table[] = {
        {"\033]52;c;aGVsbG8=\033\\", "hello"},
        {"\033]52;c;aGVsbG8\a", "hello"}, /* no padding */
        {"\033]52;;aGVsbG8h\a", "hello!"},
        {"\033]52;c;aGk=\033\\", "hi"},
        {"\033]52;c;\033\\", ""},
        {"\033]52;c;a\033\\", NULL},
        {"\033]52;c;%%%%\033\\", NULL},
        {"\033]52;c\033\\", NULL},
        {"\033]52;c;aGVs\033[A", NULL}, /* cut off by a key */
        {"\033]5522;type=read:status=OK\033\\"
         "\033]5522;type=read:status=DATA:mime=aW1hZ2UvcG5n;aGVs\033\\"
         "\033]5522;type=read:status=DATA:mime=aW1hZ2UvcG5n;bG8=\033\\"
         "\033]5522;type=read:status=DATA:mime=dGV4dC9wbGFpbg==;eHh4\033\\"
         "\033]5522;type=read:status=DONE\033\\",
         "hello"},
        {"\033]5522;type=read:status=EPERM\033\\", NULL},
        {"\033]5522;type=read:status=DONE\033\\", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct clipboard c = {0};
        struct terminal_replies p;
        const char *bytes = table[i].bytes;
        terminal_replies_init(&p, ignore_byte, on_pasted, on_reply, &c);
        p.on_clipboard = on_clipboard;
        for (; *bytes; bytes++) terminal_replies_byte(&p, (unsigned char)*bytes);
        assert_true(c.over);
        assert_int_equal(c.refused, !table[i].holds);
        if (table[i].holds) assert_int_equal(c.n, strlen(table[i].holds));
        if (c.n) assert_memory_equal(c.bytes, table[i].holds, c.n);
        clipboard_free(&c);
    }
    /* Nobody asked: none of it is text, and what comes behind it is. */
    struct heard h = HEAR("\033]52;c;aGVsbG8=\033\\a\033]5522;x\ab\033]52;c;aGVs\rc");
    assert_string_equal(h.typed, "ab\rc");
    char *order = clipboard_order("hello", 5);
    assert_string_equal(order, "\033]52;c;aGVsbG8=\033\\");
    free(order);
}

/* -- A terminal that answers ------------------------------------------------------------------ */

struct scene {
    const char *env[8]; /* NAME=VALUE */
    const char *answers;
    const char *outer; /* of the terminal around tmux, where it is let through */
    int delay_ms;      /* before the answers */
    const char *later; /* sent when the child reads keys */
    const char *setting;
    bool no_size;
    bool own_timeout; /* not a generous one, for busy machines */
};

struct report {
    struct term_facts facts;
    double seconds;
    char keys[64];
    char description[600];
};

static void set_environment(const struct scene *scene)
{
    static const char *const names[] = {"TERM", "NO_COLOR", "COLORTERM",     "TMUX",
                                        "STY",  "SSH_TTY",  "SSH_CONNECTION"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
    for (int i = 0; scene->env[i]; i++) putenv((char *)scene->env[i]);
}

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* In the child: asks, reads keys up to '.', reports through the pipe. */
static void run_child(const struct scene *scene, int report_fd)
{
    struct report r = {.seconds = now_s()};
    set_environment(scene);
    struct term_options opt = {.in_fd = 0, .out_fd = 1, .graphics = scene->setting};
    if (!scene->own_timeout) opt.timeout_ms = 5000;
    struct term *t = term_open(&opt);
    if (!t) _exit(1);
    r.seconds = now_s() - r.seconds;
    r.facts = *term_facts(t);
    FILE *text = fmemopen(r.description, sizeof r.description, "w");
    if (!text) _exit(1);
    term_describe(t, text);
    fclose(text);
    r.facts.graphics_why = NULL;
    if (write(1, "\033[5n", 4) != 4) _exit(1); /* "now send what comes later" */
    term_mode(t, TERM_QUIET);
    for (size_t n = 0; n < sizeof r.keys - 1;) {
        int byte = term_getc(NULL);
        if (byte == EOF) break;
        r.keys[n++] = (char)byte;
        if (byte == '.') break;
    }
    term_mode(t, TERM_USUAL);
    if (r.facts.answered == false) r.facts.has_sixel = term_facts(t)->has_sixel; /* came late */
    term_close(t);
    if (write(report_fd, &r, sizeof r) != sizeof r) _exit(1);
    _exit(0);
}

static char seen[4096]; /* by the last wait_for() */

/* Waits for `wanted` in what the child writes. */
static bool wait_for(int fd, const char *wanted)
{
    size_t n = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (n < sizeof seen - 1 && poll(&p, 1, 5000) > 0) {
        ssize_t got = read(fd, seen + n, 1); /* byte by byte: nothing behind `wanted` is lost */
        if (got <= 0) return false;
        seen[++n] = 0;
        if (n >= strlen(wanted) && !strcmp(seen + n - strlen(wanted), wanted)) return true;
    }
    return false;
}

static struct report play(const struct scene *scene)
{
    int master, report_fd[2];
    struct report r;
    struct winsize size = {.ws_col = 100, .ws_row = 40};
    if (!scene->no_size) size.ws_xpixel = 604, size.ws_ypixel = 524; /* xterm's border */
    assert_int_equal(pipe(report_fd), 0);
    pid_t pid = forkpty(&master, NULL, NULL, &size);
    assert_true(pid >= 0);
    if (pid == 0) run_child(scene, report_fd[1]);
    close(report_fd[1]);
    if (scene->answers && wait_for(master, "\033[c")) {
        bool in_tmux = scene->env[1] && !strncmp(scene->env[1], "TMUX=", 5);
        assert_int_equal(!strstr(seen, "\033_"), in_tmux); /* where an APC would be a title */
        usleep((useconds_t)scene->delay_ms * 1000);
        assert_true(write(master, scene->answers, strlen(scene->answers)) > 0);
    }
    if (scene->outer) {
        assert_true(wait_for(master, "\033Ptmux;\033\033[c\033\\"));
        assert_true(write(master, scene->outer, strlen(scene->outer)) > 0);
    }
    assert_true(wait_for(master, "\033[5n"));
    usleep(20000);
    assert_true(write(master, scene->later, strlen(scene->later)) > 0);
    assert_int_equal(read(report_fd[0], &r, sizeof r), sizeof r);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    close(master);
    close(report_fd[0]);
    return r;
}

static void test_xterm(void **state)
{
    (void)state;
    struct report r = play(&(struct scene){
        .env = {"TERM=xterm"},
        .answers = "\033P>|XTerm(379)\033\\\033[?1;0;1024S\033[?2;0;1000;800S\033]11;rgb:ffff/ffff/"
                   "ffff\033\\\033[?63;1;2;4;6;9;15;16;22;28c",
        .later = "ok."});
    assert_int_equal(r.facts.graphics, TERM_GRAPHICS_SIXEL);
    assert_int_equal(r.facts.registers, 1024);
    assert_int_equal(r.facts.max_w, 1000);
    assert_int_equal(r.facts.max_h, 800);
    assert_int_equal(r.facts.cell_w, 6);
    assert_int_equal(r.facts.cell_h, 13);
    assert_int_equal(r.facts.cols, 100);
    assert_int_equal(r.facts.background[1], 255);
    assert_int_equal(r.facts.colour, TERM_COLOUR_256);
    assert_string_equal(r.facts.name, "XTerm(379)");
    assert_non_null(strstr(r.description, "graphics  sixel ("));
    assert_string_equal(r.keys, "ok.");
    assert_true(r.seconds < 4); /* does not wait for the timeout */
}

static void test_no_sixel(void **state)
{
    (void)state;
    static const char *const answers[] = {"\033[?1;3;0S\033[?2;3;0S\033[?64;1;2;6;9;15;41;42;14c",
                                          "\033[?62c", "\033_Gi=31;OK\033\\\033[6;20;9t\033[?62;c"};
    for (int i = 0; i < 3; i++) {
        struct report r = play(
            &(struct scene){.env = {"TERM=xterm-256color"}, .answers = answers[i], .later = "."});
        assert_int_equal(r.facts.graphics, i == 2 ? TERM_GRAPHICS_KITTY : TERM_GRAPHICS_BLOCKS);
        assert_non_null(strstr(r.description, i == 2 ? "graphics  kitty's protocol ("
                                                     : "graphics  half blocks ("));
        assert_true(r.facts.answered);
        assert_int_equal(r.facts.registers, 256);
        assert_int_equal(r.facts.has_kitty, i == 2);
        assert_int_equal(r.facts.cell_h, i == 2 ? 20 : 13);
    }
}

/* Pictures go past tmux where the terminal around it knows how, and tmux lets them. */
static void test_tmux_in_kitty(void **state)
{
    (void)state;
    static const struct {
        const char *outer;
        bool through;
    } table[] = {
        {"\033_Gi=31;OK\033\\\033P>|kitty(0.35.2)\033\\\033[?62;c", true},
        {"\033_Gi=31;OK\033\\\033P>|ghostty 1.1\033\\\033[?62;22c", true},
        {"\033_Gi=31;OK\033\\\033P>|kitty(0.26.5)\033\\\033[?62;c", false},
        {"\033_Gi=31;OK\033\\\033P>|Konsole 23\033\\\033[?62;4c", false},
        {"\033P>|kitty(0.35.2)\033\\\033[?62;c", false},
        {NULL, false}, /* allow-passthrough is off */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct report r = play(&(struct scene){.env = {"TERM=tmux-256color", "TMUX=/x,1,0"},
                                               .answers = "\033P>|tmux 3.4\033\\\033[?1;2c",
                                               .outer = table[i].outer,
                                               .own_timeout = !table[i].outer,
                                               .later = "ok."});
        assert_int_equal(r.facts.through_tmux, table[i].through);
        assert_int_equal(r.facts.graphics,
                         table[i].through ? TERM_GRAPHICS_KITTY : TERM_GRAPHICS_BLOCKS);
        assert_string_equal(r.facts.name, "tmux 3.4");
        assert_false(r.facts.has_sixel);
        assert_string_equal(r.keys, "ok.");
    }
}

/* mlterm answers item 1 when asked for item 2. */
static void test_mlterm(void **state)
{
    (void)state;
    struct report r = play(&(struct scene){
        .env = {"TERM=mlterm"},
        .answers = "\033[?1;0;1024S\033[?1;3;0S\033[6;19;10t\033[4;760;1000t\033[?63;1;4c",
        .later = "."});
    assert_int_equal(r.facts.registers, 1024);
    assert_int_equal(r.facts.max_w, 1000);
    assert_int_equal(r.facts.cell_w, 10);
    assert_int_equal(r.facts.cell_h, 19);
    assert_int_equal(r.facts.colour, TERM_COLOUR_16);
}

static void test_cell_from_area(void **state)
{
    (void)state;
    struct report r = play(&(struct scene){.env = {"TERM=xterm"},
                                           .answers = "\033[4;640;900t\033[?62c",
                                           .later = ".",
                                           .no_size = true});
    assert_int_equal(r.facts.cell_w, 9);
    assert_int_equal(r.facts.cell_h, 16);
    assert_false(r.facts.cell_assumed);
    r = play(&(struct scene){.env = {"TERM=xterm"},
                             .answers = "\033[6;0;99999t\033[?62c",
                             .later = ".",
                             .no_size = true});
    assert_int_equal(r.facts.cell_w, 8);
    assert_true(r.facts.cell_assumed);
}

static void test_typed_while_asking(void **state)
{
    (void)state;
    struct report r = play(
        &(struct scene){.env = {"TERM=xterm"}, .answers = "ab\033[?62;4cc\033[A", .later = "d."});
    assert_string_equal(r.keys, "abc\033[Ad.");
    assert_int_equal(r.facts.graphics, TERM_GRAPHICS_SIXEL);
}

static void test_silence_and_late_answers(void **state)
{
    (void)state;
    struct report r =
        play(&(struct scene){.env = {"TERM=xterm"},
                             .own_timeout = true,
                             .later = "x\033[?1;0;256S\033]11;rgb:0/0/0\033\\y\033[?62;4cz."});
    assert_false(r.facts.answered);
    assert_int_equal(r.facts.graphics, TERM_GRAPHICS_BLOCKS);
    assert_true(r.seconds > 0.25 && r.seconds < 4);
    assert_string_equal(r.keys, "xyz.");
    assert_true(r.facts.has_sixel); /* learnt when it came */
}

static void test_over_ssh(void **state)
{
    (void)state;
    struct report r = play(&(struct scene){.env = {"TERM=xterm", "SSH_TTY=/dev/pts/0"},
                                           .answers = "\033[?62;4c",
                                           .delay_ms = 500,
                                           .own_timeout = true,
                                           .later = "."});
    assert_int_equal(r.facts.graphics, TERM_GRAPHICS_SIXEL);
}

static void test_decisions(void **state)
{
    (void)state;
    static const char sixel[] = "\033[?62;4c";
    static const struct {
        struct scene scene;
        enum term_graphics graphics;
        enum term_colour colour;
        bool asked;
    } cases[] = {
        {{.env = {"TERM=dumb"}}, TERM_GRAPHICS_NONE, TERM_COLOUR_NONE, false},
        {{.env = {"TERM="}}, TERM_GRAPHICS_NONE, TERM_COLOUR_NONE, false},
        {{.env = {NULL}}, TERM_GRAPHICS_NONE, TERM_COLOUR_NONE, false},
        {{.env = {"TERM=linux"}}, TERM_GRAPHICS_BLOCKS, TERM_COLOUR_16, false},
        {{.env = {"TERM=xterm"}, .answers = sixel, .setting = "blocks"},
         TERM_GRAPHICS_BLOCKS,
         TERM_COLOUR_16,
         true},
        {{.env = {"TERM=xterm"}, .answers = "\033[?1c", .setting = "sixel"},
         TERM_GRAPHICS_SIXEL,
         TERM_COLOUR_16,
         true},
        {{.env = {"TERM=xterm", "NO_COLOR=1"}, .answers = sixel},
         TERM_GRAPHICS_SIXEL,
         TERM_COLOUR_NONE,
         true},
        {{.env = {"TERM=xterm", "NO_COLOR=1"}, .answers = "\033[?1c"},
         TERM_GRAPHICS_ASCII,
         TERM_COLOUR_NONE,
         true},
        {{.env = {"TERM=xterm", "NO_COLOR="}, .answers = "\033[?1c"},
         TERM_GRAPHICS_BLOCKS,
         TERM_COLOUR_16,
         true},
        {{.env = {"TERM=xterm", "COLORTERM=truecolor"}, .answers = "\033[?1c"},
         TERM_GRAPHICS_BLOCKS,
         TERM_COLOUR_RGB,
         true},
        {{.env = {"TERM=tmux-256color", "TMUX=x"}, .answers = "\033[?1;2;4c"},
         TERM_GRAPHICS_BLOCKS,
         TERM_COLOUR_256,
         true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene scene = cases[i].scene;
        scene.later = ".";
        struct report r = play(&scene);
        assert_int_equal(r.facts.graphics, cases[i].graphics);
        assert_int_equal(r.facts.colour, cases[i].colour);
        assert_int_equal(r.facts.asked, cases[i].asked);
    }
}

/* A signal that ends the program leaves the terminal as it was. */
static void test_restore(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGHUP};
    for (int i = 0; i < 2; i++) {
        int master;
        struct winsize size = {.ws_col = 80, .ws_row = 24};
        struct termios before = {0}, after = {0};
        pid_t pid = forkpty(&master, NULL, NULL, &size);
        if (pid == 0) {
            signal(signals[i], SIG_DFL); /* nohup, for one, would have it ignored */
            set_environment(&(struct scene){.env = {"TERM=linux"}});
            struct term *t = term_open(NULL);
            term_guard(t);
            term_mode(t, TERM_QUIET);
            if (write(1, "ready", 5) == 5) pause();
            _exit(1);
        }
        tcgetattr(master, &before);
        assert_true(wait_for(master, "ready"));
        tcgetattr(master, &after);
        assert_false(after.c_lflag & ECHO);
        kill(pid, signals[i]);
        assert_true(wait_for(master, "\033[0m\033[?25h\033[?2004l"));
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == signals[i]);
        tcgetattr(master, &after);
        assert_int_equal(after.c_lflag, before.c_lflag);
        assert_int_equal(after.c_iflag, before.c_iflag);
        close(master);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_typed),
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(answers_of_clipboard),
        cmocka_unit_test(test_tmux_in_kitty),
        cmocka_unit_test(test_xterm),
        cmocka_unit_test(test_no_sixel),
        cmocka_unit_test(test_mlterm),
        cmocka_unit_test(test_cell_from_area),
        cmocka_unit_test(test_typed_while_asking),
        cmocka_unit_test(test_silence_and_late_answers),
        cmocka_unit_test(test_over_ssh),
        cmocka_unit_test(test_decisions),
        cmocka_unit_test(test_restore),
    };
    return cmocka_run_group_tests_name("term", tests, NULL, NULL);
}
