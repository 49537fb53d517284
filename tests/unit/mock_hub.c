/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "mock_hub.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loopback.h"

#define PIECE_BYTES 65536
#define EXCESS_BYTES 1000
#define PAGE_FILES 3 /* of a listing */

#define FIRST_SHARD 1 /* stand for sizes that the test chooses */
#define SECOND_SHARD 2

static const struct {
    const char *name;
    size_t n;
    int is_large;
} shapes[] = {
    {.name = "config.json", .n = 700},
    {.name = "README.md", .n = 900},
    {.name = "generation_config.json", .n = 150},
    {.name = "model-00001-of-00002.safetensors", .n = FIRST_SHARD, .is_large = 1},
    {.name = "model-00002-of-00002.safetensors", .n = SECOND_SHARD, .is_large = 1},
    {.name = "model.safetensors.index.json", .n = 3000},
    {.name = "modeling_phi3_v.py", .n = 800},
    {.name = "onnx/model.safetensors", .n = 500, .is_large = 1},
    {.name = "preprocessor_config.json", .n = 400},
    {.name = "pytorch_model.bin", .n = 5000, .is_large = 1},
    {.name = "special_tokens_map.json", .n = 0},
    {.name = "tokenizer.json", .n = 180000},
    {.name = "tokenizer_config.json", .n = 9000},
};

/* n bytes that no other seed has. */
static void fill_bytes(uint8_t *to, size_t n, uint64_t seed)
{
    uint64_t x = seed * 0x9E3779B97F4A7C15u + 1;
    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        to[i] = (uint8_t)(x >> 32);
    }
}

static void make_key(struct mock_file *f)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned int n;
    char head[40];
    int n_head = snprintf(head, sizeof head, "blob %zu", f->n);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_DigestInit_ex(ctx, f->is_large ? EVP_sha256() : EVP_sha1(), NULL);
    if (!f->is_large) EVP_DigestUpdate(ctx, head, (size_t)n_head + 1);
    EVP_DigestUpdate(ctx, f->bytes, f->n);
    EVP_DigestFinal_ex(ctx, sum, &n);
    EVP_MD_CTX_free(ctx);
    for (unsigned int i = 0; i < n; i++) sprintf(f->key + 2 * i, "%02x", sum[i]);
}

/* Takes one of a count. */
static bool take(atomic_int *count)
{
    int n = atomic_load(count);
    while (n > 0)
        if (atomic_compare_exchange_weak(count, &n, n - 1)) return true;
    return false;
}

static void plain(struct loopback_request *r, const char *status, const char *headers,
                  const char *body)
{
    loopback_sendf(r, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status,
                   headers, strlen(body), strcmp(r->method, "HEAD") ? body : "");
}

/* -- Bytes ------------------------------------------------------------------------------------ */

struct range {
    size_t from, end;
    bool asked;
};

static struct range range_of(struct loopback_request *r, size_t n)
{
    char text[100];
    unsigned long long from = 0, last = 0;
    struct range range = {0, n, false};
    if (!loopback_header(r, "Range", text, sizeof text)) return range;
    if (sscanf(text, "bytes=%llu-%llu", &from, &last) == 2 && from < n) {
        range = (struct range){from, last + 1 < n ? last + 1 : n, true};
    }
    return range;
}

static void send_bytes(struct mock_hub *m, struct loopback_request *r, const struct mock_file *f,
                       struct range range, bool misbehaves)
{
    size_t n = range.end - range.from, cut = n, silent = n;
    bool damaged = misbehaves && n > 0 && take(&m->n_damaged);
    if (misbehaves && n > 1 && take(&m->n_cut)) cut = n / 2;
    if (misbehaves && n > 1 && take(&m->n_stalled)) silent = n / 3;
    for (size_t at = 0, part; at < n; at += part) {
        uint8_t piece[PIECE_BYTES];
        part = n - at < PIECE_BYTES ? n - at : PIECE_BYTES;
        if (at < cut && at + part > cut) part = cut - at;
        if (at < silent && at + part > silent) part = silent - at;
        if (at >= cut) return;
        if (at >= silent) {
            loopback_wait(r, 10);
            return;
        }
        memcpy(piece, f->bytes + range.from + at, part);
        if (damaged && at == 0) piece[0] ^= 1;
        if (!loopback_send(r, piece, part)) return;
        atomic_fetch_add(&m->n_sent, (int64_t)part);
        if (m->slow_us) usleep((useconds_t)m->slow_us);
    }
}

static void send_file(struct mock_hub *m, struct loopback_request *r, const struct mock_file *f,
                      const char *headers, bool is_storage)
{
    struct range range = range_of(r, f->n);
    if (is_storage && m->no_ranges) range = (struct range){0, f->n, false};
    size_t said = range.from, excess = is_storage && take(&m->n_excess) ? EXCESS_BYTES : 0;
    if (is_storage && range.asked && take(&m->n_wrong_range)) said = range.from + 1;
    if (range.asked)
        loopback_sendf(r,
                       "HTTP/1.1 206 Partial Content\r\n%sContent-Length: %zu\r\n"
                       "Content-Range: bytes %zu-%zu/%zu\r\nConnection: close\r\n\r\n",
                       headers, range.end - range.from + excess, said, range.end - 1, f->n);
    else
        loopback_sendf(r, "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
                       headers, f->n + excess);
    if (!strcmp(r->method, "HEAD")) return;
    send_bytes(m, r, f, range, is_storage);
    loopback_send(r, (uint8_t[EXCESS_BYTES]){0}, excess);
}

/* -- The storage ------------------------------------------------------------------------------ */

static void answer_storage(struct loopback_request *r, void *user)
{
    struct mock_hub *m = user;
    char value[300], key[65] = "";
    int signature = -1;
    atomic_fetch_add(&m->n_requests, 1);
    if (loopback_header(r, "Authorization", value, sizeof value)) atomic_fetch_add(&m->n_leaks, 1);
    if (!strcmp(r->method, "HEAD")) atomic_fetch_add(&m->n_storage_heads, 1);
    sscanf(r->path, "/blob/%64s", key);
    sscanf(r->query, "X-Amz-Signature=%d", &signature);
    bool fine = signature >= 0 && signature < m->next_signature;
    int uses = fine ? atomic_fetch_add(&m->uses[signature % 4096], 1) : 0;
    if (!fine || (m->signed_uses && uses >= m->signed_uses)) {
        plain(r, "403 Forbidden", "",
              "<?xml?><Error><Message>Request has expired\033[2J</Message>"
              "<Url>http://x/?X-Amz-Signature=1</Url></Error>");
        return;
    }
    if (take(&m->n_storage_busy)) {
        plain(r, "503 Slow Down", "", "");
        return;
    }
    if (take(&m->n_moved)) {
        char to[8300];
        snprintf(to, sizeof to, "Location: %s?%s\r\n", r->path, r->query);
        plain(r, "307 Temporary Redirect", to, "");
        return;
    }
    for (size_t i = 0; i < m->n_files; i++)
        if (!strcmp(m->files[i].key, key)) {
            send_file(m, r, &m->files[i], "ETag: \"" MOCK_COMMIT "0123456789abcdef01234567\"\r\n",
                      true);
            return;
        }
    plain(r, "404 Not Found", "", "");
}

/* -- The hub ---------------------------------------------------------------------------------- */

static void answer_tree(struct mock_hub *m, struct loopback_request *r)
{
    char *body = NULL, link[300] = "";
    size_t n = 0, first = 0;
    sscanf(r->query, "cursor=%zu", &first);
    FILE *out = open_memstream(&body, &n);
    fprintf(out, "[");
    if (first == 0)
        fprintf(out, "{\"type\":\"directory\",\"oid\":\"00\",\"size\":0,\"path\":\"onnx\"},"
                     "{\"type\":\"file\",\"oid\":\"" MOCK_COMMIT "\",\"size\":3,"
                     "\"path\":\"../../evil.safetensors\"},");
    size_t end = first + PAGE_FILES < m->n_files ? first + PAGE_FILES : m->n_files;
    for (size_t i = first; i < end; i++) {
        const struct mock_file *f = &m->files[i];
        fprintf(out, "%s{\"type\":\"file\",\"path\":\"%s\",\"size\":%zu,\"oid\":\"%s\"",
                i > first ? "," : "", f->name, f->is_large ? 134 : f->n,
                f->is_large ? MOCK_COMMIT : f->key);
        if (f->is_large)
            fprintf(out, ",\"lfs\":{\"oid\":\"%s\",\"size\":%zu,\"pointerSize\":134}", f->key,
                    m->is_huge ? (size_t)100000000000000 : f->n);
        fprintf(out, "}");
    }
    fprintf(out, "]");
    fclose(out);
    if (end < m->n_files)
        snprintf(link, sizeof link,
                 "Link: <%s/api/models/" MOCK_REPO "/tree/" MOCK_COMMIT
                 "?cursor=%zu>; rel=\"next\"\r\n",
                 m->endpoint, end);
    plain(r, "200 OK", link, body);
    free(body);
}

static void answer_resolve(struct mock_hub *m, struct loopback_request *r, const char *name)
{
    char headers[700];
    const char *commit = m->no_commit ? "" : "X-Repo-Commit: " MOCK_COMMIT "\r\n";
    for (size_t i = 0; i < m->n_files; i++) {
        const struct mock_file *f = &m->files[i];
        if (strcmp(f->name, name)) continue;
        if (strstr(name, ".bin") || strstr(name, ".py") || strstr(name, ".md") || strchr(name, '/'))
            atomic_fetch_add(&m->n_unwanted, 1);
        if (!f->is_large) {
            snprintf(headers, sizeof headers, "%sETag: W/\"%s\"\r\n", commit, f->key);
            send_file(m, r, f, headers, false);
            return;
        }
        snprintf(headers, sizeof headers,
                 "%sX-Linked-ETag: \"%s\"\r\nX-Linked-Size: %zu\r\nETag: \"x\"\r\n"
                 "Location: http://localhost:%d/blob/%s?X-Amz-Signature=%d\r\n",
                 commit, f->key, f->n, loopback_port(m->storage), f->key,
                 atomic_fetch_add(&m->next_signature, 1));
        plain(r, "302 Found", headers, "");
        return;
    }
    plain(r, "404 Not Found", "X-Error-Code: EntryNotFound\r\nX-Repo-Commit: " MOCK_COMMIT "\r\n",
          "");
}

static bool is_refused(struct mock_hub *m, struct loopback_request *r)
{
    char value[300] = "", want[300];
    if (m->token) {
        snprintf(want, sizeof want, "Bearer %s", m->token);
        bool given = loopback_header(r, "Authorization", value, sizeof value);
        if (!given || strcmp(value, want)) {
            plain(r, "401 Unauthorized",
                  given ? "X-Error-Message: Invalid credentials in Authorization header\r\n"
                        : "X-Error-Code: RepoNotFound\r\nX-Error-Message: Repository not found\r\n",
                  "");
            return true;
        }
    }
    if (m->refusal) {
        loopback_sendf(r, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                       m->refusal);
        return true;
    }
    if (take(&m->n_busy)) {
        plain(r, "429 Too Many Requests", "RateLimit: \"api\";r=0;t=1\r\n", "");
        return true;
    }
    if (take(&m->n_broken)) {
        plain(r, "503 Service Unavailable", "", "");
        return true;
    }
    return false;
}

static void answer_hub(struct loopback_request *r, void *user)
{
    struct mock_hub *m = user;
    char *old, to[5000];
    atomic_fetch_add(&m->n_requests, 1);
    if (is_refused(m, r)) return;
    if (m->renamed && (old = strstr(r->path, "acme/old-name"))) {
        snprintf(to, sizeof to, "Location: %.*s" MOCK_REPO "%s%s%s\r\n", (int)(old - r->path),
                 r->path, old + strlen("acme/old-name"), *r->query ? "?" : "", r->query);
        plain(r, "307 Temporary Redirect", to, "");
        return;
    }
    static const char api[] = "/api/models/" MOCK_REPO,
                      resolve[] = "/" MOCK_REPO "/resolve/" MOCK_COMMIT "/";
    const char *rest = !strncmp(r->path, api, sizeof api - 1) ? r->path + sizeof api - 1 : NULL;
    if (rest && (!strcmp(rest, "/revision/main") || !strcmp(rest, "/revision/refs%2Fpr%2F1") ||
                 !strcmp(rest, "/revision/" MOCK_COMMIT)))
        plain(r, "200 OK", "RateLimit: \"api\";r=500;t=200\r\n",
              "{\"id\":\"" MOCK_REPO "\",\"sha\":\"" MOCK_COMMIT
              "\",\"private\":false,\"gated\":false}");
    else if (rest && !strcmp(rest, "/tree/" MOCK_COMMIT))
        answer_tree(m, r);
    else if (rest)
        plain(r, "404 Not Found", "X-Error-Code: RevisionNotFound\r\n", "");
    else if (!strncmp(r->path, resolve, sizeof resolve - 1))
        answer_resolve(m, r, r->path + sizeof resolve - 1);
    else
        plain(r, "404 Not Found", "X-Error-Code: RepoNotFound\r\n",
              "{\"error\":\"Repository not found\"}");
}

/* -- Life ------------------------------------------------------------------------------------- */

/* What a test sets up is seen by the threads that answer. */
static void meet(struct mock_hub *m)
{
    loopback_meet(m->storage);
    loopback_meet(m->hub);
}

static struct mock_file *add_file(struct mock_hub *m, const char *name, size_t n, int is_large)
{
    struct mock_file *more = realloc(m->files, (m->n_files + 1) * sizeof *more);
    if (!more) abort();
    m->files = more;
    struct mock_file *f = &more[m->n_files++];
    *f = (struct mock_file){strdup(name), n, is_large, malloc(n + 1), ""};
    if (!f->name || !f->bytes) abort();
    return f;
}

static void serve(struct mock_hub *m)
{
    for (size_t i = 0; i < m->n_files; i++) make_key(&m->files[i]);
    m->storage = loopback_start(answer_storage, m);
    m->hub = loopback_start(answer_hub, m);
    snprintf(m->endpoint, sizeof m->endpoint, "http://127.0.0.1:%d", loopback_port(m->hub));
    meet(m);
}

void mock_hub_start(struct mock_hub *m, size_t large_bytes)
{
    memset(m, 0, sizeof *m);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t n = shapes[i].n;
        if (n == FIRST_SHARD) n = large_bytes;
        if (n == SECOND_SHARD) n = large_bytes / 8 + 12345;
        struct mock_file *f = add_file(m, shapes[i].name, n, shapes[i].is_large);
        fill_bytes(f->bytes, n, i + 1);
    }
    serve(m);
}

void mock_hub_start_folder(struct mock_hub *m, const char *folder)
{
    char path[1000];
    struct stat st;
    memset(m, 0, sizeof *m);
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        FILE *in = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "rb") : NULL;
        if (!in) continue;
        struct mock_file *f =
            add_file(m, e->d_name, (size_t)st.st_size, strstr(e->d_name, ".safetensors") != NULL);
        if (fread(f->bytes, 1, f->n, in) != f->n) abort();
        fclose(in);
    }
    if (d) closedir(d);
    serve(m);
}

void mock_hub_stop(struct mock_hub *m)
{
    loopback_stop(m->hub);
    loopback_stop(m->storage);
    for (size_t i = 0; i < m->n_files; i++) {
        free(m->files[i].name);
        free(m->files[i].bytes);
    }
    free(m->files);
}

void mock_hub_calm(struct mock_hub *m)
{
    meet(m);
    m->token = m->refusal = NULL;
    m->n_busy = m->n_broken = m->n_storage_busy = m->n_moved = m->n_cut = m->n_stalled =
        m->n_wrong_range = 0;
    m->n_damaged = m->signed_uses = m->no_ranges = m->is_huge = m->no_commit = m->renamed =
        m->slow_us = 0;
    m->n_requests = m->n_leaks = m->n_storage_heads = m->n_unwanted = 0;
    m->n_sent = 0;
    meet(m);
}
