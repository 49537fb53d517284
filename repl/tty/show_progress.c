/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tty/show_progress.h"

void show_progress(struct progress *line, const struct nb_progress *p)
{
    static const enum progress_unit units[] = {[NB_BYTES] = PROGRESS_BYTES,
                                               [NB_CROPS] = PROGRESS_CROPS,
                                               [NB_TOKENS] = PROGRESS_TOKENS,
                                               [NB_SHARE] = PROGRESS_SHARE};
    if (!p) {
        progress_clear(line);
        return;
    }
    progress_left(line, p->left_s);
    progress_update(line, p->stage, units[p->unit], p->done, p->total);
}
