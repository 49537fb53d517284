/* SPDX-License-Identifier: MIT */
#include "engine/model.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/pool.h"
#include "engine/weight_form.h"
#include "weights/find.h"
#include "weights/foreign.h"

enum {
    CTX_WANTED = 8192, /* tokens to offer even when they take most of the free memory */
    CTX_MIN = 256,
    GPU_TEXT = 320,
    LONG_PACKING_S = 10, // from here on a note says how to avoid the wait
};

static const double GIB = 1024.0 * 1024 * 1024;

/* -- Options ----------------------------------------------------------------------------------- */

static bool is_cuda(const char *device) { return !strncmp(device, "cuda", 4); }

static int check_device(const char *device, struct phi3v_error *err)
{
    if (!strcmp(device, "auto") || !strcmp(device, "cpu") || !strcmp(device, "cuda")) return 0;
    if (!strncmp(device, "cuda:", 5) && device[5] &&
        strspn(device + 5, "0123456789") == strlen(device + 5) && strlen(device) <= 8)
        return 0;
    return err_set(err, PHI3V_E_ARGUMENT,
                   "device is \"%.40s\"; allowed is auto, cpu, cuda or cuda:NUMBER", device);
}

static int check_options(const struct phi3v_model_options *opt, struct wanted_forms *ret_wanted,
                         struct phi3v_error *err)
{
    int rc = check_device(opt->device, err);
    if (!rc) rc = wanted_forms_from_options(opt, ret_wanted, err);
    if (rc) return rc;
    if (opt->n_threads < 0 || opt->n_threads > 1024)
        return err_set(err, PHI3V_E_ARGUMENT,
                       "%d threads asked for; allowed is 0 (one per core) to 1024", opt->n_threads);
    if (opt->synthetic && strcmp(opt->synthetic, "phi3v") != 0)
        return err_set(err, PHI3V_E_ARGUMENT, "synthetic is \"%.40s\"; allowed is phi3v",
                       opt->synthetic);
    return 0;
}

/* A model being opened, and the options for it. */
struct opening {
    struct phi3v_model *m;
    const struct phi3v_model_options *opt;
    struct wanted_forms wanted;
    double start_s;
};

/* -- Steps of opening -------------------------------------------------------------------------- */

static int progress(const struct opening *open, int64_t done, int64_t total,
                    struct phi3v_error *err)
{
    const struct phi3v_model_options *opt = open->opt;
    struct phi3v_event event = {.type = PHI3V_EVENT_PROGRESS,
                                .stage = PHI3V_STAGE_LOAD,
                                .done = done,
                                .total = total,
                                .seconds = clock_s() - open->start_s};
    if (opt->on_event && opt->on_event(&event, opt->user))
        return err_set(err, PHI3V_E_CANCELLED, "loading was cancelled");
    return 0;
}

/* The last part of a path, without trailing slashes. */
static char *last_part(const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    return mem_strndup(path + begin, end - begin);
}

static int set_names(struct phi3v_model *m, const char *path, const char *synthetic,
                     struct phi3v_error *err)
{
    m->path = mem_strdup(synthetic ? "" : path);
    m->name = synthetic ? mem_strdup("synthetic phi3v") : last_part(path);
    if (!m->path || !m->name) return err_memory(err, "the model's name", strlen(path) + 1);
    return 0;
}

/* For a GPU the weights are bf16, as in the release, unless they will be packed. */
static int make_synthetic(const struct opening *open, struct phi3v_error *err)
{
    struct phi3v_model *m = open->m;
    bool cuda = is_cuda(open->opt->device);
    enum weights_form form = open->wanted.weights.form;
    char gpu[GPU_TEXT];
    if (!strcmp(open->opt->device, "auto")) cuda = !backend_cuda_describe(0, gpu, sizeof gpu, NULL);
    if (open->wanted.weights.automatic) form = cuda ? FORM_F32 : FORM_Q8;
    if (cuda && form == FORM_BF16) form = FORM_F32;
    config_phi3v(&m->config);
    return model_weights_synthetic(&m->config, form, m->pool, &m->bound, err);
}

static int load_files(const struct opening *open, struct phi3v_error *err)
{
    struct phi3v_model *m = open->m;
    int rc = foreign_check(m->path, err);
    if (!rc) rc = config_load(m->path, &m->config, err);
    if (!rc) rc = weights_open_dir(m->path, &m->weights, err);
    if (!rc) rc = progress(open, 0, (int64_t)weights_bytes(m->weights), err);
    if (!rc) rc = model_weights_bind(m->weights, &m->config, &m->bound, err);
    if (!rc) weights_want(m->weights, mem_available_bytes());
    if (!rc) rc = tokenizer_load(m->path, &m->tokenizer, err);
    if (!rc && tokenizer_n_ids(m->tokenizer) > m->config.n_vocab)
        rc = err_set(err, PHI3V_E_MODEL,
                     "%s: tokenizer.json has ids up to %d, but vocab_size in config.json is %d",
                     m->path, (int)tokenizer_n_ids(m->tokenizer) - 1, m->config.n_vocab);
    return rc;
}

static void add_note(struct phi3v_model *m, const char *sentence)
{
    if (m->note.n) buf_puts(&m->note, "; ");
    buf_puts(&m->note, sentence);
}

/* For a context of CTX_WANTED tokens, with 16 bits a number. */
static size_t kv_wanted_bytes(const struct phi3v_model *m)
{
    const struct config *c = &m->config;
    return (size_t)CTX_WANTED * 2 * 2 * (size_t)c->n_layers * (size_t)c->n_kv_heads *
           (size_t)c->head_dim;
}

/* Reports converted bytes as progress of loading. */
static int packing_progress(void *user, int64_t done, int64_t total)
{
    return progress(user, done, total, NULL);
}

static int pack_weights(struct opening *open, enum weights_form form, enum weights_form vision,
                        struct phi3v_error *err)
{
    struct phi3v_model *m = open->m;
    const double begun_s = clock_s();
    int rc = model_weights_pack(&m->bound, &m->config, form, vision, m->pool,
                                &(struct pulse){packing_progress, open}, err);
    const double took_s = clock_s() - begun_s;
    if (rc || took_s < LONG_PACKING_S || (form != FORM_Q8 && form != FORM_Q4)) return rc;
    char text[120];
    snprintf(text, sizeof text,
             "packing the weights took %.0f s; phiscope quantize stores them packed", took_s);
    add_note(m, text);
    return 0;
}

/* Whether a folder of packed weights suits the options. */
static int check_packed(const struct phi3v_model *m, const struct wanted_forms *w,
                        struct phi3v_error *err)
{
    if (!w->vision.automatic && w->vision.form != m->bound.vision_form)
        return err_set(err, PHI3V_E_ARGUMENT,
                       "%s holds packed weights, their vision part as %s: leave vision dtype "
                       "auto, or open the folder they were made from",
                       m->name, weight_form_name(m->bound.vision_form));
    if (w->weights.automatic || w->weights.form == m->bound.form) return 0;
    return err_set(err, PHI3V_E_ARGUMENT,
                   "%s holds weights packed as %s: use --dtype %s or auto, or open the original "
                   "folder",
                   m->name, weight_form_name(m->bound.form), weight_form_name(m->bound.form));
}

/* Converts the weights to the form asked for, or to one that suits them and the free memory. */
static int convert_weights(struct opening *open, struct phi3v_error *err)
{
    struct phi3v_model *m = open->m;
    const struct wanted_forms *w = &open->wanted;
    enum weights_form form = w->weights.form;
    if (open->opt->synthetic) return 0;
    if (m->bound.form != FORM_F32) return check_packed(m, w, err);
    if (w->weights.automatic) {
        form = weight_form_for(&m->bound, mem_available_bytes(), kv_wanted_bytes(m));
        if (form != FORM_F32) {
            add_note(m, "the weights are rounded to ");
            buf_puts(&m->note, weight_form_name(form));
            buf_puts(&m->note, " (--dtype f32 keeps them exact, and is several times slower)");
        }
    }
    return pack_weights(open, form, w->vision.automatic ? vision_form_for(form) : w->vision.form,
                        err);
}

/* On a GPU keys and values can only be bf16 or q8. Error ARGUMENT. */
static int kv_type_on_gpu(const struct wanted_kv *kv, enum kv_type *ret, struct phi3v_error *err)
{
    *ret = kv->automatic ? KV_BF16 : kv->type;
    if (*ret == KV_BF16 || *ret == KV_Q8) return 0;
    return err_set(err, PHI3V_E_ARGUMENT, "kv is \"%s\"; on the GPU allowed is auto, bf16 or q8",
                   kv_type_name(kv->type));
}

/* On a GPU matrix products are computed in bf16 unless the weights are packed. */
static bool bf16_on_gpu(const struct wanted_form *w)
{
    return w->automatic || w->form == FORM_BF16;
}

/* On a GPU the weights are bf16 or packed, however they are stored. The tower is packed only when
 * asked for, because its products are computed in bf16 either way. */
static int open_on_gpu(struct opening *open, const char *device, struct phi3v_error *err)
{
    struct phi3v_model *m = open->m;
    const struct wanted_form *w = &open->wanted.weights, *vision = &open->wanted.vision;
    enum kv_type kv_type;
    int rc = kv_type_on_gpu(&open->wanted.kv, &kv_type, err);
    if (rc) return rc;
    if ((!w->automatic && w->form == FORM_F32) || (!vision->automatic && vision->form == FORM_F32))
        return err_set(err, PHI3V_E_ARGUMENT,
                       "dtype is \"f32\", which is the CPU's; on the GPU allowed is auto, bf16, q8 "
                       "or q4");
    bool as_stored = bf16_on_gpu(w) && bf16_on_gpu(vision);
    if (m->bound.form != FORM_F32 && !open->opt->synthetic) {
        rc = check_packed(m, &open->wanted, err);
    } else if (!as_stored && !open->opt->synthetic) {
        rc = pack_weights(open, bf16_on_gpu(w) ? FORM_F32 : w->form,
                          bf16_on_gpu(vision) ? FORM_F32 : vision->form, err);
    }
    if (rc) return rc;
    m->info.kv = kv_type_name(kv_type);
    return backend_cuda_open(device, &m->config, &m->bound, kv_type, &m->backend, err);
}

/* "auto" means f32 with f32 weights, so that exact arithmetic stays exact. Otherwise two bytes: bf16
 * where the processor multiplies pairs of it, twice as fast as it multiplies floats, else f16. */
static enum kv_type kv_type_for(const struct wanted_kv *kv, enum weights_form form,
                                const struct kernels *k)
{
    if (!kv->automatic) return kv->type;
    if (form == FORM_F32) return KV_F32;
    return k->kv_fastest == KV_BF16 ? KV_BF16 : KV_F16;
}

/* "auto" takes the GPU when its module is installed and works; a module that does not work is worth
 * a note. The weights may then have been packed for it, in the form asked for. */
static int open_backend(struct opening *open, struct phi3v_error *err)
{
    struct phi3v_model *m = open->m;
    const char *device = open->opt->device;
    if (is_cuda(device)) return open_on_gpu(open, device, err);
    struct phi3v_error why;
    char gpu[GPU_TEXT];
    if (!strcmp(device, "auto") && backend_cuda_installed()) {
        int none = backend_cuda_describe(0, gpu, sizeof gpu, &why);
        if (!none && !open_on_gpu(open, "cuda", &why)) return 0;
        add_note(m, "running on the CPU, because ");
        buf_puts(&m->note, why.text);
    }
    int rc = convert_weights(open, err);
    if (rc) return rc;
    enum kv_type kv_type = kv_type_for(&open->wanted.kv, m->bound.form, kernels_best());
    m->info.kv = kv_type_name(kv_type);
    return backend_cpu_open(&m->config, &m->bound, m->pool, kv_type, &m->backend, err);
}

/* Free memory of the device, or of the system where the device has none of its own. */
static size_t free_bytes(const struct phi3v_model *m)
{
    const struct backend_table *table = m->backend->table;
    return table->kv_budget ? table->kv_budget(m->backend) : mem_available_bytes();
}

/* An eighth of the free memory, between 64 MiB and 2 GiB; a full-size picture of 16 crops takes 30
 * MB. */
static size_t feature_budget(const struct phi3v_model *m)
{
    size_t budget = free_bytes(m) / 8, mib = 1024 * 1024;
    if (budget < 64 * mib) return 64 * mib;
    return budget < 2048 * mib ? budget : 2048 * mib;
}

/* For idle keys and values: an eighth of the free memory, at most 4 GiB. */
static size_t reuse_budget(const struct phi3v_model *m, int64_t asked)
{
    size_t budget = free_bytes(m) / 8, gib = 1024 * 1024 * 1024;
    if (asked > 0) return (size_t)asked;
    if (asked < 0) return 0;
    return budget < 4 * gib ? budget : 4 * gib;
}

/* Free memory for keys and values. In system memory, mapped weights have yet to be paged in; on a
 * device, features of pictures take their share of the same memory. */
static double kv_budget_bytes(const struct phi3v_model *m)
{
    double left = (double)free_bytes(m);
    if (m->backend->table->kv_budget)
        left -= (double)feature_budget(m);
    else
        left -= (double)m->bound.mapped_bytes;
    return left > 0 ? left : 0;
}

/* As many tokens as three quarters of the free memory hold, or nearly all of it for CTX_WANTED. */
static int64_t default_ctx(const struct phi3v_model *m)
{
    double per_token = (double)m->info.kv_bytes_per_token, budget = kv_budget_bytes(m);
    double fits = 0.75 * budget / per_token;
    if (fits < CTX_WANTED) {
        fits = 0.95 * budget / per_token;
        if (fits > CTX_WANTED) fits = CTX_WANTED;
    }
    if (fits < CTX_MIN) fits = CTX_MIN;
    if (fits >= (double)m->info.ctx_model) return m->info.ctx_model;
    return (int64_t)fits / KV_BLOCK * KV_BLOCK;
}

static int set_ctx(struct phi3v_model *m, int64_t asked, struct phi3v_error *err)
{
    if (asked < 0 || asked > m->info.ctx_model)
        return err_set(err, PHI3V_E_ARGUMENT,
                       "a context of %lld tokens asked for; allowed is 1 to %lld for this model",
                       (long long)asked, (long long)m->info.ctx_model);
    m->info.ctx = asked ? asked : default_ctx(m);
    if (!asked && m->info.ctx < m->info.ctx_model) {
        char text[160];
        snprintf(text, sizeof text,
                 "the context is %lld of the model's %lld tokens: what %.1f GiB of free memory "
                 "allow",
                 (long long)m->info.ctx, (long long)m->info.ctx_model, kv_budget_bytes(m) / GIB);
        add_note(m, text);
    }
    return m->note.failed ? err_memory(err, "a note", m->note.n) : 0;
}

/* 0 when no sequence can be long enough to switch, or when both lists of factors are the same. */
static int64_t rope_switch(const struct config *c)
{
    if (c->rope == ROPE_PLAIN || c->original_max_positions >= c->max_positions) return 0;
    size_t n = (size_t)c->head_dim / 2;
    bool same = !memcmp(c->rope_short, c->rope_long, n * sizeof *c->rope_short);
    return same ? 0 : c->original_max_positions;
}

/* The arithmetic of products with a matrix (on a GPU, that of decoding). */
static const char *arithmetic(const struct phi3v_model *model, const struct mat *m)
{
    if (m->type == WEIGHT_Q8 || m->type == WEIGHT_Q4) return "int8";
    return m->type == WEIGHT_BF16_PAIRS || model->backend->table->dtype ? "bf16" : "f32";
}

static void fill_info(struct phi3v_model *m)
{
    const struct config *c = &m->config;
    bool on_gpu = m->backend->table->dtype != NULL;
    m->info = (struct phi3v_model_info){
        .name = m->name,
        .path = m->path,
        .device = m->backend->table->name(m->backend),
        .dtype = m->backend->table->dtype ? m->backend->table->dtype(m->backend)
                                          : weight_form_name(m->bound.form),
        .description = c->description[0] ? c->description : NULL,
        .n_params = m->bound.n_params,
        .weights_bytes = (int64_t)m->bound.bytes,
        .n_layers = c->n_layers,
        .hidden = c->hidden,
        .n_heads = c->n_heads,
        .n_kv_heads = c->n_kv_heads,
        .head_dim = c->head_dim,
        .n_vocab = c->n_vocab,
        .vision_layers = c->vision.n_layers,
        .vision_run_layers = c->vision.n_run_layers,
        .vision_width = c->vision.hidden,
        .vision_mlp_width = c->vision.intermediate,
        .mlp_width = c->intermediate,
        .patch_side = c->vision.patch_size,
        .crop_side = c->vision.image_size,
        .crop_tokens = config_crop_tokens(c),
        .num_crops = c->num_crops,
        .ctx_model = c->max_positions,
        .rope_switch = rope_switch(c),
        .kv_bytes_per_token = (int64_t)(m->backend->table->kv_block_bytes(m->backend) / KV_BLOCK),
        .kv = m->info.kv,
        .answers_at_once = m->backend->table->step_seqs(m->backend),
        .step_bytes = (int64_t)model_weights_step_bytes(&m->bound),
        .products = arithmetic(m, &m->bound.layers[0].down),
        .vision_products = on_gpu ? "bf16" : arithmetic(m, &m->bound.vision_layers[0].fc2)};
}

/* -- Public ------------------------------------------------------------------------------------ */

int model_open(const char *path, const struct phi3v_model_options *opt, struct phi3v_model **ret,
               struct phi3v_error *err)
{
    struct opening open = {.opt = opt, .start_s = clock_s()};
    int rc = check_options(opt, &open.wanted, err);
    if (rc) return rc;
    struct phi3v_model *m = open.m = mem_zalloc(sizeof *m);
    if (!m) return err_memory(err, "a model", sizeof *m);
    rc = set_names(m, path, opt->synthetic, err);
    if (!rc) rc = pool_new(opt->n_threads, &m->pool, err);
    if (!rc) rc = opt->synthetic ? make_synthetic(&open, err) : load_files(&open, err);
    if (!rc) rc = open_backend(&open, err);
    if (!rc) {
        feature_cache_init(&m->features, m->backend->table, feature_budget(m));
        pthread_mutex_init(&m->digest_lock, NULL);
        kv_pool_init(&m->kv, m->backend, reuse_budget(m, opt->reuse_bytes));
        fill_info(m);
        rc = set_ctx(m, opt->ctx, err);
    }
    int64_t loaded = m->weights ? (int64_t)weights_bytes(m->weights) : m->info.weights_bytes;
    if (!rc) rc = progress(&open, loaded, loaded, err);
    if (rc) {
        model_close(m);
        return rc;
    }
    m->info.note = m->note.data;
    *ret = m;
    return 0;
}

void model_close(struct phi3v_model *m)
{
    if (!m) return;
    if (m->backend) {
        feature_cache_fini(&m->features);
        kv_pool_fini(&m->kv);
        pthread_mutex_destroy(&m->digest_lock);
        m->backend->table->close(m->backend);
    }
    model_weights_fini(&m->bound);
    weights_close(m->weights);
    tokenizer_free(m->tokenizer);
    pool_free(m->pool);
    buf_fini(&m->note);
    mem_free(m->path);
    mem_free(m->name);
    mem_free(m);
}

enum rope_factors model_rope_factors(const struct phi3v_model *m, size_t n)
{
    bool is_long = m->info.rope_switch && (int64_t)n > m->info.rope_switch;
    return is_long ? ROPE_LONG_FACTORS : ROPE_SHORT_FACTORS;
}

int model_tokenizer(const struct phi3v_model *m, const struct tokenizer **ret,
                    struct phi3v_error *err)
{
    if (!m->tokenizer)
        return err_set(err, PHI3V_E_UNSUPPORTED, "%s has no tokenizer: give it ids", m->name);
    *ret = m->tokenizer;
    return 0;
}

int model_devices(phi3v_device_fn fn, void *user)
{
    char cpu[200];
    snprintf(cpu, sizeof cpu, "%s, %d core%s, %s", cpu_name(), cpu_count(),
             cpu_count() == 1 ? "" : "s", cpu_level_name(cpu_level()));
    int rc = fn("cpu", cpu, 1, NULL, user);
    if (rc) return rc;
    struct phi3v_error err;
    char gpu[GPU_TEXT], name[16];
    for (int i = 0;; i++) {
        int state = backend_cuda_describe(i, gpu, sizeof gpu, &err);
        if (state < 0) return fn("cuda", "NVIDIA GPU", 0, err.text, user);
        if (state > 0) return 0;
        snprintf(name, sizeof name, "cuda:%d", i);
        rc = fn(name, gpu, 1, NULL, user);
        if (rc) return rc;
    }
}
