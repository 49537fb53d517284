/* SPDX-License-Identifier: MIT
 * Which addresses are in the public network. All others (this machine, the office, a cloud's own
 * services) may be reached only when a person asks for it. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>

struct sockaddr;

/* Whether an address is outside the public network: loopback, link-local, private, unique-local,
 * shared, multicast, unspecified or reserved. An IPv6 address that carries an IPv4 one is judged by
 * that. Families other than IPv4 and IPv6 count as private. */
bool address_is_private(const struct sockaddr *address);

/* The same for an address in text, with or without brackets; text that is not an address counts as
 * private. */
bool address_text_is_private(const char *text);

/* Whether a host, as written in a URL, is private, without asking the network: a private address in
 * any spelling, or a name that cannot be public ("localhost", "printer", "nas.local"). */
bool address_host_is_private(const char *host);

#endif
