/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/files.h"
#include "common/json.h"
#include "notebook/foreach_file.h"

int foreach_file_init(struct foreach_file *t, int n, struct phi3v_error *err)
{
    *t = (struct foreach_file){.v = memory_zero((size_t)n, sizeof *t->v), .n = n};
    return t->v ? 0 : memory_error(err);
}

void foreach_file_free(struct foreach_file *t)
{
    for (int i = 0; t->v && i < t->n; i++) {
        free(t->v[i].picture);
        free(t->v[i].answer);
        free(t->v[i].error);
        free(t->v[i].there);
    }
    free(t->v);
    strings_free(&t->others);
}

int foreach_file_check(const char *path, struct phi3v_error *err)
{
    struct stat st;
    if (!has_ending(path, ".csv") && !has_ending(path, ".jsonl"))
        return refuse(err, PHI3V_E_ARGUMENT, "%.200s: the name must end in .csv or .jsonl", path);
    if (!stat(path, &st) && S_ISDIR(st.st_mode))
        return refuse(err, PHI3V_E_IO, "cannot write %.200s: it is a folder", path);
    const char *slash = strrchr(path, '/');
    char *dir = slash ? text_copyn(path, (size_t)(slash - path) + 1) : text_copy(".");
    if (!dir) return memory_error(err);
    int rc = access(dir, W_OK | X_OK)
                 ? refuse(err, PHI3V_E_IO, "cannot write %.200s: %s", path, strerror(errno))
                 : 0;
    free(dir);
    return rc;
}

/* -- CSV ------------------------------------------------------------------------------------ */

static void add_field(struct text *out, const char *s, char behind)
{
    bool plain = !strpbrk(s, ",\"\r\n");
    if (!plain) text_add(out, "\"");
    for (size_t n; *s; s += n) {
        n = strcspn(s, "\"");
        text_addn(out, s, n);
        if (s[n]) {
            text_add(out, "\"\"");
            n++;
        }
    }
    if (!plain) text_add(out, "\"");
    text_addn(out, &behind, 1);
}

static void add_csv(struct text *out, const struct foreach_row *row)
{
    add_field(out, row->picture, ',');
    add_field(out, row->answer ? row->answer : "", ',');
    add_field(out, row->answer ? row->finish : "", ',');
    add_field(out, row->error ? row->error : "", '\n');
}

/* -- JSON ----------------------------------------------------------------------------------- */

static void add_json(struct text *out, const struct foreach_row *row)
{
    json_t *value = json_pack("{s:o}", "picture", json_text(row->picture));
    if (row->answer) {
        json_object_set_new(value, "answer", json_text(row->answer));
        json_object_set_new(value, "finish_reason", json_string(row->finish));
    } else {
        json_object_set_new(value, "error", json_text(row->error));
    }
    char *line = json_line(value);
    text_addf(out, "%s\n", line ? line : "");
    free(line);
    json_decref(value);
}

/* -- What is there already --------------------------------------------------------------------- */

enum { MAX_TABLE_BYTES = 256 << 20 };
static const char csv_header[] = "picture,answer,finish_reason,error";

/* A row of a file. */
struct record {
    char *picture, *finish;
};

static void record_free(struct record *r)
{
    free(r->picture);
    free(r->finish);
}

/* Reads the field at *at and moves past it; false: a quote is not closed, or text follows it. */
static bool read_field(const char **at, struct text *ret)
{
    const char *p = *at;
    bool quoted = *p == '"';
    for (p += quoted; *p; p++) {
        if (quoted && *p == '"' && p[1] != '"') break;
        if (!quoted && strchr(",\r\n", *p)) break;
        if (quoted && *p == '"') p++;
        text_addn(ret, p, 1);
    }
    if (quoted && *p != '"') return false;
    *at = p + quoted;
    return !**at || strchr(",\r\n", **at);
}

/* Reads the CSV row at *at and moves past its line end. */
static bool read_csv(const char **at, size_t *ret_bytes, struct record *ret)
{
    const char *begun = *at;
    struct text field[4] = {{0}};
    bool good = true;
    for (int k = 0; k < 4 && good; k++) {
        good = read_field(at, &field[k]) && (k == 3 || **at == ',');
        *at += good && k < 3;
    }
    *ret_bytes = (size_t)(*at - begun);
    *at += **at == '\r';
    good = good && (!**at || **at == '\n');
    *at += **at == '\n';
    ret->picture = text_take(&field[0]);
    ret->finish = text_take(&field[2]);
    text_free(&field[1]);
    text_free(&field[3]);
    return good;
}

/* The same for a line with a JSON object. */
static bool read_json(const char **at, size_t *ret_bytes, struct record *ret)
{
    size_t n = strcspn(*at, "\n");
    json_t *value = json_loadb(*at, n, JSON_REJECT_DUPLICATES, NULL);
    const char *picture = json_string_value(json_object_get(value, "picture"));
    const char *finish = json_string_value(json_object_get(value, "finish_reason"));
    *ret_bytes = n;
    *at += n + ((*at)[n] == '\n');
    ret->picture = picture ? text_copy(picture) : NULL;
    ret->finish = text_copy(finish ? finish : "");
    json_decref(value);
    return picture != NULL;
}

/* The first row about the picture that was not in the file; -1: none. */
static int find_row(const struct foreach_file *t, const char *picture)
{
    for (int i = 0; i < t->n; i++)
        if (!t->v[i].there && !strcmp(t->v[i].picture, picture)) return i;
    return -1;
}

/* Interrupted answers and failures are asked again. */
static bool take_record(struct foreach_file *t, const struct record *r, const char *bytes, size_t n)
{
    bool complete = !strcmp(r->finish, "stop") || !strcmp(r->finish, "length");
    int i = find_row(t, r->picture);
    if (i < 0) return strings_take(&t->others, text_copyn(bytes, n));
    if (complete) t->v[i].there = text_copyn(bytes, n);
    return !complete || t->v[i].there;
}

static int take_rows(struct foreach_file *t, const char *path, const char *text,
                     struct phi3v_error *err)
{
    bool csv = has_ending(path, ".csv");
    const char *at = text;
    if (csv && *at) {
        size_t n = strlen(csv_header);
        if (strncmp(at, csv_header, n) != 0 || !strchr("\r\n", at[n])) at = NULL;
        if (at) at += n + strspn(at + n, "\r\n");
    }
    for (int line = 1 + csv; at && *at; line++) {
        struct record r = {0};
        const char *row = at;
        size_t n;
        unsigned before = memory_failures();
        bool good = csv ? read_csv(&at, &n, &r) : read_json(&at, &n, &r);
        bool kept = good && r.picture && r.finish && take_record(t, &r, row, n);
        record_free(&r);
        if (memory_failures() != before) return memory_error(err);
        if (!kept) at = NULL;
    }
    return at ? 0
              : refuse(err, PHI3V_E_IO,
                       "%.300s exists already and is no table of :foreach; give another name, or "
                       "remove it",
                       path);
}

int foreach_file_take_over(struct foreach_file *t, const char *path, struct phi3v_error *err)
{
    char *text;
    size_t n;
    if (!file_mark(path).there) return 0;
    int rc = load_file(path, MAX_TABLE_BYTES, &text, &n, err);
    if (rc) return rc;
    rc = take_rows(t, path, strlen(text) == n ? text : "?", err);
    free(text);
    return rc;
}

/* -- The file --------------------------------------------------------------------------------- */

int foreach_file_store(const struct foreach_file *t, const char *path, struct phi3v_error *err)
{
    struct text out = {0};
    bool csv = has_ending(path, ".csv");
    unsigned before = memory_failures();
    if (csv) text_addf(&out, "%s\n", csv_header);
    for (size_t i = 0; i < t->others.n; i++) text_addf(&out, "%s\n", t->others.v[i]);
    for (int i = 0; i < t->n; i++) {
        const struct foreach_row *row = &t->v[i];
        if (row->there) text_addf(&out, "%s\n", row->there);
        if (row->there) continue;
        if (!row->answer && !row->error) continue;
        if (csv)
            add_csv(&out, row);
        else
            add_json(&out, row);
    }
    int rc = memory_failures() != before ? memory_error(err)
                                         : store_file(path, out.s ? out.s : "", out.n, 0666, err);
    text_free(&out);
    return rc;
}
