/* SPDX-License-Identifier: MIT
 * Which proxy, if any, a request uses. It is decided here and passed to libcurl, because behind a
 * proxy private addresses must be detected in other ways. */
#ifndef NET_PROXY_H
#define NET_PROXY_H

/* From http_proxy (lower case only, as everywhere), https_proxy, all_proxy and no_proxy. New string
 * (free); NULL: a direct connection. */
char *proxy_for(const char *scheme, const char *host);

#endif
