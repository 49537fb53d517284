/* SPDX-License-Identifier: MIT
 * The notebook as the core's own files see it. */
#ifndef NOTEBOOK_CORE_H
#define NOTEBOOK_CORE_H

#include "notebook/book.h"
#include "notebook/engine.h"
#include "notebook/inherited.h"
#include "notebook/undo.h"

struct ahead;
struct autosave;

struct notebook {
    struct nb_front front;
    const char *const *model_dirs;
    struct engine engine;
    struct stop stop; // asks the engine; the book uses it
    struct book book;
    struct settings now;         // settings for the next cell
    bool behind;                 // `now` could not be computed after the latest change
    struct settings usual;       // those at the start, which :reset all restores
    struct settings for_opened;  // those before the first cell of an opened notebook
    struct ahead *ahead;         // NULL: nothing is done ahead (yet)
    struct autosave *autosave;   // NULL: none is kept
    struct strings own_files;    // [n] paths that this run has written or opened, and
    struct file_mark *own_marks; // [n] their state at that time
    char *cache_dir;             // for pictures' features; NULL: none are kept
    char *state_dir;             // for pasted pictures; NULL: none are kept
    char *settings_file;         // for :set --save; NULL: settings are not kept
    char *watched;               // the folder of :watch; NULL: none
    struct strings features;     // files that need no second look in this run
    bool quit;
    bool sourcing;       // a file's lines are being run
    bool prompt_follows; // after the command line being evaluated
};

/* -- Showing (show.c) -------------------------------------------------------------------------- */

/* Reports text of a command; whole lines. */
void report(struct notebook *nb, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_text(struct notebook *nb, const struct text *t);
/* The same for a line that names a file by this path. */
void report_about(struct notebook *nb, const char *file, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Shows a note: one line, without its line end. */
void note(struct notebook *nb, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Describes a picture for the front end. label: at least 64 bytes that live as long as *ret. */
void picture_of(const struct notebook *nb, int index, char *label, struct nb_picture *ret);

/* -- Loading ----------------------------------------------------------------------------------- */

/* How pictures are loaded under these settings. */
struct loader notebook_loader(const struct notebook *nb, const struct settings *s);
/* Loads a picture of the notebook if it is not loaded yet, also from beside the notebook's file.
 * Errors: as images_load. */
int notebook_load_image(struct notebook *nb, int index, const struct settings *s,
                        struct phi3v_error *err);

/* -- Changing ---------------------------------------------------------------------------------- */

/* Computes the settings for the next cell; call it after every change of cells or lines. Without
 * memory the change still holds, and they are computed before the next evaluation. */
void notebook_refresh(struct notebook *nb);
/* Does that now if it is still to be done. Error: MEMORY. */
int notebook_catch_up(struct notebook *nb, struct phi3v_error *err);

#endif
