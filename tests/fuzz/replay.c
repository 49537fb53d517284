/* SPDX-License-Identifier: MIT
 * Runs stored inputs through a fuzz target, without a fuzzer: replay [--fail-allocations] FOLDER.
 * Each input is a test case, passed when the target returns and has freed what it allocated. With
 * --fail-allocations each input runs again and again, with its first, second, … allocation failing.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "fuzz.h"

enum { MAX_INPUT_BYTES = 1 << 24, MAX_FAILURES = 2000 };

/* A copy of exactly n bytes, so that a sanitizer sees the first byte read behind them. */
static bool run_once(const char *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy) return false;
    memcpy(copy, bytes, n);
    size_t before = mem_in_use_bytes();
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    return mem_in_use_bytes() == before;
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

static bool run_file(const char *path, bool failing)
{
    char *bytes;
    size_t n;
    struct phi3v_error err;
    if (file_read(path, MAX_INPUT_BYTES, &bytes, &n, &err) < 0) {
        printf("# %s\n", err.text);
        return false;
    }
    bool clean = run_once(bytes, n) && (!failing || run_failing(bytes, n));
    mem_free(bytes);
    return clean;
}

static int visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* The exit status of main. */
static int run_folder(const char *folder, bool failing)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, visible, alphasort), n_failed = 0;
    for (int i = 0; i < n; i++) {
        char *path = path_join(folder, entries[i]->d_name);
        bool ok = path && run_file(path, failing);
        if (!ok) n_failed++;
        printf("%s %d - %s\n", ok ? "ok" : "not ok", i + 1, entries[i]->d_name);
        fflush(stdout);
        mem_free(path);
        free(entries[i]);
    }
    if (n >= 0) free(entries);
    if (n <= 0) fprintf(stderr, "no inputs in %s\n", folder);
    printf("1..%d\n", n > 0 ? n : 0);
    return n_failed || n <= 0;
}

int main(int argc, char **argv)
{
    bool failing = argc == 3 && strcmp(argv[1], "--fail-allocations") == 0;
    if (argc != (failing ? 3 : 2)) {
        fprintf(stderr, "usage: %s [--fail-allocations] FOLDER\n", argv[0]);
        return 2;
    }
    return run_folder(argv[argc - 1], failing);
}
