/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a terminal is told besides text: prompts, links, the bell. And ACCESSIBLE, with which it is
 * told nothing but lines, one behind the other. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"
#include "golden.h"

static struct pty *start(const char *const *env)
{
    return pty_start_notebook(&(struct pty_options){.env = env, .cols = 200});
}

static void prompts(void)
{
    struct pty *p = start(NULL);
    pty_type(p, "Hello\r");
    tap_ok(pty_expect(p, "\033]133;C\033\\") && pty_expect(p, "Out[1]:") &&
               pty_expect(p, "\033]133;D;0\033\\") && pty_expect(p, "\033]133;A") &&
               pty_expect(p, "In [2]: ") && pty_expect(p, "\033]133;B\033\\"),
           "a prompt, what was sent, what came of it, the next prompt");
    pty_type(p, ":nonsense\r");
    tap_ok(pty_expect(p, "\033]133;C\033\\") && pty_expect(p, "\033]133;D;1\033\\"),
           "what failed is told apart");
    tap_ok(pty_leave(p) == 0, "the end");
}

static void links(void)
{
    char line[600];
    struct pty *p = start(NULL);
    snprintf(line, sizeof line, ":load %s\r", drive_golden("images/tiny_97x61.png"));
    pty_type(p, line);
    tap_ok(pty_expect(p, "\033]8;;file://") && pty_expect(p, "/tiny_97x61.png\033\\") &&
               pty_expect(p, "PNG 97x61"),
           "a picture's name leads to it");
    pty_type(p, "What?\r");
    pty_expect(p, "Out[1]:");
    snprintf(line, sizeof line, ":save \"%s\"\r", drive_file("with blanks.md"));
    pty_type(p, line);
    tap_ok(pty_expect(p, "with%20blanks.md\033\\") && pty_expect(p, "with blanks.md"),
           "and so does that of a notebook");
    tap_ok(pty_leave(p) == 0, "the end");
}

static void bells(void)
{
    struct pty *p = start(NULL);
    pty_type(p, "Hello\r");
    pty_expect(p, "In [2]:");
    tap_ok(!strchr(pty_bytes(p), '\a'), "a quick answer rings no bell");
    pty_type(p, ":set bell 0.000001\rHello\r");
    tap_ok(pty_expect(p, "\a"), "one that takes longer than was said does");
    pty_expect(p, "In [3]:");
    pty_type(p, "!true\r");
    tap_ok(pty_expect(p, "\a"), "whatever it is");
    pty_type(p, ":set bell 0\r");
    pty_expect(p, "In [3]:");
    pty_type(p, "Again\r");
    tap_ok(pty_expect(p, "Out[3]:") && !pty_came(p, "\a"), "none with 0");
    tap_ok(pty_leave(p) == 0, "the end");
}

/* Nothing but text, line ends and the two switches of pasting; no way back but at the beginning of
 * a line. */
static bool only_appends(const char *bytes)
{
    char before = '\n';
    for (const char *p = bytes; *p; p++) {
        bool back = *p == '\r' && p[strspn(p, "\r")] != '\n' && before != '\n';
        if (!strncmp(p, "\033[?2004", 7)) {
            p += 7;
            continue;
        }
        if (*p == '\033' || *p == '\b' || back) {
            tap_note("a way back: byte %d", *p);
            return false;
        }
        before = *p;
    }
    return true;
}

static void accessible(void)
{
    char line[600];
    struct pty *p = start((const char *const[]){"ACCESSIBLE=1", NULL});
    snprintf(line, sizeof line, ":load %s\r", drive_golden("images/tiny_97x61.png"));
    pty_type(p, line);
    tap_ok(pty_expect(p, "PNG 97x61") && pty_sees(p, "In [1] @1:"), "a picture is told");
    pty_type(p, "What is it?\r");
    tap_ok(pty_expect(p, "Out[1]: [@1 tiny_97x61.png, 97x61] "),
           "by name and size beside the answer");
    pty_expect(p, "In [2]:");
    pty_type(p, ":alt\r:show @1 model\r:help keys\r");
    pty_expect(p, "Ctrl-X");
    pty_expect(p, "In [2]:");
    pty_type(p, "\033[200~two\nlines\033[201~\r");
    tap_ok(pty_expect(p, "Out[2]:") && pty_expect(p, "In [3]:"), "a paste stays one cell");
    tap_ok(only_appends(pty_bytes(p)), "and all that came was appended");
    tap_ok(pty_leave(p) == 0, "the end");
    p = start((const char *const[]){"ACCESSIBLE=0", NULL});
    tap_ok(pty_expect(p, "") && !only_appends(pty_bytes(p)), "0 is no");
    tap_ok(pty_leave(p) == 0, "the end");
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    prompts();
    links();
    bells();
    accessible();
    return drive_done();
}
