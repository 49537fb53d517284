/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "net/proxy.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *variable(const char *lower, const char *upper)
{
    const char *value = getenv(lower);
    return value ? value : upper ? getenv(upper) : NULL;
}

/* Whether the host is in "10.0.0.0/8" or "fd00::/8", or is that one address. */
static bool in_network(const char *host, const char *pattern)
{
    unsigned char a[16], b[16];
    char address[64], bare[64];
    size_t n = strcspn(pattern, "/"), n_host = strlen(host);
    if (n_host > 2 && *host == '[') host++, n_host -= 2;
    if (n > 2 && *pattern == '[') return false;
    if (n >= sizeof address || n_host >= sizeof bare) return false;
    memcpy(address, pattern, n);
    address[n] = 0;
    memcpy(bare, host, n_host);
    bare[n_host] = 0;
    int family = strchr(bare, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(family, bare, a) != 1 || inet_pton(family, address, b) != 1) return false;
    int all = family == AF_INET ? 32 : 128;
    int bits = pattern[n] ? atoi(pattern + n + 1) : all;
    if (bits < 0 || bits > all) return false;
    if (memcmp(a, b, (size_t)bits / 8)) return false;
    return bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

/* Whether the host has this name or ends in it: example.org includes www.example.org. */
static bool fits(const char *host, const char *pattern)
{
    size_t n_host = strlen(host);
    if (!strcmp(pattern, "*")) return true;
    if (in_network(host, pattern)) return true;
    while (*pattern == '.') pattern++;
    size_t n = strlen(pattern);
    while (n > 0 && pattern[n - 1] == '.') n--;
    while (n_host > 0 && host[n_host - 1] == '.') n_host--;
    if (n == 0 || n > n_host || strncasecmp(host + n_host - n, pattern, n)) return false;
    return n == n_host || host[n_host - n - 1] == '.';
}

static bool is_excepted(const char *host)
{
    const char *list = variable("no_proxy", "NO_PROXY");
    char one[256];
    while (list && *list) {
        size_t n = strcspn(list, ", \t");
        if (n > 0 && n < sizeof one) {
            memcpy(one, list, n);
            one[n] = 0;
            if (fits(host, one)) return true;
        }
        list += n;
        list += strspn(list, ", \t");
    }
    return false;
}

char *proxy_for(const char *scheme, const char *host)
{
    const char *proxy = !strcasecmp(scheme, "http") ? variable("http_proxy", NULL)
                                                    : variable("https_proxy", "HTTPS_PROXY");
    if (!proxy || !*proxy) proxy = variable("all_proxy", "ALL_PROXY");
    if (!proxy || !*proxy || is_excepted(host)) return NULL;
    return strdup(proxy);
}
