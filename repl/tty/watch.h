/* SPDX-License-Identifier: GPL-3.0-or-later
 * Watches a folder for new pictures (inotify). To avoid half-written files, a file counts only once
 * its writer has closed it or moved it there, and has left it alone for a moment. */
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
    WATCH_FILE,   /* *ret_path, which the caller frees */
    WATCH_MISSED, /* too much happened at once, and some was missed */
    WATCH_GONE    /* the folder no longer exists: close the watch */
};
/* What comes next, without waiting. After NOTHING look again when the descriptor is readable, or
 * after *ret_wait_ms (-1: no need). `wants` says which names count. */
enum watch_news watch_next(struct watch *w, bool (*wants)(const char *path), char **ret_path,
                           int *ret_wait_ms);

#endif
