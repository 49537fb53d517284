/* SPDX-License-Identifier: GPL-3.0-or-later
 * The line editor at a terminal: moving in cells of several lines, history, pastes, type-ahead,
 * completion, any locale; what it leaves behind. Looked at as a person does: on the screen. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "drive.h"
#include "golden.h"

static const char *const *words(const char *max_new_tokens)
{
    static const char *list[] = {"-m", NULL, "--num-crops", "1", "--max-new-tokens", NULL, NULL};
    list[1] = drive_golden("models/tiny-gqa-bf16");
    list[5] = max_new_tokens;
    return list;
}

static int times(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)); text++) n++;
    return n;
}

/* -- Moving ---------------------------------------------------------------------------------- */

static void moving(void)
{
    struct pty *p = pty_start_notebook(&(struct pty_options){0});
    pty_type(p, "first\r");
    tap_ok(pty_expect(p, "Out[1]:") && pty_cursor(p, "In [2]:", 8), "an entry for the history");
    pty_type(p, "one\\\rsecond\\\rthree");
    tap_ok(pty_sees(p, "In [2]: one") && pty_sees(p, "   ...: second") &&
               pty_cursor(p, "   ...: three", 13),
           "further lines stand below the first");
    pty_type(p, "\033[A");
    tap_ok(pty_cursor(p, "   ...: second", 13), "Up goes to the line above, in the same column");
    pty_type(p, "\033[F");
    tap_ok(pty_cursor(p, "   ...: second", 14), "End goes to its end");
    pty_type(p, "\033[H");
    tap_ok(pty_cursor(p, "   ...: second", 8), "Home to its beginning");
    pty_type(p, "\033OF\033OA");
    tap_ok(pty_cursor(p, "In [2]: one", 11), "a shorter line ends before that column");
    pty_type(p, "\033OB");
    tap_ok(pty_cursor(p, "   ...: second", 14), "which is kept for a longer one");
    pty_type(p, "\033[H\033[AX");
    tap_ok(pty_cursor(p, "In [2]: Xone", 9), "what is typed goes where the cursor is");
    pty_type(p, "\033[A");
    tap_ok(pty_cursor(p, "In [2]: first", 13), "beyond the first line lies the history");
    pty_type(p, "\033[B");
    tap_ok(pty_cursor(p, "   ...: three", 13) && pty_sees(p, "In [2]: Xone"),
           "and back comes the cell");
    pty_type(p, "\001\013\177\005!"); /* Ctrl-A, Ctrl-K, Backspace, Ctrl-E */
    tap_ok(pty_cursor(p, "   ...: second!", 15) && !strstr(pty_screen(p), "three"),
           "lines can be joined and go from the screen");
    tap_ok(pty_leave(p) == 0, "and left");
}

/* The keys of vi, as ~/.inputrc has them. */
static void vi_keys(void)
{
    const char *inputrc = drive_write("inputrc", "set editing-mode vi\n");
    char env[400];
    snprintf(env, sizeof env, "INPUTRC=%s", inputrc);
    struct pty *p =
        pty_start_notebook(&(struct pty_options){.env = (const char *const[]){env, NULL}});
    pty_type(p, "one\\\rtwo three");
    pty_cursor(p, "   ...: two three", 17);
    pty_type(p, "\033");
    tap_ok(pty_cursor(p, "   ...: two three", 16), "ESC goes to commands");
    pty_type(p, "k");
    tap_ok(pty_cursor(p, "In [1]: one", 10), "k goes up");
    pty_type(p, "$");
    tap_ok(pty_cursor(p, "In [1]: one", 10), "$ to the last letter");
    pty_type(p, "0j");
    tap_ok(pty_cursor(p, "   ...: two three", 8), "j goes down");
    pty_type(p, "wdwiX");
    tap_ok(pty_cursor(p, "   ...: twoX", 12), "words are moved over and deleted");
    pty_type(p, "\003");
    tap_ok(pty_cursor(p, "In [1]:", 8), "Ctrl-C empties the line");
    pty_type(p, "again\033");
    pty_cursor(p, "In [1]: again", 12);
    pty_type(p, "\r");
    tap_ok(pty_expect(p, "Out[1]:") && pty_cursor(p, "In [2]:", 8), "Return sends");
    tap_ok(pty_leave(p) == 0, "the end");
}

/* -- History --------------------------------------------------------------------------------- */

static void cancelling(void)
{
    struct pty *p = pty_start_notebook(&(struct pty_options){0});
    pty_type(p, ":help load\r");
    pty_expect(p, "load pictures");
    pty_cursor(p, "In [1]:", 8);
    pty_type(p, ":help show\r");
    pty_expect(p, "draw a picture");
    pty_cursor(p, "In [1]:", 8);
    pty_type(p, "\033[A\033[A");
    tap_ok(pty_cursor(p, "In [1]: :help load", 18), "two entries back");
    pty_type(p, "XX\003");
    tap_ok(pty_cursor(p, "In [1]:", 8), "Ctrl-C gives an empty line");
    pty_type(p, "\033[A");
    tap_ok(pty_cursor(p, "In [1]: :help show", 18), "and the history begins at its end again");
    pty_type(p, "\033[A");
    tap_ok(pty_cursor(p, "In [1]: :help load", 18), "its entries are as they were");
    pty_type(p, "\003\022show");
    tap_ok(pty_sees(p, "(reverse-i-search)`show': :help show"), "Ctrl-R searches");
    pty_type(p, "\033");
    tap_ok(pty_sees(p, "In [1]: :help show"), "and gives the prompt back");
    pty_type(p, "\003\022lo");
    pty_sees(p, "(reverse-i-search)`lo': :help load");
    pty_type(p, "\003");
    tap_ok(pty_cursor(p, "In [1]:", 8), "Ctrl-C ends a search");
    pty_type(p, "Hello\r");
    pty_expect(p, "Out[1]:");
    pty_sees(p, "In [2]:");
    pty_type(p, ":edit 1\r");
    tap_ok(pty_cursor(p, "In [1]: Hello", 13), ":edit takes a cell into the line");
    pty_type(p, "\003");
    tap_ok(pty_cursor(p, "In [2]:", 8), "and Ctrl-C leaves it as it was");
    tap_ok(pty_leave(p) == 0, "the end");
}

/* -- The editor ------------------------------------------------------------------------------ */

static void editor(void)
{
    const char *script = drive_write("editor", "#!/bin/sh\nprintf 'and more\\r\\n' >>\"$1\"\n");
    chmod(script, 0700);
    char visual[400];
    snprintf(visual, sizeof visual, "VISUAL=%s", script);
    struct pty *p =
        pty_start_notebook(&(struct pty_options){.env = (const char *const[]){visual, NULL}});
    pty_type(p, "a line\030\005");
    tap_ok(pty_sees(p, "In [1]: a line") && pty_cursor(p, "   ...: and more", 16),
           "Ctrl-X Ctrl-E: the editor's text is in the line");
    pty_type(p, "\037");
    tap_ok(pty_cursor(p, "In [1]: a line", 14), "and can be undone");
    tap_ok(pty_leave(p) == 0, "the end");
}

/* Without a result the text stays, and a line says why. */
static void failing_editors(void)
{
    const char *eats = drive_write("eats", "#!/bin/sh\nrm \"$1\"\n");
    const char *utf16 = drive_write("utf16", "#!/bin/sh\nprintf '\\377\\376a\\0' >\"$1\"\n");
    char visual[2][400];
    snprintf(visual[0], sizeof visual[0], "VISUAL=%s", eats);
    snprintf(visual[1], sizeof visual[1], "VISUAL=%s", utf16);
    chmod(eats, 0700);
    chmod(utf16, 0700);
    const char *const cases[][3] = {
        {"VISUAL=false", "TMPDIR=", "(the text is as it was: false ended with an error)"},
        {"VISUAL=/no/editor", "TMPDIR=", "(the text is as it was: /no/editor ended with an error)"},
        {"VISUAL=true", "TMPDIR=/no/folder", "(the text is as it was: no file for the editor can"},
        {visual[0], "TMPDIR=", "(the text is as it was: cannot open "},
        {visual[1], "TMPDIR=", "(the text is as it was: what "}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const env[] = {cases[i][0], cases[i][1], NULL};
        struct pty *p = pty_start_notebook(&(struct pty_options){.env = env, .cols = 200});
        pty_type(p, "a line\030\005");
        tap_ok(pty_expect(p, cases[i][2]) && pty_cursor(p, "In [1]: a line", 14), "%s",
               cases[i][0]);
        tap_ok(pty_leave(p) == 0, "the end");
    }
}

/* The prompt stands in a row of its own, and the cursor where it seems to be, wherever the cursor
 * was left. */
static void behind_the_shell(void)
{
    static const char *const left[][2] = {{"abc", "abc\n"}, {"abc\\n", "abc\n"}, {"a\\r", ""}};
    struct pty *p = pty_start_notebook(&(struct pty_options){0});
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        char line[100], rows[100];
        pty_type(p, "\014");
        pty_cursor(p, "In [1]:", 8);
        snprintf(line, sizeof line, "!printf '%s'\r", left[i][0]);
        snprintf(rows, sizeof rows, "'\n%sIn [1]:", left[i][1]);
        pty_type(p, line);
        tap_ok(pty_expect(p, "\033[K") && pty_cursor(p, "In [1]:", 8) &&
                   strstr(pty_screen(p), rows),
               "%s leaves the prompt a row", left[i][0]);
        pty_type(p, "xy\001z");
        tap_ok(pty_cursor(p, "In [1]: zxy", 9), "in which the cursor is where it seems to be");
        pty_type(p, "\003");
        pty_cursor(p, "In [1]:", 8);
    }
    pty_type(p, "!sleep 60\r");
    pty_expect(p, "sleep 60\r\r\n");
    pty_wait(p, 300);
    pty_type(p, "\003");
    tap_ok(pty_sees(p, "^C") && pty_cursor(p, "In [1]:", 8), "Ctrl-C ends the command alone");
    tap_ok(pty_leave(p) == 0, "the end");
    p = pty_start_notebook(&(struct pty_options){.env = (const char *const[]){"TERM=dumb", NULL}});
    pty_type(p, "!printf abc\r");
    tap_ok(pty_sees(p, "abc") && pty_cursor(p, "In [1]:", 8), "so it is on a dumb terminal");
    tap_ok(!strchr(pty_bytes(p), '\033') && pty_leave(p) == 0, "without a sequence");
}

/* -- Pastes ---------------------------------------------------------------------------------- */

static void pasting(void)
{
    struct pty *p = pty_start_notebook(&(struct pty_options){0});
    pty_type(p, "\033[200~one\r\ntwo\rthree\nfour\033[201~");
    tap_ok(pty_sees(p, "In [1]: one") && pty_sees(p, "   ...: two") &&
               pty_sees(p, "   ...: three") && pty_cursor(p, "   ...: four", 12),
           "each kind of line end is one");
    pty_type(p, "\003\033[200~In [3] @1: say\r\n   ...: it\r\nOut[3]: so\033[201~");
    tap_ok(pty_sees(p, "In [1]: say") && pty_sees(p, "   ...: it") &&
               pty_cursor(p, "   ...: Out[3]: so", 18),
           "pasted prompts are taken off");
    pty_type(p, "\003\033[200~never finished");
    pty_came(p, "");
    pty_type(p, "\003");
    pty_type(p, "typed");
    tap_ok(pty_cursor(p, "In [1]: typed", 13), "Ctrl-C ends a paste whose end does not come");
    pty_type(p, "\003\033]0;never finished");
    pty_came(p, "");
    pty_type(p, "\003again");
    tap_ok(pty_cursor(p, "In [1]: again", 13), "and a control string");
    pty_type(p, "\003\033[200~a\033[31m\a\033]52;c;QQ==\a\xc2\x9b\x31mb\u202e\x9b\177\033[201~");
    tap_ok(pty_sees(p, "In [1]: a^[[31m^G^[]52;c;QQ==^G<U+009B>1mb<U+202E>\ufffd^?"),
           "what is no text shows as what it is");
    pty_type(p, "\177\177");
    tap_ok(pty_sees(p, "In [1]: a^[[31m^G^[]52;c;QQ==^G<U+009B>1mb<U+202E>"),
           "and goes letter by letter");
    pty_type(p, "\003e\u0301 \U0001F600x\002\002");
    tap_ok(pty_cursor(p, "In [1]: e \U0001F600x", 10), "marks and emoji are letters");
    pty_type(p, "\177\177\177");
    tap_ok(pty_cursor(p, "In [1]: \U0001F600x", 8), "that are edited as such");
    tap_ok(pty_leave(p) == 0, "the end");
}

/* Ten megabytes within ten seconds. With sanitizers, whose realloc() copies, a tenth of that. */
static void huge_paste(void)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    size_t n = 1 << 20;
#else
    size_t n = 10 << 20;
#endif
    char *text = malloc(n + 20);
    if (!text) return;
    memcpy(text, "\033[200~", 6);
    for (size_t i = 0; i < n; i++) text[6 + i] = i % 70 == 69 ? '\r' : (char)('a' + i / 70 % 26);
    memcpy(text + 6 + n, "\033[201~.", 8);
    struct pty *p = pty_start_notebook(&(struct pty_options){0});
    struct timespec begun, now;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    pty_send(p, text, n + 13);
    char last[100] = "   ...: ";
    size_t rest = n % 70;
    memcpy(last + 8, text + 6 + n - rest, rest);
    strcpy(last + 8 + rest, ".");
    bool came = pty_cursor(p, last, (int)(9 + rest));
    clock_gettime(CLOCK_MONOTONIC, &now);
    double s = (double)(now.tv_sec - begun.tv_sec) + 1e-9 * (double)(now.tv_nsec - begun.tv_nsec);
    tap_note("%zu MiB taken in %.2f s", n >> 20, s);
    tap_ok(came && s < 10, "a huge text is pasted within 10 s");
    pty_type(p, "\001\033[A\033[Axyz");
    tap_ok(pty_came(p, "xyz"), "and can be edited");
    pty_type(p, "\003");
    tap_ok(pty_cursor(p, "In [1]:", 8), "Ctrl-C empties the line");
    free(text);
    tap_ok(pty_leave(p) == 0, "the end");
}

/* -- Type-ahead ------------------------------------------------------------------------------ */

static void typing_ahead(void)
{
    struct pty *p = pty_start_with(words("60"), &(struct pty_options){0});
    pty_expect(p, "\033[c"); /* the terminal is ours; the model is still to be loaded */
    pty_type(p, "early");
    tap_ok(pty_cursor(p, "In [1]: early", 13),
           "what is typed while the model loads is in the line");
    tap_ok(times(pty_screen(p), "early") == 1, "once");
    pty_type(p, "\r");
    pty_expect(p, "Out[1]:");
    pty_type(p, "while it speaks");
    tap_ok(pty_cursor(p, "In [2]: while it speaks", 23), "and while an answer streams");
    tap_ok(times(pty_screen(p), "while it") == 1, "once");
    tap_ok(pty_leave(p) == 0, "the end");
}

/* -- Locales --------------------------------------------------------------------------------- */

static void locales(void)
{
    static const char *const env[][5] = {{"LC_ALL", "LANG", "LC_CTYPE", NULL},
                                         {"LC_ALL=C", NULL},
                                         {"LC_ALL", "LC_CTYPE", "LANG=POSIX", NULL},
                                         {"LC_ALL=xx_YY.UTF-8", NULL},
                                         {"LC_ALL", "LANG=xx_YY.ISO-8859-1", NULL}};
    for (size_t i = 0; i < sizeof env / sizeof *env; i++) {
        struct pty *p = pty_start_notebook(&(struct pty_options){.env = env[i]});
        pty_type(p, "你好吗é");
        tap_ok(pty_cursor(p, "In [1]: 你好吗é", 15), "letters are typed in locale %zu", i);
        pty_type(p, "\177\002\177");
        tap_ok(pty_cursor(p, "In [1]: 你吗", 10), "and deleted as such");
        tap_ok(pty_leave(p) == 0, "the end");
    }
}

/* -- Completion ------------------------------------------------------------------------------ */

static void completing(void)
{
    static const char *const cases[][2] = {
        {":set lay\tb\t.", ":set layout beside ."},
        {":set exif \t", ":set exif o"},
        {":help lo\t.", ":help load ."},
        {"?lo\t.", "?load ."},
        {":run 1 temp\t.", ":run 1 temperature=."},
        {":run 1 stop_mode=r\t.", ":run 1 stop_mode=reference ."},
        {":model def\t.", ":model default ."},
        {"!ls \"$PWD\"/sam\t.", "!ls \"$PWD\"/sam."},
        {"!ls sam\t.", "!ls sample\\ one.png ."},
        {":load sam\t.", ":load sample\\ one.png ."},
        {":load \"sam\t.", ":load \"sample one.png\" ."},
        {":load 'sam\t.", ":load 'sample one.png' ."},
        {":load fol\tx\t.", ":load folder/x.png ."},
        {":load fo\tx\t.", ":load folder/x.png ."},
        {":save fol\t\t.", ":save folder/x.png ."},
        {"look at @sam\t.", "look at @sample\\ one.png ."},
        {"look at @\"sam\t.", "look at @\"sample one.png\" ."},
        {":show @\t.", ":show @1 ."},
        {":foreach @\t.", ":foreach @1 ."},
        {"nothing \t.", "nothing ."},
    };
    mkdir(drive_file("here"), 0700);
    mkdir(drive_file("here/folder"), 0700);
    drive_write("here/sample one.png", "x");
    drive_write("here/folder/x.png", "x");
    if (chdir(drive_file("here"))) return;
    struct pty *p = pty_start_notebook(&(struct pty_options){0});
    char line[600], row[200];
    snprintf(line, sizeof line, ":load %s\r", drive_golden("images/tiny_97x61.png"));
    pty_type(p, line);
    pty_sees(p, "In [1] @1:");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pty_type(p, cases[i][0]);
        snprintf(row, sizeof row, "In [1] @1: %s", cases[i][1]);
        tap_ok(pty_cursor(p, row, -1), "%s", cases[i][1]);
        pty_type(p, "\003");
        pty_cursor(p, "In [1] @1:", 11);
    }
    pty_type(p, ":set \t\t");
    tap_ok(pty_came(p, "temperature") && pty_cursor(p, "In [1] @1: :set", 16),
           "a second Tab lists");
    tap_ok(pty_leave(p) == 0, "the end");
    if (chdir("/")) return;
}

/* -- Hostile text ---------------------------------------------------------------------------- */

#define HOSTILE                                                                                    \
    "h\033]52;c;QQ==\a\xc2\x9b"                                                                    \
    "2J\u202e\x9b"

/* The strict terminal of the driver looks at each byte. */
static void hostile_notebook(void)
{
    static const char history[] = "\"h\\u001b]52;c;QQ==\\u0007\\u009b2J\\u202e\\nsecond\"\n";
    mkdir(drive_file("state"), 0700);
    mkdir(drive_file("state/phiscope"), 0700);
    drive_write("state/phiscope/history", history);
    mkdir(drive_file("names"), 0700);
    drive_write("names/" HOSTILE "1.png", "x");
    drive_write("names/" HOSTILE "2.png", "x");
    drive_write(
        "names/n.ipynb",
        "{\"nbformat\": 4, \"nbformat_minor\": 5, \"metadata\": {\"kernelspec\": {\"name\": "
        "\"phiscope\", \"display_name\": \"\\u001b[2J\"}}, \"cells\": [{\"cell_type\": "
        "\"code\", \"id\": \"c0\", \"metadata\": {\"phiscope\": {\"state\": \"ok\", \"text\": \"hi "
        "<|image_1|>\", \"pictures\": [{\"handle\": 1, \"source\": \"x\\u001b]0;t\\u0007.png\", "
        "\"name\": \"n\\u001b]52;c;UFdO\\u0007\"}]}}, \"source\": \"hi \\u009b2J\", \"outputs\": "
        "[{\"output_type\": \"execute_result\", \"data\": {\"text/plain\": \"\\u001bc\"}, "
        "\"metadata\": {}, \"execution_count\": 1}], \"execution_count\": 1}]}");
    if (chdir(drive_file("names"))) return;
    struct pty *p = pty_start_notebook(&(struct pty_options){0});
    pty_type(p, "\033[A");
    tap_ok(pty_sees(p, "In [1]: h^[]52;c;QQ==^G<U+009B>2J<U+202E>"), "history shows as what it is");
    pty_type(p, "\003\022]52");
    tap_ok(pty_came(p, "reverse-i-search"), "in a search, too");
    pty_type(p, "\003:history\r");
    tap_ok(pty_came(p, "second"), "and in a list");
    pty_type(p, ":load h\t\t");
    tap_ok(pty_came(p, "\\a2J<U+202E>\\x9b2.png'"), "so do names that Tab lists");
    pty_type(p, "1\t\r");
    tap_ok(pty_came(p, "1.png"), "and errors");
    pty_type(p, ":open n.ipynb\r:images\r:cells\r:run 1\r:context\r:info\r");
    tap_ok(pty_came(p, "Out[1]"), "and what stands in a notebook");
    pty_type(p, "\033[200~:" HOSTILE "\033[201~\r\033[200~:set " HOSTILE
                " 1\033[201~\r\033[200~:help " HOSTILE "\033[201~\r\033[200~:model " HOSTILE
                "\033[201~\r\033[200~!printf x; : " HOSTILE "\033[201~\r\033[200~" HOSTILE
                " prompt\033[201~\r:prompt\r:cells\r");
    tap_ok(pty_came(p, "unknown command"), "and what was pasted");
    pty_leave(p);
    if (chdir("/")) return;
}

static void hostile_words(void)
{
    const char *model = drive_golden("models/tiny-gqa-bf16");
    const char *const runs[][8] = {
        {"ask", "--json", "-m", model, "--max-new-tokens", "3", HOSTILE, NULL},
        {"ask", "-m", model, "--max-new-tokens", "3", HOSTILE, NULL},
        {"ask", "-m", model, "-i", HOSTILE, "x", NULL},
        {"ask", "--json", "-m", model, "-i", HOSTILE, "x", NULL},
        {"ask", "-m", HOSTILE, "x", NULL},
        {"script", HOSTILE, NULL},
        {"bench", "--case", HOSTILE, NULL},
        {"bench", "--json", "--case", HOSTILE, NULL},
        {"eval", HOSTILE, NULL},
        {"debug", HOSTILE, NULL},
        {"quantize", "--type", HOSTILE, HOSTILE, NULL},
        {"models", HOSTILE, NULL},
        {"models", NULL},
        {"devices", NULL},
        {"help", HOSTILE, NULL},
        {"--" HOSTILE, NULL},
        {HOSTILE, NULL},
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        struct pty *p = pty_start(runs[i]);
        tap_note("command line %zu", i);
        pty_end(p);
    }
}

/* -- What stays behind ----------------------------------------------------------------------- */

static void stopping(void)
{
    struct pty *p = pty_start_with(words("40"), &(struct pty_options){.job = true});
    tap_ok(pty_sees(p, "In [1]:"), "under a shell");
    pty_type(p, "half a\032");
    tap_ok(pty_expect(p, "(stopped)") && pty_cursor(p, "In [1]: half a", 14),
           "Ctrl-Z stops; fg comes back to the same line");
    pty_type(p, " line\033[D");
    tap_ok(pty_cursor(p, "In [1]: half a line", 18), "which goes on");
    pty_type(p, "\r");
    tap_ok(pty_expect(p, "Out[1]:"), "an answer");
    pty_type(p, "\032");
    tap_ok(pty_expect(p, "(stopped)") && pty_cursor(p, "In [2]:", 8), "can be stopped, too");
    pty_type(p, "\004");
    tap_ok(pty_expect(p, "(0 bytes left)") && pty_end(p) == 0, "nothing is left for the shell");
}

/* Answers of the terminal that come after the person has left. */
static void late_answers(void)
{
    struct pty *p =
        pty_start_with(words("3"), &(struct pty_options){.job = true, .attributes = ""});
    tap_ok(pty_sees(p, "In [1]:"), "a terminal that does not answer in time");
    pty_type(p, ":quit\r");
    usleep(100000);
    pty_type(p, "\033]11;rgb:0000/0000/0000\033\\\033[?62;4c");
    tap_ok(pty_expect(p, "(0 bytes left)") && pty_end(p) == 0, "its answers never reach the shell");
    p = pty_start((const char *const[]){"ask", "-m", drive_golden("models/tiny-gqa-bf16"),
                                        "--max-new-tokens", "3", "Hello", NULL});
    tap_ok(!pty_came(p, "\033[c") && !pty_came(p, "\033[?"), "ask asks the terminal nothing");
    tap_ok(pty_end(p) == 0, "and answers");
}

static void ending_by_signal(void)
{
    static const int signals[] = {SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct pty *p = pty_start_with(words("3"), &(struct pty_options){.job = true});
        pty_cursor(p, "In [1]:", 8);
        if (signals[i] == SIGQUIT)
            pty_type(p, "\034");
        else
            pty_signal(p, signals[i]);
        tap_ok(pty_expect(p, "\033[?2004l") && pty_end(p) == 128 + signals[i],
               "signal %d ends it and leaves the terminal as it was", signals[i]);
    }
}

/* phiscope | tee: replies are there while the person reads them. */
static void into_a_file(void)
{
    const char *file = drive_file("output");
    struct pty *p = pty_start_with(words("3"), &(struct pty_options){.output_file = file});
    tap_ok(pty_sees(p, "In [1]:"), "the prompt is seen where standard output is a file");
    pty_type(p, "Hello\r");
    tap_ok(pty_cursor(p, "In [2]:", 8), "a line is answered");
    char *text = drive_read(file);
    tap_ok(text && strstr(text, "phiscope 0") && strlen(text) > 150 && !strchr(text, '\033'),
           "the answer is in the file already");
    free(text);
    tap_ok(pty_leave(p) == 0, "the end");
}

static void resizing(void)
{
    struct pty *p = pty_start_notebook(&(struct pty_options){0});
    pty_type(p, "a line of some words that goes on and on");
    pty_sees(p, "In [1]: a line of some words that goes on and on");
    pty_resize(p, 30, 20);
    tap_ok(pty_cursor(p, "        that goes on and on", 27), "a narrow screen");
    pty_resize(p, 100, 30);
    tap_ok(pty_cursor(p, "In [1]: a line of some words that goes on and on", 48), "and a wide one");
    tap_ok(pty_leave(p) == 0, "the end");
}

/* TERM=dumb: one line, no sequences. */
static void dumb(void)
{
    struct pty *p =
        pty_start_notebook(&(struct pty_options){.env = (const char *const[]){"TERM=dumb", NULL}});
    pty_type(p, "abcd\002\002\177X");
    tap_ok(pty_cursor(p, "In [1]: aXcd", 10), "a dumb terminal edits a line");
    pty_type(p, "\005\\\re");
    tap_ok(pty_cursor(p, "In [1]: aXcd^Je", 15), "of several, too");
    tap_ok(!pty_came(p, "\033"), "without a sequence");
    tap_ok(pty_leave(p) == 0, "the end");
}

/* What the worker has not read yet stands dim, also in a line that is wrapped. */
static void reading_ahead(void)
{
    char line[600], text[161];
    struct pty *p = pty_start((const char *const[]){"-m", drive_golden("models/tiny-gqa-bf16"),
                                                    "--num-crops", "16", NULL});
    pty_sees(p, "In [1]:");
    memset(text, 'x', 160);
    text[160] = 0;
    snprintf(line, sizeof line, ":load %s\r%s", drive_golden("images/tiny_97x61.png"), text);
    pty_type(p, line);
    tap_ok(pty_expect(p, "\033[2m@1"), "a picture's handle is dim first");
    tap_ok(pty_expect(p, "\033[32m@1"), "and as the prompt is when it has been read");
    snprintf(line, sizeof line, "In [1] @1: %.68s", text);
    tap_ok(pty_sees(p, line), "the line around it stays");
    snprintf(line, sizeof line, "           %.24s", text);
    tap_ok(pty_cursor(p, line, 35), "with its last row, and the cursor behind it");
    tap_ok(pty_leave(p) == 0, "the end");
}

int main(int argc, char **argv)
{
    static void (*const tests[])(void) = {vi_keys,
                                          moving,
                                          cancelling,
                                          editor,
                                          pasting,
                                          huge_paste,
                                          locales,
                                          stopping,
                                          typing_ahead,
                                          late_answers,
                                          dumb,
                                          resizing,
                                          ending_by_signal,
                                          into_a_file,
                                          completing,
                                          hostile_notebook,
                                          hostile_words,
                                          reading_ahead,
                                          failing_editors,
                                          behind_the_shell};
    drive_init(argc, argv);
    if (golden_exists("models/tiny-gqa-bf16"))
        for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tests[i]();
    else
        tap_skip("models/tiny-gqa-bf16", "the line editor");
    return drive_done();
}
