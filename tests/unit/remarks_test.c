/* SPDX-License-Identifier: MIT
 * What a muted thread writes to stderr is left out, and nothing else is. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/remarks.h"

static void *another(void *text)
{
    fprintf(stderr, "%s;", (const char *)text);
    return NULL;
}

static void on_another(const char *text)
{
    pthread_t thread;
    char copy[32];
    snprintf(copy, sizeof copy, "%s", text);
    assert_int_equal(pthread_create(&thread, NULL, another, copy), 0);
    pthread_join(thread, NULL);
}

static void *mute_too(void *unused)
{
    (void)unused;
    remarks_mute();
    fprintf(stderr, "unheard;");
    remarks_unmute();
    fprintf(stderr, "heard;");
    return NULL;
}

static void only_the_muted_thread(void **state)
{
    (void)state;
    char told[200] = "";
    FILE *file = tmpfile();
    int kept = dup(STDERR_FILENO);
    pthread_t thread;
    dup2(fileno(file), STDERR_FILENO);
    fprintf(stderr, "before;");
    for (int i = 0; i < 2; i++) {
        remarks_mute();
        fprintf(stderr, "muted %d;", i);
        on_another("other");
        pthread_create(&thread, NULL, mute_too, NULL);
        pthread_join(thread, NULL);
        fprintf(stderr, "still;");
        remarks_unmute();
        fprintf(stderr, "after;");
    }
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    told[fread(told, 1, sizeof told - 1, file)] = 0;
    fclose(file);
    assert_string_equal(told, "before;other;heard;after;other;heard;after;");
}

int main(void)
{
    remarks_begin();
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_the_muted_thread)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
