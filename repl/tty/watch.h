/* SPDX-License-Identifier: GPL-3.0-or-later
 * A folder in which pictures appear (inotify). A file counts when whoever writes it has closed it,
 * or moved it there whole, and has left it alone for a moment since: half a file is never taken. */
#ifndef TTY_WATCH_H
#define TTY_WATCH_H

#include <stdbool.h>

#include "phi3v.h"

struct watch;

/* Errors: IO (no such folder, …). */
int watch_open(const char *folder, struct watch **ret, struct phi3v_error *err);
void watch_close(struct watch *w);   /* NULL is harmless, here and below */
int watch_fd(const struct watch *w); /* readable when something happens there; -1: none */

enum watch_news {
    WATCH_NOTHING,
    WATCH_FILE,   /* *ret_path, to be freed */
    WATCH_MISSED, /* more happened at once than could be told */
    WATCH_GONE    /* the folder is not there any more: close it */
};
/* What comes next, without waiting. NOTHING: look again when the descriptor can be read, or after
 * *ret_wait_ms (-1: no need). wants: which names count. */
enum watch_news watch_next(struct watch *w, bool (*wants)(const char *path), char **ret_path,
                           int *ret_wait_ms);

#endif
