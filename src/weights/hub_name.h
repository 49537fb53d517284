/* SPDX-License-Identifier: MIT
 * Names of models on the Hugging Face hub, as people write and paste them. */
#ifndef WEIGHTS_HUB_NAME_H
#define WEIGHTS_HUB_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum { HUB_PART = 129, HUB_REV = 257 };

struct hub_name {
    char org[HUB_PART], name[HUB_PART];
    char rev[HUB_REV]; // "main" if none was given
};

enum hub_parsed {
    HUB_NO, // something else
    HUB_MODEL,
    HUB_OTHER // another address of the hub: data sets, spaces, other pages
};

/* Parses ORG/NAME[@REV]; hf://[models/]ORG/NAME[@REV]; a web address of the hub, with or without
 * scheme and with whatever a browser shows after the name (/tree/REV, /blob/REV/FILE, ?…, #…); the
 * name of a folder of the cache (models--ORG--NAME). */
enum hub_parsed hub_parse(const char *s, struct hub_name *ret);
/* Whether it consists of letters, digits, '.', '_' and '-' and does not begin with '.'. */
bool hub_is_plain(const char *s, size_t n);

#endif
