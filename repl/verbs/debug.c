/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope debug: shows each stage of the model, for tests and bug reports. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "common/json.h"
#include "common/must.h"
#include "common/nearest_name.h"
#include "phi3v_tools.h"
#include "tty/interrupt.h"
#include "verbs/bare_engine.h"
#include "verbs/divergence.h"
#include "verbs/rounding.h"
#include "verbs/tensorfile.h"
#include "verbs/verbs.h"

enum { MAX_IDS_BYTES = 64 << 20 };

struct debug {
    struct bare_engine bare;
    struct loaded *loaded;
    phi3v_image **images; // those in `loaded`
    int n_images;
    char **words; // after the verb's name
    int n_words;
};

/* -- Parts ---------------------------------------------------------------------------------- */

static int open_images(struct debug *d, struct phi3v_error *err)
{
    const struct strings *list = &d->bare.opt.images;
    d->loaded = xcalloc(list->n, sizeof *d->loaded);
    d->images = xcalloc(list->n, sizeof(phi3v_image *));
    for (; d->n_images < (int)list->n; d->n_images++) {
        struct loaded *l = &d->loaded[d->n_images];
        int rc = bare_engine_load_picture(&d->bare, list->v[d->n_images], NB_TYPED, l, err);
        if (rc) return rc;
        d->images[d->n_images] = l->image;
    }
    return 0;
}

/* Reads a JSON array of integers that can be ids. */
static int ids_from_json(const json_t *list, const char *what, int32_t **ret_ids, size_t *ret_n,
                         struct phi3v_error *err)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list))
        return refuse(err, PHI3V_E_IO, "%s is not a JSON array of token ids", what);
    int32_t *ids = xcalloc(n, sizeof *ids);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item) || id < INT32_MIN || id > INT32_MAX) {
            free(ids);
            return refuse(err, PHI3V_E_IO, "%s: item %zu is not a token id", what, i);
        }
        ids[i] = (int32_t)id;
    }
    *ret_ids = ids;
    *ret_n = n;
    return 0;
}

static int read_ids(const char *path, int32_t **ret_ids, size_t *ret_n, struct phi3v_error *err)
{
    char *text;
    size_t n;
    int rc = load_file(path, MAX_IDS_BYTES, &text, &n, err);
    if (rc) return rc;
    json_t *list = json_parse(text, n, path, err);
    rc = list ? ids_from_json(list, path, ret_ids, ret_n, err) : PHI3V_E_IO;
    json_decref(list);
    free(text);
    return rc;
}

static int build_prompt(struct debug *d, phi3v_prompt **ret, struct phi3v_error *err)
{
    const struct options *opt = &d->bare.opt;
    if (!opt->ids_file)
        return phi3v_prompt_raw(d->bare.engine.model, d->words[0], d->images, d->n_images,
                                opt->set.num_crops, ret, err);
    int32_t *ids;
    size_t n;
    int rc = read_ids(opt->ids_file, &ids, &n, err);
    if (rc) return rc;
    rc = phi3v_prompt_ids_new(d->bare.engine.model, ids, n, d->images, d->n_images,
                              opt->set.num_crops, ret, err);
    free(ids);
    return rc;
}

/* -- tokenize ------------------------------------------------------------------------------- */

static json_t *encode_line(const struct debug *d, const json_t *value, struct phi3v_error *err)
{
    int32_t *ids;
    size_t n;
    if (!json_is_string(value)) {
        refuse(err, PHI3V_E_IO, "standard input: a line is not a JSON string");
        return NULL;
    }
    if (phi3v_tokenize(d->bare.engine.model, json_string_value(value), json_string_length(value),
                       !d->bare.opt.no_bos, 1, &ids, &n, err))
        return NULL;
    json_t *list = json_ids(ids, n);
    phi3v_ids_free(ids);
    return list;
}

static json_t *decode_line(const struct debug *d, const json_t *value, struct phi3v_error *err)
{
    int32_t *ids;
    size_t n, n_bytes;
    if (ids_from_json(value, "standard input", &ids, &n, err)) return NULL;
    char *text;
    int rc = phi3v_detokenize(d->bare.engine.model, ids, n, d->bare.opt.set.keep_special, &text,
                              &n_bytes, err);
    free(ids);
    if (rc) return NULL;
    json_t *line = json_textn(text, n_bytes);
    phi3v_string_free(text);
    return line;
}

static int tokenize_line(const struct debug *d, const char *line, size_t n, struct phi3v_error *err)
{
    json_error_t why;
    json_t *value = json_loadb(line, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (!value) return refuse(err, PHI3V_E_IO, "standard input: a line is not JSON: %s", why.text);
    json_t *out = d->bare.opt.decode ? decode_line(d, value, err) : encode_line(d, value, err);
    if (out) verb_report_json(out);
    json_decref(out);
    json_decref(value);
    return out ? 0 : err->code;
}

static int tokenize(struct debug *d, struct phi3v_error *err)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    int rc = 0;
    interrupt_ends_reads(true);
    while (!rc && (n = getline(&line, &cap, stdin)) >= 0)
        if (n > 1 || line[0] != '\n') rc = tokenize_line(d, line, (size_t)n, err);
    interrupt_ends_reads(false);
    free(line);
    if (!rc && interrupt_requested()) return refuse(err, PHI3V_E_CANCELLED, "interrupted");
    return rc;
}

/* -- prompt, preprocess --------------------------------------------------------------------- */

static int prompt(struct debug *d, struct phi3v_error *err)
{
    phi3v_prompt *p;
    int rc = build_prompt(d, &p, err);
    if (rc) return rc;
    size_t n;
    const int32_t *ids = phi3v_prompt_ids(p, &n);
    json_t *tokens = json_array();
    for (int i = 0; i < phi3v_prompt_n_images(p); i++) {
        struct phi3v_image_plan plan;
        phi3v_prompt_image(p, i, &plan);
        json_array_append_new(tokens, json_integer(plan.n_tokens));
    }
    json_t *line = json_pack("{s:o,s:o}", "input_ids", json_ids(ids, n), "num_img_tokens", tokens);
    verb_report_json(line);
    json_decref(line);
    phi3v_prompt_free(p);
    return 0;
}

static int preprocess(struct debug *d, struct phi3v_error *err)
{
    float *crops;
    struct phi3v_image_plan plan;
    int rc = phi3v_image_crops(d->bare.engine.model, d->images[0], d->bare.opt.set.num_crops,
                               &crops, &plan, err);
    if (rc) return rc;
    int side = d->bare.engine.info->crop_side;
    int64_t shape[4] = {1 + plan.crop_rows * plan.crop_cols, 3, side, side};
    rc = npy_write(d->bare.opt.out, 4, shape, crops, err);
    phi3v_floats_free(crops);
    if (rc) return rc;
    json_t *line =
        json_pack("{s:[i,i],s:i,s:[I,I,I,I]}", "image_size", plan.hd_height, plan.hd_width,
                  "num_img_tokens", plan.n_tokens, "shape", (json_int_t)shape[0],
                  (json_int_t)shape[1], (json_int_t)shape[2], (json_int_t)shape[3]);
    verb_report_json(line);
    json_decref(line);
    return 0;
}

/* -- logits --------------------------------------------------------------------------------- */

static int logits(struct debug *d, struct phi3v_error *err)
{
    phi3v_prompt *p;
    int rc = build_prompt(d, &p, err);
    if (rc) return rc;
    float *values;
    size_t rows;
    rc = phi3v_logits(d->bare.engine.session, p, d->bare.opt.all, bare_engine_on_progress, &d->bare,
                      &values, &rows, err);
    progress_clear(&d->bare.progress);
    phi3v_prompt_free(p);
    if (rc) return rc;
    int64_t shape[2] = {(int64_t)rows, d->bare.engine.info->n_vocab};
    int only_last = !d->bare.opt.all;
    rc = npy_write(d->bare.opt.out, 2 - only_last, shape + only_last, values, err);
    phi3v_floats_free(values);
    return rc;
}

/* -- divergence ----------------------------------------------------------------------------- */

static int all_logits(struct debug *d, phi3v_prompt **ret_prompt, float **ret_values,
                      struct phi3v_error *err)
{
    size_t rows;
    int rc = build_prompt(d, ret_prompt, err);
    if (rc) return rc;
    rc = phi3v_logits(d->bare.engine.session, *ret_prompt, 1, bare_engine_on_progress, &d->bare,
                      ret_values, &rows, err);
    progress_clear(&d->bare.progress);
    if (rc) phi3v_prompt_free(*ret_prompt);
    return rc;
}

/* Compares the model with --dtype to the same model in exact arithmetic. */
static int divergence(struct debug *d, struct phi3v_error *err)
{
    struct debug exact = *d; /* with its own model, but the same pictures and words */
    phi3v_prompt *p, *q = NULL;
    float *a, *b = NULL;
    int rc = all_logits(d, &p, &a, err);
    if (rc) return rc;
    bare_engine_init(&exact.bare, &d->bare.opt);
    rounding_exact(&exact.bare.opt.set);
    rc = bare_engine_open_model(&exact.bare, err);
    if (!rc) rc = all_logits(&exact, &q, &b, err);
    if (!rc) {
        struct divergence sum = {0}, is;
        size_t n;
        const int32_t *ids = phi3v_prompt_ids(p, &n);
        divergence_add(&sum, a, b, ids, n, (size_t)d->bare.engine.info->n_vocab);
        is = divergence_means(&sum);
        json_t *line = json_pack("{s:o,s:I,s:f,s:f,s:f,s:f,s:f}", "dtype",
                                 json_text(d->bare.engine.info->dtype), "tokens", (json_int_t)is.n,
                                 "nll", is.nll, "nll_f32", is.reference, "kl", is.kl, "kl_max",
                                 is.kl_max, "agree", is.agree);
        verb_report_json(line);
        json_decref(line);
        phi3v_prompt_free(q);
    }
    phi3v_floats_free(a);
    phi3v_floats_free(b);
    phi3v_prompt_free(p);
    bare_engine_fini(&exact.bare);
    return rc;
}

/* -- activations ---------------------------------------------------------------------------- */

static int keep_tensor(const char *name, int n_dims, const int64_t *shape, const float *data,
                       void *user)
{
    tensor_list_add(user, name, n_dims, shape, data);
    return interrupt_requested();
}

static int activations(struct debug *d, struct phi3v_error *err)
{
    phi3v_prompt *p;
    int rc = build_prompt(d, &p, err);
    if (rc) return rc;
    struct tensor_list list = {0};
    rc = phi3v_activations(d->bare.engine.session, p, keep_tensor, &list, err);
    phi3v_prompt_free(p);
    if (!rc) rc = tensor_list_write(d->bare.opt.out, &list, err);
    tensor_list_free(&list);
    return rc;
}

/* -- Verb ----------------------------------------------------------------------------------- */

enum { WANTS_PROMPT = 1, WANTS_OUT = 2, WANTS_IMAGE = 4 };

static const struct stage {
    const char *name;
    int (*run)(struct debug *d, struct phi3v_error *err);
    int wants;
} stages[] = {{"tokenize", tokenize, 0},
              {"prompt", prompt, WANTS_PROMPT},
              {"preprocess", preprocess, WANTS_OUT | WANTS_IMAGE},
              {"logits", logits, WANTS_PROMPT | WANTS_OUT},
              {"divergence", divergence, WANTS_PROMPT},
              {"activations", activations, WANTS_PROMPT | WANTS_OUT}};
enum { N_STAGES = sizeof stages / sizeof *stages };

static const char *stage_name(int i, void *user)
{
    (void)user;
    return stages[i].name;
}

static int check_use(const struct debug *d, const struct stage *s)
{
    const struct options *opt = &d->bare.opt;
    bool prompted = opt->ids_file != NULL;
    int n_wanted = (s->wants & WANTS_PROMPT) && !prompted ? 1 : 0;
    if (d->n_words > n_wanted)
        return verb_misuse(opt, "debug %s: \"%s\" is one word too many", s->name,
                           d->words[n_wanted]);
    if (d->n_words < n_wanted)
        return verb_misuse(opt, "debug %s needs a raw prompt or --ids FILE", s->name);
    if ((s->wants & WANTS_OUT) && !opt->out)
        return verb_misuse(opt, "debug %s needs -o FILE", s->name);
    if ((s->wants & WANTS_IMAGE) && opt->images.n != 1)
        return verb_misuse(opt, "debug %s needs one picture: -i IMAGE", s->name);
    return -1;
}

static int run_stage(struct debug *d, const struct stage *s)
{
    struct phi3v_error err = {0};
    int status = check_use(d, s), rc;
    if (status >= 0) return status;
    if ((rc = open_images(d, &err)))
        return verb_report_error(&d->bare.opt, &err, verb_input_status(rc));
    if ((rc = bare_engine_open_model(&d->bare, &err)))
        return verb_report_error(&d->bare.opt, &err, verb_model_status(rc));
    if (!(rc = s->run(d, &err))) return EXIT_FINE;
    bool input = rc == PHI3V_E_IO || rc == PHI3V_E_IMAGE;
    return verb_report_error(&d->bare.opt, &err, input ? EXIT_INPUT : verb_answer_status(rc));
}

int debug_main(struct options *opt, int argc, char **argv)
{
    struct debug d = {0};
    int n, status = verb_options(opt, argc, argv, &d.words, &n);
    if (status >= 0) return status;
    const struct stage *s = NULL;
    for (int i = 0; n > 0 && i < N_STAGES; i++)
        if (!strcmp(stages[i].name, d.words[0])) s = &stages[i];
    if (!s) {
        const char *near = n > 0 ? nearest_name(d.words[0], N_STAGES, stage_name, NULL) : NULL;
        return verb_misuse(opt,
                           "debug needs tokenize, prompt, preprocess, logits, divergence or "
                           "activations%s%s%s",
                           near ? ": did you mean " : "", near ? near : "", near ? "?" : "");
    }
    d.words++;
    d.n_words = n - 1;
    bare_engine_init(&d.bare, opt);
    status = run_stage(&d, s);
    for (int i = 0; i < d.n_images; i++) loaded_fini(&d.loaded[i]);
    free(d.loaded);
    free(d.images);
    bare_engine_fini(&d.bare);
    return status;
}
