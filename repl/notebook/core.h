/* SPDX-License-Identifier: MIT
 * A notebook as the core's own files see it. */
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
    struct stop stop; // asks the engine; the book has it
    struct book book;
    struct settings now;         // what the next cell would be asked with
    bool behind;                 // `now` could not be worked out behind the latest change
    struct settings usual;       // at the start: what :reset all goes back to
    struct ahead *ahead;         // NULL: nothing is done ahead (yet)
    struct autosave *autosave;   // NULL: none is kept
    struct strings own_files;    // [n] paths this run has written or opened, and
    struct file_mark *own_marks; // [n] what they looked like then
    char *cache_dir;             // for pictures' features; NULL: none are kept
    char *state_dir;             // for pasted pictures; NULL: none are kept
    char *watched;               // the folder of :watch; NULL: none
    struct strings features;     // files that need not be looked at again
    bool quit;
    bool prompt_follows; // behind the command line that is being evaluated
};

/* -- Showing ----------------------------------------------------------------------------------- */

/* Text that a command tells; whole lines. */
void report(struct notebook *nb, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_text(struct notebook *nb, const struct text *t);
/* The same of a line that names a file by this path. */
void report_about(struct notebook *nb, const char *file, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* An aside, one line without its line end. */
void note(struct notebook *nb, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct loader notebook_loader(const struct notebook *nb, const struct settings *s);
/* A picture for the front end. label: at least 64 bytes that live as long as *ret. */
void picture_of(const struct notebook *nb, int index, char *label, struct nb_picture *ret);

/* -- Changing ---------------------------------------------------------------------------------- */

/* What the next cell would be asked with, anew: behind every change of cells or lines. Where memory
 * is missing the change has happened all the same; it is done before the next evaluation then. */
void notebook_refresh(struct notebook *nb);
/* Files that may be written over without a word. Errors: IO (somebody else's file, or changed by
 * somebody else since), MEMORY. */
int own_file_check(const struct notebook *nb, const char *path, const char *command,
                   struct phi3v_error *err);
void own_file_keep(struct notebook *nb, const char *path); /* as it is now */

#endif
