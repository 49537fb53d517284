/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* strcasestr */
#include "net/hub_http.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "net/bytes.h"
#include "net/transfer.h"
#include "net/url.h"
#include "term/clean.h"

#define MAX_TRIES 5
#define MAX_REDIRECTS 20
#define MAX_WAIT_S 300.0
#define MAX_JSON_BYTES ((size_t)64 << 20)

/* -- Origins ---------------------------------------------------------------------------------- */

/* Whether scheme, host and port of two addresses are equal. */
static bool same_origin(const char *a, const char *b)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    CURLU *ua = curl_url(), *ub = curl_url();
    bool same = ua && ub && !curl_url_set(ua, CURLUPART_URL, a, 0) &&
                !curl_url_set(ub, CURLUPART_URL, b, 0);
    for (size_t i = 0; same && i < sizeof parts / sizeof *parts; i++) {
        char *pa = NULL, *pb = NULL;
        same = !curl_url_get(ua, parts[i], &pa, CURLU_DEFAULT_PORT) &&
               !curl_url_get(ub, parts[i], &pb, CURLU_DEFAULT_PORT) && !strcasecmp(pa, pb);
        curl_free(pa);
        curl_free(pb);
    }
    curl_url_cleanup(ua);
    curl_url_cleanup(ub);
    return same;
}

bool hub_is_hub(const struct hub_env *env, const char *url)
{
    return same_origin(url, env->endpoint) ||
           (!strncasecmp(url, "https:", 6) && url_behind_hub(url));
}

/* -- Heads ------------------------------------------------------------------------------------ */

void hub_head_fini(struct hub_head *head)
{
    free(head->location);
    free(head->next);
    *head = (struct hub_head){0};
}

static void keep(char *to, size_t size, const char *value, size_t n)
{
    if (n >= size) n = size - 1;
    memcpy(to, value, n);
    to[n] = 0;
}

/* Stores W/"abc" and "abc" as abc. */
static void keep_etag(struct hub_head *h, const char *value, size_t n, bool is_linked)
{
    if (h->is_linked && !is_linked) return;
    if (n > 2 && !strncmp(value, "W/", 2)) value += 2, n -= 2;
    if (n >= 2 && *value == '"' && value[n - 1] == '"') value++, n -= 2;
    keep(h->etag, sizeof h->etag, value, n);
    h->is_linked = is_linked;
}

static int64_t number(const char *s) { return isdigit((unsigned char)*s) ? atoll(s) : -1; }

static void keep_range(struct hub_head *h, const char *value)
{
    char text[100];
    keep(text, sizeof text, value, strlen(value));
    const char *slash = strchr(text, '/');
    if (strncasecmp(text, "bytes ", 6) || !slash) return;
    h->from = number(text + 6);
    h->total = number(slash + 1);
}

/* Stores the address of <ADDRESS>; rel="next". */
static void keep_next(struct hub_head *h, const char *value)
{
    const char *end = strchr(value, '>');
    if (*value != '<' || !end || !strcasestr(end, "rel=\"next\"")) return;
    free(h->next);
    h->next = strndup(value + 1, (size_t)(end - value - 1));
}

static void take_field(struct hub_head *h, const char *name, size_t n_name, const char *value)
{
    size_t n = strlen(value);
#define IS(s) (n_name == sizeof(s) - 1 && !strncasecmp(name, s, n_name))
    if (IS("X-Repo-Commit")) keep(h->commit, sizeof h->commit, value, n);
    if (IS("ETag")) keep_etag(h, value, n, false);
    if (IS("X-Linked-ETag")) keep_etag(h, value, n, true);
    if (IS("X-Linked-Size")) h->size = number(value);
    if (IS("Content-Length") && h->size < 0) h->size = number(value);
    if (IS("Content-Range")) keep_range(h, value);
    if (IS("X-Error-Code")) keep(h->code, sizeof h->code, value, n);
    if (IS("X-Error-Message")) keep(h->message, sizeof h->message, value, n);
    if (IS("RateLimit")) keep(h->rate_limit, sizeof h->rate_limit, value, n);
    if (IS("Retry-After")) h->retry_after_s = (double)number(value);
    if (IS("Link")) keep_next(h, value);
#undef IS
}

/* Each reply, also an interim one or a proxy's, starts afresh with its status line. */
void hub_head_take(struct hub_head *h, const char *line, size_t n)
{
    char value[2048];
    if (n >= 5 && !strncasecmp(line, "HTTP/", 5)) {
        hub_head_fini(h);
        h->size = h->from = h->total = -1;
        return;
    }
    const char *colon = memchr(line, ':', n);
    if (!colon) return;
    const char *begin = colon + 1, *end = line + n;
    while (begin < end && isspace((unsigned char)*begin)) begin++;
    while (end > begin && isspace((unsigned char)end[-1])) end--;
    keep(value, sizeof value, begin, (size_t)(end - begin));
    take_field(h, line, (size_t)(colon - line), value);
}

static size_t take_head(char *line, size_t size, size_t n, void *user)
{
    hub_head_take(user, line, size * n);
    return size * n;
}

/* -- One request ------------------------------------------------------------------------------ */

struct taking {
    CURL *easy;
    const struct hub_request *request;
    struct hub_head *head;
};

static size_t take_body(char *bytes, size_t size, size_t n, void *user)
{
    struct taking *t = user;
    n *= size;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->head->status);
    if (t->head->status >= 200 && t->head->status < 300)
        return t->request->sink ? t->request->sink(bytes, n, t->head, t->request->user) : n;
    size_t room = sizeof t->head->body - 1 - t->head->n_body, part = n < room ? n : room;
    memcpy(t->head->body + t->head->n_body, bytes, part);
    t->head->n_body += part;
    return t->head->n_body < sizeof t->head->body - 1 ? n : 0;
}

int hub_client_init(struct hub_client *c, const struct hub_env *env, struct phi3v_error *err)
{
    *c = (struct hub_client){.env = env, .easy = curl_easy_init(), .multi = curl_multi_init()};
    if (c->easy && c->multi) return 0;
    hub_client_fini(c);
    return net_fail_memory(err, "a model");
}

void hub_client_fini(struct hub_client *c)
{
    curl_easy_cleanup(c->easy);
    curl_multi_cleanup(c->multi);
    *c = (struct hub_client){0};
}

static struct curl_slist *headers(const struct hub_client *c, const struct hub_request *r)
{
    struct curl_slist *list = curl_slist_append(NULL, "Accept-Encoding: identity");
    if (!list || !c->env->token || !hub_is_hub(c->env, r->url)) return list;
    char *bearer = text_format("Authorization: Bearer %s", c->env->token);
    struct curl_slist *longer = bearer ? curl_slist_append(list, bearer) : NULL;
    free(bearer);
    if (!longer) curl_slist_free_all(list);
    return longer;
}

CURLcode hub_send(struct hub_client *c, const struct hub_request *r, struct hub_head *head)
{
    char range[64];
    char *location = NULL;
    struct taking t = {c->easy, r, head};
    struct curl_slist *list = headers(c, r);
    *head = (struct hub_head){.size = -1, .from = -1, .total = -1};
    if (!list) return CURLE_OUT_OF_MEMORY;
    curl_easy_reset(c->easy);
    transfer_setup(c->easy);
    curl_easy_setopt(c->easy, CURLOPT_URL, r->url);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(c->easy, CURLOPT_NOBODY, r->head ? 1L : 0L);
    curl_easy_setopt(c->easy, CURLOPT_BUFFERSIZE, 512L * 1024);
    curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, head);
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, &t);
    curl_easy_setopt(c->easy, CURLOPT_LOW_SPEED_LIMIT, (long)c->env->stall_bytes_s);
    curl_easy_setopt(c->easy, CURLOPT_LOW_SPEED_TIME, (long)(c->env->stall_s + 0.999));
    if (r->timeout_s > 0)
        curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)(r->timeout_s * 1000));
    snprintf(range, sizeof range, "%lld-%lld", (long long)r->from, (long long)r->end - 1);
    if (r->end > 0) curl_easy_setopt(c->easy, CURLOPT_RANGE, range);
    CURLcode code = transfer_run(c->multi, c->easy, c->stop, c->user);
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &head->status);
    curl_easy_getinfo(c->easy, CURLINFO_REDIRECT_URL, &location);
    head->location = location ? strdup(location) : NULL;
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(list);
    bool refusal = head->status >= 300; /* an error page may be cut off */
    return code == CURLE_WRITE_ERROR && refusal ? CURLE_OK : code;
}

/* -- Trying again ----------------------------------------------------------------------------- */

static bool is_transient(CURLcode code)
{
    return transfer_broke(code) || code == CURLE_COULDNT_RESOLVE_HOST ||
           code == CURLE_SSL_CONNECT_ERROR;
}

/* Reads "NAME";r=REST;t=SECONDS: the end of the window matters only when nothing is left of it. */
static double rate_limit_s(const struct hub_head *head)
{
    const char *r = strstr(head->rate_limit, ";r="), *t = strstr(head->rate_limit, ";t=");
    return r && t && atoll(r + 3) == 0 ? atof(t + 3) : 0;
}

static double backoff(const struct hub_env *env, int n_tries)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double jitter = 1 + 0.25 * (double)(t.tv_nsec / 1000 % 1000) / 1000;
    return env->backoff_s * jitter * (double)(1 << (n_tries > 1 ? n_tries - 1 : 0));
}

bool hub_may_retry(const struct hub_env *env, CURLcode code, const struct hub_head *head,
                   int n_tries, double *ret_wait_s)
{
    long s = code == CURLE_OK ? head->status : 0;
    bool busy = transfer_is_busy(s);
    if (n_tries >= MAX_TRIES || (!busy && !is_transient(code))) return false;
    double window = s == 429 ? rate_limit_s(head) : 0;
    if (window <= 0 && busy) window = head->retry_after_s;
    *ret_wait_s = window > 0 ? window + env->backoff_s : backoff(env, n_tries);
    if (*ret_wait_s > MAX_WAIT_S) *ret_wait_s = MAX_WAIT_S;
    return true;
}

int hub_wait(struct hub_client *c, double seconds, long status, struct phi3v_error *err)
{
    double end = now_s() + seconds;
    bool stopped = false;
    for (double left; !stopped && (left = end - now_s()) > 0;) {
        char why[80];
        struct timespec nap = {.tv_nsec =
                                   (left < 0.1 ? (long)(left * 1e9) : 100000000L) % 1000000000L};
        snprintf(why, sizeof why, "%s, again in %.0f s",
                 status == 429 ? "the hub asks to wait"
                 : status > 0  ? "the hub has a problem"
                               : "the connection broke",
                 left);
        if (c->waiting) c->waiting(c->user, why);
        nanosleep(&nap, NULL);
        stopped = c->stop && c->stop(c->user);
    }
    if (c->waiting) c->waiting(c->user, NULL);
    return stopped ? refuse(err, PHI3V_E_CANCELLED, "stopped") : 0;
}

/* -- Sentences -------------------------------------------------------------------------------- */

/* The hub's own message as one clean line. */
static char *words_of(const struct hub_head *head)
{
    char *clean = clean_string(*head->message ? head->message : "", CLEAN_NAME);
    if (!clean || !*clean) {
        free(clean);
        return strdup("");
    }
    char *text = text_format(" (the hub says: %.200s)", clean);
    free(clean);
    return text;
}

static int fail_denied(const struct hub_client *c, const struct hub_head *head, const char *repo,
                       const char *words, struct phi3v_error *err)
{
    const char *oidc = getenv("HF_OIDC_RESOURCE") ? "; HF_OIDC_RESOURCE is not supported" : "";
    if (!strcasecmp(head->code, "GatedRepo"))
        return refuse(err, PHI3V_E_IO,
                      "%s is gated: accept its licence at %.100s/%s%s, then pull again", repo,
                      c->env->endpoint, repo,
                      c->env->token ? " with the account of your token"
                                    : " and sign in by \"hf auth login\" or HF_TOKEN");
    if (c->env->token &&
        (strcasestr(head->message, "invalid credentials") || head->status == 401) &&
        strcasecmp(head->code, "RepoNotFound"))
        return refuse(err, PHI3V_E_IO,
                      "the hub does not accept the token: it is wrong or has expired; \"hf auth "
                      "login\" makes a new one, or set HF_TOKEN%s",
                      oidc);
    if (head->status == 401 && !c->env->token)
        return refuse(err, PHI3V_E_IO,
                      "%s does not exist on the hub, or needs a token: check the name, or sign in "
                      "by \"hf auth login\" or HF_TOKEN%s",
                      repo, oidc);
    return refuse(err, PHI3V_E_IO, "the hub refuses access to %s%s (HTTP status %ld)", repo, words,
                  head->status);
}

static int fail_missing(const struct hub_head *head, const struct hub_name *subject,
                        const char *words, struct phi3v_error *err)
{
    if (!strcasecmp(head->code, "RevisionNotFound"))
        return refuse(err, PHI3V_E_IO, "%s has no revision %s on the hub", subject->repo,
                      subject->rev);
    if (!strcasecmp(head->code, "EntryNotFound"))
        return refuse(err, PHI3V_E_IO, "a file of %s is not on the hub any more%s: pull again",
                      subject->repo, words);
    return refuse(err, PHI3V_E_IO, "%s is not on the hub%s: check the name", subject->repo, words);
}

static int fail_status(const struct hub_client *c, const struct hub_head *head,
                       const struct hub_name *subject, const char *words, struct phi3v_error *err)
{
    long s = head->status;
    if (s == 401 || s == 403) return fail_denied(c, head, subject->repo, words, err);
    if (s == 404 || s == 410) return fail_missing(head, subject, words, err);
    if (s == 429)
        return refuse(err, PHI3V_E_IO,
                      "the hub still answers \"too many requests\"%s: try again later, %s goes on "
                      "from here",
                      words, subject->repo);
    if (s >= 500)
        return refuse(err, PHI3V_E_IO,
                      "the hub has a problem%s (HTTP status %ld): try again later, %s goes on "
                      "from here",
                      words, s, subject->repo);
    return refuse(err, PHI3V_E_IO, "%.200s does not answer as the hub does (HTTP status %ld)",
                  c->env->endpoint, s);
}

int hub_fail(struct hub_client *c, CURLcode code, const struct hub_head *head,
             const struct hub_name *subject, struct phi3v_error *err)
{
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return refuse(err, PHI3V_E_CANCELLED,
                      "pulling %s was stopped; the same command goes on from here", subject->repo);
    if (code != CURLE_OK) return transfer_fail(c->easy, code, c->env->endpoint, 0, err);
    char *words = words_of(head);
    int rc = words ? fail_status(c, head, subject, words, err) : net_fail_memory(err, "a model");
    free(words);
    return rc;
}

/* -- JSON ------------------------------------------------------------------------------------- */

static size_t take_text(const void *bytes, size_t n, const struct hub_head *head, void *user)
{
    (void)head;
    return bytes_add(user, bytes, n, MAX_JSON_BYTES) ? 0 : n;
}

/* Sends until the reply is final, through waits and redirects within the hub. r->url becomes the
 * final address (free); before each try begin is called. Returns 0 with a final head, whatever its
 * status, or an error. */
static int send_patiently(struct hub_client *c, struct hub_request *r, char **url,
                          const struct hub_name *subject, struct bytes *t, struct hub_head *head,
                          struct phi3v_error *err)
{
    int n_tries = 0, n_redirects = 0;
    for (;;) {
        double wait_s = 0;
        if (t) t->n = 0;
        r->url = *url;
        CURLcode code = hub_send(c, r, head);
        bool metadata = r->head && (*head->commit || *head->etag);
        if (code == CURLE_OK && head->location && !metadata && n_redirects < MAX_REDIRECTS &&
            (hub_is_hub(c->env, head->location) || same_origin(*url, head->location))) {
            n_redirects++;
            free(*url);
            *url = head->location;
            head->location = NULL;
            hub_head_fini(head);
            continue;
        }
        bool unreached = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
        if ((c->is_first && unreached) || !hub_may_retry(c->env, code, head, ++n_tries, &wait_s)) {
            bool final = code == CURLE_OK && (head->status < 300 || metadata);
            return final ? 0 : hub_fail(c, code, head, subject, err);
        }
        long status = code == CURLE_OK ? head->status : 0;
        hub_head_fini(head);
        int rc = hub_wait(c, wait_s, status, err);
        if (rc) return hub_fail(c, CURLE_ABORTED_BY_CALLBACK, head, subject, err);
    }
}

static json_t *parse(const struct bytes *t)
{
    return t->n ? json_loadb(t->data, t->n, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

int hub_get_json(struct hub_client *c, const char *url, const struct hub_name *subject,
                 json_t **ret, char **ret_next, struct phi3v_error *err)
{
    struct bytes t = {0};
    struct hub_head head = {0};
    struct hub_request r = {.timeout_s = 6 * c->env->meta_s, .sink = take_text, .user = &t};
    char *at = strdup(url);
    int rc =
        at ? send_patiently(c, &r, &at, subject, &t, &head, err) : net_fail_memory(err, "a model");
    if (rc == 0) {
        json_t *root = parse(&t);
        if (!root)
            rc =
                refuse(err, PHI3V_E_IO, "%.200s does not answer as the hub does", c->env->endpoint);
        else
            *ret = root;
        if (root && ret_next) {
            *ret_next = head.next;
            head.next = NULL;
        }
    }
    hub_head_fini(&head);
    free(at);
    bytes_fini(&t);
    return rc;
}

int hub_resolve(struct hub_client *c, const char *url, const struct hub_name *subject,
                char **ret_url, struct hub_head *head, struct phi3v_error *err)
{
    struct hub_request r = {.head = true, .timeout_s = 6 * c->env->meta_s};
    char *at = strdup(url);
    if (!at) return net_fail_memory(err, "a model");
    int rc = send_patiently(c, &r, &at, subject, NULL, head, err);
    if (rc == 0 && !*head->commit) {
        rc = refuse(err, PHI3V_E_IO, "%.200s does not answer as the hub does", c->env->endpoint);
    } else if (rc == 0) {
        *ret_url = head->location ? head->location : at;
        if (head->location) free(at);
        head->location = at = NULL;
    }
    free(at);
    return rc;
}
