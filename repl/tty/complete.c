/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include <readline/readline.h>

#include "term/clean.h"
#include "tty/complete.h"

/* -- What goes into the line ----------------------------------------------------------------- */

/* The length of the common prefix; it ends neither within a letter nor after a quoting
 * backslash. */
static size_t common_length(const struct strings *words)
{
    const char *first = words->v[0];
    size_t n = strlen(first), slashes = 0;
    for (size_t i = 1; i < words->n; i++) {
        size_t same = 0;
        while (same < n && words->v[i][same] == first[same]) same++;
        n = same;
    }
    while (n > 0 && ((unsigned char)first[n] & 0xC0) == 0x80) n--;
    while (slashes < n && first[n - 1 - slashes] == '\\') slashes++;
    return n - slashes % 2;
}

static void replace(size_t start, const char *word, size_t n)
{
    char *text = xstrndup(word, n);
    rl_begin_undo_group();
    rl_delete_text((int)start, rl_point);
    rl_point = (int)start;
    rl_insert_text(text);
    rl_end_undo_group();
    free(text);
}

static bool ends_folder(const char *word)
{
    size_t n = strlen(word);
    return n > 0 && word[n - 1] == '/';
}

/* -- The list -------------------------------------------------------------------------------- */

/* The last part of a path, including a final slash. */
static const char *last_part(const char *path)
{
    const char *part = path;
    for (const char *p = path; *p; p++)
        if (*p == '/' && p[1]) part = p + 1;
    return part;
}

static void put_padded(const char *s, int width, FILE *out)
{
    fprintf(out, "%s%*s", s, width - clean_string_width(s), "");
}

static size_t per_row(const struct strings *names, int cols, int *ret_width)
{
    int width = 0;
    for (size_t i = 0; i < names->n; i++) {
        int n = clean_string_width(names->v[i]);
        if (n > width) width = n;
    }
    *ret_width = width + 2;
    return cols > width + 2 ? (size_t)(cols / (width + 2)) : 1;
}

void complete_list(const struct line_candidates *c, FILE *out, const struct term_facts *facts)
{
    struct strings names = {0};
    for (size_t i = 0; i < c->words.n; i++) {
        const char *word = c->words.v[i];
        char *name = clean_string(c->are_files ? last_part(word) : word, CLEAN_NAME);
        strings_add(&names, name ? name : "?");
        free(name);
    }
    int width;
    size_t n = per_row(&names, facts->cols - 1, &width);
    size_t most = n * (size_t)(facts->rows > 8 ? facts->rows - 4 : 4);
    for (size_t i = 0; i < names.n && i < most; i++) {
        bool ends = i + 1 == names.n || i + 1 == most || (i + 1) % n == 0;
        put_padded(names.v[i], ends ? 0 : width, out);
        if (ends) fputs("\r\n", out);
    }
    if (names.n > most) fprintf(out, "(and %zu more)\r\n", names.n - most);
    strings_free(&names);
}

/* -- The key --------------------------------------------------------------------------------- */

static void complete_with(const struct line_candidates *c, bool again,
                          void (*list)(const struct line_candidates *))
{
    size_t n = common_length(&c->words);
    bool longer = n > (size_t)rl_point - c->start ||
                  strncmp(c->words.v[0], rl_line_buffer + c->start, n) != 0;
    if (c->words.n == 1) {
        replace(c->start, c->words.v[0], strlen(c->words.v[0]));
        if (c->append_blank && !ends_folder(c->words.v[0])) rl_insert_text(" ");
    } else if (longer && n > 0) {
        replace(c->start, c->words.v[0], n);
    } else if (again) {
        list(c);
    }
}

void complete_tab(const struct line_host *host, void (*list)(const struct line_candidates *))
{
    static int tab_at = -1; // the line's length when Tab last found several words
    struct line_candidates found = {0};
    host->candidates(host->user, rl_line_buffer, (size_t)rl_point, &found);
    if (found.words.n > 0 && found.start <= (size_t)rl_point)
        complete_with(&found, tab_at == rl_end, list);
    tab_at = found.words.n > 1 ? rl_end : -1;
    strings_free(&found.words);
}
