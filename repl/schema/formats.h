/* SPDX-License-Identifier: MIT
 * The meaning of "format", as patterns for a subset of what each format allows. */
#ifndef SCHEMA_FORMATS_H
#define SCHEMA_FORMATS_H

/* NULL for an unknown format. */
const char *format_pattern(const char *name);
extern const char format_names[]; /* "date, time, …" */

#endif
