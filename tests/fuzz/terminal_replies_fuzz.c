/* SPDX-License-Identifier: GPL-3.0-or-later
 * Terminal input: every byte comes out as typed, in order, or belongs to an answer with bounded
 * values. */
#include <stdlib.h>

#include "fuzz.h"
#include "term/terminal_replies.h"
#include "term/clipboard.h"

struct seen {
    const uint8_t *bytes; /* not yet accounted for */
    size_t n;
    size_t n_typed;
    int n_answers, n_pastes;
    struct clipboard clipboard;
};

static void on_typed(unsigned char byte, void *user)
{
    struct seen *s = user;
    while (s->n > 0 && *s->bytes != byte) s->bytes++, s->n--; /* what is skipped was an answer's */
    if (s->n == 0) abort();
    s->bytes++, s->n--, s->n_typed++;
}

/* A paste's marks are no bytes of it. */
static void on_pasted(int byte, void *user)
{
    struct seen *s = user;
    s->n_pastes += byte < 0;
    if (byte >= 0) on_typed((unsigned char)byte, user);
}

static void on_reply(const struct terminal_reply *a, void *user)
{
    struct seen *s = user;
    if (a->n_values < 0 || a->n_values > REPLY_VALUES) abort();
    for (int i = 0; i < a->n_values; i++)
        if (a->values[i] < 0 || a->values[i] > 99999) abort();
    s->n_answers++;
}

/* Each answer about the clipboard is read by itself, so that damaged ones do not hide others. */
static void on_clipboard(int byte, void *user)
{
    struct seen *s = user;
    clipboard_byte(&s->clipboard, byte);
    if (s->clipboard.n > s->clipboard.cap) abort();
    if (s->clipboard.over) clipboard_free(&s->clipboard);
    s->n_answers += byte < 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct seen seen = {.bytes = bytes, .n = n};
    struct terminal_replies p;
    terminal_replies_init(&p, on_typed, on_pasted, on_reply, &seen);
    p.on_clipboard = on_clipboard;
    for (size_t i = 0; i < n; i++) terminal_replies_byte(&p, bytes[i]);
    bool open_paste = p.in_paste;
    size_t held = open_paste ? (size_t)p.paste_match : 0;
    terminal_replies_end_paste(&p);
    terminal_replies_flush(&p);
    size_t marks = 12 * (size_t)seen.n_pastes - (open_paste ? 6 : 0);
    clipboard_free(&seen.clipboard);
    if (seen.n_answers == 0 && !p.in_clipboard && seen.n_typed + marks + held != n) abort();
    return 0;
}
