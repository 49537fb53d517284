/* SPDX-License-Identifier: GPL-3.0-or-later
 * Pictures from a server, fetched and decoded as the program does it: whatever the server sends,
 * it is the picture or one clear sentence, soon, and the next picture comes as if nothing had been.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "encodings.h"
#include "loopback.h"
#include "net/fetch.h"
#include "phi3v.h"

#define LIMIT_BYTES ((size_t)4 << 20)
#define PATIENCE_S 0.7 /* of the fetches here */

enum { PNG, JPEG, WEBP, SMALL, N_PICTURES };
static const char *const picture_files[N_PICTURES] = {
    [PNG] = SAMPLES "/chart.png",
    [JPEG] = SAMPLES "/book-cover.jpg",
    [WEBP] = SAMPLES "/compare-2.jpg.webp",
    [SMALL] = SAMPLES "/shapes.png",
};
static struct {
    uint8_t *bytes;
    size_t n;
    phi3v_image *image;
} pictures[N_PICTURES];

static struct loopback *server, *tls_server, *tls_expired;
static char bundle[] = "/tmp/faults_test.XXXXXX", expired_bundle[] = "/tmp/faults_test.XXXXXX";

/* -- Answers ---------------------------------------------------------------------------------- */

#define CLOSE "Connection: close\r\n\r\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\n" CLOSE

static void send_whole(struct loopback_request *r, int which)
{
    loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n" CLOSE, pictures[which].n);
    loopback_send(r, pictures[which].bytes, pictures[which].n);
}

static void png(struct loopback_request *r) { send_whole(r, PNG); }
static void jpeg(struct loopback_request *r) { send_whole(r, JPEG); }
static void webp(struct loopback_request *r) { send_whole(r, WEBP); }

static void no_length(struct loopback_request *r)
{
    loopback_sendf(r, "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n");
    loopback_send(r, pictures[PNG].bytes, pictures[PNG].n);
}

static void chunked(struct loopback_request *r)
{
    loopback_sendf(r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" CLOSE);
    for (size_t at = 0, n; at < pictures[PNG].n; at += n) {
        n = pictures[PNG].n - at < 1000 ? pictures[PNG].n - at : 1000;
        loopback_sendf(r, "%zx;name=value\r\n", n);
        loopback_send(r, pictures[PNG].bytes + at, n);
        loopback_sendf(r, "\r\n");
    }
    loopback_sendf(r, "0\r\n\r\n");
}

static void kept_open(struct loopback_request *r)
{
    loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", pictures[PNG].n);
    loopback_send(r, pictures[PNG].bytes, pictures[PNG].n);
    loopback_wait(r, 5);
}

static void encoded(struct loopback_request *r, enum encoding e, const char *name, bool damaged)
{
    size_t n;
    uint8_t *bytes = encode_stored(e, pictures[PNG].bytes, pictures[PNG].n, &n);
    if (damaged) memset(bytes + 2, 0xA5, 9);
    loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n" CLOSE,
                   name, n);
    loopback_send(r, bytes, n);
    free(bytes);
}

static void gzip(struct loopback_request *r) { encoded(r, ENCODE_GZIP, "gzip", false); }
static void x_gzip(struct loopback_request *r) { encoded(r, ENCODE_GZIP, "x-gzip", false); }
static void zlib(struct loopback_request *r) { encoded(r, ENCODE_ZLIB, "deflate", false); }
static void deflate(struct loopback_request *r) { encoded(r, ENCODE_DEFLATE, "deflate", false); }
static void brotli(struct loopback_request *r) { encoded(r, ENCODE_BROTLI, "br", false); }
static void bad_gzip(struct loopback_request *r) { encoded(r, ENCODE_GZIP, "gzip", true); }
static void bad_zlib(struct loopback_request *r) { encoded(r, ENCODE_ZLIB, "deflate", true); }
static void bad_brotli(struct loopback_request *r) { encoded(r, ENCODE_GZIP, "br", false); }
static void no_gzip(struct loopback_request *r) { encoded(r, ENCODE_NOT, "gzip", false); }
static void no_encoding(struct loopback_request *r) { encoded(r, ENCODE_NOT, "UTF-8", false); }
static void aws_chunked(struct loopback_request *r)
{
    encoded(r, ENCODE_NOT, "aws-chunked", false);
}
/* gzip with bytes behind its end, as padding */
static void padded_gzip(struct loopback_request *r)
{
    size_t n;
    uint8_t *bytes = encode_stored(ENCODE_GZIP, pictures[PNG].bytes, pictures[PNG].n, &n);
    loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" CLOSE);
    loopback_send(r, bytes, n);
    loopback_sendf(r, "padding");
    free(bytes);
}

static void unknown(struct loopback_request *r) { encoded(r, ENCODE_GZIP, "x-secret", false); }

static void bomb(struct loopback_request *r)
{
    size_t n;
    uint8_t *bytes = encode_bomb((size_t)60 << 20, &n);
    loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n" CLOSE,
                   n);
    loopback_send(r, bytes, n);
    free(bytes);
}

static void camera(struct loopback_request *r, const char *parameter, bool with_length)
{
    loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace%s\r\n\r\n",
                   parameter);
    loopback_sendf(r, "--frame\r\nContent-Type: image/jpeg\r\n");
    if (with_length) loopback_sendf(r, "Content-Length: %zu\r\n", pictures[JPEG].n);
    loopback_sendf(r, "\r\n");
    loopback_send(r, pictures[JPEG].bytes, pictures[JPEG].n);
    if (!with_length) loopback_sendf(r, "\r\n--frame\r\n");
    loopback_wait(r, 5); /* the next frame does not come */
}

static void camera_length(struct loopback_request *r) { camera(r, ";boundary=frame", true); }
static void camera_boundary(struct loopback_request *r) { camera(r, ";boundary=frame", false); }
static void camera_dashes(struct loopback_request *r) { camera(r, ";boundary=--frame", false); }
static void camera_unnamed(struct loopback_request *r) { camera(r, "", false); }
static void camera_other(struct loopback_request *r) { camera(r, ";boundary=other", true); }

static void cookie(struct loopback_request *r)
{
    char value[100];
    if (loopback_header(r, "Cookie", value, sizeof value) && !strcmp(value, "way=open"))
        send_whole(r, PNG);
    else
        loopback_sendf(r, "HTTP/1.1 302 Found\r\nSet-Cookie: way=open\r\nLocation: /cookie\r\n"
                          "Content-Length: 0\r\n" CLOSE);
}

/* The same address asked anew: nothing of the last fetch is left. */
static void no_cookie(struct loopback_request *r)
{
    char value[100];
    bool has_one = loopback_header(r, "Cookie", value, sizeof value);
    loopback_sendf(r, "HTTP/1.1 %d x\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n" CLOSE,
                   has_one ? 500 : 404);
}

static void hops(struct loopback_request *r)
{
    int left = atoi(r->query);
    if (left == 0)
        send_whole(r, PNG);
    else
        loopback_sendf(r, "HTTP/1.1 307 x\r\nLocation: ?%d\r\nContent-Length: 0\r\n" CLOSE,
                       left - 1);
}

static void to_blanks(struct loopback_request *r)
{
    if (!strcmp(r->path, "/to/it's%20a%20(picture).png"))
        send_whole(r, PNG);
    else
        loopback_sendf(r, "HTTP/1.1 301 x\r\nLocation: /to/it's a (picture).png\r\n"
                          "Content-Length: 0\r\n" CLOSE);
}

static void big_redirect(struct loopback_request *r)
{
    loopback_sendf(r, "HTTP/1.1 302 x\r\nLocation: /png\r\n" CLOSE);
    for (int i = 0; i < 1000 && loopback_sendf(r, "%0100d", 0); i++) continue;
}

static void half(struct loopback_request *r)
{
    loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n" CLOSE, pictures[PNG].n);
    loopback_send(r, pictures[PNG].bytes, pictures[PNG].n / 2);
}

static void half_reset(struct loopback_request *r)
{
    half(r);
    usleep(100000);
    loopback_reset(r);
    close(dup(r->fd));
}

static void cut_picture(struct loopback_request *r)
{
    loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n" CLOSE, pictures[PNG].n / 2);
    loopback_send(r, pictures[PNG].bytes, pictures[PNG].n / 2);
}

static void endless(struct loopback_request *r)
{
    loopback_sendf(r, OK_HEAD);
    while (loopback_send(r, pictures[PNG].bytes, pictures[PNG].n)) continue;
}

static void endless_film(struct loopback_request *r)
{
    static const char box[4096] = "\0\0\0\x18"
                                  "ftypmp42";
    loopback_sendf(r, OK_HEAD);
    while (loopback_send(r, box, sizeof box)) continue;
}

static void endless_page(struct loopback_request *r)
{
    loopback_sendf(r, OK_HEAD "<!-- a comment -->\n<html>");
    while (loopback_sendf(r, "<p>%0100d</p>\n", 0)) continue;
}

static void endless_head(struct loopback_request *r)
{
    loopback_sendf(r, "HTTP/1.1 200 OK\r\n");
    while (loopback_sendf(r, "X-More: %0100d\r\n", 0)) continue;
}

static void silent(struct loopback_request *r) { loopback_wait(r, 5); }

static void slow_head(struct loopback_request *r)
{
    loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Le");
    loopback_wait(r, 5);
}

static void trickle(struct loopback_request *r)
{
    loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (loopback_send(r, "\x89", 1)) usleep(50000);
}

static void slow_camera(struct loopback_request *r)
{
    loopback_sendf(r,
                   "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=f\r\n\r\n"
                   "--f\r\n\r\n");
    loopback_wait(r, 5);
}

static void camera_head(struct loopback_request *r)
{
    loopback_sendf(r,
                   "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=f\r\n\r\n"
                   "--f\r\n");
    while (loopback_sendf(r, "X-More: %0100d\r\n", 0)) continue;
}

static void to_closed(struct loopback_request *r)
{
    int fd, port = loopback_closed_port(&fd);
    loopback_sendf(
        r, "HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:%d/x\r\nContent-Length: 0\r\n" CLOSE,
        port);
    loopback_wait(r, 1);
    close(fd);
}

static void continues(struct loopback_request *r)
{
    for (int i = 0; i < 30 && loopback_sendf(r, "HTTP/1.1 100 Continue\r\n\r\n"); i++)
        usleep(50000);
}

/* -- The tables ------------------------------------------------------------------------------- */

struct row {
    const char *path;
    void (*answer)(struct loopback_request *r); /* or these bytes: */
    const char *raw;
    size_t n_raw;
    const char *want; /* a part of the sentence */
    int picture;      /* of rows without one */
};

#define RAW(s) NULL, s, sizeof s - 1

static const struct row good[] = {
    {"/png", png, NULL, 0, NULL, PNG},
    {"/jpeg", jpeg, NULL, 0, NULL, JPEG},
    {"/webp", webp, NULL, 0, NULL, WEBP},
    {"/webp.png", webp, NULL, 0, NULL, WEBP},
    {"/webp.jpg?name=a.jpg", webp, NULL, 0, NULL, WEBP},
    {"/no-length", no_length, NULL, 0, NULL, PNG},
    {"/chunked", chunked, NULL, 0, NULL, PNG},
    {"/kept-open", kept_open, NULL, 0, NULL, PNG},
    {"/gzip", gzip, NULL, 0, NULL, PNG},
    {"/x-gzip", x_gzip, NULL, 0, NULL, PNG},
    {"/padded-gzip", padded_gzip, NULL, 0, NULL, PNG},
    {"/zlib", zlib, NULL, 0, NULL, PNG},
    {"/deflate", deflate, NULL, 0, NULL, PNG},
    {"/brotli", brotli, NULL, 0, NULL, PNG},
    {"/no-gzip", no_gzip, NULL, 0, NULL, PNG},
    {"/no-encoding", no_encoding, NULL, 0, NULL, PNG},
    {"/aws-chunked", aws_chunked, NULL, 0, NULL, PNG},
    {"/camera-length", camera_length, NULL, 0, NULL, JPEG},
    {"/camera-boundary", camera_boundary, NULL, 0, NULL, JPEG},
    {"/camera-dashes", camera_dashes, NULL, 0, NULL, JPEG},
    {"/camera-unnamed", camera_unnamed, NULL, 0, NULL, JPEG},
    {"/camera-other", camera_other, NULL, 0, NULL, JPEG},
    {"/cookie", cookie, NULL, 0, NULL, PNG},
    {"/hops?5", hops, NULL, 0, NULL, PNG},
    {"/to/blanks", to_blanks, NULL, 0, NULL, PNG},
    {"/to/it's a (picture).png", to_blanks, NULL, 0, NULL, PNG},
    {"/big-redirect", big_redirect, NULL, 0, NULL, PNG},
};

#define STATUS(s) RAW("HTTP/1.1 " s "\r\nContent-Length: 13\r\n" CLOSE "\033]0;owned\a<p>")
#define TO(s) RAW("HTTP/1.1 302 x\r\nLocation: " s "\r\nContent-Length: 0\r\n" CLOSE)

static const struct row faults[] = {
    /* statuses */
    {"/404", STATUS("404 Not Found"), "not found (HTTP status 404)", 0},
    {"/410", STATUS("410 Gone"), "not found (HTTP status 410)", 0},
    {"/401", STATUS("401 \033[31mNo"), "access is refused (HTTP status 401)", 0},
    {"/403", STATUS("403 \xC2\x9B"), "access is refused (HTTP status 403)", 0},
    {"/407", STATUS("407 x"), "the proxy needs a name and a password (HTTP status 407)", 0},
    {"/408", STATUS("408 x"), "try again (HTTP status 408)", 0},
    {"/429", STATUS("429 x"), "too many requests, try again later (HTTP status 429)", 0},
    {"/500", STATUS("500 x"), "the server has a problem, try again later (HTTP status 500)", 0},
    {"/503", STATUS("503 x"), "HTTP status 503", 0},
    {"/418", STATUS("418 x"), "the server gave no picture (HTTP status 418)", 0},
    {"/999", STATUS("999 x"), "gave no picture (HTTP status 999)", 0},
    {"/304", RAW("HTTP/1.1 304 x\r\n" CLOSE), "gave no picture (HTTP status 304)", 0},
    {"/302", RAW("HTTP/1.1 302 x\r\nContent-Length: 0\r\n" CLOSE), "redirects without saying where",
     0},
    {"/204", RAW("HTTP/1.1 204 No Content\r\n" CLOSE), "is empty", 0},
    {"/empty", RAW("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" CLOSE), "is empty", 0},
    {"/no-cookie", no_cookie, NULL, 0, "HTTP status 404", 0},
    {"/no-cookie", no_cookie, NULL, 0, "HTTP status 404", 0},
    /* other things than pictures */
    {"/page", RAW(OK_HEAD "\n  <!DOCTYPE html><title>x</title>"), "a web page", 0},
    {"/svg", RAW(OK_HEAD "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), "an SVG drawing", 0},
    {"/xml-svg", RAW(OK_HEAD "<?xml version=\"1.0\"?>\n<svg/>"), "an SVG drawing", 0},
    {"/pdf", RAW(OK_HEAD "%PDF-1.7\n"), "a PDF document", 0},
    {"/zip", RAW(OK_HEAD "PK\3\4\0\0\0\0"), "a ZIP archive", 0},
    {"/tar.gz", RAW(OK_HEAD "\x1f\x8b\x08\0\0\0\0\0\0\3"), "a gzip archive", 0},
    {"/film",
     RAW(OK_HEAD "\0\0\0\x18"
                 "ftypmp42\0\0\0\0"),
     "film", 0},
    {"/webm", RAW(OK_HEAD "\x1a\x45\xdf\xa3\0\0\0\0"), "film", 0},
    {"/lfs", RAW(OK_HEAD "version https://git-lfs.github.com/spec/v1\n"), "Git LFS pointer", 0},
    {"/json", RAW(OK_HEAD "{\"error\":\"\033]52;c;AAAA\a\"}"), "not a picture", 0},
    {"/noise", RAW(OK_HEAD "\x01\x02\x03\xFE\xFF\x00\x9B\x9D"), "unknown kind", 0},
    {"/endless-film", endless_film, NULL, 0, "film", 0},
    {"/endless-page", endless_page, NULL, 0, "a web page", 0},
    {"/cut-picture", cut_picture, NULL, 0, "", 0},
    /* bodies that break */
    {"/half", half, NULL, 0, "the connection broke after", 0},
    {"/half-reset", half_reset, NULL, 0, "the connection broke after", 0},
    {"/cut-chunk", RAW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nab"),
     "the connection broke after 2 bytes", 0},
    {"/bad-chunk", RAW("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab"),
     "the connection broke after 0 bytes", 0},
    {"/endless", endless, NULL, 0, "larger than 4 MiB", 0},
    {"/huge", RAW("HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\nx"), "larger than 4 MiB",
     0},
    {"/overflow", RAW("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nx"),
     "larger than 4 MiB", 0},
    {"/negative", RAW("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx"), "does not speak HTTP", 0},
    {"/missing-gzip",
     RAW("HTTP/1.1 404 Not Found\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"),
     "not found", 0},
    {"/bomb", bomb, NULL, 0, "larger than 4 MiB", 0},
    {"/bad-gzip", bad_gzip, NULL, 0, "compressed answer is damaged", 0},
    {"/bad-zlib", bad_zlib, NULL, 0, "compressed answer is damaged", 0},
    {"/bad-brotli", bad_brotli, NULL, 0, "compressed answer is damaged", 0},
    {"/unknown-encoding", unknown, NULL, 0, "of an unknown kind", 0},
    /* what is no HTTP */
    {"/nothing", RAW(""), "closed the connection without an answer", 0},
    {"/ssh", RAW("SSH-2.0-OpenSSH_9.2\r\n"), "does not speak HTTP", 0},
    {"/no-head", RAW("\x89PNG\r\n\x1a\n"), "does not speak HTTP", 0},
    {"/icy", RAW("ICY 200 OK\r\n\r\n\xff\xfb"), "does not speak HTTP", 0},
    {"/version", RAW("HTTP/9.9 200 OK\r\n\r\nx"), "does not speak HTTP", 0},
    {"/endless-head", endless_head, NULL, 0, "", 0},
    {"/nul-head", RAW("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\nx"), "", 0},
    {"/continues", continues, NULL, 0, "", 0},
    /* slow ones */
    {"/silent", silent, NULL, 0, "timeout: 0 bytes had come", 0},
    {"/slow-head", slow_head, NULL, 0, "timeout", 0},
    {"/trickle", trickle, NULL, 0, "timeout", 0},
    {"/slow-camera", slow_camera, NULL, 0, "timeout", 0},
    /* cameras */
    {"/camera-head", camera_head, NULL, 0, "a camera's stream without a whole frame", 0},
    {"/camera-unbounded",
     RAW("HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\nf\r\n\r\nx\r\nf"),
     "a camera's stream without a whole frame", 0},
    {"/camera-cut",
     RAW("HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=f\r\n\r\n"
         "--f\r\nContent-Length: 1000\r\n\r\n\xff\xd8"),
     "a camera's stream without a whole frame", 0},
    {"/camera-empty",
     RAW("HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=f\r\n\r\n"
         "--f\r\n\r\n\r\n--f\r\n"),
     "is empty", 0},
    {"/camera-page",
     RAW("HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=f\r\n\r\n"
         "--f\r\n\r\n<html>\r\n--f\r\n"),
     "a web page", 0},
    /* redirects */
    {"/hops?6", hops, NULL, 0, "more than 5 redirects", 0},
    {"/circle", TO("/circle"), "more than 5 redirects", 0},
    {"/to-file", TO("file:///etc/hostname"), "redirects to something else than http or https", 0},
    {"/to-ftp", TO("ftp://127.0.0.1/x"), "redirects to something else than http or https", 0},
    {"/to-data", TO("data:image/png;base64,AAAA"), "redirects to something else", 0},
    {"/to-script", TO("javascript:alert(1)"), "redirects to something else", 0},
    {"/to-bad", TO("http://a b:99999/"), "it redirects to an address that is not valid", 0},
    {"/to-port", TO("http://127.0.0.1:99999/"), "", 0},
    {"/to-unknown", TO("http://nowhere.invalid/"), "the host is not known", 0},
    {"/to-closed", to_closed, NULL, 0, "cannot connect (Connection refused)", 0},
};

static const struct row *find_row(const struct loopback_request *r)
{
    char asked[8200];
    snprintf(asked, sizeof asked, "%s%s%s", r->path, *r->query ? "?" : "", r->query);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!strcmp(good[i].path, asked)) return &good[i];
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (!strcmp(faults[i].path, asked)) return &faults[i];
    return NULL;
}

static void answer(struct loopback_request *r, void *user)
{
    (void)user;
    const struct row *row = find_row(r);
    if (!strncmp(r->path, "/to/", 4))
        to_blanks(r);
    else if (!strcmp(r->path, "/hops"))
        hops(r);
    else if (row && row->answer)
        row->answer(r);
    else if (row)
        loopback_send(r, row->raw, row->n_raw);
}

/* -- Fetching and decoding -------------------------------------------------------------------- */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool is_hopeless(const void *bytes, size_t n)
{
    int is_picture = 0;
    phi3v_image_sniff(bytes, n, &is_picture);
    return !is_picture;
}

static int load(const char *url, phi3v_image **ret, struct phi3v_error *err)
{
    const struct fetch_options opt = {.origin = NET_TYPED,
                                      .limit_bytes = LIMIT_BYTES,
                                      .timeout_s = PATIENCE_S,
                                      .is_hopeless = is_hopeless};
    struct fetched f = {0};
    int rc = fetch_picture(url, &opt, &f, err);
    if (rc == 0) rc = phi3v_image_from_bytes(f.bytes, f.n_bytes, NULL, ret, err);
    fetched_fini(&f);
    return rc;
}

static void expect_picture(const char *url, int which)
{
    phi3v_image *image = NULL;
    struct phi3v_error err = {0};
    if (load(url, &image, &err) != 0) fail_msg("%s: %s", url, err.text);
    const struct phi3v_image_info *a = phi3v_image_info(image);
    const struct phi3v_image_info *b = phi3v_image_info(pictures[which].image);
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_memory_equal(phi3v_image_rgb(image), phi3v_image_rgb(pictures[which].image),
                        (size_t)a->width * (size_t)a->height * 3);
    phi3v_image_free(image);
}

/* One line, in our words, soon. */
static void expect_sentence(const char *url, const char *part)
{
    static const char *const foreign[] = {"SSL:",   "OpenSSL",   "SSL r", "curl_",
                                          "error:", "handshake", "alert", "X509",
                                          "errno",  "HTTP/0.9",  "Recv"};
    phi3v_image *image = NULL;
    struct phi3v_error err = {0};
    double begun = now_s();
    int rc = load(url, &image, &err);
    double took = now_s() - begun;
    phi3v_image_free(image);
    if (rc == 0) fail_msg("%s gives a picture", url);
    if (!strstr(err.text, part)) fail_msg("%s: \"%s\", wanted \"%s\"", url, err.text, part);
    for (const char *c = err.text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F) fail_msg("%s: \"%s\"", url, err.text);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (strstr(err.text, foreign[i])) fail_msg("%s: \"%s\"", url, err.text);
    if (!*err.text || took > 5 * PATIENCE_S) fail_msg("%s: %s, %.1f s", url, err.text, took);
    if (getenv("SHOW_SENTENCES")) printf("# %s\n", err.text);
}

static void url_of(char to[300], const char *path)
{
    snprintf(to, 300, "http://127.0.0.1:%d%s", loopback_port(server), path);
}

static void test_good(void **state)
{
    (void)state;
    char url[300];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        url_of(url, good[i].path);
        expect_picture(url, good[i].picture);
    }
}

static void test_faults(void **state)
{
    (void)state;
    char url[300];
    assert_true(sizeof faults / sizeof *faults >= 40);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        url_of(url, faults[i].path);
        expect_sentence(url, faults[i].want);
    }
    url_of(url, "/png");
    expect_picture(url, PNG);
}

static void test_tls(void **state)
{
    (void)state;
    char url[300];
    snprintf(url, sizeof url, "https://localhost:%d/png", loopback_port(tls_server));
    expect_picture(url, PNG);
    snprintf(url, sizeof url, "https://127.0.0.1:%d/png", loopback_port(tls_server));
    expect_sentence(url, "it belongs to another host");
    snprintf(url, sizeof url, "https://localhost:%d/png", loopback_port(tls_expired));
    setenv("CURL_CA_BUNDLE", expired_bundle, 1);
    expect_sentence(url, "it is not valid at this date");
    setenv("CURL_CA_BUNDLE", bundle, 1);
    snprintf(url, sizeof url, "https://127.0.0.1:%d/png", loopback_port(server));
    expect_sentence(url, "no encrypted connection came about");
    snprintf(url, sizeof url, "http://localhost:%d/png", loopback_port(tls_server));
    expect_sentence(url, "");
    snprintf(url, sizeof url, "https://localhost:%d/png", loopback_port(tls_server));
    unsetenv("CURL_CA_BUNDLE");
    expect_sentence(url, "it is signed by nobody known here");
    setenv("CURL_CA_BUNDLE", "/nonexistent/certificates", 1);
    expect_sentence(url, "the certificates in /nonexistent/certificates cannot be read");
    setenv("CURL_CA_BUNDLE", bundle, 1);
    expect_picture(url, PNG);
}

static void test_proxy_faults(void **state)
{
    (void)state;
    char proxy[100];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", loopback_port(server));
    setenv("all_proxy", proxy, 1);
    expect_picture("http://198.51.100.7/png", PNG);
    expect_sentence("http://198.51.100.7/404", "HTTP status 404");
    expect_sentence("https://198.51.100.7/png", ""); /* CONNECT is answered with nothing */
    setenv("all_proxy", "http://nowhere.invalid", 1);
    expect_sentence("http://198.51.100.7/png", "the proxy that the environment names is not known");
    setenv("all_proxy", "socks5://127.0.0.1:1", 1);
    expect_sentence("http://198.51.100.7/png", "cannot connect");
    snprintf(proxy, sizeof proxy, "socks5://127.0.0.1:%d", loopback_port(server));
    setenv("all_proxy", proxy, 1);
    expect_sentence("http://198.51.100.7/png", "");
    setenv("all_proxy", "nonsense://x", 1);
    expect_sentence("http://198.51.100.7/png", "");
    unsetenv("all_proxy");
}

/* -- Life ------------------------------------------------------------------------------------- */

static int begin(void **state)
{
    (void)state;
    static const char *const names[] = {"http_proxy", "https_proxy",   "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",     "no_proxy",
                                        "NO_PROXY",   "SSL_CERT_FILE", "CURL_CA_BUNDLE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
    for (int i = 0; i < N_PICTURES; i++) {
        struct fetched f = {0};
        if (fetch_picture(picture_files[i], NULL, &f, NULL)) return -1;
        if (phi3v_image_from_bytes(f.bytes, f.n_bytes, NULL, &pictures[i].image, NULL)) return -1;
        pictures[i].bytes = f.bytes;
        pictures[i].n = f.n_bytes;
        free(f.source);
    }
    int fd = mkstemp(bundle), expired = mkstemp(expired_bundle);
    if (fd < 0 || expired < 0) return -1;
    close(fd);
    close(expired);
    fetch_global_init();
    server = loopback_start(answer, NULL);
    tls_expired = loopback_start_tls(answer, NULL, expired_bundle, -7200, -3600);
    tls_server = loopback_start_tls(answer, NULL, bundle, -3600, 3600);
    setenv("CURL_CA_BUNDLE", bundle, 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(bundle);
    unlink(expired_bundle);
    loopback_stop(server);
    loopback_stop(tls_server);
    loopback_stop(tls_expired);
    for (int i = 0; i < N_PICTURES; i++) {
        phi3v_image_free(pictures[i].image);
        free(pictures[i].bytes);
    }
    fetch_global_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_proxy_faults),
    };
    return cmocka_run_group_tests_name("faults", tests, begin, end);
}
