/* SPDX-License-Identifier: MIT
 * What a GPU computes, for same_bits.sh to compare with what it computes again: same_bits FOLDER
 * [large]. Writes a file for each type of weights and of keys and values: the logits behind a
 * prompt with a picture and behind steps, and tokens drawn. "large": widths of the published model,
 * where a product's sums may be split over blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "passes.h"

static const char *folder;
static bool large;

static struct config config_for(enum weights_form form)
{
    struct config c;
    fixture_small_config(&c);
    if (large) {
        c.hidden = 3072;
        c.intermediate = 8192;
        c.n_heads = c.n_kv_heads = 32;
        c.head_dim = 96;
        c.n_vocab = 32064;
        for (int i = 0; i < 48; i++) c.rope_short[i] = 1, c.rope_long[i] = 2;
        c.vision = (struct vision_config){.hidden = 1024,
                                          .intermediate = 4096,
                                          .n_layers = 3,
                                          .n_heads = 16,
                                          .head_dim = 64,
                                          .image_size = 336,
                                          .patch_size = 14,
                                          .layer_norm_eps = 1e-5f,
                                          .n_run_layers = 2};
    }
    c.n_layers = form == FORM_Q4 ? 5 : 2; // the fifth is the first that has nothing but 4 bits
    return c;
}

static void write_pass(const struct passes_model *m, enum kv_type kv, const char *name)
{
    int32_t ids[PASSES_DRAWN];
    char path[4096];
    size_t n = (1 + PASSES_STEPS) * (size_t)m->config.n_vocab;
    float *logits = mem_array(n, sizeof *logits);
    struct backend *gpu = passes_gpu(m, kv);
    passes_run(gpu, &m->config, logits, ids);
    gpu->table->close(gpu);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(logits, sizeof *logits, n, f), n);
    assert_int_equal(fwrite(ids, sizeof *ids, PASSES_DRAWN, f), PASSES_DRAWN);
    assert_int_equal(fclose(f), 0);
    mem_free(logits);
}

static void write_all(void **state)
{
    (void)state;
    static const char *const forms[] = {[FORM_F32] = "bf16", [FORM_Q8] = "q8", [FORM_Q4] = "q4"};
    for (int form = 0; form <= FORM_Q4; form++) {
        struct passes_model m;
        struct config c = config_for((enum weights_form)form);
        char name[40];
        if (!forms[form]) continue;
        passes_open(&m, &c, (enum weights_form)form, 2);
        snprintf(name, sizeof name, "%s-kv-bf16", forms[form]);
        write_pass(&m, KV_BF16, name);
        snprintf(name, sizeof name, "%s-kv-q8", forms[form]);
        write_pass(&m, KV_Q8, name);
        passes_close(&m);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    folder = argv[1];
    large = argc > 2 && !strcmp(argv[2], "large");
    const struct CMUnitTest tests[] = {cmocka_unit_test(write_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
