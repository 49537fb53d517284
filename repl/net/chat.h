/* SPDX-License-Identifier: MIT
 * Questions to OpenAI-style servers, several in flight at once, over one server or a list of them
 * that serve the same model. Answers are streamed. A server that is busy is waited for, a connection
 * that breaks is made again, with another server where there is one: what had come of the answer is
 * recognised and not said twice.
 *
 * The key goes to the addresses that a person named and nowhere else: redirects are not followed,
 * and it does not leave for the public network unencrypted. */
#ifndef NET_CHAT_H
#define NET_CHAT_H

#include "net/chat_reply.h"
#include "net/error.h"
#include "net/sse.h"

struct chat;

struct chat_options {
    const char *urls;        // one, or several with commas between
    const char *model;       // as the servers call it; NULL: the first they list
    const char *key;         // NULL: none
    bool offline;            // only servers of this machine
    double backoff_s;        // 0: a second; doubled with each try
    long silence_s;          // 0: NET_SILENCE_S
    int (*stop)(void *user); // asked while chat_open waits; may be NULL
    void *user;
};

/* Asks every server for its models. One that does not answer is tried again later as long as another
 * does. Errors: ARGUMENT (no address that can be used), DEVICE (no server, no such model, the key),
 * CANCELLED, MEMORY. */
int chat_open(const struct chat_options *opt, struct chat **ret, struct phi3v_error *err);
void chat_close(struct chat *c);
const char *chat_model(const struct chat *c);
const char *chat_name(const struct chat *c); // for people: the address, "… and 2 more"
int64_t chat_context(const struct chat *c);  // tokens; 0: not said
/* The mode that notebooks with the model begin in, as a phiscope says it; NULL: not said. */
const char *chat_mode(const struct chat *c);
/* Texts may say <|image_1|> where the first of their message's pictures stands, as phiscope's do. */
bool chat_reads_tags(const struct chat *c);
int chat_n_servers(const struct chat *c);
/* Which server does not answer, and why; NULL: all do. */
const char *chat_note(const struct chat *c);

/* A question. The caller fills the first part; the second is there once chat_wait says so. */
struct chat_call {
    json_t *request; // taken: of /chat/completions; "model" and "stream" are put in
    /* A piece of the answer; non-zero ends the call with CANCELLED. */
    int (*on_text)(struct chat_call *call, const char *text, size_t n, float logprob);
    /* The connection broke and the answer begins anew in other words: forget what came. False, or
     * NULL: that cannot be, and the call fails. */
    bool (*on_again)(struct chat_call *call);
    void *user;

    int code; // 0, or DEVICE, TOO_LONG, CANCELLED, MEMORY
    struct phi3v_error error;
    enum chat_finish finish;
    struct chat_usage usage;
    double begun_s, first_text_s; // on the clock; 0: not yet
    struct bytes text;            // all that came

    /* Of chat.c alone. */
    struct chat_call *next;
    struct chat *chat;
    int server; // -1: of none now
    bool ended, told;
    double waited_s; // because servers asked for it
    int n_tries;
    void *easy; // libcurl's, and its
    struct curl_slist *headers;
    char *body;
    struct sse sse;
    struct bytes page; // what came otherwise than as events
    size_t n_matched;  // bytes of the text that came again
    bool sniffed, is_page, any_event;
    bool may_try; // what failed in the stream may go well another time
};

/* Begins a call, which stays where it is until chat_end. Errors: MEMORY. */
int chat_begin(struct chat *c, struct chat_call *call, struct phi3v_error *err);
/* Works for at most a tenth of a second. Returns a call that has ended, each once; NULL: none yet. */
struct chat_call *chat_wait(struct chat *c);
/* Bytes of questions sent, of all that are being sent; for progress. */
void chat_sent(const struct chat *c, int64_t *ret_done, int64_t *ret_total);
/* Stops the call where it is still going on, and frees what it has. */
void chat_end(struct chat *c, struct chat_call *call);

#endif
