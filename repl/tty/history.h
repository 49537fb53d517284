/* SPDX-License-Identifier: GPL-3.0-or-later
 * What was typed before: one JSON string a line in $XDG_STATE_HOME/phiscope/history (0600),
 * appended under a lock, so that several programs at once lose nothing and entries of many lines
 * survive. */
#ifndef REPL_HISTORY_H
#define REPL_HISTORY_H

#include "common/must.h"

enum {
    HISTORY_MAX = 5000
}; /* entries read; the file is cut back to them when it holds twice as many */

/* The entries, oldest first; damaged lines are left out. path NULL: none. */
void history_read(const char *path, struct strings *ret);
void history_append(const char *path, const char *entry);
/* $XDG_STATE_HOME/phiscope/history; NULL without a home. The caller frees. */
char *history_path(void);

#endif
