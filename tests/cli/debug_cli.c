/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope debug against the recorded data: what the other tests see inside must come out of the
 * program. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"
#include "golden.h"

static const char *model(void) { return drive_golden("models/tiny-gqa-bf16"); }

/* -- tokenize ------------------------------------------------------------------------------- */

/* One line of JSON for each case: its value under `key`. */
static char *column(const json_t *cases, const char *key)
{
    char *all = NULL;
    size_t n = 0, i;
    json_t *one;
    json_array_foreach(cases, i, one)
    {
        char *line = json_dumps(json_object_get(one, key), JSON_COMPACT | JSON_ENCODE_ANY);
        size_t k = strlen(line);
        all = realloc(all, n + k + 2);
        if (!all) exit(99);
        memcpy(all + n, line, k);
        all[n + k] = '\n';
        n += k + 1;
        all[n] = 0;
        free(line);
    }
    return all;
}

/* Feeds `from` of each case and compares what comes back with `to`. */
static void compare_columns(const json_t *cases, const char *from, const char *to,
                            const char *const *words)
{
    char *input = column(cases, from);
    const struct run *r = drive(input, words);
    size_t i, wrong = 0;
    json_t *one;
    const char *line = r->out;
    json_array_foreach(cases, i, one)
    {
        size_t n = strcspn(line, "\n");
        json_t *got = json_loadb(line, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (!got || !json_equal(got, json_object_get(one, to))) {
            if (!wrong++) tap_note("case %zu: %.*s", i, (int)(n > 200 ? 200 : n), line);
        }
        json_decref(got);
        line += n + (line[n] == '\n');
    }
    tap_ok(r->status == 0 && !wrong && !*line, "debug tokenize: %s to %s, %zu cases", from, to,
           json_array_size(cases));
    free(input);
}

static void tokenize(void)
{
    json_t *all = golden_json("tokenizer/cases.json");
    if (!all) return;
    const json_t *text = json_object_get(all, "text_cases");
    const json_t *decode = json_object_get(all, "decode_cases");
#define WORDS(...) (const char *const[]){"debug", "tokenize", "-m", model(), __VA_ARGS__, NULL}
    compare_columns(text, "text", "ids", WORDS("--device", "cpu"));
    compare_columns(text, "text", "ids_no_bos", WORDS("--no-bos"));
    compare_columns(text, "ids", "decode_skip_special", WORDS("--decode"));
    compare_columns(text, "ids", "decode_keep_special", WORDS("--decode", "--keep-special"));
    compare_columns(decode, "ids", "skip_special", WORDS("--decode"));
    compare_columns(decode, "ids", "keep_special", WORDS("--decode", "--keep-special"));
#undef WORDS
    json_decref(all);
    tap_ok(DRIVE("{\"not\": \"a string\"}\n", "debug", "tokenize", "-m", model())->status == 4,
           "debug tokenize refuses what is not a string");
    tap_ok(DRIVE("[1, 2.5]\n", "debug", "tokenize", "--decode", "-m", model())->status == 4,
           "debug tokenize --decode refuses what is not an id");
}

/* -- prompt --------------------------------------------------------------------------------- */

static bool ids_match(const json_t *ids, const json_t *rle)
{
    size_t at = 0, i;
    json_t *item;
    json_array_foreach(rle, i, item)
    {
        json_int_t id = json_integer_value(json_is_array(item) ? json_array_get(item, 0) : item);
        json_int_t n = json_is_array(item) ? json_integer_value(json_array_get(item, 1)) : 1;
        for (; n > 0; n--, at++)
            if (json_integer_value(json_array_get(ids, at)) != id) return false;
    }
    return at == json_array_size(ids);
}

static void prompt_case(const json_t *one, size_t k)
{
    const char *words[32] = {"debug", "prompt", "-m", model(), "--num-crops"};
    char crops[16];
    int n = 5;
    size_t i;
    json_t *file;
    snprintf(crops, sizeof crops, "%d", (int)json_integer_value(json_object_get(one, "num_crops")));
    words[n++] = crops;
    json_array_foreach(json_object_get(one, "images"), i, file)
    {
        char relative[200];
        snprintf(relative, sizeof relative, "images/%s", json_string_value(file));
        words[n++] = "-i";
        words[n++] = drive_golden(relative);
    }
    words[n++] = "--exif=off";
    words[n++] = "--";
    words[n++] = json_string_value(json_object_get(one, "prompt"));
    const struct run *r = drive(NULL, words);
    if (json_object_get(one, "error")) {
        tap_ok(r->status == 1 && !*r->out && *r->err, "debug prompt: case %zu is refused", k);
        return;
    }
    json_t *got = drive_json(0);
    tap_ok(r->status == 0 &&
               ids_match(json_object_get(got, "input_ids"), json_object_get(one, "ids_rle")),
           "debug prompt: case %zu", k);
    json_decref(got);
}

static void prompts(void)
{
    json_t *all = golden_json("tokenizer/prompt_cases.json"), *one;
    size_t k;
    if (!all) return;
    json_array_foreach(json_object_get(all, "image_prompt_cases"), k, one) prompt_case(one, k);
    json_decref(all);
}

/* -- preprocess ----------------------------------------------------------------------------- */

/* An NPY file of f32: its shape as "[a, b]" and its values. */
static float *read_npy(const char *path, char *shape, size_t n_shape, size_t *ret_n)
{
    FILE *f = fopen(path, "rb");
    unsigned char start[10];
    char head[1000] = "";
    float *values = NULL;
    *ret_n = 0;
    if (!f) return NULL;
    if (fread(start, 1, 10, f) == 10 && !memcmp(start, "\x93NUMPY\x01\x00", 8)) {
        size_t n = start[8] + 256u * start[9];
        if (n < sizeof head && fread(head, 1, n, f) == n && (10 + n) % 64 == 0 &&
            strstr(head, "'descr': '<f4', 'fortran_order': False, 'shape': (")) {
            const char *open = strchr(head, '('), *close = strchr(head, ')');
            snprintf(shape, n_shape, "%.*s", (int)(close - open + 1), open);
            long begin = ftell(f);
            fseek(f, 0, SEEK_END);
            *ret_n = (size_t)(ftell(f) - begin) / sizeof(float);
            fseek(f, begin, SEEK_SET);
            values = malloc(*ret_n * sizeof(float) + 1);
            if (values && fread(values, sizeof(float), *ret_n, f) != *ret_n) *ret_n = 0;
        }
    }
    fclose(f);
    return values;
}

static void preprocess(void)
{
    const char *out = drive_file("x.npy");
    const struct run *r = DRIVE(NULL, "debug", "preprocess", "-m", model(), "-i",
                                drive_golden("images/chart.png"), "--num-crops", "4", "-o", out);
    tap_ok(r->status == 0 && !strcmp(r->out, "{\"image_size\":[672,672],\"num_img_tokens\":757,"
                                             "\"shape\":[5,3,336,336]}\n"),
           "debug preprocess tells size, tokens and shape");
    char shape[100] = "";
    size_t n;
    float *got = read_npy(out, shape, sizeof shape, &n);
    tap_ok(!strcmp(shape, "(5, 3, 336, 336)") && n == 5u * 3 * 336 * 336,
           "debug preprocess writes NPY: %s", shape);
    struct npy *want = golden_npy("preprocess/chart_c4_global.npy");
    if (want) {
        double worst = golden_compare(got, want->f32, want->n).max_abs;
        tap_ok(n >= want->n && worst <= 1e-6,
               "debug preprocess: the global view is the recorded one (%g)", worst);
        npy_free(want);
    }
    free(got);
    r = DRIVE(NULL, "debug", "preprocess", "-m", model(), "-i", drive_golden("README.md"), "-o",
              out);
    tap_ok(r->status == 4 && strstr(r->err, "README.md"),
           "debug preprocess: what is no picture ends with 4");
}

/* -- logits, activations -------------------------------------------------------------------- */

static void logits(void)
{
    const char *prompt = "<|user|>\nHello, who are you?<|end|>\n<|assistant|>\n";
    const char *ids = drive_write(
        "ids.json", "[1,32010,29871,13,10994,29892,1058,526,366,29973,32007,29871,13,32001]");
    char shape[100] = "";
    size_t n, n_all;
    const struct run *r = DRIVE(NULL, "debug", "logits", "-m", model(), "--dtype", "f32", "-o",
                                drive_file("a.npy"), prompt);
    tap_ok(r->status == 0 && !*r->out, "debug logits of a prompt");
    DRIVE(NULL, "debug", "logits", "-m", model(), "--dtype", "f32", "-o", drive_file("b.npy"),
          "--ids", ids);
    DRIVE(NULL, "debug", "logits", "-m", model(), "--dtype", "f32", "-o", drive_file("c.npy"),
          "--all", "--ids", ids);
    float *a = read_npy(drive_file("a.npy"), shape, sizeof shape, &n);
    tap_ok(!strcmp(shape, "(32064,)") && n == 32064, "debug logits: one row, %s", shape);
    float *b = read_npy(drive_file("b.npy"), shape, sizeof shape, &n);
    tap_ok(a && b && n == 32064 && !memcmp(a, b, n * sizeof *a),
           "debug logits: --ids gives the same");
    float *c = read_npy(drive_file("c.npy"), shape, sizeof shape, &n_all);
    tap_ok(!strcmp(shape, "(14, 32064)"), "debug logits --all: %s", shape);
    tap_ok(a && c && n_all == 14 * n && !memcmp(a, c + 13 * n, n * sizeof *a),
           "debug logits --all: the last row is the same");
    free(a);
    free(b);
    free(c);
    r = DRIVE(NULL, "debug", "logits", "-m", model(), "-o", drive_file("d.npy"), "--ids",
              drive_write("bad.json", "[1, \"x\"]"));
    tap_ok(r->status == 4 && strstr(r->err, "item 1 is not a token id"), "debug logits: bad ids");
}

/* Compares the named f32 tensors of two safetensors files. */
static void compare_tensors(const char *got_path, const char *want_path, const char *name)
{
    char *file[2] = {NULL, NULL};
    size_t n[2] = {0, 0};
    json_t *head[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        FILE *f = fopen(i ? want_path : got_path, "rb");
        if (!f) break;
        fseek(f, 0, SEEK_END);
        n[i] = (size_t)ftell(f);
        rewind(f);
        file[i] = malloc(n[i] + 1);
        if (!file[i] || fread(file[i], 1, n[i], f) != n[i]) n[i] = 0;
        fclose(f);
        uint64_t k;
        if (n[i] < 8) break;
        memcpy(&k, file[i], 8);
        if (k <= n[i] - 8) head[i] = json_loadb(file[i] + 8, k, 0, NULL);
        if (k % 8) tap_ok(false, "%s: the header is not padded", name);
        if (head[i]) json_object_set_new(head[i], "", json_integer((json_int_t)k + 8));
    }
    size_t compared = 0, wrong = 0;
    const char *tensor;
    json_t *want;
    json_object_foreach(head[1], tensor, want)
    {
        const json_t *got = json_object_get(head[0], tensor);
        if (!*tensor || *tensor == '_' || !got) continue;
        json_int_t at[2], end;
        for (int i = 0; i < 2; i++)
            json_unpack(json_object_get(i ? want : (json_t *)(uintptr_t)got, "data_offsets"),
                        "[I,I]", &at[i], &end);
        size_t values = (size_t)(end - at[1]) / sizeof(float);
        const float *g = (const float *)(void *)(file[0] + at[0] +
                                                 json_integer_value(json_object_get(head[0], "")));
        const float *w = (const float *)(void *)(file[1] + at[1] +
                                                 json_integer_value(json_object_get(head[1], "")));
        double scale = 1;
        for (size_t k = 0; k < values; k++)
            if (fabs((double)w[k]) > scale) scale = fabs((double)w[k]);
        bool ok = json_equal(json_object_get(got, "shape"), json_object_get(want, "shape")) &&
                  golden_compare(g, w, values).max_abs <= 2e-4 * scale;
        if (!ok && !wrong++) tap_note("%s", tensor);
        compared++;
    }
    tap_ok(compared >= 10 && !wrong, "debug activations: %zu tensors of %s", compared, name);
    for (int i = 0; i < 2; i++) {
        json_decref(head[i]);
        free(file[i]);
    }
}

static void activations(void)
{
    static const char *const recorded = "activations/tiny-gqa-bf16.image_c1.safetensors";
    const char *out = drive_file("a.safetensors");
    const struct run *r =
        DRIVE(NULL, "debug", "activations", "-m", model(), "--dtype", "f32", "--num-crops", "1",
              "-i", drive_golden("images/tiny_97x61.png"), "-o", out,
              "<|user|>\n<|image_1|>\nWhat is shown in this image?<|end|>\n<|assistant|>\n");
    tap_ok(r->status == 0, "debug activations");
    if (golden_exists(recorded))
        compare_tensors(out, drive_golden(recorded), recorded);
    else
        tap_skip(recorded, "debug activations: recorded tensors");
}

static void wrong_use(void)
{
    static const struct {
        const char *words[8], *says;
    } bad[] = {
        {{"debug"}, "debug needs tokenize"},
        {{"debug", "promt"}, "did you mean prompt?"},
        {{"debug", "logits", "hello"}, "needs -o FILE"},
        {{"debug", "logits", "-o", "x"}, "needs a raw prompt or --ids FILE"},
        {{"debug", "preprocess", "-o", "x"}, "needs one picture"},
        {{"debug", "tokenize", "hello"}, "one word too many"},
        {{"debug", "tokenize", "--num-corps", "3"}, "did you mean --num-crops?"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct run *r = drive(NULL, bad[i].words);
        tap_ok(r->status == 2 && strstr(r->err, bad[i].says) && !*r->out, "wrong use: %s",
               bad[i].says);
    }
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    wrong_use();
    if (golden_exists("models/tiny-gqa-bf16")) {
        tokenize();
        prompts();
        preprocess();
        logits();
        activations();
    } else {
        tap_skip("models/tiny-gqa-bf16", "debug verbs");
    }
    return drive_done();
}
