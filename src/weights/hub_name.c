/* SPDX-License-Identifier: MIT */
#include "weights/hub_name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/env.h"

enum { ADDRESS_MAX = 1000 };

bool hub_is_plain(const char *s, size_t n)
{
    if (n == 0 || n >= HUB_PART || s[0] == '.') return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i])) return false;
    return true;
}

/* A revision may hold '/', but no empty, "." or ".." part. */
static bool is_revision(const char *s)
{
    if (strlen(s) >= HUB_REV) return false;
    size_t n = 0;
    do {
        s += n + (n > 0);
        n = strcspn(s, "/");
        if (!hub_is_plain(s, n)) return false;
    } while (s[n]);
    return true;
}

static bool set(struct hub_name *h, const char *org, size_t n_org, const char *name, size_t n_name,
                const char *rev)
{
    if (!hub_is_plain(org, n_org) || !hub_is_plain(name, n_name) || !is_revision(rev)) return false;
    snprintf(h->org, sizeof h->org, "%.*s", (int)n_org, org);
    snprintf(h->name, sizeof h->name, "%.*s", (int)n_name, name);
    snprintf(h->rev, sizeof h->rev, "%s", rev);
    return true;
}

/* ORG/NAME[@REV] */
static bool parse_plain(const char *s, struct hub_name *ret)
{
    const char *slash = strchr(s, '/'), *at = strchr(s, '@');
    if (!slash || (at && at < slash)) return false;
    const char *end = at ? at : s + strlen(s);
    return set(ret, s, (size_t)(slash - s), slash + 1, (size_t)(end - slash - 1),
               at ? at + 1 : "main");
}

/* models--ORG--NAME */
static bool parse_folder(const char *s, struct hub_name *ret)
{
    if (strncmp(s, "models--", 8) != 0) return false;
    const char *org = s + 8, *dashes = strstr(org, "--");
    return dashes && set(ret, org, (size_t)(dashes - org), dashes + 2, strlen(dashes + 2), "main");
}

/* -- Web addresses ----------------------------------------------------------------------------- */

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Without query, fragment and percent signs; false when it is too long. */
static bool clean_address(const char *s, char out[ADDRESS_MAX])
{
    size_t n = 0;
    for (; *s && *s != '?' && *s != '#'; s++) {
        if (n == ADDRESS_MAX - 1) return false;
        int high = *s == '%' ? hex(s[1]) : -1, low = high >= 0 ? hex(s[2]) : -1;
        out[n++] = low >= 0 && (high || low) ? (char)(high * 16 + low) : *s;
        if (low >= 0 && (high || low)) s += 2;
    }
    while (n > 0 && out[n - 1] == '/') n--;
    out[n] = 0;
    return true;
}

static const char *behind(const char *s, const char *beginning)
{
    size_t n = strlen(beginning);
    return strncasecmp(s, beginning, n) == 0 ? s + n : NULL;
}

/* The same for HF_ENDPOINT, which may end in '/'. */
static const char *behind_endpoint(const char *s)
{
    const char *endpoint = env_hub_endpoint();
    size_t n = endpoint ? strlen(endpoint) : 0;
    while (n > 0 && endpoint[n - 1] == '/') n--;
    return n > 0 && strncasecmp(s, endpoint, n) == 0 && s[n] == '/' ? s + n + 1 : NULL;
}

/* What follows the hub's host, NULL when the address is of another. A host alone, without a scheme,
 * is known for the public hub only. */
static const char *behind_host(const char *s)
{
    static const char *const hosts[] = {"huggingface.co/", "www.huggingface.co/", "hf.co/"};
    const char *rest = behind_endpoint(s);
    if (rest) return rest;
    rest = behind(s, "https://");
    if (!rest) rest = behind(s, "http://");
    if (!rest) rest = s;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        const char *path = behind(rest, hosts[i]);
        if (path) return path;
    }
    return NULL;
}

/* The revision in "/tree/REV…", "/blob/REV/FILE" and their like; it is one part, or the three of
 * refs/pr/N. "main" for other pages of a model. */
static void revision_of(const char *s, char out[HUB_REV])
{
    static const char *const pages[] = {"/tree/", "/blob/", "/resolve/", "/raw/", "/commit/"};
    const char *rev = NULL;
    for (size_t i = 0; i < sizeof pages / sizeof *pages && !rev; i++) rev = behind(s, pages[i]);
    size_t n = rev ? strcspn(rev, "/") : 0;
    for (int more = 0; rev && more < 2 && strncmp(rev, "refs/", 5) == 0 && rev[n]; more++)
        n += 1 + strcspn(rev + n + 1, "/");
    if (n > 0 && n < HUB_REV)
        snprintf(out, HUB_REV, "%.*s", (int)n, rev);
    else
        snprintf(out, HUB_REV, "main");
}

/* ORG/NAME and perhaps a page behind it. */
static enum hub_parsed parse_page(const char *path, struct hub_name *ret)
{
    static const char *const others[] = {"datasets/", "spaces/", "docs/",
                                         "papers/",   "blog/",   "collections/"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (behind(path, others[i])) return HUB_OTHER;
    if (behind(path, "api/")) path += 4;
    if (behind(path, "models/")) path += 7;
    size_t n_org = strcspn(path, "/");
    if (!path[n_org]) return HUB_OTHER; // a person, or the hub itself
    const char *name = path + n_org + 1;
    size_t n_name = strcspn(name, "/@");
    char rev[HUB_REV];
    if (name[n_name] == '@')
        snprintf(rev, sizeof rev, "%s", name + n_name + 1);
    else
        revision_of(name + n_name, rev);
    if (n_name > 4 && strncmp(name + n_name - 4, ".git", 4) == 0) n_name -= 4;
    return set(ret, path, n_org, name, n_name, rev) ? HUB_MODEL : HUB_OTHER;
}

enum hub_parsed hub_parse(const char *s, struct hub_name *ret)
{
    char address[ADDRESS_MAX];
    const char *path = behind(s, "hf://");
    if (!path) path = behind_host(s);
    if (path) return clean_address(path, address) ? parse_page(address, ret) : HUB_OTHER;
    return parse_plain(s, ret) || parse_folder(s, ret) ? HUB_MODEL : HUB_NO;
}
