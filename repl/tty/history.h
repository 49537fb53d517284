/* SPDX-License-Identifier: GPL-3.0-or-later
 * The history file $XDG_STATE_HOME/phiscope/history (0600): one JSON string per line, so that
 * entries may have several lines, appended under a lock, so that several programs at once lose
 * nothing. Entries of more than a megabyte are not kept. */
#ifndef TTY_HISTORY_H
#define TTY_HISTORY_H

#include "common/must.h"

enum {
    HISTORY_MAX = 5000 /* entries to keep; a file of twice as many, or of 16 MiB, is cut back */
};

/* Reads the entries, oldest first, without damaged lines. path may be NULL. */
void history_read(const char *path, struct strings *ret);
void history_append(const char *path, const char *entry);
/* $XDG_STATE_HOME/phiscope/history; NULL without a home. The caller frees. */
char *history_path(void);

#endif
