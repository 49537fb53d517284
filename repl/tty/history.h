/* SPDX-License-Identifier: GPL-3.0-or-later
 * What was typed before: one JSON string a line in $XDG_STATE_HOME/phiscope/history (0600),
 * appended under a lock, so that several programs at once lose nothing and entries of many lines
 * survive. Entries of more than a megabyte are not kept. */
#ifndef TTY_HISTORY_H
#define TTY_HISTORY_H

#include "common/must.h"

enum {
    HISTORY_MAX =
        5000 /* entries read; a file of twice as many, or of 16 MiB, is cut back to them */
};

/* The entries, oldest first; damaged lines are left out. path NULL: none. */
void history_read(const char *path, struct strings *ret);
void history_append(const char *path, const char *entry);
/* $XDG_STATE_HOME/phiscope/history; NULL without a home. The caller frees. */
char *history_path(void);

#endif
