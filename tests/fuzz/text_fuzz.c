/* SPDX-License-Identifier: MIT
 * Bytes as text and as ids: encoding guarded text and decoding gives it back, streaming equals
 * decoding, prompts with tags are accepted or refused. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "small_tokenizer.h"
#include "text/chat_template.h"

static void round_trip(const struct tokenizer *t, const char *s, size_t n)
{
    struct ids ids = {0};
    char *back = NULL;
    size_t n_back;
    struct text_span span = {.text = s, .n_bytes = n};
    bool has_mark = false; // "▁" itself comes back as a space
    for (size_t i = 0; i + 3 <= n; i++) has_mark |= memcmp(s + i, "\xe2\x96\x81", 3) == 0;
    if (tokenizer_encode(t, &span, 1, true, NULL, &ids, NULL) == 0 &&
        tokenizer_decode(t, ids.data, ids.n, false, &back, &n_back, NULL) == 0) {
        bool same = n_back == n && memcmp(back, s, n) == 0;
        if (!same && !has_mark && utf8_is_valid(s, n)) abort();
        if (!utf8_is_valid(back, n_back)) abort();
    }
    mem_free(back);
    ids_fini(&ids);
}

/* Two bytes are one id. */
static void stream(const struct tokenizer *t, const uint8_t *bytes, size_t n)
{
    struct ids ids = {0};
    struct buf got = {0};
    struct detok *d = NULL;
    const char *part = "";
    char *whole = NULL;
    size_t n_part = 0, n_whole;
    bool ok = detok_new(t, true, &d, NULL) == 0;
    for (size_t i = 0; i + 1 < n && ok; i += 2) {
        int32_t id = bytes[i] * 256 + bytes[i + 1];
        ok = ids_push(&ids, id % 320) && detok_push(d, id % 320, &part, &n_part, NULL) == 0;
        if (ok) buf_append(&got, part, n_part);
    }
    ok = ok && detok_finish(d, &part, &n_part, NULL) == 0;
    if (ok) buf_append(&got, part, n_part);
    ok = ok && tokenizer_decode(t, ids.data, ids.n, true, &whole, &n_whole, NULL) == 0;
    if (ok && !got.failed &&
        (got.n != n_whole || (n_whole && memcmp(got.data, whole, n_whole) != 0)))
        abort();
    mem_free(whole);
    detok_free(d);
    buf_fini(&got);
    ids_fini(&ids);
}

static void prompts(const struct tokenizer *t, const char *s, size_t n)
{
    static const int tokens[] = {2, 1, 3};
    struct phi3v_error err;
    struct buf text = {0};
    buf_append(&text, s, n);
    buf_putc(&text, 0);
    for (int n_images = 0; n_images <= 3 && !text.failed; n_images++) {
        struct ids raw = {0}, turns = {0};
        struct chat_turn turn = {.role = "user", .text = text.data, .n_images = n_images};
        chat_template_raw(t, s, n, tokens, n_images, NULL, &raw, &err);
        chat_template_turns(t, &turn, 1, tokens, NULL, &turns, &err);
        for (size_t i = 0; i < turns.n; i++)
            if (turns.data[i] < -n_images) abort();
        ids_fini(&raw);
        ids_fini(&turns);
    }
    buf_fini(&text);
}

/* Loaded before anything is counted, because loading it takes longer than a run. */
static struct tokenizer *shared;

__attribute__((constructor)) static void load(void)
{
    struct folder folder;
    folder_make(&folder);
    shared = small_tokenizer(&folder);
    folder_remove(&folder);
}

__attribute__((destructor)) static void unload(void) { tokenizer_free(shared); }

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    round_trip(shared, (const char *)bytes, n);
    stream(shared, bytes, n);
    prompts(shared, (const char *)bytes, n);
    return 0;
}
