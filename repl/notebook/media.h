/* SPDX-License-Identifier: GPL-3.0-or-later
 * A picture out of whatever a person points at, with where it came from. */
#ifndef REPL_MEDIA_H
#define REPL_MEDIA_H

#include "notebook/options.h"

struct media {
    phi3v_image *image;
    char *source;    // for people and JSON
    double decode_s; // time to decode, fetching not counted
};

/* typed: a person wrote it; false: it stood in a notebook (public addresses only). Shows progress
 * on stderr. Errors: IO, IMAGE, ARGUMENT, CANCELLED; they name the source. */
int media_load(const char *what, const struct options *opt, bool typed, struct media *ret,
               struct phi3v_error *err);
void media_fini(struct media *m);

/* A pattern becomes the files it matches; anything else stays as it is. Errors: IO (no file
 * matches).
 */
int media_expand(const struct strings *words, struct strings *ret, struct phi3v_error *err);

/* Has picture bytes' usual ending: .png, .jpg, .jpeg, .webp, .gif, .bmp, .ppm, .pgm, .pnm. */
bool media_has_picture_name(const char *path);

#endif
