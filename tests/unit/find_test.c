/* SPDX-License-Identifier: MIT
 * -m: folders, short names, the Hugging Face cache. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "folder.h"
#include "weights/find.h"

#define SHA "0123456789abcdef0123456789abcdef01234567"
#define REPO "hub/models--org--name/"
#define SNAPSHOT REPO "snapshots/" SHA "/"

static struct folder folder;
static struct phi3v_error err;

static int set_up(void **state)
{
    (void)state;
    folder_make(&folder);
    setenv("HF_HUB_CACHE", folder_file(&folder, "hub"), 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_remove(&folder);
    return 0;
}

/* Looks name up with PATH/models and PATH/more as models folders; NULL when refused. */
static char *find(const char *name)
{
    char models[128], more[128];
    snprintf(models, sizeof models, "%s/models", folder.path);
    snprintf(more, sizeof more, "%s/more", folder.path);
    const char *dirs[] = {models, more, NULL};
    char *path = NULL;
    err = (struct phi3v_error){0};
    int code = model_find(name, dirs, &path, &err);
    assert_int_equal(code, path ? 0 : err.code);
    return path;
}

static void assert_finds(const char *name, const char *relative)
{
    char *path = find(name);
    if (!path) fail_msg("%s: %s", name, err.text);
    assert_string_equal(path, folder_file(&folder, relative));
    mem_free(path);
}

static void assert_refuses(const char *name, int code, const char *says)
{
    char *path = find(name);
    if (path) fail_msg("%s found: %s", name, path);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, says)) fail_msg("\"%s\" lacks \"%s\"", err.text, says);
}

static void fill_snapshot(const char *prefix)
{
    static const char *const names[] = {"config.json", "preprocessor_config.json", "tokenizer.json",
                                        "model.safetensors"};
    for (int i = 0; i < 4; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s%s", prefix, names[i]);
        folder_puts(&folder, path, "{}");
    }
}

static void folders_come_first(void **state)
{
    (void)state;
    folder_puts(&folder, "here/config.json", "{}");
    char name[128];
    snprintf(name, sizeof name, "%s", folder_file(&folder, "here"));
    assert_finds(name, "here");
    snprintf(name, sizeof name, "%s", folder_file(&folder, "nowhere"));
    assert_refuses(name, PHI3V_E_MODEL, "there is no folder");
    assert_refuses(folder.path, PHI3V_E_MODEL, "is a folder without config.json");
    assert_refuses("", PHI3V_E_MODEL, "empty");
}

static void short_names_lie_in_models_folders(void **state)
{
    (void)state;
    folder_puts(&folder, "more/small/config.json", "{}");
    assert_finds("small", "more/small");
    folder_puts(&folder, "models/small/config.json", "{}");
    assert_finds("small", "models/small");
    assert_refuses("large", PHI3V_E_MODEL, "no large in");
    assert_refuses("..", PHI3V_E_MODEL, "no model \"..\"");
    assert_refuses("../models/large", PHI3V_E_MODEL, "no folder");
    char *path = NULL;
    assert_int_equal(model_find("small", NULL, &path, &err), PHI3V_E_MODEL);
}

static void cache_is_read_by_ref_and_commit(void **state)
{
    (void)state;
    assert_refuses("org/name", PHI3V_E_MODEL, "no such model in the cache");
    fill_snapshot(SNAPSHOT);
    assert_refuses("org/name", PHI3V_E_MODEL,
                   "revision main of org/name is not in the local cache");
    folder_puts(&folder, REPO "refs/main", SHA);
    folder_puts(&folder, REPO "refs/pr/1", SHA "\n");
    assert_finds("org/name", "hub/models--org--name/snapshots/" SHA);
    assert_finds("org/name@main", "hub/models--org--name/snapshots/" SHA);
    assert_finds("org/name@pr/1", "hub/models--org--name/snapshots/" SHA);
    assert_finds("org/name@" SHA, "hub/models--org--name/snapshots/" SHA);
    assert_refuses("org/name@v2", PHI3V_E_MODEL, "revision v2");
    assert_refuses("org/name@1123456789abcdef0123456789abcdef01234567", PHI3V_E_MODEL,
                   "there is no folder");
    folder_puts(&folder, REPO "refs/bad", "../../../etc");
    assert_refuses("org/name@bad", PHI3V_E_MODEL, "does not hold a commit");
}

static void names_cannot_leave_the_cache(void **state)
{
    (void)state;
    fill_snapshot(SNAPSHOT);
    folder_puts(&folder, REPO "refs/main", SHA);
    const char *const names[] = {
        "org/..",         "../name",   "org/name@../main", "org/name@a//b", "org/name/x",
        "org/name@/main", "org/na me", "org/name@main/..", "org@x/name",    "/name",
        "org/",           "org/name@"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_refuses(names[i], PHI3V_E_MODEL, "no model \"");
}

static void partial_snapshots_are_named(void **state)
{
    (void)state;
    folder_puts(&folder, REPO "refs/main", SHA);
    folder_puts(&folder, SNAPSHOT "config.json", "{}");
    assert_refuses("org/name", PHI3V_E_MODEL, "only partly downloaded");
    assert_refuses("org/name", PHI3V_E_MODEL,
                   "lacks preprocessor_config.json, tokenizer.json, model.safetensors");
    folder_puts(&folder, SNAPSHOT "preprocessor_config.json", "{}");
    folder_puts(&folder, SNAPSHOT "tokenizer.json", "{}");
    folder_puts(&folder, SNAPSHOT "model.safetensors.index.json",
                "{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"two.safetensors\","
                " \"c\": \"one.safetensors\", \"d\": \"../x\", \"e\": 5}}");
    folder_puts(&folder, SNAPSHOT "two.safetensors", "x");
    assert_refuses("org/name", PHI3V_E_MODEL, "lacks one.safetensors");
    assert_null(strstr(err.text, "two.safetensors"));
    folder_puts(&folder, SNAPSHOT "one.safetensors", "x");
    assert_finds("org/name", "hub/models--org--name/snapshots/" SHA);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    partial_snapshots_are_named(state);
    size_t before = mem_in_use_bytes();
    for (long k = 1;; k++) {
        char *path = NULL;
        mem_fail_at(k);
        int code = model_find("org/name", NULL, &path, &err);
        bool done = mem_fail_pending();
        mem_fail_at(0);
        mem_free(path);
        assert_int_equal(mem_in_use_bytes(), before);
        if (done) break;
        if (code) assert_true(code == PHI3V_E_MEMORY || code == PHI3V_E_MODEL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folders_come_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(short_names_lie_in_models_folders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cache_is_read_by_ref_and_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_cannot_leave_the_cache, set_up, tear_down),
        cmocka_unit_test_setup_teardown(partial_snapshots_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
