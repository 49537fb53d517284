/* SPDX-License-Identifier: MIT
 * The container: what is read, what is refused, shards, the writer, binding to a config. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"
#include "folder.h"
#include "weights/bind.h"
#include "weights/tensor_table.h"

static struct folder folder;
static struct phi3v_error err;

static int set_up(void **state)
{
    (void)state;
    folder_make(&folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_remove(&folder);
    return 0;
}

/* A file of the given header text and n_data bytes 0, 1, 2, … */
static void write_file(const char *name, const char *header, size_t n_data)
{
    struct buf b = {0};
    uint64_t n = strlen(header);
    for (int i = 0; i < 8; i++) buf_putc(&b, (char)(n >> (8 * i)));
    buf_puts(&b, header);
    for (size_t i = 0; i < n_data; i++) buf_putc(&b, (char)i);
    folder_write(&folder, name, b.data, b.n);
    buf_fini(&b);
}

static int try_open(const char *name, struct weights **ret)
{
    size_t before = mem_in_use_bytes();
    err = (struct phi3v_error){0};
    int code = weights_open_file(folder_file(&folder, name), ret, &err);
    if (code) assert_int_equal(mem_in_use_bytes(), before);
    return code;
}

static void assert_says(const char *part)
{
    if (!strstr(err.text, part)) fail_msg("\"%s\" lacks \"%s\"", err.text, part);
}

/* -- One file --------------------------------------------------------------------------------- */

static void reads_tensors_in_name_order(void **state)
{
    (void)state;
    write_file("a",
               "{\"z\":{\"dtype\":\"BF16\",\"shape\":[2,1],\"data_offsets\":[5,9]},"
               "\"__metadata__\":{\"format\":\"pt\"},"
               "\"k\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[9,17]},"
               "\"e\":{\"dtype\":\"F16\",\"shape\":[0,3],\"data_offsets\":[5,5]},"
               "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}   ",
               20);
    struct weights *w;
    assert_int_equal(try_open("a", &w), 0);
    assert_int_equal(weights_count(w), 4);
    assert_int_equal(weights_bytes(w), 16);
    assert_string_equal(weights_at(w, 0)->name, "b");
    assert_string_equal(weights_at(w, 3)->name, "z");
    const struct tensor *b = weights_find(w, "b"), *z = weights_find(w, "z");
    assert_int_equal(((const uint8_t *)b->data)[0], 1);
    assert_int_equal(((const uint8_t *)z->data)[0], 5);
    assert_true(z->dtype == DTYPE_BF16 && z->n_dims == 2 && z->shape[0] == 2);
    assert_string_equal(z->file, "a");
    assert_int_equal(weights_find(w, "k")->n_dims, 0);
    assert_null(weights_find(w, "c"));
    weights_close(w);
    weights_close(NULL);
}

#define T(name, dtype, shape, offsets)                                                             \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void refuses_bad_headers(void **state)
{
    (void)state;
    const struct {
        const char *header, *says;
    } cases[] = {
        {"", "the header is not valid"},
        {"[]", "not a JSON object"},
        {"{\"a\":", "the header is not valid"},
        {"{" T("a", "F32", "[1]", "[0,4]") "," T("a", "F32", "[1]", "[4,8]") "}", "duplicate"},
        {"{\"a\":5}", "unknown type (none)"},
        {"{" T("a", "F31", "[1]", "[0,4]") "}", "tensor a has the unknown type F31"},
        {"{" T("", "F32", "[1]", "[0,4]") "}", "name is empty"},
        {"{" T("a\\u001bb", "F32", "[1]", "[0,4]") "}", "control characters"},
        {"{" T("a", "F32", "[-1]", "[0,4]") "}", "shape of tensor a"},
        {"{" T("a", "F32", "4", "[0,4]") "}", "shape of tensor a"},
        {"{" T("a", "F32", "[1.5]", "[0,4]") "}", "shape of tensor a"},
        {"{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", "shape of tensor a"},
        {"{" T("a", "F32", "[4294967296,4294967296]", "[0,4]") "}", "shape of tensor a"},
        {"{" T("a", "F32", "[1]", "[0]") "}", "data_offsets"},
        {"{" T("a", "F32", "[1]", "[4,0]") "}", "data_offsets"},
        {"{" T("a", "F32", "[1]", "[-4,0]") "}", "data_offsets"},
        {"{" T("a", "F32", "[1]", "[0,\"4\"]") "}", "data_offsets"},
        {"{" T("a", "F32", "[3]", "[0,8]") "}", "takes 8 bytes, but 3 F32 needs 12"},
        {"{" T("a", "F32", "[5]", "[0,20]") "}", "is cut short: tensor a ends at byte 20"},
        {"{" T("a", "F32", "[1]", "[9223372036854775803,9223372036854775807]") "}", "cut short"},
        {"{" T("a", "F32", "[2]", "[0,8]") "," T("b", "F32", "[2]", "[7,15]") "}",
         "tensors a and b overlap"},
        {"{" T("a", "F32", "[2]", "[0,8]") "," T("b", "F32", "[2]", "[0,8]") "}", "overlap"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weights *w;
        write_file("a", cases[i].header, 16);
        if (try_open("a", &w) != PHI3V_E_MODEL) fail_msg("case %zu: %s", i, err.text);
        assert_says(cases[i].says);
    }
}

static void refuses_cut_files(void **state)
{
    (void)state;
    struct weights *w;
    folder_write(&folder, "a", "1234567", 7);
    assert_int_equal(try_open("a", &w), PHI3V_E_MODEL);
    assert_says("only 7 bytes");
    folder_write(&folder, "a", "", 0);
    assert_int_equal(try_open("a", &w), PHI3V_E_MODEL);
    folder_write(&folder, "a", "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    assert_int_equal(try_open("a", &w), PHI3V_E_MODEL);
    assert_says("18446744073709551615 bytes, the file has 10");
    folder_write(&folder, "a", "\x03\0\0\0\0\0\0\0{}", 10);
    assert_int_equal(try_open("a", &w), PHI3V_E_MODEL);
    folder_write(&folder, "a", "\x02\0\0\0\0\0\0\0{}", 10);
    assert_int_equal(try_open("a", &w), 0);
    assert_int_equal(weights_count(w), 0);
    assert_null(weights_find(w, "a"));
    weights_close(w);
    assert_int_equal(try_open("missing", &w), PHI3V_E_IO);
}

/* -- Shards ----------------------------------------------------------------------------------- */

static int open_dir(struct weights **ret)
{
    size_t before = mem_in_use_bytes();
    int code = weights_open_dir(folder.path, ret, &err);
    if (code) assert_int_equal(mem_in_use_bytes(), before);
    return code;
}

static int open_index(const char *weight_map, struct weights **ret)
{
    char text[512];
    snprintf(text, sizeof text, "{\"metadata\":{\"total_size\":8},\"weight_map\":%s}", weight_map);
    folder_puts(&folder, "model.safetensors.index.json", text);
    return open_dir(ret);
}

static void opens_shards(void **state)
{
    (void)state;
    struct weights *w;
    assert_int_equal(open_dir(&w), PHI3V_E_MODEL);
    assert_says("neither model.safetensors nor");
    write_file("1.safetensors", "{" T("b", "F32", "[1]", "[0,4]") "}", 4);
    write_file("2.safetensors", "{" T("a", "F32", "[1]", "[0,4]") "}", 4);
    assert_int_equal(open_index("{\"a\":\"2.safetensors\",\"b\":\"1.safetensors\"}", &w), 0);
    assert_int_equal(weights_count(w), 2);
    assert_string_equal(weights_at(w, 0)->file, "2.safetensors");
    weights_close(w);
}

static void refuses_bad_indexes(void **state)
{
    (void)state;
    struct weights *w;
    write_file("1.safetensors", "{" T("a", "F32", "[1]", "[0,4]") "}", 4);
    write_file("2.safetensors", "{" T("a", "F32", "[1]", "[0,4]") "}", 4);
    assert_int_equal(open_index("{}", &w), PHI3V_E_MODEL);
    assert_says("has no weight_map");
    assert_int_equal(open_index("{\"a\":\"1.safetensors\",\"c\":\"1.safetensors\"}", &w),
                     PHI3V_E_MODEL);
    assert_says("says tensor c is in 1.safetensors, but it is not");
    assert_int_equal(open_index("{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}", &w),
                     PHI3V_E_MODEL);
    assert_says("tensor a is there twice, in 1.safetensors and in 2");
    assert_int_equal(open_index("{\"a\":\"3.safetensors\"}", &w), PHI3V_E_IO);
    assert_says("3.safetensors");
    const char *const unsafe[] = {
        "\"../1.safetensors\"", "\"/etc/passwd\"", "\"..\"", "\"\"", "5", "\"a\\\\b\""};
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++) {
        char map[64];
        snprintf(map, sizeof map, "{\"a\":%s}", unsafe[i]);
        assert_int_equal(open_index(map, &w), PHI3V_E_MODEL);
        assert_says("not a plain file name");
    }
}

/* -- Writing ---------------------------------------------------------------------------------- */

static void writes_what_it_reads(void **state)
{
    (void)state;
    const float x[6] = {1, 2, 3, 4, 5, 6};
    const uint16_t y[1] = {0x3f80};
    const struct tensor tensors[] = {{.name = "x",
                                      .dtype = DTYPE_F32,
                                      .n_dims = 2,
                                      .shape = {2, 3},
                                      .data = x,
                                      .n_bytes = sizeof x},
                                     {.name = "a.y",
                                      .dtype = DTYPE_BF16,
                                      .n_dims = 1,
                                      .shape = {1},
                                      .data = y,
                                      .n_bytes = sizeof y}};
    const char *const metadata[] = {"format", "pt", NULL};
    struct weights *w;
    assert_int_equal(safetensors_write(folder_file(&folder, "out"), tensors, 2, metadata, &err), 0);
    assert_int_equal(try_open("out", &w), 0);
    const struct tensor *t = weights_find(w, "x");
    assert_int_equal((uintptr_t)t->data % 8, 0);
    assert_memory_equal(t->data, x, sizeof x);
    assert_memory_equal(weights_find(w, "a.y")->data, y, sizeof y);
    weights_close(w);
    struct tensor wrong = tensors[0];
    wrong.shape[1] = 4;
    assert_int_equal(safetensors_write(folder_file(&folder, "out"), &wrong, 1, NULL, &err),
                     PHI3V_E_ARGUMENT);
    assert_int_equal(safetensors_write(folder_file(&folder, "no/out"), tensors, 2, NULL, &err),
                     PHI3V_E_IO);
}

/* -- Binding ---------------------------------------------------------------------------------- */

static void small_config(struct config *c)
{
    config_phi3v(c);
    c->hidden = 8, c->intermediate = 12, c->n_layers = 2, c->n_heads = 2, c->n_kv_heads = 1;
    c->head_dim = 4, c->n_vocab = 10;
    c->vision = (struct vision_config){.hidden = 4,
                                       .intermediate = 6,
                                       .n_layers = 2,
                                       .n_heads = 2,
                                       .head_dim = 2,
                                       .image_size = 8,
                                       .patch_size = 2,
                                       .n_run_layers = 1};
}

struct collect {
    struct table_entry entries[128];
    size_t n;
};

static int collect_entry(void *arg, const struct table_entry *entry)
{
    struct collect *c = arg;
    c->entries[c->n++] = *entry;
    return 0;
}

/* All tensors of the small config as F32; number `skip` left out, `reshape` with one row more,
 * `retype` as I8. */
static void write_model(const struct config *c, int skip, int reshape, int retype)
{
    struct model_weights mw;
    assert_int_equal(tensor_table_prepare(c, &mw, &err), 0);
    struct collect all = {.n = 0};
    tensor_table_walk(c, &mw, collect_entry, &all);
    model_weights_fini(&mw);
    struct tensor tensors[128];
    static float data[4096];
    for (size_t i = 0; i < sizeof data / sizeof *data; i++) data[i] = (float)i;
    size_t n = 0;
    for (size_t i = 0; i < all.n; i++) {
        if ((int)i == skip) continue;
        struct tensor *t = &tensors[n++];
        *t = (struct tensor){
            .name = all.entries[i].name, .n_dims = all.entries[i].n_dims, .data = data};
        memcpy(t->shape, all.entries[i].shape, sizeof all.entries[i].shape);
        if ((int)i == reshape) t->shape[0]++;
        if ((int)i == retype) t->dtype = DTYPE_I8;
        t->n_bytes = dtype_bytes(t->dtype);
        for (int d = 0; d < t->n_dims; d++) t->n_bytes *= (size_t)t->shape[d];
    }
    assert_int_equal(
        safetensors_write(folder_file(&folder, "model.safetensors"), tensors, n, NULL, &err), 0);
}

static int bind_model(const struct config *c, struct model_weights *mw, struct weights **w)
{
    assert_int_equal(weights_open_dir(folder.path, w, &err), 0);
    int code = model_weights_bind(*w, c, mw, &err);
    if (code) weights_close(*w);
    return code;
}

static void binds_every_tensor(void **state)
{
    (void)state;
    struct config c;
    struct model_weights mw;
    struct weights *w;
    small_config(&c);
    write_model(&c, -1, -1, -1);
    size_t before = mem_in_use_bytes();
    assert_int_equal(bind_model(&c, &mw, &w), 0);
    assert_int_equal(mw.n_params * 4, weights_bytes(w));
    assert_int_equal(mw.bytes, weights_bytes(w));
    assert_true(mw.layers[1].qkv.n_out == 16 && mw.layers[1].qkv.n_in == 8);
    assert_true(mw.layers[1].gate_up.n_out == 24 && mw.layers[1].down.n_in == 12);
    assert_true(mw.patch_embedding.n_out == 4 && mw.patch_embedding.n_in == 12);
    assert_int_equal(mw.position_embedding.n, 17 * 4);
    assert_true(mw.sub_gn.n == 16 && mw.sub_gn.data[15] == 15.0f);
    assert_true(mw.vision_layers[0].fc1_b.data[5] == 5.0f);
    assert_ptr_equal(mw.embed.data, weights_find(w, "model.embed_tokens.weight")->data);
    model_weights_fini(&mw);
    weights_close(w);
    assert_int_equal(mem_in_use_bytes(), before);
}

static void refuses_each_wrong_tensor(void **state)
{
    (void)state;
    struct config c;
    struct model_weights mw;
    struct weights *w;
    small_config(&c);
    write_model(&c, -1, -1, -1);
    assert_int_equal(bind_model(&c, &mw, &w), 0);
    int n = (int)weights_count(w);
    model_weights_fini(&mw);
    weights_close(w);
    for (int i = 0; i < n; i++) {
        write_model(&c, i, -1, -1);
        assert_int_equal(bind_model(&c, &mw, &w), PHI3V_E_MODEL);
        assert_says("lack tensor ");
        write_model(&c, -1, i, -1);
        assert_int_equal(bind_model(&c, &mw, &w), PHI3V_E_MODEL);
        assert_says("not this model's config.json?");
        write_model(&c, -1, -1, i);
        assert_int_equal(bind_model(&c, &mw, &w), PHI3V_E_UNSUPPORTED);
        assert_says("has type I8; only F32, BF16 and F16");
    }
}

static void tied_embeddings_share_data(void **state)
{
    (void)state;
    struct config c;
    struct model_weights mw;
    struct weights *w;
    small_config(&c);
    c.tie_embeddings = 1;
    write_model(&c, -1, -1, -1);
    assert_int_equal(bind_model(&c, &mw, &w), 0);
    assert_null(weights_find(w, "lm_head.weight"));
    assert_ptr_equal(mw.lm_head.data, mw.embed.data);
    model_weights_fini(&mw);
    weights_close(w);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct config c;
    small_config(&c);
    write_model(&c, -1, -1, -1);
    size_t before = mem_in_use_bytes();
    for (long k = 1;; k++) {
        struct weights *w = NULL;
        struct model_weights mw = {0};
        mem_fail_at(k);
        int code = weights_open_dir(folder.path, &w, &err);
        if (!code) code = model_weights_bind(w, &c, &mw, &err);
        bool done = mem_fail_pending();
        mem_fail_at(0);
        model_weights_fini(&mw);
        weights_close(w);
        assert_int_equal(mem_in_use_bytes(), before);
        if (done) break;
        assert_int_equal(code, PHI3V_E_MEMORY);
    }
}

static void synthetic_weights_are_reproducible(void **state)
{
    (void)state;
    struct config c;
    struct model_weights a, b;
    struct pool *one, *three;
    small_config(&c);
    c.n_vocab = 40000; // several pieces of work
    assert_int_equal(pool_new(1, &one, &err), 0);
    assert_int_equal(pool_new(3, &three, &err), 0);
    assert_int_equal(model_weights_synthetic(&c, FORM_F32, one, &a, &err), 0);
    assert_int_equal(model_weights_synthetic(&c, FORM_F32, three, &b, &err), 0);
    size_t n = (size_t)a.embed.n_out * (size_t)a.embed.n_in;
    assert_memory_equal(a.embed.data, b.embed.data, n * 2);
    assert_int_equal(a.embed.type, WEIGHT_BF16);
    assert_true(a.final_norm.data[7] == 1.0f && a.proj0_b.data[0] == 0.0f);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)((const uint16_t *)a.embed.data)[i] << 16;
        float x;
        memcpy(&x, &bits, sizeof x);
        sum += x;
        squares += (double)x * x;
    }
    assert_true(sum / (double)n > -0.01 && sum / (double)n < 0.01);
    assert_true(squares / (double)n > 0.11 && squares / (double)n < 0.14); // 1/8
    model_weights_fini(&a);
    model_weights_fini(&b);
    pool_free(one);
    pool_free(three);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_tensors_in_name_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_bad_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_cut_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(opens_shards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_bad_indexes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writes_what_it_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(binds_every_tensor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_each_wrong_tensor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tied_embeddings_share_data, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
        cmocka_unit_test(synthetic_weights_are_reproducible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
