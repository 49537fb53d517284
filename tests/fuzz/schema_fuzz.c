/* SPDX-License-Identifier: MIT
 * A JSON schema out of any bytes, and behind a zero byte what is said under it: each byte picks one of
 * those that may come next. There is always one until the text is whole, and a whole text is JSON. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "next_bytes.h"
#include "schema/compiled.h"

enum { MAX_TEXT = 300 };

static void must(bool holds)
{
    if (!holds) abort();
}

static void whole_text_is_json(const char *text, size_t n)
{
    json_t *json = json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    must(json != NULL);
    json_decref(json);
}

static void speak(const struct schema *s, const uint8_t *choices, size_t n_choices)
{
    struct matcher m;
    char text[MAX_TEXT];
    size_t n = 0;
    matcher_init(&m, &s->grammar, s->document);
    for (; n < MAX_TEXT && n < n_choices && !m.failed; n++) {
        uint8_t bytes[256];
        int n_next = next_bytes(&m, bytes);
        if (matcher_is_complete(&m)) whole_text_is_json(text, n);
        if (!n_next) must(matcher_is_complete(&m));
        if (!n_next) break;
        text[n] = (char)bytes[choices[n] % n_next];
        must(matcher_take(&m, text + n, 1) || m.failed);
    }
    matcher_fini(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct schema *s;
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t n = zero ? (size_t)(zero - data) : size;
    json_t *json = json_loadb((const char *)data, n, JSON_DECODE_ANY, NULL);
    if (json && !schema_compile(json, &s, NULL)) {
        if (zero) speak(s, zero + 1, size - n - 1);
        schema_free(s);
    }
    json_decref(json);
    return 0;
}
