/* SPDX-License-Identifier: MIT */
#include "schema/formats.h"

#include <stddef.h>
#include <string.h>

/* February always has 28 days, a minute 60 seconds, and years have four digits, but not 0000. */
#define DATE                                                                                       \
    "(?:[1-9][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|"                           \
    "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])))"
#define TIME                                                                                       \
    "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?"                              \
    "(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]))"
#define BYTE "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define HEX "[0-9a-f]"
#define HOST                                                                                       \
    "[a-z0-9]{1,20}(?:-[a-z0-9]{1,20}){0,2}(?:\\.[a-z0-9]{1,20}(?:-[a-z0-9]{1,20}){0,2}){0,3}"

static const struct {
    const char *name, *pattern;
} format_table[] = {
    {"date", "^" DATE "$"},
    {"time", "^" TIME "$"},
    {"date-time", "^" DATE "T" TIME "$"},
    {"duration", "^P(?:[1-9][0-9]{0,3}[YMWD]|T[1-9][0-9]{0,3}[HMS])$"},
    {"email", "^[A-Za-z0-9_]{1,20}(?:[.+-][A-Za-z0-9_]{1,20}){0,3}@"
              "[a-z0-9]{1,20}(?:-[a-z0-9]{1,20}){0,2}(?:\\.[a-z]{2,20}){1,3}$"},
    {"hostname", "^" HOST "$"},
    {"ipv4", "^" BYTE "(?:\\." BYTE "){3}$"},
    {"ipv6", "^" HEX "{1,4}(?::" HEX "{1,4}){7}$"},
    {"uri", "^https?://" HOST "(?:/[A-Za-z0-9_.~-]{1,40}){0,6}/?$"},
    {"uuid", "^" HEX "{8}-" HEX "{4}-" HEX "{4}-" HEX "{4}-" HEX "{12}$"},
};

const char format_names[] =
    "date, time, date-time, duration, email, hostname, ipv4, ipv6, uri and uuid";

const char *format_pattern(const char *name)
{
    for (size_t i = 0; i < sizeof format_table / sizeof *format_table; i++)
        if (!strcmp(format_table[i].name, name)) return format_table[i].pattern;
    return NULL;
}
