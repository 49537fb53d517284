/* SPDX-License-Identifier: GPL-3.0-or-later
 * The one thread that owns the model. Requests wait in a queue that is fair among clients, join the
 * running batch between two steps, and leave it when their answer ends. */
#ifndef SERVE_SCHEDULER_H
#define SERVE_SCHEDULER_H

#include <stdint.h>

#include "common/text.h"
#include "schema/schema.h"

struct scheduler;

/* One answer, from the wish for it to its end. Its owner is the thread that asks. */
struct generation;

/* A token that was told with its log-probability. */
struct generation_token {
    int32_t id;
    float logprob;
    int n_top;
    struct phi3v_logprob *top; // [n_top]
};

/* What came since the last look. */
struct generation_news {
    struct text text;
    struct generation_token *tokens; // [n_tokens]
    size_t n_tokens;
    bool done; // nothing comes behind this
};

/* How an answer ended. */
struct generation_end {
    int code;                 // enum phi3v_code: 0, or why there is no answer,
    struct phi3v_error error; // with its sentence
    enum phi3v_finish finish;
    size_t n_ids, n_answer_ids; // as in struct phi3v_result
    struct phi3v_timing timing;
    double first_token_s; // from asking to the first token
};

/* What has happened so far, for /metrics. */
struct scheduler_counts {
    int n_waiting, n_running;
    uint64_t n_answers[3]; // by enum phi3v_finish
    uint64_t n_failed, n_refused;
    uint64_t n_prompt_tokens, n_cached_tokens, n_answer_tokens;
    double waited_s, first_token_s, decode_s, prefill_s, vision_s; // sums
    uint64_t n_first_tokens;
};

/* Starts the thread. parallel: answers at once; max_waiting: beyond them. Errors: MEMORY. */
int scheduler_new(phi3v_model *model, int parallel, int max_waiting, struct scheduler **ret,
                  struct phi3v_error *err);
/* Every work must have been freed. */
void scheduler_free(struct scheduler *s);
/* All work there is, and all to come, ends as soon as it can. */
void scheduler_cancel_all(struct scheduler *s);
/* Seconds after which it is worth trying again. */
int scheduler_retry_after(struct scheduler *s);
void scheduler_counts(struct scheduler *s, struct scheduler_counts *ret);

/* Asks for an answer to the prompt, which is taken over in any case; params' strings, and binding
 * (what the answer has to be; NULL: any text), stay as they are until generation_free. client: whoever
 * asks; each gets its turn. NULL: too many wait. */
struct generation *generation_new(struct scheduler *s, phi3v_prompt *prompt,
                                  const struct phi3v_params *params, struct binding *binding,
                                  uint64_t client);
/* Waits, at most timeout_ms, for something new; true when there is. */
bool generation_wait(struct generation *g, int timeout_ms, struct generation_news *ret);
void generation_news_fini(struct generation_news *news);
/* Once news.done was seen. */
const struct generation_end *generation_end(const struct generation *g);
/* Stops it, where it has not ended, and waits until the engine has let go of it. */
void generation_free(struct generation *g);

#endif
