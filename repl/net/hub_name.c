/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/error.h"
#include "net/hub.h"
#include "net/url.h"

/* Letters, digits, '.', '_', '-', not beginning with '.' or '-', no "--" or "..": the hub's rule,
 * which also keeps folder names of the cache unambiguous. */
static bool is_plain(const char *s, size_t n)
{
    if (n == 0 || n > 96 || *s == '.' || *s == '-') return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i])) return false;
        if (i > 0 && s[i] == s[i - 1] && (s[i] == '-' || s[i] == '.')) return false;
    }
    return true;
}

/* Whether this is a revision: parts between slashes, which branches may have. */
static bool is_revision(const char *s, size_t n)
{
    for (size_t i = 0; i <= n;) {
        size_t end = i;
        while (end < n && s[end] != '/') end++;
        if (end == i || end - i > 200 || s[i] == '.') return false;
        for (size_t k = i; k < end; k++)
            if (!isalnum((unsigned char)s[k]) && !strchr("._-+", s[k])) return false;
        i = end + 1;
    }
    return n > 0;
}

static const char *behind(const char *s, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncasecmp(s, prefix, n) ? NULL : s + n;
}

/* The path in a web address of the hub. NULL: the address is elsewhere. */
static const char *web_path(const char *url, const struct hub_env *env)
{
    const char *path = behind(url, env->endpoint);
    if (!path || *path != '/') path = url_behind_hub(url);
    return path && *path == '/' ? path + 1 : NULL;
}

struct parts {
    const char *org, *name, *rev;
    size_t n_org, n_name, n_rev;
};

/* Splits ORG/NAME from what follows: "@" and a revision, or "/tree/" and the like. */
static bool split(const char *s, struct parts *p)
{
    *p = (struct parts){.org = s, .n_org = strcspn(s, "/@")};
    if (s[p->n_org] != '/') return false;
    p->name = s + p->n_org + 1;
    p->n_name = strcspn(p->name, "/@?#");
    const char *rest = p->name + p->n_name;
    if (*rest == '@') {
        p->rev = rest + 1;
        p->n_rev = strlen(p->rev);
        return p->n_rev > 0;
    }
    if (*rest != '/') return *rest == 0 || *rest == '?' || *rest == '#';
    const char *rev = behind(rest, "/tree/");
    if (!rev) rev = behind(rest, "/blob/");
    if (!rev) rev = behind(rest, "/resolve/");
    if (!rev) return rest[1] == 0;
    p->rev = rev;
    p->n_rev = strcspn(rev, "/?#");
    if (!strncmp(rev, "refs/", 5)) { /* refs/pr/1 */
        size_t kind = strcspn(rev + 5, "/?#") + 5;
        p->n_rev = rev[kind] == '/' ? kind + 1 + strcspn(rev + kind + 1, "/?#") : kind;
    }
    return true;
}

/* Reads "models/ORG/NAME", as opposed to datasets and others. */
static bool split_model(const char *s, struct parts *p)
{
    const char *rest = behind(s, "models/");
    return rest && split(rest, p);
}

int hub_name_parse(const char *what, const struct hub_env *env, struct hub_name *ret,
                   struct phi3v_error *err)
{
    struct parts p;
    const char *path = behind(what, "hf://");
    char *url = path ? NULL : url_spell(what);
    if (url && !(path = web_path(url, env))) {
        free(url);
        return refuse(err, PHI3V_E_ARGUMENT,
                      "%.200s is not an address of the hub: give ORG/NAME, or an address that "
                      "begins with %.100s/",
                      what, env->endpoint);
    }
    if (!path) path = what;
    bool fine = (split_model(path, &p) || split(path, &p)) && is_plain(p.org, p.n_org) &&
                is_plain(p.name, p.n_name) && (!p.rev || is_revision(p.rev, p.n_rev));
    if (fine)
        *ret =
            (struct hub_name){text_format("%.*s/%.*s", (int)p.n_org, p.org, (int)p.n_name, p.name),
                              p.rev ? strndup(p.rev, p.n_rev) : strdup("main")};
    free(url);
    if (!fine)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "\"%.200s\" is not a model's name on the hub: ORG/NAME, with @REVISION "
                      "behind it for another than the newest",
                      what);
    if (ret->repo && ret->rev) return 0;
    hub_name_fini(ret);
    return net_fail_memory(err, "a model");
}

void hub_name_fini(struct hub_name *name)
{
    free(name->repo);
    free(name->rev);
    *name = (struct hub_name){0};
}
