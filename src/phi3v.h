/* SPDX-License-Identifier: MIT
 *
 * libphi3v runs Phi-3-Vision on this machine, from C.
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
 * Rules for all calls
 * - Strings are UTF-8. Fallible functions return 0 or a negative enum phi3v_code and fill *err
 *   (which may be NULL). Output parameters are written only on success.
 * - Structs that the caller fills in and that may grow begin with their own size. For option
 *   structs NULL means the defaults; otherwise call the _default() function and change fields.
 * - A model is read-only after opening and may be shared by threads. A session or a prompt belongs
 *   to one thread at a time; several sessions of one model may run on several threads.
 * - Callbacks run on the calling thread. Returning non-zero from one stops the work.
 * - The library never prints, never exits, never touches signals, the terminal or the network. */
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
    PHI3V_E_IMAGE = -4,       /* bytes are not a supported picture, or are damaged */
    PHI3V_E_PROMPT = -5,      /* image tags with gaps, missing pictures, empty prompt */
    PHI3V_E_TOO_LONG = -6,    /* prompt does not fit the context */
    PHI3V_E_MEMORY = -7,      /* not enough memory: the text says how much is needed and free */
    PHI3V_E_DEVICE = -8,      /* the requested device cannot be used */
    PHI3V_E_CANCELLED = -9,   /* cancelled, or a callback returned non-zero */
    PHI3V_E_UNSUPPORTED = -10 /* understood, but this build cannot do it */
};

struct phi3v_error {
    int code;
    char text[500]; /* one sentence: what went wrong, with which file or value, what to do */
};

PHI3V_API const char *phi3v_version(void); /* "0.1.0" */

/* -- Events ------------------------------------------------------------------------------------ */

enum phi3v_stage { PHI3V_STAGE_LOAD, PHI3V_STAGE_VISION, PHI3V_STAGE_PREFILL, PHI3V_STAGE_DECODE };

enum phi3v_event_type {
    PHI3V_EVENT_PROGRESS,
    PHI3V_EVENT_TEXT,
    PHI3V_EVENT_TOKEN, /* only when phi3v_params.logprobs asks for it */
    PHI3V_EVENT_END    /* jobs only: the job is complete, and its code and result are set */
};

/* The natural logarithm of a token's probability by the softmax at temperature 1, before penalties,
 * temperature, top_k, top_p and min_p apply. It is taken over the whole vocabulary or, in an answer
 * with a constraint, over the tokens allowed in that place. */
struct phi3v_logprob {
    int32_t id;
    float logprob;
};

struct phi3v_event {
    enum phi3v_event_type type;
    /* PROGRESS: done of total (bytes, crops or tokens); seconds since the stage began */
    enum phi3v_stage stage;
    int64_t done, total;
    double seconds;
    double part; /* of the stage, 0 … 1: finer than done, which counts whole crops and tokens */
    /* TEXT: whole UTF-8 characters, never empty; id is the newest token of the text */
    const char *text;
    size_t n_text_bytes;
    int32_t id;
    /* TOKEN: id was chosen; its text follows now or with a later token. top [n_top] has the most
     * probable tokens, highest first and the lower id first among equals; when a constraint allows
     * fewer, the rest have id -1 */
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
    const char *vision_dtype; /* of the vision tower and projector on the CPU: "f32", "bf16", "q8";
                                 "auto": as dtype, or q8 with q4 */
    const char *kv;           /* of keys and values: on the CPU "f32", "f16", "bf16", "q8", on a GPU
                                "bf16", "q8"; "auto": f32 with dtype f32, otherwise bf16 where its
                                products are fast, as on a GPU, else f16 */
    int64_t ctx;              /* tokens; 0: as free memory allows, at most the model's own limit */
    int64_t reuse_bytes;      /* for keys and values that no session holds, kept for later prompts;
                                 0: an eighth of free memory; -1: none */
    int n_threads;            /* 0: one per core */
    const char *synthetic;    /* "phi3v": full-size pseudo-random weights in memory, path ignored */
    phi3v_event_fn on_event;  /* progress of loading; may be NULL */
    void *user;
};

struct phi3v_model_info {
    /* What it is */
    const char *name;        /* last part of the path */
    const char *path;        /* folder */
    const char *description; /* config.json "phiscope_description", or NULL */
    const char *note;        /* a sentence worth showing (fell back to CPU, …), or NULL */
    /* What runs it */
    const char *device;                     /* "cpu (2 threads, avx512)" */
    const char *dtype;                      /* how weights are kept, as in the options */
    const char *kv;                         /* how keys and values are kept */
    const char *products, *vision_products; /* arithmetic of the matrix products of the decoder and
                                               the tower: "f32", "bf16", "int8" */
    int answers_at_once; /* up to so many jobs at once are faster than one by one; 1: no gain */
    /* The decoder */
    int n_layers, hidden, mlp_width, n_heads, n_kv_heads, head_dim, n_vocab;
    int64_t ctx;         /* tokens a session may hold */
    int64_t ctx_model;   /* max_position_embeddings */
    int64_t rope_switch; /* longest sequence with the short rope factors; 0: one list only */
    /* The vision tower */
    int vision_layers;     /* as stored */
    int vision_run_layers; /* of them, those that run (layer_idx) */
    int vision_width, vision_mlp_width;
    int patch_side;  /* pixels */
    int crop_side;   /* pixels */
    int crop_tokens; /* image tokens of one crop */
    int num_crops;   /* default, from preprocessor_config.json */
    /* Sizes */
    int64_t n_params;
    int64_t weights_bytes;
    int64_t step_bytes; /* weights that one new token reads from memory: the decoder's matrices
                           and the output head */
    int64_t kv_bytes_per_token;
};

PHI3V_API void phi3v_model_options_default(struct phi3v_model_options *opt);
/* Opens the Hugging Face folder `path`. Errors: ARGUMENT, MODEL, IO, MEMORY, DEVICE, UNSUPPORTED,
 * CANCELLED. */
PHI3V_API int phi3v_model_open(const char *path, const struct phi3v_model_options *opt,
                               phi3v_model **ret_model, struct phi3v_error *err);
/* All its sessions must have been freed; prompts and pictures may live on. */
PHI3V_API void phi3v_model_close(phi3v_model *model);
/* Borrowed until the model is closed. */
PHI3V_API const struct phi3v_model_info *phi3v_model_info(const phi3v_model *model);

/* The model file whose mapped bytes contain an address, or NULL. Reading a mapped file that was cut
 * short, or whose disk fails, raises SIGBUS. Every call that computes checks the files first (error
 * MODEL), but an answer takes a while. A handler of SIGBUS may call this, which is
 * async-signal-safe, to say what happened. Borrowed until the model is closed. */
PHI3V_API const char *phi3v_model_file_at(const phi3v_model *model, const void *address);

/* Writes a model that was converted to q8 or q4 when it was opened into the folder `dir`, which is
 * made if needed: the same JSON files, and packed weights that open without conversion. Errors:
 * ARGUMENT (another dtype, weights that were packed already, a folder that holds a model), IO,
 * MEMORY. */
PHI3V_API int phi3v_model_write(const phi3v_model *model, const char *dir, struct phi3v_error *err);

/* Resolves what a person wrote after -m: a model folder, also one of the local Hugging Face cache,
 * or a file in it (quotes, ~ and file:// are understood); a short name under one of models_dirs
 * (NULL-terminated list); org/name[@rev] or a pasted address of the hub, found in the local cache.
 * The caller frees *ret_path with phi3v_string_free. Error MODEL says what was tried, and the
 * nearest name. */
PHI3V_API int phi3v_model_find(const char *name, const char *const *models_dirs, char **ret_path,
                               struct phi3v_error *err);
PHI3V_API void phi3v_string_free(char *s);

/* Calls fn for every device this build knows, until it returns non-zero, which is then returned.
 * why_not: NULL, or a sentence on what is missing. */
typedef int (*phi3v_device_fn)(const char *name, const char *description, int usable,
                               const char *why_not, void *user);
PHI3V_API int phi3v_devices(phi3v_device_fn fn, void *user);

/* -- Pictures ---------------------------------------------------------------------------------- */

typedef struct phi3v_image phi3v_image; /* immutable, reference counted, safe to share */

struct phi3v_image_options {
    size_t size;
    int exif; /* 1: turn as the EXIF orientation says; 0 (default): keep the stored raster, as the
                 reference does */
    int lenient; /* 1: read what there is of a damaged file; 0 (default): refuse it */
    /* Called on the calling thread between rows or pieces of the file (AVIF and HEIC are decoded in
     * one piece); non-zero ends the call with error CANCELLED. May be NULL. */
    int (*stopped)(void *user);
    void *user;
};

struct phi3v_image_info {
    int width, height;        /* of the raster the model gets */
    const char *format;       /* "PNG", "JPEG", "WebP", "GIF", "BMP", "PNM", "ICO", "TIFF", "AVIF",
                                 "HEIC", "HEIF", "JPEG XL", "RGB" */
    char file_sha256[65];     /* of the file's bytes (of the raster for "RGB") */
    char content_sha256[65];  /* of size and RGB raster; caches know the picture by it */
    int exif_orientation;     /* 1 when absent */
    double transparent_share; /* share of pixels with alpha below 255, 0..1 */
    int animated;             /* more than one frame: only the first is used */
    int incomplete;           /* lenient: parts of the file are missing or damaged */
};

/* What kind of file the bytes are, by their beginning: "PNG", "a web page", "a ZIP archive …";
 * static. *ret_is_picture (may be NULL) says whether it is a kind of picture, supported or not. */
PHI3V_API const char *phi3v_image_sniff(const void *bytes, size_t n_bytes, int *ret_is_picture);
PHI3V_API void phi3v_image_options_default(struct phi3v_image_options *opt);
/* Decodes a file held in memory; the bytes are not needed afterwards. Error IMAGE says what they
 * are instead of a picture. */
PHI3V_API int phi3v_image_from_bytes(const void *bytes, size_t n_bytes,
                                     const struct phi3v_image_options *opt, phi3v_image **ret_image,
                                     struct phi3v_error *err);
/* rgb: [height][width][3], copied. */
PHI3V_API int phi3v_image_from_rgb(const uint8_t *rgb, int width, int height,
                                   phi3v_image **ret_image, struct phi3v_error *err);
PHI3V_API phi3v_image *phi3v_image_ref(phi3v_image *image); /* adds a reference; returns image */
PHI3V_API void phi3v_image_free(phi3v_image *image);        /* drops a reference */
PHI3V_API const struct phi3v_image_info *phi3v_image_info(const phi3v_image *image);
PHI3V_API const uint8_t *phi3v_image_rgb(const phi3v_image *image);   /* [height][width][3] */
PHI3V_API const uint8_t *phi3v_image_alpha(const phi3v_image *image); /* [height][width] or NULL */

struct phi3v_image_plan { /* what the model will see, known before anything is computed */
    int crop_rows, crop_cols;
    int hd_width, hd_height;                                 /* scaled and padded picture */
    int content_x, content_y, content_width, content_height; /* the picture inside it */
    int n_tokens;
};
/* num_crops 0 means the model's default. Errors: ARGUMENT (num_crops), IMAGE (too thin). */
PHI3V_API int phi3v_image_plan(const phi3v_model *model, const phi3v_image *image, int num_crops,
                               struct phi3v_image_plan *ret_plan, struct phi3v_error *err);
/* Normalised crops, global view first: f32 [1 + rows*cols][3][crop_side][crop_side]; the caller
 * frees with phi3v_floats_free. */
PHI3V_API int phi3v_image_crops(const phi3v_model *model, const phi3v_image *image, int num_crops,
                                float **ret_crops, struct phi3v_image_plan *ret_plan,
                                struct phi3v_error *err);
PHI3V_API void phi3v_floats_free(float *p);

/* A name under which a picture's features can be kept for later processes. It is a digest of all
 * that decides them: the weights in memory, the processor's level, num_crops (0: the default) and
 * the picture's content. The first call digests the weights of the vision tower and meanwhile calls
 * `stopped`, which may be NULL. Errors: UNSUPPORTED on a GPU, ARGUMENT, IMAGE, CANCELLED. */
PHI3V_API int phi3v_features_name(phi3v_model *model, const phi3v_image *image, int num_crops,
                                  int (*stopped)(void *user), void *user, char ret_name[65],
                                  struct phi3v_error *err);
/* The features of a picture in the model's cache, as bytes (phi3v_bytes_free); NULL and 0 when
 * there are none. */
PHI3V_API int phi3v_features_store(phi3v_model *model, const phi3v_image *image, int num_crops,
                                   void **ret_bytes, size_t *ret_n, struct phi3v_error *err);
/* Puts stored features into the model's cache, so that the picture need not be encoded. Errors:
 * ARGUMENT (they belong to another picture, model or processor), IO (damaged), MEMORY. */
PHI3V_API int phi3v_features_restore(phi3v_model *model, const phi3v_image *image, int num_crops,
                                     const void *bytes, size_t n, struct phi3v_error *err);
PHI3V_API void phi3v_bytes_free(void *bytes);

/* -- Text -------------------------------------------------------------------------------------- */

/* Text -> ids. bos: start with <s>. special: added tokens such as <|end|> in the text become their
 * ids, otherwise they are ordinary text. The caller frees *ret_ids with phi3v_ids_free. */
PHI3V_API int phi3v_tokenize(const phi3v_model *model, const char *text, size_t n_bytes, int bos,
                             int special, int32_t **ret_ids, size_t *ret_n,
                             struct phi3v_error *err);
/* Ids -> text (NUL-terminated; phi3v_string_free). Ids that are no token are skipped. */
PHI3V_API int phi3v_detokenize(const phi3v_model *model, const int32_t *ids, size_t n,
                               int keep_special, char **ret_text, size_t *ret_n_bytes,
                               struct phi3v_error *err);
PHI3V_API void phi3v_ids_free(int32_t *ids);
/* Writes at most cap of the bytes that a token adds to a text to buf (without NUL), and returns
 * their number; 0 for special tokens and for ids that are no token. Several tokens together may
 * make one character. In a whole text, a space at the very beginning is dropped. */
PHI3V_API size_t phi3v_token_bytes(const phi3v_model *model, int32_t id, char *buf, size_t cap);

/* -- Prompts: a whole token sequence with its pictures ----------------------------------------- */

typedef struct phi3v_prompt phi3v_prompt; /* keeps its own references to the pictures */

struct phi3v_turn {
    const char *role; /* "system", "user", "assistant" */
    const char *text; /* <|image_k|> means the k-th picture of this turn; any other special token
                         in it is ordinary text */
    phi3v_image *const *images; /* of this turn; each needs its tag in the text */
    int n_images;
    int num_crops;      /* for these pictures; 0: as in the prompt options */
    const int32_t *ids; /* assistant only: the exact ids it answered with (no stop token), used
                           instead of text; NULL: tokenise text */
    size_t n_ids;
    int open; /* last turn, assistant: leave it unfinished, so that the answer continues its ids
                 and text */
};

struct phi3v_prompt_options {
    size_t size;
    int num_crops; /* for pictures whose turn does not say; 0 (default): the model's default */
    /* Called on the calling thread during tokenisation; non-zero ends the call with error
     * CANCELLED. May be NULL. */
    int (*stopped)(void *user);
    void *user;
};

PHI3V_API void phi3v_prompt_options_default(struct phi3v_prompt_options *opt);
/* Applies the chat template to all turns (docs/model.md, Prompts), numbers the pictures across the
 * conversation, and ends where the assistant's answer begins. opt may be NULL. Errors: ARGUMENT
 * (role, num_crops), PROMPT (empty, or tags and pictures do not match), IMAGE (too thin),
 * CANCELLED, MEMORY. */
PHI3V_API int phi3v_prompt_chat(const phi3v_model *model, const struct phi3v_turn *turns,
                                int n_turns, const struct phi3v_prompt_options *opt,
                                phi3v_prompt **ret_prompt, struct phi3v_error *err);
/* A formatted prompt string as the reference processor takes it: special tokens become their ids,
 * and tags <|image_1|> … stand for images. */
PHI3V_API int phi3v_prompt_raw(const phi3v_model *model, const char *text,
                               phi3v_image *const *images, int n_images, int num_crops,
                               phi3v_prompt **ret_prompt, struct phi3v_error *err);
/* Takes ids as they are; each run of -n must hold all rows of picture n, once or several times. */
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

/* Restricts an answer token by token, on the thread that computes it. Greedy choice, drawing and
 * log-probabilities then consider the allowed tokens only, and a device does not draw by itself. A
 * constraint serves one answer at a time and must live until that answer ends. */
struct phi3v_constraint {
    size_t size;
    /* Sets the bits of the ids that may come next: id is bit id % 32 of allowed[id / 32]. All
     * (n_vocab + 31) / 32 words are zero before. Returning non-zero means that the answer may end
     * here: stop tokens are then allowed whatever their bits, except those that would add text.
     * Otherwise no stop token is allowed. When nothing is allowed the answer fails with
     * ARGUMENT. */
    int (*allow)(uint32_t *allowed, int n_vocab, void *user);
    /* Called with each chosen id. */
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
    int stop_reference;      /* 1: stop only at <|endoftext|> and the files' eos ids; 0: also at
                                <|end|> */
    int keep_special;        /* special tokens stay in the text */
    int logprobs; /* 0: none; k (at most 100): report each token's log-probability and the k most
                     probable tokens */
    const struct phi3v_constraint *constraint; /* NULL: none. Only for phi3v_generate; jobs have
                                                  their own */
    const int32_t *draft; /* [n_draft] what the answer may turn out to be, such as an earlier one to
                             nearly the same question; or NULL. The answer stays the same and comes
                             sooner where it agrees. Only for phi3v_generate on the CPU */
    size_t n_draft;
};

struct phi3v_timing {
    double vision_s, prefill_s, decode_s;
    int64_t prefill_tokens; /* computed by this call, including the recomputation of the whole
                               sequence when the answer crosses rope_switch */
    int64_t cached_tokens;  /* of the prompt, reused from earlier calls */
    int64_t decode_tokens;  /* new ids; the first needs no step, as prefill gives its logits */
    int vision_crops;       /* encoded by this call, not found in the cache */
};

/* Set `size` to the size of the struct before the call, which fills in all other fields. */
struct phi3v_result {
    size_t size;
    enum phi3v_finish finish;
    char *text; /* NUL-terminated: the texts of all events, and text held back when a callback
                   stopped the answer */
    size_t n_text_bytes;
    int32_t *ids; /* new ids, with the stop token if there was one */
    size_t n_ids;
    size_t n_answer_ids; /* how many of them phi3v_turn.ids takes in the next prompt: those before
                            the stop token or the stop string */
    size_t *text_ends;   /* [n_ids]: bytes of text after each id; an id that ends within a character
                            or is not shown adds none */
    /* NULL unless params.logprobs asks for them */
    float *logprobs;           /* [n_ids] */
    struct phi3v_logprob *top; /* [n_ids][n_top], as in the events */
    int n_top;                 /* params.logprobs, or n_vocab if that is smaller */
    struct phi3v_timing timing;
};

PHI3V_API void phi3v_params_default(struct phi3v_params *params);
PHI3V_API int phi3v_session_new(phi3v_model *model, phi3v_session **ret_session,
                                struct phi3v_error *err);
PHI3V_API void phi3v_session_free(phi3v_session *session);

/* Answers `prompt`, which must have been made for the session's model. What this or another session
 * of the model has already computed (the longest common prefix, pictures with the same content) is
 * reused, and the result equals that of a fresh run. The answer ends at a stop token, a stop
 * string, max_new_tokens or the end of the context. A callback that returns non-zero, or
 * phi3v_session_cancel, ends it with FINISH_INTERRUPTED and 0; before the first token the call
 * fails with CANCELLED instead, and pictures encoded and tokens computed so far are kept for the
 * next call. ret_result may be NULL; otherwise set its size before, and free its contents with
 * phi3v_result_fini. Errors: ARGUMENT, TOO_LONG (says by how many tokens; nothing held is lost),
 * MEMORY, CANCELLED, MODEL (the weights compute values that are not numbers). */
PHI3V_API int phi3v_generate(phi3v_session *session, const phi3v_prompt *prompt,
                             const struct phi3v_params *params, phi3v_event_fn on_event, void *user,
                             struct phi3v_result *ret_result, struct phi3v_error *err);
PHI3V_API void phi3v_result_fini(struct phi3v_result *result);

/* One of several answers. All jobs of an array have the same size. */
struct phi3v_job {
    size_t size;
    phi3v_session *session; /* not shared with another job; all belong to one model */
    const phi3v_prompt *prompt;
    struct phi3v_result *result; /* out, when code is 0; as in phi3v_generate; may be NULL */
    int code;                    /* out: 0, or why there is no answer */
    struct phi3v_error error;    /* out: the sentence for code */
    const struct phi3v_constraint *constraint; /* for this answer, or NULL */
};
/* job is the job's index. Returning non-zero stops that job, as phi3v_session_cancel does. */
typedef int (*phi3v_job_event_fn)(const struct phi3v_event *event, int job, void *user);
/* Answers n prompts, each as phi3v_generate would: it reads the prompts one after the other, then
 * computes the steps of all answers together, so that the weights are read once per step. A prefix
 * that prompts share is computed once. Each answer is the one its session would give alone: on the
 * CPU bit for bit, on a GPU except for rounding where prompts share a prefix. A job that fails or
 * is stopped does not hold up the others. params apply to all jobs. on_event may be NULL. Errors of
 * the whole call (each job has its own code): ARGUMENT, MEMORY. */
PHI3V_API int phi3v_generate_many(struct phi3v_job *jobs, int n, const struct phi3v_params *params,
                                  phi3v_job_event_fn on_event, void *user, struct phi3v_error *err);

/* Continuous batching, as a server needs it: like phi3v_generate_many, but jobs may join between
 * any two steps. A batch and the sessions of its jobs belong to one thread at a time. */
typedef struct phi3v_batch phi3v_batch;

/* n_jobs is the maximum number of jobs at once. Errors: ARGUMENT, MEMORY. */
PHI3V_API int phi3v_batch_new(phi3v_model *model, int n_jobs, phi3v_batch **ret_batch,
                              struct phi3v_error *err);
/* Jobs still in the batch end as if they were stopped. Call it before the model is closed. */
PHI3V_API void phi3v_batch_free(phi3v_batch *batch);
/* Adds a job with params of its own; nothing is computed yet. Job, session, prompt and the strings
 * in params must stay unchanged until its END event. on_event gets the events of phi3v_generate,
 * and END when the job has left, which may be before this returns. Errors: ARGUMENT (also when the
 * batch is full). */
PHI3V_API int phi3v_batch_join(phi3v_batch *batch, struct phi3v_job *job,
                               const struct phi3v_params *params, phi3v_event_fn on_event,
                               void *user, struct phi3v_error *err);
/* Runs one round: prefills a part of the prompt of the job that has waited longest (all of it when
 * no other answer would have to wait), then decodes one token of every answer, or up to n_tokens of
 * each when the device draws by itself. Returns how many jobs are left. */
PHI3V_API int phi3v_batch_step(phi3v_batch *batch, int n_tokens);

/* Encodes the pictures and fills the KV cache for `prompt` without answering, so that a later
 * phi3v_generate answers at once. */
PHI3V_API int phi3v_prefill(phi3v_session *session, const phi3v_prompt *prompt,
                            phi3v_event_fn on_event, void *user, struct phi3v_timing *ret_timing,
                            struct phi3v_error *err);
/* Stops the work in progress, if any. May be called from any thread or a signal handler. */
PHI3V_API void phi3v_session_cancel(phi3v_session *session);
/* Forgets what the session holds. The model still keeps pictures' features and, within
 * phi3v_model_options.reuse_bytes, keys and values for sessions that need the same again. */
PHI3V_API void phi3v_session_clear(phi3v_session *session);
/* Makes a new session that holds what this one does, in shared memory; from then on they are
 * independent. Errors: MEMORY. */
PHI3V_API int phi3v_session_fork(phi3v_session *session, phi3v_session **ret_session,
                                 struct phi3v_error *err);
/* How many tokens are held; and how many of `prompt` would be reused from this session or from the
 * model's cache (never the last, whose logits must be computed). */
PHI3V_API int64_t phi3v_session_tokens(const phi3v_session *session);
PHI3V_API int64_t phi3v_session_common(const phi3v_session *session, const phi3v_prompt *prompt);

#ifdef __cplusplus
}
#endif
#endif
