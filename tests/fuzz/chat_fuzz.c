/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a chat server sends: a stream of events, cut after as many bytes as the first one says, and
 * the same as an answer in one piece, as an error and as a list of models. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/chat_reply.h"
#include "net/sse.h"

/* What all pieces together may not depend on. */
struct heard {
    size_t n_events, n_bytes, n_text;
};

static void check_reply(const char *bytes, size_t n, struct heard *h)
{
    struct chat_reply r;
    if (!chat_reply_read(bytes, n, &r)) return;
    const struct chat_usage *u = &r.usage;
    if (r.text && r.text[r.n_text]) abort();
    if (u->prompt_tokens < 0 || u->answer_tokens < 0 || u->cached_tokens > u->prompt_tokens)
        abort();
    if (!isnan(r.logprob) && r.logprob > 0) abort();
    if (r.failed && r.n_text) abort();
    for (const char *c = r.message; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F) abort();
    h->n_text += r.n_text;
    chat_reply_fini(&r);
}

static int take_event(const char *data, size_t n, void *user)
{
    struct heard *h = user;
    h->n_events++;
    h->n_bytes += n;
    check_reply(data, n, h);
    return 0;
}

static struct heard stream(const char *bytes, size_t n, size_t piece)
{
    struct heard h = {0};
    struct sse s = {0};
    for (size_t at = 0; at < n; at += piece)
        if (sse_feed(&s, bytes + at, n - at < piece ? n - at : piece, take_event, &h)) break;
    sse_fini(&s);
    return h;
}

static void check_page(const char *bytes, size_t n)
{
    struct heard h = {0};
    char message[300];
    struct chat_listed l = {0};
    check_reply(bytes, n, &h);
    chat_error_text(bytes, n, message, sizeof message);
    if (strlen(message) >= sizeof message) abort();
    bool list = chat_models_find(bytes, n, NULL, &l);
    if ((list && !l.id == !l.names) || l.context < 0) abort();
    chat_listed_fini(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)
{
    const char *bytes = (const char *)input;
    if (n < 1) return 0;
    struct heard cut = stream(bytes + 1, n - 1, 1 + input[0] % 64);
    struct heard whole = stream(bytes + 1, n - 1, n);
    if (memcmp(&cut, &whole, sizeof cut) != 0) abort();
    check_page(bytes + 1, n - 1);
    return 0;
}
