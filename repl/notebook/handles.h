/* SPDX-License-Identifier: GPL-3.0-or-later
 * The pictures of a notebook: @1, @2, … by order of arrival, never renumbered, optionally with a
 * name. A picture of an opened notebook is known before it is loaded. */
#ifndef REPL_HANDLES_H
#define REPL_HANDLES_H

#include "notebook/media.h"

struct handle {
    char *name;         // without @; NULL
    char *what;         // path or URL as it was typed: how to load it (again)
    struct media media; // image NULL: not loaded yet, or dropped
    char sha256[65];    // of the file; "" unknown
    bool typed;         // a person typed `what`; false: it stood in a notebook
    bool dropped;
};

struct handles {
    struct handle *v; // picture @k is v[k - 1]
    int n;
};

/* A new picture; takes m's contents (all zero: to be loaded later). Errors: ARGUMENT (name taken or
 * not a name). */
int handles_add(struct handles *h, struct media *m, const char *what, const char *name, bool typed,
                int *ret_index, struct phi3v_error *err);
/* Index by "1", "@1", "cover", "@cover"; -1. Dropped ones are not found. Fits ref_lookup_fn. */
int handles_find(const char *name, void *handles);
/* The same for a command's argument, with a sentence. */
int handles_get(const struct handles *h, const char *name, int *ret_index, struct phi3v_error *err);
/* The picture, loaded now where it was not. dir: tried for relative paths of a notebook; NULL.
 * Errors: as media_load. */
int handles_image(struct handles *h, int index, const struct options *opt, const char *dir,
                  phi3v_image **ret_image, struct phi3v_error *err);
void handles_drop(struct handles *h, int index);
/* Back to the first n: takes away what a failed line had added. */
void handles_truncate(struct handles *h, int n);
void handles_free(struct handles *h);
/* "@2" or "@cover": as shown in the prompt; text of at most n bytes into buf. */
const char *handle_label(const struct handles *h, int index, char *buf, size_t n);

#endif
