/* SPDX-License-Identifier: MIT
 * Which addresses lie in the public network. Everything else (this machine, the office, a cloud's
 * own services) may only be reached when a person asks for it. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>

struct sockaddr;

/* Loopback, link-local, private, unique-local, shared, multicast, unspecified, reserved: not the
 * public network. An IPv6 address that carries an IPv4 one is judged by that. Families other than
 * IPv4 and IPv6 count as private. */
bool address_is_private(const struct sockaddr *address);

/* The same for an address in text, with or without brackets; text that is none counts as private.
 */
bool address_text_is_private(const char *text);

/* A host as written in a URL, without asking anybody: a private address in any spelling, or a name
 * that cannot be public ("localhost", "printer", "nas.local"). */
bool address_host_is_private(const char *host);

#endif
