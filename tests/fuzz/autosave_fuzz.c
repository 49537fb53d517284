/* SPDX-License-Identifier: GPL-3.0-or-later
 * A journal of any bytes, as a crash or somebody else may leave it; what is taken is written as a
 * notebook, which opens again. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "notebook/autosave.h"
#include "notebook/ipynb.h"

static int open_book(struct book *b)
{
    struct settings base;
    int rc = settings_init(&base, NULL);
    if (!rc) rc = book_init(b, &base, NULL);
    settings_free(&base);
    return rc;
}

static void again(const char *text)
{
    struct book b;
    if (open_book(&b)) return;
    if (ipynb_parse(text, strlen(text), "fuzz", &b, NULL)) abort();
    book_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct book b;
    struct phi3v_error err;
    json_t *file;
    char *path;
    if (autosave_read((const char *)data, size, "fuzz", &file, &path, &err)) return 0;
    free(path);
    if (!open_book(&b)) {
        char *text = ipynb_read(file, "fuzz", &b, &err) ? NULL : ipynb_text(&b, "model", &err);
        if (text) again(text);
        free(text);
        book_free(&b);
    }
    json_decref(file);
    return 0;
}
