/* SPDX-License-Identifier: MIT
 * The cases: what each does once, how long it took, and the bytes or operations it cannot avoid. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels.h"
#include "phi3v.h"
#include "run_options.h"

/* What the model's shapes cost. */
struct model_cost {
    double layers, head;                 // weights of all decoder layers; of the output head
    double score_width;                  // n_layers * n_heads * head_dim
    double vision_weights, vision_width; // of the tower's layers that run; n_layers * width
    double patch_weights, projector;     // weights of the patch convolution; of the projector
    int crop_patches;                    // of one crop
};

void model_cost_count(const phi3v_model *model, struct model_cost *ret_work);

enum limit { LIMIT_READ, LIMIT_F32, LIMIT_BF16, LIMIT_INT8 };
enum { N_LIMITS = 4 };

/* "f32", "bf16" or "int8" as a limit. */
enum limit limit_of_products(const char *products);
double limit_value(const struct machine_limits *limits, enum limit limit);

/* One run of a case. */
struct sample {
    int64_t n, ctx;
    int tokens; // of the question behind a picture; 0: none is asked
    double seconds;
    double n_tokens;         // for tokens a second; 0: the case is not about tokens
    double amount[N_LIMITS]; // bytes read, or operations, that each limit bounds
    struct machine_limits before, after;
    /* memory */
    int64_t resident_bytes, file_bytes, kv_bytes;
};

enum { MOST_MANY = 64 }; // answers side by side

struct bench {
    phi3v_model *model;
    phi3v_session *session;
    phi3v_session *many[MOST_MANY]; // made when needed, and kept: cases_end
    struct model_cost cost;
    unsigned picture; // seed of the picture shown last
    int variant;      // of the question asked last
};

/* Tokens of a question behind a picture, where --case does not say; and at most. */
enum { USUAL_QUESTION = 19, MOST_QUESTION = 1000 };

struct case_kind {
    const char *name;
    int64_t defaults[4];
    int n_defaults;
    int64_t least, most;
    bool asks; // a question, whose tokens --case may say
    /* One sample. NULL: the case runs in a process of its own (start.h). */
    int (*run)(struct bench *b, const struct plan_item *item, struct sample *ret_sample,
               struct phi3v_error *err);
};

extern const struct case_kind case_kinds[];
extern const int n_case_kinds;

/* Whether a card computes: what this machine's processor and memory can do bounds nothing there. */
bool cases_on_card(const struct bench *b);

/* A case's first run reads weights from disk; this takes that out of it. */
int cases_warm_up(struct bench *b, struct phi3v_error *err);

/* Frees what cases made. */
void cases_end(struct bench *b);

/* BOS and words, or the rows of a picture of n_crops between them; for start.h. */
int cases_text_prompt(const phi3v_model *model, int64_t n, phi3v_prompt **ret_prompt,
                      struct phi3v_error *err);
int cases_picture_prompt(const phi3v_model *model, int n_crops, phi3v_prompt **ret_prompt,
                         struct phi3v_error *err);

#endif
