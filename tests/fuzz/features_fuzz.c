/* SPDX-License-Identifier: MIT
 * Stored features of a picture. The first byte says what is right about them before the rest is put
 * over: 1 the head, 2 also the digest of the rows. Only bytes that are right in everything are
 * taken, and then they are the features. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/feature_file.h"
#include "fuzz.h"

enum { N_HEAD = 156, MAX_BYTES = 1 << 20 };

static struct phi3v_model *model; // opened before the first input, and never changed by one
static struct phi3v_image *image;
static struct slot slot;
static char *right; // what is stored of the picture's rows, here all zeros
static size_t n_right;

/* Rows as an encoder would leave them, stored once. */
__attribute__((constructor)) static void prepare(void)
{
    static const uint8_t rgb[30 * 30 * 3];
    struct phi3v_model_options opt;
    struct features *rows;
    struct feature_entry *entry;
    void *bytes;
    phi3v_model_options_default(&opt);
    opt.n_threads = 1;
    if (phi3v_model_open(MODEL, &opt, &model, NULL) ||
        phi3v_image_from_rgb(rgb, 30, 30, &image, NULL) ||
        slot_plan(&model->config, image, 1, &slot, NULL))
        abort();
    size_t n = (size_t)slot.n_tokens * (size_t)model->config.hidden;
    float *zeros = mem_zarray(n, sizeof *zeros);
    const struct backend_table *table = model->backend->table;
    if (!zeros || table->features_make(slot.n_tokens, model->config.hidden, zeros, &rows, NULL) ||
        feature_cache_put(&model->features, &slot, rows, &entry, NULL))
        abort();
    feature_cache_release(&model->features, entry);
    mem_free(zeros);
    if (feature_file_write(model, &slot, &bytes, &n_right, NULL) || !bytes) abort();
    right = bytes;
    feature_cache_fini(&model->features);
    feature_cache_init(&model->features, table, MAX_BYTES * 16);
}

/* Input over the right bytes: the rows' length is the input's where it has more than a head. */
static size_t lay_over(const uint8_t *bytes, size_t n, char *to)
{
    size_t from = bytes[0] % 3 ? N_HEAD : 0, n_all = n_right;
    memcpy(to, right, n_right);
    if (bytes[0] % 3 == 2) return n_all; // nothing is put over
    n_all = from + (n - 1);
    if (bytes[0] & 64) n_all = n_right; // as long as it should be
    for (size_t i = 0; i < n - 1 && from + i < n_all; i++) to[from + i] = (char)bytes[1 + i];
    return n_all;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct phi3v_error err = {0};
    if (n == 0 || n > MAX_BYTES) return 0;
    char *made = malloc(n_right + n + N_HEAD);
    if (!made) return 0;
    size_t n_made = lay_over(bytes, n, made);
    int code = feature_file_read(model, &slot, made, n_made, &err);
    if (code < 0 && (err.code != code || !err.text[0])) abort(); // an error says what is wrong
    if (!code && (n_made != n_right || memcmp(made, right, n_made))) abort();
    feature_cache_fini(&model->features);
    feature_cache_init(&model->features, model->backend->table, MAX_BYTES * 16);
    free(made);
    return 0;
}
