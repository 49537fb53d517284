/* SPDX-License-Identifier: MIT */
#include "phi3v.h"

#include <string.h>

#include "base/err.h"

const char *phi3v_version(void) { return PHI3V_VERSION; }

void phi3v_model_options_default(struct phi3v_model_options *opt)
{
    memset(opt, 0, sizeof *opt);
    opt->size = sizeof *opt;
}

int phi3v_model_open(const char *path, const struct phi3v_model_options *opt,
                     phi3v_model **ret_model, struct phi3v_error *err)
{
    (void)path;
    (void)opt;
    (void)ret_model;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

void phi3v_model_close(phi3v_model *model) { (void)model; }

const struct phi3v_model_info *phi3v_model_info(const phi3v_model *model)
{
    (void)model;
    return PHI3V_E_UNSUPPORTED;
}

int phi3v_model_tensors(const phi3v_model *model, phi3v_tensor_fn fn, void *user)
{
    (void)model;
    (void)fn;
    (void)user;
    return PHI3V_E_UNSUPPORTED;
}

int phi3v_model_find(const char *name, const char *const *models_dirs, char **ret_path,
                     struct phi3v_error *err)
{
    (void)name;
    (void)models_dirs;
    (void)ret_path;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

void phi3v_string_free(char *s) { (void)s; }

int phi3v_devices(phi3v_device_fn fn, void *user)
{
    (void)fn;
    (void)user;
    return PHI3V_E_UNSUPPORTED;
}

void phi3v_image_options_default(struct phi3v_image_options *opt)
{
    memset(opt, 0, sizeof *opt);
    opt->size = sizeof *opt;
}

int phi3v_image_from_bytes(const void *bytes, size_t n_bytes, const struct phi3v_image_options *opt,
                           phi3v_image **ret_image, struct phi3v_error *err)
{
    (void)bytes;
    (void)n_bytes;
    (void)opt;
    (void)ret_image;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

int phi3v_image_from_rgb(const uint8_t *rgb, int width, int height, phi3v_image **ret_image,
                         struct phi3v_error *err)
{
    (void)rgb;
    (void)width;
    (void)height;
    (void)ret_image;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

phi3v_image *phi3v_image_ref(phi3v_image *image)
{
    (void)image;
    return NULL;
}

void phi3v_image_free(phi3v_image *image) { (void)image; }

const struct phi3v_image_info *phi3v_image_info(const phi3v_image *image)
{
    (void)image;
    return PHI3V_E_UNSUPPORTED;
}

const uint8_t *phi3v_image_rgb(const phi3v_image *image)
{
    (void)image;
    return NULL;
}

const uint8_t *phi3v_image_alpha(const phi3v_image *image)
{
    (void)image;
    return NULL;
}

int phi3v_image_plan(const phi3v_model *model, const phi3v_image *image, int num_crops,
                     struct phi3v_image_plan *ret_plan, struct phi3v_error *err)
{
    (void)model;
    (void)image;
    (void)num_crops;
    (void)ret_plan;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

int phi3v_image_crops(const phi3v_model *model, const phi3v_image *image, int num_crops,
                      float **ret_crops, struct phi3v_image_plan *ret_plan, struct phi3v_error *err)
{
    (void)model;
    (void)image;
    (void)num_crops;
    (void)ret_crops;
    (void)ret_plan;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

void phi3v_floats_free(float *p) { (void)p; }

int phi3v_tokenize(const phi3v_model *model, const char *text, size_t n_bytes, int bos, int special,
                   int32_t **ret_ids, size_t *ret_n, struct phi3v_error *err)
{
    (void)model;
    (void)text;
    (void)n_bytes;
    (void)bos;
    (void)special;
    (void)ret_ids;
    (void)ret_n;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

int phi3v_detokenize(const phi3v_model *model, const int32_t *ids, size_t n, int keep_special,
                     char **ret_text, size_t *ret_n_bytes, struct phi3v_error *err)
{
    (void)model;
    (void)ids;
    (void)n;
    (void)keep_special;
    (void)ret_text;
    (void)ret_n_bytes;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

void phi3v_ids_free(int32_t *ids) { (void)ids; }

int phi3v_prompt_chat(const phi3v_model *model, const struct phi3v_turn *turns, int n_turns,
                      int num_crops, phi3v_prompt **ret_prompt, struct phi3v_error *err)
{
    (void)model;
    (void)turns;
    (void)n_turns;
    (void)num_crops;
    (void)ret_prompt;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

int phi3v_prompt_raw(const phi3v_model *model, const char *text, phi3v_image *const *images,
                     int n_images, int num_crops, phi3v_prompt **ret_prompt,
                     struct phi3v_error *err)
{
    (void)model;
    (void)text;
    (void)images;
    (void)n_images;
    (void)num_crops;
    (void)ret_prompt;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

int phi3v_prompt_ids_new(const phi3v_model *model, const int32_t *ids, size_t n,
                         phi3v_image *const *images, int n_images, int num_crops,
                         phi3v_prompt **ret_prompt, struct phi3v_error *err)
{
    (void)model;
    (void)ids;
    (void)n;
    (void)images;
    (void)n_images;
    (void)num_crops;
    (void)ret_prompt;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

void phi3v_prompt_free(phi3v_prompt *prompt) { (void)prompt; }

const int32_t *phi3v_prompt_ids(const phi3v_prompt *prompt, size_t *ret_n)
{
    (void)prompt;
    (void)ret_n;
    return NULL;
}

int phi3v_prompt_n_images(const phi3v_prompt *prompt)
{
    (void)prompt;
    return PHI3V_E_UNSUPPORTED;
}

phi3v_image *phi3v_prompt_image(const phi3v_prompt *prompt, int i,
                                struct phi3v_image_plan *ret_plan)
{
    (void)prompt;
    (void)i;
    (void)ret_plan;
    return NULL;
}

void phi3v_params_default(struct phi3v_params *params)
{
    memset(params, 0, sizeof *params);
    params->size = sizeof *params;
    params->max_new_tokens = 1000;
    params->top_p = 1;
    params->repetition_penalty = 1;
}

int phi3v_session_new(phi3v_model *model, phi3v_session **ret_session, struct phi3v_error *err)
{
    (void)model;
    (void)ret_session;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

void phi3v_session_free(phi3v_session *session) { (void)session; }

int phi3v_generate(phi3v_session *session, const phi3v_prompt *prompt,
                   const struct phi3v_params *params, phi3v_event_fn on_event, void *user,
                   struct phi3v_result *ret_result, struct phi3v_error *err)
{
    (void)session;
    (void)prompt;
    (void)params;
    (void)on_event;
    (void)user;
    (void)ret_result;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

void phi3v_result_fini(struct phi3v_result *result) { (void)result; }

int phi3v_prefill(phi3v_session *session, const phi3v_prompt *prompt, phi3v_event_fn on_event,
                  void *user, struct phi3v_timing *ret_timing, struct phi3v_error *err)
{
    (void)session;
    (void)prompt;
    (void)on_event;
    (void)user;
    (void)ret_timing;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

void phi3v_session_cancel(phi3v_session *session) { (void)session; }

void phi3v_session_clear(phi3v_session *session) { (void)session; }

int64_t phi3v_session_tokens(const phi3v_session *session)
{
    (void)session;
    return PHI3V_E_UNSUPPORTED;
}

int64_t phi3v_session_common(const phi3v_session *session, const phi3v_prompt *prompt)
{
    (void)session;
    (void)prompt;
    return PHI3V_E_UNSUPPORTED;
}

int phi3v_logits(phi3v_session *session, const phi3v_prompt *prompt, int all,
                 phi3v_event_fn on_event, void *user, float **ret_logits, size_t *ret_rows,
                 struct phi3v_error *err)
{
    (void)session;
    (void)prompt;
    (void)all;
    (void)on_event;
    (void)user;
    (void)ret_logits;
    (void)ret_rows;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

int phi3v_activations(phi3v_session *session, const phi3v_prompt *prompt, phi3v_activation_fn fn,
                      void *user, struct phi3v_error *err)
{
    (void)session;
    (void)prompt;
    (void)fn;
    (void)user;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

int phi3v_sampling(const float *logits, int n_vocab, const int32_t *previous, size_t n_previous,
                   const struct phi3v_params *params, int32_t *ret_ids, float *ret_probs, int cap)
{
    (void)logits;
    (void)n_vocab;
    (void)previous;
    (void)n_previous;
    (void)params;
    (void)ret_ids;
    (void)ret_probs;
    (void)cap;
    return PHI3V_E_UNSUPPORTED;
}

int phi3v_session_fill(phi3v_session *session, int64_t n, struct phi3v_error *err)
{
    (void)session;
    (void)n;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}

int phi3v_bench_vision(phi3v_session *session, int n_crops, double *ret_seconds,
                       struct phi3v_error *err)
{
    (void)session;
    (void)n_crops;
    (void)ret_seconds;
    return err_set(err, PHI3V_E_UNSUPPORTED, "not built yet");
}
