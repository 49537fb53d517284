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

/* Tokens that a device which draws by itself may run ahead: how long a newcomer waits for it. */
enum { TOKENS_A_ROUND = 8 };

struct work {
    struct scheduler *scheduler;
    phi3v_prompt *prompt;
    struct phi3v_params params;
    struct binding *binding; // NULL: none
    uint64_t client;
    double asked_s;
    struct work *next; // in the queue
    /* The engine's thread alone. */
    struct phi3v_job job;
    struct phi3v_result result;
    int seat;
    /* Behind the scheduler's lock. */
    pthread_cond_t changed;
    struct work_news news;
    struct work_token newest; // that no text and no other token has come behind
    bool has_newest;
    size_t n_told; // tokens in news so far
    struct work_end end;
    /* Anyone. */
    atomic_bool cancelled;
};

/* A place in the batch. Its session keeps what it has computed for whoever asks next. */
struct seat {
    phi3v_session *session; // NULL: none was needed yet
    struct work *work;      // NULL: free
};

struct scheduler {
    phi3v_model *model;
    phi3v_batch *batch;
    struct seat *seats; // [parallel]
    int parallel, max_waiting;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wanted; // there is something to do
    struct work *first, **last;
    bool over;      // the thread is to end
    bool refusing;  // what comes is cancelled
    bool needs_all; // the first in the queue wants the memory of all others
    struct scheduler_counts counts;
};

/* -- News, on the engine's thread -------------------------------------------------------------- */

/* Tokens are told with their text. The newest one waits for it: a stop token has none, and is not
 * told. */
static void tell_newest(struct work *w)
{
    struct work_news *news = &w->news;
    if (!w->has_newest) return;
    news->tokens = xgrow(news->tokens, news->n_tokens + 1, sizeof *news->tokens);
    news->tokens[news->n_tokens++] = w->newest;
    w->n_told++;
    w->has_newest = false;
}

static void add_token(struct work *w, const struct phi3v_event *event)
{
    tell_newest(w);
    size_t n_bytes = (size_t)event->n_top * sizeof *event->top;
    w->newest = (struct work_token){event->id, event->logprob, event->n_top, xalloc(n_bytes)};
    memcpy(w->newest.top, event->top, n_bytes);
    w->has_newest = true;
}

static void add_text(struct work *w, const struct phi3v_event *event)
{
    tell_newest(w);
    text_addn(&w->news.text, event->text, event->n_text_bytes);
    if (w->news.text.failed) must(NULL);
}

static void first_token(struct work *w)
{
    if (w->end.first_token_s > 0) return;
    w->end.first_token_s = now_s() - w->asked_s;
    w->scheduler->counts.first_token_s += w->end.first_token_s;
    w->scheduler->counts.n_first_tokens++;
}

static void count_end(struct scheduler_counts *c, const struct work *w)
{
    const struct work_end *end = &w->end;
    size_t n_prompt;
    if (end->code) {
        if (end->code == PHI3V_E_CANCELLED)
            c->n_answers[PHI3V_FINISH_INTERRUPTED]++;
        else
            c->n_failed++;
        return;
    }
    phi3v_prompt_ids(w->prompt, &n_prompt);
    c->n_answers[end->finish]++;
    c->n_prompt_tokens += n_prompt;
    c->n_cached_tokens += (uint64_t)end->timing.cached_tokens;
    c->n_answer_tokens += end->n_ids;
    c->decode_s += end->timing.decode_s;
    c->prefill_s += end->timing.prefill_s;
    c->vision_s += end->timing.vision_s;
}

static void finish(struct work *w)
{
    struct scheduler *s = w->scheduler;
    w->end.code = w->job.code;
    w->end.error = w->job.error;
    if (!w->end.code) {
        w->end.finish = w->result.finish;
        w->end.n_ids = w->result.n_ids;
        w->end.n_answer_ids = w->result.n_answer_ids;
        w->end.timing = w->result.timing;
    }
    phi3v_result_fini(&w->result);
    if (w->n_told < w->end.n_answer_ids) tell_newest(w);
    if (w->has_newest) free(w->newest.top);
    count_end(&s->counts, w);
    w->news.done = true;
}

static void put_first(struct scheduler *s, struct work *w)
{
    w->next = s->first;
    s->first = w;
    if (!w->next) s->last = &w->next;
    s->counts.n_waiting++;
}

/* The job has left the batch. One that found no memory beside others gets another try when they are
 * gone. */
static void leave(struct work *w)
{
    struct scheduler *s = w->scheduler;
    s->seats[w->seat].work = NULL;
    s->counts.n_running--;
    if (w->job.code == PHI3V_E_MEMORY && s->counts.n_running > 0 && !w->end.first_token_s) {
        phi3v_result_fini(&w->result);
        put_first(s, w);
        s->needs_all = true;
    } else {
        finish(w);
    }
}

static int on_event(const struct phi3v_event *event, void *user)
{
    struct work *w = user;
    struct scheduler *s = w->scheduler;
    if (event->type == PHI3V_EVENT_PROGRESS) return atomic_load(&w->cancelled);
    pthread_mutex_lock(&s->lock);
    if (event->type == PHI3V_EVENT_TEXT) {
        first_token(w);
        add_text(w, event);
    } else if (event->type == PHI3V_EVENT_TOKEN) {
        first_token(w);
        add_token(w, event);
    } else {
        leave(w);
    }
    int stops = atomic_load(&w->cancelled);
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&s->lock); /* from here on the work may be gone */
    return stops;
}

/* -- The queue --------------------------------------------------------------------------------- */

static void put_last(struct scheduler *s, struct work *w)
{
    w->next = NULL;
    *s->last = w;
    s->last = &w->next;
    s->counts.n_waiting++;
}

static struct work *take(struct scheduler *s, struct work **at)
{
    struct work *w = *at;
    *at = w->next;
    if (s->last == &w->next) s->last = at;
    w->next = NULL;
    s->counts.n_waiting--;
    return w;
}

static int n_running_of(const struct scheduler *s, uint64_t client)
{
    int n = 0;
    for (int i = 0; i < s->parallel; i++)
        n += s->seats[i].work && s->seats[i].work->client == client;
    return n;
}

/* The work of the client that has fewest answers running, of equals the one that waits longest: who
 * asks a hundred times does not keep another from its first answer. */
static struct work *take_fairest(struct scheduler *s)
{
    struct work **best = NULL;
    int fewest = 0;
    for (struct work **at = &s->first; *at; at = &(*at)->next) {
        int n = n_running_of(s, (*at)->client);
        if (best && n >= fewest) continue;
        best = at;
        fewest = n;
    }
    return best ? take(s, best) : NULL;
}

/* -- Joining the batch ------------------------------------------------------------------------- */

/* The free seat whose session has most of the prompt. */
static struct seat *find_seat(struct scheduler *s, const phi3v_prompt *prompt)
{
    struct seat *best = NULL;
    int64_t most = -1;
    for (int i = 0; i < s->parallel; i++) {
        struct seat *seat = &s->seats[i];
        if (seat->work) continue;
        int64_t common = seat->session ? phi3v_session_common(seat->session, prompt) : 0;
        if (common <= most) continue;
        best = seat;
        most = common;
    }
    return best;
}

/* Called without the lock, as events of the job may come at once. */
static void join(struct scheduler *s, struct work *w, struct seat *seat)
{
    w->seat = (int)(seat - s->seats);
    w->result = (struct phi3v_result){.size = sizeof w->result};
    w->job = (struct phi3v_job){.size = sizeof w->job, .prompt = w->prompt, .result = &w->result};
    if (w->binding) {
        binding_restart(w->binding); // it may be the second try
        w->job.constraint = binding_constraint(w->binding);
    }
    int rc = seat->session ? 0 : phi3v_session_new(s->model, &seat->session, &w->job.error);
    w->job.session = seat->session;
    if (!rc) rc = phi3v_batch_join(s->batch, &w->job, &w->params, on_event, w, &w->job.error);
    if (!rc) return;
    w->job.code = rc;
    on_event(&(struct phi3v_event){.type = PHI3V_EVENT_END}, w);
}

static void end_waiting(struct work *w)
{
    w->job.code = refuse(&w->job.error, PHI3V_E_CANCELLED, "cancelled");
    finish(w);
    pthread_cond_signal(&w->changed);
}

/* The next work and a seat for it, with the lock held; NULL: nothing can join now. */
static struct work *next_to_join(struct scheduler *s, struct seat **ret_seat)
{
    if (s->needs_all && s->counts.n_running > 0) return NULL;
    while (s->first && s->counts.n_running < s->parallel) {
        struct work *w = s->needs_all ? take(s, &s->first) : take_fairest(s);
        s->needs_all = false;
        if (!atomic_load(&w->cancelled) && !s->refusing) {
            *ret_seat = find_seat(s, w->prompt);
            (*ret_seat)->work = w;
            s->counts.waited_s += now_s() - w->asked_s;
            s->counts.n_running++;
            return w;
        }
        end_waiting(w);
    }
    return NULL;
}

/* -- The engine's thread ----------------------------------------------------------------------- */

static void stop_cancelled(struct scheduler *s)
{
    for (int i = 0; i < s->parallel; i++) {
        const struct seat *seat = &s->seats[i];
        if (seat->work && atomic_load(&seat->work->cancelled)) phi3v_session_cancel(seat->session);
    }
}

static void *run(void *user)
{
    struct scheduler *s = user;
    struct work *w;
    struct seat *seat;
    pthread_mutex_lock(&s->lock);
    while (!s->over) {
        if (!s->first && s->counts.n_running == 0) {
            pthread_cond_wait(&s->wanted, &s->lock);
            continue;
        }
        w = next_to_join(s, &seat);
        pthread_mutex_unlock(&s->lock);
        if (w) {
            join(s, w, seat);
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
    s->seats = xcalloc((size_t)parallel, sizeof *s->seats);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wanted, NULL);
    int rc = phi3v_batch_new(model, parallel, &s->batch, err);
    if (!rc && pthread_create(&s->thread, NULL, run, s)) {
        phi3v_batch_free(s->batch);
        rc = refuse(err, PHI3V_E_MEMORY, "no thread for the model can be started");
    }
    if (rc) {
        free(s->seats);
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
    for (int i = 0; i < s->parallel; i++) phi3v_session_free(s->seats[i].session);
    pthread_cond_destroy(&s->wanted);
    pthread_mutex_destroy(&s->lock);
    free(s->seats);
    free(s);
}

void scheduler_cancel_all(struct scheduler *s)
{
    pthread_mutex_lock(&s->lock);
    s->refusing = true;
    for (int i = 0; i < s->parallel; i++)
        if (s->seats[i].work) atomic_store(&s->seats[i].work->cancelled, true);
    pthread_cond_signal(&s->wanted);
    pthread_mutex_unlock(&s->lock);
}

void scheduler_counts(struct scheduler *s, struct scheduler_counts *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->counts;
    pthread_mutex_unlock(&s->lock);
}

/* About when the first of those that wait gets its turn, by how long answers took so far. */
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

/* -- Work, on the thread that asks ------------------------------------------------------------- */

static void init_changed(pthread_cond_t *changed)
{
    pthread_condattr_t how;
    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
    pthread_cond_init(changed, &how);
    pthread_condattr_destroy(&how);
}

struct work *work_new(struct scheduler *s, phi3v_prompt *prompt, const struct phi3v_params *params,
                      struct binding *binding, uint64_t client)
{
    struct work *w = xcalloc(1, sizeof *w);
    w->scheduler = s;
    w->prompt = prompt;
    w->params = *params;
    w->binding = binding;
    w->client = client;
    w->asked_s = now_s();
    init_changed(&w->changed);
    pthread_mutex_lock(&s->lock);
    bool fits = s->counts.n_waiting < s->max_waiting ||
                s->counts.n_running + s->counts.n_waiting < s->parallel;
    if (fits)
        put_last(s, w);
    else
        s->counts.n_refused++;
    pthread_cond_signal(&s->wanted);
    pthread_mutex_unlock(&s->lock);
    if (fits) return w;
    w->news.done = true;
    work_free(w);
    return NULL;
}

static bool has_news(const struct work *w)
{
    return w->news.done || w->news.n_tokens > 0 || w->news.text.n > 0;
}

bool work_wait(struct work *w, int timeout_ms, struct work_news *ret)
{
    struct timespec until = clock_after(CLOCK_MONOTONIC, timeout_ms);
    pthread_mutex_lock(&w->scheduler->lock);
    while (!has_news(w) &&
           pthread_cond_timedwait(&w->changed, &w->scheduler->lock, &until) != ETIMEDOUT)
        continue;
    bool any = has_news(w);
    if (any) {
        *ret = w->news;
        w->news = (struct work_news){.done = ret->done};
    }
    pthread_mutex_unlock(&w->scheduler->lock);
    return any;
}

void work_news_fini(struct work_news *news)
{
    for (size_t i = 0; i < news->n_tokens; i++) free(news->tokens[i].top);
    free(news->tokens);
    text_free(&news->text);
    *news = (struct work_news){0};
}

const struct work_end *work_end(const struct work *w) { return &w->end; }

void work_free(struct work *w)
{
    if (!w) return;
    struct scheduler *s = w->scheduler;
    atomic_store(&w->cancelled, true);
    pthread_mutex_lock(&s->lock);
    for (struct work **at = &s->first; *at; at = &(*at)->next)
        if (*at == w) {
            end_waiting(take(s, at));
            break;
        }
    while (!w->news.done) pthread_cond_wait(&w->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    work_news_fini(&w->news);
    pthread_cond_destroy(&w->changed);
    phi3v_prompt_free(w->prompt);
    free(w);
}
