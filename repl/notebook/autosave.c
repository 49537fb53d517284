/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/json.h"
#include "common/part.h"
#include "notebook/autosave.h"
#include "notebook/ipynb.h"

enum { MOST_KEPT = 20, ID_CHARS = 16 }; /* of journals, and of notebooks closed unsaved */
static const char journal_prefix[] = "autosave-", last_prefix[] = "last-";

struct autosave {
    char *dir;
    char *path; // of the journal; NULL: none yet
    int fd;     // of the journal, locked; -1
    bool cut;   // its last line may be incomplete
    bool told;  // a note has said that it cannot be written
};

/* -- Files ------------------------------------------------------------------------------------ */

static char *random_path(const struct autosave *a, const char *prefix, const char *ending)
{
    unsigned char id[ID_CHARS / 2];
    char hex[ID_CHARS + 1];
    if (getrandom(id, sizeof id, 0) != (ssize_t)sizeof id) return NULL;
    hex_text(id, sizeof id, hex);
    return text_format("%s/%s%s%s", a->dir, prefix, hex, ending);
}

/* A file's time is that of the kernel's last tick, and two journals may be written within one; which
 * of them is newer must be told all the same. */
static void stamp(int fd)
{
    struct timespec now[2];
    clock_gettime(CLOCK_REALTIME, &now[0]);
    now[1] = now[0];
    (void)futimens(fd, now);
}

/* Writes a new file, locked from the start. Returns its descriptor with the lock, or -1 with
 * errno. */
static int make_file(const struct autosave *a, const char *path, const char *bytes, size_t n)
{
    struct part p;
    bool ok = part_open(&p, path, 0600);
    if (!ok && errno == ENOENT && !mkdir(a->dir, 0700)) {
        part_close(&p);
        ok = part_open(&p, path, 0600);
    }
    if (ok && !p.locked) errno = ENOLCK;
    ok = ok && p.locked && write_all(p.fd, bytes, n) && part_move(&p, path);
    int fd = -1, why = errno;
    if (ok) {
        stamp(p.fd);
        fd = p.fd;
        p.fd = -1;
    }
    part_close(&p);
    errno = why;
    return fd;
}

/* Says in a note, once, why writing failed: errno. */
static void cannot_write(struct notebook *nb)
{
    struct autosave *a = nb->autosave;
    int why = errno;
    if (a->told) return;
    a->told = true;
    note(nb, "(%s cannot be written, so a crash would lose unsaved cells: %s)", a->dir,
         strerror(why));
}

static bool starts_with(const char *s, const char *prefix)
{
    return !strncmp(s, prefix, strlen(prefix));
}

/* -- What is left behind ---------------------------------------------------------------------- */

struct left {
    char *path;
    struct timespec when;
};

static int later_first(const void *x, const void *y)
{
    const struct left *a = x, *b = y;
    if (a->when.tv_sec != b->when.tv_sec) return a->when.tv_sec < b->when.tv_sec ? 1 : -1;
    return a->when.tv_nsec < b->when.tv_nsec ? 1 : a->when.tv_nsec > b->when.tv_nsec ? -1 : 0;
}

/* Lists files of one kind that no program has locked, newest first. */
static int list_left(const struct autosave *a, const char *prefix, struct left **ret)
{
    DIR *dir = opendir(a->dir);
    int n = 0;
    *ret = NULL;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        struct stat st;
        char *path = text_format("%s/%s", a->dir, e->d_name);
        if (path && starts_with(e->d_name, prefix) && !part_is_name(e->d_name) &&
            !stat(path, &st) && file_is_left(AT_FDCWD, path, false)) {
            struct left *v = memory_room(*ret, (size_t)n, sizeof *v);
            if (v) {
                *ret = v;
                v[n++] = (struct left){path, st.st_mtim};
                path = NULL;
            }
        }
        free(path);
    }
    if (dir) closedir(dir);
    if (n > 0) qsort(*ret, (size_t)n, sizeof **ret, later_first);
    return n;
}

static void left_free(struct left *list, int n)
{
    for (int i = 0; i < n; i++) free(list[i].path);
    free(list);
}

static void keep_newest_of(const struct autosave *a, const char *prefix)
{
    struct left *list;
    int n = list_left(a, prefix, &list);
    for (int i = MOST_KEPT; i < n; i++) file_is_left(AT_FDCWD, list[i].path, true);
    left_free(list, n);
}

static void keep_newest(const struct autosave *a)
{
    keep_newest_of(a, last_prefix);
    keep_newest_of(a, journal_prefix);
    parts_tidy_in(a->dir);
}

char *autosave_latest(struct notebook *nb)
{
    struct left *journals, *lasts;
    if (!nb->autosave) return NULL;
    int n_journals = list_left(nb->autosave, journal_prefix, &journals);
    int n_lasts = list_left(nb->autosave, last_prefix, &lasts);
    struct left *newest = n_journals ? &journals[0] : NULL;
    if (n_lasts && (!newest || later_first(newest, &lasts[0]) > 0)) newest = &lasts[0];
    char *path = newest ? text_copy(newest->path) : NULL;
    left_free(journals, n_journals);
    left_free(lasts, n_lasts);
    return path;
}

void autosave_tell(struct notebook *nb)
{
    struct left *list;
    if (!nb->autosave) return;
    int n = list_left(nb->autosave, journal_prefix, &list);
    if (n == 1) note(nb, "(a notebook was left behind: phiscope -c, or :open %s)", list[0].path);
    if (n > 1)
        note(nb, "(%d notebooks were left behind: phiscope -c, or :open %s/%sTAB)", n,
             nb->autosave->dir, journal_prefix);
    left_free(list, n);
}

/* -- The journal ------------------------------------------------------------------------------ */

/* One line of the journal, with its line end; NULL without memory. */
static char *journal_line(json_t *value)
{
    char *plain = value ? json_dumps(value, JSON_COMPACT) : NULL;
    char *line = plain ? text_format("%s\n", plain) : NULL;
    free(plain);
    json_decref(value);
    return line;
}

/* The absolute path of the notebook's file; NULL: it has none. */
static char *whole_path(const struct book *b)
{
    if (!b->path) return NULL;
    char *real = realpath(b->path, NULL);
    return real ? real : text_copy(b->path);
}

/* The first line holds the whole notebook. */
static char *first_line(struct notebook *nb)
{
    struct book *b = &nb->book;
    json_t *file = ipynb_frame(b, nb->engine.info ? nb->engine.info->name : NULL);
    enum cell_state *state = memory_zero((size_t)b->n, sizeof *state);
    json_t *cells = json_object_get(file, "cells");
    bool ok = file && state && !book_states(b, state, NULL);
    for (int i = 0; i < b->n && ok; i++) {
        if (b->v[i].before) json_array_extend(cells, b->v[i].before);
        ok = !json_array_append_new(cells, ipynb_cell(b, i, state[i]));
    }
    if (ok && b->after) json_array_extend(cells, b->after);
    free(state);
    if (!ok) {
        json_decref(file);
        return NULL;
    }
    char *path = whole_path(b), *name = path ? name_as_text(path) : NULL;
    json_t *line =
        json_pack("{s:o,s:o}", "path", name ? json_text(name) : json_null(), "notebook", file);
    free(name);
    free(path);
    return journal_line(line);
}

static void forget_journal(struct autosave *a, bool remove)
{
    if (remove && a->path) unlink(a->path);
    if (a->fd >= 0) close(a->fd);
    free(a->path);
    a->path = NULL;
    a->fd = -1;
    a->cut = false;
}

/* This book's cells are in the journal again, so the one left when it was put aside is removed. */
static void forget_aside(struct book *b)
{
    if (b->journal) file_is_left(AT_FDCWD, b->journal, true);
    free(b->journal);
    b->journal = NULL;
}

void autosave_whole(struct notebook *nb)
{
    struct autosave *a = nb->autosave;
    if (!a) return;
    if (!nb->book.changed || nb->book.n == 0) {
        forget_journal(a, true);
        return;
    }
    errno = ENOMEM;
    char *line = first_line(nb);
    char *path = a->path ? text_copy(a->path) : random_path(a, journal_prefix, ".jsonl");
    int fd = line && path ? make_file(a, path, line, strlen(line)) : -1;
    if (fd >= 0) {
        forget_journal(a, false);
        a->path = path;
        a->fd = fd;
        path = NULL;
        forget_aside(&nb->book);
    } else {
        cannot_write(nb);
    }
    free(path);
    free(line);
}

void autosave_cell(struct notebook *nb, int i)
{
    struct autosave *a = nb->autosave;
    if (!a) return;
    if (a->fd < 0 || a->cut) {
        autosave_whole(nb);
        return;
    }
    /* The state is computed again on opening; computing it here would mean looking at all cells. */
    errno = ENOMEM;
    json_t *cell = ipynb_cell(&nb->book, i, nb->book.v[i].answer ? CELL_OK : CELL_ERROR);
    char *line = cell ? journal_line(json_pack("{s:o}", "cell", cell)) : NULL;
    a->cut = !line || !write_all(a->fd, line, strlen(line)) || fdatasync(a->fd);
    if (a->cut)
        cannot_write(nb);
    else
        stamp(a->fd);
    free(line);
}

void autosave_saved(struct notebook *nb)
{
    if (nb->autosave) forget_journal(nb->autosave, true);
}

/* Leaves unsaved cells behind as a notebook, and says where in a note. */
static int leave_behind(struct notebook *nb, struct phi3v_error *err)
{
    struct autosave *a = nb->autosave;
    int rc = 0;
    errno = ENOMEM;
    char *path = random_path(a, last_prefix, ".ipynb");
    const struct stop *stop = nb->book.stop;
    nb->book.stop = NULL; /* Ctrl-C must not lose it */
    char *text =
        path ? ipynb_text(&nb->book, nb->engine.info ? nb->engine.info->name : NULL, NULL) : NULL;
    nb->book.stop = stop;
    int fd = text ? make_file(a, path, text, strlen(text)) : -1;
    if (fd >= 0) {
        close(fd);
        note(nb, "(unsaved cells are kept: phiscope -c opens %s)", path);
        forget_journal(a, true);
        keep_newest(a);
        nb->book.changed = false;
    } else {
        rc = refuse(err, PHI3V_E_IO, "%s cannot be written: %s", a->dir, strerror(errno));
    }
    free(text);
    free(path);
    return rc;
}

int autosave_leave(struct notebook *nb, struct phi3v_error *err)
{
    if (!nb->book.changed || nb->book.n == 0) return 0;
    if (nb->autosave) return leave_behind(nb, err);
    return refuse(err, PHI3V_E_IO, "neither XDG_STATE_HOME nor HOME names a folder for them");
}

void autosave_apart(struct notebook *nb, struct book *aside)
{
    struct autosave *a = nb->autosave;
    if (!a || a->fd < 0) return;
    /* :undo may bring these cells back, and a crash must not lose them: their journal stays. */
    if (aside) {
        free(aside->journal);
        aside->journal = a->path;
        a->path = NULL;
    }
    forget_journal(a, false);
    keep_newest(a);
}

void autosave_close(struct notebook *nb)
{
    struct autosave *a = nb->autosave;
    if (!a) return;
    forget_journal(a, !autosave_leave(nb, NULL));
    free(a->dir);
    free(a);
    nb->autosave = NULL;
}

int autosave_open(struct notebook *nb, const char *state_dir, struct phi3v_error *err)
{
    if (!state_dir) return 0;
    struct autosave *a = memory_zero(1, sizeof *a);
    char *dir = text_copy(state_dir);
    if (!a || !dir) {
        free(a);
        free(dir);
        return memory_error(err);
    }
    a->dir = dir;
    a->fd = -1;
    nb->autosave = a;
    keep_newest(a);
    return 0;
}

/* -- Reading it ------------------------------------------------------------------------------- */

bool autosave_is(const struct notebook *nb, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (!nb->autosave || !(starts_with(name, journal_prefix) || starts_with(name, last_prefix)))
        return false;
    char *dir = slash ? text_copyn(path, (size_t)(slash + 1 - path)) : text_copy(".");
    struct stat own, its;
    bool same = dir && !stat(dir, &its) && !stat(nb->autosave->dir, &own) &&
                own.st_dev == its.st_dev && own.st_ino == its.st_ino;
    free(dir);
    return same;
}

/* Puts a changed cell in place of the one with its id, or at the end. */
static void take_cell(json_t *cells, json_t *places, json_t *cell)
{
    const char *id = json_string_value(json_object_get(cell, "id"));
    if (!id) return;
    json_t *place = json_object_get(places, id);
    if (place) {
        json_array_set(cells, (size_t)json_integer_value(place), cell);
    } else {
        json_object_set_new(places, id, json_integer((json_int_t)json_array_size(cells)));
        json_array_append(cells, cell);
    }
}

static json_t *places_of(json_t *cells)
{
    json_t *places = json_object(), *cell;
    size_t k;
    json_array_foreach(cells, k, cell)
    {
        const char *id = json_string_value(json_object_get(cell, "id"));
        if (id) json_object_set_new(places, id, json_integer((json_int_t)k));
    }
    return places;
}

int autosave_read(const char *bytes, size_t n, const char *name, json_t **ret_file, char **ret_path,
                  struct phi3v_error *err)
{
    const char *end = bytes + n, *line_end = memchr(bytes, '\n', n);
    json_t *first = line_end ? json_loadb(bytes, (size_t)(line_end - bytes), 0, NULL) : NULL;
    json_t *file = json_incref(json_object_get(first, "notebook"));
    json_t *cells = json_object_get(file, "cells"), *places = places_of(cells);
    const char *path = json_string_value(json_object_get(first, "path"));
    char *kept = path ? name_of_text(path) : NULL;
    /* A crash may have cut the last line short; it is ignored then. */
    for (const char *p = line_end ? line_end + 1 : end; json_is_array(cells) && p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) break;
        json_t *line = json_loadb(p, (size_t)(stop - p), 0, NULL);
        take_cell(cells, places, json_object_get(line, "cell"));
        json_decref(line);
        p = stop + 1;
    }
    json_decref(places);
    json_decref(first);
    if (!json_is_array(cells)) {
        json_decref(file);
        free(kept);
        return refuse(err, PHI3V_E_IO, "%.200s is not an autosave of phiscope", name);
    }
    *ret_file = file;
    *ret_path = kept;
    return 0;
}

void autosave_adopted(struct notebook *nb, const char *path)
{
    nb->book.changed = true;
    autosave_whole(nb);
    if (nb->autosave && nb->autosave->fd >= 0) file_is_left(AT_FDCWD, path, true);
}
