/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "net/url.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/text.h"

static bool begins(const char *s, const char *with)
{
    return strncasecmp(s, with, strlen(with)) == 0;
}

bool url_is_http(const char *what) { return begins(what, "http://") || begins(what, "https://"); }

bool url_is_data(const char *what) { return begins(what, "data:"); }
bool url_is_file(const char *what) { return begins(what, "file:/"); }

/* The bytes of a scheme: letters, digits, "+", "-" and "." before "://"; 0: none. A single letter
 * is a drive, not a scheme. */
static size_t scheme_bytes(const char *what, size_t n)
{
    size_t i = 0;
    while (i < n && (isalnum((unsigned char)what[i]) || strchr("+-.", what[i])) && what[i]) i++;
    return i > 1 && i + 3 <= n && !strncmp(what + i, "://", 3) ? i : 0;
}

bool url_has_other_scheme(const char *what)
{
    return scheme_bytes(what, strlen(what)) > 0 && !url_is_http(what);
}

const char *url_behind_hub(const char *what)
{
    static const char *const hosts[] = {"huggingface.co", "www.huggingface.co", "hf.co"};
    if (!url_is_http(what)) return NULL;
    const char *host = strstr(what, "//") + 2;
    for (size_t k = 0; k < sizeof hosts / sizeof *hosts; k++) {
        const char *rest = begins(host, hosts[k]) ? host + strlen(hosts[k]) : NULL;
        if (rest && (!*rest || *rest == '/')) return rest;
    }
    return NULL;
}

/* -- Spelling --------------------------------------------------------------------------------- */

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Whether this is like "www.example.org/x.png", unless a file has that name. */
static bool is_bare_host(const char *s, size_t n)
{
    if (n < 5 || !begins(s, "www.") || !memchr(s + 4, '.', n - 4)) return false;
    char *path = strndup(s, n);
    bool is_file = path && access(path, F_OK) == 0;
    free(path);
    return !is_file;
}

static char *spell(const char *s, size_t n, const char *scheme)
{
    static const char hex[] = "0123456789ABCDEF";
    char *to = malloc(strlen(scheme) + 3 * n + 1), *out = to;
    if (!to) return NULL;
    out = stpcpy(out, scheme);
    const char *end = memchr(s, '#', n), *host = strstr(s, "//");
    const char *text = host && !*scheme ? host + 2 : s; /* after the scheme */
    if (end) n = (size_t)(end - s);
    size_t host_end = (size_t)(text - s);
    while (host_end < n && !strchr("/?", s[host_end])) host_end++;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)s[i];
        if (c == '\t' || c == '\r' || c == '\n') continue;
        bool plain = c > ' ' && c < 0x7F && !strchr("\"<>^`{|}", c);
        if (plain || (i < host_end && c > ' ' && c != 0x7F)) {
            *out++ = (char)c;
            continue;
        }
        *out++ = '%';
        *out++ = hex[c >> 4];
        *out++ = hex[c & 15];
    }
    *out = 0;
    return to;
}

char *url_spell(const char *what)
{
    size_t n = strlen(what);
    while (n > 0 && is_blank(*what)) what++, n--;
    while (n > 0 && is_blank(what[n - 1])) n--;
    if (n > 2 && what[0] == '<' && what[n - 1] == '>') what++, n -= 2;
    if (url_is_http(what)) return spell(what, n, "");
    return is_bare_host(what, n) ? spell(what, n, "https://") : NULL;
}

/* -- Secrets ---------------------------------------------------------------------------------- */

#define REMOVED "***"

struct out {
    char *s;
    size_t n;
    bool removed;
};

static void put(struct out *o, const char *s, size_t n)
{
    memcpy(o->s + o->n, s, n);
    o->n += n;
}

/* Writes *** in place of n bytes; an existing *** does not count as removed. */
static void put_removed(struct out *o, const char *s, size_t n)
{
    put(o, REMOVED, 3);
    if (n != 3 || memcmp(s, REMOVED, 3)) o->removed = true;
}

size_t url_decode(const char *s, size_t n, char *to)
{
    char *begun = to;
    for (size_t i = 0; i < n; i++) {
        int high = s[i] == '%' && i + 2 < n ? hex_digit(s[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(s[i + 2]) : -1;
        if (low >= 0) i += 2;
        *to++ = low >= 0 ? (char)(high << 4 | low) : s[i];
    }
    return (size_t)(to - begun);
}

/* X-Amz-Signature, x_amz_signature and xAmzSignature become one name. */
static void plain_name(const char *s, size_t n, char to[64])
{
    char name[64];
    size_t k = 0;
    name[url_decode(s, n < 60 ? n : 60, name)] = 0;
    for (const char *c = name; *c; c++)
        if (isalnum((unsigned char)*c)) to[k++] = (char)tolower((unsigned char)*c);
    to[k] = 0;
}

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(name, *list)) return true;
    return false;
}

static bool ends_in(const char *name, const char *const *list)
{
    size_t n = strlen(name);
    for (; *list; list++) {
        size_t k = strlen(*list);
        if (n >= k && !strcmp(name + n - k, *list)) return true;
    }
    return false;
}

/* Names whose values are always secret. */
static bool is_secret_name(const char *name)
{
    static const char *const names[] = {
        "sig",       "sign",          "hmac",   "auth",  "pw",    "pwd",        "pass",
        "passwd",    "cookie",        "sas",    "hdnts", "hdnea", "jsessionid", "phpsessid",
        "keypairid", "authorization", "bearer", "otp",   NULL};
    static const char *const endings[] = {
        "token",      "signature", "secret", "password",  "passphrase",  "key", "keyid",
        "credential", "accessid",  "jwt",    "sessionid", "credentials", NULL};
    return is_one_of(name, names) || ends_in(name, endings);
}

/* Names that often hold a secret: only values that are long enough count. */
static bool is_doubtful_name(const char *name)
{
    static const char *const names[] = {"code",  "hash",   "hm",  "oh",     "md5",
                                        "sid",   "st",     "s",   "policy", "session",
                                        "state", "ticket", "pin", NULL};
    return is_one_of(name, names);
}

/* Whether letters and digits are mixed as in no word. */
static bool looks_random(const char *s, size_t n)
{
    size_t n_hex = 0, n_upper = 0, n_lower = 0, n_digits = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (!isalnum(c) && !strchr("+-_=%~", c)) return false;
        n_hex += isxdigit(c) != 0;
        n_upper += isupper(c) != 0;
        n_lower += islower(c) != 0;
        n_digits += isdigit(c) != 0;
    }
    return (n_hex == n && n_digits > 0 && n_digits < n) ||
           (n_upper > 2 && n_lower > 2 && n_digits > 2);
}

/* Names for which a long random value is normal and not secret. */
static bool is_harmless_name(const char *name)
{
    static const char *const names[] = {"v",      "id",     "rev",    "etag",     "sha1",
                                        "sha256", "sha512", "digest", "checksum", NULL};
    return is_one_of(name, names);
}

/* Whether the value is an address with a secret of its own, as picture proxies receive; plain, or
 * with its marks encoded up to three times. */
static bool holds_secret_url(const char *value, size_t n)
{
    bool removed = false;
    char *inner = malloc(n + 1);
    if (!inner) return true; /* when in doubt */
    memcpy(inner, value, n);
    inner[n] = 0;
    for (int i = 0; i < 3 && !strstr(inner, "://") && strchr(inner, '%'); i++)
        inner[url_decode(inner, strlen(inner), inner)] = 0;
    if (strstr(inner, "://")) free(url_text_without_secrets(inner, &removed));
    free(inner);
    return removed;
}

/* Whether this is recognisably a secret anywhere: tokens that services mark for leak scanners, JSON
 * web tokens, and a Telegram bot's. */
static bool is_token(const char *s, size_t n)
{
    static const char *const marks[] = {"eyJ",         "ghp_",   "gho_", "ghu_",  "ghs_", "ghr_",
                                        "github_pat_", "glpat-", "hf_",  "sk-",   "sk_",  "xox",
                                        "AKIA",        "ASIA",   "AIza", "ya29.", NULL};
    for (const char *const *mark = marks; n >= 20 && *mark; mark++)
        if (n > strlen(*mark) && !strncmp(s, *mark, strlen(*mark))) return true;
    size_t digits = 3;
    while (digits < n && isdigit((unsigned char)s[digits])) digits++;
    return n >= 30 && !strncmp(s, "bot", 3) && digits > 3 && s[digits] == ':';
}

static bool is_secret(const char *name, const char *value, size_t n, bool expires)
{
    if (n == 0) return false;
    if (is_secret_name(name) || (n >= 16 && is_doubtful_name(name))) return true;
    if (is_token(value, n)) return true;
    if (n >= (expires ? 16u : 40u) && !is_harmless_name(name) && looks_random(value, n))
        return true;
    return holds_secret_url(value, n);
}

static bool has_expiry(const char *s, size_t n)
{
    static const char *const names[] = {"expires",      "expire", "expiry",     "exp",
                                        "ex",           "e",      "se",         "xamzexpires",
                                        "xgoogexpires", "oe",     "validuntil", NULL};
    char name[64];
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && s[end] != '&' && s[end] != ';') end++;
        const char *equals = memchr(s + i, '=', end - i);
        plain_name(s + i, equals ? (size_t)(equals - s) - i : 0, name);
        if (equals && is_one_of(name, names)) return true;
        i = end + 1;
    }
    return false;
}

/* Writes NAME=VALUE parts between separators, or values alone. */
static void put_parameters(struct out *o, const char *s, size_t n, const char *separators)
{
    bool expires = has_expiry(s, n);
    char name[64];
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && !strchr(separators, s[end])) end++;
        const char *equals = memchr(s + i, '=', end - i);
        size_t value = equals ? (size_t)(equals - s) + 1 : i, n_value = end - value;
        plain_name(s + i, equals ? value - 1 - i : 0, name);
        put(o, s + i, value - i);
        if (equals ? is_secret(name, s + value, n_value, expires) : is_token(s + value, n_value))
            put_removed(o, s + value, end - value);
        else
            put(o, s + value, end - value);
        if (end < n) put(o, s + end, 1);
        i = end + 1;
    }
}

/* Where user:password ends, from the authority's beginning; 0: there is none. A slash in the
 * password ends the authority too early, and then the port is no number. */
static size_t user_bytes(const char *s, size_t n, size_t n_authority)
{
    for (size_t i = n_authority; i-- > 0;)
        if (s[i] == '@') return i;
    const char *colon = memchr(s, ':', n_authority);
    if (!colon || *s == '[') return 0;
    for (const char *c = colon + 1; c < s + n_authority; c++)
        if (!isdigit((unsigned char)*c)) {
            for (size_t i = n; i-- > n_authority;)
                if (s[i] == '@') return i;
            return 0;
        }
    return 0;
}

/* Where the authority begins: after "https://" or "www."; 0: not an address. */
static size_t authority_at(const char *s, size_t n)
{
    size_t scheme = scheme_bytes(s, n);
    return scheme ? scheme + 3 : n >= 4 && begins(s, "www.") ? 4 : 0;
}

/* Writes one address s of n bytes. */
static void put_url(struct out *o, const char *s, size_t n)
{
    size_t i = authority_at(s, n), end = i;
    put(o, s, i);
    while (end < n && !strchr("/?#\\", s[end])) end++;
    size_t user = user_bytes(s + i, n - i, end - i);
    if (user > 0) {
        put_removed(o, s + i, user);
        i += user;
        if (end < i)
            for (end = i; end < n && !strchr("/?#\\", s[end]);) end++;
    }
    put(o, s + i, end - i);
    size_t query = end;
    while (query < n && s[query] != '?' && s[query] != '#') query++;
    put_parameters(o, s + end, query - end, ";/");
    if (query == n) return;
    put(o, s + query, 1);
    put_parameters(o, s + query + 1, n - query - 1, "&;?#");
}

/* Finds an address inside a text: where it begins and ends. */
static size_t next_url(const char *s, size_t n, size_t from, size_t *ret_end)
{
    for (size_t i = from; i + 3 < n; i++) {
        if (s[i] != ':' || strncmp(s + i, "://", 3)) continue;
        size_t begin = i;
        while (begin > from &&
               (isalnum((unsigned char)s[begin - 1]) || strchr("+-.", s[begin - 1])))
            begin--;
        if (!scheme_bytes(s + begin, n - begin)) continue;
        char before = begin > 0 ? s[begin - 1] : ' ';
        const char *quote = before == '\'' || before == '"' ? &s[begin - 1] : NULL;
        size_t end = i + 3;
        while (end < n && (quote ? s[end] != *quote : !is_blank(s[end]) && s[end] != '"')) end++;
        *ret_end = end;
        return begin;
    }
    return n;
}

/* Only values and users shorter than *** grow. */
static bool out_init(struct out *o, size_t n)
{
    *o = (struct out){.s = malloc(4 * n + 8)};
    return o->s != NULL;
}

static char *finish(struct out *o, bool *ret_removed)
{
    o->s[o->n] = 0;
    if (ret_removed) *ret_removed = o->removed;
    char *exact = realloc(o->s, o->n + 1);
    return exact ? exact : o->s;
}

char *url_without_secrets(const char *url, bool *ret_removed)
{
    struct out o;
    size_t n = strlen(url), from = strspn(url, " \t\r\n<");
    if (ret_removed) *ret_removed = false;
    if (!authority_at(url + from, n - from)) return strdup(url);
    if (!out_init(&o, n)) return NULL;
    put(&o, url, from);
    put_url(&o, url + from, n - from);
    return finish(&o, ret_removed);
}

char *url_text_without_secrets(const char *text, bool *ret_removed)
{
    struct out o;
    size_t n = strlen(text), at = 0, end = 0;
    if (!out_init(&o, n)) return NULL;
    while (at < n) {
        size_t begin = next_url(text, n, at, &end);
        put(&o, text + at, begin - at);
        if (begin < n) put_url(&o, text + begin, end - begin);
        at = begin < n ? end : n;
    }
    return finish(&o, ret_removed);
}

bool url_lacks_secret(const char *url)
{
    url += strspn(url, " \t\r\n<");
    size_t authority = authority_at(url, strlen(url));
    if (!authority) return false;
    if (!strncmp(url + authority, REMOVED "@", 4)) return true;
    for (const char *at = strstr(url, REMOVED); at; at = strstr(at + 1, REMOVED))
        if (at > url && strchr("=/&;?#", at[-1]) && (!at[3] || strchr("&;?#/> \t\r\n", at[3])))
            return true;
    return false;
}
