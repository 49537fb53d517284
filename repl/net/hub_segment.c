/* SPDX-License-Identifier: MIT
 * One segment of a file: where its bytes are at present, the request, and what to do if it ends
 * early. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/hub_job.h"
#include "net/transfer.h"
#include "term/clean.h"

#define MAX_REDIRECTS 5 /* within a storage service */

/* -- Where a file is -------------------------------------------------------------------------- */

/* Asks the hub for the file's address; it is an error if the file is no longer the listed one. */
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
        refuse(err, PHI3V_E_IO, "%s of %s changed on the hub meanwhile: pull again", f->name,
               p->name.repo);
        free(found);
        found = NULL;
    }
    hub_head_fini(&head);
    free(ask);
    return found;
}

/* The job's address, asked for if there is none; new string (free). alone: asks for an address that
 * no other thread uses, because a shared one was refused. */
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

/* Drops an address that failed, to be asked for again: signed addresses expire. */
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

/* curl hands over 16 KB at a time, at odd places of the file. They are held until HELD_BYTES are
 * complete, because the system first clears a new page that is written in part; so few stay in the
 * processor's cache. */
#define HELD_BYTES ((int64_t)128 << 10)

/* Where the segment's next byte belongs in the file. */
static int64_t next_byte(const struct taking *t)
{
    const struct hub_part *part = &t->job->part;
    return hub_part_begin(part, t->segment) + part->done[t->segment] + (int64_t)t->n_held;
}

static bool write_held(struct taking *t)
{
    if (t->n_held > 0 && t->write_errno == 0)
        t->write_errno = hub_part_write(&t->job->part, t->segment, t->held, t->n_held);
    t->n_held = 0;
    return t->write_errno == 0;
}

/* Takes the segment's next n bytes, never more than it lacks. */
static bool hold(struct taking *t, const char *bytes, int64_t n)
{
    atomic_fetch_add(&t->pull->fetched, n);
    while (n > 0) {
        int64_t room = HELD_BYTES - next_byte(t) % HELD_BYTES, now = n < room ? n : room;
        memcpy(t->held + t->n_held, bytes, (size_t)now);
        t->n_held += (size_t)now;
        if (now == room && !write_held(t)) return false;
        bytes += now;
        n -= now;
    }
    return true;
}

static size_t take_bytes(const void *bytes, size_t n, const struct hub_head *head, void *user)
{
    struct taking *t = user;
    if (head->status == 200 && (t->from > 0 || t->end < t->job->file->size)) {
        t->no_ranges = true;
        return 0;
    }
    if (head->status == 206 &&
        (head->from != t->from || (head->total >= 0 && head->total != t->job->file->size))) {
        t->wrong = true;
        return 0;
    }
    if ((int64_t)n > t->end - next_byte(t)) {
        t->wrong = true;
        return 0;
    }
    return hold(t, bytes, (int64_t)n) ? n : 0;
}

/* A stream without ranges fills the segments one after the other. */
static size_t take_stream(const void *bytes, size_t n, const struct hub_head *head, void *user)
{
    struct taking *t = user;
    struct hub_part *part = &t->job->part;
    const char *from = bytes;
    int64_t left = (int64_t)n;
    (void)head;
    while (left > 0 && t->segment < part->n_segments) {
        int64_t room = hub_part_end(part, t->segment) - next_byte(t);
        int64_t now = left < room ? left : room;
        if (!hold(t, from, now)) return 0;
        if (now == room) {
            if (!write_held(t)) return 0;
            hub_part_note(part, t->segment++);
        }
        from += now;
        left -= now;
    }
    if (left > 0) t->wrong = true;
    return left > 0 ? 0 : n;
}

static int fail_write(struct taking *t, struct phi3v_error *err)
{
    int why = t->write_errno;
    return refuse(err, PHI3V_E_IO, "cannot write %s in %.250s: %s%s", t->job->file->name,
                  t->pull->cache.repo, strerror(why),
                  why == ENOSPC || why == EDQUOT ? "; the same command goes on once there is room"
                                                 : "");
}

/* Sends a request and follows redirects within the storage service. */
static CURLcode send_through(struct hub_client *c, struct hub_request *r, struct hub_head *head)
{
    char *url = NULL;
    CURLcode code = hub_send(c, r, head);
    for (int i = 0; i < MAX_REDIRECTS && code == CURLE_OK && head->location; i++) {
        free(url);
        r->url = url = head->location;
        head->location = NULL;
        hub_head_fini(head);
        code = hub_send(c, r, head);
    }
    free(url);
    return code;
}

/* Sends one request for what the segment lacks. *ret_code and head: how it ended. */
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
    *ret_code = send_through(c, &r, head);
    *ret_url = url;
    write_held(t);
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
    return refuse(err, PHI3V_E_IO, "the hub's storage sends other bytes of %s than asked for",
                  t->job->file->name);
}

/* The useful part of the storage's error page: S3's message, or a first line without markup. Never
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
    refuse(err, PHI3V_E_IO, "the hub's storage refuses %s (HTTP status %ld)%s%.150s",
           t->job->file->name, head->status, words && *words ? ": " : "", words ? words : "");
    free(words);
    return err->code;
}

/* Whether the address was refused, as when it has expired: then it is asked for once more. */
static bool is_refusal(const struct hub_head *head, CURLcode code)
{
    return code == CURLE_OK && head->status >= 300 && head->status < 500 && head->status != 408 &&
           head->status != 429;
}

/* Decides whether and when to ask again, after a request that left bytes missing. */
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
    if (code == CURLE_OK || code == CURLE_ABORTED_BY_CALLBACK || hub_is_hub(c->env, url))
        return hub_fail(c, code, head, &t->pull->name, err);
    return transfer_fail(c->easy, code, "the hub's storage",
                         t->job->part.done[t->stream ? 0 : t->segment], err);
}

int hub_fetch_segment(struct taking *t, struct hub_client *c, struct phi3v_error *err)
{
    t->held = malloc(HELD_BYTES);
    int rc = t->held ? 0 : net_fail_memory(err, "a model");
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
    free(t->held);
    t->held = NULL;
    return rc;
}
