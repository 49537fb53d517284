/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "served.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drive_parts.h"
#include "golden.h"

enum { MAX_WORDS = 32, WAIT_S = 100 };

/* -- The server -------------------------------------------------------------------------------- */

static pid_t start(const char *const *words, int *ret_out)
{
    const char *all[MAX_WORDS] = {"serve", "--port", "0"};
    int between[2];
    for (int i = 0; words[i] && i + 4 < MAX_WORDS; i++) all[3 + i] = words[i];
    if (pipe(between)) return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        dup2(between[1], STDOUT_FILENO);
        close(between[0]);
        close(between[1]);
        drive_become(all, NULL);
    }
    close(between[1]);
    *ret_out = between[0];
    return pid;
}

struct served serve_start(const char *const *words)
{
    struct served s = {0};
    int out = -1;
    s.pid = start(words, &out);
    FILE *f = fdopen(out, "r");
    if (!f || !fgets(s.base, sizeof s.base, f)) *s.base = 0;
    if (f) fclose(f);
    char *end = strstr(s.base, "/v1\n");
    if (end) *end = 0;
    return s;
}

int serve_stop(struct served *s, int signal_number)
{
    kill(s->pid, signal_number);
    return drive_wait(s->pid, drive_now_s() + WAIT_S);
}

/* -- The client -------------------------------------------------------------------------------- */

struct receiver {
    struct reply *reply;
    size_t at_most; // bytes; 0: all
};

static size_t on_body(char *bytes, size_t size, size_t n, void *user)
{
    struct receiver *to = user;
    struct reply *r = to->reply;
    n *= size;
    r->body = realloc(r->body, r->n + n + 1);
    memcpy(r->body + r->n, bytes, n);
    r->n += n;
    r->body[r->n] = 0;
    return to->at_most && r->n >= to->at_most ? 0 : n;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *user)
{
    struct reply *r = user;
    size_t at = strlen(r->headers);
    n *= size;
    if (at + n < sizeof r->headers) memcpy(r->headers + at, bytes, n);
    return n;
}

static struct reply ask(const struct served *s, const char *path, const char *body,
                        const char *header, size_t at_most, long timeout_ms)
{
    struct reply r = {.body = calloc(1, 1)};
    struct receiver to = {&r, at_most};
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    char url[400];
    CURL *c = curl_easy_init();
    snprintf(url, sizeof url, "%s%s", s->base, path);
    if (header) headers = curl_slist_append(headers, header);
    if (body) headers = curl_slist_append(headers, "Content-Type: application/json");
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &to);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, &r);
    if (body) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
    }
    CURLcode rc = curl_easy_perform(c);
    if (!rc || at_most) curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &r.status);
    curl_easy_cleanup(c);
    curl_slist_free_all(headers);
    return r;
}

struct reply serve_ask(const struct served *s, const char *path, const char *body,
                       const char *header)
{
    return ask(s, path, body, header, 0, 100000);
}

struct reply serve_ask_part(const struct served *s, const char *path, const char *body, size_t n,
                            long timeout_ms)
{
    return ask(s, path, body, NULL, n, timeout_ms);
}

void reply_free(struct reply *r) { free(r->body); }

json_t *reply_json(const struct reply *r) { return json_loads(r->body, JSON_DECODE_ANY, NULL); }

char *reply_text(const struct reply *r)
{
    json_t *body = reply_json(r);
    json_t *choice = json_array_get(json_object_get(body, "choices"), 0);
    const char *text =
        json_string_value(json_object_get(json_object_get(choice, "message"), "content"));
    char *copy = text ? strdup(text) : NULL;
    json_decref(body);
    return copy;
}

/* -- Streams ----------------------------------------------------------------------------------- */

static bool first_has_role(const json_t *delta)
{
    const char *role = json_string_value(json_object_get(delta, "role"));
    return role && !strcmp(role, "assistant");
}

char *reply_streamed(const struct reply *r, bool *ret_sound)
{
    char *rest, *whole = strdup(r->body), *text = calloc(1, r->n + 1);
    bool done = false, finished = false;
    int n = 0;
    *ret_sound = strstr(r->headers, "text/event-stream") != NULL;
    for (char *line = strtok_r(whole, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (*line == ':') continue;
        if (done || strncmp(line, "data: ", 6) != 0) *ret_sound = false;
        if ((done = !strcmp(line, "data: [DONE]"))) continue;
        json_t *event = json_loads(line + 6, 0, NULL);
        json_t *choice = json_array_get(json_object_get(event, "choices"), 0);
        json_t *delta = json_object_get(choice, "delta");
        const char *piece = json_string_value(json_object_get(delta, "content"));
        if (!event || (n++ == 0 && !first_has_role(delta)) || (piece && finished))
            *ret_sound = false;
        if (piece) strcat(text, piece);
        finished |= json_is_string(json_object_get(choice, "finish_reason"));
        json_decref(event);
    }
    *ret_sound &= done && finished;
    free(whole);
    return text;
}

/* -- Bodies ------------------------------------------------------------------------------------ */

static char *data_url(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return strdup(path); /* an address */
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    unsigned char *bytes = malloc((size_t)n);
    char *url = malloc((size_t)n * 4 / 3 + 64);
    strcpy(url, "data:image/png;base64,");
    if (fread(bytes, 1, (size_t)n, f) == (size_t)n)
        EVP_EncodeBlock((unsigned char *)url + strlen(url), bytes, (int)n);
    fclose(f);
    free(bytes);
    return url;
}

char *chat_body(const char *text, const char *picture, const char *more)
{
    json_t *content = json_string(text), *extra = NULL;
    if (picture) {
        char *url = data_url(picture);
        content = json_pack("[{s:s,s:o},{s:s,s:{s:s}}]", "type", "text", "text", content, "type",
                            "image_url", "image_url", "url", url);
        free(url);
    }
    json_t *body = json_pack("{s:[{s:s,s:o}]}", "messages", "role", "user", "content", content);
    if (more) {
        char *braces = malloc(strlen(more) + 3);
        sprintf(braces, "{%s}", more);
        extra = json_loads(braces, 0, NULL);
        if (!extra) tap_note("chat_body: %s", more);
        json_object_update(body, extra);
        json_decref(extra);
        free(braces);
    }
    char *all = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return all;
}

struct reply serve_chat(const struct served *s, const char *text, const char *picture,
                        const char *more)
{
    char *body = chat_body(text, picture, more);
    struct reply r = serve_ask(s, CHAT, body, NULL);
    free(body);
    return r;
}
