/* SPDX-License-Identifier: GPL-3.0-or-later
 * The desktop around the notebook: the clipboard through helpers and through the terminal, folders
 * in which pictures appear. The helpers are scripts of the test's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "drive.h"
#include "golden.h"

static char path[1000]; // "PATH=…": the helpers alone

/* A helper that gives `kinds` and, for one of them, the bytes of a file. */
static void make_helper(const char *name, const char *kinds, const char *file)
{
    char script[2000];
    snprintf(script, sizeof script,
             "#!/bin/sh\nfor last; do :; done\ncase $last in\n"
             "TARGETS | --list-types) printf '%s' ;;\n*) exec /bin/cat '%s' ;;\nesac\n",
             kinds, file);
    char relative[100];
    snprintf(relative, sizeof relative, "bin/%s", name);
    chmod(drive_write(relative, script), 0755);
}

static void remove_helper(const char *name)
{
    char relative[100];
    snprintf(relative, sizeof relative, "bin/%s", name);
    unlink(drive_file(relative));
}

static struct pty *start(const char *display)
{
    const char *env[] = {path, "DISPLAY", "WAYLAND_DISPLAY", display, NULL};
    return pty_start_notebook(&(struct pty_options){.env = env, .cols = 200});
}

/* -- :paste ----------------------------------------------------------------------------------- */

static void paste_picture(const char *display, const char *helper)
{
    make_helper(helper, "text/plain\\nimage/png\\n", drive_golden("images/tiny_97x61.png"));
    struct pty *p = start(display);
    pty_type(p, ":paste as shot\r");
    tap_ok(pty_expect(p, "PNG 97x61") && pty_sees(p, "In [1] @shot:"), "%s: a picture is staged",
           helper);
    pty_type(p, "What?\r");
    pty_expect(p, "Out[1]:");
    pty_type(p, ":save pasted.ipynb\r");
    pty_expect(p, "cell to ");
    char *file = drive_read("pasted.ipynb");
    tap_ok(file && strstr(file, "/pasted/") && strstr(file, ":load "),
           "and the notebook says where it is kept");
    if (file) unlink("pasted.ipynb");
    free(file);
    pty_type(p, ":q\r");
    pty_end(p);
    remove_helper(helper);
}

static void paste_names(void)
{
    char list[600];
    struct pty *p;
    snprintf(list, sizeof list, "copy\nfile://%s\r\n", drive_golden("images/tiny_97x61.png"));
    make_helper("xclip", "TARGETS\\ntext/uri-list\\n", drive_write("uris", list));
    p = start("DISPLAY=:9");
    pty_type(p, ":paste\r");
    tap_ok(pty_expect(p, "PNG 97x61") && pty_sees(p, "In [1] @1:"), "a file that was copied");
    make_helper("xclip", "UTF8_STRING\\n", drive_write("words", "notes about /etc/passwd\n"));
    pty_type(p, ":paste\r");
    tap_ok(pty_expect(p, "holds text, not a picture"), "text is not loaded");
    make_helper("xclip", "image/png\\n", drive_write("words", "GIF89a\033]0;x\007\033[31m"));
    pty_type(p, ":paste\r");
    tap_ok(pty_expect(p, "gif") && pty_sees(p, "In [1] @1:"), "nor what only says it is a picture");
    make_helper("xclip", "", "/dev/null");
    pty_type(p, ":paste\r");
    tap_ok(pty_expect(p, "holds neither"), "an empty clipboard is told");
    tap_ok(pty_leave(p) == 0, "the end");
    remove_helper("xclip");
}

static void paste_waits(void)
{
    chmod(drive_write("bin/xclip", "#!/bin/sh\nexec /bin/sleep 30\n"), 0755);
    struct pty *p = start("DISPLAY=:9");
    pty_type(p, ":paste\r");
    pty_wait(p, 300);
    pty_type(p, "\003");
    tap_ok(pty_expect(p, "(cancelled"), "Ctrl-C ends a helper that does not answer");
    remove_helper("xclip");
    pty_type(p, ":paste\r");
    tap_ok(pty_expect(p, "apt install xclip"), "a missing helper is named");
    tap_ok(pty_leave(p) == 0, "the end");
    p = start("WAYLAND_DISPLAY=wayland-9");
    pty_type(p, ":paste\r");
    tap_ok(pty_expect(p, "apt install wl-clipboard"), "that of Wayland, too");
    tap_ok(pty_leave(p) == 0, "the end");
}

/* As a terminal answers: the text in base64. */
static void answer_clipboard(struct pty *p, const char *text)
{
    char line[2000] = "\033]52;c;";
    EVP_EncodeBlock((unsigned char *)line + strlen(line), (const unsigned char *)text,
                    (int)strlen(text));
    strcat(line, "\033\\");
    pty_type(p, line);
}

static void paste_from_terminal(void)
{
    struct pty *p = start(NULL);
    pty_type(p, ":paste\r");
    tap_ok(pty_expect(p, "\033]52;c;?\033\\"), "the terminal is asked");
    answer_clipboard(p, drive_golden("images/tiny_97x61.png"));
    tap_ok(pty_expect(p, "PNG 97x61") && pty_sees(p, "In [1] @1:"), "its answer is a path");
    pty_type(p, ":paste\r");
    pty_expect(p, "\033]52;c;?\033\\");
    tap_ok(pty_expect(p, "does not share its clipboard"), "a terminal that is silent");
    pty_type(p, "\033]52;c;L2V0Yy9wYXNzd2Q=\007ab");
    tap_ok(pty_cursor(p, "In [1] @1: ab", 13), "an answer that nobody waits for is no text");
    pty_type(p, "\033]52;c;L2V0Y\rcd");
    tap_ok(pty_sees(p, "In [2]: cd"), "nor is one that is cut off; Return is Return");
    tap_ok(pty_leave(p) == 0, "the end");
}

/* -- :copy ------------------------------------------------------------------------------------ */

static void copying(void)
{
    struct pty *p = start(NULL);
    pty_type(p, ":copy\r");
    tap_ok(pty_expect(p, "no cells yet"), "nothing to copy");
    pty_type(p, "Hello\r");
    pty_expect(p, "Out[1]:");
    pty_type(p, ":copy 1\r");
    tap_ok(pty_expect(p, "\033]52;c;") && pty_expect(p, "the answer of cell 1"),
           "an answer goes to the terminal's clipboard");
    tap_ok(pty_leave(p) == 0, "the end");
}

/* -- :watch ----------------------------------------------------------------------------------- */

static void put(const char *to, const char *bytes, size_t n, int flags)
{
    int fd = open(to, O_WRONLY | O_CREAT | flags, 0600);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) tap_ok(false, "%s can be written", to);
    close(fd);
}

static void watching(void)
{
    size_t n = 0;
    char *bytes = golden_bytes("images/tiny_97x61.png", &n), line[600], name[600], other[600];
    const char *folder = drive_file("shots");
    mkdir(folder, 0700);
    struct pty *p = start(NULL);
    snprintf(line, sizeof line, ":watch %s\r", folder);
    pty_type(p, ":watch /no/such\r");
    tap_ok(pty_expect(p, "cannot watch /no/such"), "no folder, no watch");
    pty_type(p, line);
    tap_ok(pty_expect(p, "are staged; :watch off") && pty_sees(p, "In [1]:"),
           "a folder is watched");
    pty_type(p, "What is");

    snprintf(name, sizeof name, "%s/one.png", folder);
    int fd = open(name, O_WRONLY | O_CREAT, 0600);
    if (write(fd, bytes, n / 2) < 0) abort();
    tap_ok(!pty_came(p, "PNG"), "half a file waits");
    if (write(fd, bytes + n / 2, n - n / 2) < 0) abort();
    close(fd);
    tap_ok(pty_expect(p, "PNG 97x61"), "until it is closed");
    tap_ok(pty_cursor(p, "In [1] @1: What is", 18), "what was typed is still there");

    snprintf(other, sizeof other, "%s/two.part", folder);
    put(other, bytes, n, O_TRUNC);
    tap_ok(!pty_came(p, "PNG"), "another kind of name is nothing");
    snprintf(name, sizeof name, "%s/two.png", folder);
    rename(other, name);
    tap_ok(pty_expect(p, "two.png") && pty_expect(p, ": PNG 97x61") &&
               pty_sees(p, "In [1] @1 @2: What is"),
           "a file that is moved there counts at once");

    snprintf(name, sizeof name, "%s/empty.png", folder);
    put(name, "", 0, O_TRUNC);
    put(name, bytes, n / 3, O_TRUNC);
    put(name, bytes + n / 3, n - n / 3, O_APPEND);
    tap_ok(pty_expect(p, "empty.png") && pty_expect(p, ": PNG 97x61") &&
               pty_sees(p, "In [1] @1 @2 @3: What is"),
           "one that is closed and opened again is whole when it rests");

    snprintf(name, sizeof name, "%s/evil\033]0;x\007.png", folder);
    put(name, bytes, n, O_TRUNC);
    tap_ok(pty_expect(p, "evil^[]0;x^G.png") && pty_expect(p, ": PNG 97x61"),
           "an evil name shows as it is");

    pty_type(p, " it?\r");
    tap_ok(pty_expect(p, "Out[1]:"), "all of them are asked about");
    snprintf(line, sizeof line, "%s/late.png", folder);
    put(line, bytes, n, O_TRUNC);
    tap_ok(pty_expect(p, "late.png") && pty_expect(p, ": PNG 97x61"), "and it goes on");
    pty_type(p, ":watch off\r");
    tap_ok(pty_expect(p, "no folder is watched"), ":watch off ends it");
    snprintf(line, sizeof line, "%s/none.png", folder);
    put(line, bytes, n, O_TRUNC);
    tap_ok(!pty_came(p, "none.png"), "nothing comes any more");
    tap_ok(pty_leave(p) == 0, "the end");
    mem_free(bytes);
}

/* A wrapped line, and a folder that goes. */
static void watching_on(void)
{
    char folder[600], line[700], text[401];
    snprintf(folder, sizeof folder, "%s", drive_file("passing"));
    mkdir(folder, 0700);
    struct pty *p = start(NULL);
    snprintf(line, sizeof line, ":watch %s\r", folder);
    pty_type(p, line);
    pty_expect(p, "are staged");
    memset(text, 'a', 400);
    text[400] = 0;
    pty_type(p, text);
    rmdir(folder);
    tap_ok(pty_expect(p, "no folder is watched"), "a folder that is gone is told");
    pty_type(p, "\r");
    tap_ok(pty_expect(p, "Out[1]:"), "and the line is whole");
    tap_ok(pty_leave(p) == 0, "the end");
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    snprintf(path, sizeof path, "PATH=%s", drive_file("bin"));
    mkdir(drive_file("bin"), 0700);
    paste_picture("DISPLAY=:9", "xclip");
    paste_picture("WAYLAND_DISPLAY=wayland-9", "wl-paste");
    paste_names();
    paste_waits();
    paste_from_terminal();
    copying();
    watching();
    watching_on();
    return drive_done();
}
