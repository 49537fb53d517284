/* SPDX-License-Identifier: GPL-3.0-or-later
 * repl/fetch: files, pipes, data: URLs, and a server on loopback that behaves in every bad way;
 * each failure is one clean sentence with the right code. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "net/fetch.h"
#include "loopback.h"

static struct loopback *server;
static uint8_t picture[100000];
static const struct fetch_options typed = {.origin = NET_TYPED};

/* -- Pages ------------------------------------------------------------------------------------ */

static void send_picture(struct loopback_request *r, size_t claimed, size_t sent)
{
    loopback_sendf(r,
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                   "Connection: close\r\n\r\n",
                   claimed);
    loopback_send(r, picture, sent);
}

static void redirect(struct loopback_request *r, const char *to)
{
    loopback_sendf(r, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", to);
}

/* /away?PORT leads to that port; what is asked there says whether a password came along. */
static void answer(struct loopback_request *r, void *user)
{
    (void)user;
    const char *path = r->path;
    char value[100], to[200];
    bool has_password = loopback_header(r, "Authorization", value, sizeof value);
    if (!strcmp(path, "/away")) {
        snprintf(to, sizeof to, "http://%s:%d/%s", *r->query == '0' ? "localhost" : "127.0.0.1",
                 *r->query == '0' ? loopback_port(server) : atoi(r->query),
                 has_password ? "nobody-knows" : "pic.png");
        redirect(r, to);
    } else if (!strcmp(path, "/nobody-knows")) {
        loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%s",
                       has_password ? "told" : "fine");
    } else if (!strcmp(path, "/pic.png")) {
        send_picture(r, sizeof picture, sizeof picture);
    } else if (!strcmp(path, "/partial")) {
        send_picture(r, sizeof picture, sizeof picture / 2);
    } else if (!strcmp(path, "/big")) {
        send_picture(r, (size_t)1 << 40, sizeof picture);
    } else if (!strcmp(path, "/chunked")) {
        loopback_sendf(r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while (loopback_sendf(r, "64\r\n%0100d\r\n", 0)) continue;
    } else if (!strcmp(path, "/slow")) {
        loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        loopback_wait(r, 10);
    } else if (!strcmp(path, "/redirect")) {
        redirect(r, "/pic.png");
    } else {
        loopback_sendf(r, "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n\033]0;a");
    }
}

/* -- Helpers ---------------------------------------------------------------------------------- */

static void url_of(char to[200], const char *path)
{
    snprintf(to, 200, "http://127.0.0.1:%d%s", loopback_port(server), path);
}

static void expect_clean(const char *s)
{
    for (; *s; s++) assert_true((unsigned char)*s >= 0x20 && *s != 0x7F);
}

static void expect_bytes(const char *what, const struct fetch_options *opt, const void *bytes,
                         size_t n, const char *source)
{
    struct fetched f = {0};
    struct phi3v_error err = {0};
    if (fetch_picture(what, opt, &f, &err) != 0) fail_msg("%s: %s", what, err.text);
    assert_int_equal(f.n_bytes, n);
    assert_memory_equal(f.bytes, bytes, n);
    if (source) assert_string_equal(f.source, source);
    fetched_fini(&f);
}

static void expect_error(const char *what, const struct fetch_options *opt, int code,
                         const char *part)
{
    struct fetched f = {.bytes = NULL};
    struct phi3v_error err = {0};
    int rc = fetch_picture(what, opt, &f, &err);
    if (rc != code || err.code != code || !strstr(err.text, part))
        fail_msg("%.80s: %d \"%s\", wanted %d \"%s\"", what, rc, err.text, code, part);
    assert_null(f.bytes);
    expect_clean(err.text);
}

static void expect_url_error(const char *path, const struct fetch_options *opt, int code,
                             const char *part)
{
    char url[200];
    url_of(url, path);
    expect_error(url, opt, code, part);
}

/* -- The server ------------------------------------------------------------------------------- */

static void test_http(void **state)
{
    (void)state;
    char url[200], other[300];
    url_of(url, "/pic.png");
    expect_bytes(url, &typed, picture, sizeof picture, url);
    expect_bytes(url, NULL, picture, sizeof picture, url);
    snprintf(other, sizeof other, "http://me:secret@127.0.0.1:%d/pic.png#part",
             loopback_port(server));
    url_of(url, "/pic.png");
    snprintf(url, sizeof url, "http://***@127.0.0.1:%d/pic.png#part", loopback_port(server));
    expect_bytes(other, &typed, picture, sizeof picture, url);
    expect_error(url, &typed, PHI3V_E_ARGUMENT, "was stored without its password or key");
    snprintf(other, sizeof other, " <http://127.0.0.1:%d/pic.png>\n", loopback_port(server));
    expect_bytes(other, &typed, picture, sizeof picture, NULL);
    url_of(url, "/redirect");
    expect_bytes(url, &typed, picture, sizeof picture, url);
}

/* A password in the address is for its host and port alone. */
static void test_passwords(void **state)
{
    (void)state;
    char url[200];
    struct loopback *other = loopback_start(answer, NULL);
    const int ports[] = {0, loopback_port(other)};
    for (int i = 0; i < 2; i++) {
        snprintf(url, sizeof url, "http://me:secret@127.0.0.1:%d/away?%d", loopback_port(server),
                 ports[i]);
        expect_bytes(url, &typed, "fine", 4, NULL);
    }
    loopback_stop(other);
}

static void test_limits(void **state)
{
    (void)state;
    expect_url_error("/nothing", &typed, PHI3V_E_IO, "not found (HTTP status 404)");
    expect_url_error("/partial", &typed, PHI3V_E_IO, "the connection broke after 50000 bytes");
    expect_url_error("/big", &typed, PHI3V_E_IMAGE, "larger than 256 MiB");
    const struct fetch_options small = {.origin = NET_TYPED, .limit_bytes = 1 << 20};
    expect_url_error("/chunked", &small, PHI3V_E_IMAGE, "larger than 1 MiB");
    const struct fetch_options exact = {.origin = NET_TYPED, .limit_bytes = sizeof picture};
    char url[200];
    url_of(url, "/pic.png");
    expect_bytes(url, &exact, picture, sizeof picture, url);
    const struct fetch_options offline = {.origin = NET_TYPED, .offline = true};
    expect_url_error("/pic.png", &offline, PHI3V_E_IO, "--offline");
    expect_error("http://", &typed, PHI3V_E_ARGUMENT, "not a valid URL");
    expect_error("ftp://example.org/x.png", &typed, PHI3V_E_ARGUMENT, "only http, https and data:");
}

static bool always_hopeless(const void *bytes, size_t n)
{
    assert_true(n >= 65536 && n < 100000);
    return memcmp(bytes, picture, n) == 0;
}

/* What is no picture is not fetched to its end. */
static void test_hopeless(void **state)
{
    (void)state;
    char url[200];
    struct fetched f = {0};
    const struct fetch_options opt = {.origin = NET_TYPED, .is_hopeless = always_hopeless};
    url_of(url, "/pic.png");
    assert_int_equal(fetch_picture(url, &opt, &f, NULL), 0);
    assert_in_range(f.n_bytes, 65536, sizeof picture - 1);
    fetched_fini(&f);
}

static void test_refused(void **state)
{
    (void)state;
    int fd;
    char url[100];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/x.png", loopback_closed_port(&fd));
    expect_error(url, &typed, PHI3V_E_IO, "cannot connect (Connection refused)");
    close(fd);
}

static int count_then_cancel(int64_t done, int64_t total, void *user)
{
    (void)done, (void)total;
    return --*(int *)user < 0;
}

static void test_slow(void **state)
{
    (void)state;
    const struct fetch_options impatient = {.origin = NET_TYPED, .timeout_s = 0.3};
    expect_url_error("/slow", &impatient, PHI3V_E_IO, "timeout: 0 bytes had come");
    int calls = 2;
    const struct fetch_options cancels = {
        .origin = NET_TYPED, .on_progress = count_then_cancel, .user = &calls};
    expect_url_error("/slow", &cancels, PHI3V_E_CANCELLED, "cancelled");
}

/* -- data:
 * -------------------------------------------------------------------------------------------------
 */

static void test_data(void **state)
{
    (void)state;
    expect_bytes("data:image/png;base64,iVBORw0KGgo=", &typed, "\x89PNG\r\n\x1a\n", 8,
                 "data:image/png");
    expect_bytes("data:image/png;base64,iVBORw0KGgo", NULL, "\x89PNG\r\n\x1a\n", 8, NULL);
    expect_bytes("DATA:;BASE64,iVBO Rw0K%0AGgo%3D", &typed, "\x89PNG\r\n\x1a\n", 8, "DATA:");
    expect_bytes("data:;base64,_-__", &typed, "\xff\xef\xff", 3, NULL);
    expect_bytes("data:,a%20b%zz%4", &typed, "a b%zz%4", 8, NULL);
    expect_bytes("data:text/plain;charset=x,100%", &typed, "100%", 4, "data:text/plain");
    expect_error("data:image/png;base64", &typed, PHI3V_E_ARGUMENT, "needs a comma");
    expect_error("data:;base64,####", &typed, PHI3V_E_ARGUMENT, "damaged or cut off");
    expect_error("data:;base64,abcde", &typed, PHI3V_E_ARGUMENT, "damaged or cut off");
    expect_error("data:;base64,ab=cd", &typed, PHI3V_E_ARGUMENT, "damaged or cut off");
    expect_error("data:image/png;base64,", &typed, PHI3V_E_IMAGE, "is empty");
    expect_error("data:,", &typed, PHI3V_E_IMAGE, "is empty");
    const struct fetch_options small = {.origin = NET_TYPED, .limit_bytes = 4};
    expect_error("data:,12345", &small, PHI3V_E_IMAGE, "larger than");
    expect_error("data:\033]0;x,", &typed, PHI3V_E_IMAGE, "data:^[]0 is empty");
    for (size_t n = 1; n < 300; n++) { /* every remainder and padding */
        char url[512] = "data:;base64,";
        uint8_t zeros[300] = {0};
        memset(url + 13, 'A', (n * 4 + 2) / 3);
        expect_bytes(url, &typed, zeros, n, NULL);
    }
}

/* -- Files ------------------------------------------------------------------------------------ */

static void test_files(void **state)
{
    (void)state;
    struct folder f;
    char path[100];
    folder_make(&f);
    snprintf(path, sizeof path, "%s/a\033b.png", f.path);
    expect_error(path, &typed, PHI3V_E_IO, "a^[b.png: No such file");
    folder_write(&f, "a\033b.png", picture, sizeof picture);
    expect_bytes(path, &typed, picture, sizeof picture, NULL);
    const struct fetch_options small = {.origin = NET_TYPED, .limit_bytes = sizeof picture - 1};
    expect_error(path, &small, PHI3V_E_IMAGE, "larger than");
    assert_int_equal(truncate(path, 0), 0);
    expect_error(path, &typed, PHI3V_E_IMAGE, "is empty");
    unlink(path);
    expect_error(f.path, &typed, PHI3V_E_IO, "is a folder");
    expect_error("/dev/zero", &typed, PHI3V_E_IO, "is not a file");
    assert_int_equal(mkfifo(path, 0600), 0);
    const struct fetch_options impatient = {.origin = NET_TYPED, .timeout_s = 0.2};
    expect_error(path, &impatient, PHI3V_E_IO, "nothing was written");
    const struct fetch_options of_file = {.origin = NET_FILE};
    expect_error(path, &of_file, PHI3V_E_IO, "is not a file");
    folder_remove(&f);
}

static void test_stdin(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], picture, 1000), 1000);
    close(fds[1]);
    struct fetch_options opt = {.origin = NET_TYPED, .in_fd = fds[0]};
    expect_bytes("-", &opt, picture, 1000, "-");
    expect_error("-", &opt, PHI3V_E_IMAGE, "the standard input is empty");
    close(fds[0]);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"http://u:p@example.org/a.png?x=1#f", "http://***@example.org/a.png?x=1#f"},
        {"https://example.org/a.png?X-Amz-Signature=1",
         "https://example.org/a.png?X-Amz-Signature=***"},
        {"dir/a\nb.png", "dir/a^Jb.png"},
        {"me@x.org", "me@x.org"},
        {"data:image/png;base64,AAAA", "data:image/png"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *name = fetch_display_name(cases[i][0]);
        assert_string_equal(name, cases[i][1]);
        free(name);
    }
    char *name =
        fetch_display_name("http://b\u00fccher.example/x"); /* punycode where libcurl has IDN */
    expect_clean(name);
    free(name);
}

static int begin(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof picture; i++) picture[i] = (uint8_t)(i * i + 1);
    memcpy(picture, "\x89PNG\r\n\x1a\n", 8);
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
    fetch_global_init();
    server = loopback_start(answer, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    loopback_stop(server);
    fetch_global_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http),      cmocka_unit_test(test_limits),
        cmocka_unit_test(test_passwords), cmocka_unit_test(test_hopeless),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_slow),
        cmocka_unit_test(test_data),      cmocka_unit_test(test_files),
        cmocka_unit_test(test_stdin),     cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("fetch", tests, begin, end);
}
