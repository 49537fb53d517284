/* SPDX-License-Identifier: MIT */
#include "notebook/settings_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/files.h"
#include "common/json.h"

enum { MAX_BYTES = 1 << 20 };

/* -- Writing ---------------------------------------------------------------------------------- */

/* A list of several texts needs an array. */
static json_t *value_json(const struct settings *s, const struct setting *spec, const char *value)
{
    const struct strings *list = (const void *)((const char *)s + spec->offset);
    if (spec->type != SETTING_LIST || list->n < 2) return json_text(value);
    json_t *all = json_array();
    for (size_t i = 0; i < list->n; i++) json_array_append_new(all, json_text(list->v[i]));
    return all;
}

/* Adds a setting if it differs from the default. False without memory. */
static bool add(json_t *all, const struct settings *s, const struct settings *fresh,
                const struct setting *spec)
{
    char *value = setting_value(s, spec), *usual = setting_value(fresh, spec);
    char *name = setting_name(spec);
    bool whole = value && usual && name;
    if (whole && strcmp(value, usual) != 0)
        whole = !json_object_set_new(all, name, value_json(s, spec, value));
    free(name);
    free(usual);
    free(value);
    return whole;
}

json_t *settings_json(const struct settings *s, int use)
{
    struct settings fresh;
    unsigned before = memory_failures();
    if (settings_init(&fresh, NULL)) {
        settings_free(&fresh);
        return NULL;
    }
    json_t *all = json_object();
    bool whole = all != NULL;
    for (int i = 0; i < n_settings && whole; i++)
        if (setting_table[i].use & use) whole = add(all, s, &fresh, &setting_table[i]);
    settings_free(&fresh);
    if (whole && memory_failures() == before) return all;
    json_decref(all);
    return NULL;
}

/* "graphics, temperature" */
static char *names_in(json_t *all)
{
    struct text names = {0};
    const char *name;
    json_t *value;
    text_add(&names, "");
    json_object_foreach(all, name, value) { text_addf(&names, "%s%s", names.n ? ", " : "", name); }
    return text_take(&names);
}

int settings_file_write(const struct settings *s, const char *path, char **ret_names,
                        struct phi3v_error *err)
{
    json_t *all = settings_json(s, SETTING_SHOWN);
    char *names = all ? names_in(all) : NULL, *bytes = names ? json_pretty(all, NULL) : NULL;
    json_decref(all);
    int rc = bytes ? store_file(path, bytes, strlen(bytes), 0600, err) : memory_error(err);
    free(bytes);
    if (rc)
        free(names);
    else
        *ret_names = names;
    return rc;
}

/* -- Reading ---------------------------------------------------------------------------------- */

/* Sets one value; people may write numbers and truth values without quotes. */
static int set_value(struct settings *s, const struct setting *spec, const json_t *value,
                     struct phi3v_error *err)
{
    if (json_is_string(value)) return setting_set_value(s, spec, json_string_value(value), err);
    if (json_is_boolean(value))
        return setting_set_value(s, spec, json_is_true(value) ? "on" : "off", err);
    if (!json_is_number(value))
        return refuse(err, PHI3V_E_ARGUMENT, "%s must be a text, a number, true or false",
                      spec->name);
    char *number = json_dumps(value, JSON_ENCODE_ANY);
    int rc = number ? setting_set_value(s, spec, number, err) : memory_error(err);
    free(number);
    return rc;
}

static int set(struct settings *s, const char *name, const json_t *value, struct phi3v_error *err)
{
    const struct setting *spec = setting_find(name, SETTING_SHOWN);
    int rc = 0;
    if (!spec) return refuse(err, PHI3V_E_ARGUMENT, "there is no setting %.60s", name);
    if (spec->type != SETTING_LIST || !json_is_array(value)) return set_value(s, spec, value, err);
    for (size_t i = 0; i < json_array_size(value) && !rc; i++)
        rc = set_value(s, spec, json_array_get(value, i), err);
    return rc;
}

static int set_all(struct settings *s, json_t *all, struct strings *wrong, struct phi3v_error *err)
{
    const char *name;
    json_t *value;
    struct phi3v_error why;
    json_object_foreach(all, name, value)
    {
        int rc = set(s, name, value, &why);
        if (rc == PHI3V_E_MEMORY || (rc && !strings_add(wrong, why.text))) return memory_error(err);
    }
    return 0;
}

int settings_file_read(struct settings *s, const char *path, struct strings *ret_wrong,
                       struct phi3v_error *err)
{
    char *bytes;
    size_t n;
    *ret_wrong = (struct strings){0};
    if (access(path, F_OK) && errno == ENOENT) return 0;
    int rc = load_file(path, MAX_BYTES, &bytes, &n, err);
    if (rc) return rc;
    json_t *all = json_parse(bytes, n, path, err);
    free(bytes);
    if (!all) return err->code;
    rc = json_is_object(all) ? set_all(s, all, ret_wrong, err)
                             : refuse(err, PHI3V_E_IO, "%.300s is no JSON object", path);
    json_decref(all);
    if (rc) strings_free(ret_wrong);
    return rc;
}
