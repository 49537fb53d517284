/* SPDX-License-Identifier: GPL-3.0-or-later
 * A copy of the unsaved notebook in the state directory, for the day the machine or the program
 * stops. */
#ifndef REPL_AUTOSAVE_H
#define REPL_AUTOSAVE_H

#include "notebook/repl.h"

void autosave_write(struct repl *r); /* after every change; silent, only in the REPL */
/* At the end: an unsaved notebook stays behind as last.ipynb (said), a saved one leaves nothing. */
void autosave_end(struct repl *r);
/* At the start: tells where a program that died has left its notebook. */
void autosave_look(struct repl *r);

#endif
