/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "progress.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;
static _Atomic(phi3v_session *) working;
static bool shown; // a progress line is on the terminal

static void on_sigint(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
    phi3v_session *session = atomic_load(&working);
    if (session) phi3v_session_cancel(session);
}

void progress_catch_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_sigint};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

void progress_session(phi3v_session *session) { atomic_store(&working, session); }

bool progress_interrupted(void) { return interrupted; }

static void wipe(void)
{
    if (shown) fputs("\r\033[K", stderr);
    shown = false;
}

void progress_say(const char *format, ...)
{
    va_list ap;
    wipe();
    fputs("bench: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
}

int progress_event(const struct phi3v_event *event, void *user)
{
    static const char *const stages[] = {"loading", "encoding crops", "prompt", "answer"};
    static double last_s;
    (void)user;
    if (event->type != PHI3V_EVENT_PROGRESS || !isatty(STDERR_FILENO)) return interrupted;
    if (event->done >= event->total) {
        wipe();
    } else if (event->seconds > 1 && (event->seconds > last_s + 0.2 || event->seconds < last_s)) {
        double left = event->done > 0 ? event->seconds * (double)(event->total - event->done) /
                                            (double)event->done
                                      : 0;
        fprintf(stderr, "\r\033[Kbench: %s, %.0f %%, %.0f s left", stages[event->stage],
                100 * (double)event->done / (double)event->total, left);
        fflush(stderr);
        last_s = event->seconds;
        shown = true;
    }
    return interrupted;
}
