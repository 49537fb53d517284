/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <readline/readline.h>

#include "common/must.h"
#include "term/clean.h"
#include "tty/move.h"

static int wanted_column; /* where the first of several moves up or down began */

static int line_begin(int at)
{
    while (at > 0 && rl_line_buffer[at - 1] != '\n') at--;
    return at;
}

static int line_end(int at)
{
    while (at < rl_end && rl_line_buffer[at] != '\n') at++;
    return at;
}

static int width(int from, int to)
{
    char *part = xstrndup(rl_line_buffer + from, (size_t)(to - from));
    int n = clean_string_width(part);
    free(part);
    return n;
}

/* The letter at a column of the line that begins at `begin`, or the line's end. */
static int at_column(int begin, int column)
{
    int at = begin, end = line_end(begin);
    while (at < end && width(begin, at) < column) do
            at++;
        while (at < end && ((unsigned char)rl_line_buffer[at] & 0xC0) == 0x80);
    return at;
}

/* In vi's command mode the cursor is on a letter, never after the last one. */
static void stay_on_letter(void)
{
    bool vi = rl_editing_mode == 0 && rl_get_keymap() == vi_movement_keymap;
    if (!vi || rl_point != line_end(rl_point) || rl_point == line_begin(rl_point)) return;
    do rl_point--;
    while (((unsigned char)rl_line_buffer[rl_point] & 0xC0) == 0x80);
}

static int from_history(int count, int key, bool up)
{
    int rc = up ? rl_get_previous_history(count, key) : rl_get_next_history(count, key);
    wanted_column = width(line_begin(rl_point), rl_point);
    return rc;
}

static int move_lines(int count, int key, bool up)
{
    if (rl_last_func != move_up && rl_last_func != move_down)
        wanted_column = width(line_begin(rl_point), rl_point);
    for (; count > 0; count--) {
        int begin = line_begin(rl_point), end = line_end(rl_point);
        if (up ? begin == 0 : end == rl_end) return from_history(count, key, up);
        rl_point = at_column(up ? line_begin(begin - 1) : end + 1, wanted_column);
    }
    stay_on_letter();
    return 0;
}

int move_up(int count, int key)
{
    return count < 0 ? move_lines(-count, key, false) : move_lines(count, key, true);
}

int move_down(int count, int key)
{
    return count < 0 ? move_lines(-count, key, true) : move_lines(count, key, false);
}

int move_home(int count, int key)
{
    (void)count, (void)key;
    rl_point = line_begin(rl_point);
    return 0;
}

int move_end(int count, int key)
{
    (void)count, (void)key;
    rl_point = line_end(rl_point);
    stay_on_letter();
    return 0;
}
