/* SPDX-License-Identifier: MIT
 *
 * libphi3v: Phi-3-Vision on this machine, from C.
 *
 *   phi3v_model *model;  phi3v_image *image;  phi3v_session *session;  phi3v_prompt *prompt;
 *   struct phi3v_error err;
 *   if (phi3v_model_open("models/default", NULL, &model, &err)) return puts(err.text);
 *   if (phi3v_image_from_bytes(bytes, n_bytes, NULL, &image, &err)) return puts(err.text);
 *   struct phi3v_turn turn = {.role = "user", .text = "<|image_1|>\nWhat is this?",
 *                             .images = &image, .n_images = 1};
 *   phi3v_prompt_chat(model, &turn, 1, NULL, &prompt, &err);
 *   phi3v_session_new(model, &session, &err);
 *   phi3v_generate(session, prompt, NULL, print_text, NULL, NULL, &err);
 *   phi3v_prompt_free(prompt);  phi3v_session_free(session);
 *   phi3v_image_free(image);    phi3v_model_close(model);
 *
 * Rules that hold everywhere
 * - Strings are UTF-8. Fallible functions return 0 or a negative enum phi3v_code and fill *err
 *   (which may be NULL). Output parameters are written only on success.
 * - Structs that the caller makes and that may grow begin with their own size. Of option structs,
 *   NULL means the defaults; start from the _default() function and change fields.
 * - A model is read-only after opening and may be shared by threads. A session or a prompt belongs
 *   to one thread at a time; several sessions of one model may run on several threads.
 * - Callbacks run on the calling thread. Returning non-zero from one stops the work.
 * - The library never prints, never exits, never touches signals, the terminal or the network.
 */
#ifndef PHI3V_H
#define PHI3V_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PHI3V_API __attribute__((visibility("default")))

/* -- Errors ------------------------------------------------------------------------------------ */

enum phi3v_code {
    PHI3V_OK = 0,
    PHI3V_E_ARGUMENT = -1,    /* a value is outside what is allowed */
    PHI3V_E_IO = -2,          /* a file cannot be opened or read */
    PHI3V_E_MODEL = -3,       /* model files missing, corrupt, or not this architecture */
    PHI3V_E_IMAGE = -4,       /* bytes are not a picture we read, or a damaged one */
    PHI3V_E_PROMPT = -5,      /* placeholder gaps, missing pictures, empty prompt */
    PHI3V_E_TOO_LONG = -6,    /* prompt does not fit the context */
    PHI3V_E_MEMORY = -7,      /* not enough memory: the text has needed and free */
    PHI3V_E_DEVICE = -8,      /* the requested device cannot be used */
    PHI3V_E_CANCELLED = -9,   /* cancelled, or a callback returned non-zero */
    PHI3V_E_UNSUPPORTED = -10 /* understood, but not something this build can do */
};

struct phi3v_error {
    int code;
    char text[500]; /* one sentence: what was wrong, with which thing, what to do */
};

PHI3V_API const char *phi3v_version(void); /* "0.1.0" */

/* -- Events ------------------------------------------------------------------------------------ */

enum phi3v_stage { PHI3V_STAGE_LOAD, PHI3V_STAGE_VISION, PHI3V_STAGE_PREFILL, PHI3V_STAGE_DECODE };

enum phi3v_event_type {
    PHI3V_EVENT_PROGRESS,
    PHI3V_EVENT_TEXT,
    PHI3V_EVENT_TOKEN, /* only when phi3v_params.logprobs asks for it */
    PHI3V_EVENT_END    /* phi3v_generate_many only: what became of the job stands in it */
};

/* The natural logarithm of the probability that the model gave a token: of the softmax at
 * temperature 1, before penalties, temperature, top_k, top_p and min_p have their say, over the
 * whole vocabulary or, in an answer with a constraint, over the tokens that it allowed there. */
struct phi3v_logprob {
    int32_t id;
    float logprob;
};

struct phi3v_event {
    enum phi3v_event_type type;
    /* PROGRESS: done of total (bytes while loading, crops, tokens); seconds since the stage began
     */
    enum phi3v_stage stage;
    int64_t done, total;
    double seconds;
    double part; /* of the stage, 0 … 1: finer than done, which counts whole crops and tokens */
    /* TEXT: whole UTF-8 characters, never empty; id is the newest token behind the text */
    const char *text;
    size_t n_text_bytes;
    int32_t id;
    /* TOKEN: id was chosen; its text comes next, or with a later one. top: [n_top] the most
     * probable tokens, highest first, among equals the lower id first; where a constraint allows
     * fewer, the rest have the id -1 */
    float logprob;
    int n_top;
    const struct phi3v_logprob *top;
};

typedef int (*phi3v_event_fn)(const struct phi3v_event *event, void *user);

/* -- Models ------------------------------------------------------------------------------------ */

typedef struct phi3v_model phi3v_model;

struct phi3v_model_options {
    size_t size;
    const char *device;       /* "auto", "cpu", "cuda", "cuda:N" */
    const char *dtype;        /* "auto", "f32" (exact), "bf16", "q8", "q4" */
    const char *vision_dtype; /* of what turns pictures into rows, on the CPU: "f32", "bf16", "q8";
                                 "auto": as dtype, q8 with q4 */
    const char *kv;          /* how keys and values are kept: on the CPU "f32", "f16", "bf16", "q8",
                                on a GPU "bf16", "q8"; "auto": f32 with dtype f32, f16 otherwise,
                                bf16 on a GPU */
    int64_t ctx;             /* tokens; 0: what free memory allows, at most what the model knows */
    int64_t reuse_bytes;     /* of keys and values kept for prompts to come, beside those that
                                 sessions hold; 0: an eighth of free memory; -1: none */
    int n_threads;           /* 0: one per core */
    const char *synthetic;   /* "phi3v": full-size pseudo-random weights in memory, path ignored */
    phi3v_event_fn on_event; /* progress of loading; may be NULL */
    void *user;
};

struct phi3v_model_info {
    /* What it is */
    const char *name;        /* last part of the path */
    const char *path;        /* folder */
    const char *description; /* config.json "phiscope_description", or NULL */
    const char *note;        /* a sentence worth telling (fell back to CPU, …), or NULL */
    /* What runs it */
    const char *device;                     /* "cpu (2 threads, avx512)" */
    const char *dtype;                      /* how weights are kept, as in the options */
    const char *kv;                         /* how keys and values are kept */
    const char *products, *vision_products; /* arithmetic of the matrix products of the decoder and
                                               the tower: "f32", "bf16", "int8" */
    int answers_at_once; /* that phi3v_generate_many is worth being given together; 1: no gain */
    /* The decoder */
    int n_layers, hidden, mlp_width, n_heads, n_kv_heads, head_dim, n_vocab;
    int64_t ctx;         /* tokens a session may hold */
    int64_t ctx_model;   /* max_position_embeddings */
    int64_t rope_switch; /* longest sequence with the short factors; 0: one list only */
    /* The vision tower */
    int vision_layers; /* stored; the last one is never run */
    int vision_width, vision_mlp_width;
    int patch_side;  /* pixels */
    int crop_side;   /* pixels */
    int crop_tokens; /* image tokens of one crop */
    int num_crops;   /* default, from preprocessor_config.json */
    /* Sizes */
    int64_t n_params;
    int64_t weights_bytes;
    int64_t step_bytes; /* of weights, as held in memory, that one new token reads: the decoder's
                           matrices and the output head */
    int64_t kv_bytes_per_token;
};

PHI3V_API void phi3v_model_options_default(struct phi3v_model_options *opt);
/* Opens the Hugging Face folder `path`. Errors: ARGUMENT, MODEL, IO, MEMORY, DEVICE, UNSUPPORTED,
 * CANCELLED. */
PHI3V_API int phi3v_model_open(const char *path, const struct phi3v_model_options *opt,
                               phi3v_model **ret_model, struct phi3v_error *err);
/* After all its sessions were freed; prompts and pictures may live on. */
PHI3V_API void phi3v_model_close(phi3v_model *model);
/* Borrowed until the model is closed. */
PHI3V_API const struct phi3v_model_info *phi3v_model_info(const phi3v_model *model);

/* The file of the model in whose mapped bytes an address lies, or NULL. A weights file that becomes
 * shorter, or that its disk no longer gives, ends the process with SIGBUS when its bytes are read;
 * every call that computes looks at the files first (error MODEL), but an answer goes on for a while.
 * A handler of that signal may ask this to say what happened: it is async-signal-safe. Borrowed until
 * the model is closed. */
PHI3V_API const char *phi3v_model_file_at(const phi3v_model *model, const void *address);

/* Writes a model that was opened as q8 or q4 (by conversion) into the folder `dir`, made where it
 * does not exist: the same JSON files and the packed weights, which later opens by mapping alone.
 * Errors: ARGUMENT (another dtype, weights that were packed already, a folder that holds a model),
 * IO, MEMORY. */
PHI3V_API int phi3v_model_write(const phi3v_model *model, const char *dir, struct phi3v_error *err);

/* Resolves what a person wrote after -m: a folder (quotes, ~ and file:// are understood), one of
 * the local Hugging Face cache, a file in one; a short name under one of models_dirs
 * (NULL-terminated list); org/name[@rev] or a pasted address of the hub, in the local cache. The
 * caller frees *ret_path with phi3v_string_free. Error MODEL names what was tried, and the nearest
 * name. */
PHI3V_API int phi3v_model_find(const char *name, const char *const *models_dirs, char **ret_path,
                               struct phi3v_error *err);
PHI3V_API void phi3v_string_free(char *s);

/* Calls back for every device this build knows, until a callback returns non-zero, which is
 * returned. why_not: NULL, or a sentence on what is missing. */
typedef int (*phi3v_device_fn)(const char *name, const char *description, int usable,
                               const char *why_not, void *user);
PHI3V_API int phi3v_devices(phi3v_device_fn fn, void *user);

/* -- Pictures ---------------------------------------------------------------------------------- */

typedef struct phi3v_image phi3v_image; /* immutable, reference counted, safe to share */

struct phi3v_image_options {
    size_t size;
    int exif; /* 1: turn as the EXIF orientation says; 0: the stored raster, as the reference (0) */
    int lenient; /* 1: of a damaged or truncated file read what is there; 0: refuse it (0) */
    /* Asked on the calling thread, between rows or pieces of the file (AVIF and HEIC are decoded in
     * one piece): non-zero ends it with error CANCELLED. May be NULL. */
    int (*stopped)(void *user);
    void *user;
};

struct phi3v_image_info {
    int width, height;        /* of the raster the model gets */
    const char *format;       /* "PNG", "JPEG", "WebP", "GIF", "BMP", "PNM", "ICO", "TIFF", "AVIF",
                                 "HEIC", "HEIF", "JPEG XL", "RGB" */
    char file_sha256[65];     /* of the file's bytes (of the raster for "RGB") */
    char content_sha256[65];  /* of size and RGB raster: the identity used by caches */
    int exif_orientation;     /* 1 when absent */
    double transparent_share; /* share of pixels with alpha below 255, 0..1 */
    int animated;             /* more than one frame: only the first is used */
    int incomplete;           /* lenient: parts of the file are missing or damaged */
};

/* What bytes are, by their beginning: "PNG", "a web page", "a ZIP archive …"; static. is_picture (may
 * be NULL): whether of a kind of pictures, though perhaps one that is not read here. */
PHI3V_API const char *phi3v_image_sniff(const void *bytes, size_t n_bytes, int *ret_is_picture);
PHI3V_API void phi3v_image_options_default(struct phi3v_image_options *opt);
/* Decodes a file held in memory (not kept). Error IMAGE says what the bytes are instead. */
PHI3V_API int phi3v_image_from_bytes(const void *bytes, size_t n_bytes,
                                     const struct phi3v_image_options *opt, phi3v_image **ret_image,
                                     struct phi3v_error *err);
/* rgb: [height][width][3], copied. */
PHI3V_API int phi3v_image_from_rgb(const uint8_t *rgb, int width, int height,
                                   phi3v_image **ret_image, struct phi3v_error *err);
PHI3V_API phi3v_image *phi3v_image_ref(phi3v_image *image); /* one more owner; returns image */
PHI3V_API void phi3v_image_free(phi3v_image *image);        /* one owner less */
PHI3V_API const struct phi3v_image_info *phi3v_image_info(const phi3v_image *image);
PHI3V_API const uint8_t *phi3v_image_rgb(const phi3v_image *image);   /* [height][width][3] */
PHI3V_API const uint8_t *phi3v_image_alpha(const phi3v_image *image); /* [height][width] or NULL */

struct phi3v_image_plan { /* what the model will see, known before anything is computed */
    int crop_rows, crop_cols;
    int hd_width, hd_height;                                 /* scaled and padded picture */
    int content_x, content_y, content_width, content_height; /* the picture inside it */
    int n_tokens;
};
/* num_crops 0: the model's default. Errors: ARGUMENT (num_crops < 1), IMAGE (too thin). */
PHI3V_API int phi3v_image_plan(const phi3v_model *model, const phi3v_image *image, int num_crops,
                               struct phi3v_image_plan *ret_plan, struct phi3v_error *err);
/* Normalised crops, global view first: f32 [1 + rows*cols][3][crop_side][crop_side]; the caller
 * frees with phi3v_floats_free. */
PHI3V_API int phi3v_image_crops(const phi3v_model *model, const phi3v_image *image, int num_crops,
                                float **ret_crops, struct phi3v_image_plan *ret_plan,
                                struct phi3v_error *err);
PHI3V_API void phi3v_floats_free(float *p);

/* A picture's features, to be kept from one process to the next. The name is a digest of all that
 * decides them: weights as they are held, the processor's level, num_crops (0: the default), the
 * picture's content. The first call digests the weights of the vision tower, and asks meanwhile
 * whether it is stopped, which may be NULL. Errors: UNSUPPORTED on a GPU, ARGUMENT, IMAGE,
 * CANCELLED. */
PHI3V_API int phi3v_features_name(phi3v_model *model, const phi3v_image *image, int num_crops,
                                  int (*stopped)(void *user), void *user, char ret_name[65],
                                  struct phi3v_error *err);
/* The features that the model's cache has of a picture, as bytes (phi3v_bytes_free); NULL and 0
 * where it has none. */
PHI3V_API int phi3v_features_store(phi3v_model *model, const phi3v_image *image, int num_crops,
                                   void **ret_bytes, size_t *ret_n, struct phi3v_error *err);
/* Puts stored features into the model's cache: the picture is then not encoded. Errors: ARGUMENT
 * (they are of another picture, model or processor), IO (damaged), MEMORY. */
PHI3V_API int phi3v_features_restore(phi3v_model *model, const phi3v_image *image, int num_crops,
                                     const void *bytes, size_t n, struct phi3v_error *err);
PHI3V_API void phi3v_bytes_free(void *bytes);

/* -- Text -------------------------------------------------------------------------------------- */

/* Text -> ids. bos: start with <s>; special: honour added tokens such as <|end|> in the text (else
 * they are ordinary letters). The caller frees *ret_ids with phi3v_ids_free. */
PHI3V_API int phi3v_tokenize(const phi3v_model *model, const char *text, size_t n_bytes, int bos,
                             int special, int32_t **ret_ids, size_t *ret_n,
                             struct phi3v_error *err);
/* Ids -> text (NUL-terminated, freed with phi3v_string_free); ids without a token are dropped. */
PHI3V_API int phi3v_detokenize(const phi3v_model *model, const int32_t *ids, size_t n,
                               int keep_special, char **ret_text, size_t *ret_n_bytes,
                               struct phi3v_error *err);
PHI3V_API void phi3v_ids_free(int32_t *ids);
/* The bytes that a token adds to a text, at most cap of them written to buf (no NUL), and their
 * number; 0 for ids without a token and for special tokens. Bytes of several tokens may make one
 * character. A text's very first byte is left out of it when it is a space. */
PHI3V_API size_t phi3v_token_bytes(const phi3v_model *model, int32_t id, char *buf, size_t cap);

/* -- Prompts: a whole token sequence with its pictures ----------------------------------------- */

typedef struct phi3v_prompt phi3v_prompt; /* keeps its own references to the pictures */

struct phi3v_turn {
    const char *role; /* "system", "user", "assistant" */
    const char *text; /* <|image_k|> means the k-th picture of this turn; every other special
                         token in it is ordinary text */
    phi3v_image *const *images; /* of this turn; one without a tag in the text is an error */
    int n_images;
    int num_crops;      /* of these pictures; 0: what the whole prompt has */
    const int32_t *ids; /* assistant only: the exact ids it answered with (no stop token), used
                           in place of text; NULL: tokenise text */
    size_t n_ids;
    int open; /* last turn, assistant: not closed; generation goes on behind it, and its text goes
                 on where that of ids ends */
};

struct phi3v_prompt_options {
    size_t size;
    int num_crops; /* of pictures whose turn does not say; 0: the model's default (0) */
    /* Asked on the calling thread while text becomes tokens: non-zero ends it with error CANCELLED.
     * May be NULL. */
    int (*stopped)(void *user);
    void *user;
};

PHI3V_API void phi3v_prompt_options_default(struct phi3v_prompt_options *opt);
/* The chat template over all turns (phi3v.md 10.1), pictures numbered across the conversation,
 * ready for the assistant's answer. opt: NULL for the defaults. Errors: ARGUMENT (role, num_crops),
 * PROMPT (empty, tags and pictures that do not match), IMAGE (too thin), CANCELLED, MEMORY. */
PHI3V_API int phi3v_prompt_chat(const phi3v_model *model, const struct phi3v_turn *turns,
                                int n_turns, const struct phi3v_prompt_options *opt,
                                phi3v_prompt **ret_prompt, struct phi3v_error *err);
/* A formatted prompt string as the reference processor takes it: special tokens honoured, tags
 * <|image_1|> … bound to images. */
PHI3V_API int phi3v_prompt_raw(const phi3v_model *model, const char *text,
                               phi3v_image *const *images, int n_images, int num_crops,
                               phi3v_prompt **ret_prompt, struct phi3v_error *err);
/* Ids as they are; every run of -n holds the rows of picture n, once or repeated as a whole. */
PHI3V_API int phi3v_prompt_ids_new(const phi3v_model *model, const int32_t *ids, size_t n,
                                   phi3v_image *const *images, int n_images, int num_crops,
                                   phi3v_prompt **ret_prompt, struct phi3v_error *err);
PHI3V_API void phi3v_prompt_free(phi3v_prompt *prompt);
/* Borrowed; placeholders are -n, n counting from 1 across the prompt. */
PHI3V_API const int32_t *phi3v_prompt_ids(const phi3v_prompt *prompt, size_t *ret_n);
PHI3V_API int phi3v_prompt_n_images(const phi3v_prompt *prompt);
PHI3V_API phi3v_image *
phi3v_prompt_image(const phi3v_prompt *prompt, int i,
                   struct phi3v_image_plan *ret_plan); /* borrowed; i from 0 */

/* -- Sessions ---------------------------------------------------------------------------------- */

typedef struct phi3v_session phi3v_session;

enum phi3v_finish { PHI3V_FINISH_STOP, PHI3V_FINISH_LENGTH, PHI3V_FINISH_INTERRUPTED };

/* What an answer may say, decided token by token on the thread that computes it. Greedy choice,
 * drawing and log-probabilities know the allowed tokens alone. The constraint belongs to one answer
 * at a time and lives until that ends. A device then draws nothing by itself. */
struct phi3v_constraint {
    size_t size;
    /* Sets the bits of the ids that may come next: id is bit id % 32 of allowed[id / 32]. All
     * (n_vocab + 31) / 32 words are zero before. Non-zero: the answer may end here, too. Stop
     * tokens are then allowed without their bits, but for those that would add to the text; else
     * none is. Where nothing is allowed the answer fails with ARGUMENT. */
    int (*allow)(uint32_t *allowed, int n_vocab, void *user);
    /* id was chosen. */
    void (*chosen)(int32_t id, void *user);
    void *user;
};

struct phi3v_params {
    size_t size;
    int max_new_tokens;       /* 1000 */
    float temperature;        /* 0: greedy */
    int top_k;                /* 0: off */
    float top_p;              /* 1: off */
    float min_p;              /* 0: off */
    float repetition_penalty; /* 1: off */
    uint64_t seed;
    const char *const *stop; /* NULL-terminated list of strings that end the answer, or NULL */
    int stop_reference;      /* 1: only <|endoftext|> and the files' eos ids; 0: <|end|> too */
    int keep_special;        /* special tokens stay in the text */
    int logprobs; /* 0: none; k: with each token its log-probability and those of the k most
                     probable, at most 100 */
    const struct phi3v_constraint *constraint; /* NULL: none. For phi3v_generate alone:
                                                  jobs have their own */
};

struct phi3v_timing {
    double vision_s, prefill_s, decode_s;
    int64_t prefill_tokens; /* computed now; the whole sequence once more when the answer crosses
                               rope_switch */
    int64_t cached_tokens;  /* of the prompt, reused from before */
    int64_t decode_tokens;  /* new ids; the first costs no step, its logits are the prefill's */
    int vision_crops;       /* encoded now; crops found in the cache are not counted */
};

/* Set size to sizeof the struct before it is handed in; all else is written by the call. */
struct phi3v_result {
    size_t size;
    enum phi3v_finish finish;
    char *text; /* NUL-terminated; the texts of all events, and what a stopping callback was not
                   shown */
    size_t n_text_bytes;
    int32_t *ids; /* new ids, the stop token included when there was one */
    size_t n_ids;
    size_t n_answer_ids; /* without the stop token, or those whose text lies before the stop string:
                            what the next turn's phi3v_turn.ids wants */
    size_t *text_ends;   /* [n_ids]: bytes of text behind each id; one that ends within a character
                            or is not shown adds none */
    /* When params.logprobs asks for it, else NULL */
    float *logprobs;           /* [n_ids] */
    struct phi3v_logprob *top; /* [n_ids][n_top], as in the events */
    int n_top;                 /* params.logprobs, or less where the vocabulary is smaller */
    struct phi3v_timing timing;
};

PHI3V_API void phi3v_params_default(struct phi3v_params *params);
PHI3V_API int phi3v_session_new(phi3v_model *model, phi3v_session **ret_session,
                                struct phi3v_error *err);
PHI3V_API void phi3v_session_free(phi3v_session *session);

/* Answers `prompt`, which must have been made for the session's model. Whatever this session or
 * another of the model has computed of it (longest common prefix, pictures by content) is not
 * computed again, and the result equals a fresh run. The answer ends at a stop token, a stop
 * string, max_new_tokens or the end of the context. A callback that returns non-zero or
 * phi3v_session_cancel while answering ends it with FINISH_INTERRUPTED and 0; before the first
 * token it is error CANCELLED, and pictures encoded and tokens computed so far are kept for the
 * next call. ret_result may be NULL; otherwise its size is set, and its contents are freed with
 * phi3v_result_fini. Errors: ARGUMENT, TOO_LONG (by how many tokens; nothing held is lost), MEMORY,
 * CANCELLED, MODEL (weights that compute no numbers).
 */
PHI3V_API int phi3v_generate(phi3v_session *session, const phi3v_prompt *prompt,
                             const struct phi3v_params *params, phi3v_event_fn on_event, void *user,
                             struct phi3v_result *ret_result, struct phi3v_error *err);
PHI3V_API void phi3v_result_fini(struct phi3v_result *result);

/* One of several answers. All jobs of an array have the same size. */
struct phi3v_job {
    size_t size;
    phi3v_session *session; /* of this job alone; all are of one model */
    const phi3v_prompt *prompt;
    struct phi3v_result *result; /* out, when code is 0; as in phi3v_generate, or NULL */
    int code;                    /* out: 0, or why there is no answer, */
    struct phi3v_error error;    /* with its sentence */
    const struct phi3v_constraint *constraint; /* of this answer, or NULL */
};
/* job: its index. Non-zero: stop that job, as phi3v_session_cancel of its session does. */
typedef int (*phi3v_job_event_fn)(const struct phi3v_event *event, int job, void *user);
/* Answers n prompts side by side, each as phi3v_generate would: prompts one after the other, then
 * the steps of all answers together, so that weights are read once for all of them; a beginning
 * that prompts share is computed once. Each answer is the one that its
 * session gives alone: on the CPU bit for bit, on a GPU too but for the rounding of prompts that
 * share a beginning. A job that fails or is stopped does not hold up the others. params: of all.
 * on_event may be NULL. Errors (of the whole; a job's own stand in it): ARGUMENT, MEMORY. */
PHI3V_API int phi3v_generate_many(struct phi3v_job *jobs, int n, const struct phi3v_params *params,
                                  phi3v_job_event_fn on_event, void *user, struct phi3v_error *err);

/* Answers side by side that come and go, as a server has them: the same as phi3v_generate_many, but
 * a job may join between any two steps. A batch and the sessions of its jobs belong to one thread at
 * a time. */
typedef struct phi3v_batch phi3v_batch;

/* n_jobs: the most at once. Errors: ARGUMENT, MEMORY. */
PHI3V_API int phi3v_batch_new(phi3v_model *model, int n_jobs, phi3v_batch **ret_batch,
                              struct phi3v_error *err);
/* Jobs that are still in it end as if they were stopped. Before the model is closed. */
PHI3V_API void phi3v_batch_free(phi3v_batch *batch);
/* A job joins, with params of its own, whose strings stay as they are until its END event; so do job,
 * session and prompt. Nothing is computed yet. on_event: as in phi3v_generate, and END when the job
 * has left, which may be before this returns. Errors: ARGUMENT (also when the batch is full). */
PHI3V_API int phi3v_batch_join(phi3v_batch *batch, struct phi3v_job *job,
                               const struct phi3v_params *params, phi3v_event_fn on_event,
                               void *user, struct phi3v_error *err);
/* One round: a part of the prompt of the job that waits longest for it (all of it, when no answer
 * grows meanwhile that would have to wait), then one token more of every answer, or up to n_tokens
 * of each where the device draws them by itself. Returns how many jobs are left. */
PHI3V_API int phi3v_batch_step(phi3v_batch *batch, int n_tokens);

/* Encodes the pictures and fills the cache for `prompt` without answering ("ready before Enter").
 */
PHI3V_API int phi3v_prefill(phi3v_session *session, const phi3v_prompt *prompt,
                            phi3v_event_fn on_event, void *user, struct phi3v_timing *ret_timing,
                            struct phi3v_error *err);
/* From any thread or a signal handler: stops the work in progress, or does nothing. */
PHI3V_API void phi3v_session_cancel(phi3v_session *session);
/* Forgets what the session holds. The model keeps keys and values for any session that asks for the
 * same again, as far as phi3v_model_options.reuse_bytes goes, and pictures' features. */
PHI3V_API void phi3v_session_clear(phi3v_session *session);
/* A new session that holds what this one does, in the same memory: both go their own ways from
 * there. Errors: MEMORY. */
PHI3V_API int phi3v_session_fork(phi3v_session *session, phi3v_session **ret_session,
                                 struct phi3v_error *err);
/* Tokens held, and how many of `prompt` would be reused, of this session or of what the model keeps
 * (never its last: what comes behind it is asked for). */
PHI3V_API int64_t phi3v_session_tokens(const phi3v_session *session);
PHI3V_API int64_t phi3v_session_common(const phi3v_session *session, const phi3v_prompt *prompt);

#ifdef __cplusplus
}
#endif
#endif
