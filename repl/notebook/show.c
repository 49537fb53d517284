/* SPDX-License-Identifier: MIT
 * What the core's files show through the front end: reports, notes, pictures. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notebook/core.h"

static void send_text(struct notebook *nb, enum nb_kind kind, const char *s, const char *file)
{
    nb->front.output(
        nb->front.user,
        &(struct nb_output){.kind = kind, .text = s, .n_bytes = strlen(s), .file = file});
}

static void send_format(struct notebook *nb, enum nb_kind kind, const char *file,
                        const char *format, va_list ap)
{
    char line[512], *longer = NULL;
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(line, sizeof line, format, ap);
    if (n >= (int)sizeof line && (longer = memory_new((size_t)n + 1)))
        vsnprintf(longer, (size_t)n + 1, format, again);
    va_end(again);
    send_text(nb, kind, longer ? longer : line, file);
    free(longer);
}

void report(struct notebook *nb, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    send_format(nb, NB_REPORT, NULL, format, ap);
    va_end(ap);
}

void report_about(struct notebook *nb, const char *file, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    send_format(nb, NB_REPORT, file, format, ap);
    va_end(ap);
}

void report_text(struct notebook *nb, const struct text *t)
{
    if (t->s) send_text(nb, NB_REPORT, t->s, NULL);
}

void note(struct notebook *nb, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    send_format(nb, NB_NOTE, NULL, format, ap);
    va_end(ap);
}

void picture_of(const struct notebook *nb, int index, char *label, struct nb_picture *ret)
{
    const struct image *m = &nb->book.images.v[index];
    *ret = (struct nb_picture){m->loaded.image, image_label(&nb->book.images, index, label, 64),
                               m->loaded.source ? m->loaded.source : m->what};
}
