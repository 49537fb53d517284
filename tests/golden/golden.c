/* SPDX-License-Identifier: MIT */
#include "golden.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "level.h"

/* -- Reporting -------------------------------------------------------------------------------- */

static int n_cases, n_failed;

/* In one line, whatever the text is made of: answers and errors stand in names, too. */
static void print_text(const char *format, va_list args)
{
    char text[4000];
    vsnprintf(text, sizeof text, format, args);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F) *c = ' ';
    fputs(text, stdout);
}

static void print_case(bool ok, const char *name, va_list args)
{
    printf("%s %d - ", ok ? "ok" : "not ok", ++n_cases);
    print_text(name, args);
}

bool tap_ok(bool ok, const char *name, ...)
{
    va_list args;
    va_start(args, name);
    print_case(ok, name, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    if (!ok) n_failed++;
    return ok;
}

void tap_skip(const char *reason, const char *name, ...)
{
    va_list args;
    va_start(args, name);
    print_case(true, name, args);
    va_end(args);
    printf(" # SKIP %s\n", reason);
    fflush(stdout);
}

void tap_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("# ");
    print_text(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
}

int tap_done(void)
{
    if (n_cases == 0) tap_ok(false, "there was nothing to test");
    printf("1..%d\n", n_cases);
    return n_failed ? 1 : 0;
}

/* -- The golden root -------------------------------------------------------------------------- */

static const char *root;

void golden_init(int argc, char **argv)
{
    level_require();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--goldens") == 0 && i + 1 < argc) {
            root = argv[++i];
        } else {
            fprintf(stderr, "usage: %s [--goldens DIR]\n", argv[0]);
            exit(2);
        }
    }
    if (!root) root = getenv("PHI3V_GOLDENS");
    if (root && !*root) root = NULL;
    if (!root && file_is_dir(GOLDEN_SOURCE_ROOT "/../shared/goldens"))
        root = GOLDEN_SOURCE_ROOT "/../shared/goldens";
    if (!root) root = GOLDEN_SOURCE_ROOT "/tests/golden/data";
    if (!file_is_dir(root)) {
        fprintf(stderr, "%s: no golden data in %s\n", argv[0], root);
        exit(2);
    }
    tap_note("goldens: %s", root);
}

const char *golden_root(void) { return root; }

char *golden_path(const char *relative)
{
    char *path = path_join(root, relative);
    if (!path) {
        fprintf(stderr, "not enough memory for a path\n");
        exit(2);
    }
    return path;
}

bool golden_exists(const char *relative)
{
    CLEANUP(mem_free_ptr) char *path = golden_path(relative);
    return file_exists(path);
}

/* -- Loading ---------------------------------------------------------------------------------- */

char *golden_bytes(const char *relative, size_t *ret_n_bytes)
{
    CLEANUP(mem_free_ptr) char *path = golden_path(relative);
    if (!file_exists(path)) {
        tap_skip("not in this golden set", "%s", relative);
        return NULL;
    }
    struct phi3v_error err;
    char *bytes;
    if (file_read(path, (size_t)1 << 32, &bytes, ret_n_bytes, &err) < 0) {
        tap_ok(false, "%s: %s", relative, err.text);
        return NULL;
    }
    return bytes;
}

json_t *golden_json(const char *relative)
{
    size_t n;
    CLEANUP(mem_free_ptr) char *bytes = golden_bytes(relative, &n);
    if (!bytes) return NULL;
    json_error_t error;
    json_t *value = json_loadb(bytes, n, JSON_ALLOW_NUL, &error);
    if (!value) tap_ok(false, "%s: line %d: %s", relative, error.line, error.text);
    return value;
}

/* The text after 'key': in the header dictionary, or NULL. */
static const char *npy_entry(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    return at ? at + strlen(key) : NULL;
}

/* Reads the header behind the magic; false when it is not an array we know. */
static bool npy_parse(struct npy *a, size_t n_bytes)
{
    unsigned char *p = (unsigned char *)a->file;
    if (n_bytes < 12 || memcmp(p, "\x93NUMPY", 6) != 0 || p[6] < 1 || p[6] > 2) return false;
    size_t start = p[6] == 1 ? 10 : 12;
    size_t header_n = p[8] | (size_t)p[9] << 8;
    if (p[6] == 2) header_n |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (header_n == 0 || start + header_n > n_bytes) return false;
    p[start + header_n - 1] = 0; // a newline ends the header
    const char *header = (const char *)p + start;
    const char *descr = npy_entry(header, "'descr': "), *shape = npy_entry(header, "'shape': (");
    if (!descr || !shape || !strstr(header, "'fortran_order': False")) return false;

    a->n = 1;
    for (char *end; *shape && *shape != ')'; shape = end + strspn(end, ", ")) {
        long long side = strtoll(shape, &end, 10);
        if (end == shape || side < 0 || a->n_dims == NPY_MAX_DIMS) return false;
        a->shape[a->n_dims++] = side;
        if (!size_mul(a->n, (size_t)side, &a->n)) return false;
    }
    if (a->n != (n_bytes - start - header_n) / 4 || (n_bytes - start - header_n) % 4) return false;
    if (strncmp(descr, "'<f4'", 5) == 0)
        a->f32 = (const float *)(const void *)(p + start + header_n);
    else if (strncmp(descr, "'<i4'", 5) == 0)
        a->i32 = (const int32_t *)(const void *)(p + start + header_n);
    return a->f32 || a->i32; // the format aligns the numbers to 16 bytes or more
}

struct npy *golden_npy(const char *relative)
{
    size_t n_bytes;
    char *bytes = golden_bytes(relative, &n_bytes);
    struct npy *a = bytes ? mem_zalloc(sizeof *a) : NULL;
    if (!a) {
        mem_free(bytes);
        return NULL;
    }
    a->file = bytes;
    if (npy_parse(a, n_bytes)) return a;
    tap_ok(false, "%s: not a little-endian f4 or i4 array in C order", relative);
    npy_free(a);
    return NULL;
}

void npy_free(struct npy *a)
{
    if (!a) return;
    mem_free(a->file);
    mem_free(a);
}

/* -- Comparing -------------------------------------------------------------------------------- */

struct golden_diff golden_compare(const float *got, const float *want, size_t n)
{
    struct golden_diff d = {0};
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (got[i] == want[i]) continue; // also equal infinities
        double e = fabs((double)got[i] - (double)want[i]);
        if (isnan(e)) e = INFINITY;
        sum += e * e;
        if (e > d.max_abs) d.max_abs = e;
    }
    d.rms = n ? sqrt(sum / (double)n) : 0;
    return d;
}
