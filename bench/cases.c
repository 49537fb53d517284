/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phi3v_tools.h"
#include "clock.h"
#include "progress.h"

enum { BOS = 1 }; // <s>, with which chats begin, and which phi3v_session_fill repeats

static int no_memory(struct phi3v_error *err)
{
    *err = (struct phi3v_error){PHI3V_E_MEMORY, "not enough memory for the prompt of a case"};
    return PHI3V_E_MEMORY;
}

/* Refuses a case whose prompt of n tokens exceeds the context, which leaves it out. */
static int check_fits(const phi3v_model *model, int64_t n, struct phi3v_error *err)
{
    int64_t ctx = phi3v_model_info(model)->ctx;
    if (n <= ctx) return 0;
    err->code = PHI3V_E_TOO_LONG;
    snprintf(err->text, sizeof err->text, "%lld tokens are needed, the context holds %lld",
             (long long)n, (long long)ctx);
    return err->code;
}

bool cases_on_gpu(const struct bench *b)
{
    return b->model && strncmp(phi3v_model_info(b->model)->device, "cuda", 4) == 0;
}

/* -- Limits ------------------------------------------------------------------------------------ */

/* Whether the processor's level multiplies pairs of bf16; others round to bf16 and multiply in f32. */
static bool has_pairs(void) { return kernels_best()->kv_fastest == KV_BF16; }

/* The limit for products in "f32", "bf16" or "int8". */
static enum limit limit_of_products(const struct bench *b, const char *products)
{
    if (!strcmp(products, "int8")) return LIMIT_INT8;
    bool pairs = cases_on_gpu(b) || has_pairs();
    return pairs && !strcmp(products, "bf16") ? LIMIT_BF16 : LIMIT_F32;
}

double limit_value(const struct machine_limits *limits, enum limit limit)
{
    switch (limit) {
    case LIMIT_READ:
        return limits->read_gbs;
    case LIMIT_F32:
        return limits->f32_gflops;
    case LIMIT_BF16:
        return limits->bf16_gflops;
    default:
        return limits->int8_gops;
    }
}

static enum limit decoder_limit(const struct bench *b)
{
    return limit_of_products(b, phi3v_model_info(b->model)->products);
}

static enum limit vision_limit(const struct bench *b)
{
    return limit_of_products(b, phi3v_model_info(b->model)->vision_products);
}

/* Attention is computed in f32 whatever the products are, except with bf16 keys and values when the
 * processor multiplies pairs of bf16. kv is NULL when the device decides. */
static enum limit attention_limit(const char *kv, enum limit products)
{
    if (!kv) return products;
    return has_pairs() && !strcmp(kv, "bf16") ? LIMIT_BF16 : LIMIT_F32;
}

/* Adds the prefill of n tokens after ctx others: the layers' weights for each, scores and values
 * for the half of the square they see, the head for the last. */
static void add_prefill(const struct bench *b, double n, double ctx, struct sample *s)
{
    const struct model_cost *w = &b->cost;
    enum limit products = decoder_limit(b);
    s->amount[products] += 2 * w->layers * n + 2 * w->head;
    s->amount[attention_limit(phi3v_model_info(b->model)->kv, products)] +=
        4 * w->score_width * n * (ctx + n / 2);
}

/* Adds the encoding of crops. Four patches make one row for the projector. The tower's keys and
 * values are bf16 unless its products are f32. */
static void add_vision(const struct bench *b, double n_crops, struct sample *s)
{
    const struct model_cost *w = &b->cost;
    enum limit products = vision_limit(b);
    const char *kv = phi3v_model_info(b->model)->kv;
    double tokens = w->crop_patches + 1;
    s->amount[products] +=
        n_crops * (2 * w->vision_weights * tokens + 2 * w->patch_weights * w->crop_patches +
                   2 * w->projector * w->crop_patches / 4);
    if (kv) kv = products == LIMIT_F32 ? "f32" : "bf16";
    s->amount[attention_limit(kv, products)] += n_crops * 4 * w->vision_width * tokens * tokens;
}

/* -- Prompts ----------------------------------------------------------------------------------- */

/* Ids of ordinary words, different in every place. */
static int32_t word(const phi3v_model *model, int64_t i)
{
    int64_t n = phi3v_model_info(model)->n_vocab;
    return (int32_t)(n / 8 + (i * 7919 + 11) % (n / 2));
}

/* A prompt of `bos` times BOS, then words. */
static int words_prompt(const phi3v_model *model, int64_t bos, int64_t n, phi3v_prompt **ret,
                        struct phi3v_error *err)
{
    int rc = check_fits(model, n, err);
    if (rc) return rc;
    int32_t *ids = malloc((size_t)n * sizeof *ids);
    if (!ids) return no_memory(err);
    for (int64_t i = 0; i < n; i++) ids[i] = i < bos ? BOS : word(model, i);
    rc = phi3v_prompt_ids_new(model, ids, (size_t)n, NULL, 0, 0, ret, err);
    free(ids);
    return rc;
}

int cases_text_prompt(const phi3v_model *model, int64_t n, phi3v_prompt **ret,
                      struct phi3v_error *err)
{
    return words_prompt(model, 1, n, ret, err);
}

/* A picture with n_crops - 1 tiles besides the global view: in a square if possible, else in a row.
 * Another seed makes another picture. */
static int make_image(const phi3v_model *model, int n_crops, unsigned seed, phi3v_image **ret,
                      struct phi3v_error *err)
{
    int tile = phi3v_model_info(model)->crop_side, rows = 1;
    while ((rows + 1) * (rows + 1) <= n_crops - 1) rows++;
    if (rows * rows != n_crops - 1) rows = 1;
    int width = tile * ((n_crops - 1) / rows), height = tile * rows;
    size_t n = (size_t)width * (size_t)height * 3;
    uint8_t *rgb = malloc(n);
    if (!rgb) return no_memory(err);
    for (size_t i = 0; i < n; i++) rgb[i] = (uint8_t)((i * 31 >> 4) + seed);
    int rc = phi3v_image_from_rgb(rgb, width, height, ret, err);
    free(rgb);
    return rc;
}

/* A prompt of BOS, the picture's rows, and a question of n_words that depends on `variant`. */
static int prompt_with(const phi3v_model *model, phi3v_image *image, int n_crops, int n_words,
                       int variant, phi3v_prompt **ret, struct phi3v_error *err)
{
    struct phi3v_image_plan plan;
    int rc = phi3v_image_plan(model, image, n_crops - 1, &plan, err);
    if (!rc) rc = check_fits(model, 1 + plan.n_tokens + n_words + 1, err);
    if (rc) return rc;
    int32_t *ids = malloc((size_t)(1 + plan.n_tokens + n_words) * sizeof *ids);
    if (!ids) return no_memory(err);
    int n = 0;
    ids[n++] = BOS;
    for (int i = 0; i < plan.n_tokens; i++) ids[n++] = -1;
    for (int i = 1; i <= n_words; i++) ids[n++] = word(model, i + variant);
    rc = phi3v_prompt_ids_new(model, ids, (size_t)n, &image, 1, n_crops - 1, ret, err);
    free(ids);
    return rc;
}

int cases_picture_prompt(const phi3v_model *model, int n_crops, phi3v_prompt **ret,
                         struct phi3v_error *err)
{
    phi3v_image *image = NULL;
    int rc = make_image(model, n_crops, 0, &image, err);
    if (!rc) rc = prompt_with(model, image, n_crops, USUAL_QUESTION, 0, ret, err);
    phi3v_image_free(image);
    return rc;
}

/* -- tg: one token after the other ------------------------------------------------------------- */

/* How many steps a sample takes: long enough for the clock, short enough for bandwidth to stay in
 * one mode. */
static int steps_of(const struct bench *b)
{
    if (cases_on_gpu(b)) return 64;
    return phi3v_model_info(b->model)->step_bytes > 500000000 ? 16 : 128;
}

/* An answer of n steps has n + 1 tokens, because prefill gives the first one's logits. */
static void set_steps(struct phi3v_params *params, int n)
{
    phi3v_params_default(params);
    params->max_new_tokens = n + 1;
    params->stop_reference = 1;
}

/* Decodes n steps after ctx tokens: the session pretends to hold these, and the prompt adds one. */
static int decode_behind(struct bench *b, int64_t ctx, const struct phi3v_params *params,
                         struct phi3v_result *ret, struct phi3v_error *err)
{
    phi3v_prompt *prompt = NULL;
    *ret = (struct phi3v_result){.size = sizeof *ret};
    int rc = check_fits(b->model, ctx + params->max_new_tokens + 1, err);
    if (!rc) rc = words_prompt(b->model, ctx, ctx + 1, &prompt, err);
    if (!rc && phi3v_session_common(b->session, prompt) < ctx)
        rc = phi3v_session_fill(b->session, ctx, err);
    if (!rc) rc = phi3v_generate(b->session, prompt, params, progress_event, NULL, ret, err);
    if (!rc && ret->timing.decode_tokens < 2) {
        *err = (struct phi3v_error){PHI3V_E_MODEL, "the answer ended before its second token"};
        rc = err->code;
        phi3v_result_fini(ret);
    }
    phi3v_prompt_free(prompt);
    return rc;
}

/* The steps of an answer, of which so many share a pass over the weights. */
static struct sample decode_sample(const struct bench *b, int64_t ctx,
                                   const struct phi3v_result *result, double steps_a_pass)
{
    const struct phi3v_model_info *info = phi3v_model_info(b->model);
    double steps = (double)result->timing.decode_tokens - 1, n_passes = ceil(steps / steps_a_pass);
    double kv = (double)info->kv_bytes_per_token * ((double)ctx + 1 + steps / 2);
    return (struct sample){.n = (int64_t)steps,
                           .ctx = ctx,
                           .seconds = result->timing.decode_s,
                           .n_tokens = steps,
                           .amount[LIMIT_READ] = n_passes * ((double)info->step_bytes + kv)};
}

static int tokens_behind(struct bench *b, int64_t ctx, int n, struct sample *ret,
                         struct phi3v_error *err)
{
    struct phi3v_result result;
    struct phi3v_params params;
    set_steps(&params, n);
    int rc = decode_behind(b, ctx, &params, &result, err);
    if (rc) return rc;
    *ret = decode_sample(b, ctx, &result, 1);
    phi3v_result_fini(&result);
    return 0;
}

static int run_tg(struct bench *b, const struct plan_item *item, struct sample *ret,
                  struct phi3v_error *err)
{
    return tokens_behind(b, item->number, steps_of(b), ret, err);
}

/* -- again: the same answer once more, with the first as its draft ------------------------------ */

static int run_again(struct bench *b, const struct plan_item *item, struct sample *ret,
                     struct phi3v_error *err)
{
    enum { STEPS = 64, ROWS_A_PASS = 8 }; /* as many as a draft lets be computed at once */
    struct phi3v_result first, again;
    struct phi3v_params params;
    set_steps(&params, STEPS);
    int rc = decode_behind(b, item->number, &params, &first, err);
    if (rc) return rc;
    params.draft = first.ids;
    params.n_draft = first.n_ids;
    rc = decode_behind(b, item->number, &params, &again, err);
    phi3v_result_fini(&first);
    if (rc) return rc;
    *ret = decode_sample(b, item->number, &again, ROWS_A_PASS);
    phi3v_result_fini(&again);
    return 0;
}

/* -- many: answers side by side ---------------------------------------------------------------- */

enum { MANY_PROMPT = 16 };

static int many_event(const struct phi3v_event *event, int job, void *user)
{
    (void)job;
    return progress_event(event, user);
}

/* Prepares a job with an empty session and a prompt that differs from the others'. */
static int job_init(struct bench *b, int i, struct phi3v_job *job, struct phi3v_result *result,
                    struct phi3v_error *err)
{
    int32_t ids[MANY_PROMPT];
    phi3v_prompt *prompt = NULL;
    for (int k = 0; k < MANY_PROMPT; k++) ids[k] = k ? word(b->model, 1000 * i + k) : BOS;
    int rc = phi3v_prompt_ids_new(b->model, ids, MANY_PROMPT, NULL, 0, 0, &prompt, err);
    if (!rc && !b->many[i]) rc = phi3v_session_new(b->model, &b->many[i], err);
    if (!rc) phi3v_session_alone(b->many[i]);
    *result = (struct phi3v_result){.size = sizeof *result};
    *job = (struct phi3v_job){
        .size = sizeof *job, .session = b->many[i], .prompt = prompt, .result = result};
    if (!rc) phi3v_session_clear(job->session);
    return rc;
}

/* Counts all tokens after the first ones, over the time of the longest answer. A step reads the
 * weights once for as many answers as the device takes at once. */
static int count_many(struct bench *b, const struct phi3v_job *jobs, int n, struct sample *ret,
                      struct phi3v_error *err)
{
    const struct phi3v_model_info *info = phi3v_model_info(b->model);
    double most = 0;
    *ret = (struct sample){.n = n};
    for (int i = 0; i < n; i++) {
        const struct phi3v_timing *t = &jobs[i].result->timing;
        double steps = (double)t->decode_tokens - 1;
        if (jobs[i].code) *err = jobs[i].error;
        if (jobs[i].code) return jobs[i].code;
        if (t->decode_s > ret->seconds) ret->seconds = t->decode_s;
        if (steps > most) most = steps;
        ret->n_tokens += steps;
        ret->amount[LIMIT_READ] +=
            steps * (double)info->kv_bytes_per_token * (MANY_PROMPT + steps / 2);
    }
    ret->amount[LIMIT_READ] += most * (double)info->step_bytes;
    if (ret->n_tokens > 0) return 0;
    *err = (struct phi3v_error){PHI3V_E_MODEL, "the answers ended before their second token"};
    return err->code;
}

static int run_many(struct bench *b, const struct plan_item *item, struct sample *ret,
                    struct phi3v_error *err)
{
    struct phi3v_job jobs[MOST_MANY] = {0};
    struct phi3v_result results[MOST_MANY] = {0};
    struct phi3v_params params;
    int n = (int)item->number, rc = 0;
    set_steps(&params, steps_of(b));
    for (int i = 0; i < n && !rc; i++) rc = job_init(b, i, &jobs[i], &results[i], err);
    if (!rc) rc = phi3v_generate_many(jobs, n, &params, many_event, NULL, err);
    if (!rc) rc = count_many(b, jobs, n, ret, err);
    for (int i = 0; i < n; i++) {
        phi3v_result_fini(&results[i]);
        phi3v_prompt_free((phi3v_prompt *)jobs[i].prompt);
    }
    return rc;
}

/* -- pp: a prompt of text ---------------------------------------------------------------------- */

static int run_pp(struct bench *b, const struct plan_item *item, struct sample *ret,
                  struct phi3v_error *err)
{
    int64_t n = item->number;
    phi3v_prompt *prompt = NULL;
    struct phi3v_timing timing;
    phi3v_session_clear(b->session);
    int rc = cases_text_prompt(b->model, n, &prompt, err);
    if (!rc) rc = phi3v_prefill(b->session, prompt, progress_event, NULL, &timing, err);
    if (!rc) {
        *ret = (struct sample){.n = n, .seconds = timing.prefill_s, .n_tokens = (double)n};
        add_prefill(b, (double)n, 0, ret);
    }
    phi3v_prompt_free(prompt);
    return rc;
}

/* -- vision: crops ----------------------------------------------------------------------------- */

static int run_vision(struct bench *b, const struct plan_item *item, struct sample *ret,
                      struct phi3v_error *err)
{
    int64_t n_crops = item->number;
    double seconds;
    int rc = phi3v_bench_vision(b->session, (int)n_crops, &seconds, err);
    if (rc) return rc;
    *ret = (struct sample){.n = n_crops, .seconds = seconds};
    add_vision(b, (double)n_crops, ret);
    return 0;
}

/* -- turn, edit: from a picture to the first token, and again with another question ------------ */

/* Times the first token. The picture is decoded before; the clock starts with the prompt. */
static int first_token(struct bench *b, const struct plan_item *item, struct sample *ret,
                       struct phi3v_error *err)
{
    int n_crops = (int)item->number;
    phi3v_image *image = NULL;
    phi3v_prompt *prompt = NULL;
    struct phi3v_result result = {.size = sizeof result};
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = 1;
    int rc = make_image(b->model, n_crops, b->picture, &image, err);
    double start_s = now_s();
    if (!rc) rc = prompt_with(b->model, image, n_crops, item->tokens, b->variant, &prompt, err);
    if (!rc) rc = phi3v_generate(b->session, prompt, &params, progress_event, NULL, &result, err);
    if (!rc) {
        const struct phi3v_timing *t = &result.timing;
        *ret = (struct sample){.n = n_crops,
                               .ctx = t->cached_tokens,
                               .tokens = item->tokens,
                               .seconds = now_s() - start_s};
        add_vision(b, t->vision_crops, ret);
        add_prefill(b, (double)t->prefill_tokens, (double)t->cached_tokens, ret);
    }
    phi3v_result_fini(&result);
    phi3v_prompt_free(prompt);
    phi3v_image_free(image);
    return rc;
}

/* Takes a new picture each time, because its features would be cached otherwise. */
static int run_turn(struct bench *b, const struct plan_item *item, struct sample *ret,
                    struct phi3v_error *err)
{
    phi3v_session_clear(b->session);
    b->picture++;
    return first_token(b, item, ret, err);
}

/* The session holds the picture and another question, so only this question's tokens are new. */
static int run_edit(struct bench *b, const struct plan_item *item, struct sample *ret,
                    struct phi3v_error *err)
{
    int n_crops = (int)item->number;
    phi3v_image *image = NULL;
    phi3v_prompt *prompt = NULL;
    int rc = make_image(b->model, n_crops, b->picture, &image, err);
    if (!rc) rc = prompt_with(b->model, image, n_crops, item->tokens, b->variant, &prompt, err);
    if (!rc) rc = phi3v_prefill(b->session, prompt, progress_event, NULL, NULL, err);
    phi3v_prompt_free(prompt);
    phi3v_image_free(image);
    b->variant += 1000;
    return rc ? rc : first_token(b, item, ret, err);
}

int cases_warm_up(struct bench *b, struct phi3v_error *err)
{
    struct sample unused;
    double seconds;
    int rc = tokens_behind(b, 0, 2, &unused, err);
    return rc ? rc : phi3v_bench_vision(b->session, 1, &seconds, err);
}

void cases_end(struct bench *b)
{
    for (int i = 0; i < MOST_MANY; i++) phi3v_session_free(b->many[i]);
}

const struct case_kind case_kinds[] = {
    {"start", {0}, 1, 0, 0, false, NULL},
    {"tg", {0, 2048, 8192, 32768}, 4, 0, 131072, false, run_tg},
    {"again", {0}, 1, 0, 131072, false, run_again},
    {"many", {4}, 1, 1, MOST_MANY, false, run_many},
    {"pp", {128, 512, 2048}, 3, 1, 131072, false, run_pp},
    {"vision", {1, 5, 17}, 3, 1, 100, false, run_vision},
    {"turn", {5, 17}, 2, 2, 65, true, run_turn},
    {"edit", {5, 17}, 2, 2, 65, true, run_edit},
    {"memory", {5}, 1, 2, 65, false, NULL},
    {"limits", {0}, 0, 0, 0, false, NULL}, /* always measured; this plans nothing else */
};
const int n_case_kinds = (int)(sizeof case_kinds / sizeof case_kinds[0]);
