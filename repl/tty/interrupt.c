/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#include "tty/interrupt.h"

static volatile sig_atomic_t requested;
static _Atomic(phi3v_session *) working;

static void on_sigint(int signal_number)
{
    (void)signal_number;
    requested = 1;
    phi3v_session *session = atomic_load(&working);
    if (session) phi3v_session_cancel(session);
}

void interrupt_catch(void)
{
    /* No SA_RESTART: a wait in poll() or read() ends, so that loops see the flag at once. */
    struct sigaction action = {.sa_handler = on_sigint};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

bool interrupt_requested(void) { return requested; }

void interrupt_clear(void) { requested = 0; }

void interrupt_session(phi3v_session *session) { atomic_store(&working, session); }
