/* SPDX-License-Identifier: MIT
 * Calls for programs that look inside the library: `phiscope debug`, `eval`, `bench`, and tests.
 * The rules of phi3v.h apply. This header is not installed, and anything in it may change. */
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
    const char *path;    /* the folder, or the snapshot in the cache; NULL: there is no snapshot */
    const char *folder;  /* the same folder, or in the cache the one with all revisions */
    int in_cache;        /* it can be fetched again */
    int64_t bytes;       /* of its files, shared ones included */
    const char *kind;    /* model_type of config.json; NULL: there is none */
    const char *missing; /* files that opening needs and that are missing; NULL: none */
    int n_parts;         /* unfinished downloads */
};
/* Calls fn for every model in models_dirs (NULL-terminated) and in the cache, until it returns
 * non-zero, which is then returned. Error MEMORY. */
typedef int (*phi3v_found_fn)(const struct phi3v_found *found, void *user);
PHI3V_API int phi3v_models(const char *const *models_dirs, phi3v_found_fn fn, void *user);

/* The kernel levels for this kind of processor, lowest first. why_off is NULL for a level in use,
 * else the missing processor features, or the variable that turns the level off. */
typedef void (*phi3v_level_fn)(const char *name, const char *why_off, void *user);
PHI3V_API void phi3v_cpu_levels(phi3v_level_fn fn, void *user);
/* The libraries that libphi3v uses; version is NULL for one that this build lacks. */
typedef void (*phi3v_library_fn)(const char *name, const char *version, void *user);
PHI3V_API void phi3v_libraries(phi3v_library_fn fn, void *user);
/* Memory that is still available to this process. */
PHI3V_API size_t phi3v_memory_available(void);

/* An open model's files; all zero for synthetic weights. */
struct phi3v_model_health {
    int64_t n_expected, n_found; /* tensors that the config asks for, and how many are there */
    int64_t n_tensors;           /* in the files */
    int n_token_ids;
    char tokenizer_sha256[65]; /* of tokenizer.json */
};
PHI3V_API int phi3v_model_health(const phi3v_model *model, struct phi3v_model_health *ret,
                                 struct phi3v_error *err);

/* -- Numbers ----------------------------------------------------------------------------------- */

/* Calls fn for every tensor in order of names (synthetic weights have none), until it returns
 * non-zero, which is then returned. */
typedef int (*phi3v_tensor_fn)(const char *name, const char *dtype, int n_dims,
                               const int64_t *shape, void *user);
PHI3V_API int phi3v_model_tensors(const phi3v_model *model, phi3v_tensor_fn fn, void *user);

/* Logits after the last token (all = 0: f32 [n_vocab]) or after every token (all = 1: f32
 * [n_tokens][n_vocab], from one fresh forward pass). Free with phi3v_floats_free. */
PHI3V_API int phi3v_logits(phi3v_session *session, const phi3v_prompt *prompt, int all,
                           phi3v_event_fn on_event, void *user, float **ret_logits,
                           size_t *ret_rows, struct phi3v_error *err);
/* Runs one fresh forward pass and calls fn with every named intermediate tensor (names and shapes:
 * docs/model.md); the tensors of the vision tower come once per picture. data is f32, valid during
 * the call. */
typedef int (*phi3v_activation_fn)(const char *name, int n_dims, const int64_t *shape,
                                   const float *data, void *user);
PHI3V_API int phi3v_activations(phi3v_session *session, const phi3v_prompt *prompt,
                                phi3v_activation_fn fn, void *user, struct phi3v_error *err);
/* The ids and probabilities that the sampler would draw from, highest first; at most `cap` are
 * written. Returns how many there are (one with temperature 0), or an error: ARGUMENT (params, or
 * logits that are not numbers), MEMORY. previous: the ids under the repetition penalty; negative
 * ones are ignored. */
PHI3V_API int phi3v_sampling(const float *logits, int n_vocab, const int32_t *previous,
                             size_t n_previous, const struct phi3v_params *params, int32_t *ret_ids,
                             float *ret_probs, int cap);
/* From now on the session shares no keys and values with other sessions. */
PHI3V_API void phi3v_session_alone(phi3v_session *session);
/* For benchmarks: pretends that the session holds n times the token <s>, with pseudo-random keys
 * and values, and calls phi3v_session_alone. Clear the session afterwards. */
PHI3V_API int phi3v_session_fill(phi3v_session *session, int64_t n, struct phi3v_error *err);
/* For benchmarks: encodes n_crops pseudo-random crops (1 means the global view alone) without the
 * cache, and returns the seconds it took. */
PHI3V_API int phi3v_bench_vision(phi3v_session *session, int n_crops, double *ret_seconds,
                                 struct phi3v_error *err);
/* Calls fn with each stage's name and the seconds the session spent in it since the last call; not
 * at all when the device does not measure them. The rest of the elapsed time was spent outside the
 * kernels. */
typedef void (*phi3v_stage_fn)(const char *name, double seconds, void *user);
PHI3V_API void phi3v_bench_stages(phi3v_session *session, phi3v_stage_fn fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
