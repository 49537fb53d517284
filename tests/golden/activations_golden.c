/* SPDX-License-Identifier: MIT
 * Every named tensor of every recorded trace: vision tower, projector, rope, decoder, logits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "fixture.h"
#include "golden.h"
#include "prompt_rows.h"

/* Allowed error (tests/golden/data/README.md): f32 arithmetic in another order of summation. */
static const double DECODER_TOLERANCE = 2e-4, VISION_TOLERANCE = 1e-4;
/* bf16 activations (tests/golden/data/README.md): root mean square of the error 2 % of the values'
 * own, logits within 0.25; a single value of another tensor within a quarter of that spread
 * (below). */
static const double BF16_RMS = 0.02, BF16_LOGITS = 0.25, BF16_MAX = 0.25;
/* One case's attention is so sharp that roundings of half a unit in the last place grow more than
 * that: bf16_spread.py rounds each stored activation of it, in doubles otherwise, and finds in 100
 * draws errors of the last logits of 0.31 (rms 0.083) in the middle and 0.61 (0.163) at 95 %;
 * rounded with no draw 0.44 (0.114). The reference's own 0.196 is one lucky draw of these. Three
 * times the README's bound. */
static const char SHARP_CASE[] = "tiny-long-bf16/text";
static const double SHARP = 3;

static bool is_bf16(void) { return strcmp(fixture_device(), "cpu") != 0; }

enum { SOME_LOGITS = 512, MAX_LOGIT_ROWS = 16 };

struct check {
    const char *name; // "tiny-a-f32/text"
    const struct weights *want;
    const json_t *scale; // tensor -> largest absolute value
    size_t n_seen;
    bool *seen; // [tensors of want]
};

static bool is_vision(const char *name)
{
    return strncmp(name, "vision.", 7) == 0 || strcmp(name, "merged_features") == 0 ||
           strncmp(name, "projector.", 10) == 0 || strcmp(name, "image_tokens") == 0;
}

static double tolerance(const struct check *c, const char *name)
{
    const char *like = strcmp(name, "logits_some") ? name : "logits_last";
    double scale = fmax(1, json_number_value(json_object_get(c->scale, like)));
    return is_vision(name) ? VISION_TOLERANCE : DECODER_TOLERANCE * scale;
}

static bool is_logits(const char *name) { return !strncmp(name, "logits_", 7); }

static double rms_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return sqrt(sum / (double)n);
}

static bool same_shape(const struct tensor *t, int n_dims, const int64_t *shape)
{
    return t->n_dims == n_dims && memcmp(t->shape, shape, (size_t)n_dims * sizeof *shape) == 0;
}

static void compare(const struct check *c, const struct tensor *t, const float *got)
{
    size_t n = t->n_bytes / sizeof(float);
    float *want = mem_array(n, sizeof *want); // the file's data may be unaligned
    if (!want) return (void)tap_ok(false, "%s %s: no memory", c->name, t->name);
    memcpy(want, t->data, t->n_bytes);
    struct golden_diff d = golden_compare(got, want, n);
    double allowed = tolerance(c, t->name);
    if (is_bf16()) {
        double sharp = strcmp(c->name, SHARP_CASE) ? 1 : SHARP, spread = sharp * rms_of(want, n);
        allowed = is_logits(t->name) ? sharp * BF16_LOGITS : BF16_MAX * spread;
        tap_ok(d.rms <= BF16_RMS * spread, "%s %s: average error %.2g of %.2g allowed", c->name,
               t->name, d.rms, BF16_RMS * spread);
    }
    tap_ok(d.max_abs <= allowed, "%s %s: error %.2g of %.2g allowed", c->name, t->name, d.max_abs,
           allowed);
    mem_free(want);
}

/* Receives what the backend computed; tensors that were not recorded are passed over. */
static int on_tensor(const char *name, int n_dims, const int64_t *shape, const float *data,
                     void *user)
{
    struct check *c = user;
    for (size_t i = 0; i < weights_count(c->want); i++) {
        const struct tensor *t = weights_at(c->want, i);
        if (strcmp(t->name, name) != 0) continue;
        c->seen[i] = true;
        if (tap_ok(same_shape(t, n_dims, shape), "%s %s: shape", c->name, name))
            compare(c, t, data);
    }
    return 0;
}

/* -- A trace ---------------------------------------------------------------------------------- */

/* The recorded positions and the last one, ascending; returns how many. */
static int wanted_rows(const json_t *trace, int n_rows, int rows[MAX_LOGIT_ROWS])
{
    const json_t *some = json_object_get(trace, "logits_some_positions");
    int n = 0;
    for (size_t i = 0; i < json_array_size(some) && n < MAX_LOGIT_ROWS - 1; i++)
        rows[n++] = (int)json_integer_value(json_array_get(some, i));
    rows[n++] = n_rows - 1;
    return n;
}

/* [positions][first 512 logits], handed over like the backend's own tensors. */
static void check_some_logits(struct check *c, const float *logits, int n, int n_vocab)
{
    float *some = mem_array((size_t)n * SOME_LOGITS, sizeof *some);
    if (!some) return;
    for (int i = 0; i < n; i++)
        memcpy(some + i * SOME_LOGITS, logits + (size_t)i * (size_t)n_vocab,
               SOME_LOGITS * sizeof *some);
    on_tensor("logits_some", 2, (int64_t[]){n, SOME_LOGITS}, some, c);
    mem_free(some);
}

static int forward(const struct fixture *f, struct backend_state *s, const struct prompt_rows *p,
                   const json_t *trace, struct check *c, struct phi3v_error *err)
{
    const struct backend_table *table = f->backend->table;
    int rows[MAX_LOGIT_ROWS], n = wanted_rows(trace, p->n, rows), n_vocab = f->config.n_vocab;
    int n_blocks = (p->n + KV_BLOCK - 1) / KV_BLOCK;
    int *blocks = mem_array((size_t)n_blocks, sizeof *blocks);
    float *logits = mem_array((size_t)n * (size_t)n_vocab, sizeof *logits);
    int rc = blocks && logits ? table->kv_alloc(f->backend, n_blocks, blocks, err) : PHI3V_E_MEMORY;
    if (rc == 0) {
        bool is_long = p->n > f->config.original_max_positions;
        struct batch_seq seq = {.rows = p->rows,
                                .n_rows = p->n,
                                .blocks = blocks,
                                .rope_factors = is_long ? ROPE_LONG_FACTORS : ROPE_SHORT_FACTORS};
        struct batch b = {.seqs = &seq,
                          .n_seqs = 1,
                          .logit_rows = rows,
                          .n_logit_rows = n,
                          .logits = logits,
                          .trace = &(struct trace){on_tensor, c}};
        rc = table->forward(s, &b, err);
        if (rc == 0) check_some_logits(c, logits, n - 1, n_vocab);
        table->kv_free(f->backend, blocks, n_blocks);
    }
    mem_free(logits);
    mem_free(blocks);
    return rc;
}

static void report_unseen(const struct check *c)
{
    for (size_t i = 0; i < weights_count(c->want); i++)
        if (!c->seen[i])
            tap_ok(false, "%s %s: was not computed", c->name, weights_at(c->want, i)->name);
}

static void run_trace(struct fixture *f, const json_t *trace, struct check *c)
{
    struct phi3v_error err = {0};
    struct backend_state *s = NULL;
    struct prompt_rows p = {0};
    int rc = f->backend->table->state_new(f->backend, &s, &err);
    if (rc == 0) rc = prompt_rows_make(f, s, trace, &(struct trace){on_tensor, c}, &p, &err);
    if (rc == 0) rc = forward(f, s, &p, trace, c, &err);
    tap_ok(rc == 0, "%s%s%s", c->name, rc ? ": " : "", rc ? err.text : "");
    if (rc == 0) report_unseen(c);
    prompt_rows_fini(f, &p);
    f->backend->table->state_free(s);
}

static void open_and_run(const json_t *trace, struct check *c, const char *model_dir)
{
    struct fixture f;
    struct phi3v_error err = {0};
    if (fixture_open(&f, model_dir, 2, &err))
        return (void)tap_ok(false, "%s: %s", c->name, err.text);
    tap_note("%s on %s", c->name, f.backend->table->name(f.backend));
    run_trace(&f, trace, c);
    fixture_close(&f);
}

/* PHI3V_TEST_ONLY: how the names of the traces to run begin. */
static bool is_wanted(const char *name)
{
    const char *only = getenv("PHI3V_TEST_ONLY");
    return !only || !strncmp(name, only, strlen(only));
}

static void check_trace(const json_t *trace)
{
    char name[200], file[300], model[300];
    const char *model_name = json_string_value(json_object_get(trace, "model"));
    snprintf(name, sizeof name, "%s/%s", model_name,
             json_string_value(json_object_get(trace, "case")));
    if (!is_wanted(name)) return;
    snprintf(file, sizeof file, "activations/%s",
             json_string_value(json_object_get(trace, "file")));
    snprintf(model, sizeof model, "models/%s", model_name);
    if (!golden_exists(file)) return tap_skip(file, "%s", name);
    if (!golden_exists(model)) return tap_skip(model, "%s", name);

    CLEANUP(mem_free_ptr) char *path = golden_path(file);
    CLEANUP(mem_free_ptr) char *model_dir = golden_path(model);
    struct check c = {.name = name, .scale = json_object_get(trace, "max_abs_value")};
    struct weights *want;
    struct phi3v_error err;
    if (weights_open_file(path, &want, &err)) return (void)tap_ok(false, "%s: %s", name, err.text);
    c.want = want;
    c.seen = mem_zarray(weights_count(want), sizeof *c.seen);
    if (c.seen) open_and_run(trace, &c, model_dir);
    mem_free(c.seen);
    weights_close(want);
}

int main(int argc, char **argv)
{
    golden_init(argc, argv);
    json_t *index = golden_json("activations/index.json");
    size_t i;
    json_t *trace;
    json_array_foreach(json_object_get(index, "traces"), i, trace) check_trace(trace);
    json_decref(index);
    return tap_done();
}
