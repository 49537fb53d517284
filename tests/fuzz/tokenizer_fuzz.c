/* SPDX-License-Identifier: MIT
 * A tokenizer.json; where it loads, a text goes to ids and back. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "folder.h"
#include "fuzz.h"
#include "text/tokenizer.h"

static const char text[] = "<|user|>\n ab abc  <s></s> \xc3\xa9 \xff<|assistant|>\n x";

static void use(const struct tokenizer *t)
{
    struct ids ids = {0};
    char *decoded;
    size_t n;
    const struct text_span spans[] = {{text, sizeof text - 1, true},
                                      {text, sizeof text - 1, false}};
    if (tokenizer_encode(t, spans, 2, true, NULL, &ids, NULL) == 0 &&
        tokenizer_decode(t, ids.data, ids.n, true, &decoded, &n, NULL) == 0) {
        if (!utf8_is_valid(decoded, n)) abort();
        mem_free(decoded);
    }
    ids_fini(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct folder folder;
    struct tokenizer *t;
    struct phi3v_error err = {0};
    folder_make(&folder);
    folder_write(&folder, "tokenizer.json", bytes, n);
    int code = tokenizer_load(folder.path, &t, &err);
    folder_remove(&folder);
    if (code < 0) {
        if (err.code != code || !err.text[0]) abort(); // an error says what is wrong
        return 0;
    }
    use(t);
    tokenizer_free(t);
    return 0;
}
