/* SPDX-License-Identifier: MIT
 * A picture out of whatever somebody points at, with where it came from. */
#ifndef NOTEBOOK_LOAD_H
#define NOTEBOOK_LOAD_H

#include "net/fetch.h"
#include "notebook/notebook.h"
#include "notebook/words.h"

struct loaded {
    phi3v_image *image;
    char *source;    // for people and JSON, without secrets
    double decode_s; // time to decode, fetching not counted
    char *data_url;  // loaded_data_url; NULL: not made yet
};

struct loader { // borrowed
    const struct settings *settings;
    const struct nb_front *front; // progress, stop, notes
    bool keeps_files;             // for loaded_data_url
};

/* what: a path, file:// path, http(s) or data: address, or - for the standard input where the front
 * end has it; of PDF documents a page, as in report.pdf#3, which only what a person typed may draw,
 * because a program is started for it. Errors: IO, IMAGE, ARGUMENT, CANCELLED, MEMORY; they name the source. */
int load_picture(const char *what, const struct loader *how, enum nb_origin origin,
                 struct loaded *ret, struct phi3v_error *err);
/* Its two halves: the bytes, and the picture out of them; the second frees them. */
int load_bytes(const char *what, const struct loader *how, enum nb_origin origin,
               struct fetched *ret, struct phi3v_error *err);
int load_decode(struct fetched *file, const struct loader *how, struct loaded *ret,
                struct phi3v_error *err);
void loaded_fini(struct loaded *l);
/* The picture as a data: address, for servers: the file it came in where they see in it what is seen
 * here and it was kept, else a PNG of the pixels. Made once; borrowed. NULL without memory. */
const char *loaded_data_url(struct loaded *l);
/* "NAME has changed since it was asked about", as a note. */
void load_note(const struct loader *how, const char *what);

/* A word that is a pattern becomes the files it matches; an existing file, or a quoted word, is
 * itself. Errors: IO (no file matches), MEMORY. */
int load_expand(const struct word *word, struct strings *ret, struct phi3v_error *err);

/* The path that a word stands for, whoever wrote it: ~/…, file://…, C:\… and \\wsl$\… of Windows.
 * NULL for an address, or without memory. The caller frees. */
char *load_path(const char *what);

/* Whether the path is one of a file, or of a page of one. */
bool load_finds(const char *path);
/* Has picture bytes' usual ending: .png, .jpg, .jpeg, …, or names a page of a document. */
bool has_picture_name(const char *path);
/* Names a picture beyond doubt: an address, or an existing file with a picture's ending. */
bool names_picture(const char *word);
#endif
