/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "serve/serve.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/must.h"
#include "serve/listen.h"
#include "serve/server.h"

enum {
    PARALLEL = 8,
    ROOM_MIB = 1024,
    MAX_FETCH_MIB = 64,
    FAREWELL_MS = 2000 /* to tell clients that their answers were stopped */
};

/* -- Signals ----------------------------------------------------------------------------------- */

static sem_t ends; // posted by each SIGTERM or SIGINT

static void on_end(int signal_number)
{
    int saved = errno;
    (void)signal_number;
    sem_post(&ends);
    errno = saved;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_end, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sem_init(&ends, 0, 0);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static void wait_for_end(void)
{
    while (sem_wait(&ends)) continue;
}

/* Whether another signal comes within `ms` milliseconds. */
static bool end_comes_again(int ms)
{
    struct timespec until = clock_after(CLOCK_REALTIME, ms);
    return !sem_timedwait(&ends, &until);
}

/* -- Life -------------------------------------------------------------------------------------- */

/* Completes the answers that have begun, unless a second signal comes. */
static void drain(struct server *s, struct MHD_Daemon *daemon)
{
    atomic_store(&s->draining, true);
    int listening = MHD_quiesce_daemon(daemon);
    if (listening >= 0) close(listening);
    while (atomic_load(&s->n_calls) > 0 && !end_comes_again(CALL_LOOK_MS)) continue;
    scheduler_cancel_all(s->scheduler);
    for (int i = 0; i < FAREWELL_MS / CALL_LOOK_MS && atomic_load(&s->n_calls) > 0; i++)
        if (end_comes_again(CALL_LOOK_MS)) break;
    MHD_stop_daemon(daemon); /* closes what is still open */
}

static int check_address(const struct listening *at, const struct server *s,
                         struct phi3v_error *err)
{
    if (at->loopback || s->keys.n > 0) return 0;
    return refuse(err, PHI3V_E_ARGUMENT,
                  "others can reach %s: that needs keys (--api-key-file FILE)", at->name);
}

static int serve(struct server *s, const struct serve_options *opt, const struct listening *at,
                 struct phi3v_error *err)
{
    struct MHD_Daemon *daemon;
    int rc = vocabulary_new(s->model, &s->vocabulary, err);
    if (rc) return rc;
    rc = scheduler_new(s->model, s->parallel, s->max_waiting, &s->scheduler, err);
    if (rc) {
        vocabulary_free(s->vocabulary);
        return rc;
    }
    rc = http_start(s, at->fd, &daemon, err);
    if (!rc) {
        char *address = xasprintf("http://%s", at->name);
        opt->ready(address, opt);
        free(address);
        wait_for_end();
        drain(s, daemon);
    }
    scheduler_free(s->scheduler);
    vocabulary_free(s->vocabulary);
    return rc;
}

static int parallel_of(const struct serve_options *opt)
{
    int gain = phi3v_model_info(opt->model)->answers_at_once;
    if (opt->parallel > 0) return opt->parallel;
    return gain > PARALLEL ? gain : PARALLEL;
}

int serve_run(const struct serve_options *opt, struct phi3v_error *err)
{
    struct listening at;
    struct settings settings;
    struct server s = {.model = opt->model,
                       .name = opt->name,
                       .no_picture = opt->no_picture,
                       .mode = opt->mode,
                       .settings = &settings,
                       .room.limit = (size_t)ROOM_MIB << 20,
                       .started = time(NULL),
                       .max_waiting = opt->max_waiting,
                       .parallel = parallel_of(opt)};
    int rc = opt->key_file ? api_keys_read(opt->key_file, &s.keys, err) : 0;
    if (rc) return rc;
    if (!(rc = settings_copy(&settings, opt->settings, err))) {
        if (settings.fetch_mib > MAX_FETCH_MIB) settings.fetch_mib = MAX_FETCH_MIB;
        catch_signals();
        if (!(rc = listen_at(opt->host, opt->port, &at, err))) {
            rc = check_address(&at, &s, err);
            if (rc)
                close(at.fd);
            else
                rc = serve(&s, opt, &at, err);
        }
        settings_free(&settings);
    }
    api_keys_free(&s.keys);
    return rc;
}
