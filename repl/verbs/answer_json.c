/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <math.h>
#include <sys/resource.h>

#include "notebook/inherited.h"
#include "notebook/question.h"
#include "verbs/answer_json.h"

static json_t *image_json(const phi3v_image *image, const struct phi3v_image_plan *plan,
                          const char *source)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    json_t *line =
        json_pack("{s:o,s:s,s:i,s:i}", "source", json_text(source ? source : ""), "sha256",
                  info->file_sha256, "width", info->width, "height", info->height);
    if (!plan) return line; /* unknown for a server's answer */
    json_object_set_new(line, "crops", json_pack("[i,i]", plan->crop_rows, plan->crop_cols));
    json_object_set_new(line, "tokens", json_integer(plan->n_tokens));
    return line;
}

static json_t *images_json(const struct nb_answer *a)
{
    json_t *images = json_array();
    const struct question *q = a->question;
    for (int i = 0; i < q->n_images; i++) {
        struct phi3v_image_plan plan;
        if (q->prompt) phi3v_prompt_image(q->prompt, i, &plan);
        json_array_append_new(images,
                              image_json(q->images[i], q->prompt ? &plan : NULL, a->sources[i]));
    }
    return images;
}

static json_t *timing_json(double load_s, const struct phi3v_timing *t, double decode_image_s)
{
    return json_pack("{s:f,s:f,s:f,s:f,s:f,s:I,s:I,s:I}", "load_s", load_s, "decode_image_s",
                     decode_image_s, "vision_s", t->vision_s, "prefill_s", t->prefill_s, "decode_s",
                     t->decode_s, "prefill_tokens", (json_int_t)t->prefill_tokens, "cached_tokens",
                     (json_int_t)t->cached_tokens, "decode_tokens", (json_int_t)t->decode_tokens);
}

/* Six decimals are about what a float holds. */
static json_t *logprob_json(double x)
{
    return isfinite(x) ? json_real(round(x * 1e6) / 1e6) : json_null();
}

static json_t *logprobs_json(const struct phi3v_result *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->n_ids; i++)
        json_array_append_new(list, logprob_json((double)r->logprobs[i]));
    return list;
}

/* The most probable tokens in each token's place, as [id, logprob]. */
static json_t *top_json(const struct phi3v_result *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->n_ids; i++) {
        json_t *of_token = json_array();
        const struct phi3v_logprob *top = r->top + i * (size_t)r->n_top;
        for (int k = 0; k < r->n_top && top[k].id >= 0; k++)
            json_array_append_new(
                of_token, json_pack("[i,o]", (int)top[k].id, logprob_json((double)top[k].logprob)));
        json_array_append_new(list, of_token);
    }
    return list;
}

static json_int_t peak_rss_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) ? 0 : (json_int_t)usage.ru_maxrss * 1024;
}

json_t *answer_json(const struct phi3v_model_info *model, double load_s, int cell,
                    const struct nb_answer *a)
{
    const struct phi3v_result *r = a->result;
    const phi3v_prompt *prompt = a->question->prompt;
    size_t n_ids = 0;
    const int32_t *ids = prompt ? phi3v_prompt_ids(prompt, &n_ids) : NULL;
    n_ids -= prompt ? a->n_begun : 0;
    json_t *line =
        json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:o,s:o,s:{s:I}}", "model", json_text(model->name),
                  "device", json_text(model->device), "dtype", json_text(model->dtype), "input_ids",
                  json_ids(ids, n_ids), "output_ids", json_ids(r->ids, r->n_ids), "text",
                  json_textn(r->text ? r->text : "", r->n_text_bytes), "finish_reason",
                  finish_name(r->finish), "images", images_json(a), "timing",
                  timing_json(load_s, &r->timing, a->decode_image_s), "memory", "peak_rss_bytes",
                  peak_rss_bytes());
    if (r->logprobs || !r->n_ids) {
        json_object_set_new(line, "logprobs", logprobs_json(r));
        json_object_set_new(line, "top_logprobs", top_json(r));
    }
    if (cell) {
        json_object_set_new(line, "cell", json_integer(cell));
        json_object_set_new(line, "state", json_string(a->state));
    }
    if (a->picture) json_object_set_new(line, "picture", json_text(a->picture));
    return line;
}
