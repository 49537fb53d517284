/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "serve/scheduler.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/must.h"

/* How many tokens a device may decode ahead in one round, for which a new request has to wait. */
enum { TOKENS_A_ROUND = 8 };

struct generation {
    struct scheduler *scheduler;
    phi3v_prompt *prompt;
    struct phi3v_params params;
    struct binding *binding; // NULL: none
    uint64_t client;
    double asked_s;
    struct generation *next; // in the queue
    /* Only for the engine's thread */
    struct phi3v_job job;
    struct phi3v_result result;
    int slot;
    /* Under the scheduler's lock */
    pthread_cond_t changed;
    struct generation_news news;
    struct generation_token newest; // waits for its text or the next token
    bool has_newest;
    size_t n_told; // tokens in news so far
    struct generation_end end;
    /* For any thread */
    atomic_bool cancelled;
};

/* A slot of the batch. Its session keeps what it has computed for the next request. */
struct slot {
    phi3v_session *session;        // NULL until it is needed
    struct generation *generation; // NULL: free
};

struct scheduler {
    phi3v_model *model;
    phi3v_batch *batch;
    struct slot *slots; // [parallel]
    int parallel, max_waiting;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wanted; // there is something to do
    struct generation *first, **last;
    bool over;      // the thread must end
    bool refusing;  // cancel whatever comes
    bool needs_all; // the first in the queue must run alone, for want of memory
    struct scheduler_counts counts;
};

/* -- News, on the engine's thread -------------------------------------------------------------- */

/* Reports the newest token, which had to wait for its text: a stop token has none and is not
 * reported. */
static void tell_newest(struct generation *g)
{
    struct generation_news *news = &g->news;
    if (!g->has_newest) return;
    news->tokens = xgrow(news->tokens, news->n_tokens + 1, sizeof *news->tokens);
    news->tokens[news->n_tokens++] = g->newest;
    g->n_told++;
    g->has_newest = false;
}

static void add_token(struct generation *g, const struct phi3v_event *event)
{
    tell_newest(g);
    size_t n_bytes = (size_t)event->n_top * sizeof *event->top;
    g->newest = (struct generation_token){event->id, event->logprob, event->n_top, xalloc(n_bytes)};
    memcpy(g->newest.top, event->top, n_bytes);
    g->has_newest = true;
}

static void add_text(struct generation *g, const struct phi3v_event *event)
{
    tell_newest(g);
    text_addn(&g->news.text, event->text, event->n_text_bytes);
    if (g->news.text.failed) must(NULL);
}

static void first_token(struct generation *g)
{
    if (g->end.first_token_s > 0) return;
    g->end.first_token_s = now_s() - g->asked_s;
    g->scheduler->counts.first_token_s += g->end.first_token_s;
    g->scheduler->counts.n_first_tokens++;
}

static void count_end(struct scheduler_counts *c, const struct generation *g)
{
    const struct generation_end *end = &g->end;
    size_t n_prompt;
    if (end->code) {
        if (end->code == PHI3V_E_CANCELLED)
            c->n_answers[PHI3V_FINISH_INTERRUPTED]++;
        else
            c->n_failed++;
        return;
    }
    phi3v_prompt_ids(g->prompt, &n_prompt);
    c->n_answers[end->finish]++;
    c->n_prompt_tokens += n_prompt;
    c->n_cached_tokens += (uint64_t)end->timing.cached_tokens;
    c->n_answer_tokens += end->n_ids;
    c->decode_s += end->timing.decode_s;
    c->prefill_s += end->timing.prefill_s;
    c->vision_s += end->timing.vision_s;
}

static void finish(struct generation *g)
{
    struct scheduler *s = g->scheduler;
    g->end.code = g->job.code;
    g->end.error = g->job.error;
    if (!g->end.code) {
        g->end.finish = g->result.finish;
        g->end.n_ids = g->result.n_ids;
        g->end.n_answer_ids = g->result.n_answer_ids;
        g->end.timing = g->result.timing;
    }
    phi3v_result_fini(&g->result);
    if (g->n_told < g->end.n_answer_ids) tell_newest(g);
    if (g->has_newest) free(g->newest.top);
    count_end(&s->counts, g);
    g->news.done = true;
}

static void put_first(struct scheduler *s, struct generation *g)
{
    g->next = s->first;
    s->first = g;
    if (!g->next) s->last = &g->next;
    s->counts.n_waiting++;
}

/* The job has left the batch. If it ran out of memory beside others, it is tried again when they
 * are done. */
static void leave(struct generation *g)
{
    struct scheduler *s = g->scheduler;
    s->slots[g->slot].generation = NULL;
    s->counts.n_running--;
    if (g->job.code == PHI3V_E_MEMORY && s->counts.n_running > 0 && !g->end.first_token_s) {
        phi3v_result_fini(&g->result);
        put_first(s, g);
        s->needs_all = true;
    } else {
        finish(g);
    }
}

static int on_event(const struct phi3v_event *event, void *user)
{
    struct generation *g = user;
    struct scheduler *s = g->scheduler;
    if (event->type == PHI3V_EVENT_PROGRESS) return atomic_load(&g->cancelled);
    pthread_mutex_lock(&s->lock);
    if (event->type == PHI3V_EVENT_TEXT) {
        first_token(g);
        add_text(g, event);
    } else if (event->type == PHI3V_EVENT_TOKEN) {
        first_token(g);
        add_token(g, event);
    } else {
        leave(g);
    }
    int stops = atomic_load(&g->cancelled);
    pthread_cond_signal(&g->changed);
    pthread_mutex_unlock(&s->lock); /* from here on the generation may be freed */
    return stops;
}

/* -- The queue --------------------------------------------------------------------------------- */

static void put_last(struct scheduler *s, struct generation *g)
{
    g->next = NULL;
    *s->last = g;
    s->last = &g->next;
    s->counts.n_waiting++;
}

static struct generation *take(struct scheduler *s, struct generation **at)
{
    struct generation *g = *at;
    *at = g->next;
    if (s->last == &g->next) s->last = at;
    g->next = NULL;
    s->counts.n_waiting--;
    return g;
}

static int n_running_of(const struct scheduler *s, uint64_t client)
{
    int n = 0;
    for (int i = 0; i < s->parallel; i++)
        n += s->slots[i].generation && s->slots[i].generation->client == client;
    return n;
}

/* Takes the generation of the client with the fewest running answers and, among equals, the one
 * that has waited longest. So a client with a hundred requests does not hold up another's first
 * one. */
static struct generation *take_fairest(struct scheduler *s)
{
    struct generation **best = NULL;
    int fewest = 0;
    for (struct generation **at = &s->first; *at; at = &(*at)->next) {
        int n = n_running_of(s, (*at)->client);
        if (best && n >= fewest) continue;
        best = at;
        fewest = n;
    }
    return best ? take(s, best) : NULL;
}

/* -- Joining the batch ------------------------------------------------------------------------- */

/* The free slot whose session can reuse most of the prompt. */
static struct slot *find_slot(struct scheduler *s, const phi3v_prompt *prompt)
{
    struct slot *best = NULL;
    int64_t most = -1;
    for (int i = 0; i < s->parallel; i++) {
        struct slot *slot = &s->slots[i];
        if (slot->generation) continue;
        int64_t common = slot->session ? phi3v_session_common(slot->session, prompt) : 0;
        if (common <= most) continue;
        best = slot;
        most = common;
    }
    return best;
}

/* Called without the lock, because events of the job may come at once. */
static void join(struct scheduler *s, struct generation *g, struct slot *slot)
{
    g->slot = (int)(slot - s->slots);
    g->result = (struct phi3v_result){.size = sizeof g->result};
    g->job = (struct phi3v_job){.size = sizeof g->job, .prompt = g->prompt, .result = &g->result};
    if (g->binding) {
        binding_restart(g->binding); // this may be the second try
        g->job.constraint = binding_constraint(g->binding);
    }
    int rc = slot->session ? 0 : phi3v_session_new(s->model, &slot->session, &g->job.error);
    g->job.session = slot->session;
    if (!rc) rc = phi3v_batch_join(s->batch, &g->job, &g->params, on_event, g, &g->job.error);
    if (!rc) return;
    g->job.code = rc;
    on_event(&(struct phi3v_event){.type = PHI3V_EVENT_END}, g);
}

static void end_waiting(struct generation *g)
{
    g->job.code = refuse(&g->job.error, PHI3V_E_CANCELLED, "cancelled");
    finish(g);
    pthread_cond_signal(&g->changed);
}

/* The next generation and a slot for it; NULL when nothing can join now. Called with the lock. */
static struct generation *next_to_join(struct scheduler *s, struct slot **ret_slot)
{
    if (s->needs_all && s->counts.n_running > 0) return NULL;
    while (s->first && s->counts.n_running < s->parallel) {
        struct generation *g = s->needs_all ? take(s, &s->first) : take_fairest(s);
        s->needs_all = false;
        if (!atomic_load(&g->cancelled) && !s->refusing) {
            *ret_slot = find_slot(s, g->prompt);
            (*ret_slot)->generation = g;
            s->counts.waited_s += now_s() - g->asked_s;
            s->counts.n_running++;
            return g;
        }
        end_waiting(g);
    }
    return NULL;
}

/* -- The engine's thread ----------------------------------------------------------------------- */

static void stop_cancelled(struct scheduler *s)
{
    for (int i = 0; i < s->parallel; i++) {
        const struct slot *slot = &s->slots[i];
        if (slot->generation && atomic_load(&slot->generation->cancelled))
            phi3v_session_cancel(slot->session);
    }
}

static void *run(void *user)
{
    struct scheduler *s = user;
    struct generation *g;
    struct slot *slot;
    pthread_mutex_lock(&s->lock);
    while (!s->over) {
        if (!s->first && s->counts.n_running == 0) {
            pthread_cond_wait(&s->wanted, &s->lock);
            continue;
        }
        g = next_to_join(s, &slot);
        pthread_mutex_unlock(&s->lock);
        if (g) {
            join(s, g, slot);
        } else {
            stop_cancelled(s);
            phi3v_batch_step(s->batch, TOKENS_A_ROUND);
        }
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* -- Life -------------------------------------------------------------------------------------- */

int scheduler_new(phi3v_model *model, int parallel, int max_waiting, struct scheduler **ret,
                  struct phi3v_error *err)
{
    struct scheduler *s = xcalloc(1, sizeof *s);
    s->model = model;
    s->parallel = parallel;
    s->max_waiting = max_waiting;
    s->last = &s->first;
    s->slots = xcalloc((size_t)parallel, sizeof *s->slots);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wanted, NULL);
    int rc = phi3v_batch_new(model, parallel, &s->batch, err);
    if (!rc && pthread_create(&s->thread, NULL, run, s)) {
        phi3v_batch_free(s->batch);
        rc = refuse(err, PHI3V_E_MEMORY, "no thread for the model can be started");
    }
    if (rc) {
        free(s->slots);
        free(s);
    } else {
        *ret = s;
    }
    return rc;
}

void scheduler_free(struct scheduler *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    s->over = true;
    pthread_cond_signal(&s->wanted);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    phi3v_batch_free(s->batch);
    for (int i = 0; i < s->parallel; i++) phi3v_session_free(s->slots[i].session);
    pthread_cond_destroy(&s->wanted);
    pthread_mutex_destroy(&s->lock);
    free(s->slots);
    free(s);
}

void scheduler_cancel_all(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->refusing = true;
    for (int i = 0; i < s->parallel; i++)
        if (s->slots[i].generation) atomic_store(&s->slots[i].generation->cancelled, true);
    pthread_cond_signal(&s->wanted);
    pthread_mutex_unlock(&s->lock);
}

void scheduler_counts(struct scheduler *s, struct scheduler_counts *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->counts;
    pthread_mutex_unlock(&s->lock);
}

/* Estimates when a new request would get its turn, by how long answers took so far. */
int scheduler_retry_after(struct scheduler *s)
{
    enum { LEAST = 1, MOST = 60 };
    struct scheduler_counts c;
    scheduler_counts(s, &c);
    uint64_t n = 0;
    for (int i = 0; i < 3; i++) n += c.n_answers[i];
    double each = n ? (c.vision_s + c.prefill_s + c.decode_s) / (double)n : LEAST;
    double wait = each * (c.n_waiting + 1) / s->parallel;
    return wait < LEAST ? LEAST : wait > MOST ? MOST : (int)wait;
}

/* -- Generations, on the requesting thread ----------------------------------------------------- */

static void init_changed(pthread_cond_t *changed)
{
    pthread_condattr_t how;
    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
    pthread_cond_init(changed, &how);
    pthread_condattr_destroy(&how);
}

struct generation *generation_new(struct scheduler *s, phi3v_prompt *prompt,
                                  const struct phi3v_params *params, struct binding *binding,
                                  uint64_t client)
{
    struct generation *g = xcalloc(1, sizeof *g);
    g->scheduler = s;
    g->prompt = prompt;
    g->params = *params;
    g->binding = binding;
    g->client = client;
    g->asked_s = now_s();
    init_changed(&g->changed);
    pthread_mutex_lock(&s->lock);
    bool fits = s->counts.n_waiting < s->max_waiting ||
                s->counts.n_running + s->counts.n_waiting < s->parallel;
    if (fits)
        put_last(s, g);
    else
        s->counts.n_refused++;
    pthread_cond_signal(&s->wanted);
    pthread_mutex_unlock(&s->lock);
    if (fits) return g;
    g->news.done = true;
    generation_free(g);
    return NULL;
}

static bool has_news(const struct generation *g)
{
    return g->news.done || g->news.n_tokens > 0 || g->news.text.n > 0;
}

bool generation_wait(struct generation *g, int timeout_ms, struct generation_news *ret)
{
    struct timespec until = clock_after(CLOCK_MONOTONIC, timeout_ms);
    pthread_mutex_lock(&g->scheduler->lock);
    while (!has_news(g) &&
           pthread_cond_timedwait(&g->changed, &g->scheduler->lock, &until) != ETIMEDOUT)
        continue;
    bool any = has_news(g);
    if (any) {
        *ret = g->news;
        g->news = (struct generation_news){.done = ret->done};
    }
    pthread_mutex_unlock(&g->scheduler->lock);
    return any;
}

void generation_news_fini(struct generation_news *news)
{
    for (size_t i = 0; i < news->n_tokens; i++) free(news->tokens[i].top);
    free(news->tokens);
    text_free(&news->text);
    *news = (struct generation_news){0};
}

const struct generation_end *generation_end(const struct generation *g) { return &g->end; }

void generation_free(struct generation *g)
{
    if (!g) return;
    struct scheduler *s = g->scheduler;
    atomic_store(&g->cancelled, true);
    pthread_mutex_lock(&s->lock);
    for (struct generation **at = &s->first; *at; at = &(*at)->next)
        if (*at == g) {
            end_waiting(take(s, at));
            break;
        }
    while (!g->news.done) pthread_cond_wait(&g->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    generation_news_fini(&g->news);
    pthread_cond_destroy(&g->changed);
    phi3v_prompt_free(g->prompt);
    free(g);
}
