/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/files.h"
#include "common/json.h"
#include "notebook/table.h"

int table_init(struct table *t, int n, struct phi3v_error *err)
{
    *t = (struct table){.v = memory_zero((size_t)n, sizeof *t->v), .n = n};
    return t->v ? 0 : memory_error(err);
}

void table_free(struct table *t)
{
    for (int i = 0; t->v && i < t->n; i++) {
        free(t->v[i].picture);
        free(t->v[i].answer);
        free(t->v[i].error);
    }
    free(t->v);
}

int table_check(const char *path, struct phi3v_error *err)
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

static void add_csv(struct text *out, const struct table_row *row)
{
    add_field(out, row->picture, ',');
    add_field(out, row->answer ? row->answer : "", ',');
    add_field(out, row->answer ? row->finish : "", ',');
    add_field(out, row->error ? row->error : "", '\n');
}

/* -- JSON ----------------------------------------------------------------------------------- */

static void add_json(struct text *out, const struct table_row *row)
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

int table_store(const struct table *t, const char *path, struct phi3v_error *err)
{
    struct text out = {0};
    bool csv = has_ending(path, ".csv");
    unsigned before = memory_failures();
    text_add(&out, csv ? "picture,answer,finish_reason,error\n" : "");
    for (int i = 0; i < t->n; i++) {
        const struct table_row *row = &t->v[i];
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
