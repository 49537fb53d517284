/* SPDX-License-Identifier: MIT
 * The model at its published size against the recorded numbers. Both belong to a larger set of
 * goldens (data/README.md); PHI3V_FULLSIZE names the model's folder of 8.3 GB, and without it every
 * case is skipped.
 * PHI3V_FULLSIZE_CASES=text,image-c1 runs some. Prints time and peak memory of each case. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "fixture.h"
#include "golden.h"
#include "prompt_rows.h"

/* tests/golden/data/README.md: f32 arithmetic; the long prompts gather more rounding. */
static const double LOGITS = 5e-4, LOGITS_LONG = 2e-3, LAYERS = 1e-3, LAYERS_LONG = 4e-3,
                    IMAGE = 5e-4;

enum { LONG_FROM = 1000, MAX_BLOCKS = 4160 / KV_BLOCK };

struct run {
    struct fixture f;
    struct backend_state *s;
    const json_t *item;
    const char *name;
    struct prompt_rows p;
    int blocks[MAX_BLOCKS], n_blocks;
    float *logits; // [n_vocab]
    double vision_s;
    const struct npy *layers; // [recorded layers][H]
};

/* -- Memory of the process (Linux) ------------------------------------------------------------ */

static void reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f) return;
    fputs("5", f);
    fclose(f);
}

/* A line of /proc/self/status in GB; 0 when there is none. */
static double status_gb(const char *key)
{
    char line[200];
    double gb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return 0;
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            gb = strtod(line + strlen(key), NULL) / 1e6 * 1.024;
    fclose(f);
    return gb;
}

/* -- Pictures --------------------------------------------------------------------------------- */

/* Columns 0, step, 2 step … of the recorded rows. */
static void compare_samples(const struct run *r, const char *name, const int64_t *shape,
                            const float *data)
{
    char file[100], key[100];
    snprintf(file, sizeof file, "fullsize/%s.%s.npy", r->name, name);
    snprintf(key, sizeof key, "%s_column_step", name);
    struct npy *want = golden_npy(file);
    if (!want) return;
    const json_t *rows = json_object_get(r->item, "sample_rows");
    int64_t step = json_integer_value(json_object_get(r->item, key)), n_cols = want->shape[1];
    double worst = 0;
    for (int64_t i = 0; i < want->shape[0]; i++) {
        int64_t row = json_integer_value(json_array_get(rows, (size_t)i));
        for (int64_t col = 0; col < n_cols && row < shape[0]; col++) {
            double d =
                fabs((double)data[row * shape[1] + col * step] - want->f32[i * n_cols + col]);
            if (!(d <= worst)) worst = d;
        }
    }
    tap_ok(worst <= IMAGE, "%s %s: error %.2g of %.2g allowed", r->name, name, worst, IMAGE);
    npy_free(want);
}

static int on_picture_tensor(const char *name, int n_dims, const int64_t *shape, const float *data,
                             void *user)
{
    (void)n_dims;
    if (strcmp(name, "merged_features") == 0 || strcmp(name, "image_tokens") == 0)
        compare_samples(user, name, shape, data);
    return 0;
}

/* -- Prompts ---------------------------------------------------------------------------------- */

static int make_rows(struct run *r, struct phi3v_error *err)
{
    const char *file = json_string_value(json_object_get(r->item, "ids_file"));
    if (!file) {
        double start = clock_s();
        struct trace trace = {on_picture_tensor, r};
        bool has_images = json_array_size(json_object_get(r->item, "images")) > 0;
        int rc = prompt_rows_make(&r->f, r->s, r->item, &trace, &r->p, err);
        r->vision_s = has_images ? clock_s() - start : 0;
        return rc;
    }
    char path[200];
    snprintf(path, sizeof path, "fullsize/%s", file);
    struct npy *ids = golden_npy(path);
    if (!ids) return PHI3V_E_IO;
    int rc = prompt_rows_ids(ids->i32, (int)ids->n, &r->p, err);
    npy_free(ids);
    return rc;
}

/* Rows at positions from … of a sequence that will be `total` long; the last row's logits when
 * wanted. */
static int forward(struct run *r, const struct prompt_row *rows, int n_rows, int from, int total,
                   bool logits, const struct trace *trace, struct phi3v_error *err)
{
    const struct backend_table *t = r->f.backend->table;
    int n_blocks = (from + n_rows + KV_BLOCK - 1) / KV_BLOCK, last = n_rows - 1;
    if (n_blocks > MAX_BLOCKS) return PHI3V_E_TOO_LONG;
    if (n_blocks > r->n_blocks) {
        int rc = t->kv_alloc(r->f.backend, n_blocks - r->n_blocks, r->blocks + r->n_blocks, err);
        if (rc) return rc;
        r->n_blocks = n_blocks;
    }
    bool is_long = total > r->f.config.original_max_positions;
    struct batch_seq seq = {.rows = rows,
                            .n_rows = n_rows,
                            .first_pos = from,
                            .blocks = r->blocks,
                            .rope_factors = is_long ? ROPE_LONG_FACTORS : ROPE_SHORT_FACTORS};
    struct batch b = {.seqs = &seq,
                      .n_seqs = 1,
                      .logit_rows = &last,
                      .n_logit_rows = logits,
                      .logits = r->logits,
                      .trace = trace};
    return t->forward(r->s, &b, err);
}

/* -- Comparing -------------------------------------------------------------------------------- */

/* The last row goes alone, traced: by row independence it has the bits of the whole prompt's last
 * row. */
static int on_layer(const char *name, int n_dims, const int64_t *shape, const float *data,
                    void *user)
{
    (void)n_dims;
    const struct run *r = user;
    const json_t *layers = json_object_get(r->item, "layers");
    for (size_t i = 0; i < json_array_size(layers); i++) {
        char want[40];
        snprintf(want, sizeof want, "decoder.layer.%d",
                 (int)json_integer_value(json_array_get(layers, i)));
        if (strcmp(name, want) != 0) continue;
        size_t hidden = (size_t)shape[1];
        double allowed = r->p.n > LONG_FROM ? LAYERS_LONG : LAYERS;
        struct golden_diff d = golden_compare(data, r->layers->f32 + i * hidden, hidden);
        tap_ok(d.max_abs <= allowed, "%s %s: error %.2g of %.2g allowed", r->name, name, d.max_abs,
               allowed);
    }
    return 0;
}

static int32_t best_id(const float *logits, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

static void compare_logits(const struct run *r)
{
    char file[100];
    snprintf(file, sizeof file, "fullsize/%s.logits.npy", r->name);
    struct npy *want = golden_npy(file);
    if (!want) return;
    double allowed = r->p.n > LONG_FROM ? LOGITS_LONG : LOGITS;
    struct golden_diff d = golden_compare(r->logits, want->f32, want->n);
    tap_ok(d.max_abs <= allowed, "%s logits: error %.2g (rms %.2g) of %.2g allowed", r->name,
           d.max_abs, d.rms, allowed);
    tap_ok(best_id(r->logits, r->f.config.n_vocab) == best_id(want->f32, (int)want->n),
           "%s best id", r->name);
    npy_free(want);
}

/* -- A case ----------------------------------------------------------------------------------- */

static int prefill(struct run *r, struct phi3v_error *err)
{
    struct trace trace = {on_layer, r};
    int n = r->p.n, rc = 0;
    double start = clock_s();
    if (n > 1) rc = forward(r, r->p.rows, n - 1, 0, n, false, NULL, err);
    if (rc == 0) rc = forward(r, r->p.rows + n - 1, 1, n - 1, n, true, &trace, err);
    double seconds = clock_s() - start;
    if (rc == 0)
        tap_note("%s: vision %.2f s, prefill of %d tokens %.2f s (%.1f tokens/s)", r->name,
                 r->vision_s, n, seconds, n / seconds);
    return rc;
}

/* The recorded gaps are far above the tolerance, so the ids are equal. */
static int decode(struct run *r, struct phi3v_error *err)
{
    const json_t *want = json_object_get(json_object_get(r->item, "greedy"), "new_ids");
    size_t n = json_array_size(want);
    double start = clock_s();
    for (size_t i = 0; i < n; i++) {
        int32_t id = best_id(r->logits, r->f.config.n_vocab);
        int32_t expected = (int32_t)json_integer_value(json_array_get(want, i));
        if (!tap_ok(id == expected, "%s greedy %zu: %d, expected %d", r->name, i, id, expected))
            break;
        struct prompt_row row = {.id = id};
        int pos = r->p.n + (int)i;
        int rc = forward(r, &row, 1, pos, pos + 1, true, NULL, err);
        if (rc) return rc;
    }
    if (n) tap_note("%s: decode %.2f tokens/s", r->name, (double)n / (clock_s() - start));
    return 0;
}

static void run_case(struct run *r)
{
    struct phi3v_error err = {0};
    const struct backend_table *t = r->f.backend->table;
    char file[100];
    snprintf(file, sizeof file, "fullsize/%s.layers.npy", r->name);
    struct npy *layers = golden_npy(file);
    if (!layers) return;
    r->layers = layers;
    reset_peak();
    int rc = t->state_new(r->f.backend, &r->s, &err);
    if (rc == 0) rc = make_rows(r, &err);
    if (rc == 0) rc = prefill(r, &err);
    if (rc == 0) compare_logits(r);
    if (rc == 0) rc = decode(r, &err);
    tap_ok(rc == 0, "%s%s%s", r->name, rc ? ": " : "", rc ? err.text : "");
    tap_note("%s: peak memory %.2f GB, of it mapped weights %.2f GB at the end", r->name,
             status_gb("VmHWM:"), status_gb("RssFile:"));
    t->kv_free(r->f.backend, r->blocks, r->n_blocks);
    prompt_rows_fini(&r->f, &r->p);
    t->state_free(r->s);
    npy_free(layers);
}

/* -- All cases -------------------------------------------------------------------------------- */

static bool chosen(const char *name)
{
    const char *list = getenv("PHI3V_FULLSIZE_CASES");
    if (!list || !*list) return true;
    size_t n = strlen(name);
    for (const char *at = strstr(list, name); at; at = strstr(at + 1, name))
        if ((at == list || at[-1] == ',') && (at[n] == ',' || at[n] == '\0')) return true;
    return false;
}

static void run_all(const json_t *cases, const char *dir)
{
    struct run r = {0};
    struct phi3v_error err;
    double start = clock_s();
    if (fixture_open(&r.f, dir, 0, &err)) return (void)tap_ok(false, "%s: %s", dir, err.text);
    tap_note("%s, opened in %.2f s", r.f.backend->table->name(r.f.backend), clock_s() - start);
    float *logits = mem_array((size_t)r.f.config.n_vocab, sizeof *logits);
    size_t i;
    json_t *item;
    json_array_foreach(cases, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "case"));
        struct run one = {.f = r.f, .item = item, .name = name, .logits = logits};
        if (chosen(name))
            run_case(&one);
        else
            tap_skip("not in PHI3V_FULLSIZE_CASES", "%s", name);
    }
    mem_free(logits);
    fixture_close(&r.f);
}

int main(int argc, char **argv)
{
    golden_init(argc, argv);
    json_t *index = golden_json("fullsize/index.json");
    const char *dir = getenv("PHI3V_FULLSIZE");
    if (index && dir && file_is_dir(dir))
        run_all(json_object_get(index, "cases"), dir);
    else if (index)
        tap_skip("PHI3V_FULLSIZE names no folder", "fullsize");
    json_decref(index);
    return tap_done();
}
