/* SPDX-License-Identifier: MIT
 * Loads a picture from any path or address, and keeps where it came from. */
#ifndef NOTEBOOK_LOAD_H
#define NOTEBOOK_LOAD_H

#include "net/fetch.h"
#include "notebook/notebook.h"
#include "notebook/words.h"

struct loaded {
    phi3v_image *image;
    char *source;    // for people and JSON, without secrets
    double decode_s; // time to decode, without fetching
    char *data_url;  // loaded_data_url; NULL: not made yet
};

struct loader { // borrowed
    const struct settings *settings;
    const struct nb_front *front; // progress, stop, notes
    bool keeps_files;             // for loaded_data_url
};

/* what: a path, a file:// path, an http(s) or data: address, or - for standard input if the front
 * end has it. For a PDF document a page is drawn, as in report.pdf#3; this starts a program, so
 * only typed input may do it. Errors: IO, IMAGE, ARGUMENT, CANCELLED, MEMORY; they name the
 * source. */
int load_picture(const char *what, const struct loader *how, enum nb_origin origin,
                 struct loaded *ret, struct phi3v_error *err);
/* The two halves of load_picture: getting the bytes, and decoding them; the second frees them. */
int load_bytes(const char *what, const struct loader *how, enum nb_origin origin,
               struct fetched *ret, struct phi3v_error *err);
int load_decode(struct fetched *file, const struct loader *how, struct loaded *ret,
                struct phi3v_error *err);
void loaded_fini(struct loaded *l);
/* The picture as a data: address, for servers: its original file if that was kept and they would
 * see the same in it, else a PNG of the pixels. Made once; borrowed. NULL without memory. */
const char *loaded_data_url(struct loaded *l);
/* Says in a note that "NAME has changed since it was asked about". */
void load_note(const struct loader *how, const char *what);

/* As words_split, but what exists takes precedence over what blanks, quotes and backslashes mean:
 * "My Photo (1).png" or "it's.png" in the line is one name if there is such a file or folder.
 * Errors: MEMORY. */
int load_words(const char *line, struct words *ret, struct phi3v_error *err);
/* Expands a pattern to the files it matches; an existing file or a quoted part stays as it is.
 * Errors: IO (no file matches), MEMORY. */
int load_expand(const struct word *word, struct strings *ret, struct phi3v_error *err);

/* The path that a word means: ~/…, file://…, or C:\… and \\wsl$\… of Windows. NULL for an address,
 * or without memory. The caller frees. */
char *load_path(const char *what);

/* Whether the word's path is a file, or a page of one. */
bool load_finds(const char *word);
/* Whether the name has a picture's usual ending (.png, .jpg, .jpeg, …) or names a page of a
 * document. */
bool has_picture_name(const char *path);
/* Whether the word certainly names a picture: an address, or an existing file with a picture's
 * ending. */
bool names_picture(const char *word);
#endif
