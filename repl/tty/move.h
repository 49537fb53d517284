/* SPDX-License-Identifier: GPL-3.0-or-later
 * Keys that move by lines in a cell of several; beyond its first and last line lies the history. */
#ifndef TTY_MOVE_H
#define TTY_MOVE_H

int move_up(int count, int key);
int move_down(int count, int key);
int move_home(int count, int key);
int move_end(int count, int key);

#endif
