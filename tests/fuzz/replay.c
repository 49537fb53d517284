/* SPDX-License-Identifier: MIT
 * Runs stored inputs through a fuzz target, without a fuzzer:
 *   replay [--fail-allocations | --mutate N] FOLDER
 * Each input is a test case, passed when the target returns soon and has freed what it allocated.
 * With --fail-allocations each input runs again and again, with its first, second, … allocation
 * failing; with --mutate N it runs in N damaged versions, the same ones each time. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "fuzz.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

enum { MAX_INPUT_BYTES = 1 << 24, MAX_FAILURES = 2000, MAX_RESIDENT_MIB = 512 };
static const double max_seconds = SANITIZED ? 10 : 1; // of computing time, for one input

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A copy of exactly n bytes, so that a sanitizer sees the first byte read behind them. */
static bool run_once(const char *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy) return false;
    memcpy(copy, bytes, n);
    size_t before = mem_in_use_bytes();
    double begun = now();
    LLVMFuzzerTestOneInput(copy, n);
    double seconds = now() - begun;
    free(copy);
    if (seconds > max_seconds) printf("# took %.1f s\n", seconds);
    return mem_in_use_bytes() == before && seconds <= max_seconds;
}

/* Fails the k-th allocation for k = 1, 2, … until the run makes fewer than k. */
static bool run_failing(const char *bytes, size_t n)
{
    for (long k = 1; k <= MAX_FAILURES; k++) {
        mem_fail_at(k);
        bool clean = run_once(bytes, n);
        bool survived_all = mem_fail_pending();
        mem_fail_at(0);
        if (!clean) {
            printf("# left memory behind when allocation %ld failed\n", k);
            return false;
        }
        if (survived_all) break;
    }
    return true;
}

/* -- Damaged versions ------------------------------------------------------------------------- */

static uint64_t random_state;

static size_t random_below(size_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return n ? (size_t)(random_state % n) : 0;
}

/* One change: a byte replaced or a bit turned, a stretch zeroed, copied elsewhere or left out, the
 * end cut off. Returns the new length. */
static size_t damage(char *bytes, size_t n)
{
    static const char telling[] = {0, 1, 2, 127, -128, -1};
    size_t at = random_below(n), length = 1 + random_below(n - at < 32 ? n - at : 32);
    switch (random_below(7)) {
    case 0:
        bytes[at] = (char)random_below(256);
        break;
    case 1:
        bytes[at] = telling[random_below(sizeof telling)];
        break;
    case 2:
        bytes[at] ^= (char)(1 << random_below(8));
        break;
    case 3:
        memset(bytes + at, 0, length);
        break;
    case 4:
        memmove(bytes + random_below(n - length + 1), bytes + at, length);
        break;
    case 5:
        memmove(bytes + at, bytes + at + length, n - at - length);
        return n - length;
    default:
        return random_below(8) ? n : at;
    }
    return n;
}

static bool run_damaged(const char *bytes, size_t n, long times)
{
    random_state = 0x9e3779b97f4a7c15u + n;
    for (long i = 0; i < times; i++) {
        char *copy = malloc(n ? n : 1);
        if (!copy) return false;
        memcpy(copy, bytes, n);
        size_t n_copy = n;
        for (size_t changes = 1 + random_below(6); changes && n_copy; changes--)
            n_copy = damage(copy, n_copy);
        bool clean = run_once(copy, n_copy);
        free(copy);
        if (!clean) {
            printf("# damaged version %ld\n", i);
            return false;
        }
    }
    return true;
}

/* -- All -------------------------------------------------------------------------------------- */

struct mode {
    bool failing;
    long damaged; // versions
};

static bool run_file(const char *path, struct mode mode)
{
    char *bytes;
    size_t n;
    struct phi3v_error err;
    if (file_read(path, MAX_INPUT_BYTES, &bytes, &n, &err) < 0) {
        printf("# %s\n", err.text);
        return false;
    }
    bool clean = run_once(bytes, n) && (!mode.failing || run_failing(bytes, n)) &&
                 run_damaged(bytes, n, mode.damaged);
    mem_free(bytes);
    return clean;
}

static int visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* The exit status of main. */
static int run_folder(const char *folder, struct mode mode)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, visible, alphasort), n_failed = 0;
    for (int i = 0; i < n; i++) {
        char *path = path_join(folder, entries[i]->d_name);
        bool ok = path && run_file(path, mode);
        if (!ok) n_failed++;
        printf("%s %d - %s\n", ok ? "ok" : "not ok", i + 1, entries[i]->d_name);
        fflush(stdout);
        mem_free(path);
        free(entries[i]);
    }
    if (n >= 0) free(entries);
    if (n <= 0) fprintf(stderr, "no inputs in %s\n", folder);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    bool modest = SANITIZED || used.ru_maxrss / 1024 <= MAX_RESIDENT_MIB;
    printf("%s %d - at most %d MiB of memory (%ld)\n", modest ? "ok" : "not ok", n + 1,
           MAX_RESIDENT_MIB, used.ru_maxrss / 1024);
    printf("1..%d\n", n > 0 ? n + 1 : 1);
    return n_failed || n <= 0 || !modest;
}

int main(int argc, char **argv)
{
    struct mode mode = {.failing = argc == 3 && strcmp(argv[1], "--fail-allocations") == 0};
    if (argc == 4 && strcmp(argv[1], "--mutate") == 0) mode.damaged = atol(argv[2]);
    if (argc != (mode.failing ? 3 : mode.damaged > 0 ? 4 : 2)) {
        fprintf(stderr, "usage: %s [--fail-allocations | --mutate N] FOLDER\n", argv[0]);
        return 2;
    }
    return run_folder(argv[argc - 1], mode);
}
