/* SPDX-License-Identifier: GPL-3.0-or-later
 * repl/net/hub: names, the environment, and pulling from a hub on loopback that misbehaves. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mock_hub.h"
#include "net/fetch.h"
#include "net/hub.h"

#define LARGE_BYTES ((size_t)1500000)
#define N_WANTED 9 /* files of the mock's that running a model needs */

static struct mock_hub hub;
static struct hub_env env;
static char root[] = "/tmp/hub_test.XXXXXX", cache[64];

/* -- Names ------------------------------------------------------------------------------------ */

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *what, *repo, *rev;
    } cases[] = {
        {"acme/x", "acme/x", "main"},
        {"acme/x@v1.0", "acme/x", "v1.0"},
        {"acme/x@refs/pr/1", "acme/x", "refs/pr/1"},
        {"hf://acme/x", "acme/x", "main"},
        {"hf://models/acme/x@dev", "acme/x", "dev"},
        {"https://huggingface.co/acme/x", "acme/x", "main"},
        {"https://huggingface.co/acme/x/", "acme/x", "main"},
        {" <https://huggingface.co/acme/x/tree/v2> ", "acme/x", "v2"},
        {"https://huggingface.co/acme/x/blob/main/config.json", "acme/x", "main"},
        {"https://huggingface.co/acme/x/resolve/abc/config.json?download=true", "acme/x", "abc"},
        {"https://huggingface.co/acme/x/tree/refs/pr/7", "acme/x", "refs/pr/7"},
        {"https://hf.co/acme/x?library=transformers", "acme/x", "main"},
        {"https://huggingface.co/models/acme/x#usage", "acme/x", "main"},
        {"http://mirror.example/acme/x/tree/main", "acme/x", "main"},
        {"microsoft/Phi-3.5-vision-instruct", "microsoft/Phi-3.5-vision-instruct", "main"},
        {"x", NULL, NULL},
        {"", NULL, NULL},
        {"acme/", NULL, NULL},
        {"/x", NULL, NULL},
        {"acme/x/y", NULL, NULL},
        {"acme/x@", NULL, NULL},
        {"acme/x@../../etc", NULL, NULL},
        {"acme/x@a//b", NULL, NULL},
        {"acme/x@a/", NULL, NULL},
        {"../x", NULL, NULL},
        {"acme/..", NULL, NULL},
        {"acme/a--b", NULL, NULL},
        {"ac me/x", NULL, NULL},
        {"acme/x\033[2J", NULL, NULL},
        {"https://example.org/acme/x", NULL, NULL},
        {"https://huggingface.co.evil.org/acme/x", NULL, NULL},
        {"hf://datasets/acme/x", NULL, NULL},
        {"https://huggingface.co/datasets/acme/x", NULL, NULL},
    };
    struct hub_env e = {.endpoint = (char *)(uintptr_t) "http://mirror.example"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hub_name name = {0};
        struct phi3v_error err = {0};
        int rc = hub_name_parse(cases[i].what, &e, &name, &err);
        if ((rc == 0) != (cases[i].repo != NULL)) fail_msg("%s: %d", cases[i].what, rc);
        if (rc == 0) {
            assert_string_equal(name.repo, cases[i].repo);
            assert_string_equal(name.rev, cases[i].rev);
        } else {
            assert_int_equal(rc, PHI3V_E_ARGUMENT);
        }
        hub_name_fini(&name);
    }
}

/* -- The environment -------------------------------------------------------------------------- */

static const char *const variables[] = {"HF_ENDPOINT",
                                        "HF_TOKEN",
                                        "HUGGING_FACE_HUB_TOKEN",
                                        "HF_TOKEN_PATH",
                                        "HF_HOME",
                                        "HF_HUB_CACHE",
                                        "HUGGINGFACE_HUB_CACHE",
                                        "HF_HUB_OFFLINE",
                                        "TRANSFORMERS_OFFLINE",
                                        "HF_HUB_DISABLE_IMPLICIT_TOKEN",
                                        "HF_HUB_ETAG_TIMEOUT",
                                        "XDG_CACHE_HOME",
                                        "HF_OIDC_RESOURCE"};

static void clear_environment(void)
{
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) unsetenv(variables[i]);
}

static void expect_env(const char *cache_dir, const char *token)
{
    struct hub_env e;
    assert_int_equal(hub_env_init(&e, NULL), 0);
    assert_string_equal(e.cache, cache_dir);
    if (token)
        assert_string_equal(e.token, token);
    else
        assert_null(e.token);
    hub_env_fini(&e);
}

static void test_environment(void **state)
{
    (void)state;
    char path[200];
    struct hub_env e;
    clear_environment();
    setenv("HOME", root, 1);
    snprintf(path, sizeof path, "%s/.cache/huggingface/hub", root);
    expect_env(path, NULL);
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    expect_env("/xdg/huggingface/hub", NULL);
    setenv("HF_HOME", root, 1);
    snprintf(path, sizeof path, "%s/token", root);
    FILE *f = fopen(path, "w");
    fputs("  hf_file \n\n", f);
    fclose(f);
    snprintf(path, sizeof path, "%s/hub", root);
    expect_env(path, "hf_file");
    setenv("HUGGING_FACE_HUB_TOKEN", "hf_old", 1);
    expect_env(path, "hf_old");
    setenv("HF_TOKEN", "hf_new\n", 1);
    expect_env(path, "hf_new");
    setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", 1);
    expect_env(path, NULL);
    unsetenv("HF_HUB_DISABLE_IMPLICIT_TOKEN");
    setenv("HF_TOKEN", "hf\001new", 1);
    expect_env(path, NULL);
    setenv("HUGGINGFACE_HUB_CACHE", "/old", 1);
    expect_env("/old", NULL);
    setenv("HF_HUB_CACHE", "/new", 1);
    expect_env("/new", NULL);
    snprintf(path, sizeof path, "%s/new", root); /* ~ where no shell has replaced it */
    setenv("HF_HUB_CACHE", "~/new", 1);
    expect_env(path, NULL);
    unsetenv("HF_HUB_CACHE");
    unsetenv("HUGGINGFACE_HUB_CACHE");
    unsetenv("HF_TOKEN");
    unsetenv("HUGGING_FACE_HUB_TOKEN");
    snprintf(path, sizeof path, "%s/hub", root);
    setenv("HF_HOME", "~", 1);
    expect_env(path, "hf_file");
    setenv("HF_TOKEN_PATH", "~/token", 1);
    setenv("HF_HOME", "/elsewhere", 1);
    expect_env("/elsewhere/hub", "hf_file");
    unsetenv("HF_TOKEN_PATH");
    setenv("HF_ENDPOINT", "http://mirror//", 1);
    setenv("HF_HUB_OFFLINE", "Yes", 1);
    assert_int_equal(hub_env_init(&e, NULL), 0);
    assert_string_equal(e.endpoint, "http://mirror");
    assert_true(e.offline);
    hub_env_fini(&e);
    clear_environment();
}

/* -- Pulling ---------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void fresh(void)
{
    nftw(cache, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    mock_hub_calm(&hub);
    free(env.token);
    env.token = NULL;
}

static bool is_wanted(const struct mock_file *f)
{
    return !strstr(f->name, ".bin") && !strstr(f->name, ".py") && !strstr(f->name, ".md") &&
           !strchr(f->name, '/');
}

static void expect_file(const char *folder, const struct mock_file *f)
{
    char path[600], target[200] = "", want[200];
    snprintf(path, sizeof path, "%s/%s", folder, f->name);
    snprintf(want, sizeof want, "../../blobs/%s", f->key);
    assert_true(readlink(path, target, sizeof target - 1) > 0);
    assert_string_equal(target, want);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    uint8_t *bytes = malloc(f->n + 1);
    assert_int_equal(fread(bytes, 1, f->n + 1, in), f->n);
    assert_memory_equal(bytes, f->bytes, f->n);
    fclose(in);
    free(bytes);
}

static void expect_ref(const char *rev)
{
    char path[300], text[100] = "";
    snprintf(path, sizeof path, "%s/models--acme--tiny-vision/refs/%s", cache, rev);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    assert_int_equal(fread(text, 1, sizeof text, in), 40);
    assert_string_equal(text, MOCK_COMMIT);
    fclose(in);
}

static int n_parts;
static int count_part(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    if (strstr(path, "phiscope")) n_parts++;
    return 0;
}

/* All of the snapshot is there, and nothing of ours besides. */
static void expect_whole(const char *path)
{
    for (size_t i = 0; i < hub.n_files; i++) {
        char name[700];
        snprintf(name, sizeof name, "%s/%s", path, hub.files[i].name);
        if (is_wanted(&hub.files[i]))
            expect_file(path, &hub.files[i]);
        else
            assert_int_not_equal(access(name, F_OK), 0);
    }
    n_parts = 0;
    nftw(cache, count_part, 16, FTW_PHYS);
    assert_int_equal(n_parts, 0);
    assert_int_equal(hub.n_leaks, 0);
    assert_int_equal(hub.n_storage_heads, 0);
    assert_int_equal(hub.n_unwanted, 0);
}

static void pull(const char *what, int64_t want_fetched)
{
    struct hub_pulled p = {0};
    struct phi3v_error err = {0};
    const struct hub_options opt = {.env = &env};
    int rc = hub_pull(what, &opt, &p, &err);
    if (rc) fail_msg("%s", err.text);
    assert_int_equal(p.n_files, N_WANTED);
    assert_string_equal(p.commit, MOCK_COMMIT);
    if (want_fetched >= 0) assert_int_equal(p.fetched, want_fetched);
    expect_whole(p.path);
    hub_pulled_fini(&p);
}

static void expect_refused(const char *what, int code, const char *part)
{
    struct hub_pulled p = {0};
    struct phi3v_error err = {0};
    const struct hub_options opt = {.env = &env};
    int rc = hub_pull(what, &opt, &p, &err);
    if (rc != code || !strstr(err.text, part))
        fail_msg("%s: %d \"%s\", wanted %d \"%s\"", what, rc, err.text, code, part);
    for (const char *c = err.text; *c; c++) assert_true((unsigned char)*c >= 0x20);
    assert_null(strstr(err.text, "Signature"));
    assert_null(p.path);
    char path[300];
    snprintf(path, sizeof path, "%s/models--acme--tiny-vision/snapshots/%s", cache, MOCK_COMMIT);
    assert_int_not_equal(access(path, F_OK), 0);
}

static int64_t wanted_bytes(void)
{
    int64_t n = 0;
    for (size_t i = 0; i < hub.n_files; i++)
        if (is_wanted(&hub.files[i])) n += (int64_t)hub.files[i].n;
    return n;
}

static void test_pull(void **state)
{
    (void)state;
    fresh();
    pull(MOCK_REPO, wanted_bytes());
    expect_ref("main");
    pull(MOCK_REPO, 0);
    pull(MOCK_REPO "@refs/pr/1", 0);
    expect_ref("refs/pr/1");
    fresh();
    pull(MOCK_REPO "@" MOCK_COMMIT, -1);
    char path[300];
    snprintf(path, sizeof path, "%s/models--acme--tiny-vision/refs/" MOCK_COMMIT, cache);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/models--acme--tiny-vision", cache);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_size(void **state)
{
    (void)state;
    int64_t size = 0, missing = 0;
    const struct hub_options opt = {.env = &env};
    fresh();
    assert_int_equal(hub_size(MOCK_REPO, &opt, &size, &missing, NULL), 0);
    assert_int_equal(size, wanted_bytes());
    assert_int_equal(missing, size);
    assert_int_not_equal(access(cache, F_OK), 0); /* asking makes nothing */
    pull(MOCK_REPO, -1);
    assert_int_equal(hub_size(MOCK_REPO, &opt, &size, &missing, NULL), 0);
    assert_int_equal(missing, 0);
}

/* Everything that a patient client gets over. */
static void test_troubles(void **state)
{
    (void)state;
    fresh();
    hub.n_busy = 1;
    pull(MOCK_REPO, -1);
    fresh();
    hub.n_broken = 3;
    pull(MOCK_REPO, -1);
    fresh();
    hub.n_storage_busy = 3;
    pull(MOCK_REPO, -1);
    fresh();
    hub.n_moved = 5;
    pull(MOCK_REPO, wanted_bytes());
    fresh();
    hub.n_cut = 40;
    pull(MOCK_REPO, wanted_bytes());
    fresh();
    hub.n_wrong_range = 1;
    pull(MOCK_REPO, -1);
    fresh();
    hub.n_excess = 2;
    pull(MOCK_REPO, -1);
    fresh();
    hub.no_ranges = 1;
    hub.n_excess = 2;
    pull(MOCK_REPO, -1);
    fresh();
    hub.n_damaged = 1;
    pull(MOCK_REPO, -1);
    fresh();
    hub.signed_uses = 1;
    pull(MOCK_REPO, -1);
    fresh();
    hub.signed_uses = 2;
    hub.n_cut = 10;
    pull(MOCK_REPO, -1);
    fresh();
    hub.no_ranges = 1;
    pull(MOCK_REPO, -1);
    fresh();
    hub.no_ranges = 1;
    hub.n_cut = 3;
    pull(MOCK_REPO, -1);
    fresh();
    hub.renamed = 1;
    struct hub_pulled p = {0};
    const struct hub_options opt = {.env = &env};
    assert_int_equal(hub_pull("acme/old-name", &opt, &p, NULL), 0);
    hub_pulled_fini(&p);
}

static void test_stall(void **state)
{
    (void)state;
    fresh();
    env.stall_s = 0.01; /* a second, curl's smallest */
    hub.n_stalled = 1;
    pull(MOCK_REPO, wanted_bytes());
    env.stall_s = 30;
}

static void test_token(void **state)
{
    (void)state;
    fresh();
    hub.token = "hf_right";
    expect_refused(MOCK_REPO, PHI3V_E_IO, "does not exist on the hub, or needs a token");
    env.token = strdup("hf_wrong");
    expect_refused(MOCK_REPO, PHI3V_E_IO, "does not accept the token");
    free(env.token);
    env.token = strdup("hf_right");
    pull(MOCK_REPO, -1); /* which asserts that the storage never saw it */
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *refusal, *part;
    } cases[] = {
        {"401 Unauthorized\r\nX-Error-Code: RepoNotFound",
         "does not exist on the hub, or needs a token"},
        {"403 Forbidden\r\nX-Error-Code: GatedRepo",
         "is gated: accept its licence at http://127.0.0.1"},
        {"403 Forbidden\r\nX-Error-Message: Access to this \033[31mrepository is disabled",
         "the hub says: Access to this ^[[31mrepository is disabled"},
        {"404 Not Found\r\nX-Error-Code: RepoNotFound", "is not on the hub: check the name"},
        {"404 Not Found\r\nX-Error-Code: RevisionNotFound", "has no revision main on the hub"},
        {"429 Too Many Requests\r\nRetry-After: 0", "too many requests"},
        {"500 Internal Server Error", "the hub has a problem (HTTP status 500)"},
        {"503 Service Unavailable", "the hub has a problem (HTTP status 503)"},
        {"302 Found\r\nLocation: http://example.org/",
         "does not answer as the hub does (HTTP status 302)"},
        {"302 Found\r\nLocation: /api/models/" MOCK_REPO "/revision/main",
         "does not answer as the hub"},
        {"200 OK", "does not answer as the hub does"},
        {"418 I'm a teapot", "does not answer as the hub does (HTTP status 418)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fresh();
        hub.refusal = cases[i].refusal;
        expect_refused(MOCK_REPO, PHI3V_E_IO, cases[i].part);
    }
    fresh();
    expect_refused("acme/nothing", PHI3V_E_IO, "acme/nothing is not on the hub: check the name");
    expect_refused(MOCK_REPO "@nothing", PHI3V_E_IO, "has no revision nothing on the hub");
    fresh();
    hub.no_commit = 1;
    expect_refused(MOCK_REPO, PHI3V_E_IO, "does not answer as the hub does");
    fresh();
    hub.is_huge = 1;
    expect_refused(MOCK_REPO, PHI3V_E_IO, " GB of room in ");
    fresh();
    hub.n_damaged = 1000000;
    expect_refused(MOCK_REPO, PHI3V_E_IO, "arrived damaged twice");
    fresh();
    hub.n_wrong_range = 1000000;
    expect_refused(MOCK_REPO, PHI3V_E_IO, "sends other bytes");
    fresh();
    hub.n_storage_busy = 1000000;
    expect_refused(MOCK_REPO, PHI3V_E_IO, "has a problem (HTTP status 503)");
    fresh();
    hub.next_signature = -1000000; /* the storage refuses all of them */
    expect_refused(MOCK_REPO, PHI3V_E_IO, "refuses model-0000");
    hub.next_signature = 0;
    fresh();
    env.offline = true;
    expect_refused(MOCK_REPO, PHI3V_E_IO, "HF_HUB_OFFLINE");
    env.offline = false;
    char *endpoint = env.endpoint;
    env.endpoint = (char *)(uintptr_t) "http://127.0.0.1:1";
    expect_refused(MOCK_REPO, PHI3V_E_IO, "cannot connect (Connection refused)");
    env.endpoint = endpoint;
}

static int stop_at_half(const struct hub_progress *p, void *user)
{
    int64_t *last = user;
    assert_true(p->done >= *last && p->done <= p->size && p->n_files_done <= p->n_files);
    *last = p->done;
    return p->size > 0 && p->done > p->size / 2;
}

static int never_stop(const struct hub_progress *p, void *user)
{
    (void)p, (void)user;
    return 0;
}

/* Stopped, then gone on from: no byte comes twice. */
static void test_stop(void **state)
{
    (void)state;
    fresh();
    hub.slow_us = 20000;
    int64_t last = 0;
    struct hub_pulled p = {0};
    struct phi3v_error err = {0};
    struct hub_options opt = {.env = &env, .on_progress = stop_at_half, .user = &last};
    assert_int_equal(hub_pull(MOCK_REPO, &opt, &p, &err), PHI3V_E_CANCELLED);
    assert_non_null(strstr(err.text, "goes on from here"));
    int64_t before = last;
    hub.slow_us = 0;
    opt.on_progress = never_stop;
    assert_int_equal(hub_pull(MOCK_REPO, &opt, &p, &err), 0);
    assert_true(p.fetched <= wanted_bytes() - before);
    expect_whole(p.path);
    hub_pulled_fini(&p);
}

/* -- What others left ------------------------------------------------------------------------- */

static void blob_path(char to[400], size_t i, const char *ending)
{
    snprintf(to, 400, "%s/models--acme--tiny-vision/blobs/%s%s", cache, hub.files[i].key, ending);
}

static void write_path(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void make_folders(void)
{
    char path[400];
    static const char *const names[] = {
        "",        "/models--acme--tiny-vision",       "/models--acme--tiny-vision/blobs", "/blobs",
        "/.locks", "/.locks/models--acme--tiny-vision"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s%s", cache, names[i]);
        assert_int_equal(mkdir(path, 0777), 0);
    }
}

static void test_leftovers(void **state)
{
    (void)state;
    char path[400], shared[400];
    fresh();
    make_folders();
    /* one blob whole, one shared by a link, one cut, one dead link, one part that is rubbish */
    blob_path(path, 11, "");
    write_path(path, hub.files[11].bytes, hub.files[11].n);
    snprintf(shared, sizeof shared, "%s/blobs/shared", cache);
    write_path(shared, hub.files[3].bytes, hub.files[3].n);
    assert_int_equal(chmod(shared, 0444), 0);
    blob_path(path, 3, "");
    assert_int_equal(symlink("../../blobs/shared", path), 0);
    blob_path(path, 4, "");
    write_path(path, hub.files[4].bytes, 100);
    blob_path(path, 5, "");
    assert_int_equal(symlink("../../blobs/nothing", path), 0);
    blob_path(path, 12, ".phiscope-part");
    write_path(path, "rubbish", 7);
    blob_path(path, 12, ".phiscope-map");
    write_path(path, "rubbish", 7);
    pull(MOCK_REPO, wanted_bytes() - (int64_t)hub.files[11].n - (int64_t)hub.files[3].n);
    struct stat st;
    blob_path(path, 3, "");
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
}

static void plant(const char *name, bool is_folder)
{
    char path[400];
    snprintf(path, sizeof path, "%s/models--acme--tiny-vision/%s", cache, name);
    if (is_folder)
        assert_int_equal(mkdir(path, 0777), 0);
    else
        write_path(path, "left", 4);
}

/* Programs that were killed while they published, this revision or another one. What was fetched in
 * part and came by another program. */
#define OTHER "00000000000000000000000000000000000000aa"
static void test_killed(void **state)
{
    (void)state;
    char path[400];
    fresh();
    make_folders();
    plant(".phiscope-" MOCK_COMMIT, true);
    plant(".phiscope-" MOCK_COMMIT "/config.json", false);
    plant(".phiscope-" MOCK_COMMIT "/.config.json.phiscope-7", false);
    plant(".phiscope-" MOCK_COMMIT ".ref", false);
    plant(".phiscope-" OTHER, true);
    plant(".phiscope-" OTHER "/model.safetensors", false);
    plant(".phiscope-" OTHER ".ref", false);
    blob_path(path, 11, "");
    write_path(path, hub.files[11].bytes, hub.files[11].n);
    blob_path(path, 11, ".phiscope-part");
    write_path(path, hub.files[11].bytes, 1000);
    blob_path(path, 11, ".phiscope-map");
    write_path(path, "rubbish", 7);
    pull(MOCK_REPO, wanted_bytes() - (int64_t)hub.files[11].n);
}

/* What another program is publishing at this moment stays, and so does what is not ours. */
static void test_not_ours(void **state)
{
    (void)state;
    static const char *const names[] = {".phiscope-" OTHER, ".phiscope-notes", "notes"};
    char path[400];
    struct hub_pulled p = {0};
    const struct hub_options opt = {.env = &env};
    fresh();
    make_folders();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) plant(names[i], i == 0);
    snprintf(path, sizeof path, "%s/.locks/models--acme--tiny-vision/" OTHER ".lock", cache);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
    assert_int_equal(hub_pull(MOCK_REPO, &opt, &p, NULL), 0);
    hub_pulled_fini(&p);
    close(fd);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/models--acme--tiny-vision/%s", cache, names[i]);
        assert_int_equal(access(path, F_OK), 0);
    }
}

/* What Python's client did not finish: its bytes are a beginning where they are right, cost a second
 * fetch where not, and stay as they are. */
static void test_python_incomplete(void **state)
{
    (void)state;
    const struct mock_file *f = &hub.files[4];
    struct stat st;
    char path[400];
    uint8_t *zeros = calloc(1, f->n + 1);
    int64_t half = (int64_t)f->n / 2;
    const struct {
        const void *bytes;
        int64_t n, saved;
    } left[] = {{f->bytes, half, half},
                {f->bytes, (int64_t)f->n, (int64_t)f->n},
                {zeros, half, half - (int64_t)f->n}, /* the rest, and then the whole */
                {zeros, (int64_t)f->n, 0},
                {zeros, (int64_t)f->n + 1, 0},
                {"", 0, 0}};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        fresh();
        make_folders();
        blob_path(path, 4, i % 2 ? ".incomplete" : ".0a1b2c3d.incomplete"); /* older, newer */
        write_path(path, left[i].bytes, (size_t)left[i].n);
        pull(MOCK_REPO, wanted_bytes() - left[i].saved);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_size, left[i].n);
    }
    free(zeros);
}

/* A map that names bytes that are not there, as a loss of power leaves it: the digest tells. */
static void test_false_map(void **state)
{
    (void)state;
    char path[400];
    fresh();
    make_folders();
    const struct mock_file *f = &hub.files[4];
    uint8_t *zeros = calloc(1, f->n);
    blob_path(path, 4, ".phiscope-part");
    write_path(path, zeros, f->n);
    blob_path(path, 4, ".phiscope-map");
    FILE *out = fopen(path, "wb");
    int64_t head[2] = {(int64_t)f->n, env.segment_bytes};
    fwrite("phiscope-map 1\n", 1, 16, out);
    fwrite(head, sizeof *head, 2, out);
    for (int64_t at = 0; at < (int64_t)f->n; at += env.segment_bytes) {
        int64_t n = (int64_t)f->n - at < env.segment_bytes ? (int64_t)f->n - at : env.segment_bytes;
        fwrite(&n, sizeof n, 1, out);
    }
    fclose(out);
    free(zeros);
    pull(MOCK_REPO, wanted_bytes());
}

static void *let_go(void *arg)
{
    usleep(400000);
    close(*(int *)arg);
    return NULL;
}

static int saw_waiting(const struct hub_progress *p, void *user)
{
    if (p->waiting && strstr(p->waiting, "another program")) *(int *)user = 1;
    return 0;
}

static void test_lock(void **state)
{
    (void)state;
    char path[400];
    pthread_t thread;
    fresh();
    make_folders();
    snprintf(path, sizeof path, "%s/.locks/models--acme--tiny-vision/%s.lock", cache,
             hub.files[3].key);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0664), waited = 0;
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(pthread_create(&thread, NULL, let_go, &fd), 0);
    struct hub_pulled p = {0};
    const struct hub_options opt = {.env = &env, .on_progress = saw_waiting, .user = &waited};
    assert_int_equal(hub_pull(MOCK_REPO, &opt, &p, NULL), 0);
    pthread_join(thread, NULL);
    assert_true(waited);
    assert_int_equal(access(path, F_OK), 0);
    hub_pulled_fini(&p);
}

static void *pull_thread(void *arg)
{
    struct hub_pulled p = {0};
    const struct hub_options opt = {.env = &env};
    *(int *)arg = hub_pull(MOCK_REPO, &opt, &p, NULL);
    hub_pulled_fini(&p);
    return NULL;
}

/* Three at once share the work through the locks. */
static void test_together(void **state)
{
    (void)state;
    pthread_t threads[3];
    int rc[3] = {-1, -1, -1};
    fresh();
    hub.slow_us = 1000;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pull_thread, &rc[i]), 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++) assert_int_equal(rc[i], 0);
    assert_int_equal(hub.n_sent, wanted_bytes());
    pull(MOCK_REPO, 0);
}

/* -- Life ------------------------------------------------------------------------------------- */

static int begin(void **state)
{
    (void)state;
    static const char *const proxies[] = {"http_proxy", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < 3; i++) unsetenv(proxies[i]);
    clear_environment();
    if (!mkdtemp(root)) return -1;
    snprintf(cache, sizeof cache, "%s/cache", root);
    fetch_global_init();
    mock_hub_start(&hub, LARGE_BYTES);
    env = (struct hub_env){.endpoint = hub.endpoint,
                           .cache = cache,
                           .meta_s = 5,
                           .stall_s = 30,
                           .stall_bytes_s = 1000,
                           .backoff_s = 0.01,
                           .n_connections = 4,
                           .segment_bytes = 200000};
    return 0;
}

static int end(void **state)
{
    (void)state;
    mock_hub_stop(&hub);
    fetch_global_fini();
    free(env.token);
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_pull),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_troubles),
        cmocka_unit_test(test_stall),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_false_map),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_python_incomplete),
        cmocka_unit_test(test_together),
    };
    return cmocka_run_group_tests_name("hub", tests, begin, end);
}
