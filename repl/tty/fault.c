/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "tty/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "term/term.h"

static _Atomic(const phi3v_model *) model;
static atomic_bool autosaves, as_json;
static atomic_int status;
static atomic_flag told = ATOMIC_FLAG_INIT;

/* A sentence built in a signal handler, where only async-signal-safe calls are allowed. */
struct sentence {
    char text[500];
    size_t n;
};

static void add(struct sentence *s, const char *part)
{
    for (; *part && s->n < sizeof s->text; part++) s->text[s->n++] = *part;
}

/* Adds a file's name without characters that JSON or a terminal would need escaped. */
static void add_name(struct sentence *s, const char *name)
{
    for (; *name && s->n < sizeof s->text; name++) {
        bool plain = *name >= ' ' && *name < 0x7F;
        s->text[s->n++] = !plain ? '?' : *name == '"' || *name == '\\' ? '\'' : *name;
    }
}

static void say(const char *name)
{
    struct sentence s = {.n = 0};
    const bool json = atomic_load(&as_json);
    add(&s, json ? "{\"error\":{\"code\":\"model\",\"message\":\"" : "\nphiscope: ");
    add_name(&s, name ? name : "a file of the model");
    add(&s,
        " was cut short, or its disk failed, while the model was in use; start again when the file "
        "is complete");
    if (atomic_load(&autosaves)) add(&s, " (unsaved cells are kept and offered then)");
    add(&s, json ? "\"}}\n" : "\n");
    ssize_t written = write(json ? STDOUT_FILENO : STDERR_FILENO, s.text, s.n);
    (void)written;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code == BUS_ADRERR) {
        /* Several threads read the weights. The first one reports and ends the process; others
         * wait. */
        while (atomic_flag_test_and_set(&told)) pause();
        term_restore();
        say(phi3v_model_file_at(atomic_load(&model), info->si_addr));
        _exit(atomic_load(&status));
    }
    signal(sig, SIG_DFL); // not in a weights file, so a bug: crash as usual
    raise(sig);
}

void fault_catch(int exit_status)
{
    atomic_store(&status, exit_status);
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

void fault_model(const phi3v_model *m) { atomic_store(&model, m); }

void fault_autosaves(void) { atomic_store(&autosaves, true); }

void fault_as_json(void) { atomic_store(&as_json, true); }
