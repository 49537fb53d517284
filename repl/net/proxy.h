/* SPDX-License-Identifier: MIT
 * Which proxy, if any, one request goes through. It is decided here and told to libcurl, because
 * behind a proxy private addresses have to be judged by other means. */
#ifndef NET_PROXY_H
#define NET_PROXY_H

/* From http_proxy (lower case only, as everywhere), https_proxy, all_proxy and no_proxy. New string
 * (free); NULL: a direct connection. */
char *proxy_for(const char *scheme, const char *host);

#endif
