/* SPDX-License-Identifier: MIT
 * The pictures of a notebook: @1, @2, … in order of arrival, never renumbered, optionally named. A
 * picture of an opened notebook is known before it is loaded. */
#ifndef NOTEBOOK_IMAGES_H
#define NOTEBOOK_IMAGES_H

#include "notebook/load.h"
#include "notebook/overlay.h"

struct image {
    char *name;            // without @; NULL
    char *what;            // path or address, without secrets: how to load it again
    struct loaded loaded;  // image NULL: not loaded yet, or dropped
    char sha256[65];       // of the file; "" unknown
    enum nb_origin origin; // who named `what`
    bool dropped;
    int crop_of;      // number of the picture of which it is a region; 0: none
    struct box crop;  // of that picture
    struct turn turn; // and how that region has been turned
    char *preview;    // PNG in base64, made when first saved; NULL
    int preview_width, preview_height;
};

struct images {
    struct image *v; // picture @k is v[k - 1]
    int n;
};

struct int_list {
    int *v;
    int n;
};
bool int_list_add(struct int_list *list, int value); /* false without memory */
bool int_list_has(const struct int_list *list, int value);
void int_list_remove(struct int_list *list, int value);
bool int_list_copy(struct int_list *to, const struct int_list *from); /* to is overwritten */
void int_list_free(struct int_list *list);

/* Adds a picture; takes l's contents on success (all zero: loaded later). Errors: ARGUMENT (name
 * taken or invalid), MEMORY. */
int images_add(struct images *m, struct loaded *l, const char *what, const char *name,
               enum nb_origin origin, int *ret_index, struct phi3v_error *err);
/* The index of "1", "@1", "cover" or "@cover"; -1: none. Dropped pictures are not found. */
int images_find(const struct images *m, const char *name);
/* The same for a command's argument, with an error message. */
int images_get(const struct images *m, const char *name, int *ret_index, struct phi3v_error *err);
/* Loads the picture if it is not loaded yet. dir: also tried for relative paths of a notebook;
 * NULL. A note says when the file has changed since it was asked about. Errors: as load_picture. */
int images_load(struct images *m, int index, const struct loader *how, const char *dir,
                struct phi3v_error *err);
/* Adds a region of picture number `of`, turned; of a region it becomes one of the whole picture.
 * Errors: ARGUMENT (it lies outside, or the name), MEMORY. */
int images_cut(struct images *m, int of, const struct box *box, struct turn turn, const char *name,
               enum nb_origin origin, int *ret_index, struct phi3v_error *err);
/* The command line that adds the picture again, to be freed; NULL without memory. */
char *image_line(const struct images *m, int index);
void images_drop(struct images *m, int index);
/* Keeps the first n: removes what a failed line had added. */
void images_truncate(struct images *m, int n);
/* Copies the pictures under the same numbers; pixels are shared. to is empty. Errors: MEMORY. */
int images_copy(struct images *to, const struct images *from, struct phi3v_error *err);
void images_free(struct images *m);
/* "@2" or "@cover", as the prompt shows it; writes at most n bytes into buf. */
const char *image_label(const struct images *m, int index, char *buf, size_t n);

#endif
