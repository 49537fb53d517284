/* SPDX-License-Identifier: MIT
 * Memory for front ends and verbs, which cannot continue without it: on failure the program ends
 * with a one-line message. The notebook core does not use these. */
#ifndef COMMON_MUST_H
#define COMMON_MUST_H

#include "common/text.h"

/* Never NULL; freed with free(). */
void *xalloc(size_t n_bytes);
void *xcalloc(size_t n, size_t size);
void *xgrow(void *p, size_t n, size_t size); /* n * size is checked */
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *xtake(struct text *t); /* as text_take */
/* Returns p, or ends the program when it is NULL. */
void *must(void *p);

#endif
