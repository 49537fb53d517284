/* SPDX-License-Identifier: MIT
 * Shows that two schemas have no value in common. oneOf needs this, so that a value of one of its
 * schemas is a value of no other. */
#ifndef SCHEMA_EXCLUSIVE_H
#define SCHEMA_EXCLUSIVE_H

#include <jansson.h>
#include <stdbool.h>

/* What "#/$defs/a" points to in root, or NULL. */
const json_t *schema_at(const json_t *root, const char *reference);
/* Whether no text that is written here for one of the schemas (both in root) satisfies the other.
 * *work, zero at first, counts the work of all calls for one schema; when it becomes too much, the
 * answer is no. */
bool schemas_exclude(const json_t *root, const json_t *a, const json_t *b, long *work);

#endif
