/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "kernel/wire.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <zmq.h>

#include "common/files.h"
#include "common/must.h"

static const char delimiter[] = "<IDS|MSG>";

enum { N_PARTS = 4 /* header, parent header, metadata, content */, HEX = 64, SEEN = 4096 };

struct wire {
    char *key;
    char session[37];
    unsigned char seen[SEEN][HEX / 2]; // the latest signatures, in a ring
    unsigned n_seen;
};

/* -- The connection file ---------------------------------------------------------------------- */

static char *text_of(const json_t *file, const char *key)
{
    const char *s = json_string_value(json_object_get(file, key));
    return xstrdup(s ? s : "");
}

static int port_of(const json_t *file, const char *key)
{
    json_int_t port = json_integer_value(json_object_get(file, key));
    return port >= 0 && port <= 65535 ? (int)port : 0;
}

int wire_connection_read(const char *path, struct wire_connection *ret, struct phi3v_error *err)
{
    enum { MAX_BYTES = 64 << 10 };
    char *text;
    size_t n;
    int rc = load_file(path, MAX_BYTES, &text, &n, err);
    if (rc) return rc;
    json_t *file = json_parse(text, n, path, err);
    free(text);
    if (!file) return PHI3V_E_IO;
    const char *scheme = json_string_value(json_object_get(file, "signature_scheme"));
    if (scheme && strcmp(scheme, "hmac-sha256") != 0)
        rc = refuse(err, PHI3V_E_UNSUPPORTED, "%.200s: signatures with %.40s are not supported",
                    path, scheme);
    *ret = (struct wire_connection){.transport = text_of(file, "transport"),
                                    .ip = text_of(file, "ip"),
                                    .key = text_of(file, "key"),
                                    .shell_port = port_of(file, "shell_port"),
                                    .control_port = port_of(file, "control_port"),
                                    .iopub_port = port_of(file, "iopub_port"),
                                    .stdin_port = port_of(file, "stdin_port"),
                                    .hb_port = port_of(file, "hb_port")};
    if (!rc && (!*ret->transport || !*ret->ip || !ret->shell_port || !ret->iopub_port))
        rc = refuse(err, PHI3V_E_IO, "%.200s is not a Jupyter connection file", path);
    json_decref(file);
    if (rc) wire_connection_fini(ret);
    return rc;
}

void wire_connection_fini(struct wire_connection *c)
{
    free(c->transport);
    free(c->ip);
    free(c->key);
    *c = (struct wire_connection){0};
}

char *wire_address(const struct wire_connection *c, int port)
{
    return xasprintf("%s://%s%c%d", c->transport, c->ip, strcmp(c->transport, "ipc") ? ':' : '-',
                     port);
}

/* -- Frames ----------------------------------------------------------------------------------- */

void frames_add(struct frames *f, const void *bytes, size_t n)
{
    f->v = xgrow(f->v, f->n + 1, sizeof *f->v);
    char *copy = xalloc(n + 1);
    if (n) memcpy(copy, bytes, n);
    copy[n] = 0;
    f->v[f->n++] = (struct frame){copy, n};
}

static void add_text(struct frames *f, const char *s) { frames_add(f, s, strlen(s)); }

void frames_free(struct frames *f)
{
    for (size_t i = 0; i < f->n; i++) free(f->v[i].bytes);
    free(f->v);
    *f = (struct frames){0};
}

int frames_receive(void *socket, int flags, struct frames *ret)
{
    *ret = (struct frames){0};
    for (int more = 1; more;) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, socket, flags) < 0) {
            zmq_msg_close(&part);
            frames_free(ret);
            return -1;
        }
        frames_add(ret, zmq_msg_data(&part), zmq_msg_size(&part));
        more = zmq_msg_more(&part);
        zmq_msg_close(&part);
    }
    return 0;
}

int frames_send(void *socket, const struct frames *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (zmq_send(socket, f->v[i].bytes, f->v[i].n, i + 1 < f->n ? ZMQ_SNDMORE : 0) < 0)
            return -1;
    return 0;
}

/* -- Signatures ------------------------------------------------------------------------------- */

static void random_id(char id[37])
{
    unsigned char b[16];
    if (RAND_bytes(b, sizeof b) != 1) memset(b, 0x5A, sizeof b);
    snprintf(id, 37, "%02x%02x%02x%02x-%02x%02x-4%x%02x-a%x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6] & 15, b[7], b[8] & 15, b[9], b[10], b[11], b[12],
             b[13], b[14], b[15]);
}

struct wire *wire_new(const char *key)
{
    struct wire *w = xcalloc(1, sizeof *w);
    w->key = xstrdup(key);
    random_id(w->session);
    return w;
}

void wire_free(struct wire *w)
{
    if (!w) return;
    free(w->key);
    free(w);
}

/* The HMAC-SHA256 of the four parts in lower-case hexadecimal; "" without a key. */
static void sign(const struct wire *w, const struct frame *parts, char ret[HEX + 1])
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    size_t n_mac = 0;
    *ret = 0;
    if (!*w->key) return;
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *h = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    OSSL_PARAM how[] = {OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
                        OSSL_PARAM_construct_end()};
    must(h);
    bool ok = EVP_MAC_init(h, (const unsigned char *)w->key, strlen(w->key), how);
    for (int i = 0; i < N_PARTS && ok; i++)
        ok = EVP_MAC_update(h, (const unsigned char *)parts[i].bytes, parts[i].n);
    if (ok) ok = EVP_MAC_final(h, mac, &n_mac, sizeof mac);
    EVP_MAC_CTX_free(h);
    EVP_MAC_free(hmac);
    if (ok) hex_text(mac, HEX / 2, ret);
}

static bool seen_before(struct wire *w, const char *hex)
{
    unsigned char bytes[HEX / 2];
    for (int i = 0; i < HEX / 2; i++) {
        unsigned value;
        if (sscanf(hex + 2 * i, "%2x", &value) != 1) return true;
        bytes[i] = (unsigned char)value;
    }
    unsigned n = w->n_seen < SEEN ? w->n_seen : SEEN;
    for (unsigned i = 0; i < n; i++)
        if (!memcmp(w->seen[i], bytes, sizeof bytes)) return true;
    memcpy(w->seen[w->n_seen++ % SEEN], bytes, sizeof bytes);
    return false;
}

static bool is_signed(struct wire *w, const struct frame *signature, const struct frame *parts)
{
    char wanted[HEX + 1];
    if (!*w->key) return true;
    sign(w, parts, wanted);
    return signature->n == HEX && !CRYPTO_memcmp(signature->bytes, wanted, HEX) &&
           !seen_before(w, wanted);
}

/* -- Messages --------------------------------------------------------------------------------- */

static json_t *object_of(const struct frame *f)
{
    json_t *value = json_loadb(f->bytes, f->n, JSON_ALLOW_NUL, NULL);
    if (json_is_object(value)) return value;
    json_decref(value);
    return NULL;
}

bool wire_read(struct wire *w, const struct frames *f, struct request *ret)
{
    size_t d = 0;
    while (d < f->n && (f->v[d].n != strlen(delimiter) || strcmp(f->v[d].bytes, delimiter) != 0))
        d++;
    if (d + 1 + N_PARTS >= f->n) return false;
    const struct frame *parts = &f->v[d + 2];
    if (!is_signed(w, &f->v[d + 1], parts)) return false;
    json_t *header = object_of(&parts[0]), *content = object_of(&parts[3]);
    const char *type = json_string_value(json_object_get(header, "msg_type"));
    bool whole = type && content;
    if (whole) {
        *ret = (struct request){.header = xstrdup(parts[0].bytes),
                                .type = xstrdup(type),
                                .content = json_incref(content),
                                .metadata = object_of(&parts[2])};
        for (size_t i = 0; i < d; i++) frames_add(&ret->ids, f->v[i].bytes, f->v[i].n);
    }
    json_decref(header);
    json_decref(content);
    return whole;
}

void request_free(struct request *r)
{
    frames_free(&r->ids);
    free(r->header);
    free(r->type);
    json_decref(r->content);
    json_decref(r->metadata);
    *r = (struct request){0};
}

static char *new_header(const struct wire *w, const char *type)
{
    char id[37], seconds[32], date[64];
    struct timeval now;
    struct tm utc;
    random_id(id);
    gettimeofday(&now, NULL);
    gmtime_r(&now.tv_sec, &utc);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(date, sizeof date, "%s.%06ldZ", seconds, (long)now.tv_usec);
    json_t *header =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "msg_id", id, "session", w->session, "username",
                  "phiscope", "date", date, "msg_type", type, "version", "5.5");
    char *text = must(json_dumps(header, JSON_COMPACT));
    json_decref(header);
    return text;
}

void wire_make(const struct wire *w, const struct frames *ids, const char *type, json_t *content,
               const struct request *parent, struct frames *ret)
{
    char signature[HEX + 1];
    char *header = new_header(w, type), *body = must(json_dumps(must(content), JSON_COMPACT));
    struct frames parts = {0};
    *ret = (struct frames){0};
    add_text(&parts, header);
    add_text(&parts, parent ? parent->header : "{}");
    add_text(&parts, "{}");
    add_text(&parts, body);
    sign(w, parts.v, signature);
    for (size_t i = 0; i < ids->n; i++) frames_add(ret, ids->v[i].bytes, ids->v[i].n);
    add_text(ret, delimiter);
    add_text(ret, signature);
    for (size_t i = 0; i < parts.n; i++) frames_add(ret, parts.v[i].bytes, parts.v[i].n);
    frames_free(&parts);
    json_decref(content);
    free(body);
    free(header);
}
