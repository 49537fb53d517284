/* SPDX-License-Identifier: MIT
 * Questions to OpenAI-style servers, several in flight at once, to one server or a list of servers
 * with the same model. Answers are streamed. A busy server is waited for, and a broken connection
 * is made again, to another server if there is one: text of the answer that had come before is
 * recognised and not reported twice.
 *
 * The key goes only to addresses that a person named: redirects are not followed, and it is never
 * sent unencrypted to the public network. */
#ifndef NET_CHAT_H
#define NET_CHAT_H

#include "net/chat_reply.h"
#include "common/text.h"
#include "net/sse.h"

struct chat;

struct chat_options {
    const char *urls;        // one, or several separated by commas
    const char *model;       // the servers' name for it; NULL: the first in their list
    const char *key;         // NULL: none
    bool offline;            // only servers on this machine
    double backoff_s;        // 0: a second; doubled after each try
    long silence_s;          // 0: NET_SILENCE_S
    int (*stop)(void *user); // asked while chat_open waits; may be NULL
    void *user;
};

/* Asks every server for its models. A server that does not answer is tried again later, as long as
 * another one does. Errors: ARGUMENT (no usable address), DEVICE (no server, no such model, the
 * key), CANCELLED, MEMORY. */
int chat_open(const struct chat_options *opt, struct chat **ret, struct phi3v_error *err);
void chat_close(struct chat *c);
const char *chat_model(const struct chat *c);
const char *chat_name(const struct chat *c); // for people: the address, "… and 2 more"
int64_t chat_context(const struct chat *c);  // tokens; 0: not reported
/* The mode in which notebooks with the model begin, as a phiscope server reports it; NULL: not
 * reported. */
const char *chat_mode(const struct chat *c);
/* Whether texts may mark the place of their message's first picture with <|image_1|>, as for
 * phiscope. */
bool chat_reads_tags(const struct chat *c);
int chat_n_servers(const struct chat *c);
/* Which server does not answer, and why; NULL: all answer. */
const char *chat_note(const struct chat *c);

/* A question. The caller fills in the first part; the second is valid once chat_wait returns the
 * call. */
struct chat_call {
    json_t *request; // taken; for /chat/completions; "model" and "stream" are added
    /* A piece of the answer; non-zero ends the call with CANCELLED. */
    int (*on_text)(struct chat_call *call, const char *text, size_t n, float logprob);
    /* The connection broke and the answer starts again in other words: discard what came. False, or
     * NULL: impossible, and the call fails. */
    bool (*on_again)(struct chat_call *call);
    void *user;

    int code; // 0, or DEVICE, TOO_LONG, CANCELLED, MEMORY
    struct phi3v_error error;
    enum chat_finish finish;
    struct chat_usage usage;
    double begun_s, first_text_s; // on the clock; 0: not yet
    struct bytes text;            // all text that came

    /* Private to chat.c. */
    struct chat_call *next;
    struct chat *chat;
    int server; // -1: none at present
    bool ended, told;
    double waited_s; // on servers' request
    int n_tries;
    void *easy; // libcurl's handle and its
    struct curl_slist *headers;
    char *body;
    struct sse sse;
    struct bytes page; // what came in another form than events
    size_t n_matched;  // bytes of the text that have come again
    bool sniffed, is_page, any_event;
    bool may_try; // the failure in the stream may be temporary
};

/* Begins a call, which must not move until chat_end. Errors: MEMORY. */
int chat_begin(struct chat *c, struct chat_call *call, struct phi3v_error *err);
/* Works for at most a tenth of a second. Returns a call that has ended, each once; NULL: none
 * has. */
struct chat_call *chat_wait(struct chat *c);
/* The bytes of questions sent, and of all being sent; for progress. */
void chat_sent(const struct chat *c, int64_t *ret_done, int64_t *ret_total);
/* Stops the call if it is unfinished, and frees what it holds. */
void chat_end(struct chat *c, struct chat_call *call);

#endif
