/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"

/* -- Memory --------------------------------------------------------------------------------- */

static void *present(void *p)
{
    if (p) return p;
    static const char line[] = "phiscope: out of memory\n";
    if (write(STDERR_FILENO, line, sizeof line - 1) < 0) _exit(1);
    _exit(1);
}

void *xalloc(size_t n_bytes) { return present(malloc(n_bytes ? n_bytes : 1)); }

void *xcalloc(size_t n, size_t size) { return present(calloc(n ? n : 1, size ? size : 1)); }

void *xgrow(void *p, size_t n, size_t size) { return present(reallocarray(p, n ? n : 1, size)); }

char *xstrdup(const char *s) { return present(strdup(s)); }

char *xstrndup(const char *s, size_t n) { return present(strndup(s, n)); }

static char *format_text(const char *format, va_list ap)
{
    char *s = NULL;
    return vasprintf(&s, format, ap) < 0 ? present(NULL) : s;
}

char *xasprintf(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    char *s = format_text(format, ap);
    va_end(ap);
    return s;
}

void text_addn(struct text *t, const char *s, size_t n)
{
    if (n >= SIZE_MAX / 2 - t->n) present(NULL);
    if (t->n + n + 1 > t->cap) {
        t->cap = (t->n + n + 1) * 2;
        t->s = xgrow(t->s, t->cap, 1);
    }
    if (n) memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = 0;
}

void text_add(struct text *t, const char *s) { text_addn(t, s, strlen(s)); }

void text_addf(struct text *t, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    char *s = format_text(format, ap);
    va_end(ap);
    text_add(t, s);
    free(s);
}

char *text_take(struct text *t)
{
    char *s = t->s ? t->s : xstrdup("");
    *t = (struct text){0};
    return s;
}

void text_free(struct text *t)
{
    free(t->s);
    *t = (struct text){0};
}

void strings_add(struct strings *list, const char *s)
{
    list->v = xgrow(list->v, list->n + 1, sizeof *list->v);
    list->v[list->n++] = xstrdup(s);
}

void strings_free(struct strings *list)
{
    for (size_t i = 0; i < list->n; i++) free(list->v[i]);
    free(list->v);
    *list = (struct strings){0};
}

void strings_copy(struct strings *to, const struct strings *from)
{
    for (size_t i = 0; i < from->n; i++) strings_add(to, from->v[i]);
}

/* -- Errors --------------------------------------------------------------------------------- */

int refuse(struct phi3v_error *err, int code, const char *format, ...)
{
    if (!err) return code;
    va_list ap;
    va_start(ap, format);
    vsnprintf(err->text, sizeof err->text, format, ap);
    va_end(ap);
    err->code = code;
    return code;
}

/* -- Names ---------------------------------------------------------------------------------- */

enum { NAME_MAX_LEN = 40 };

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static int min2(int a, int b) { return a < b ? a : b; }

int edit_distance(const char *a, const char *b)
{
    int rows[3][NAME_MAX_LEN + 1];
    int n_a = (int)strnlen(a, NAME_MAX_LEN + 1), n_b = (int)strnlen(b, NAME_MAX_LEN + 1);
    if (n_a > NAME_MAX_LEN || n_b > NAME_MAX_LEN) return 2 * NAME_MAX_LEN;
    for (int j = 0; j <= n_b; j++) rows[0][j] = j;
    for (int i = 1; i <= n_a; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= n_b; j++) {
            row[j] = min2(min2(above[j], row[j - 1]) + 1,
                          above[j - 1] + !same_letter(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
                same_letter(a[i - 2], b[j - 1]))
                row[j] = min2(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[n_a % 3][n_b];
}

const char *nearest_name(const char *typed, int n, const char *(*name_of)(int i, void *user),
                         void *user)
{
    const char *best = NULL;
    int best_edits = 2 * NAME_MAX_LEN;
    for (int i = 0; i < n; i++) {
        const char *name = name_of(i, user);
        int edits = edit_distance(typed, name), allowed = (int)strlen(name) / 3;
        if (edits > (allowed > 1 ? allowed : 1) || edits >= best_edits) continue;
        best = name;
        best_edits = edits;
    }
    return best;
}

/* -- Files ---------------------------------------------------------------------------------- */

static int read_stream(FILE *f, const char *path, size_t max_bytes, struct text *out,
                       struct phi3v_error *err)
{
    char part[65536];
    size_t n;
    while ((n = fread(part, 1, sizeof part, f)) > 0) {
        if (out->n + n > max_bytes)
            return refuse(err, PHI3V_E_IO, "%s is larger than %zu MiB", path, max_bytes >> 20);
        text_addn(out, part, n);
    }
    if (ferror(f)) return refuse(err, PHI3V_E_IO, "cannot read %s: %s", path, strerror(errno));
    return 0;
}

int load_file(const char *path, size_t max_bytes, char **ret_bytes, size_t *ret_n,
              struct phi3v_error *err)
{
    bool is_stdin = !strcmp(path, "-");
    const char *name = is_stdin ? "standard input" : path;
    FILE *f = is_stdin ? stdin : fopen(path, "rbe");
    if (!f) return refuse(err, PHI3V_E_IO, "cannot open %s: %s", path, strerror(errno));
    struct text out = {0};
    int rc = read_stream(f, name, max_bytes, &out, err);
    if (!is_stdin) fclose(f);
    if (rc) {
        text_free(&out);
        return rc;
    }
    *ret_n = out.n;
    *ret_bytes = text_take(&out);
    return 0;
}

static int write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, bytes, n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return -1;
        bytes += k;
        n -= (size_t)k;
    }
    return fsync(fd);
}

int store_file(const char *path, const char *bytes, size_t n, struct phi3v_error *err)
{
    struct stat old;
    mode_t mode = 0666;
    bool keep_mode = !stat(path, &old);
    if (keep_mode && !S_ISREG(old.st_mode))
        return refuse(err, PHI3V_E_IO, "%s is not a plain file", path);
    char *temporary = xasprintf("%s.part%ld", path, (long)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool ok =
        fd >= 0 && (!keep_mode || !fchmod(fd, old.st_mode & 07777)) && !write_all(fd, bytes, n);
    int why = errno;
    if (fd >= 0 && close(fd) && ok) {
        ok = false;
        why = errno;
    }
    if (ok && rename(temporary, path)) {
        ok = false;
        why = errno;
    }
    if (!ok && fd >= 0) unlink(temporary);
    free(temporary);
    return ok ? 0 : refuse(err, PHI3V_E_IO, "cannot write %s: %s", path, strerror(why));
}

static int make_dirs(char *path)
{
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        int rc = mkdir(path, 0700);
        *p = '/';
        if (rc && errno != EEXIST) return -1;
    }
    return mkdir(path, 0700) && errno != EEXIST ? -1 : 0;
}

char *xdg_dir(const char *variable, const char *fallback)
{
    const char *base = getenv(variable), *home = getenv("HOME");
    char *path = NULL;
    if (base && *base == '/')
        path = xasprintf("%s/phiscope", base);
    else if (home && *home == '/')
        path = xasprintf("%s/%s/phiscope", home, fallback);
    if (path && make_dirs(path)) {
        free(path);
        path = NULL;
    }
    return path;
}

char *expand_home(const char *path)
{
    const char *home = getenv("HOME");
    if (path[0] == '~' && path[1] == '/' && home) return xasprintf("%s%s", home, path + 1);
    return xstrdup(path);
}

bool has_ending(const char *path, const char *ending)
{
    size_t n = strlen(path), k = strlen(ending);
    return n > k && !strcasecmp(path + n - k, ending);
}

double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

char *human_bytes(double bytes, char *buf, size_t n)
{
    static const char *const unit[] = {"bytes", "kB", "MB", "GB", "TB"};
    int u = 0;
    for (; bytes >= 999.5 && u < 4; u++) bytes /= 1000;
    snprintf(buf, n, u && bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes, unit[u]);
    return buf;
}
