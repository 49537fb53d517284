/* SPDX-License-Identifier: GPL-3.0-or-later
 * hub_pull: threads with a connection each take segments of the files in their order; one more
 * thread runs the digests behind them and publishes what is whole; the calling thread shows
 * progress. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/hub_part.h"
#include "net/transfer.h"
#include "term/clean.h"

#define MAX_TRIES 5 /* in a row without a byte */
#define MAX_CONNECTIONS 32
#define DISK_MARGIN_BYTES ((int64_t)64 << 20)

struct job { /* one file */
    const struct hub_file *file;
    struct hub_part part;
    int lock_fd;
    bool done;   /* published */
    bool *taken; // [n_segments] some thread is at it
    int n_taken;
    bool one_stream; /* the server knows no ranges: one thread takes it all */
    char *url;       /* where the bytes are; NULL: to be asked */
    int n_wrong;     /* digests that did not fit */
};

struct pull {
    const struct hub_env *env;
    const struct hub_options *opt;
    struct hub_name name;
    struct hub_listing listing;
    struct hub_cache cache;
    struct job *jobs;
    pthread_mutex_t lock; /* of all below and of the jobs' fields */
    pthread_cond_t changed;
    pthread_mutex_t asking; /* one thread at a time asks where a file is */
    size_t n_done;
    int rc; /* the first error */
    struct phi3v_error err;
    char waiting[80];
    atomic_bool stop;
    _Atomic int64_t fetched;
};

/* -- Ends ------------------------------------------------------------------------------------- */

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

/* -- Where a file is -------------------------------------------------------------------------- */

/* Asks the hub. A file that is not the listed one any more is an error. */
static char *ask_address(struct pull *p, struct hub_client *c, const struct hub_file *f,
                         struct phi3v_error *err)
{
    struct hub_head head = {0};
    char *found = NULL, *ask = hub_file_url(p->env, &p->name, p->listing.commit, f->name);
    int rc =
        ask ? hub_resolve(c, ask, &p->name, &found, &head, err) : net_fail_memory(err, "a model");
    bool other = rc == 0 && ((strlen(head.etag) == strlen(f->key) && strcmp(head.etag, f->key)) ||
                             (head.is_linked && head.size >= 0 && head.size != f->size));
    if (other) {
        net_fail(err, PHI3V_E_IO, "%s of %s changed on the hub meanwhile: pull again", f->name,
                 p->name.repo);
        free(found);
        found = NULL;
    }
    hub_head_fini(&head);
    free(ask);
    return found;
}

/* The job's address, asked for when there is none; new string (free). alone: an address that no
 * other thread uses, because one that was shared has been refused. */
static char *address_of(struct pull *p, struct hub_client *c, struct job *j, bool alone,
                        struct phi3v_error *err)
{
    if (alone) return ask_address(p, c, j->file, err);
    pthread_mutex_lock(&p->asking);
    pthread_mutex_lock(&p->lock);
    char *url = j->url ? strdup(j->url) : NULL;
    pthread_mutex_unlock(&p->lock);
    if (!url && (url = ask_address(p, c, j->file, err)) != NULL) {
        pthread_mutex_lock(&p->lock);
        free(j->url);
        j->url = strdup(url);
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&p->asking);
    return url;
}

/* What led to a failure is asked for anew: signed addresses expire. */
static void forget_address(struct pull *p, struct job *j, const char *url)
{
    pthread_mutex_lock(&p->lock);
    if (j->url && url && !strcmp(j->url, url)) {
        free(j->url);
        j->url = NULL;
    }
    pthread_mutex_unlock(&p->lock);
}

/* -- One segment ------------------------------------------------------------------------------ */

struct taking {
    struct pull *pull;
    struct job *job;
    size_t segment;
    int64_t from, end; /* asked for */
    int n_tries;       /* in a row without a byte */
    int n_refused, n_wrong;
    int write_errno;
    bool stream;    /* the whole file at once */
    bool no_ranges; /* all came where a part was asked for */
    bool wrong;     /* another part than asked for, or more of it */
};

static size_t take_bytes(const void *bytes, size_t n, const struct hub_head *head, void *user)
{
    struct taking *t = user;
    struct hub_part *part = &t->job->part;
    if (head->status == 200 && (t->from > 0 || t->end < t->job->file->size)) {
        t->no_ranges = true;
        return 0;
    }
    if (head->status == 206 &&
        (head->from != t->from || (head->total >= 0 && head->total != t->job->file->size))) {
        t->wrong = true;
        return 0;
    }
    int64_t at = hub_part_begin(part, t->segment) + part->done[t->segment];
    if ((int64_t)n > t->end - at) {
        t->wrong = true;
        return 0;
    }
    t->write_errno = hub_part_write(part, t->segment, bytes, n);
    if (t->write_errno) return 0;
    atomic_fetch_add(&t->pull->fetched, (int64_t)n);
    return n;
}

/* A stream without ranges fills one segment after the other. */
static size_t take_stream(const void *bytes, size_t n, const struct hub_head *head, void *user)
{
    struct taking *t = user;
    struct hub_part *part = &t->job->part;
    const char *from = bytes;
    size_t left = n;
    (void)head;
    while (left > 0 && t->segment < part->n_segments) {
        int64_t room = hub_part_end(part, t->segment) - hub_part_begin(part, t->segment) -
                       part->done[t->segment];
        size_t now = left < (size_t)room ? left : (size_t)room;
        t->write_errno = hub_part_write(part, t->segment, from, now);
        if (t->write_errno) return 0;
        if ((int64_t)now == room) hub_part_note(part, t->segment++);
        from += now;
        left -= now;
    }
    if (left > 0) t->wrong = true;
    atomic_fetch_add(&t->pull->fetched, (int64_t)n);
    return left > 0 ? 0 : n;
}

static int fail_write(struct taking *t, struct phi3v_error *err)
{
    int why = t->write_errno;
    return net_fail(err, PHI3V_E_IO, "cannot write %s in %.250s: %s%s", t->job->file->name,
                    t->pull->cache.repo, strerror(why),
                    why == ENOSPC || why == EDQUOT ? "; the same command goes on once there is room"
                                                   : "");
}

/* One request for what the segment lacks. *ret_code and head: how it ended. */
static int ask_once(struct taking *t, struct hub_client *c, char **ret_url, CURLcode *ret_code,
                    struct hub_head *head, struct phi3v_error *err)
{
    struct job *j = t->job;
    err->code = 0;
    char *url = address_of(t->pull, c, j, t->n_refused > 0, err);
    if (!url) return err->code ? err->code : net_fail_memory(err, "a model");
    t->from = hub_part_begin(&j->part, t->segment) + j->part.done[t->segment];
    t->end = hub_part_end(&j->part, t->segment);
    struct hub_request r = {.url = url, .from = t->from, .end = t->end, .user = t};
    r.sink = t->stream ? take_stream : take_bytes;
    if (t->stream) {
        hub_part_restart(&j->part);
        t->segment = 0;
        r.from = r.end = 0;
    }
    *ret_code = hub_send(c, &r, head);
    *ret_url = url;
    return t->write_errno ? fail_write(t, err) : 0;
}

static bool is_complete(const struct taking *t)
{
    const struct hub_part *part = &t->job->part;
    if (t->stream) return hub_part_done(part) == t->job->file->size;
    return hub_part_begin(part, t->segment) + part->done[t->segment] ==
           hub_part_end(part, t->segment);
}

static int fail_bytes(const struct taking *t, struct phi3v_error *err)
{
    return net_fail(err, PHI3V_E_IO, "the hub's storage sends other bytes of %s than asked for",
                    t->job->file->name);
}

/* What a person can use of the storage's page: S3's message, or a first line without markup. Never
 * an address, which may be signed. */
static char *storage_words(const struct hub_head *head)
{
    const char *message = strstr(head->body, "<Message>");
    const char *words = message ? message + 9 : head->body;
    size_t n = strcspn(words, message ? "<" : "\r\n");
    if (!message && (*words == '<' || *words == '{' || n > 120)) n = 0;
    char *text = strndup(words, n);
    char *clean = text && !strstr(text, "://") ? clean_string(text, CLEAN_NAME) : NULL;
    free(text);
    return clean;
}

static int fail_storage(const struct taking *t, const struct hub_head *head,
                        struct phi3v_error *err)
{
    char *words = storage_words(head);
    net_fail(err, PHI3V_E_IO, "the hub's storage refuses %s (HTTP status %ld)%s%.150s",
             t->job->file->name, head->status, words && *words ? ": " : "", words ? words : "");
    free(words);
    return err->code;
}

/* An address that expired is asked for once more. */
static bool is_refusal(const struct hub_head *head, CURLcode code)
{
    return code == CURLE_OK && head->status >= 300 && head->status < 500 && head->status != 408 &&
           head->status != 429;
}

/* The request ended and bytes are still missing: whether and when to ask again. */
static int weigh(struct taking *t, struct hub_client *c, CURLcode code, const struct hub_head *head,
                 const char *url, double *ret_wait_s, struct phi3v_error *err)
{
    if (code == CURLE_OK && head->status < 300) code = CURLE_PARTIAL_FILE;
    if (t->wrong) {
        t->wrong = false;
        return t->n_wrong++ ? fail_bytes(t, err) : 0;
    }
    if (is_refusal(head, code)) {
        if (t->n_refused++ == 0) return 0;
        return hub_is_hub(c->env, url) ? hub_fail(c, code, head, &t->pull->name, err)
                                       : fail_storage(t, head, err);
    }
    if (hub_may_retry(c->env, code, head, ++t->n_tries, ret_wait_s)) return 0;
    return hub_fail(c, code, head, &t->pull->name, err);
}

/* Until the segment is complete, or it turns out that there are no ranges. */
static int fetch_segment(struct taking *t, struct hub_client *c, struct phi3v_error *err)
{
    int rc = 0;
    while (rc == 0 && !is_complete(t) && !t->no_ranges) {
        struct hub_head head = {0};
        CURLcode code = CURLE_OK;
        char *url = NULL;
        double wait_s = 0;
        rc = ask_once(t, c, &url, &code, &head, err);
        if (!t->stream) {
            hub_part_note(&t->job->part, t->segment);
            if (hub_part_begin(&t->job->part, t->segment) + t->job->part.done[t->segment] > t->from)
                t->n_tries = t->n_refused = 0;
        }
        if (rc == 0 && !is_complete(t) && !t->no_ranges) {
            forget_address(t->pull, t->job, url);
            rc = weigh(t, c, code, &head, url, &wait_s, err);
        }
        long status = code == CURLE_OK ? head.status : 0;
        if (rc == 0 && wait_s > 0) rc = hub_wait(c, wait_s, status, err);
        hub_head_fini(&head);
        free(url);
    }
    return rc;
}

/* -- The threads that fetch ------------------------------------------------------------------- */

static bool segment_lacks(const struct job *j, size_t i)
{
    return hub_part_begin(&j->part, i) + j->part.done[i] < hub_part_end(&j->part, i);
}

/* Under the lock: the next segment that nobody is at. */
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

/* Waits for a segment; false: there is nothing more to do. */
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
        int rc = fetch_segment(&t, &c, &err);
        release(p, &t, segment);
        if (rc) end_with(p, &err);
    }
    hub_client_fini(&c);
    return NULL;
}

/* -- The thread that checks ------------------------------------------------------------------- */

/* The whole file is there and hashed. */
static void finish_job(struct pull *p, struct job *j)
{
    struct phi3v_error err = {0};
    if (!hub_part_is_right(&j->part)) {
        pthread_mutex_lock(&p->lock);
        hub_part_restart(&j->part);
        bool again = ++j->n_wrong < 2; /* the part may be from before a loss of power */
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        if (again) return;
        net_fail(&err, PHI3V_E_IO, "%s arrived damaged twice: its digest is not the hub's %.12s…",
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

/* One round over the files; false: nothing to do at present. */
static bool check_round(struct pull *p)
{
    bool worked = false;
    for (size_t k = 0; k < p->listing.n_files && !atomic_load(&p->stop); k++) {
        struct job *j = &p->jobs[k];
        pthread_mutex_lock(&p->lock);
        bool busy = j->one_stream && j->n_taken > 0; /* may begin anew at any time */
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
    return net_fail(err, PHI3V_E_CANCELLED,
                    "pulling %s was stopped; the same command goes on from here", p->name.repo);
}

static int show_idle(void *user) { return show(user, NULL); }

/* Locks and opens what is missing. In the order of keys, so that two programs cannot wait for each
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
            return net_fail(err, PHI3V_E_IO, "cannot lock %s in %.250s: %s", j->file->name,
                            p->cache.locks, strerror(errno));
        if (show(p, "another program fetches the same file")) return fail_stopped(p, err);
        nanosleep(&nap, NULL);
    }
    return 0;
}

static int open_job(struct pull *p, struct job *j, struct phi3v_error *err)
{
    if (hub_has_blob(&p->cache, j->file)) {
        j->done = true;
        p->n_done++;
        return 0;
    }
    int rc = lock_job(p, j, err);
    if (rc == 0 && hub_has_blob(&p->cache, j->file)) {
        j->done = true;
        p->n_done++;
        return 0;
    }
    if (rc == 0) rc = hub_part_open(&j->part, &p->cache, j->file, p->env->segment_bytes, err);
    if (rc == 0 && !(j->taken = calloc(j->part.n_segments + 1, sizeof *j->taken)))
        rc = net_fail_memory(err, "a model");
    return rc;
}

/* Two files of the same bytes are one blob: the second job only waits for the first. */
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
    for (size_t k = 0; k < p->listing.n_files; k++) {
        const struct job *j = &p->jobs[k];
        int64_t there = j->done ? j->file->size : hub_part_on_disk(&j->part);
        if (there < j->file->size) need += j->file->size - there;
    }
    if (room < 0 || need == 0 || room >= need + DISK_MARGIN_BYTES) return 0;
    return net_fail(err, PHI3V_E_IO,
                    "%s needs %.2f GB more in %.250s, where %.2f GB are free: make room, or name "
                    "another folder by HF_HOME",
                    p->name.repo, (double)need * 1e-9, p->cache.root, (double)room * 1e-9);
}

/* Until the threads are done or the person stops. */
static void watch(struct pull *p)
{
    struct timespec nap = {.tv_nsec = 50000000};
    for (;;) {
        pthread_mutex_lock(&p->lock);
        bool over = atomic_load(&p->stop) || p->n_done == p->listing.n_files;
        pthread_mutex_unlock(&p->lock);
        if (over) return;
        if (show(p, NULL)) {
            struct phi3v_error err = {0};
            fail_stopped(p, &err);
            end_with(p, &err);
            return;
        }
        nanosleep(&nap, NULL);
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
    return net_fail(err, PHI3V_E_IO, "%s is not pulled: HF_HUB_OFFLINE forbids the network",
                    name->repo);
}

static int begin(struct pull *p, const char *what, const struct hub_options *opt,
                 struct phi3v_error *err)
{
    struct hub_client c;
    p->opt = opt;
    p->env = opt->env;
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->asking, NULL);
    pthread_cond_init(&p->changed, NULL);
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
    if (rc == 0) rc = open_jobs(&p, err);
    if (rc == 0) rc = check_space(&p, err);
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
