/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int no_memory(struct phi3v_error *err)
{
    *err = (struct phi3v_error){PHI3V_E_MEMORY, "not enough memory for the prompt of a case"};
    return PHI3V_E_MEMORY;
}

/* A prompt of n tokens that the model's context does not hold is not this case's fault. */
static int check_fits(const struct bench *b, int64_t n, struct phi3v_error *err)
{
    int64_t ctx = phi3v_model_info(b->model)->ctx;
    if (n <= ctx) return 0;
    err->code = PHI3V_E_TOO_LONG;
    snprintf(err->text, sizeof err->text, "%lld tokens are needed, the context holds %lld",
             (long long)n, (long long)ctx);
    return err->code;
}

/* -- operations ------------------------------------------------------------------------------- */

/* n tokens behind ctx others: weights of the layers for each, scores and values for the half of the
 * square they see, the head for the last. */
static double prefill_flops(const struct work *w, double n, double ctx)
{
    return 2 * w->layers * n + 4 * w->score_width * n * (ctx + n / 2) + 2 * w->head;
}

/* Four patches make one row of the projector. */
static double vision_flops(const struct work *w, double n_crops)
{
    double tokens = w->crop_patches + 1;
    return n_crops *
           (2 * w->vision_weights * tokens + 4 * w->vision_width * tokens * tokens +
            2 * w->patch_weights * w->crop_patches + 2 * w->projector * w->crop_patches / 4);
}

/* -- prompts ------------------------------------------------------------------------------- */

/* Ids of ordinary words, different in every place. */
static int32_t word(const struct bench *b, int64_t i)
{
    int64_t n = phi3v_model_info(b->model)->n_vocab;
    return (int32_t)(n / 8 + (i * 7919 + 11) % (n / 2));
}

/* What a fresh chat's id sequence starts with, and what phi3v_session_fill pretends. */
enum { BOS = 1 };

/* -- tg: one token after the other --------------------------------------------------------- */

/* The session pretends to hold ctx tokens; the prompt repeats them and adds one. */
static int run_tg(struct bench *b, const struct bench_case *c, struct result *ret,
                  struct phi3v_error *err)
{
    int64_t n_prompt = c->ctx + 1;
    int fits = check_fits(b, n_prompt + c->n + 1, err);
    if (fits) return fits;
    int32_t *ids = malloc((size_t)n_prompt * sizeof *ids);
    if (!ids) return no_memory(err);
    for (int64_t i = 0; i < c->ctx; i++) ids[i] = BOS;
    ids[c->ctx] = word(b, 0);
    phi3v_prompt *prompt = NULL;
    struct phi3v_result result = {0};
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = (int)c->n + 1; /* the first comes with the prompt's last row */
    params.stop_reference = 1;
    int rc = phi3v_prompt_ids_new(b->model, ids, (size_t)n_prompt, NULL, 0, 0, &prompt, err);
    if (!rc) rc = phi3v_session_fill(b->session, c->ctx, err);
    if (!rc) rc = phi3v_generate(b->session, prompt, &params, NULL, NULL, &result, err);
    if (!rc) {
        double n = (double)result.timing.decode_tokens - 1, ctx = (double)c->ctx + 1 + n / 2;
        ret->n = (int64_t)n;
        ret->seconds = result.timing.decode_s;
        ret->tok_s = n / ret->seconds;
        ret->amount = n * (b->work.weight_bytes + b->work.kv_bytes * ctx);
        ret->limit = LIMIT_READ;
    }
    phi3v_result_fini(&result);
    phi3v_prompt_free(prompt);
    free(ids);
    return rc;
}

/* -- pp: a prompt of text --------------------------------------------------------------------- */

static int run_pp(struct bench *b, const struct bench_case *c, struct result *ret,
                  struct phi3v_error *err)
{
    int fits = check_fits(b, c->n, err);
    if (fits) return fits;
    int32_t *ids = malloc((size_t)c->n * sizeof *ids);
    if (!ids) return no_memory(err);
    for (int64_t i = 0; i < c->n; i++) ids[i] = word(b, i);
    phi3v_prompt *prompt = NULL;
    struct phi3v_timing timing;
    phi3v_session_clear(b->session);
    int rc = phi3v_prompt_ids_new(b->model, ids, (size_t)c->n, NULL, 0, 0, &prompt, err);
    if (!rc) rc = phi3v_prefill(b->session, prompt, NULL, NULL, &timing, err);
    if (!rc) {
        ret->seconds = timing.prefill_s;
        ret->tok_s = (double)c->n / ret->seconds;
        ret->amount = prefill_flops(&b->work, (double)c->n, 0);
        ret->limit = LIMIT_F32;
    }
    phi3v_prompt_free(prompt);
    free(ids);
    return rc;
}

/* -- vision: crops ---------------------------------------------------------------------------- */

static int run_vision(struct bench *b, const struct bench_case *c, struct result *ret,
                      struct phi3v_error *err)
{
    int rc = phi3v_bench_vision(b->session, (int)c->n, &ret->seconds, err);
    ret->amount = vision_flops(&b->work, (double)c->n);
    ret->limit = LIMIT_F32;
    return rc;
}

/* -- turn: from the picture to the first token, and again with another question ------------ */

enum { QUESTION = 20 }; /* tokens around and behind the picture's */

/* A square picture of n_crops - 1 tiles and the global view. */
static int square_image(const struct bench *b, int n_crops, phi3v_image **ret,
                        struct phi3v_error *err)
{
    int side = 0, grid = 1;
    while (grid * grid < n_crops - 1) grid++;
    side = grid * phi3v_model_info(b->model)->crop_side;
    uint8_t *rgb = malloc((size_t)side * (size_t)side * 3);
    if (!rgb) return no_memory(err);
    for (size_t i = 0; i < (size_t)side * (size_t)side * 3; i++) rgb[i] = (uint8_t)(i * 31 >> 4);
    int rc = phi3v_image_from_rgb(rgb, side, side, ret, err);
    free(rgb);
    return rc;
}

/* BOS, the picture, and a question that depends on `variant`. */
static int picture_prompt(const struct bench *b, phi3v_image *image, int n_crops, int variant,
                          phi3v_prompt **ret, struct phi3v_error *err)
{
    struct phi3v_image_plan plan;
    int rc = phi3v_image_plan(b->model, image, n_crops - 1, &plan, err);
    if (!rc) rc = check_fits(b, plan.n_tokens + QUESTION + 1, err);
    if (rc) return rc;
    int32_t *ids = malloc((size_t)(plan.n_tokens + QUESTION) * sizeof *ids);
    if (!ids) return no_memory(err);
    int n = 0;
    ids[n++] = BOS;
    for (int i = 0; i < plan.n_tokens; i++) ids[n++] = -1;
    for (int i = 1; i < QUESTION; i++) ids[n++] = word(b, i + variant);
    rc = phi3v_prompt_ids_new(b->model, ids, (size_t)n, &image, 1, n_crops - 1, ret, err);
    free(ids);
    return rc;
}

/* One first token. */
static int first_token(struct bench *b, phi3v_image *image, const struct bench_case *c, int variant,
                       struct result *ret, struct phi3v_error *err)
{
    phi3v_prompt *prompt = NULL;
    struct phi3v_result result = {0};
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = 1;
    double start_s = now_s();
    int rc = picture_prompt(b, image, (int)c->n, variant, &prompt, err);
    if (!rc) rc = phi3v_generate(b->session, prompt, &params, NULL, NULL, &result, err);
    if (!rc) {
        const struct phi3v_timing *t = &result.timing;
        ret->seconds = now_s() - start_s;
        ret->ctx = t->cached_tokens;
        ret->amount = vision_flops(&b->work, t->vision_crops) +
                      prefill_flops(&b->work, (double)t->prefill_tokens, (double)t->cached_tokens);
        ret->limit = LIMIT_F32;
    }
    phi3v_result_fini(&result);
    phi3v_prompt_free(prompt);
    return rc;
}

static int run_turn(struct bench *b, const struct bench_case *c, struct result *ret,
                    struct phi3v_error *err)
{
    phi3v_image *image = NULL;
    phi3v_session_clear(b->session);
    int rc = square_image(b, (int)c->n, &image, err);
    if (!rc) rc = first_token(b, image, c, 0, &ret[0], err);
    ret[1].name = "edit";
    if (!rc) rc = first_token(b, image, c, 1000, &ret[1], err);
    phi3v_image_free(image);
    return rc;
}

/* -- the plan ------------------------------------------------------------------------------ */

const struct bench_case bench_cases[] = {
    {"tg", 16, 0, run_tg, 1, NULL},
    {"tg", 16, 2048, run_tg, 1, NULL},
    {"pp", 128, 0, run_pp, 1, NULL},
    {"pp", 512, 0, run_pp, 1, NULL},
    {"pp", 2048, 0, run_pp, 1, "16 TFLOP at full size"},
    {"vision", 1, 0, run_vision, 1, NULL},
    {"vision", 5, 0, run_vision, 1, NULL},
    {"vision", 17, 0, run_vision, 1, "6 TFLOP at full size"},
    {"turn", 5, 0, run_turn, 2, "8 TFLOP at full size"},
    {"turn", 17, 0, run_turn, 2, "26 TFLOP at full size"},
};
const int n_bench_cases = (int)(sizeof bench_cases / sizeof bench_cases[0]);
