/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/kind.h"
#include "base/mem.h"

/* If the file is not JSON at all, says what it is instead of the parser's message. */
static int not_json(const char *path, const char *text, size_t n, const json_error_t *why,
                    struct phi3v_error *err)
{
    char out[KIND_TEXT];
    if (n == 0)
        return err_set(err, PHI3V_E_MODEL,
                       "%s is empty, as a download that failed leaves it; "
                       "download it again",
                       path);
    const char *kind = *text != '{' ? kind_of_bytes(text, n, out) : NULL;
    if (kind) return err_set(err, PHI3V_E_MODEL, "%s is not JSON but %s", path, kind);
    return err_set(err, PHI3V_E_MODEL, "%s is not valid JSON (line %d: %s)", path, why->line,
                   why->text);
}

/* jansson reports a lack of memory as a syntax error in the string or number it was reading. A real
 * error comes at the same place again when the text is parsed a second time. */
int json_text_load(const char *text, size_t n, json_t **ret_root, json_error_t *why)
{
    json_error_t again;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, why);
    if (!root) root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &again);
    if (root) {
        *ret_root = root;
        return 0;
    }
    bool same = again.position == why->position && !strcmp(again.text, why->text);
    bool says_why = *why->text && json_error_code(why) != json_error_out_of_memory;
    return same && says_why ? PHI3V_E_MODEL : PHI3V_E_MEMORY;
}

int json_file_load(const char *path, json_t **ret_root, struct phi3v_error *err)
{
    CLEANUP(mem_free_ptr) char *text = NULL;
    size_t n = 0;
    int code = file_read(path, JSON_FILE_MAX_BYTES, &text, &n, err);
    if (code) return code;
    json_error_t why;
    size_t mark =
        n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; // of UTF-8, at the beginning
    json_t *root;
    code = json_text_load(text + mark, n - mark, &root, &why);
    if (code == PHI3V_E_MEMORY) return err_memory(err, path, n);
    if (code) return not_json(path, text, n, &why, err);
    if (!json_is_object(root)) {
        json_decref(root);
        return err_set(err, PHI3V_E_MODEL, "%s does not hold a JSON object", path);
    }
    *ret_root = root;
    return 0;
}

/* The value as it is written in the file, cut to a readable length. */
static void show_value(const json_t *value, char *out, size_t cap)
{
    char *text =
        value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    if (!value)
        snprintf(out, cap, "missing");
    else if (!text)
        snprintf(out, cap, "not readable");
    else
        snprintf(out, cap, strlen(text) > 60 ? "%.57s..." : "%s", text);
    free(text); // jansson's allocator is the C library's
}

void json_refuse(struct json_reader *r, int code, const char *section, const char *key,
                 const json_t *value, const char *expected)
{
    if (r->code) return;
    char shown[80];
    show_value(value, shown, sizeof shown);
    r->code = err_set(r->err, code, "%s: %s%s%s is %s, expected %s", r->file, section,
                      *section ? "." : "", key, shown, expected);
}

/* obj[key], NULL when missing or null. */
static const json_t *present(const json_t *obj, const char *key)
{
    const json_t *value = json_object_get(obj, key);
    return json_is_null(value) ? NULL : value;
}

int64_t json_read_int(struct json_reader *r, const char *section, const json_t *obj,
                      const char *key, int64_t fallback, int64_t min, int64_t max)
{
    const json_t *value = present(obj, key);
    if (!value && fallback != JSON_REQUIRED) return fallback;
    int64_t x = json_integer_value(value);
    if (json_is_integer(value) && x >= min && x <= max) return x;
    char expected[80];
    snprintf(expected, sizeof expected, "an integer from %lld to %lld", (long long)min,
             (long long)max);
    json_refuse(r, PHI3V_E_MODEL, section, key, value, expected);
    return min;
}

double json_read_number(struct json_reader *r, const char *section, const json_t *obj,
                        const char *key, double fallback, double min, double max)
{
    const json_t *value = present(obj, key);
    if (!value) return fallback;
    double x = json_number_value(value);
    if (json_is_number(value) && x >= min && x <= max) return x;
    char expected[80];
    snprintf(expected, sizeof expected, "a number from %g to %g", min, max);
    json_refuse(r, PHI3V_E_MODEL, section, key, value, expected);
    return fallback;
}

bool json_read_bool(struct json_reader *r, const char *section, const json_t *obj, const char *key,
                    bool fallback)
{
    const json_t *value = present(obj, key);
    if (!value) return fallback;
    if (!json_is_boolean(value))
        json_refuse(r, PHI3V_E_MODEL, section, key, value, "true or false");
    return json_is_true(value);
}

const char *json_read_string(struct json_reader *r, const char *section, const json_t *obj,
                             const char *key)
{
    const json_t *value = present(obj, key);
    if (value && !json_is_string(value))
        json_refuse(r, PHI3V_E_MODEL, section, key, value, "a string");
    return json_string_value(value);
}

bool json_read_floats(struct json_reader *r, const char *section, const json_t *obj,
                      const char *key, double min, float *ret, int n)
{
    const json_t *list = present(obj, key);
    if (!list) return false;
    char expected[80];
    snprintf(expected, sizeof expected, "a list of %d numbers from %g to 1e6", n, min);
    if (!json_is_array(list) || json_array_size(list) != (size_t)n) {
        json_refuse(r, PHI3V_E_MODEL, section, key, list, expected);
        return true;
    }
    for (int i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        double x = json_number_value(item);
        if (!json_is_number(item) || !(x >= min && x <= 1e6)) {
            json_refuse(r, PHI3V_E_MODEL, section, key, list, expected);
            return true;
        }
        ret[i] = (float)x;
    }
    return true;
}

const json_t *json_read_object(struct json_reader *r, const char *section, const json_t *obj,
                               const char *key)
{
    const json_t *value = present(obj, key);
    if (value && !json_is_object(value))
        json_refuse(r, PHI3V_E_MODEL, section, key, value, "an object");
    return json_is_object(value) ? value : NULL;
}
