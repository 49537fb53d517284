/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/files.h"
#include "common/must.h"
#include "notebook/words.h"
#include "tty/candidates.h"

/* The word before the cursor. */
struct typed_word {
    size_t start; // in the text
    char quote;   // of the open '…' or "…" that it is in; 0: none
    char *plain;  // without quotes and backslashes
};

/* -- Words ---------------------------------------------------------------------------------- */

/* Decodes $'…' at p, closed or not; returns the bytes it takes, 0 when there is none. */
static size_t take_escapes(const char *p, struct text *plain)
{
    size_t n = word_escapes(p, plain);
    if (n || strncmp(p, "$'", 2) != 0) return n;
    char *closed = xasprintf("%s'", p);
    word_escapes(closed, plain);
    free(closed);
    return strlen(p);
}

/* The last word of text[from … cursor), which may be empty. Quotes are those of words_split. */
static struct typed_word last_word(const char *text, size_t from, size_t cursor)
{
    struct typed_word w = {.start = from};
    struct text plain = {0};
    char *head = xstrndup(text, cursor);
    for (size_t i = from; i < cursor; i++) {
        char c = head[i];
        size_t n_escaped = w.quote ? 0 : take_escapes(head + i, &plain);
        if (n_escaped) {
            i += n_escaped - 1;
        } else if (!w.quote && isspace((unsigned char)c)) {
            w.start = i + 1;
            text_free(&plain);
        } else if (w.quote ? c == w.quote : c == '"' || c == '\'') {
            w.quote = w.quote ? 0 : c;
        } else if (c == '\\' && w.quote != '\'' && i + 1 < cursor) {
            text_addn(&plain, head + ++i, 1);
        } else {
            text_addn(&plain, &c, 1);
        }
    }
    free(head);
    w.plain = xtake(&plain);
    return w;
}

/* Puts backslashes before characters that are special in a line or, for_shell, in a shell. */
static char *escaped(const char *word, bool for_shell)
{
    struct text out = {0};
    if (!for_shell && word_needs_escapes(word)) return must(word_quote(word));
    for (; *word; word++) {
        if (strchr(for_shell ? " \t\n\\\"'$`&;|<>(){}[]*?!#~" : " \t\n\\\"'", *word))
            text_add(&out, "\\");
        text_addn(&out, word, 1);
    }
    return xtake(&out);
}

/* The word as it is written in the line: in quotes if the typed part began with one. A folder's
 * quote stays open. */
static char *quoted(const char *word, char quote, bool for_shell)
{
    if (!quote || word_needs_escapes(word) || strchr(word, quote) ||
        (quote == '"' && strpbrk(word, "\\$`")))
        return escaped(word, for_shell);
    size_t n = strlen(word);
    bool open = n > 0 && word[n - 1] == '/';
    return open ? xasprintf("%c%s", quote, word) : xasprintf("%c%s%c", quote, word, quote);
}

static bool begins(const char *word, const char *with)
{
    return !strncmp(word, with, strlen(with));
}

/* -- Files ---------------------------------------------------------------------------------- */

static bool is_folder(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* Adds files whose path begins with the word after its first `skip` bytes, and puts these bytes
 * ("@") before each. */
static void add_files(struct line_candidates *ret, const struct typed_word *w, size_t skip,
                      bool for_shell)
{
    const char *typed = w->plain + skip, *slash = strrchr(typed, '/');
    char *folder = xstrndup(typed, slash ? (size_t)(slash + 1 - typed) : 0);
    char *real = must(expand_home(*folder ? folder : "./"));
    const char *begun = slash ? slash + 1 : typed;
    struct dirent **list;
    int n = scandir(real, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = list[i]->d_name;
        if (begins(name, begun) && (name[0] != '.' || begun[0] == '.') && strcmp(name, ".") != 0 &&
            strcmp(name, "..") != 0) {
            char *full = xasprintf("%s%s", real, name);
            char *path = xasprintf("%s%s%s", folder, name, is_folder(full) ? "/" : "");
            bool keep_tilde = begins(path, "~/") && !w->quote;
            char *rest = quoted(path + (keep_tilde ? 2 : 0), w->quote, for_shell);
            char *whole = xasprintf("%.*s%s%s", (int)skip, w->plain, keep_tilde ? "~/" : "", rest);
            strings_add(&ret->words, whole);
            free(whole);
            free(rest);
            free(path);
            free(full);
        }
        free(list[i]);
    }
    if (n >= 0) free(list);
    free(real);
    free(folder);
    ret->are_files = true;
    ret->append_blank = true;
}

/* -- By position ------------------------------------------------------------------------------ */

struct model_search {
    struct line_candidates *ret;
    const char *typed;
};

static void add_model(const char *name, const char *path, void *user)
{
    struct model_search *search = user;
    (void)path;
    if (begins(name, search->typed)) strings_add(&search->ret->words, name);
}

/* Whether a blank follows the word, which it does not after a setting that still needs its
 * value. */
static bool wants_blank(const struct nb_candidates *found)
{
    const char *only = found->words.n ? found->words.v[0] : "";
    size_t n = strlen(only);
    return n > 0 && only[n - 1] != '=';
}

void candidates_find(struct notebook *nb, each_model_fn each_model, const char *text, size_t cursor,
                     struct line_candidates *ret)
{
    struct nb_candidates found;
    if (nb_candidates(nb, text, cursor, &found, NULL)) return;
    *ret = (struct line_candidates){
        .start = found.start, .words = found.words, .append_blank = wants_blank(&found)};
    struct typed_word w = last_word(text, found.start, cursor);
    if (found.models && each_model) {
        struct model_search search = {ret, w.plain};
        each_model(add_model, &search);
        ret->append_blank = true;
    }
    bool path = strchr("./~", w.plain[0] ? w.plain[0] : ' ');
    if (found.files && (!ret->words.n || path)) add_files(ret, &w, found.skip, found.shell);
    free(w.plain);
}
