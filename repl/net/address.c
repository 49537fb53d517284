/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "net/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* -- Addresses -------------------------------------------------------------------------------- */

static bool is_private_4(uint32_t a)
{
    static const struct {
        uint32_t net;
        int bits;
    } nets[] = {
        {0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16},
        {0xAC100000, 12}, {0xC0000000, 24}, {0xC0A80000, 16}, {0xC6120000, 15}, {0xE0000000, 3},
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        if ((a ^ nets[i].net) >> (32 - nets[i].bits) == 0) return true;
    return false;
}

static uint32_t word(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The public range is 2000::/3, without 6to4 and Teredo. ::ffff:0:0/96 and NAT64 lead to the IPv4
 * address they carry; a translator's own prefix inside 2000::/3 cannot be recognised. */
static bool is_private_6(const uint8_t a[16])
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xFF, 0x9B};
    if (!memcmp(a, mapped, 12) || !memcmp(a, nat64, 12)) return is_private_4(word(a + 12));
    if (a[0] == 0x20 && a[1] == 0x02) return is_private_4(word(a + 2));
    if (!memcmp(a, "\x20\x01\x00\x00", 4)) return true;
    if (!memcmp(a + 8, "\x00\x00\x5E\xFE", 4) || !memcmp(a + 8, "\x02\x00\x5E\xFE", 4))
        return is_private_4(word(a + 12)); /* ISATAP */
    return (a[0] & 0xE0) != 0x20;
}

bool address_is_private(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in sa;
        memcpy(&sa, address, sizeof sa);
        return is_private_4(ntohl(sa.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 sa;
        memcpy(&sa, address, sizeof sa);
        return is_private_6(sa.sin6_addr.s6_addr);
    }
    return true;
}

/* -- Text ------------------------------------------------------------------------------------- */

enum kind { PUBLIC, PRIVATE, NO_ADDRESS };

/* getaddrinfo accepts every spelling that a connection would: 0x7f.1, 2130706433, 0177.0.0.1. */
static enum kind kind_of(const char *text)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_family = AF_UNSPEC}, *info = NULL;
    char bare[256];
    size_t n = strlen(text);
    if (n > 2 && text[0] == '[' && text[n - 1] == ']') text++, n -= 2;
    while (n > 1 && text[n - 1] == '.') n--;
    if (n >= sizeof bare) return NO_ADDRESS;
    memcpy(bare, text, n);
    bare[n] = 0;
    if (getaddrinfo(bare, NULL, &hints, &info) != 0) return NO_ADDRESS;
    enum kind kind = address_is_private(info->ai_addr) ? PRIVATE : PUBLIC;
    freeaddrinfo(info);
    return kind;
}

bool address_text_is_private(const char *text) { return kind_of(text) != PUBLIC; }

static bool ends_with(const char *host, size_t n, const char *ending)
{
    size_t n_ending = strlen(ending);
    return n >= n_ending && !strncasecmp(host + n - n_ending, ending, n_ending);
}

bool address_host_is_private(const char *host)
{
    static const char *const endings[] = {".localhost", ".local",     ".localdomain", ".internal",
                                          ".intranet",  ".home.arpa", ".lan",         ".home",
                                          ".corp",      ".private",   ".test",        ".invalid"};
    enum kind kind = kind_of(host);
    if (kind != NO_ADDRESS) return kind == PRIVATE;
    size_t n = strlen(host);
    while (n > 0 && host[n - 1] == '.') n--;
    if (!memchr(host, '.', n)) return true; /* only local name servers resolve a single word */
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends_with(host, n, endings[i])) return true;
    return false;
}
