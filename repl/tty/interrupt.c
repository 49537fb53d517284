/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "tty/interrupt.h"

static atomic_int requested, stop_requested; /* set by handlers on any thread */
static _Atomic(void (*)(void *)) stop_work;
static _Atomic(void *) stop_user;

static void take(int signal_number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, NULL);
}

/* -- SIGINT ---------------------------------------------------------------------------------- */

static void on_sigint(int signal_number)
{
    (void)signal_number;
    requested = 1;
    void (*stop)(void *) = atomic_load(&stop_work);
    if (stop) stop(atomic_load(&stop_user));
}

void interrupt_catch(void) { take(SIGINT, on_sigint, SA_RESTART); }

void interrupt_ends_reads(bool ends) { take(SIGINT, on_sigint, ends ? 0 : SA_RESTART); }

bool interrupt_requested(void) { return requested; }

void interrupt_clear(void) { requested = 0; }

void interrupt_calls(void (*stop)(void *user), void *user)
{
    atomic_store(&stop_work, NULL);
    atomic_store(&stop_user, user);
    atomic_store(&stop_work, stop);
}

/* -- SIGTSTP --------------------------------------------------------------------------------- */

static void on_sigtstp(int signal_number)
{
    (void)signal_number;
    stop_requested = 1;
}

void interrupt_catch_stop(void) { take(SIGTSTP, on_sigtstp, SA_RESTART); }

bool interrupt_stop_requested(void) { return stop_requested; }

void interrupt_stop(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL}, ours;
    sigset_t stop, mask;
    stop_requested = 0;
    sigemptyset(&usual.sa_mask);
    sigaction(SIGTSTP, &usual, &ours);
    kill(getpid(), SIGTSTP);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &stop, &mask); /* a blocked stop takes effect here */
    sigaction(SIGTSTP, &ours, NULL);
    sigprocmask(SIG_SETMASK, &mask, NULL);
}
