/* SPDX-License-Identifier: MIT */
#include "engine/sample.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "engine/allowed.h"
#include "engine/logprob.h"

struct sampler {
    int n_vocab;
    struct draw draw;
    unsigned char *seen; // [n_vocab]
    float *value;        // [n_vocab] logits after penalty and temperature
    int32_t *order;      // [n_vocab] ids by ascending value, equal values by ascending id
    int32_t *spare;      // [n_vocab]
    uint64_t *weight;    // [n_vocab] draw_weight, in the order of `order`
    int first;           // order[first … n_vocab-1] are kept
    uint64_t total;      // sum of their weights
    const struct phi3v_constraint *constraint; // NULL: every token is allowed
    const int32_t *stop_ids;                   // [n_stop_ids]
    int n_stop_ids, n_silent;
    uint32_t *allowed; // by the constraint for the next token
    int n_top;
    float logprob; // of the id picked
    struct phi3v_logprob top[MAX_LOGPROBS];
};

/* -- Random numbers ---------------------------------------------------------------------------- */

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* -- The operators, in the order in which they run --------------------------------------------- */

/* The set of ids allowed next; NULL: all. */
static const uint32_t *allowed_ids(const struct sampler *s)
{
    return s->constraint ? s->allowed : NULL;
}

/* Asks the constraint. False when it allows no token. */
static bool ask_constraint(struct sampler *s)
{
    const struct phi3v_constraint *c = s->constraint;
    size_t n_words = allowed_words(s->n_vocab);
    memset(s->allowed, 0, n_words * sizeof *s->allowed);
    bool may_end = c->allow(s->allowed, s->n_vocab, c->user) != 0;
    for (int32_t id = s->n_vocab; id % 32; id++) allow_id(s->allowed, id, false);
    for (int i = 0; i < s->n_stop_ids; i++)
        if (s->stop_ids[i] < s->n_vocab && (i < s->n_silent || !may_end))
            allow_id(s->allowed, s->stop_ids[i], may_end);
    for (size_t i = 0; i < n_words; i++)
        if (s->allowed[i]) return true;
    return false;
}

/* Copies the logits with the repetition penalty applied. False when some are not numbers. */
static bool take_logits(struct sampler *s, const float *logits)
{
    const uint32_t *allowed = allowed_ids(s);
    bool any_nan = false;
    for (int i = 0; i < s->n_vocab; i++) {
        any_nan |= isnan(logits[i]) != 0;
        s->value[i] = draw_penalised(logits[i], s->seen[i], s->draw.repetition_penalty);
    }
    for (int i = 0; allowed && i < s->n_vocab; i++)
        if (!is_allowed(allowed, i)) s->value[i] = -INFINITY;
    return !any_nan;
}

static int32_t largest(const struct sampler *s)
{
    int32_t best = 0;
    for (int32_t i = 1; i < s->n_vocab; i++)
        if (s->value[i] > s->value[best]) best = i;
    return isfinite(s->value[best]) ? best : -1;
}

/* Sorts order[] by value with a stable radix sort, one byte at a time: it needs no allocation, and
 * equal values stay in the order of their ids. */
static void sort_ascending(struct sampler *s)
{
    for (int32_t i = 0; i < s->n_vocab; i++) s->order[i] = i;
    for (int shift = 0; shift < 32; shift += 8) {
        int start[257] = {0};
        for (int i = 0; i < s->n_vocab; i++) start[(draw_key(s->value[i]) >> shift & 255) + 1]++;
        for (int i = 0; i < 256; i++) start[i + 1] += start[i];
        for (int i = 0; i < s->n_vocab; i++) {
            int32_t id = s->order[i];
            s->spare[start[draw_key(s->value[id]) >> shift & 255]++] = id;
        }
        int32_t *swap = s->order;
        s->order = s->spare;
        s->spare = swap;
    }
}

/* Removes everything below the k-th largest value; ties with it stay. golden: sampling */
static void keep_top_k(struct sampler *s)
{
    int k = s->draw.top_k;
    if (k <= 0 || k >= s->n_vocab) return;
    if (s->first >= s->n_vocab - k) return;
    s->first = s->n_vocab - k;
    float kth = s->value[s->order[s->first]];
    while (s->first > 0 && s->value[s->order[s->first - 1]] == kth) s->first--;
}

static void weigh(struct sampler *s)
{
    float top = s->value[s->order[s->n_vocab - 1]];
    s->total = 0;
    for (int i = s->first; i < s->n_vocab; i++) {
        s->weight[i] = draw_weight(s->value[s->order[i]], top);
        s->total += s->weight[i];
    }
}

/* Removes from below while the cumulative probability is at most 1 - p; the largest always stays.
 * golden: sampling */
static void keep_top_p(struct sampler *s)
{
    if (s->draw.top_p >= 1) return;
    uint64_t cumulative = 0, limit = draw_share(1.0 - (double)s->draw.top_p, s->total);
    for (; s->first < s->n_vocab - 1; s->first++) {
        cumulative += s->weight[s->first];
        if (cumulative > limit) return;
    }
}

/* Removes tokens less probable than min_p times the most probable one. golden: sampling */
static void keep_min_p(struct sampler *s)
{
    uint64_t least = draw_least(s->draw.min_p);
    while (s->first < s->n_vocab - 1 && s->weight[s->first] < least) s->first++;
}

static void keep_only(struct sampler *s, int32_t id)
{
    s->first = s->n_vocab - 1;
    s->order[s->first] = id;
    s->value[id] = 0; // it may be infinite
    s->weight[s->first] = s->total = draw_weight(0, 0);
}

/* -- Public ------------------------------------------------------------------------------------ */

int params_check(const struct phi3v_params *p, struct phi3v_error *err)
{
    if (p->max_new_tokens < 1)
        return err_set(err, PHI3V_E_ARGUMENT, "max_new_tokens is %d; allowed is 1 or more",
                       p->max_new_tokens);
    if (!(p->temperature >= 0 && p->temperature <= 1000))
        return err_set(err, PHI3V_E_ARGUMENT, "temperature is %g; allowed is 0 (greedy) to 1000",
                       (double)p->temperature);
    if (p->top_k < 0)
        return err_set(err, PHI3V_E_ARGUMENT, "top_k is %d; allowed is 0 (off) or more", p->top_k);
    if (!(p->top_p > 0 && p->top_p <= 1))
        return err_set(err, PHI3V_E_ARGUMENT, "top_p is %g; allowed is above 0 and at most 1 (off)",
                       (double)p->top_p);
    if (!(p->min_p >= 0 && p->min_p <= 1))
        return err_set(err, PHI3V_E_ARGUMENT, "min_p is %g; allowed is 0 (off) to 1",
                       (double)p->min_p);
    if (!(p->repetition_penalty > 0 && p->repetition_penalty <= 1000))
        return err_set(err, PHI3V_E_ARGUMENT,
                       "repetition_penalty is %g; allowed is above 0 (1 is off) and at most 1000",
                       (double)p->repetition_penalty);
    if (p->logprobs < 0 || p->logprobs > MAX_LOGPROBS)
        return err_set(err, PHI3V_E_ARGUMENT, "logprobs is %d; allowed is 0 (none) to %d",
                       p->logprobs, MAX_LOGPROBS);
    for (const char *const *stop = p->stop; stop && *stop; stop++)
        if (!**stop) return err_set(err, PHI3V_E_ARGUMENT, "a stop string is empty");
    return 0;
}

int sampler_new(int n_vocab, struct sampler **ret, struct phi3v_error *err)
{
    struct sampler *s = mem_zalloc(sizeof *s);
    if (!s) return err_memory(err, "the sampler", sizeof *s);
    size_t n = (size_t)n_vocab;
    s->n_vocab = n_vocab;
    s->seen = mem_zarray(n, sizeof *s->seen);
    s->value = mem_array(n, sizeof *s->value);
    s->order = mem_array(n, sizeof *s->order);
    s->spare = mem_array(n, sizeof *s->spare);
    s->weight = mem_array(n, sizeof *s->weight);
    s->allowed = mem_array(allowed_words(n_vocab), sizeof *s->allowed);
    if (!s->seen || !s->value || !s->order || !s->spare || !s->weight || !s->allowed) {
        sampler_free(s);
        return err_memory(err, "the sampler",
                          n * (sizeof *s->value + 2 * sizeof *s->order + sizeof *s->weight + 1));
    }
    *ret = s;
    return 0;
}

void sampler_free(struct sampler *s)
{
    if (!s) return;
    mem_free(s->seen);
    mem_free(s->value);
    mem_free(s->order);
    mem_free(s->spare);
    mem_free(s->weight);
    mem_free(s->allowed);
    mem_free(s);
}

void sampler_start(struct sampler *s, const struct phi3v_params *params)
{
    s->draw = (struct draw){.temperature = params->temperature,
                            .top_k = params->top_k,
                            .top_p = params->top_p,
                            .min_p = params->min_p,
                            .repetition_penalty = params->repetition_penalty};
    s->n_top = logprobs_wanted(params, s->n_vocab);
    s->constraint = NULL;
    memset(s->seen, 0, (size_t)s->n_vocab);
    uint64_t state = params->seed;
    for (int i = 0; i < 4; i++) s->draw.random[i] = splitmix64(&state);
}

void sampler_constrain(struct sampler *s, const struct phi3v_constraint *constraint,
                       const int32_t *stop_ids, int n_stop_ids, int n_silent)
{
    s->constraint = constraint;
    s->stop_ids = stop_ids;
    s->n_stop_ids = n_stop_ids;
    s->n_silent = n_silent;
}

bool sampler_is_constrained(const struct sampler *s) { return s->constraint != NULL; }

void sampler_saw(struct sampler *s, int32_t id)
{
    if (id >= 0 && id < s->n_vocab) s->seen[id] = 1;
}

const struct draw *sampler_draw(const struct sampler *s) { return &s->draw; }
const unsigned char *sampler_seen(const struct sampler *s) { return s->seen; }

void sampler_drew(struct sampler *s)
{
    if (s->draw.temperature != 0) draw_random(s->draw.random);
}

int sampler_filter(struct sampler *s, const float *logits)
{
    if (!take_logits(s, logits)) return PICK_NO_NUMBERS;
    int32_t best = largest(s);
    if (best < 0) return PICK_NO_NUMBERS;
    float temperature = s->draw.temperature;
    if (temperature == 0) {
        keep_only(s, best);
        return 1;
    }
    for (int i = 0; i < s->n_vocab; i++) s->value[i] /= temperature;
    if (!isfinite(s->value[best])) { // the temperature is close to zero: take its limit, greedy
        keep_only(s, best);
        return 1;
    }
    s->first = 0;
    sort_ascending(s);
    while (!is_allowed(allowed_ids(s), s->order[s->first])) s->first++; // they sort lowest
    keep_top_k(s);
    weigh(s);
    keep_top_p(s);
    keep_min_p(s);
    s->total = 0;
    for (int i = s->first; i < s->n_vocab; i++) s->total += s->weight[i];
    return s->n_vocab - s->first;
}

void sampler_kept(const struct sampler *s, int i, int32_t *ret_id, float *ret_probability)
{
    int32_t id = s->order[s->n_vocab - 1 - i], top = s->order[s->n_vocab - 1];
    double weight = exp((double)s->value[id] - (double)s->value[top]) * DRAW_ONE;
    *ret_id = id;
    *ret_probability = (float)(weight / (double)s->total);
}

float sampler_logprob(const struct sampler *s) { return s->logprob; }
const struct phi3v_logprob *sampler_top(const struct sampler *s) { return s->top; }
int sampler_n_top(const struct sampler *s) { return s->n_top; }

static int32_t draw(struct sampler *s)
{
    if (s->draw.temperature == 0) return s->order[s->n_vocab - 1];
    uint64_t limit = draw_share(draw_random(s->draw.random), s->total), sum = 0;
    int i = s->n_vocab - 1;
    for (; i > s->first; i--) {
        sum += s->weight[i];
        if (sum > limit) break;
    }
    return s->order[i];
}

int32_t sampler_pick(struct sampler *s, const float *logits)
{
    if (s->constraint && !ask_constraint(s)) return PICK_NOTHING;
    if (sampler_filter(s, logits) < 0) return PICK_NO_NUMBERS;
    int32_t id = draw(s);
    if (s->n_top > 0)
        s->logprob = logprob_of(logits, s->n_vocab, allowed_ids(s), id, s->n_top, s->top);
    if (s->constraint) s->constraint->chosen(id, s->constraint->user);
    return id;
}
