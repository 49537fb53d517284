/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <sys/resource.h>

#include "verbs/answer.h"

const char *finish_name(enum phi3v_finish finish)
{
    static const char *const name[] = {[PHI3V_FINISH_STOP] = "stop",
                                       [PHI3V_FINISH_LENGTH] = "length",
                                       [PHI3V_FINISH_INTERRUPTED] = "interrupted"};
    return name[finish];
}

static json_t *image_json(const phi3v_image *image, const struct phi3v_image_plan *plan,
                          const char *source)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    return json_pack("{s:o,s:s,s:i,s:i,s:[i,i],s:i}", "source", json_text(source), "sha256",
                     info->file_sha256, "width", info->width, "height", info->height, "crops",
                     plan->crop_rows, plan->crop_cols, "tokens", plan->n_tokens);
}

static json_t *timing_json(const struct app *a, const struct phi3v_timing *t, double decode_image_s)
{
    return json_pack("{s:f,s:f,s:f,s:f,s:f,s:I,s:I,s:I}", "load_s", a->load_s, "decode_image_s",
                     decode_image_s, "vision_s", t->vision_s, "prefill_s", t->prefill_s, "decode_s",
                     t->decode_s, "prefill_tokens", (json_int_t)t->prefill_tokens, "cached_tokens",
                     (json_int_t)t->cached_tokens, "decode_tokens", (json_int_t)t->decode_tokens);
}

static json_int_t peak_rss_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) ? 0 : (json_int_t)usage.ru_maxrss * 1024;
}

json_t *answer_json(const struct app *a, const phi3v_prompt *prompt,
                    const struct phi3v_result *result, const char *const *sources,
                    double decode_image_s)
{
    size_t n_ids;
    const int32_t *ids = phi3v_prompt_ids(prompt, &n_ids);
    json_t *images = json_array();
    for (int i = 0; i < phi3v_prompt_n_images(prompt); i++) {
        struct phi3v_image_plan plan;
        const phi3v_image *image = phi3v_prompt_image(prompt, i, &plan);
        json_array_append_new(images, image_json(image, &plan, sources[i]));
    }
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:o,s:o,s:{s:I}}", "model",
                     json_text(a->info->name), "device", json_text(a->info->device), "dtype",
                     json_text(a->info->dtype), "input_ids", json_ids(ids, n_ids), "output_ids",
                     json_ids(result->ids, result->n_ids), "text",
                     json_textn(result->text ? result->text : "", result->n_text_bytes),
                     "finish_reason", finish_name(result->finish), "images", images, "timing",
                     timing_json(a, &result->timing, decode_image_s), "memory", "peak_rss_bytes",
                     peak_rss_bytes());
}
