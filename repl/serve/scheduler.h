/* SPDX-License-Identifier: GPL-3.0-or-later
 * Schedules requests on the one thread that owns the model. They wait in a queue that is fair among
 * clients, join the running batch between two steps, and leave it when their answer ends. */
#ifndef SERVE_SCHEDULER_H
#define SERVE_SCHEDULER_H

#include <stdint.h>

#include "common/text.h"
#include "schema/schema.h"

struct scheduler;

/* One answer, from its request to its end. It belongs to the requesting thread. */
struct generation;

/* A token with its log-probability and alternatives. */
struct generation_token {
    int32_t id;
    float logprob;
    int n_top;
    struct phi3v_logprob *top; // [n_top]
};

/* What is new since the last generation_wait. */
struct generation_news {
    struct text text;
    struct generation_token *tokens; // [n_tokens]
    size_t n_tokens;
    bool done; // this is the last
};

/* How an answer ended. */
struct generation_end {
    int code;                 // enum phi3v_code: 0, or why there is no answer
    struct phi3v_error error; // the sentence for code
    enum phi3v_finish finish;
    size_t n_ids, n_answer_ids; // as in struct phi3v_result
    struct phi3v_timing timing;
    double first_token_s; // from the request to the first token
};

/* Totals so far, for /metrics. */
struct scheduler_counts {
    int n_waiting, n_running;
    uint64_t n_answers[3]; // by enum phi3v_finish
    uint64_t n_failed, n_refused;
    uint64_t n_prompt_tokens, n_cached_tokens, n_answer_tokens;
    double waited_s, first_token_s, decode_s, prefill_s, vision_s; // sums
    uint64_t n_first_tokens;
};

/* Starts the thread. parallel is the number of answers at once, max_waiting how many requests may
 * wait beyond them. Errors: MEMORY. */
int scheduler_new(phi3v_model *model, int parallel, int max_waiting, struct scheduler **ret,
                  struct phi3v_error *err);
/* Every generation must have been freed. */
void scheduler_free(struct scheduler *s);
/* Ends all generations, now and in future, as soon as possible. */
void scheduler_cancel_all(struct scheduler *s);
/* After how many seconds a refused client should try again. */
int scheduler_retry_after(struct scheduler *s);
void scheduler_counts(struct scheduler *s, struct scheduler_counts *ret);

/* Asks for an answer to the prompt, which is taken in any case. The strings in params, and binding
 * (to the answer's schema; NULL: any text), must live until generation_free. client identifies who
 * asks, for a fair order. NULL when too many wait. */
struct generation *generation_new(struct scheduler *s, phi3v_prompt *prompt,
                                  const struct phi3v_params *params, struct binding *binding,
                                  uint64_t client);
/* Waits at most timeout_ms for news; true when there is some. */
bool generation_wait(struct generation *g, int timeout_ms, struct generation_news *ret);
void generation_news_fini(struct generation_news *news);
/* How it ended; valid once news.done was seen. */
const struct generation_end *generation_end(const struct generation *g);
/* Stops it if need be, and waits until the engine no longer uses it. */
void generation_free(struct generation *g);

#endif
