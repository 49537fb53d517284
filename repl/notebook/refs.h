/* SPDX-License-Identifier: MIT
 * What a prompt refers to: pictures by @, paths and addresses, earlier answers by {Out[n]}. */
#ifndef NOTEBOOK_REFS_H
#define NOTEBOOK_REFS_H

#include "common/stop.h"
#include "notebook/images.h"

enum ref_kind {
    REF_PICTURE, /* @1, @cover, @1-3: `first` … `last` are indices of images */
    REF_LOAD,    /* @path, @address, or a picture's path as a word: `what` is to be loaded */
    REF_ANSWER   /* {Out[3]}, {_}: `first` is the cell's number, 0 for the last */
};

struct ref {
    enum ref_kind kind;
    size_t start, end; // bytes of the text it stands for
    int first, last;
    char *what;
    bool bare; // a path without @
};
struct refs {
    struct ref *v;
    size_t n;
};

/* Finds every reference in text. A request may not even ask which files are there. Errors: IMAGE (an
 * @thing that must be a picture and is not there); me@x.org and @people are left alone; CANCELLED,
 * where stop (may be NULL) says so; MEMORY. */
int refs_find(const char *text, const struct images *images, enum nb_origin origin,
              const struct stop *stop, struct refs *ret, struct phi3v_error *err);
void refs_free(struct refs *r);
/* The text pastes an earlier answer: {Out[3]}, {_}. */
bool refs_paste(const char *text);
/* The text has raw tags such as <|image_1|>. */
bool has_image_tag(const char *text);
/* The text of a question about n pictures: without tags of its own they go first, one a line, as
 * the model was trained. NULL without memory. */
char *with_image_tags(const char *text, size_t n_images);
/* A text of nothing but pictures' paths and addresses, as a terminal pastes dropped files: they are
 * added as words of :load, a blank before each. A line that is a path as it stands is one, blanks
 * and all. False: the text is something else, or there is no memory; nothing of use is added. */
bool pictures_of(const char *text, struct text *words);

#endif
