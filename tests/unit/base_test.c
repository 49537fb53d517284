/* SPDX-License-Identifier: MIT
 * The base library: memory accounting, buffers, files, digests, and the thread pool. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "folder.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/cpu.h"
#include "base/cpu_tiles.h"
#include "base/env.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/numa.h"
#include "base/pool.h"
#include "base/sha256.h"

/* -- Memory ------------------------------------------------------------------------------- */

static void mem_counts_and_aligns(void **state)
{
    (void)state;
    size_t before = mem_in_use_bytes();
    for (size_t n = 0; n < 300; n += 7) {
        char *p = mem_alloc(n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(p, 1, n);
        assert_int_equal(mem_in_use_bytes(), before + n);
        mem_free(p);
    }
    for (size_t n = 1; n < 9 << 20; n = n * 7 + 1) {
        char *p = mem_pages(n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        assert_int_equal(mem_in_use_bytes(), before + n);
        assert_int_equal(p[0] | p[n / 2] | p[n - 1], 0);
        memset(p, 1, n);
        mem_pages_free(p, n);
    }
    mem_pages_free(NULL, 5);
    assert_int_equal(mem_in_use_bytes(), before);
}

static void mem_refuses_absurd_sizes(void **state)
{
    (void)state;
    assert_null(mem_alloc(SIZE_MAX));
    assert_null(mem_pages(SIZE_MAX));
    assert_null(mem_alloc(SIZE_MAX / 2));
    assert_null(mem_array(SIZE_MAX / 2, 4));
    assert_null(mem_zarray(SIZE_MAX / 4 + 1, 4));
    size_t n;
    assert_false(size_add(SIZE_MAX, 1, &n));
    assert_false(size_mul(SIZE_MAX / 2, 3, &n));
}

static void mem_resize_keeps_contents(void **state)
{
    (void)state;
    int *p = mem_array(4, sizeof *p);
    for (int i = 0; i < 4; i++) p[i] = i;
    p = mem_resize(p, 1000, sizeof *p);
    for (int i = 0; i < 4; i++) assert_int_equal(p[i], i);
    mem_fail_at(1);
    assert_null(mem_resize(p, 2000, sizeof *p));
    assert_int_equal(p[3], 3);
    p = mem_resize(p, 2, sizeof *p);
    assert_int_equal(p[1], 1);
    mem_free(p);
}

static void mem_fails_on_request_once(void **state)
{
    (void)state;
    mem_fail_at(2);
    void *a = mem_alloc(1), *b = mem_alloc(1), *c = mem_alloc(1);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    mem_free(a);
    mem_free(c);
}

/* Where the system put each page: move_pages(2), which moves nothing when it is given no nodes. */
static void count_pages(char *p, size_t n_bytes, int most, int *ret_counts)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t at = 0; at < n_bytes; at += page) {
        void *here = p + at;
        int node = -1;
        p[at] = 1;
        assert_int_equal(syscall(SYS_move_pages, 0, 1L, &here, NULL, &node, 0), 0);
        assert_in_range(node, 0, most - 1);
        ret_counts[node]++;
    }
}

static void large_memory_goes_round_the_nodes(void **state)
{
    (void)state;
    enum { BYTES = 32 << 20, MOST = 64 };
    int counts[MOST] = {0}, used = 0, total = 0, largest = 0, n_nodes = numa_n_nodes();
    char *p = mem_pages(BYTES);
    assert_non_null(p);
    count_pages(p, BYTES, MOST, counts);
    mem_pages_free(p, BYTES);
    for (int i = 0; i < MOST; i++) {
        used += counts[i] > 0;
        total += counts[i];
        if (counts[i] > largest) largest = counts[i];
    }
    print_message("# %d nodes of memory, the largest holds %d pages of %d\n", n_nodes, largest,
                  total);
    assert_int_equal(used, n_nodes);
    assert_true(largest <= 2 * total / n_nodes);
    bool spread = numa_spread_begin();
    assert_int_equal(spread, n_nodes > 1);
    if (spread) {
        assert_false(numa_spread_begin()); // a policy that stands is kept
        numa_spread_end();
        assert_true(numa_spread_begin());
        numa_spread_end();
    }
}

static void arena_is_a_stack(void **state)
{
    (void)state;
    struct arena a;
    assert_int_equal(arena_init(&a, arena_size(10) + arena_size(100)), 0);
    char *p = arena_take(&a, 10);
    size_t mark = arena_mark(&a);
    char *q = arena_take(&a, 100);
    assert_ptr_equal(q, p + 64);
    arena_release(&a, mark);
    assert_ptr_equal(arena_take(&a, 1), q);
    arena_fini(&a);
}

/* -- Buffers and files -------------------------------------------------------------------- */

static void buf_grows_and_reports_failure(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 1000; i++) buf_printf(&b, "%d,", i);
    buf_append(&b, "\0x", 2);
    assert_false(b.failed);
    assert_int_equal(b.n, 10 * 2 + 90 * 3 + 900 * 4 + 2);
    assert_memory_equal(b.data, "0,1,2,", 6);
    buf_clear(&b);
    assert_int_equal(b.n, 0);
    char *text = buf_take(&b);
    assert_string_equal(text, "");
    mem_free(text);
    mem_fail_at(1);
    buf_puts(&b, "x");
    buf_puts(&b, "y");
    assert_true(b.failed);
    assert_null(buf_take(&b));
}

static void files_are_read_or_explained(void **state)
{
    (void)state;
    struct folder f;
    folder_make(&f);
    folder_puts(&f, "file", "hello");
    char *path = path_join(f.path, "file");

    char *data;
    size_t n;
    struct phi3v_error err;
    assert_int_equal(file_read(path, 100, &data, &n, &err), 0);
    assert_int_equal(n, 5);
    assert_string_equal(data, "hello");
    mem_free(data);
    assert_int_equal(file_read(path, 4, &data, &n, &err), PHI3V_E_IO);
    assert_non_null(strstr(err.text, "more than the 4 allowed"));
    struct file_map map;
    assert_int_equal(file_map_open(path, &map, &err), 0);
    assert_memory_equal(map.data, "hello", 5);
    file_map_close(&map);

    assert_int_equal(file_map_open(f.path, &map, &err), PHI3V_E_IO);
    assert_non_null(strstr(err.text, "a folder"));
    char *fifo = path_join(f.path, "pipe");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(file_read(fifo, 10, &data, &n, &err), PHI3V_E_IO);
    assert_int_equal(file_read("/nonexistent/x", 10, &data, &n, &err), PHI3V_E_IO);
    assert_non_null(strstr(err.text, "/nonexistent/x"));
    assert_true(file_is_dir(f.path) && !file_is_dir(path) && file_exists(path));
    folder_remove(&f);
    mem_free(fifo);
    mem_free(path);
}

static void sha256_matches_the_standard(void **state)
{
    (void)state;
    char hex[65];
    struct sha256_part parts[] = {{"a", 1}, {"", 0}, {"bc", 2}};
    assert_int_equal(sha256_hex(parts, 3, NULL, hex, NULL), 0);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static int stop_now(void *user)
{
    (void)user;
    return 1;
}

static void sha256_can_be_stopped(void **state)
{
    (void)state;
    char hex[65];
    struct phi3v_error err;
    struct stop stop = {.fn = stop_now};
    struct sha256_part part = {"abc", 3};
    assert_int_equal(sha256_hex(&part, 1, &stop, hex, &err), PHI3V_E_CANCELLED);
    assert_int_equal(err.code, PHI3V_E_CANCELLED);
    assert_true(stop.seen);
}

static void hub_cache_follows_its_variables(void **state)
{
    (void)state;
    setenv("HOME", "/h", 1);
    unsetenv("HF_HUB_CACHE");
    unsetenv("HUGGINGFACE_HUB_CACHE");
    unsetenv("HF_HOME");
    unsetenv("XDG_CACHE_HOME");
    const char *const steps[][3] = {{"HOME", "/h", "/h/.cache/huggingface/hub"},
                                    {"XDG_CACHE_HOME", "/x", "/x/huggingface/hub"},
                                    {"HF_HOME", "/f", "/f/hub"},
                                    {"HF_HOME", "~/f", "/h/f/hub"},
                                    {"HF_HOME", "~", "/h/hub"},
                                    {"HUGGINGFACE_HUB_CACHE", "/g", "/g"},
                                    {"HUGGINGFACE_HUB_CACHE", "~/g", "/h/g"},
                                    {"HF_HUB_CACHE", "/c", "/c"},
                                    {"HF_HUB_CACHE", "~c", "~c"},
                                    {"HF_HUB_CACHE", "~/c", "/h/c"}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        setenv(steps[i][0], steps[i][1], 1);
        char *dir = env_hub_cache();
        assert_string_equal(dir, steps[i][2]);
        mem_free(dir);
    }
}

/* -- Threads ------------------------------------------------------------------------------ */

struct marks {
    atomic_int *seen; // how often each index was visited
    int n_threads;
    atomic_int bad_thread;
};

static void mark(void *arg, int64_t begin, int64_t end, int thread)
{
    struct marks *m = arg;
    if (thread < 0 || thread >= m->n_threads) atomic_store(&m->bad_thread, 1);
    for (int64_t i = begin; i < end; i++) atomic_fetch_add(&m->seen[i], 1);
}

static void check_loops(struct pool *pool, int rounds)
{
    enum { N = 1000 };
    atomic_int *seen = calloc(N, sizeof *seen);
    struct marks m = {.seen = seen, .n_threads = pool_threads(pool)};
    for (int round = 1; round <= rounds; round++) {
        pool_run(pool, N, 1 + round % 70, mark, &m);
        for (int i = 0; i < N; i++)
            if (atomic_load(&seen[i]) != round) atomic_store(&m.bad_thread, 2);
    }
    assert_int_equal(atomic_load(&m.bad_thread), 0);
    free(seen);
}

static void pool_visits_everything_once(void **state)
{
    (void)state;
    for (int n = 1; n <= 5; n++) {
        struct pool *pool;
        assert_int_equal(pool_new(n, &pool, NULL), 0);
        assert_int_equal(pool_threads(pool), n);
        check_loops(pool, 300);
        pool_run(pool, 0, 1, mark, NULL); // nothing to do
        pool_free(pool);
    }
}

static void *caller_main(void *pool)
{
    check_loops(pool, 200);
    return NULL;
}

static void pool_serves_several_callers(void **state)
{
    (void)state;
    struct pool *pool;
    pthread_t callers[3];
    assert_int_equal(pool_new(2, &pool, NULL), 0);
    for (int i = 0; i < 3; i++) pthread_create(&callers[i], NULL, caller_main, pool);
    for (int i = 0; i < 3; i++) pthread_join(callers[i], NULL);
    pool_free(pool);
}

static void pool_refuses_nonsense(void **state)
{
    (void)state;
    struct pool *pool;
    struct phi3v_error err;
    assert_int_equal(pool_new(100000, &pool, &err), PHI3V_E_ARGUMENT);
    assert_non_null(strstr(err.text, "100000"));
    mem_fail_at(1);
    assert_int_equal(pool_new(2, &pool, &err), PHI3V_E_MEMORY);
    pool_free(NULL);
}

static void cpu_is_described(void **state)
{
    (void)state;
    assert_true(cpu_count() >= 1);
    assert_true(cpu_level() >= CPU_PORTABLE && cpu_level() < N_CPU_LEVELS);
    assert_true(cpu_has(cpu_level()) && cpu_has(CPU_PORTABLE));
    assert_non_null(cpu_level_name(cpu_level()));
    assert_true(strlen(cpu_name()) > 0);
}

/* Systems that keep no tiles, know no such request, refuse it, or grant it in words only. */
static long ask_old(int operation, unsigned long argument)
{
    (void)operation, (void)argument;
    return -1;
}
static long ask_refusing(int operation, unsigned long argument)
{
    if (operation == 0x1023) return -1;
    *(uint64_t *)(uintptr_t)argument = 7;
    return 0;
}
static long ask_forgetful(int operation, unsigned long argument)
{
    if (operation == 0x1022) *(uint64_t *)(uintptr_t)argument = 7;
    return 0;
}
static long ask_granting(int operation, unsigned long argument)
{
    if (operation == 0x1022) *(uint64_t *)(uintptr_t)argument = 7 | 1 << 18;
    return 0;
}

static void tiles_need_three_things(void **state)
{
    (void)state;
    struct tile_facts facts = {false, false, 0, ask_granting};
    assert_string_equal(cpu_tiles_lack(&facts), "AMX-TILE");
    facts.has_unit = true;
    assert_string_equal(cpu_tiles_lack(&facts), "AMX-BF16");
    facts.has_bf16 = true;
    assert_string_equal(cpu_tiles_lack(&facts), "a system that keeps tiles");
    facts.kept_states = 7 | 1 << 17;
    assert_string_equal(cpu_tiles_lack(&facts), "a system that keeps tiles");
    facts.kept_states |= 1 << 18;
    assert_null(cpu_tiles_lack(&facts));
    long (*const refusing[])(int, unsigned long) = {ask_old, ask_refusing, ask_forgetful};
    for (int i = 0; i < 3; i++) {
        facts.ask = refusing[i];
        assert_string_equal(cpu_tiles_lack(&facts), "the system's permission for tiles");
    }
    facts.ask = NULL;
    assert_null(cpu_tiles_lack(&facts));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mem_counts_and_aligns),
        cmocka_unit_test(mem_refuses_absurd_sizes),
        cmocka_unit_test(mem_resize_keeps_contents),
        cmocka_unit_test(mem_fails_on_request_once),
        cmocka_unit_test(large_memory_goes_round_the_nodes),
        cmocka_unit_test(arena_is_a_stack),
        cmocka_unit_test(buf_grows_and_reports_failure),
        cmocka_unit_test(files_are_read_or_explained),
        cmocka_unit_test(sha256_matches_the_standard),
        cmocka_unit_test(sha256_can_be_stopped),
        cmocka_unit_test(hub_cache_follows_its_variables),
        cmocka_unit_test(pool_visits_everything_once),
        cmocka_unit_test(pool_serves_several_callers),
        cmocka_unit_test(pool_refuses_nonsense),
        cmocka_unit_test(cpu_is_described),
        cmocka_unit_test(tiles_need_three_things),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
