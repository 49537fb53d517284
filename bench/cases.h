/* SPDX-License-Identifier: MIT
 * The cases. Running one gives the time it took, and the bytes and operations it cannot avoid. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels.h"
#include "phi3v.h"
#include "run_options.h"

/* What computing with the model costs, by its shapes. */
struct model_cost {
    double layers, head;                 // weights of all decoder layers; of the output head
    double score_width;                  // n_layers * n_heads * head_dim
    double vision_weights, vision_width; // weights of the tower's layers that run; layers * width
    double patch_weights, projector;     // weights of the patch convolution; of the projector
    int crop_patches;                    // of one crop
};

void model_cost_count(const phi3v_model *model, struct model_cost *ret_cost);

enum limit { LIMIT_READ, LIMIT_F32, LIMIT_BF16, LIMIT_INT8 };
enum { N_LIMITS = 4 };

/* What the machine was measured to do at most. */
double limit_value(const struct machine_limits *limits, enum limit limit);

/* One run of a case. */
struct sample {
    int64_t n, ctx;
    int tokens; // of the question after a picture; 0: no question
    double seconds;
    double n_tokens;         // for tokens per second; 0: the case is not about tokens
    double amount[N_LIMITS]; // the bytes read, or operations, that each limit bounds
    struct machine_limits before, after;
    /* The memory case */
    int64_t resident_bytes, file_bytes, kv_bytes;
};

enum { MOST_MANY = 64 }; // answers at once

struct bench {
    phi3v_model *model;
    phi3v_session *session;
    phi3v_session *many[MOST_MANY]; // made when needed; cases_end frees them
    struct model_cost cost;
    unsigned picture; // seed of the latest picture
    int variant;      // of the latest question
};

/* Tokens of a question after a picture: the default of --case, and the maximum. */
enum { USUAL_QUESTION = 19, MOST_QUESTION = 1000 };

struct case_kind {
    const char *name;
    int64_t defaults[4];
    int n_defaults;
    int64_t least, most;
    bool asks; // has a question, whose tokens --case may give
    /* Takes one sample. NULL: the case has its own process (start.h). */
    int (*run)(struct bench *b, const struct plan_item *item, struct sample *ret_sample,
               struct phi3v_error *err);
};

extern const struct case_kind case_kinds[];
extern const int n_case_kinds;

/* Whether a GPU computes, for which the limits of processor and memory mean nothing. */
bool cases_on_gpu(const struct bench *b);

/* Reads the weights from disk, so that the first sample does not. */
int cases_warm_up(struct bench *b, struct phi3v_error *err);

/* Frees what the cases have made. */
void cases_end(struct bench *b);

/* Prompts for start.h: BOS and words, the second with the rows of a picture in between. */
int cases_text_prompt(const phi3v_model *model, int64_t n, phi3v_prompt **ret_prompt,
                      struct phi3v_error *err);
int cases_picture_prompt(const phi3v_model *model, int n_crops, phi3v_prompt **ret_prompt,
                         struct phi3v_error *err);

#endif
