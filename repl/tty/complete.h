/* SPDX-License-Identifier: GPL-3.0-or-later
 * Tab: commands, paths with quoting, picture handles, settings. */
#ifndef REPL_COMPLETE_H
#define REPL_COMPLETE_H

#include "notebook/repl.h"

void complete_setup(struct repl *r); /* r stays valid while lines are read */

#endif
