/* SPDX-License-Identifier: MIT
 * Addresses as text: which words are addresses, how to spell them for a server, and which parts may
 * be shown and stored. Nothing here uses the network. */
#ifndef NET_URL_H
#define NET_URL_H

#include <stdbool.h>
#include <stddef.h>

bool url_is_http(const char *what); /* "http://…" or "https://…", in any case */
bool url_is_data(const char *what); /* "data:…" */
bool url_is_file(const char *what); /* "file:/…" */
/* "ftp://…": something with a scheme that is not fetched. */
bool url_has_other_scheme(const char *what);

/* What follows the host of the public model hub, "/…" or nothing; NULL: the address is
 * elsewhere. */
const char *url_behind_hub(const char *what);

/* Accepts addresses as people paste them: with blanks around, in <…>, "www." without a scheme.
 * Returns a new string (free), spelled as a server needs it: blanks, quotes and non-ASCII
 * characters after the host are written as %20 and so on, line ends of a wrapped address and the
 * fragment are dropped. NULL: not an http or https address, or no memory. */
char *url_spell(const char *what);

/* Decodes %41; a % without two digits stays. to has room for n bytes and may be s. Returns the
 * number of bytes. */
size_t url_decode(const char *s, size_t n, char *to);

/* The address in a form that may be shown and stored. Passwords, tokens, keys and signatures are
 * replaced by ***, and *ret_removed (may be NULL) says whether there were any; everything else
 * stays, also text that is not an address. New string (free), NULL without memory. */
char *url_without_secrets(const char *url, bool *ret_removed);
/* The same for every address in a line of text, such as a command in the history. */
char *url_text_without_secrets(const char *text, bool *ret_removed);
/* Whether the address comes from url_without_secrets and cannot be fetched without its secret. */
bool url_lacks_secret(const char *url);

#endif
