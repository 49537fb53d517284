/* SPDX-License-Identifier: MIT
 * The sampling operators against the reference: the same tokens survive, with the same
 * probabilities. */
#include <math.h>
#include <stdlib.h>

#include "golden.h"
#include "phi3v_tools.h"

static const double TOLERANCE = 1e-5; /* tests/golden/data/README.md: relative, f32 softmax */

enum { MAX_IDS = 64 };

struct sampling {
    float logits[MAX_IDS];
    int32_t previous[MAX_IDS];
    int n_logits, n_previous;
    struct phi3v_params params;
};

static int read_numbers(const json_t *list, float *f32, int32_t *i32)
{
    size_t i;
    json_t *e;
    json_array_foreach(list, i, e)
    {
        if (i == MAX_IDS) break;
        if (f32) f32[i] = (float)json_number_value(e);
        if (i32) i32[i] = (int32_t)json_integer_value(e);
    }
    return (int)i;
}

/* What a case does not name (null) is switched off; no temperature means 1, not greedy. */
static double number(const json_t *item, const char *key, double off)
{
    const json_t *value = json_object_get(item, key);
    return json_is_number(value) ? json_number_value(value) : off;
}

static void read_case(const json_t *item, struct sampling *s)
{
    s->n_logits = read_numbers(json_object_get(item, "logits"), s->logits, NULL);
    s->n_previous = read_numbers(json_object_get(item, "previous_ids"), NULL, s->previous);
    phi3v_params_default(&s->params);
    s->params.temperature = (float)number(item, "temperature", 1);
    s->params.top_k = (int)number(item, "top_k", 0);
    s->params.top_p = (float)number(item, "top_p", 1);
    s->params.min_p = (float)number(item, "min_p", 0);
    s->params.repetition_penalty = (float)number(item, "repetition_penalty", 1);
}

/* Index of id among the n ids, or -1. */
static int position(const int32_t *ids, int n, int32_t id)
{
    for (int i = 0; i < n; i++)
        if (ids[i] == id) return i;
    return -1;
}

static void check_case(const json_t *item, size_t number_of_case)
{
    struct sampling s;
    read_case(item, &s);
    int32_t ids[MAX_IDS], want[MAX_IDS];
    float probabilities[MAX_IDS], want_probabilities[MAX_IDS];
    int n = phi3v_sampling(s.logits, s.n_logits, s.previous, (size_t)s.n_previous, &s.params, ids,
                           probabilities, MAX_IDS);
    int n_want = read_numbers(json_object_get(item, "kept"), NULL, want);
    read_numbers(json_object_get(item, "probabilities_of_kept"), want_probabilities, NULL);
    bool same = n == n_want;
    double worst = 0;
    for (int i = 0; i < n_want && same; i++) {
        int at = position(ids, n, want[i]);
        if (at < 0)
            same = false;
        else
            worst = fmax(worst, fabs(probabilities[at] - want_probabilities[i]) /
                                    fmax(want_probabilities[i], 1e-30));
    }
    if (!tap_ok(same && worst <= TOLERANCE, "sampling %zu", number_of_case))
        tap_note("kept %d of %d wanted, worst relative error %g", n, n_want, worst);

    s.params.temperature = 0;
    s.params.repetition_penalty = (float)number(item, "repetition_penalty", 1);
    int32_t best = -1;
    phi3v_sampling(s.logits, s.n_logits, s.previous, (size_t)s.n_previous, &s.params, &best,
                   probabilities, 1);
    tap_ok(best == json_integer_value(json_object_get(item, "argmax")), "greedy choice %zu",
           number_of_case);
}

int main(int argc, char **argv)
{
    golden_init(argc, argv);
    json_t *file = golden_json("sampling/sampling.json");
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(file, "cases"), i, item) check_case(item, i);
    json_decref(file);
    return tap_done();
}
