/* SPDX-License-Identifier: MIT
 * Names of models on the Hugging Face hub, as people write and paste them. */
#ifndef WEIGHTS_HUB_NAME_H
#define WEIGHTS_HUB_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum { HUB_PART = 129, HUB_REV = 257 };

struct hub_name {
    char org[HUB_PART], name[HUB_PART];
    char rev[HUB_REV]; // "main" where none was given
};

enum hub_parsed {
    HUB_NO, // something else
    HUB_MODEL,
    HUB_OTHER // an address of the hub that is no model's: data sets, spaces, other pages
};

/* ORG/NAME[@REV]; hf://[models/]ORG/NAME[@REV]; a web address of the hub, its scheme left out or
 * not, with what a browser shows behind the name (/tree/REV, /blob/REV/FILE, ?…, #…); the name of a
 * folder of the cache (models--ORG--NAME). */
enum hub_parsed hub_parse(const char *s, struct hub_name *ret);
/* Letters, digits, '.', '_', '-', not beginning with '.'. */
bool hub_is_plain(const char *s, size_t n);

#endif
