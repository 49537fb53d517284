/* SPDX-License-Identifier: MIT
 * The store of key/value blocks, and what opening a backend module says when it cannot be used. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "folder.h"
#include "backend/backend.h"
#include "backend/kv_store.h"
#include "base/mem.h"

/* -- Blocks ----------------------------------------------------------------------------------- */

enum { N_BLOCKS = 200, PARTS = 4, PART_FLOATS = 4096, SLAB_BLOCKS = 24 };

static int new_store(struct kv_store **ret)
{
    return kv_store_new(PARTS, PART_FLOATS * sizeof(float), SLAB_BLOCKS, ret, NULL);
}

static float *part_at(struct kv_store *s, int id, int part)
{
    char *block;
    kv_store_resolve(s, &id, 1, &block);
    assert_true((uintptr_t)block % 64 == 0);
    return (float *)(void *)block + (size_t)part * SLAB_BLOCKS * PART_FLOATS;
}

static void write_block(struct kv_store *s, int id, float value)
{
    for (int part = 0; part < PARTS; part++) {
        float *at = part_at(s, id, part);
        for (int i = 0; i < PART_FLOATS; i++) at[i] = value + (float)part / PARTS;
    }
}

static int block_holds(struct kv_store *s, int id, float value)
{
    for (int part = 0; part < PARTS; part++) {
        const float *at = part_at(s, id, part), want = value + (float)part / PARTS;
        if (at[0] != want || at[PART_FLOATS - 1] != want) return 0;
    }
    return 1;
}

static void test_blocks_are_apart(void **state)
{
    (void)state;
    struct kv_store *s;
    int ids[N_BLOCKS];
    assert_int_equal(new_store(&s), 0);
    assert_int_equal(kv_store_bytes(s), 0); // nothing is reserved up front
    assert_int_equal(kv_store_take(s, N_BLOCKS, ids, NULL), 0);
    for (int i = 0; i < N_BLOCKS; i++) write_block(s, ids[i], (float)i);
    for (int i = 0; i < N_BLOCKS; i++) assert_true(block_holds(s, ids[i], (float)i));
    kv_store_free(s);
}

static void test_blocks_are_used_again(void **state)
{
    (void)state;
    struct kv_store *s;
    int ids[N_BLOCKS], again[N_BLOCKS];
    assert_int_equal(new_store(&s), 0);
    assert_int_equal(kv_store_take(s, N_BLOCKS, ids, NULL), 0);
    size_t bytes = kv_store_bytes(s);
    for (int i = 0; i < N_BLOCKS; i++) write_block(s, ids[i], (float)i);
    for (int i = 0; i < N_BLOCKS; i += 2) kv_store_give(s, &ids[i], 1);
    assert_int_equal(kv_store_take(s, N_BLOCKS / 2, again, NULL), 0);
    assert_int_equal(kv_store_bytes(s), bytes);
    for (int i = 0; i < N_BLOCKS / 2; i++) write_block(s, again[i], -1);
    for (int i = 1; i < N_BLOCKS; i += 2) assert_true(block_holds(s, ids[i], (float)i));
    kv_store_give(s, again, N_BLOCKS / 2);
    for (int i = 1; i < N_BLOCKS; i += 2) kv_store_give(s, &ids[i], 1);
    assert_int_equal(kv_store_bytes(s), 0); // and all memory goes back
    kv_store_free(s);
}

/* All blocks asked for or none, and nothing lost. */
static void test_blocks_out_of_memory(void **state)
{
    (void)state;
    struct kv_store *s;
    struct phi3v_error err;
    int ids[N_BLOCKS], n_failed = 0;
    assert_int_equal(new_store(&s), 0);
    for (long n = 1;; n++, n_failed++) {
        mem_fail_at(n);
        int rc = kv_store_take(s, N_BLOCKS, ids, &err);
        mem_fail_at(0);
        if (rc == 0) break;
        assert_int_equal(rc, PHI3V_E_MEMORY);
        assert_int_equal(kv_store_bytes(s), 0);
    }
    assert_true(n_failed >= 3);
    kv_store_free(s);
}

static void *take_and_give(void *arg)
{
    struct kv_store *s = arg;
    for (int round = 0; round < 50; round++) {
        int ids[7];
        if (kv_store_take(s, 7, ids, NULL)) return arg;
        for (int i = 0; i < 7; i++) write_block(s, ids[i], (float)ids[i]);
        for (int i = 0; i < 7; i++)
            if (!block_holds(s, ids[i], (float)ids[i])) return arg;
        kv_store_give(s, ids, 7);
    }
    return NULL;
}

static void test_blocks_on_threads(void **state)
{
    (void)state;
    struct kv_store *s;
    pthread_t threads[3];
    assert_int_equal(new_store(&s), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, s), 0);
    for (int i = 0; i < 3; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(kv_store_bytes(s), 0);
    kv_store_free(s);
}

/* -- Modules ---------------------------------------------------------------------------------- */

static struct folder modules;
static char module_path[512];

static int make_modules(void **state)
{
    (void)state;
    folder_make(&modules);
    snprintf(module_path, sizeof module_path, "%s", folder_file(&modules, "phi3v-cuda.so"));
    return 0;
}

static int remove_modules(void **state)
{
    (void)state;
    folder_remove(&modules);
    return 0;
}

/* Opens with `target` (NULL: nothing) in the module's place; returns the code. */
static int open_with(const char *target, struct phi3v_error *err)
{
    struct backend *b;
    unlink(module_path);
    if (target) assert_int_equal(symlink(target, module_path), 0);
    setenv("PHI3V_BACKEND_DIR", modules.path, 1);
    return backend_cuda_open("cuda", NULL, NULL, KV_BF16, &b, err);
}

static void assert_says(const struct phi3v_error *err, const char *words)
{
    if (!strstr(err->text, words)) fail_msg("\"%s\" does not say \"%s\"", err->text, words);
}

static void test_no_module(void **state)
{
    (void)state;
    struct phi3v_error err;
    struct backend *b;
    assert_int_equal(open_with(NULL, &err), PHI3V_E_DEVICE);
    assert_says(&err, modules.path);
    assert_says(&err, "phi3v-cuda.so");
    unsetenv("PHI3V_BACKEND_DIR");
    assert_int_equal(backend_cuda_open("cuda", NULL, NULL, KV_BF16, &b, &err), PHI3V_E_DEVICE);
    assert_says(&err, "not set");
    setenv("PHI3V_BACKEND_DIR", ".", 1);
    assert_int_equal(backend_cuda_open("cuda", NULL, NULL, KV_BF16, &b, &err), PHI3V_E_DEVICE);
    assert_says(&err, "absolute");
}

static void test_broken_modules(void **state)
{
    (void)state;
    struct phi3v_error err;
    assert_int_equal(open_with("/dev/null", &err), PHI3V_E_DEVICE); // not a library
    assert_says(&err, "cannot load");
    assert_says(&err, module_path);
    assert_true(backend_cuda_installed());
    assert_int_equal(open_with(MODULE_NO_ENTRY, &err), PHI3V_E_DEVICE);
    assert_says(&err, "phi3v_backend_entry");
    assert_int_equal(open_with(MODULE_OLD, &err), PHI3V_E_DEVICE);
    assert_says(&err, "version 999");
}

static void test_module_answers(void **state)
{
    (void)state;
    struct phi3v_error err;
    assert_int_equal(open_with(MODULE_GOOD, &err), PHI3V_E_UNSUPPORTED);
    assert_says(&err, "asked for cuda");
}

/* The states that `phiscope devices` shows: no module, a module without a usable GPU, GPUs. */
static void test_gpus_are_described(void **state)
{
    (void)state;
    struct phi3v_error err;
    char text[100];
    open_with(NULL, &err);
    assert_false(backend_cuda_installed());
    assert_int_equal(backend_cuda_describe(0, text, sizeof text, &err), PHI3V_E_DEVICE);
    assert_says(&err, "no CUDA backend is installed");
    open_with(MODULE_GOOD, &err);
    assert_true(backend_cuda_installed());
    unsetenv("FAKE_GPUS");
    assert_int_equal(backend_cuda_describe(0, text, sizeof text, &err), PHI3V_E_DEVICE);
    assert_says(&err, "no driver for the fake GPU");
    setenv("FAKE_GPUS", "2", 1);
    assert_int_equal(backend_cuda_describe(1, text, sizeof text, &err), 0);
    assert_string_equal(text, "fake GPU 1, 24.0 GiB");
    assert_int_equal(backend_cuda_describe(2, text, sizeof text, &err), 1);
    unsetenv("FAKE_GPUS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_apart),
        cmocka_unit_test(test_blocks_are_used_again),
        cmocka_unit_test(test_blocks_out_of_memory),
        cmocka_unit_test(test_blocks_on_threads),
        cmocka_unit_test(test_no_module),
        cmocka_unit_test(test_broken_modules),
        cmocka_unit_test(test_module_answers),
        cmocka_unit_test(test_gpus_are_described),
    };
    return cmocka_run_group_tests(tests, make_modules, remove_modules);
}
