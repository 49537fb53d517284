/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "common/json.h"
#include "notebook/advice.h"

enum { MAX_FILE_BYTES = 64 << 10, MAX_TEXT_BYTES = 1000 };

void advice_free(struct advice *a)
{
    free(a->mode);
    free(a->no_picture);
    *a = (struct advice){0};
}

static int bad_value(const char *path, const char *key, const char *allowed,
                     struct phi3v_error *err)
{
    return refuse(err, PHI3V_E_MODEL, "%.300s: %s must be %s", path, key, allowed);
}

static int read_mode(const json_t *value, const char *path, struct advice *to,
                     struct phi3v_error *err)
{
    const char *s = json_string_value(value);
    if (!s || (strcmp(s, "chat") != 0 && strcmp(s, "cell") != 0))
        return bad_value(path, "mode", "\"chat\" or \"cell\"", err);
    to->mode = text_copy(s);
    return to->mode ? 0 : memory_error(err);
}

static int read_certainty(const json_t *value, const char *path, struct advice *to,
                          struct phi3v_error *err)
{
    double x = json_number_value(value);
    if (!json_is_number(value) || !(x >= 0 && x <= 1))
        return bad_value(path, "min_certainty", "a number from 0 to 1", err);
    to->min_certainty = x;
    return 0;
}

static int read_no_picture(const json_t *value, const char *path, struct advice *to,
                           struct phi3v_error *err)
{
    const char *s = json_string_value(value);
    size_t n = json_string_length(value);
    if (!s || n == 0 || n > MAX_TEXT_BYTES || strlen(s) != n)
        return bad_value(path, "no_picture", "a text of at most 1000 bytes", err);
    to->no_picture = text_copy(s);
    return to->no_picture ? 0 : memory_error(err);
}

static int read_all(const json_t *file, const char *path, struct advice *to,
                    struct phi3v_error *err)
{
    static const struct {
        const char *key;
        int (*read)(const json_t *value, const char *path, struct advice *to,
                    struct phi3v_error *err);
    } keys[] = {
        {"mode", read_mode}, {"min_certainty", read_certainty}, {"no_picture", read_no_picture}};
    if (!json_is_object(file)) return refuse(err, PHI3V_E_MODEL, "%.300s is no JSON object", path);
    int rc = 0;
    for (size_t k = 0; k < sizeof keys / sizeof *keys && !rc; k++) {
        const json_t *value = json_object_get(file, keys[k].key);
        if (value) rc = keys[k].read(value, path, to, err);
    }
    return rc;
}

static int load(const char *path, struct advice *to, struct phi3v_error *err)
{
    char *text;
    size_t n;
    int rc = load_file(path, MAX_FILE_BYTES, &text, &n, err);
    if (rc) return rc;
    json_t *file = json_parse(text, n, path, err);
    free(text);
    rc = file ? read_all(file, path, to, err) : PHI3V_E_MODEL;
    json_decref(file);
    return rc;
}

int advice_load(const char *dir, struct advice *ret, struct phi3v_error *err)
{
    *ret = (struct advice){0};
    char *path = text_format("%s/phiscope.json", dir);
    if (!path) return memory_error(err);
    int rc = file_mark(path).there ? load(path, ret, err) : 0;
    free(path);
    if (!rc) return 0;
    advice_free(ret);
    if (rc == PHI3V_E_MEMORY) return rc;
    if (err) err->code = PHI3V_E_MODEL;
    return PHI3V_E_MODEL;
}
