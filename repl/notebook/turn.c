/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "notebook/turn.h"

static const struct {
    const char *word;
    struct turn turn;
} words[] = {{"90", {false, 1}}, {"180", {false, 2}}, {"270", {false, 3}}, {"flip", {true, 0}}};

enum { N_WORDS = sizeof words / sizeof *words };

const char *turn_word(int k) { return k < N_WORDS ? words[k].word : NULL; }

bool turn_read(const char *text, struct turn *ret)
{
    *ret = (struct turn){false, 0};
    text += strspn(text, " ");
    if (!*text) return false;
    while (*text) {
        size_t n = strcspn(text, " ");
        int k = 0;
        while (k < N_WORDS && (strlen(words[k].word) != n || strncmp(words[k].word, text, n) != 0))
            k++;
        if (k == N_WORDS) return false;
        *ret = turn_then(*ret, words[k].turn);
        text += n + strspn(text + n, " ");
    }
    return true;
}

const char *turn_text(struct turn t, char buf[TURN_BYTES])
{
    static const char *const degrees[] = {"", "90", "180", "270"};
    snprintf(buf, TURN_BYTES, "%s%s%s", t.mirrored ? "flip" : "",
             t.mirrored && t.quarters ? " " : "", degrees[t.quarters]);
    return buf;
}

struct turn turn_then(struct turn first, struct turn second)
{
    /* A mirror behind a turn is the same mirror before the opposite turn. */
    int before = second.mirrored ? 4 - first.quarters : first.quarters;
    return (struct turn){first.mirrored != second.mirrored, (before + second.quarters) % 4};
}

void turn_origin(struct turn t, int width, int height, int x, int y, int *ret_x, int *ret_y)
{
    int across, down;
    switch (t.quarters) {
    case 1:
        across = y, down = height - 1 - x;
        break;
    case 2:
        across = width - 1 - x, down = height - 1 - y;
        break;
    case 3:
        across = width - 1 - y, down = x;
        break;
    default:
        across = x, down = y;
    }
    *ret_x = t.mirrored ? width - 1 - across : across;
    *ret_y = down;
}
