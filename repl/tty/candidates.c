/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "notebook/commands.h"
#include "tty/candidates.h"
#include "verbs/app.h"

/* The word before the cursor. */
struct word {
    size_t start; // of the text
    int number;   // words before it on the line
    char quote;   // it stands in an open '…' or "…"
    char *plain;  // without quotes and backslashes
};

/* -- Words ---------------------------------------------------------------------------------- */

/* The last word of text[from … cursor), which may be empty; quotes as in words_split. */
static struct word last_word(const char *text, size_t from, size_t cursor)
{
    struct word w = {.start = from};
    struct text plain = {0};
    for (size_t i = from; i < cursor; i++) {
        char c = text[i];
        if (!w.quote && isspace((unsigned char)c)) {
            w.number += i > w.start;
            w.start = i + 1;
            text_free(&plain);
        } else if (w.quote ? c == w.quote : c == '"' || c == '\'') {
            w.quote = w.quote ? 0 : c;
        } else if (c == '\\' && w.quote != '\'' && i + 1 < cursor) {
            text_addn(&plain, text + ++i, 1);
        } else {
            text_addn(&plain, &c, 1);
        }
    }
    w.plain = text_take(&plain);
    return w;
}

/* Backslashes before what the line reads in its own way; for the shell before all it might. */
static char *escaped(const char *word, bool for_shell)
{
    struct text out = {0};
    for (; *word; word++) {
        if (strchr(for_shell ? " \t\n\\\"'$`&;|<>(){}[]*?!#~" : " \t\n\\\"'", *word))
            text_add(&out, "\\");
        text_addn(&out, word, 1);
    }
    return text_take(&out);
}

/* The word as it must stand in the line: in quotes where the typed part began with one. A folder's
 * quote stays open. */
static char *quoted(const char *word, char quote, bool for_shell)
{
    if (!quote || strchr(word, quote) || (quote == '"' && strpbrk(word, "\\$`")))
        return escaped(word, for_shell);
    size_t n = strlen(word);
    bool open = n > 0 && word[n - 1] == '/';
    return open ? xasprintf("%c%s", quote, word) : xasprintf("%c%s%c", quote, word, quote);
}

static bool begins(const char *word, const char *with)
{
    return !strncmp(word, with, strlen(with));
}

static void add_if(struct line_candidates *ret, const char *name, const char *typed)
{
    if (begins(name, typed)) strings_add(&ret->words, name);
}

/* -- Files ---------------------------------------------------------------------------------- */

static bool is_folder(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* Files whose path begins with the word's text behind its first `skip` bytes, which are put in
 * front of each ("@"). */
static void add_files(struct line_candidates *ret, const struct word *w, size_t skip,
                      bool for_shell)
{
    const char *typed = w->plain + skip, *slash = strrchr(typed, '/');
    char *folder = xstrndup(typed, slash ? (size_t)(slash + 1 - typed) : 0);
    char *real = expand_home(*folder ? folder : "./");
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

/* -- Names ---------------------------------------------------------------------------------- */

static void add_commands(struct line_candidates *ret, const char *typed, const char *before)
{
    for (int i = 0; i < n_commands; i++) {
        char *name = xasprintf("%s%s", before, command_table[i].name);
        add_if(ret, name, typed);
        free(name);
    }
    ret->append_blank = true;
}

static void add_settings(struct line_candidates *ret, const char *typed, int use,
                         const char *behind)
{
    for (int i = 0; i < n_options; i++) {
        if (!(option_table[i].use & use)) continue;
        char *name = xasprintf("%s%s", option_table[i].name, behind);
        for (char *p = name; *p; p++)
            if (*p == '-') *p = '_';
        add_if(ret, name, typed);
        free(name);
    }
}

static void add_choices(struct line_candidates *ret, const char *typed, const char *choices,
                        const char *before)
{
    while (choices && *choices) {
        size_t n = strcspn(choices, "|");
        char *value = xasprintf("%s%.*s", before, (int)n, choices);
        add_if(ret, value, typed);
        free(value);
        choices += n + (choices[n] == '|');
    }
    ret->append_blank = true;
}

static void add_values(struct line_candidates *ret, const char *key, const char *typed,
                       const char *before)
{
    const struct option_spec *spec = option_find(key, OPTION_SETTING);
    if (!spec) return;
    bool on_off = spec->type == OPTION_FLAG || spec->type == OPTION_ONOFF;
    add_choices(ret, typed, on_off ? "on|off" : spec->choices, before);
}

/* "temp…" becomes "temperature=", "stop_mode=r…" its value. */
static void add_pairs(struct line_candidates *ret, const char *typed)
{
    const char *equal = strchr(typed, '=');
    if (!equal) {
        add_settings(ret, typed, OPTION_ANSWER, "=");
        return;
    }
    char *key = xstrndup(typed, (size_t)(equal - typed)), *before = xasprintf("%s=", key);
    add_values(ret, key, typed, before);
    free(before);
    free(key);
}

struct model_search {
    struct line_candidates *ret;
    const char *typed;
};

static void add_model(const char *name, const char *path, void *user)
{
    struct model_search *search = user;
    (void)path;
    add_if(search->ret, name, search->typed);
}

/* Known models; folders where the word looks like a path or no model begins so. */
static void add_models(struct line_candidates *ret, const struct word *w)
{
    struct model_search search = {ret, w->plain};
    ret->append_blank = true;
    app_each_model(add_model, &search);
    if (!ret->words.n || strchr("./~", w->plain[0] ? w->plain[0] : ' '))
        add_files(ret, w, 0, false);
}

static void add_handles(struct line_candidates *ret, const struct handles *h, const char *typed)
{
    char label[64];
    for (int i = 0; i < h->n; i++) {
        if (h->v[i].dropped) continue;
        snprintf(label, sizeof label, "@%d", i + 1);
        add_if(ret, label, typed);
        if (!h->v[i].name) continue;
        char *name = xasprintf("@%s", h->v[i].name);
        add_if(ret, name, typed);
        free(name);
    }
    ret->append_blank = true;
}

/* -- By position ---------------------------------------------------------------------------- */

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(name, *names)) return true;
    return false;
}

/* Arguments of a command; w counts from behind its name. */
static void of_command(struct repl *r, const char *name, const char *first, const struct word *w,
                       struct line_candidates *ret)
{
    static const char *const files[] = {"load", "save", "open", "foreach", NULL};
    static const char *const pictures[] = {"show", "drop", "foreach", NULL};
    static const char *const pairs[] = {"run", NULL};
    if (!strcmp(name, "set") && w->number == 0)
        add_settings(ret, w->plain, OPTION_SETTING, "");
    else if (!strcmp(name, "set") && w->number == 1)
        add_values(ret, first, w->plain, "");
    else if (!strcmp(name, "help"))
        add_commands(ret, w->plain, w->plain[0] == ':' ? ":" : "");
    else if (!strcmp(name, "model"))
        add_models(ret, w);
    else if (is_one_of(name, pairs) && w->number > 0)
        add_pairs(ret, w->plain);
    else if (w->plain[0] == '@' && is_one_of(name, pictures))
        add_handles(ret, &r->book.handles, w->plain);
    else if (is_one_of(name, files))
        add_files(ret, w, 0, false);
    else if (is_one_of(name, pictures))
        add_handles(ret, &r->book.handles, w->plain);
    if (!strcmp(name, "set") && w->number == 0) ret->append_blank = true;
}

static void in_command(struct repl *r, const char *text, size_t cursor, struct line_candidates *ret)
{
    size_t n = strcspn(text, " \t\n");
    if (cursor <= n) {
        char *typed = xstrndup(text, cursor);
        add_commands(ret, typed, ":");
        free(typed);
        return;
    }
    struct phi3v_error err;
    char *name = xstrndup(text + 1, n - 1);
    const struct command *command = command_find(name, &err);
    const char *args = text + n + strspn(text + n, " \t\n");
    char *first = xstrndup(args, strcspn(args, " \t\n"));
    struct word w = last_word(text, n, cursor);
    ret->start = w.start;
    if (command) of_command(r, command->name, first, &w, ret);
    free(w.plain);
    free(first);
    free(name);
}

/* Where an @word that holds the cursor begins: blanks end it, unless quoted or behind \. SIZE_MAX:
 * nowhere. */
static size_t reference_start(const char *text, size_t cursor)
{
    size_t at = SIZE_MAX;
    bool quote = false;
    for (size_t i = 0; i < cursor; i++) {
        unsigned char before = i ? (unsigned char)text[i - 1] : ' ';
        if (at == SIZE_MAX && text[i] == '@' && (isspace(before) || strchr("([{\"',;", before))) {
            at = i;
            quote = i + 1 < cursor && text[i + 1] == '"';
            i += quote;
        } else if (at != SIZE_MAX && text[i] == '\\' && !quote) {
            i++;
        } else if (at != SIZE_MAX && (quote ? text[i] == '"' : isspace((unsigned char)text[i]))) {
            at = SIZE_MAX;
        }
    }
    return at;
}

static void in_prompt(struct repl *r, const char *text, size_t cursor, struct line_candidates *ret)
{
    size_t at = reference_start(text, cursor);
    if (at == SIZE_MAX) return;
    struct word w = last_word(text, at, cursor);
    ret->start = at;
    add_handles(ret, &r->book.handles, w.plain);
    if (!ret->words.n && w.plain[1]) add_files(ret, &w, 1, false);
    free(w.plain);
}

static void in_shell(const char *text, size_t cursor, struct line_candidates *ret)
{
    struct word w = last_word(text, 1, cursor);
    ret->start = w.start;
    if (w.number > 0 || strchr(w.plain, '/')) add_files(ret, &w, 0, true);
    free(w.plain);
}

static void in_help(const char *text, size_t cursor, struct line_candidates *ret)
{
    struct word w = last_word(text, 1, cursor);
    ret->start = w.start;
    if (w.number == 0) add_commands(ret, w.plain, w.plain[0] == ':' ? ":" : "");
    free(w.plain);
}

void candidates_find(void *user, const char *text, size_t cursor, struct line_candidates *ret)
{
    struct repl *r = user;
    if (text[0] == '!')
        in_shell(text, cursor, ret);
    else if (text[0] == '?')
        in_help(text, cursor, ret);
    else if (is_command_line(text))
        in_command(r, text, cursor, ret);
    else
        in_prompt(r, text, cursor, ret);
}
