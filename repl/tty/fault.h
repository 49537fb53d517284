/* SPDX-License-Identifier: GPL-3.0-or-later
 * A weights file that is cut, or that its disk no longer gives, while its bytes are read: the
 * system says so with SIGBUS. The program then ends with one sentence, the terminal as it was;
 * unsaved cells are in the autosave already. */
#ifndef TTY_FAULT_H
#define TTY_FAULT_H

#include "phi3v.h"

/* From now on. exit_status: what the program then ends with. */
void fault_catch(int exit_status);
/* The model whose files may be named; NULL: none is open. */
void fault_model(const phi3v_model *model);
/* Unsaved cells are kept for the next start: the sentence says so. */
void fault_autosaves(void);
/* The sentence is an error object on standard output, as everything with --json. */
void fault_as_json(void);

#endif
