/* SPDX-License-Identifier: GPL-3.0-or-later
 * The notebook reader on any bytes; what it takes is written again. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "notebook/ipynb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct book b;
    struct settings base;
    struct phi3v_error err;
    if (settings_init(&base, &err) || book_init(&b, &base, &err)) {
        settings_free(&base);
        return 0;
    }
    settings_free(&base);
    if (!ipynb_parse((const char *)data, size, "fuzz", &b, &err)) free(ipynb_text(&b, NULL, &err));
    book_free(&b);
    return 0;
}
