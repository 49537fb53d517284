/* SPDX-License-Identifier: MIT
 * hub_pull: threads with one connection each fetch segments of the files in order; another thread
 * hashes what has come and publishes complete files; the calling thread reports progress. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/error.h"
#include "net/hub_job.h"

#define MAX_CONNECTIONS 32
#define DISK_MARGIN_BYTES ((int64_t)64 << 20)

/* -- Ends ------------------------------------------------------------------------------------- */

/* Ends the pull with its first error from any thread. */
static void end_with(struct pull *p, const struct phi3v_error *err)
{
    pthread_mutex_lock(&p->lock);
    if (p->rc == 0) {
        p->rc = err->code;
        p->err = *err;
    }
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* Callbacks for struct hub_client, with user = struct pull. */
static int has_stopped(void *user)
{
    struct pull *p = user;
    return atomic_load(&p->stop);
}

static void note_waiting(void *user, const char *why)
{
    struct pull *p = user;
    pthread_mutex_lock(&p->lock);
    snprintf(p->waiting, sizeof p->waiting, "%s", why ? why : "");
    pthread_mutex_unlock(&p->lock);
}

/* -- The threads that fetch ------------------------------------------------------------------- */

static bool segment_lacks(const struct job *j, size_t i)
{
    return hub_part_begin(&j->part, i) + j->part.done[i] < hub_part_end(&j->part, i);
}

/* Claims the next segment that nobody is fetching; the lock is held. */
static bool claim(struct pull *p, struct taking *t)
{
    for (size_t k = 0; k < p->listing.n_files; k++) {
        struct job *j = &p->jobs[k];
        if (j->done) continue;
        if (j->one_stream && j->n_taken > 0) continue;
        for (size_t i = 0; i < j->part.n_segments; i++) {
            if (j->taken[i] || !segment_lacks(j, i)) continue;
            *t = (struct taking){.pull = p, .job = j, .segment = i, .stream = j->one_stream};
            j->taken[t->segment] = true;
            j->n_taken++;
            return true;
        }
    }
    return false;
}

static void release(struct pull *p, struct taking *t, size_t segment)
{
    pthread_mutex_lock(&p->lock);
    t->job->taken[segment] = false;
    t->job->n_taken--;
    if (t->no_ranges) t->job->one_stream = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* Waits for a segment; false: nothing is left to do. */
static bool next_segment(struct pull *p, struct taking *t)
{
    bool found = false;
    pthread_mutex_lock(&p->lock);
    while (!atomic_load(&p->stop) && p->n_done < p->listing.n_files && !(found = claim(p, t)))
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return found;
}

static void *fetch_thread(void *arg)
{
    struct pull *p = arg;
    struct hub_client c;
    struct phi3v_error err = {0};
    struct taking t;
    if (hub_client_init(&c, p->env, &err) != 0) {
        end_with(p, &err);
        return NULL;
    }
    c.stop = has_stopped;
    c.waiting = note_waiting;
    c.user = p;
    while (next_segment(p, &t)) {
        size_t segment = t.segment;
        int rc = hub_fetch_segment(&t, &c, &err);
        release(p, &t, segment);
        if (rc) end_with(p, &err);
    }
    hub_client_fini(&c);
    return NULL;
}

/* -- The thread that checks ------------------------------------------------------------------- */

/* Checks and publishes a file that is complete and hashed. */
static void finish_job(struct pull *p, struct job *j)
{
    struct phi3v_error err = {0};
    if (!hub_part_is_right(&j->part)) {
        pthread_mutex_lock(&p->lock);
        hub_part_restart(&j->part);
        bool again = ++j->n_wrong < 2; /* the part may predate a power loss */
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        if (again) return;
        refuse(&err, PHI3V_E_IO, "%s arrived damaged twice: its digest is not the hub's %.12s…",
               j->file->name, j->file->key);
        end_with(p, &err);
    } else if (hub_part_publish(&j->part, &err) != 0) {
        end_with(p, &err);
    } else {
        pthread_mutex_lock(&p->lock);
        j->done = true;
        p->n_done++;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
    }
}

/* Goes over the files once; false: nothing to do at present. */
static bool check_round(struct pull *p)
{
    bool worked = false;
    for (size_t k = 0; k < p->listing.n_files && !atomic_load(&p->stop); k++) {
        struct job *j = &p->jobs[k];
        pthread_mutex_lock(&p->lock);
        bool busy = j->one_stream && j->n_taken > 0; /* may restart at any time */
        pthread_mutex_unlock(&p->lock);
        if (j->done || busy) continue;
        while (!atomic_load(&p->stop) && hub_part_hash(&j->part)) worked = true;
        if (j->part.hashed == j->file->size && !atomic_load(&p->stop)) {
            finish_job(p, j);
            worked = true;
        }
    }
    return worked;
}

static void *check_thread(void *arg)
{
    struct pull *p = arg;
    for (;;) {
        bool worked = check_round(p);
        pthread_mutex_lock(&p->lock);
        bool over = atomic_load(&p->stop) || p->n_done == p->listing.n_files;
        pthread_mutex_unlock(&p->lock);
        if (over) return NULL;
        struct timespec nap = {.tv_nsec = 10000000};
        if (!worked) nanosleep(&nap, NULL);
    }
}

/* -- The calling thread ----------------------------------------------------------------------- */

static int show(struct pull *p, const char *waiting)
{
    struct hub_progress now = {.n_files = (int)p->listing.n_files, .size = p->listing.size};
    char why[80];
    if (!p->opt->on_progress) return 0;
    pthread_mutex_lock(&p->lock);
    snprintf(why, sizeof why, "%s", waiting ? waiting : p->waiting);
    now.n_files_done = (int)p->n_done;
    for (size_t k = 0; k < p->listing.n_files; k++) {
        const struct job *j = &p->jobs[k];
        int64_t done = j->done ? j->file->size : j->part.done ? hub_part_done(&j->part) : 0;
        now.done += done;
        if (j->done || now.file) continue;
        now.file = j->file->name;
        now.file_done = done;
        now.file_size = j->file->size;
    }
    pthread_mutex_unlock(&p->lock);
    now.waiting = *why ? why : NULL;
    return p->opt->on_progress(&now, p->opt->user);
}

static int fail_stopped(const struct pull *p, struct phi3v_error *err)
{
    return refuse(err, PHI3V_E_CANCELLED,
                  "pulling %s was stopped; the same command goes on from here", p->name.repo);
}

static int show_idle(void *user) { return show(user, NULL); }

/* Missing files are locked in the order of their keys, so that two programs cannot wait for each
 * other. */
static int by_key(const void *a, const void *b)
{
    const struct job *const *ja = a, *const *jb = b;
    return strcmp((*ja)->file->key, (*jb)->file->key);
}

static int lock_job(struct pull *p, struct job *j, struct phi3v_error *err)
{
    while ((j->lock_fd = hub_try_lock(&p->cache, j->file->key)) < 0) {
        struct timespec nap = {.tv_nsec = 100000000};
        if (errno != EWOULDBLOCK)
            return refuse(err, PHI3V_E_IO, "cannot lock %s in %.250s: %s", j->file->name,
                          p->cache.locks, strerror(errno));
        if (show(p, "another program fetches the same file")) return fail_stopped(p, err);
        nanosleep(&nap, NULL);
    }
    return 0;
}

/* Whether nothing needs to be fetched. */
static bool is_there(struct pull *p, struct job *j)
{
    if (!hub_has_blob(&p->cache, j->file)) return false;
    hub_part_forget(&p->cache, j->file);
    j->done = true;
    p->n_done++;
    return true;
}

static int open_job(struct pull *p, struct job *j, struct phi3v_error *err)
{
    if (is_there(p, j)) return 0;
    int rc = lock_job(p, j, err);
    if (rc == 0 && is_there(p, j)) return 0;
    if (rc == 0) rc = hub_part_open(&j->part, &p->cache, j->file, p->env->segment_bytes, err);
    if (rc == 0 && !(j->taken = calloc(j->part.n_segments + 1, sizeof *j->taken)))
        rc = net_fail_memory(err, "a model");
    return rc;
}

/* Two files with the same bytes are one blob: the second job only waits for the first. */
static int open_jobs(struct pull *p, struct phi3v_error *err)
{
    size_t n = p->listing.n_files;
    struct job **order = calloc(n + 1, sizeof *order);
    p->jobs = calloc(n + 1, sizeof *p->jobs);
    int rc = order && p->jobs ? 0 : net_fail_memory(err, "a model");
    for (size_t k = 0; rc == 0 && k < n; k++) {
        p->jobs[k] = (struct job){.file = &p->listing.files[k], .lock_fd = -1};
        order[k] = &p->jobs[k];
    }
    if (rc == 0) qsort(order, n, sizeof *order, by_key);
    for (size_t k = 0; rc == 0 && k < n; k++) {
        if (k > 0 && !strcmp(order[k]->file->key, order[k - 1]->file->key)) {
            order[k]->done = true;
            p->n_done++;
        } else {
            rc = open_job(p, order[k], err);
        }
    }
    free(order);
    return rc;
}

static void close_jobs(struct pull *p)
{
    for (size_t k = 0; p->jobs && k < p->listing.n_files; k++) {
        struct job *j = &p->jobs[k];
        if (j->part.file) hub_part_close(&j->part);
        if (j->lock_fd >= 0) close(j->lock_fd);
        free(j->taken);
        free(j->url);
    }
    free(p->jobs);
}

static int check_space(const struct pull *p, struct phi3v_error *err)
{
    int64_t need = 0, room = hub_free_bytes(p->cache.repo);
    for (size_t k = 0; k < p->listing.n_files; k++)
        need += hub_part_room(&p->cache, &p->listing.files[k]);
    if (room < 0 || need == 0 || room >= need + DISK_MARGIN_BYTES) return 0;
    return refuse(err, PHI3V_E_IO,
                  "%s needs %.2f GB of room in %.250s, where %.2f GB are free: make room, or name "
                  "another folder by HF_HOME",
                  p->name.repo, (double)(need + DISK_MARGIN_BYTES) * 1e-9, p->cache.root,
                  (double)room * 1e-9);
}

/* Waits for a change for at most a twentieth of a second; true: the threads are done. */
static bool watch_once(struct pull *p)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += 50000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&p->lock);
    bool over = false;
    for (int rc = 0; rc == 0;) {
        over = atomic_load(&p->stop) || p->n_done == p->listing.n_files;
        rc = over ? ETIMEDOUT : pthread_cond_timedwait(&p->changed, &p->lock, &until);
    }
    pthread_mutex_unlock(&p->lock);
    return over;
}

/* Waits until the threads are done or the person stops. */
static void watch(struct pull *p)
{
    while (!watch_once(p)) {
        if (show(p, NULL)) {
            struct phi3v_error err = {0};
            fail_stopped(p, &err);
            end_with(p, &err);
            return;
        }
    }
}

static int fetch_all(struct pull *p, struct phi3v_error *err)
{
    pthread_t threads[MAX_CONNECTIONS + 1];
    int n = 0, n_wanted = p->env->n_connections < MAX_CONNECTIONS ? p->env->n_connections
                                                                  : MAX_CONNECTIONS;
    if (p->n_done == p->listing.n_files) return 0;
    if (pthread_create(&threads[n], NULL, check_thread, p) == 0) n++;
    for (int i = 0; n > 0 && i < n_wanted; i++)
        if (pthread_create(&threads[n], NULL, fetch_thread, p) == 0) n++;
    if (n < 2) {
        net_fail_memory(err, "a model");
        end_with(p, err);
    }
    watch(p);
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    while (n > 0) pthread_join(threads[--n], NULL);
    if (p->rc && err) *err = p->err;
    return p->rc;
}

/* -- The whole -------------------------------------------------------------------------------- */

static int fail_offline(const struct hub_name *name, struct phi3v_error *err)
{
    return refuse(err, PHI3V_E_IO, "%s is not pulled: HF_HUB_OFFLINE forbids the network",
                  name->repo);
}

/* Uses the monotonic clock for waits. */
static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

static int begin(struct pull *p, const char *what, const struct hub_options *opt,
                 struct phi3v_error *err)
{
    struct hub_client c;
    p->opt = opt;
    p->env = opt->env;
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->asking, NULL);
    init_condition(&p->changed);
    int rc = hub_name_parse(what, p->env, &p->name, err);
    if (rc == 0 && p->env->offline) rc = fail_offline(&p->name, err);
    if (rc) return rc;
    rc = hub_client_init(&c, p->env, err);
    if (rc) return rc;
    c.is_first = true;
    c.stop = show_idle;
    c.waiting = note_waiting;
    c.user = p;
    rc = hub_list(&c, &p->name, &p->listing, err);
    hub_client_fini(&c);
    return rc;
}

static void end(struct pull *p)
{
    close_jobs(p);
    hub_cache_fini(&p->cache);
    hub_listing_fini(&p->listing);
    hub_name_fini(&p->name);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->asking);
    pthread_cond_destroy(&p->changed);
}

int hub_pull(const char *what, const struct hub_options *opt, struct hub_pulled *ret,
             struct phi3v_error *err)
{
    struct pull p = {0};
    struct phi3v_error own = {0};
    if (!err) err = &own;
    int rc = begin(&p, what, opt, err);
    if (rc == 0) rc = hub_cache_init(&p.cache, p.env, &p.name, err);
    if (rc == 0) rc = hub_cache_make(&p.cache, err);
    if (rc == 0) rc = check_space(&p, err);
    if (rc == 0) rc = open_jobs(&p, err);
    if (rc == 0) rc = fetch_all(&p, err);
    char *path = NULL;
    if (rc == 0) rc = hub_publish(&p.cache, &p.name, &p.listing, &path, err);
    if (rc == 0) {
        *ret = (struct hub_pulled){.path = path,
                                   .n_files = (int)p.listing.n_files,
                                   .size = p.listing.size,
                                   .fetched = atomic_load(&p.fetched)};
        memcpy(ret->commit, p.listing.commit, sizeof ret->commit);
    }
    end(&p);
    return rc;
}

void hub_pulled_fini(struct hub_pulled *p)
{
    free(p->path);
    *p = (struct hub_pulled){0};
}

int hub_size(const char *what, const struct hub_options *opt, int64_t *ret_size,
             int64_t *ret_missing, struct phi3v_error *err)
{
    struct pull p = {0};
    int rc = begin(&p, what, opt, err);
    if (rc == 0) rc = hub_cache_init(&p.cache, p.env, &p.name, err);
    if (rc == 0) {
        *ret_size = *ret_missing = p.listing.size;
        for (size_t i = 0; i < p.listing.n_files; i++)
            if (hub_has_blob(&p.cache, &p.listing.files[i]))
                *ret_missing -= p.listing.files[i].size;
    }
    end(&p);
    return rc;
}
