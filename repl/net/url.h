/* SPDX-License-Identifier: MIT
 * Addresses as text: which words are one, how they are spelled for a server, and what of them may
 * be shown and stored. Nothing here asks the network. */
#ifndef NET_URL_H
#define NET_URL_H

#include <stdbool.h>
#include <stddef.h>

bool url_is_http(const char *what); /* "http://…" or "https://…", letters of any case */
bool url_is_data(const char *what); /* "data:…" */
/* "ftp://…": something with a scheme that is not fetched. */
bool url_has_other_scheme(const char *what);

/* What stands behind the host of the public model hub, "/…" or nothing; NULL: it is an address of
 * another place. */
const char *url_behind_hub(const char *what);

/* As people paste them: blanks around, <…>, "www." without a scheme. New string (free) of the
 * address as a server wants it: blanks, quotes and letters outside ASCII behind the host written as
 * %20 and the like, line ends of a wrapped address dropped, no fragment. NULL: no address of http
 * or https, or no memory. */
char *url_spell(const char *what);

/* Undoes %41; a % without two digits stays. to has room for n bytes and may be s. Returns their
 * number. */
size_t url_decode(const char *s, size_t n, char *to);

/* What may be shown and stored of an address. Passwords, tokens, keys and signatures are replaced
 * by *** and *ret_removed (may be NULL) says whether there was one; everything else, also text that
 * is no address, stays as it is. New string (free), NULL without memory. */
char *url_without_secrets(const char *url, bool *ret_removed);
/* The same for every address in a line of text, such as a command in the history. */
char *url_text_without_secrets(const char *text, bool *ret_removed);
/* Whether the address comes from url_without_secrets and needs its secret again to be fetched. */
bool url_lacks_secret(const char *url);

#endif
