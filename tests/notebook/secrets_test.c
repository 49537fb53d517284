/* SPDX-License-Identifier: GPL-3.0-or-later
 * Passwords and signatures of addresses: they fetch a picture and are gone. None stands in what is
 * shown, saved, exported or left behind. */
#define _GNU_SOURCE
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loopback.h"
#include "recorder.h"

static struct recorder r;
static struct loopback *server;
static char *picture;
static size_t n_picture;
static char with_password[200], signed_query[300], in_prose[200];

#define PASSWORD "Pa55w0rdOfMine"
#define SIGNATURE "c2lnbmF0dXJlT2ZNaW5lMTIzNDU2Nzg5MA"

/* Any path is the picture, for whoever has a password or a signature. */
static void serve(struct loopback_request *q, void *user)
{
    (void)user;
    char auth[200];
    bool known = loopback_header(q, "Authorization", auth, sizeof auth) ||
                 strstr(q->query, SIGNATURE) != NULL;
    if (!known) {
        loopback_sendf(q, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    loopback_sendf(q, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n_picture);
    loopback_send(q, picture, n_picture);
}

static int setup(void **state)
{
    (void)state;
    recorder_open(&r, true);
    recorder_picture(&r, "a.ppm", 1);
    picture = recorder_read("a.ppm", &n_picture);
    server = loopback_start(serve, NULL);
    int port = loopback_port(server);
    snprintf(with_password, sizeof with_password, "http://me:" PASSWORD "@127.0.0.1:%d/p.png",
             port);
    snprintf(signed_query, sizeof signed_query,
             "http://127.0.0.1:%d/s.png?X-Amz-Expires=60&X-Amz-Signature=" SIGNATURE, port);
    snprintf(in_prose, sizeof in_prose, "https://you:" PASSWORD "@example.org/?token=" SIGNATURE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    recorder_close(&r);
    loopback_stop(server);
    free(picture);
    return 0;
}

static bool holds_secret(const char *bytes, size_t n)
{
    return memmem(bytes, n, PASSWORD, strlen(PASSWORD)) ||
           memmem(bytes, n, SIGNATURE, strlen(SIGNATURE));
}

static void files_are_clean(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t n;
        char *path = text_format("%s/%s", dir, e->d_name);
        char *bytes = recorder_read(path, &n);
        if (bytes && holds_secret(bytes, n)) fail_msg("a secret is in %s:\n%.3000s", path, bytes);
        free(bytes);
        free(path);
    }
    if (d) closedir(d);
}

static void all_is_clean(const char *source)
{
    if (holds_secret(r.seen.s, r.seen.n)) fail_msg("\"%s\" shows:\n%s", source, r.seen.s);
    if (holds_secret(r.err.text, strlen(r.err.text)))
        fail_msg("\"%s\" says: %s", source, r.err.text);
    for (int i = 0; i < r.nb->book.n; i++) {
        const struct cell *c = &r.nb->book.v[i];
        const char *parts[] = {c->prompt, c->text, c->answer, c->error};
        for (size_t k = 0; k < sizeof parts / sizeof *parts; k++)
            if (parts[k] && holds_secret(parts[k], strlen(parts[k])))
                fail_msg("a secret is in cell %d: %s", i + 1, parts[k]);
    }
    files_are_clean(".");
    files_are_clean("state");
}

/* In every way in which an address can come in. */
static void nothing_keeps_them(void **state)
{
    (void)state;
    static const char *const ways[] = {":load %s",
                                       ":load \"%s\" as cover%d",
                                       ":load %s\nWhat?",
                                       "What is in @%s?",
                                       "@%s\nWhat?",
                                       "比较@%s 和@1",
                                       "%s",
                                       ":edit 1 See @%s",
                                       ":foreach %s \"What?\" to out.csv",
                                       ":foreach %s \"What?\" to out.jsonl",
                                       ":system Look at %s",
                                       ":set system %s",
                                       "What do you think of %s, say?",
                                       ":foreach a.ppm \"Like %s?\" to out2.jsonl",
                                       "!curl %s",
                                       ":system \"\"\"One\n%s\"\"\"\nAnd now?",
                                       ":edit 2 \"%s\" is an address",
                                       ":load %s %s"};
    static const char *const looks[] = {":cells",  ":images", ":prompt",     ":context", ":set",
                                        ":system", ":info",   ":prompt ids", ":history", ":stats"};
    static const char *const saves[] = {":save! x.ipynb", ":save! x.md", ":save! x.txt",
                                        ":save! x.json"};
    const char *secrets[] = {with_password, signed_query, in_prose};
    works(&r, "One");
    works(&r, "Two");
    int n = 0;
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
        for (size_t k = 0; k < sizeof secrets / sizeof *secrets; k++) {
            struct text source = {0};
            for (const char *p = ways[w]; *p; p++) {
                bool secret = !strncmp(p, "%s", 2), number = !strncmp(p, "%d", 2);
                if (secret) text_add(&source, secrets[k]);
                if (number) text_addf(&source, "%d", ++n);
                if (secret || number)
                    p++;
                else
                    text_addn(&source, p, 1);
            }
            /* What nobody can fetch comes back into the line as it was typed; nowhere else. */
            int rc = recorder_eval(&r, source.s, NB_TYPED);
            char *back = strstr(r.seen.s, "next ");
            if (rc < 0 && back) *back = 0, r.seen.n = (size_t)(back - r.seen.s);
            if (secrets[k] != in_prose && rc < 0) fail_msg("\"%s\" said: %s", source.s, r.err.text);
            if (*source.s != '!') all_is_clean(source.s);
            for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
                recorder_eval(&r, looks[i], NB_TYPED);
                all_is_clean(looks[i]);
            }
            text_free(&source);
        }
    for (size_t i = 0; i < sizeof saves / sizeof *saves; i++) {
        works(&r, saves[i]);
        all_is_clean(saves[i]);
    }
    works(&r, "Unsaved");
    recorder_stop(&r);
    files_are_clean(".");
    files_are_clean("state");
    recorder_restart(&r, false);
}

static void kept_in_no_history(void **state)
{
    (void)state;
    const char *secrets[] = {with_password, signed_query, in_prose};
    for (size_t k = 0; k < sizeof secrets / sizeof *secrets; k++) {
        char *line = text_format(":load %s and '%s'\n@%s", secrets[k], secrets[k], secrets[k]);
        char *kept = nb_for_keeping(line), *again = nb_for_keeping(kept);
        assert_false(holds_secret(kept, strlen(kept)));
        assert_string_equal(kept, again);
        free(line);
        free(kept);
        free(again);
    }
}

/* While it is there a picture is used again; a new session needs the secret again, and says so. */
static void run_again(void **state)
{
    (void)state;
    char *prompt = text_format("What is in @%s?", with_password);
    works(&r, prompt);
    free(prompt);
    prompt = text_format(":load %s\nWhat?", signed_query);
    works(&r, prompt);
    free(prompt);
    int n = loopback_accepted(server), n_images = r.nb->book.images.n;
    works(&r, ":run all");
    works(&r, ":retry 1");
    assert_int_equal(loopback_accepted(server), n);
    assert_int_equal(r.nb->book.images.n, n_images);
    works(&r, ":save x.ipynb");
    recorder_restart(&r, false);
    works(&r, ":open x.ipynb");
    works(&r, ":cells");
    assert_saw(&r, "In [1] ok: What is in @http://***@127.0.0.1");
    fails(&r, ":run 1", "give the whole address again");
    fails(&r, ":run 2", "give the whole address again");
    assert_int_equal(loopback_accepted(server), n);
}

/* The program's own --system is a part of what is saved. */
static void system_turn_of_the_program(void **state)
{
    (void)state;
    assert_int_equal(settings_set(&r.settings, "system", in_prose, ~0, NULL), 0);
    recorder_restart(&r, true);
    works(&r, "One");
    works(&r, ":save x.ipynb");
    all_is_clean("--system");
    works(&r, ":open x.ipynb");
    assert_string_equal(state_name(book_state(&r.nb->book, 0)), "ok");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(nothing_keeps_them), TEST(kept_in_no_history),
                                       TEST(run_again), TEST(system_turn_of_the_program)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
