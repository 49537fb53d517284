/* SPDX-License-Identifier: MIT
 * The public functions: they check arguments and read option structs; engine/ does the work. */
#include "phi3v.h"

#include <string.h>

#include "api_arguments.h"
#include "base/mem.h"
#include "engine/batch.h"
#include "engine/batch_generate.h"
#include "engine/feature_file.h"
#include "engine/generate.h"
#include "engine/model.h"
#include "engine/picture.h"
#include "engine/prompt.h"
#include "engine/quantize.h"
#include "engine/session.h"
#include "image/image.h"
#include "weights/find.h"

const char *phi3v_version(void) { return PHI3V_VERSION; }

/* -- Arguments --------------------------------------------------------------------------------- */

/* Copies the caller's options over the defaults in dst, as far as the caller's version of the
 * struct goes. Both structs begin with their size. */
static int read_options(void *dst, const void *src, struct phi3v_error *err)
{
    if (!src) return 0;
    size_t known, given;
    memcpy(&known, dst, sizeof known);
    memcpy(&given, src, sizeof given);
    if (given < sizeof given)
        return err_set(err, PHI3V_E_ARGUMENT,
                       "options without their size: start from the _default() function");
    memcpy(dst, src, given < known ? given : known);
    memcpy(dst, &known, sizeof known);
    return 0;
}

void phi3v_string_free(char *s) { mem_free(s); }
void phi3v_floats_free(float *p) { mem_free(p); }
void phi3v_ids_free(int32_t *ids) { mem_free(ids); }

/* -- Models ------------------------------------------------------------------------------------ */

void phi3v_model_options_default(struct phi3v_model_options *opt)
{
    *opt = (struct phi3v_model_options){.size = sizeof *opt,
                                        .device = "auto",
                                        .dtype = "auto",
                                        .kv = "auto",
                                        .vision_dtype = "auto"};
}

int phi3v_model_open(const char *path, const struct phi3v_model_options *opt,
                     phi3v_model **ret_model, struct phi3v_error *err)
{
    REFUSE_NULL(ret_model, err);
    struct phi3v_model_options o;
    phi3v_model_options_default(&o);
    int rc = read_options(&o, opt, err);
    if (rc) return rc;
    if (!o.device) o.device = "auto";
    if (!o.dtype) o.dtype = "auto";
    if (!o.kv) o.kv = "auto";
    if (!o.vision_dtype) o.vision_dtype = "auto";
    if (!o.synthetic) REFUSE_NULL(path, err);
    return model_open(path, &o, ret_model, err);
}

void phi3v_model_close(phi3v_model *model) { model_close(model); }

const struct phi3v_model_info *phi3v_model_info(const phi3v_model *model) { return &model->info; }

const char *phi3v_model_file_at(const phi3v_model *model, const void *address)
{
    return model && model->weights ? weights_file_at(model->weights, address) : NULL;
}

int phi3v_model_write(const phi3v_model *model, const char *dir, struct phi3v_error *err)
{
    REFUSE_NULL(model, err);
    REFUSE_NULL(dir, err);
    return quantize_write(model, dir, err);
}

int phi3v_model_find(const char *name, const char *const *models_dirs, char **ret_path,
                     struct phi3v_error *err)
{
    REFUSE_NULL(name, err);
    REFUSE_NULL(ret_path, err);
    return model_find(name, models_dirs, ret_path, err);
}

int phi3v_devices(phi3v_device_fn fn, void *user) { return model_devices(fn, user); }

/* -- Pictures ---------------------------------------------------------------------------------- */

const char *phi3v_image_sniff(const void *bytes, size_t n_bytes, int *ret_is_picture)
{
    struct sniffed what = image_sniff(bytes, n_bytes);
    if (ret_is_picture) *ret_is_picture = what.format != IMAGE_OTHER;
    return what.name;
}

void phi3v_image_options_default(struct phi3v_image_options *opt)
{
    *opt = (struct phi3v_image_options){.size = sizeof *opt};
}

int phi3v_image_from_bytes(const void *bytes, size_t n_bytes, const struct phi3v_image_options *opt,
                           phi3v_image **ret_image, struct phi3v_error *err)
{
    if (n_bytes) REFUSE_NULL(bytes, err);
    REFUSE_NULL(ret_image, err);
    struct phi3v_image_options o;
    phi3v_image_options_default(&o);
    int rc = read_options(&o, opt, err);
    return rc ? rc : picture_from_bytes(bytes, n_bytes, &o, ret_image, err);
}

int phi3v_image_from_rgb(const uint8_t *rgb, int width, int height, phi3v_image **ret_image,
                         struct phi3v_error *err)
{
    REFUSE_NULL(rgb, err);
    REFUSE_NULL(ret_image, err);
    return picture_from_rgb(rgb, width, height, ret_image, err);
}

phi3v_image *phi3v_image_ref(phi3v_image *image) { return picture_ref(image); }
void phi3v_image_free(phi3v_image *image) { picture_unref(image); }
const struct phi3v_image_info *phi3v_image_info(const phi3v_image *image) { return &image->info; }
const uint8_t *phi3v_image_rgb(const phi3v_image *image) { return image->pixels.rgb; }
const uint8_t *phi3v_image_alpha(const phi3v_image *image) { return image->pixels.alpha; }

/* The slot only borrows the picture for the call, which does not change it. */
static int plan(const phi3v_model *model, const phi3v_image *image, int num_crops,
                struct slot *ret_slot, struct phi3v_error *err)
{
    REFUSE_NULL(model, err);
    REFUSE_NULL(image, err);
    return slot_plan(&model->config, (phi3v_image *)image, num_crops, ret_slot, err);
}

int phi3v_image_plan(const phi3v_model *model, const phi3v_image *image, int num_crops,
                     struct phi3v_image_plan *ret_plan, struct phi3v_error *err)
{
    REFUSE_NULL(ret_plan, err);
    struct slot slot;
    int rc = plan(model, image, num_crops, &slot, err);
    if (!rc) *ret_plan = slot_public_plan(&slot);
    return rc;
}

int phi3v_image_crops(const phi3v_model *model, const phi3v_image *image, int num_crops,
                      float **ret_crops, struct phi3v_image_plan *ret_plan, struct phi3v_error *err)
{
    REFUSE_NULL(ret_crops, err);
    struct slot slot;
    struct crops crops;
    int rc = plan(model, image, num_crops, &slot, err);
    if (!rc) rc = slot_crops(&model->config, &slot, &crops, err);
    if (rc) return rc;
    *ret_crops = crops.data;
    if (ret_plan) *ret_plan = slot_public_plan(&slot);
    return 0;
}

int phi3v_features_name(phi3v_model *model, const phi3v_image *image, int num_crops,
                        int (*stopped)(void *user), void *user, char ret_name[65],
                        struct phi3v_error *err)
{
    struct stop stop = {.fn = stopped, .user = user};
    struct slot slot;
    int rc = plan(model, image, num_crops, &slot, err);
    return rc ? rc : feature_file_key(model, &slot, &stop, ret_name, err);
}

int phi3v_features_store(phi3v_model *model, const phi3v_image *image, int num_crops,
                         void **ret_bytes, size_t *ret_n, struct phi3v_error *err)
{
    REFUSE_NULL(ret_bytes, err);
    REFUSE_NULL(ret_n, err);
    struct slot slot;
    int rc = plan(model, image, num_crops, &slot, err);
    return rc ? rc : feature_file_write(model, &slot, ret_bytes, ret_n, err);
}

int phi3v_features_restore(phi3v_model *model, const phi3v_image *image, int num_crops,
                           const void *bytes, size_t n, struct phi3v_error *err)
{
    if (n) REFUSE_NULL(bytes, err);
    struct slot slot;
    int rc = plan(model, image, num_crops, &slot, err);
    return rc ? rc : feature_file_read(model, &slot, bytes, n, err);
}

void phi3v_bytes_free(void *bytes) { mem_free(bytes); }

/* -- Text -------------------------------------------------------------------------------------- */

int phi3v_tokenize(const phi3v_model *model, const char *text, size_t n_bytes, int bos, int special,
                   int32_t **ret_ids, size_t *ret_n, struct phi3v_error *err)
{
    REFUSE_NULL(model, err);
    REFUSE_NULL(ret_ids, err);
    REFUSE_NULL(ret_n, err);
    if (n_bytes) REFUSE_NULL(text, err);
    const struct tokenizer *t;
    int rc = model_tokenizer(model, &t, err);
    if (rc) return rc;
    struct ids ids = {0};
    struct text_span span = {.text = text, .n_bytes = n_bytes, .special = special != 0};
    rc = tokenizer_encode(t, &span, 1, bos != 0, NULL, &ids, err);
    if (!rc && !ids.data) { // no ids, but the caller must get a pointer to free
        ids.data = mem_alloc(0);
        if (!ids.data) rc = err_memory(err, "ids", 0);
    }
    if (rc) {
        ids_fini(&ids);
        return rc;
    }
    *ret_ids = ids.data;
    *ret_n = ids.n;
    return 0;
}

int phi3v_detokenize(const phi3v_model *model, const int32_t *ids, size_t n, int keep_special,
                     char **ret_text, size_t *ret_n_bytes, struct phi3v_error *err)
{
    REFUSE_NULL(model, err);
    REFUSE_NULL(ret_text, err);
    if (n) REFUSE_NULL(ids, err);
    const struct tokenizer *t;
    size_t n_bytes;
    int rc = model_tokenizer(model, &t, err);
    if (!rc) rc = tokenizer_decode(t, ids, n, keep_special != 0, ret_text, &n_bytes, err);
    if (!rc && ret_n_bytes) *ret_n_bytes = n_bytes;
    return rc;
}

size_t phi3v_token_bytes(const phi3v_model *model, int32_t id, char *buf, size_t cap)
{
    const struct tokenizer *t;
    return model_tokenizer(model, &t, NULL) ? 0 : tokenizer_bytes(t, id, buf, cap);
}

/* -- Prompts ----------------------------------------------------------------------------------- */

void phi3v_prompt_options_default(struct phi3v_prompt_options *opt)
{
    *opt = (struct phi3v_prompt_options){.size = sizeof *opt};
}

int phi3v_prompt_chat(const phi3v_model *model, const struct phi3v_turn *turns, int n_turns,
                      const struct phi3v_prompt_options *opt, phi3v_prompt **ret_prompt,
                      struct phi3v_error *err)
{
    REFUSE_NULL(model, err);
    REFUSE_NULL(ret_prompt, err);
    struct phi3v_prompt_options o;
    phi3v_prompt_options_default(&o);
    int rc = read_options(&o, opt, err);
    return rc ? rc : prompt_new_chat(model, turns, n_turns, &o, ret_prompt, err);
}

int phi3v_prompt_raw(const phi3v_model *model, const char *text, phi3v_image *const *images,
                     int n_images, int num_crops, phi3v_prompt **ret_prompt,
                     struct phi3v_error *err)
{
    REFUSE_NULL(model, err);
    REFUSE_NULL(text, err);
    REFUSE_NULL(ret_prompt, err);
    return prompt_new_raw(model, text, images, n_images, num_crops, ret_prompt, err);
}

int phi3v_prompt_ids_new(const phi3v_model *model, const int32_t *ids, size_t n,
                         phi3v_image *const *images, int n_images, int num_crops,
                         phi3v_prompt **ret_prompt, struct phi3v_error *err)
{
    REFUSE_NULL(model, err);
    if (n) REFUSE_NULL(ids, err);
    REFUSE_NULL(ret_prompt, err);
    return prompt_new_ids(model, ids, n, images, n_images, num_crops, ret_prompt, err);
}

void phi3v_prompt_free(phi3v_prompt *prompt) { prompt_free(prompt); }

const int32_t *phi3v_prompt_ids(const phi3v_prompt *prompt, size_t *ret_n)
{
    if (ret_n) *ret_n = prompt->seq.n;
    return prompt->seq.ids;
}

int phi3v_prompt_n_images(const phi3v_prompt *prompt) { return prompt->seq.n_slots; }

phi3v_image *phi3v_prompt_image(const phi3v_prompt *prompt, int i,
                                struct phi3v_image_plan *ret_plan)
{
    if (i < 0 || i >= prompt->seq.n_slots) return NULL;
    if (ret_plan) *ret_plan = slot_public_plan(&prompt->seq.slots[i]);
    return prompt->seq.slots[i].image;
}

/* -- Sessions ---------------------------------------------------------------------------------- */

void phi3v_params_default(struct phi3v_params *params)
{
    *params = (struct phi3v_params){
        .size = sizeof *params, .max_new_tokens = 1000, .top_p = 1, .repetition_penalty = 1};
}

int api_read_params(struct phi3v_params *ret, const struct phi3v_params *params,
                    struct phi3v_error *err)
{
    phi3v_params_default(ret);
    int rc = read_options(ret, params, err);
    return rc ? rc : params_check(ret, err);
}

static int check_constraint(const struct phi3v_constraint *c, struct phi3v_error *err)
{
    if (!c) return 0;
    if (c->size < sizeof *c)
        return err_set(err, PHI3V_E_ARGUMENT,
                       "a constraint's size is not that of the struct: set it first");
    REFUSE_NULL(c->allow, err);
    REFUSE_NULL(c->chosen, err);
    return 0;
}

int phi3v_session_new(phi3v_model *model, phi3v_session **ret_session, struct phi3v_error *err)
{
    REFUSE_NULL(model, err);
    REFUSE_NULL(ret_session, err);
    return session_new(model, ret_session, err);
}

void phi3v_session_free(phi3v_session *session) { session_free(session); }

static int check_result(const struct phi3v_result *result, struct phi3v_error *err)
{
    if (!result || result->size >= sizeof *result) return 0;
    return err_set(err, PHI3V_E_ARGUMENT,
                   "a result's size is not that of the struct: set it first");
}

int phi3v_generate(phi3v_session *session, const phi3v_prompt *prompt,
                   const struct phi3v_params *params, phi3v_event_fn on_event, void *user,
                   struct phi3v_result *ret_result, struct phi3v_error *err)
{
    REFUSE_NULL(session, err);
    REFUSE_NULL(prompt, err);
    struct phi3v_params p;
    int rc = check_result(ret_result, err);
    if (!rc) rc = api_read_params(&p, params, err);
    if (!rc) rc = check_constraint(p.constraint, err);
    return rc ? rc : generate(session, prompt, &p, on_event, user, ret_result, err);
}

static int check_alone(const struct phi3v_job *job, int i, struct phi3v_error *err)
{
    if (job->size < sizeof *job)
        return err_set(err, PHI3V_E_ARGUMENT, "job %d: size is not that of the struct", i);
    REFUSE_NULL(job->session, err);
    REFUSE_NULL(job->prompt, err);
    int rc = check_constraint(job->constraint, err);
    return rc ? rc : check_result(job->result, err);
}

static int check_job(struct phi3v_job *jobs, int i, struct phi3v_error *err)
{
    struct phi3v_job *job = job_at(jobs, i);
    if (job->size != jobs->size)
        return err_set(err, PHI3V_E_ARGUMENT, "job %d: size is not that of the struct", i);
    int rc = check_alone(job, i, err);
    if (rc) return rc;
    if (job->session->model != jobs->session->model)
        return err_set(err, PHI3V_E_ARGUMENT, "job %d has another model than the first", i);
    for (int k = 0; k < i; k++)
        if (job_at(jobs, k)->session == job->session)
            return err_set(err, PHI3V_E_ARGUMENT, "jobs %d and %d share a session", k, i);
    return 0;
}

/* Params that may be shared by several jobs, so without a constraint. */
static int read_job_params(struct phi3v_params *ret, const struct phi3v_params *params,
                           struct phi3v_error *err)
{
    int rc = api_read_params(ret, params, err);
    if (!rc && ret->constraint)
        rc = err_set(err, PHI3V_E_ARGUMENT, "put a job's constraint in the job, not in params");
    return rc;
}

int phi3v_generate_many(struct phi3v_job *jobs, int n, const struct phi3v_params *params,
                        phi3v_job_event_fn on_event, void *user, struct phi3v_error *err)
{
    REFUSE_NULL(jobs, err);
    if (n < 1) return err_set(err, PHI3V_E_ARGUMENT, "%d answers at once; at least 1", n);
    struct phi3v_params p;
    int rc = 0;
    for (int i = 0; i < n && !rc; i++) rc = check_job(jobs, i, err);
    if (!rc) rc = read_job_params(&p, params, err);
    return rc ? rc : generate_many(jobs, n, &p, on_event, user, err);
}

int phi3v_batch_new(phi3v_model *model, int n_jobs, phi3v_batch **ret_batch,
                    struct phi3v_error *err)
{
    REFUSE_NULL(model, err);
    REFUSE_NULL(ret_batch, err);
    if (n_jobs < 1) return err_set(err, PHI3V_E_ARGUMENT, "%d answers at once; at least 1", n_jobs);
    return batch_new(model, n_jobs, ret_batch, err);
}

void phi3v_batch_free(phi3v_batch *batch) { batch_free(batch); }

int phi3v_batch_join(phi3v_batch *batch, struct phi3v_job *job, const struct phi3v_params *params,
                     phi3v_event_fn on_event, void *user, struct phi3v_error *err)
{
    REFUSE_NULL(batch, err);
    REFUSE_NULL(job, err);
    struct phi3v_params p;
    int rc = check_alone(job, 0, err);
    if (!rc) rc = read_job_params(&p, params, err);
    if (rc) return rc;
    if (job->session->model != batch_model(batch))
        return err_set(err, PHI3V_E_ARGUMENT, "the job has another model than the batch");
    if (batch_has_session(batch, job->session))
        return err_set(err, PHI3V_E_ARGUMENT, "a job of the batch has this session");
    if (batch_join(batch, job, &p, on_event, user)) return 0;
    return err_set(err, PHI3V_E_ARGUMENT, "the batch has no free slot for another job");
}

int phi3v_batch_step(phi3v_batch *batch, int n_tokens)
{
    batch_load(batch, batch_answers(batch));
    batch_start_answers(batch);
    batch_step(batch, n_tokens > 1 ? (size_t)n_tokens : 1);
    return batch_n(batch);
}

void phi3v_result_fini(struct phi3v_result *result)
{
    if (!result) return;
    mem_free(result->ids);
    mem_free(result->text);
    mem_free(result->text_ends);
    mem_free(result->logprobs);
    mem_free(result->top);
    *result = (struct phi3v_result){.size = result->size};
}

int phi3v_prefill(phi3v_session *session, const phi3v_prompt *prompt, phi3v_event_fn on_event,
                  void *user, struct phi3v_timing *ret_timing, struct phi3v_error *err)
{
    REFUSE_NULL(session, err);
    REFUSE_NULL(prompt, err);
    struct task task;
    task_begin(&task, &session->task_state, on_event, user);
    int rc = session_load(session, prompt, 0, NULL, &task, err);
    task_end(&task);
    if (!rc && ret_timing) *ret_timing = task.timing;
    return rc;
}

void phi3v_session_cancel(phi3v_session *session) { task_cancel(&session->task_state); }

void phi3v_session_clear(phi3v_session *session) { session_clear(session); }

int phi3v_session_fork(phi3v_session *session, phi3v_session **ret_session, struct phi3v_error *err)
{
    REFUSE_NULL(session, err);
    REFUSE_NULL(ret_session, err);
    return session_fork(session, ret_session, err);
}

int64_t phi3v_session_tokens(const phi3v_session *session) { return (int64_t)session->kv.held; }

int64_t phi3v_session_common(const phi3v_session *session, const phi3v_prompt *prompt)
{
    return prompt->model == session->model ? (int64_t)session_common(session, prompt) : 0;
}
