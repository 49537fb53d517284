/* SPDX-License-Identifier: GPL-3.0-or-later
 * The notebook reader on any bytes; what it takes is written again. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "notebook/ipynb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct book b;
    struct phi3v_error err;
    char *system;
    book_init(&b);
    if (!ipynb_parse((const char *)data, size, "fuzz", &b, &system, &err)) {
        struct ipynb_session session = {system, NULL};
        free(ipynb_text(&b, &session));
        free(system);
    }
    book_free(&b);
    return 0;
}
