/* SPDX-License-Identifier: MIT
 * References in a prompt: pictures by @, paths and addresses, earlier answers by {Out[n]}. */
#ifndef NOTEBOOK_REFS_H
#define NOTEBOOK_REFS_H

#include "common/stop.h"
#include "notebook/images.h"

enum ref_kind {
    REF_PICTURE, /* @1, @cover, @1-3: `first` … `last` are indices of images */
    REF_LOAD,    /* @path, @address, or the bare path of a picture: `what` is to be loaded */
    REF_MISSING, /* `what` is called like a picture, but is no file, or an address without @: text */
    REF_ANSWER   /* {Out[3]}, {_}: `first` is the cell's number, 0 for the last */
};

struct ref {
    enum ref_kind kind;
    size_t start, end; // where it is in the text, in bytes
    int first, last;
    char *what;
    bool bare; // a name without @
};
struct refs {
    struct ref *v;
    size_t n;
};

/* Finds every reference in text. A request may not even learn which files exist. Errors: IMAGE (an
 * @thing that must be a picture and does not exist; me@x.org and @people are left alone), CANCELLED
 * when stop (may be NULL) says so, MEMORY. */
int refs_find(const char *text, const struct images *images, enum nb_origin origin,
              const struct stop *stop, struct refs *ret, struct phi3v_error *err);
void refs_free(struct refs *r);
/* In a text of nothing but names of pictures, the first that does not exist; else NULL. */
const struct ref *refs_missing_alone(const char *text, const struct refs *r);
/* Whether the text pastes an earlier answer: {Out[3]}, {_}. */
bool refs_paste(const char *text);
/* Whether the text has raw tags such as <|image_1|>. */
bool has_image_tag(const char *text);
/* The text of a question about n pictures: if it has no tags of its own, they go first, one per
 * line, as the model was trained. NULL without memory. */
char *with_image_tags(const char *text, size_t n_images);
/* Recognises a text of nothing but pictures' paths and addresses, as a terminal pastes dropped
 * files, and adds them as words of :load, each after a blank. A line that is an existing path
 * counts as one word, blanks included. False when the text is something else or memory is missing;
 * ignore what was added then. */
bool pictures_of(const char *text, struct text *words);

#endif
