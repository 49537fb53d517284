/* SPDX-License-Identifier: MIT
 * The cases: what each does, how long it took, and the bytes or operations it cannot avoid. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels.h"
#include "phi3v.h"

/* What the model's shapes cost. */
struct work {
    double layers, head;                 // weights of all decoder layers; of the output head
    double weight_bytes;                 // stored bytes of both
    double kv_bytes;                     // per token
    double score_width;                  // n_layers * n_heads * head_dim
    double vision_weights, vision_width; // of the tower's layers that run; n_layers * width
    double patch_weights, projector;     // weights of the patch convolution; of the projector
    int crop_patches;                    // of one crop
};

/* From the tensors of an open model, or the published sizes when it is synthetic. */
int work_count(const phi3v_model *model, bool synthetic, struct work *ret_work,
               struct phi3v_error *err);

enum limit { LIMIT_READ, LIMIT_F32 };

struct result {
    const char *name; // "tg", "pp", "vision", "turn", "edit"
    int64_t n, ctx;
    double seconds;
    double tok_s;  // 0: the case is not about tokens
    double amount; // bytes for LIMIT_READ, else operations
    enum limit limit;
    double read_gbs_before, read_gbs_after;
};

struct bench {
    phi3v_model *model;
    phi3v_session *session;
    struct work work;
    int n_threads;
};

/* One line of the plan. */
struct bench_case {
    const char *name; // as in --case; several lines may share one
    int64_t n, ctx;
    int (*run)(struct bench *b, const struct bench_case *c, struct result *ret_results,
               struct phi3v_error *err);
    int n_results;    // results it gives
    const char *note; // what takes long about it at full size, or NULL
};

extern const struct bench_case bench_cases[];
extern const int n_bench_cases;
enum { MAX_CASE_RESULTS = 2 };

#endif
