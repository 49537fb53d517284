/* SPDX-License-Identifier: MIT
 * Finds out what servers serve, before the first question. */
#define _GNU_SOURCE /* explicit_bzero */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/chat_server.h"
#include "net/limits.h"
#include "net/transfer.h"

/* -- What they serve -------------------------------------------------------------------------- */

static size_t take_page(char *data, size_t size, size_t n, void *user)
{
    return bytes_add(user, data, size * n, NET_EVENT_BYTES) ? 0 : size * n;
}

/* Gets server k's list of models; *ret_wait_s: how long it asks us to wait, or -1. */
static int get_models(struct chat *c, int k, const struct chat_options *opt, struct bytes *ret,
                      double *ret_wait_s, struct phi3v_error *err)
{
    enum { PROBE_S = 30 };
    struct curl_slist *headers = NULL;
    struct chat_server *s = &c->servers[k];
    CURL *easy = curl_easy_init();
    long status = 0;
    char *location = NULL, message[300];
    *ret_wait_s = -1;
    if (!easy || !chat_server_setup(c, k, "/models", easy, &headers)) {
        curl_easy_cleanup(easy);
        curl_slist_free_all(headers);
        return net_fail_memory(err, s->name);
    }
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)PROBE_S);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_page);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, ret);
    CURLcode code = transfer_run(c->multi, easy, opt->stop, opt->user);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &location);
    int rc = 0;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        rc = refuse(err, PHI3V_E_CANCELLED, "asking %s was cancelled", s->name);
    else if (code != CURLE_OK)
        rc = chat_transfer_fail(s, easy, code, (int64_t)ret->n, err);
    else if (status != 200) {
        chat_error_text(bytes_text(ret), ret->n, message, sizeof message);
        rc = chat_status_fail(s->name, status, message, location, c->key != NULL, err);
    }
    if (code == CURLE_OK && (status == 429 || status == 503)) {
        curl_off_t after = 0;
        curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &after);
        *ret_wait_s = after > 0 ? (double)after : 0;
    }
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    return rc;
}

static int nap(double seconds, const struct chat_options *opt)
{
    double end = now_s() + seconds;
    for (double left; (left = end - now_s()) > 0;) {
        struct timespec t = {.tv_nsec = left < 0.05 ? (long)(left * 1e9) : 50000000L};
        nanosleep(&t, NULL);
        if (opt->stop && opt->stop(opt->user)) return PHI3V_E_CANCELLED;
    }
    return 0;
}

/* A server that is starting says so, and we wait for it. */
static int get_models_patiently(struct chat *c, int k, const struct chat_options *opt,
                                struct bytes *ret, struct phi3v_error *err)
{
    double wait_s, waited_s = 0;
    for (int n = 1;; n++) {
        int rc = get_models(c, k, opt, ret, &wait_s, err);
        if (!rc || wait_s < 0 || n > NET_TRIES || waited_s + wait_s > NET_WAIT_S) return rc;
        if (wait_s == 0) wait_s = chat_backoff_s(c, n);
        waited_s += wait_s;
        bytes_fini(ret);
        if (nap(wait_s, opt))
            return refuse(err, PHI3V_E_CANCELLED, "waiting for %s was cancelled",
                          c->servers[k].name);
    }
}

/* All servers must serve the first one's model. */
static int learn_model(struct chat *c, int k, const struct chat_options *opt,
                       struct phi3v_error *err)
{
    struct bytes page = {0};
    struct chat_listed l = {0};
    const char *name = c->servers[k].name, *wanted = c->model ? c->model : opt->model;
    int rc = get_models_patiently(c, k, opt, &page, err);
    if (!rc && !chat_models_find(bytes_text(&page), page.n, wanted, &l))
        rc = refuse(err, PHI3V_E_DEVICE, "%s does not list models: is that the address of its /v1?",
                    name);
    bytes_fini(&page);
    if (!rc && !l.id)
        rc = refuse(err, PHI3V_E_DEVICE, "%.150s does not serve %.100s%s%.200s", name,
                    wanted ? wanted : "any model", *l.names ? ", but " : "", l.names);
    if (!rc && !c->model) {
        c->model = l.id;
        c->mode = l.mode;
        c->context = l.context;
        c->reads_tags = l.reads_tags;
        l.id = l.mode = NULL;
    } else if (!rc) {
        c->reads_tags &= l.reads_tags;
        if (l.context > 0 && l.context < c->context) c->context = l.context;
    }
    chat_listed_fini(&l);
    return rc;
}

/* -- Life ------------------------------------------------------------------------------------- */

/* A key must be one word that is valid in a header. */
static int take_key(struct chat *c, const char *key, struct phi3v_error *err)
{
    if (!key) return 0;
    for (const char *p = key; *p; p++)
        if (*p <= ' ' || *p >= 0x7F)
            return refuse(err, PHI3V_E_ARGUMENT,
                          "the key has a blank or a letter in it that no key has");
    c->key = strdup(key);
    return c->key ? 0 : net_fail_memory(err, "an engine");
}

/* At least one server must answer; a note names others that do not. */
static int learn(struct chat *c, const struct chat_options *opt, struct phi3v_error *err)
{
    int n_there = 0, rc = 0;
    for (int k = 0; k < c->n; k++) {
        struct phi3v_error why;
        rc = learn_model(c, k, opt, &why);
        n_there += !rc;
        if (rc && err) *err = why;
        if (rc == PHI3V_E_CANCELLED || rc == PHI3V_E_MEMORY) return rc;
        if (rc) {
            free(c->note);
            c->note = strdup(why.text);
            c->servers[k].n_failed = 1;
            c->servers[k].ready_s = now_s() + chat_backoff_s(c, 4);
        }
    }
    return n_there ? 0 : rc;
}

static int name_all(struct chat *c, struct phi3v_error *err)
{
    c->name = c->n > 1 ? text_format("%s and %d more", c->servers[0].name, c->n - 1)
                       : strdup(c->servers[0].name);
    return c->name ? 0 : net_fail_memory(err, "an engine");
}

int chat_open(const struct chat_options *opt, struct chat **ret, struct phi3v_error *err)
{
    struct chat *c = calloc(1, sizeof *c);
    if (!c) return net_fail_memory(err, "an engine");
    c->backoff_s = opt->backoff_s > 0 ? opt->backoff_s : 1;
    c->silence_s = opt->silence_s > 0 ? opt->silence_s : NET_SILENCE_S;
    c->multi = curl_multi_init();
    int rc = c->multi ? take_key(c, opt->key, err) : net_fail_memory(err, "an engine");
    if (!rc) rc = chat_servers_add(c, opt, err);
    if (!rc) rc = name_all(c, err);
    if (!rc) rc = learn(c, opt, err);
    if (rc)
        chat_close(c);
    else
        *ret = c;
    return rc;
}

void chat_close(struct chat *c)
{
    if (!c) return;
    while (c->calls) chat_end(c, c->calls);
    curl_multi_cleanup(c->multi);
    for (int k = 0; k < c->n; k++) {
        free(c->servers[k].base);
        free(c->servers[k].name);
        free(c->servers[k].proxy);
    }
    if (c->key) explicit_bzero(c->key, strlen(c->key));
    free(c->servers);
    free(c->model);
    free(c->mode);
    free(c->name);
    free(c->key);
    free(c->note);
    free(c);
}

const char *chat_model(const struct chat *c) { return c->model; }
const char *chat_name(const struct chat *c) { return c->name; }
int64_t chat_context(const struct chat *c) { return c->context; }
int chat_n_servers(const struct chat *c) { return c->n; }
const char *chat_note(const struct chat *c) { return c->note; }
const char *chat_mode(const struct chat *c) { return c->mode; }
bool chat_reads_tags(const struct chat *c) { return c->reads_tags; }
