/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* fopencookie */
#include "common/remarks.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "common/files.h"

static _Thread_local bool muted;

/* The stream is unbuffered, so that each piece of text is written on its own thread. */
static ssize_t pass_on(void *cookie, const char *bytes, size_t n)
{
    (void)cookie;
    return muted || write_all(STDERR_FILENO, bytes, n) ? (ssize_t)n : 0;
}

void remarks_begin(void)
{
    FILE *asking = fopencookie(NULL, "w", (cookie_io_functions_t){.write = pass_on});
    if (!asking) return; /* then remarks stay visible */
    setvbuf(asking, NULL, _IONBF, 0);
    stderr = asking;
}

void remarks_mute(void) { muted = true; }
void remarks_unmute(void) { muted = false; }
