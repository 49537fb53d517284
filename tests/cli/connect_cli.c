/* SPDX-License-Identifier: GPL-3.0-or-later
 * --connect: what is printed and with which status, keys that show nowhere, Ctrl-C; and two
 * phiscopes, of which one serves the other: the same words as from a model of its own, with one of
 * two servers killed in the middle of many pictures, too. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drive.h"
#include "drive_parts.h"
#include "golden.h"
#include "mock_chat.h"

static struct mock_chat server;
static const char secret[] = "sk-only-here-77";

static bool is_same(const char *a, const char *b) { return a && b && !strcmp(a, b); }

/* -- One answer ------------------------------------------------------------------------------- */

static void answer(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    (void)m, (void)number, (void)q;
    mock_chat_answer(r, "Two \033[31mcats.");
}

static void answers(void)
{
    mock_chat_start(&server, answer, NULL);
    drive_write("a.pgm", "P2 4 4 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7\n");
    const struct run *r =
        DRIVE(NULL, "ask", "--connect", server.url, "-i", drive_file("a.pgm"), "What?");
    tap_ok(r->status == 0 && is_same(r->out, "Two \033[31mcats.\n"),
           "the answer alone goes to standard output, as it is");
    tap_ok(strstr(r->err, "token ids and certainty are not known"), "what cannot be had is told");
    r = DRIVE(NULL, "ask", "--json", "--connect", server.url, "-m", "other", "-i",
              drive_file("a.pgm"), "What?");
    json_t *line = drive_json(0);
    const json_t *picture = json_array_get(json_object_get(line, "images"), 0);
    tap_ok(r->status == 0 && is_same(json_string_value(json_object_get(line, "model")), "other") &&
               json_array_size(json_object_get(line, "output_ids")) == 0 &&
               json_integer_value(json_object_get(picture, "width")) == 4 &&
               !json_object_get(picture, "tokens") && !*r->err,
           "the object has what is known");
    json_decref(line);
    r = DRIVE(":model\nHello\nAnd?\n", "script", "--connect", server.url, "-");
    tap_ok(r->status == 0 && strstr(r->err, "model    mock at http://"), "scripts connect, too");
    mock_chat_stop(&server);
}

static void refused(void)
{
    int fd, port = loopback_closed_port(&fd);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", port);
    const struct run *r = DRIVE(NULL, "ask", "--connect", url, "What?");
    tap_ok(r->status == 3 && strstr(r->err, "cannot connect"), "nobody there: status 3");
    close(fd);
    r = DRIVE(NULL, "ask", "--connect", "localhost:8000", "What?");
    tap_ok(r->status == 2 && strstr(r->err, "needs a server's address"), "no address: status 2");
    r = DRIVE(NULL, "ask", "--connect", "http://u:p4ss@127.0.0.1/v1", "What?");
    tap_ok(r->status == 3 && !strstr(r->err, "p4ss"), "no password in addresses");
    r = DRIVE(NULL, "--connect", url, "eval", "x.json");
    tap_ok(r->status == 2 && strstr(r->err, "--connect is for"), "not for every verb");
}

/* -- Keys ------------------------------------------------------------------------------------- */

static void want_key(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    char value[100] = "";
    loopback_header(r, "Authorization", value, sizeof value);
    bool good = !strncmp(value, "Bearer ", 7) && !strcmp(value + 7, secret);
    if (good)
        answer(m, r, number, q);
    else
        mock_chat_status(r, 401, "", "{\"error\":{\"message\":\"bad key\"}}");
}

static void keys(void)
{
    char line[100];
    mock_chat_start(&server, want_key, NULL);
    const struct run *r = DRIVE(NULL, "ask", "--connect", server.url, "What?");
    tap_ok(r->status == 1 && strstr(r->err, "PHISCOPE_API_KEY"), "without the key: how to give it");
    snprintf(line, sizeof line, "%s\n", secret);
    drive_write("key", line);
    r = DRIVE(NULL, "ask", "--connect", server.url, "--api-key-file", drive_file("key"), "What?");
    tap_ok(r->status == 0 && !strstr(r->err, secret), "from a file");
    setenv("PHISCOPE_API_KEY", secret, 1);
    char notebook[400];
    snprintf(notebook, sizeof notebook, "What?\n:info\n:set\n:history\n:save %s\n",
             drive_file("key.ipynb"));
    r = DRIVE(notebook, "script", "--connect", server.url, "-");
    char *saved = drive_read(drive_file("key.ipynb"));
    tap_ok(r->status == 0 && !strstr(r->err, secret) && !strstr(r->out, secret) && saved &&
               !strstr(saved, secret),
           "from the environment; in nothing that is shown or saved");
    free(saved);
    setenv("PHISCOPE_API_KEY", "sk-wrong-88", 1);
    r = DRIVE(NULL, "ask", "--json", "--connect", server.url, "What?");
    tap_ok(r->status == 1 && strstr(r->out, "it refuses the key") && !strstr(r->out, "sk-wrong"),
           "nor in errors");
    unsetenv("PHISCOPE_API_KEY");
    r = DRIVE(NULL, "ask", "--connect", server.url, "--api-key-file", drive_file("gone"), "What?");
    tap_ok(r->status == 4 || r->status == 1, "a file that is not there is told");
    mock_chat_stop(&server);
}

/* -- Ctrl-C ----------------------------------------------------------------------------------- */

/* Starts the program with its standard output in a file. */
static pid_t start(const char *const *words, const char *out)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) drive_die("fork");
    if (pid) return pid;
    if (!freopen(out, "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(99);
    drive_become(words, NULL);
    return 0;
}

static void interrupted(void)
{
    mock_chat_start(&server, mock_chat_answer_slowly, NULL);
    pid_t pid = start((const char *const[]){"ask", "--connect", server.url, "Talk", NULL},
                      drive_file("part"));
    while (!atomic_load(&server.n_now)) usleep(1000);
    usleep(300000);
    double begun = drive_now_s();
    kill(pid, SIGINT);
    int status = drive_wait(pid, begun + 20);
    double took = drive_now_s() - begun;
    char *part = drive_read(drive_file("part"));
    tap_ok(status == 130 && part && !strncmp(part, "more more ", 10) && took < 0.3,
           "Ctrl-C keeps the part (%.2f s)", took);
    free(part);
    mock_chat_stop(&server);
}

/* -- At a terminal ---------------------------------------------------------------------------- */

static void at_a_terminal(void)
{
    mock_chat_start(&server, answer, NULL);
    struct pty *p = pty_start((const char *const[]){"--connect", server.url, NULL});
    tap_ok(pty_expect(p, "mock") && pty_expect(p, "served by http://127.0.0.1:") &&
               pty_expect(p, "4096 tokens") && pty_expect(p, "In [1]:"),
           "the banner says who answers");
    pty_type(p, "Hello\r");
    tap_ok(pty_expect(p, "Out[1]:") && pty_expect(p, "cats.") && pty_expect(p, "In [2]:"),
           "a cell is answered, and cleaned for the terminal");
    server.answer = mock_chat_answer_slowly;
    pty_type(p, "Talk\r");
    pty_expect(p, "more more");
    pty_type(p, "\003");
    tap_ok(pty_expect(p, "(interrupted") && pty_expect(p, "In [3]:"), "Ctrl-C gives the line back");
    pty_type(p, ":more\r");
    tap_ok(pty_expect(p, "cannot go on with an answer"), "what cannot be says so");
    pty_type(p, ":model http://me:s3cret@127.0.0.1:9/v1\r");
    tap_ok(pty_expect(p, "has neither a name and password"), "no password in addresses");
    pty_type(p, ":history\r");
    tap_ok(pty_expect(p, ":model http://") && !pty_came(p, "s3cret"), "nor in the history");
    pty_type(p, ":quit\r");
    pty_end(p);
    mock_chat_stop(&server);
}

#ifdef HAVE_MICROHTTPD
#include "served.h"

/* -- Two of us -------------------------------------------------------------------------------- */

static struct served serve(void)
{
    return SERVE("-m", drive_golden("models/tiny-gqa-bf16"), "--num-crops", "1", "--dtype", "f32");
}

/* Each cell for itself: earlier answers go to a server as text, which random weights do not speak. */
static const char *const notebook =
    ":mode cell\n:load $/p0.pgm\nWhat is this?\n:load $/p1.pgm $/p2.pgm\nCompare @2 and @3.\n"
    "In @3 first\n:edit 1 Who is this?\n:set temperature 0.7\n:set seed 5\n:set top_k 9\nMore?\n"
    ":system Be brief.\nHello\n";

enum { N = 30 };

static void make_pictures(void)
{
    for (int k = 0; k < N; k++) {
        char name[16], bytes[600];
        int n = snprintf(bytes, sizeof bytes, "P2 8 8 50\n");
        for (int i = 0; i < 64; i++)
            n += snprintf(bytes + n, sizeof bytes - (size_t)n, "%d ", (i * (k + 3)) % 50);
        snprintf(name, sizeof name, "p%d.pgm", k);
        drive_write(name, bytes);
    }
}

static char *answers_of(const char *text, const char *option, const char *value)
{
    const struct run *r = DRIVE(drive_lines(text), "script", option, value, "--num-crops", "1",
                                "--dtype", "f32", "--max-new-tokens", "12", "-");
    if (r->status) tap_note("status %d: %s", r->status, r->err);
    return r->status ? NULL : strdup(r->out);
}

static void same_words(void)
{
    const char *model = drive_golden("models/tiny-gqa-bf16");
    struct served s = serve();
    char url[100];
    make_pictures();
    snprintf(url, sizeof url, "%s/v1", s.base);
    char *here = answers_of(notebook, "-m", model), *there = answers_of(notebook, "--connect", url);
    tap_ok(is_same(here, there) && strlen(here) > 20, "the same words from a server as from here");
    free(here);
    free(there);
    serve_stop(&s, SIGINT);
}

static void one_is_killed(void)
{
    const char *model = drive_golden("models/tiny-gqa-bf16");
    const char *const many = ":foreach $/p*.pgm \"What is this?\" to $/there.csv\n";
    struct served a = serve(), b = serve();
    char urls[220];
    free(answers_of(":foreach $/p*.pgm \"What is this?\" to $/here.csv\n", "-m", model));
    snprintf(urls, sizeof urls, "%s/v1,%s/v1", a.base, b.base);
    drive_write("many.txt", drive_lines(many));
    pid_t pid = start((const char *const[]){"script", "--connect", urls, "--num-crops", "1",
                                            "--max-new-tokens", "12", drive_file("many.txt"), NULL},
                      drive_file("said"));
    char *said = NULL;
    for (int k = 0; k < 3000 && (!said || strlen(said) < 40); k++) {
        free(said);
        usleep(2000);
        said = drive_read(drive_file("said"));
    }
    serve_stop(&a, SIGKILL);
    int status = drive_wait(pid, drive_now_s() + 60);
    char *here = drive_read(drive_file("here.csv")), *there = drive_read(drive_file("there.csv"));
    tap_ok(status == 0 && is_same(here, there),
           "one of two servers is killed: the same table, each row once (status %d)", status);
    free(here);
    free(there);
    free(said);
    serve_stop(&b, SIGINT);
}

#endif

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    answers();
    refused();
    keys();
    interrupted();
    at_a_terminal();
#ifdef HAVE_MICROHTTPD
    same_words();
    one_is_killed();
#endif
    return drive_done();
}
