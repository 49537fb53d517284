/* SPDX-License-Identifier: MIT
 * What "format" means, as patterns that are a part of what the formats allow. */
#ifndef SCHEMA_FORMATS_H
#define SCHEMA_FORMATS_H

/* NULL: not known. */
const char *format_pattern(const char *name);
extern const char format_names[]; /* "date, time, …" */

#endif
