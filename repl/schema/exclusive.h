/* SPDX-License-Identifier: MIT
 * Whether two schemas can be shown to have no value in common: what oneOf needs, so that a value of
 * one of its schemas is a value of no other. */
#ifndef SCHEMA_EXCLUSIVE_H
#define SCHEMA_EXCLUSIVE_H

#include <jansson.h>
#include <stdbool.h>

/* What "#/$defs/a" points to in root; NULL: nothing. */
const json_t *schema_at(const json_t *root, const char *reference);
/* Both schemas are of root. Shown is: what is written here for one of them never meets the other.
 * *work, zero at first, counts what all calls for one schema cost; where it becomes too much, nothing
 * is shown. */
bool schemas_exclude(const json_t *root, const json_t *a, const json_t *b, long *work);

#endif
