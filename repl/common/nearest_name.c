/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "common/nearest_name.h"

enum { NAME_MAX_LEN = 40 };

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static int min2(int a, int b) { return a < b ? a : b; }

int edit_distance(const char *a, const char *b)
{
    int rows[3][NAME_MAX_LEN + 1];
    int n_a = (int)strnlen(a, NAME_MAX_LEN + 1), n_b = (int)strnlen(b, NAME_MAX_LEN + 1);
    if (n_a > NAME_MAX_LEN || n_b > NAME_MAX_LEN) return 2 * NAME_MAX_LEN;
    for (int j = 0; j <= n_b; j++) rows[0][j] = j;
    for (int i = 1; i <= n_a; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= n_b; j++) {
            row[j] = min2(min2(above[j], row[j - 1]) + 1,
                          above[j - 1] + !same_letter(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
                same_letter(a[i - 2], b[j - 1]))
                row[j] = min2(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[n_a % 3][n_b];
}

const char *nearest_name(const char *typed, int n, const char *(*name_of)(int i, void *user),
                         void *user)
{
    const char *best = NULL;
    int best_edits = 2 * NAME_MAX_LEN;
    for (int i = 0; i < n; i++) {
        const char *name = name_of(i, user);
        int edits = edit_distance(typed, name), allowed = (int)strlen(name) / 3;
        if (!*name || edits > (allowed > 1 ? allowed : 1) || edits >= best_edits) continue;
        best = name;
        best_edits = edits;
    }
    return best;
}
