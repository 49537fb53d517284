/* SPDX-License-Identifier: MIT
 * A compiled schema, for the files of this folder only. */
#ifndef SCHEMA_COMPILED_H
#define SCHEMA_COMPILED_H

#include "schema/grammar.h"
#include "schema/schema.h"

struct schema {
    struct grammar grammar;
    int32_t document; // the rule of the whole text
};

#endif
