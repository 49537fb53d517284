/* SPDX-License-Identifier: GPL-3.0-or-later
 * Keys that move by lines in a multi-line cell; past its first and last line they move through the
 * history. */
#ifndef TTY_MOVE_H
#define TTY_MOVE_H

int move_up(int count, int key);
int move_down(int count, int key);
int move_home(int count, int key);
int move_end(int count, int key);

#endif
