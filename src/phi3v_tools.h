/* SPDX-License-Identifier: MIT
 * Calls for programs that look into the library: `phiscope debug`, `eval` and `bench`, and tests.
 * The rules of phi3v.h hold. This header is not installed, and nothing in it is promised to stay.
 */
#ifndef PHI3V_TOOLS_H
#define PHI3V_TOOLS_H

#include "phi3v.h"

#ifdef __cplusplus
extern "C" {
#endif

/* -- What is on this machine ------------------------------------------------------------------- */

/* A model folder, or a model of the local Hugging Face cache. Strings are borrowed for the call. */
struct phi3v_found {
    const char *name;    /* what -m takes */
    const char *path;    /* the folder, in the cache the snapshot's; NULL: no snapshot is there */
    const char *folder;  /* all that belongs to it: the same, in the cache every revision */
    int in_cache;        /* it may be fetched again */
    int64_t bytes;       /* of its files, shared ones included */
    const char *kind;    /* model_type of config.json; NULL: none is there */
    const char *missing; /* files that opening needs and are not there; NULL: none */
    int n_parts;         /* downloads that were begun and not finished */
};
/* Calls back for every model in models_dirs (NULL-terminated) and in the cache, until a callback
 * returns non-zero, which is returned. Error MEMORY. */
typedef int (*phi3v_found_fn)(const struct phi3v_found *found, void *user);
PHI3V_API int phi3v_models(const char *const *models_dirs, phi3v_found_fn fn, void *user);

/* The levels of arithmetic that this kind of processor may have, from the lowest; why_off NULL: it is
 * used, else the features that are lacking or the variable that keeps it off. */
typedef void (*phi3v_level_fn)(const char *name, const char *why_off, void *user);
PHI3V_API void phi3v_cpu_levels(phi3v_level_fn fn, void *user);
/* The library's own libraries; version NULL: this build goes without. */
typedef void (*phi3v_library_fn)(const char *name, const char *version, void *user);
PHI3V_API void phi3v_libraries(phi3v_library_fn fn, void *user);
/* Memory that the system, or its limit for this process, could still give. */
PHI3V_API size_t phi3v_memory_available(void);

/* An open model's files; all zero for synthetic weights. */
struct phi3v_model_health {
    int64_t n_expected, n_found; /* tensors that the config asks for, and of them those there */
    int64_t n_tensors;           /* in the files */
    int n_token_ids;
    char tokenizer_sha256[65]; /* of tokenizer.json */
};
PHI3V_API int phi3v_model_health(const phi3v_model *model, struct phi3v_model_health *ret,
                                 struct phi3v_error *err);

/* -- Numbers ----------------------------------------------------------------------------------- */

/* Calls back for every tensor in name order (synthetic weights have none), until a callback returns
 * non-zero, which is returned. */
typedef int (*phi3v_tensor_fn)(const char *name, const char *dtype, int n_dims,
                               const int64_t *shape, void *user);
PHI3V_API int phi3v_model_tensors(const phi3v_model *model, phi3v_tensor_fn fn, void *user);

/* Logits behind the last token (all = 0: f32 [n_vocab]) or behind every token (all = 1: f32
 * [n_tokens][n_vocab], from one fresh forward pass). Free with phi3v_floats_free. */
PHI3V_API int phi3v_logits(phi3v_session *session, const phi3v_prompt *prompt, int all,
                           phi3v_event_fn on_event, void *user, float **ret_logits,
                           size_t *ret_rows, struct phi3v_error *err);
/* One fresh forward pass that hands out every named intermediate tensor (names and shapes:
 * docs/model.md); the names of the vision tower come once for each picture. data is f32, valid
 * during the call. */
typedef int (*phi3v_activation_fn)(const char *name, int n_dims, const int64_t *shape,
                                   const float *data, void *user);
PHI3V_API int phi3v_activations(phi3v_session *session, const phi3v_prompt *prompt,
                                phi3v_activation_fn fn, void *user, struct phi3v_error *err);
/* The probabilities the sampler would draw from: ids and values, highest first. Returns how many
 * were kept; at most `cap` are written. previous: ids the repetition penalty counts (negative ones
 * are ignored). Temperature 0 keeps one. Negative: ARGUMENT (params, or logits that are no
 * numbers), MEMORY. */
PHI3V_API int phi3v_sampling(const float *logits, int n_vocab, const int32_t *previous,
                             size_t n_previous, const struct phi3v_params *params, int32_t *ret_ids,
                             float *ret_probs, int cap);
/* From now on the session computes by itself whatever it does not hold: it takes no keys and values
 * of other sessions, and gives them none. */
PHI3V_API void phi3v_session_alone(phi3v_session *session);
/* Benchmark aid: pretend the session already holds n times the token <s>, with pseudo-random keys
 * and values. It is alone from then on. Clear it afterwards. */
PHI3V_API int phi3v_session_fill(phi3v_session *session, int64_t n, struct phi3v_error *err);
/* Benchmark aid: encode n_crops pseudo-random crops (one is a global view alone), uncached; seconds
 * it took. */
PHI3V_API int phi3v_bench_vision(phi3v_session *session, int n_crops, double *ret_seconds,
                                 struct phi3v_error *err);
/* Where the session's computing time went since this was last called: fn gets each stage's name and
 * seconds, on this thread; not called where the device does not measure. What is missing to the
 * time that passed was spent outside the kernels. */
typedef void (*phi3v_stage_fn)(const char *name, double seconds, void *user);
PHI3V_API void phi3v_bench_stages(phi3v_session *session, phi3v_stage_fn fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
