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

#define OTHER "hub/models--Big--Phi-3.5-Vision/"

/* PATH in a name stands for the test's folder. */
static void write_name(const char *name, char *out, size_t cap)
{
    const char *at = strstr(name, "PATH");
    snprintf(out, cap, "%.*s%s%s", (int)(at ? at - name : 0), name, at ? folder.path : "",
             at ? at + 4 : name);
}

static void fill_places(void)
{
    folder_puts(&folder, "here/config.json", "{}");
    folder_puts(&folder, "here/tokenizer.json", "{}");
    folder_puts(&folder, "my model/config.json", "{}");
    folder_puts(&folder, "50%/config.json", "{}");
    folder_puts(&folder, "models/Default/config.json", "{}");
    folder_puts(&folder, "models/other/config.json", "{}");
    folder_puts(&folder, "more/DEFAULT/config.json", "{}");
    fill_snapshot(SNAPSHOT);
    folder_puts(&folder, REPO "refs/main", SHA);
    folder_puts(&folder, REPO "refs/refs/pr/1", SHA);
    folder_puts(&folder, REPO "blobs/0a", "");
    fill_snapshot(OTHER "snapshots/" SHA "/");
    folder_puts(&folder, OTHER "refs/main", SHA);
    setenv("HOME", folder.path, 1);
    setenv("HF_ENDPOINT", "http://mirror.example:8080/", 1);
}

#define IN_CACHE REPO "snapshots/" SHA
#define IN_OTHER OTHER "snapshots/" SHA

static const struct {
    const char *name, *finds;
} spellings[] = {
    {"PATH/here", "here"},
    {"~/here", "here"},
    {"\"~/here\"", "here"},
    {"  PATH/here\t", "here"},
    {"'PATH/my model'", "my model"},
    {"\"PATH/my model/\"", "my model"},
    {"PATH/my\\ model", "my model"},
    {"file://PATH/my%20model", "my model"},
    {"PATH/50%", "50%"},
    {"file://PATH/50%", "50%"},
    {"PATH/here/config.json", "here"},
    {"PATH/here/tokenizer.json", "here"},
    {"Default", "models/Default"},
    {"default", "models/Default"},
    {"DEFAULT", "more/DEFAULT"},
    {"'other'", "models/other"},
    {"PATH/" REPO, IN_CACHE},
    {"PATH/hub/models--org--name", IN_CACHE},
    {"PATH/" REPO "refs", IN_CACHE},
    {"PATH/" REPO "refs/main", IN_CACHE},
    {"PATH/" REPO "blobs", IN_CACHE},
    {"PATH/" REPO "blobs/0a", IN_CACHE},
    {"PATH/" REPO "snapshots", IN_CACHE},
    {"PATH/" IN_CACHE, IN_CACHE},
    {"models--org--name", IN_CACHE},
    {"org/name", IN_CACHE},
    {"ORG/Name", IN_CACHE},
    {"big/phi-3.5-vision@main", IN_OTHER},
    {"hf://org/name", IN_CACHE},
    {"hf://models/org/name@main", IN_CACHE},
    {"hf://org/name@refs/pr/1", IN_CACHE},
    {"https://huggingface.co/org/name", IN_CACHE},
    {"http://www.huggingface.co/org/name/", IN_CACHE},
    {"HTTPS://HuggingFace.co/org/name", IN_CACHE},
    {"huggingface.co/org/name", IN_CACHE},
    {"hf.co/org/name?library=transformers#files", IN_CACHE},
    {"https://huggingface.co/org/name/tree/main", IN_CACHE},
    {"https://huggingface.co/org/name/tree/refs%2Fpr%2F1", IN_CACHE},
    {"https://huggingface.co/org/name/tree/refs/pr/1/sub", IN_CACHE},
    {"https://huggingface.co/org/name/blob/main/config.json", IN_CACHE},
    {"https://huggingface.co/org/name/resolve/" SHA "/model.safetensors?download=true", IN_CACHE},
    {"https://huggingface.co/org/name/commit/" SHA, IN_CACHE},
    {"https://huggingface.co/org/name/discussions/5", IN_CACHE},
    {"https://huggingface.co/api/models/org/name", IN_CACHE},
    {"https://huggingface.co/org/name.git", IN_CACHE},
    {"http://mirror.example:8080/org/name/tree/main", IN_CACHE},
};

static void every_spelling_finds_the_model(void **state)
{
    (void)state;
    fill_places();
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        char name[300];
        write_name(spellings[i].name, name, sizeof name);
        assert_finds(name, spellings[i].finds);
    }
}

static const struct {
    const char *name, *says;
} hints[] = {
    {"PATH/heer", "there is no folder PATH/heer; did you mean PATH/here?"},
    {"PATH/HERE", "; did you mean PATH/here?"},
    {"~/her", "; did you mean PATH/here?"},
    {"PATH/models",
     "PATH/models is a folder without config.json; did you mean PATH/models/Default?"},
    {"PATH/hub/models--org--name/nothing", "there is no folder"},
    {"defalut", "no defalut in PATH/models, no defalut in PATH/more; did you mean Default?"},
    {"ogr/name", "and no such model in the cache PATH/hub; did you mean org/name?"},
    {"Phi-3.5-Vision", "; did you mean Big/Phi-3.5-Vision?"},
    {"Big/Phi-3-Vision", "; did you mean Big/Phi-3.5-Vision?"},
    {"https://huggingface.co/org/nmae", "; did you mean org/name?"},
    {"https://huggingface.co/org/name/tree/v2",
     "revision v2 of org/name is not in the local cache"},
    {"https://huggingface.co/datasets/org/name",
     "https://huggingface.co/datasets/org/name is not the page of a model; a model's address is "
     "https://huggingface.co/ORG/NAME"},
    {"https://huggingface.co/org", "is not the page of a model"},
    {"hf://spaces/org/name", "is not the page of a model"},
    {"https://huggingface.co/org/../name", "is not the page of a model"},
    {"https://elsewhere.example/org/name", "no model \"https://elsewhere.example/org/name\": "},
    {"zzzzzzzz", "no zzzzzzzz in PATH/more"},
};

static void the_nearest_name_is_asked_about(void **state)
{
    (void)state;
    fill_places();
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        char name[300], says[600], rest[500];
        write_name(hints[i].name, name, sizeof name);
        write_name(hints[i].says, rest, sizeof rest);
        write_name(rest, says, sizeof says);
        assert_refuses(name, PHI3V_E_MODEL, says);
    }
    assert_refuses("zzzzzzzz", PHI3V_E_MODEL, "no zzzzzzzz in");
    assert_null(strstr(err.text, "did you mean"));
    char name[300];
    write_name("PATH/gguf", name, sizeof name);
    folder_puts(&folder, "gguf/model-q4.gguf", "GGUF");
    assert_refuses(name, PHI3V_E_UNSUPPORTED, "it holds a model in GGUF form");
    write_name("PATH/gguf/model-q4.gguf", name, sizeof name);
    assert_refuses(name, PHI3V_E_UNSUPPORTED,
                   "model-q4.gguf is a model in GGUF form (llama.cpp); open the folder");
    write_name("PATH/gguf/notes.txt", name, sizeof name);
    folder_puts(&folder, "gguf/notes.txt", "x");
    assert_refuses(name, PHI3V_E_MODEL, "is a file, and no model is around it");
}

/* Two that differ in case alone: neither is taken for the other. */
static void case_must_be_unambiguous(void **state)
{
    (void)state;
    fill_places();
    fill_snapshot("hub/models--Org--name/snapshots/" SHA "/");
    folder_puts(&folder, "hub/models--Org--name/refs/main", SHA);
    assert_finds("org/name", IN_CACHE);
    assert_finds("Org/name", "hub/models--Org--name/snapshots/" SHA);
    assert_refuses("ORG/name", PHI3V_E_MODEL, "did you mean Org/name?");
}

/* A ref may name a commit whose files never came; the folder then has one snapshot to offer. */
static void folders_of_the_cache_may_have_no_ref(void **state)
{
    (void)state;
    char name[300];
    fill_snapshot(SNAPSHOT);
    write_name("PATH/hub/models--org--name", name, sizeof name);
    assert_finds(name, IN_CACHE);
    folder_puts(&folder, REPO "snapshots/1123456789abcdef0123456789abcdef01234567/config.json",
                "{}");
    assert_refuses(name, PHI3V_E_MODEL, "revision main of");
    folder_puts(&folder, REPO "refs/main", "1123456789abcdef0123456789abcdef01234567");
    assert_refuses(name, PHI3V_E_MODEL, "is only partly downloaded");
}

static void allocations_fail_one_by_one(const char *name)
{
    size_t before = mem_in_use_bytes();
    for (long k = 1;; k++) {
        char *path = NULL;
        mem_fail_at(k);
        int code = model_find(name, NULL, &path, &err);
        bool done = mem_fail_pending();
        mem_fail_at(0);
        mem_free(path);
        assert_int_equal(mem_in_use_bytes(), before);
        if (done) break;
        if (code) assert_true(code == PHI3V_E_MEMORY || code == PHI3V_E_MODEL);
    }
}

static void every_allocation_may_fail(void **state)
{
    static const char *const names[] = {
        "org/name", "ORG/Name", "'org/nmae'", "~/heer", "PATH/hub/models--org--name", "defalut"};
    partial_snapshots_are_named(state);
    allocations_fail_one_by_one("org/name");
    fill_places();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[300];
        write_name(names[i], name, sizeof name);
        allocations_fail_one_by_one(name);
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
        cmocka_unit_test_setup_teardown(every_spelling_finds_the_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_nearest_name_is_asked_about, set_up, tear_down),
        cmocka_unit_test_setup_teardown(case_must_be_unambiguous, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folders_of_the_cache_may_have_no_ref, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
