/* SPDX-License-Identifier: GPL-3.0-or-later
 * Handles SIGBUS, which the system raises when a mapped weights file is cut short or its disk
 * fails. The program then restores the terminal and ends with one sentence; unsaved cells are
 * already in the autosave. */
#ifndef TTY_FAULT_H
#define TTY_FAULT_H

#include "phi3v.h"

/* Installs the handler; the program then ends with exit_status. */
void fault_catch(int exit_status);
/* Sets the model whose files the sentence may name; NULL: none is open. */
void fault_model(const phi3v_model *model);
/* Makes the sentence say that unsaved cells are kept for the next start. */
void fault_autosaves(void);
/* For --json: makes the sentence an error object on standard output. */
void fault_as_json(void);

#endif
