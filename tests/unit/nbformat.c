/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "nbformat.h"

/* Exactly these keys: `required` all there, `optional` may be. Lists end with NULL. */
static bool keys_are(const json_t *object, const char *const *required, const char *const *optional)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object)) return false;
    for (int i = 0; required[i]; i++)
        if (!json_object_get(object, required[i])) return false;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        bool known = false;
        for (int i = 0; required[i]; i++) known |= !strcmp(key, required[i]);
        for (int i = 0; optional && optional[i]; i++) known |= !strcmp(key, optional[i]);
        if (!known) return false;
    }
    return true;
}

static bool is_multiline(const json_t *value)
{
    size_t i;
    json_t *piece;
    if (json_is_string(value)) return true;
    if (!json_is_array(value)) return false;
    json_array_foreach(value, i, piece) if (!json_is_string(piece)) return false;
    return true;
}

static bool is_count(const json_t *value)
{
    return json_is_null(value) || (json_is_integer(value) && json_integer_value(value) >= 0);
}

static bool is_bundle(const json_t *data)
{
    const char *type;
    json_t *value;
    if (!json_is_object(data)) return false;
    json_object_foreach((json_t *)(uintptr_t)data, type, value)
    {
        size_t n = strlen(type);
        bool json = !strcmp(type, "application/json") || (n > 5 && !strcmp(type + n - 5, "+json"));
        if (!json && !is_multiline(value)) return false;
    }
    return true;
}

static bool output_is_good(const json_t *output)
{
    const char *type = json_string_value(json_object_get(output, "output_type"));
    if (!type) return false;
    if (!strcmp(type, "stream"))
        return keys_are(output, (const char *[]){"output_type", "name", "text", NULL}, NULL) &&
               json_is_string(json_object_get(output, "name")) &&
               is_multiline(json_object_get(output, "text"));
    if (!strcmp(type, "error"))
        return keys_are(output,
                        (const char *[]){"output_type", "ename", "evalue", "traceback", NULL},
                        NULL) &&
               json_is_string(json_object_get(output, "ename")) &&
               json_is_string(json_object_get(output, "evalue")) &&
               json_is_array(json_object_get(output, "traceback"));
    if (!strcmp(type, "display_data"))
        return keys_are(output, (const char *[]){"output_type", "data", "metadata", NULL}, NULL) &&
               is_bundle(json_object_get(output, "data")) &&
               json_is_object(json_object_get(output, "metadata"));
    return !strcmp(type, "execute_result") &&
           keys_are(output,
                    (const char *[]){"output_type", "data", "metadata", "execution_count", NULL},
                    NULL) &&
           is_bundle(json_object_get(output, "data")) &&
           json_is_object(json_object_get(output, "metadata")) &&
           is_count(json_object_get(output, "execution_count"));
}

static bool id_is_good(const json_t *cell)
{
    const char *id = json_string_value(json_object_get(cell, "id"));
    if (!id || !*id || strlen(id) > 64) return false;
    for (; *id; id++)
        if (!isalnum((unsigned char)*id) && !strchr("-_", *id)) return false;
    return true;
}

static const char *code_fault(const json_t *cell)
{
    size_t i;
    json_t *output;
    if (!keys_are(cell,
                  (const char *[]){"cell_type", "id", "metadata", "source", "outputs",
                                   "execution_count", NULL},
                  NULL))
        return "keys of a code cell";
    if (!is_count(json_object_get(cell, "execution_count"))) return "execution_count";
    if (!json_is_array(json_object_get(cell, "outputs"))) return "outputs";
    json_array_foreach(json_object_get(cell, "outputs"), i,
                       output) if (!output_is_good(output)) return "an output";
    return NULL;
}

static const char *cell_fault(const json_t *cell)
{
    const char *type = json_string_value(json_object_get(cell, "cell_type"));
    if (!type) return "cell_type";
    if (!id_is_good(cell)) return "id";
    if (!is_multiline(json_object_get(cell, "source"))) return "source";
    if (!json_is_object(json_object_get(cell, "metadata"))) return "cell metadata";
    if (!strcmp(type, "code")) return code_fault(cell);
    if (strcmp(type, "markdown") != 0 && strcmp(type, "raw") != 0) return "cell_type";
    return keys_are(cell, (const char *[]){"cell_type", "id", "metadata", "source", NULL},
                    (const char *[]){"attachments", NULL})
               ? NULL
               : "keys of a text cell";
}

static bool ids_are_unique(const json_t *cells)
{
    json_t *seen = json_object(), *cell;
    size_t i;
    json_array_foreach(cells, i, cell)
        json_object_set_new(seen, json_string_value(json_object_get(cell, "id")), json_true());
    bool unique = json_object_size(seen) == json_array_size(cells);
    json_decref(seen);
    return unique;
}

static bool metadata_is_good(const json_t *metadata)
{
    const json_t *kernel = json_object_get(metadata, "kernelspec");
    const json_t *language = json_object_get(metadata, "language_info");
    if (!json_is_object(metadata)) return false;
    if (kernel && (!json_is_string(json_object_get(kernel, "name")) ||
                   !json_is_string(json_object_get(kernel, "display_name"))))
        return false;
    return !language || json_is_string(json_object_get(language, "name"));
}

const char *nbformat_fault(const json_t *notebook)
{
    const json_t *cells = json_object_get(notebook, "cells");
    size_t i;
    json_t *cell;
    if (!keys_are(notebook,
                  (const char *[]){"cells", "metadata", "nbformat", "nbformat_minor", NULL}, NULL))
        return "keys of the notebook";
    if (json_integer_value(json_object_get(notebook, "nbformat")) != 4) return "nbformat";
    if (json_integer_value(json_object_get(notebook, "nbformat_minor")) < 5)
        return "nbformat_minor";
    if (!metadata_is_good(json_object_get(notebook, "metadata"))) return "metadata";
    if (!json_is_array(cells)) return "cells";
    json_array_foreach(cells, i, cell)
    {
        const char *fault = cell_fault(cell);
        if (fault) return fault;
    }
    return ids_are_unique(cells) ? NULL : "ids are not unique";
}
