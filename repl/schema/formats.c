/* SPDX-License-Identifier: MIT */
#include "schema/formats.h"

#include <stddef.h>
#include <string.h>

/* February has 28 days, a minute 60 seconds, and years have four digits, none of them 0000. */
#define DATE                                                                                       \
    "(?:[1-9][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|"                           \
    "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])))"
#define TIME                                                                                       \
    "(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?"                              \
    "(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]))"
#define BYTE "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define HEX "[0-9a-f]"

static const struct {
    const char *name, *pattern;
} format_table[] = {
    {"date", "^" DATE "$"},
    {"time", "^" TIME "$"},
    {"date-time", "^" DATE "T" TIME "$"},
    {"email", "^[A-Za-z0-9_]{1,20}(?:[.+-][A-Za-z0-9_]{1,20}){0,3}@"
              "[a-z0-9]{1,20}(?:-[a-z0-9]{1,20}){0,2}(?:\\.[a-z]{2,20}){1,3}$"},
    {"ipv4", "^" BYTE "(?:\\." BYTE "){3}$"},
    {"uuid", "^" HEX "{8}-" HEX "{4}-" HEX "{4}-" HEX "{4}-" HEX "{12}$"},
};

const char format_names[] = "date, time, date-time, email, ipv4 and uuid";

const char *format_pattern(const char *name)
{
    for (size_t i = 0; i < sizeof format_table / sizeof *format_table; i++)
        if (!strcmp(format_table[i].name, name)) return format_table[i].pattern;
    return NULL;
}
