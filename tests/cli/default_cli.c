/* SPDX-License-Identifier: GPL-3.0-or-later
 * The built-in model answers about the samples, letter by letter, what the package that trained it
 * answered with its own forward pass (training/parity.py wrote that down): the file is what was
 * trained, and every stage from the picture's bytes to the text computes the same. */
#include <stdio.h>
#include <stdlib.h>

#include "drive.h"
#include "golden.h"

static const char *set(const char *name)
{
    const char *value = getenv(name);
    if (!value) {
        fprintf(stderr, "%s is not set; run this test through meson\n", name);
        exit(1);
    }
    return value;
}

static size_t expected(const char *path)
{
    json_t *file = json_load_file(path, 0, NULL);
    size_t n = json_array_size(json_object_get(file, "questions"));
    json_decref(file);
    return n;
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    const char *path = set("OWN_ANSWERS");
    size_t n = expected(path);
    tap_ok(n >= 10, "%zu questions", n);
    const struct run *r = DRIVE(NULL, "eval", "--json", "--dtype", "f32", "--guess", "on", "-m",
                                set("DEFAULT_MODEL"), path);
    tap_ok(r->status == 0, "eval: %s", *r->err ? r->err : "ok");
    for (size_t i = 0; i < n; i++) {
        json_t *line = drive_json((int)i);
        const char *question = json_string_value(json_object_get(line, "question"));
        tap_ok(json_is_true(json_object_get(line, "exact")), "%s", question ? question : "none");
        json_decref(line);
    }
    return drive_done();
}
