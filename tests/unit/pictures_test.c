/* SPDX-License-Identifier: MIT
 * Every picture of tests/pictures is equal to what the reference makes of it, or refused with a
 * sentence: expected.tsv says which. There is no third kind. The table of docs/pictures.md is
 * printed by this program (pictures_test --markdown FOLDER) and must be up to date. Reading any of
 * them can be stopped.
 *   pictures_test FOLDER DOCUMENT    TAP, one case per picture */
#define _GNU_SOURCE // asprintf
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "image/image.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* The files are small, and the largest picture among them has 9 million pixels. */
enum { MAX_ROWS = 1000, MAX_TEXT = 1 << 18, MAX_RESIDENT_MIB = 100 };
/* Of computing time: what else the machine does is not counted. */
static const double max_seconds = SANITIZED ? 5 : 1, max_seconds_of_100_bytes = SANITIZED ? 1 : 0.2;

/* A line of expected.tsv: four columns. */
struct row {
    char *file, *what;
    char *reference; // "Pillow 9.4.0", … or "refused"; behind it ", lenient"
    char *result; // "WIDTHxHEIGHT SHA256 still|animated"; for a refusal what its sentence contains
};

struct outcome {
    int code;
    char result[128]; // as in expected.tsv
    char sentence[512];
    int incomplete;
    int n_asked;    // whether to go on
    int stops;      // as soon as it is told to, without asking again
    size_t n_bytes; // of the file
    double seconds;
};

/* -- Reading ---------------------------------------------------------------------------------- */

static char *read_text(const char *path, size_t *ret_n)
{
    struct phi3v_error err;
    char *bytes;
    if (file_read(path, MAX_TEXT, &bytes, ret_n, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(2);
    }
    return bytes;
}

static char *cut_at(char *s, char end)
{
    char *hit = s ? strchr(s, end) : NULL;
    if (!hit) return NULL;
    *hit = 0;
    return hit + 1;
}

/* Splits text in place, which must end in a line end; returns the number of rows. */
static int read_rows(char *text, struct row rows[MAX_ROWS])
{
    int n = 0;
    for (char *line = text, *next; line && *line && n < MAX_ROWS; line = next) {
        next = cut_at(line, '\n');
        struct row *r = &rows[n++];
        r->file = line;
        r->what = cut_at(r->file, '\t');
        r->reference = cut_at(r->what, '\t');
        r->result = cut_at(r->reference, '\t');
        if (!r->result) {
            fprintf(stderr, "a line of the table has less than four columns: %s\n", line);
            exit(2);
        }
    }
    return n;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct asked {
    int n, no_at; // the number of the question that is answered with no; 0: none
};

static int ask(void *user)
{
    struct asked *a = user;
    return ++a->n == a->no_at;
}

static int stops_at(const char *bytes, size_t n, struct decode_options how, int no_at)
{
    struct asked asked = {.no_at = no_at};
    struct stop stop = {.fn = ask, .user = &asked};
    struct decoded d;
    struct phi3v_error err;
    how.stop = &stop;
    int code = image_decode((const uint8_t *)bytes, n, &how, &d, &err);
    if (code == 0) pixels_fini(&d.pixels);
    return code == PHI3V_E_CANCELLED && asked.n == no_at;
}

static struct outcome try_file(const char *folder, const struct row *r)
{
    struct outcome o = {0};
    size_t n;
    char *path = path_join(folder, r->file), *bytes = read_text(path, &n);
    struct asked asked = {0};
    struct stop stop = {.fn = ask, .user = &asked};
    struct decode_options how = {
        .exif = 1, .lenient = strstr(r->reference, "lenient") != NULL, .stop = &stop};
    struct decoded d;
    struct phi3v_error err = {0};
    double begun = now();
    o.code = image_decode((uint8_t *)bytes, n, &how, &d, &err);
    o.seconds = now() - begun;
    o.n_bytes = n;
    snprintf(o.sentence, sizeof o.sentence, "%s", err.text);
    if (o.code == 0) {
        char hex[65];
        struct sha256_part part = {d.pixels.rgb,
                                   (size_t)d.pixels.width * (size_t)d.pixels.height * 3};
        sha256_hex(&part, 1, NULL, hex, NULL);
        snprintf(o.result, sizeof o.result, "%dx%d %s %s", d.pixels.width, d.pixels.height, hex,
                 d.animated ? "animated" : "still");
        o.incomplete = d.incomplete;
        pixels_fini(&d.pixels);
    }
    o.n_asked = asked.n;
    o.stops = 1;
    for (int at = 1; at <= o.n_asked && o.stops; at += 1 + o.n_asked / 8)
        o.stops = stops_at(bytes, n, how, at);
    mem_free(bytes);
    mem_free(path);
    return o;
}

static bool is_refusal(const struct row *r) { return strncmp(r->reference, "refused", 7) == 0; }

/* -- The two outputs -------------------------------------------------------------------------- */

static const char *complaint(const struct row *r, const struct outcome *o)
{
    bool lenient = strstr(r->reference, "lenient") != NULL;
    if (o->seconds > (o->n_bytes <= 100 ? max_seconds_of_100_bytes : max_seconds))
        return "it took too long";
    if (!o->n_asked || !o->stops) return "it does not stop";
    if (is_refusal(r) && o->code == 0) return "it was read";
    if (strchr(o->sentence, '\n')) return "the sentence has a line end";
    if (is_refusal(r)) return strstr(o->sentence, r->result) ? NULL : "refused, but not with that";
    if (o->code < 0) return "it was refused";
    if (strcmp(o->result, r->result) != 0) return "other pixels, size or number of frames";
    return o->incomplete == lenient ? NULL : "whether it is incomplete is said wrongly";
}

static bool test_rows(const char *folder, const struct row *rows, int n)
{
    int n_failed = 0;
    size_t before = mem_in_use_bytes();
    for (int i = 0; i < n; i++) {
        struct outcome o = try_file(folder, &rows[i]);
        bool left_out = o.code == PHI3V_E_UNSUPPORTED && strstr(o.sentence, "by this build");
        const char *wrong = left_out ? NULL : complaint(&rows[i], &o);
        if (wrong) {
            n_failed++;
            printf("# %s: expected %s %s; got %s %s\n", wrong, rows[i].reference, rows[i].result,
                   o.result, o.sentence);
        }
        printf("%s %d - %s: %s: %s%s%s\n", wrong ? "not ok" : "ok", i + 1, rows[i].file,
               rows[i].what, is_refusal(&rows[i]) ? "" : "equal to ",
               is_refusal(&rows[i]) ? "refused" : rows[i].reference,
               left_out ? " # SKIP its library is not in this build" : "");
    }
    size_t left = mem_in_use_bytes() - before;
    if (left) printf("# %zu bytes were not freed\n", left);
    return n_failed == 0 && left == 0;
}

/* A row of the document, without the sentence of a refusal: part of that is a library's. */
static char *row_text(const struct row *r)
{
    char *text;
    const char *outcome = is_refusal(r) ? "refused: " : "equal to ";
    int n = asprintf(&text, "| %s | %s | %s%s", r->file, r->what, outcome,
                     is_refusal(r) ? "" : r->reference);
    return n < 0 ? NULL : text;
}

static void write_rows(const char *folder, const struct row *rows, int n)
{
    int n_equal = 0;
    printf("| file | what it is | outcome |\n|---|---|---|\n");
    for (int i = 0; i < n; i++) {
        struct outcome o = try_file(folder, &rows[i]);
        char *text = row_text(&rows[i]);
        printf("%s%s |\n", text, is_refusal(&rows[i]) ? o.sentence : "");
        n_equal += !is_refusal(&rows[i]);
        free(text);
    }
    printf("\n%d files: %d equal, %d refused.\n", n, n_equal, n - n_equal);
}

static bool document_is_current(const char *document, const struct row *rows, int n)
{
    size_t n_document;
    char *have = read_text(document, &n_document);
    int n_missing = 0;
    for (int i = 0; i < n; i++) {
        char *text = row_text(&rows[i]);
        if (!text || !strstr(have, text)) n_missing++;
        free(text);
    }
    if (n_missing) printf("# %d of %d rows are missing\n", n_missing, n);
    mem_free(have);
    return n_missing == 0;
}

static bool is_modest(int nth)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    bool modest = SANITIZED || used.ru_maxrss / 1024 <= MAX_RESIDENT_MIB;
    printf("%s %d - at most %d MiB of memory (%ld)\n", modest ? "ok" : "not ok", nth,
           MAX_RESIDENT_MIB, used.ru_maxrss / 1024);
    return modest;
}

int main(int argc, char **argv)
{
    bool markdown = argc == 3 && strcmp(argv[1], "--markdown") == 0;
    if (argc != 3) {
        fprintf(stderr, "usage: %s FOLDER DOCUMENT | --markdown FOLDER\n", argv[0]);
        return 2;
    }
    static struct row rows[MAX_ROWS];
    const char *folder = markdown ? argv[2] : argv[1];
    size_t n_text;
    char *path = path_join(folder, "expected.tsv"), *text = read_text(path, &n_text);
    int n = read_rows(text, rows);
    bool ok = true;
    if (markdown) {
        write_rows(folder, rows, n);
    } else {
        printf("1..%d\n", n + 2);
        ok = test_rows(folder, rows, n);
        bool current = document_is_current(argv[2], rows, n);
        printf("%s %d - the table in the document is up to date\n", current ? "ok" : "not ok",
               n + 1);
        ok = is_modest(n + 2) && ok && current;
    }
    mem_free(path);
    mem_free(text);
    return !ok;
}
