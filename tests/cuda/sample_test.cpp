/* SPDX-License-Identifier: MIT */
/* The token that a step chooses: the likeliest, or the one that the engine's sampler draws from the
 * same logits with the same seed. */
#include <cstdio>

#include "kernel_checks.h"
#include "sample.h"

extern "C" {
#include "engine/sample.h"
}

namespace kernel_tests
{
namespace
{

enum { N_IDS = 4, N_STEPS = 3, FIRST_POS = 9, FIRST_ID = 5 };

/* What a step's last launch reads and writes, for rows one behind the other. */
struct chooser {
    int n;
    on_gpu<float> logits;
    on_gpu<struct draw> draw;
    on_gpu<unsigned char> seen;
    on_gpu<uint32_t> keys;
    on_gpu<uint64_t> weights;
    on_gpu<struct step_row> rows;
    on_gpu<int> ids;
    chooser(const vector<float> &x, const vector<struct draw> &d, const vector<unsigned char> &s)
        : n((int)d.size()), logits(x), draw(d), seen(s), keys(vector<uint32_t>(x.size())),
          weights(vector<uint64_t>(x.size())),
          rows(vector<struct step_row>(d.size(), {FIRST_ID, FIRST_POS, 0})),
          ids(vector<int>(N_IDS * d.size(), -7))
    {
    }
    void choose()
    {
        struct choose c = {logits.data, n,         (int)logits.n / n, draw.data,
                           seen.data,   keys.data, weights.data,      rows.data,
                           ids.data,    N_IDS};
        choose_launch(&gpu_queue, &c);
    }
    int id(int row, int step) const
    {
        return ids.read()[(size_t)(row * N_IDS + (FIRST_POS + step) % N_IDS)];
    }
};

void test_likeliest_of(const char *name, const vector<float> &logits, int want, float penalty = 1,
                       int seen = -1)
{
    vector<unsigned char> marks(logits.size());
    if (seen >= 0) marks[(size_t)seen] = 1;
    chooser c(logits, {{0, 0, 1, 0, penalty, {1, 2, 3, 4}}}, marks);
    c.choose();
    vector<int> got = c.ids.read();
    struct step_row after = c.rows.read()[0];
    bool ok = got[FIRST_POS % N_IDS] == want && got[0] == -7 && after.id == want &&
              after.pos == FIRST_POS + 1 && c.draw.read()[0].random[0] == 1;
    verdict(ok, name, got[FIRST_POS % N_IDS], want);
}

void test_likeliest()
{
    vector<float> logits = random_floats(32064);
    logits[31999] = 3;
    test_likeliest_of("likeliest", logits, 31999);
    logits[1025] = logits[2] = 3;
    test_likeliest_of("likeliest: the lowest of equals", logits, 2);
    test_likeliest_of("likeliest: one that was seen counts less", logits, 1025, 1.5f, 2);
    logits[777] = NAN;
    test_likeliest_of("likeliest: not a number", logits, -1);
    test_likeliest_of("likeliest: of minus infinity", vector<float>(5, -INFINITY), -1);
    test_likeliest_of("likeliest: infinite", {1, INFINITY, 2}, -1);
    test_likeliest_of("likeliest: of one", {-3}, 0);
}

/* Steps from the same logits, each with what the one before saw and drew. */
void test_draws_of(const char *name, const vector<float> &logits, struct phi3v_params params)
{
    struct sampler *s;
    struct phi3v_error err;
    params.seed = 11;
    if (sampler_new((int)logits.size(), &s, &err)) return verdict(false, err.text, 0, 0);
    sampler_start(s, &params);
    sampler_saw(s, FIRST_ID);
    vector<unsigned char> seen(sampler_seen(s), sampler_seen(s) + logits.size());
    chooser c(logits, {*sampler_draw(s)}, seen);
    int got[N_STEPS], want[N_STEPS], n_same = 0;
    for (int i = 0; i < N_STEPS; i++) {
        c.choose();
        got[i] = c.id(0, i);
        want[i] = sampler_pick(s, logits.data());
        sampler_saw(s, want[i]);
        n_same += got[i] == want[i];
    }
    struct draw after = c.draw.read()[0];
    bool ok = n_same == N_STEPS && after.random[3] == sampler_draw(s)->random[3];
    char text[200];
    snprintf(text, sizeof text, "draw: %s: %d %d %d, wanted %d %d %d", name, got[0], got[1], got[2],
             want[0], want[1], want[2]);
    verdict(ok, text, n_same, N_STEPS);
    sampler_free(s);
}

struct phi3v_params settings(float temperature, int top_k, float top_p, float min_p, float penalty)
{
    struct phi3v_params p = {};
    p.temperature = temperature;
    p.top_k = top_k;
    p.top_p = top_p;
    p.min_p = min_p;
    p.repetition_penalty = penalty;
    return p;
}

/* Rows of their own settings in one launch: the ids and streams of each by itself. */
void test_rows_together()
{
    enum { N = 3, N_VOCAB = 1100 };
    vector<float> logits = random_floats(N * N_VOCAB, 9);
    vector<unsigned char> seen(N * N_VOCAB);
    for (size_t i = 0; i < seen.size(); i += 3) seen[i] = 1;
    vector<struct draw> draws = {{0, 0, 1, 0, 1, {1, 2, 3, 4}},
                                 {2, 90, 0.9f, 0.01f, 1.3f, {5, 6, 7, 8}},
                                 {1, 0, 1, 0, 1, {9, 10, 11, 12}}};
    chooser all(logits, draws, seen);
    for (int i = 0; i < N_STEPS; i++) all.choose();
    int n_same = 0;
    for (int r = 0; r < N; r++) {
        size_t first = (size_t)r * N_VOCAB, end = first + N_VOCAB;
        chooser one(vector<float>(&logits[first], &logits[0] + end), {draws[(size_t)r]},
                    vector<unsigned char>(&seen[first], &seen[0] + end));
        for (int i = 0; i < N_STEPS; i++) one.choose();
        for (int i = 0; i < N_STEPS; i++) n_same += all.id(r, i) == one.id(0, i);
        struct draw a = all.draw.read()[(size_t)r], b = one.draw.read()[0];
        n_same +=
            a.random[2] == b.random[2] && all.rows.read()[(size_t)r].pos == FIRST_POS + N_STEPS;
    }
    verdict(n_same == N * (N_STEPS + 1), "draw: several rows in one launch", n_same,
            N * (N_STEPS + 1));
}

void test_draws()
{
    vector<float> wide = random_floats(1500, 12), flat = random_floats(1100), steps(1030), few;
    for (size_t i = 0; i < steps.size(); i++) steps[i] = (float)(i * 7 % 5) - 2; // many equal ones
    few = {1, 2, 2, 2, -0.0f, 0.0f, -INFINITY};
    test_draws_of("temperature", wide, settings(1, 0, 1, 0, 1));
    test_draws_of("a high temperature", wide, settings(900, 0, 1, 0, 1));
    test_draws_of("temperature, flat", flat, settings(0.7f, 0, 1, 0, 1));
    test_draws_of("equal ones", steps, settings(1, 0, 1, 0, 1));
    test_draws_of("all equal", vector<float>(1025, 2.5f), settings(1, 0, 1, 0, 1));
    test_draws_of("top-k", flat, settings(1, 7, 1, 0, 1));
    test_draws_of("top-k among equal ones", steps, settings(1, 50, 1, 0, 1));
    test_draws_of("top-k of one", wide, settings(1, 1, 1, 0, 1));
    test_draws_of("top-p", flat, settings(1, 0, 0.3f, 0, 1));
    test_draws_of("top-p that cuts equal ones", steps, settings(1, 0, 0.45f, 0, 1));
    test_draws_of("top-p of next to nothing", wide, settings(1, 0, 1e-30f, 0, 1));
    test_draws_of("min-p", flat, settings(1, 0, 1, 0.4f, 1));
    test_draws_of("min-p of one", steps, settings(1, 0, 1, 1, 1));
    test_draws_of("penalty", few, settings(1, 0, 1, 0, 1.4f));
    test_draws_of("a penalty below one", wide, settings(0.5f, 0, 1, 0, 0.8f));
    test_draws_of("everything", wide, settings(3, 40, 0.9f, 0.02f, 1.2f));
    test_draws_of("everything, equal ones", steps, settings(0.9f, 400, 0.7f, 0.1f, 1.1f));
    test_draws_of("a temperature close to zero", few, settings(1e-40f, 0, 1, 0, 1));
    test_draws_of("of one", {-3, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY},
                  settings(1, 0, 1, 0, 1));
}

} // namespace

void test_choosing()
{
    test_likeliest();
    test_draws();
    test_rows_together();
}

} // namespace kernel_tests
