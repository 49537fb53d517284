/* SPDX-License-Identifier: MIT
 * A JSON schema out of any bytes, and behind a zero byte what is said under it: each byte picks one of
 * those that may come next. There is always one until the text is whole, and a whole text is JSON. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "schema/compiled.h"
#include "schema/matcher.h"

enum { MAX_TEXT = 300 };

static void must(bool holds)
{
    if (!holds) abort();
}

/* Bytes that may come next; returns how many. */
static int next_bytes(struct matcher *m, uint8_t ret[256])
{
    int n = 0;
    for (int byte = 0; byte < 256; byte++) {
        int32_t n_frames = m->n_frames, n_keys = m->n_keys;
        m->n_threads = m->n_now;
        matcher_step(m, 0, m->n_now, (uint8_t)byte);
        if (m->n_threads > m->n_now) ret[n++] = (uint8_t)byte;
        m->n_threads = m->n_now;
        m->n_frames = n_frames;
        m->n_keys = n_keys;
    }
    return n;
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
