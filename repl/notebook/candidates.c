/* SPDX-License-Identifier: MIT
 * Completions at the cursor: commands, settings and their values, pictures, topics, paths. */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notebook/commands.h"

struct typing {
    struct notebook *nb;
    struct nb_candidates *ret;
    const char *word; // the part of the word before the cursor
    size_t n_word;
    bool whole; // nothing was lost for want of memory
};

static void offer(struct typing *t, const char *s)
{
    if (s && !strncmp(s, t->word, t->n_word)) t->whole &= strings_add(&t->ret->words, s);
}

static void offer_format(struct typing *t, const char *before, const char *s, const char *behind)
{
    char *word = text_format("%s%s%s", before, s, behind);
    t->whole &= word != NULL;
    offer(t, word);
    free(word);
}

static void offer_settings(struct typing *t, int use, const char *behind)
{
    for (int i = 0; i < n_settings; i++) {
        if (!(setting_table[i].use & use)) continue;
        char *name = setting_name(&setting_table[i]);
        t->whole &= name != NULL;
        if (name) offer_format(t, "", name, behind);
        free(name);
    }
}

static void offer_values(struct typing *t, const struct setting *spec, const char *before)
{
    if (spec->type == SETTING_FLAG || spec->type == SETTING_ONOFF) {
        offer_format(t, before, "on", "");
        offer_format(t, before, "off", "");
    }
    for (const char *p = spec->choices; p && *p;) {
        size_t n = strcspn(p, "|");
        char *value = text_copyn(p, n);
        t->whole &= value != NULL;
        if (value) offer_format(t, before, value, "");
        free(value);
        p += n + (p[n] == '|');
    }
}

static void offer_pictures(struct typing *t)
{
    const struct images *m = &t->nb->book.images;
    for (int i = 0; i < m->n; i++) {
        char number[16];
        if (m->v[i].dropped) continue;
        snprintf(number, sizeof number, "%d", i + 1);
        offer_format(t, "@", number, "");
        if (m->v[i].name) offer_format(t, "@", m->v[i].name, "");
    }
}

static void offer_topics(struct typing *t)
{
    for (int i = 0; i < n_commands; i++) offer(t, command_table[i].name);
    offer(t, "keys");
    offer(t, "settings");
}

/* "temperature=0.": offers the setting's values after the =. */
static void offer_pair(struct typing *t)
{
    const char *equal = memchr(t->word, '=', t->n_word);
    if (!equal) {
        offer_settings(t, SETTING_ANSWER, "=");
        return;
    }
    char *key = text_copyn(t->word, (size_t)(equal - t->word));
    char *before = text_copyn(t->word, (size_t)(equal - t->word) + 1);
    const struct setting *spec = key ? setting_find(key, SETTING_ANSWER) : NULL;
    if (spec && before) offer_values(t, spec, before);
    free(key);
    free(before);
}

/* place: the word's number after the command; first: the first of these words. */
static void offer_words(struct typing *t, const struct command *c, int place, const char *first)
{
    if (c->use & COMMAND_SETS && place == 0) {
        offer_settings(t, SETTING_SHOWN, "");
        offer(t, "--save");
    }
    if (c->use & COMMAND_SETS && place == 1) {
        const struct setting *spec = setting_find(first, SETTING_SHOWN);
        if (spec) offer_values(t, spec, "");
    }
    if (c->use & COMMAND_TOPICS && place == 0) offer_topics(t);
    if (!strcmp(c->name, "run") && place > 0) offer_pair(t);
    if (c->use & COMMAND_CELLS && place == 0) {
        offer(t, "all");
        offer(t, "_");
    }
    if (!strcmp(c->name, "mode")) offer_values(t, setting_find("mode", SETTING_SHOWN), "");
    if (!strcmp(c->name, "reset")) offer(t, "all");
    if (!strcmp(c->name, "system")) offer(t, "off");
    if (!strcmp(c->name, "prompt") && place > 0) offer(t, "ids");
    if (!strcmp(c->name, "crop") && place == 1) offer(t, "tile");
    if (!strcmp(c->name, "turn") && place > 0)
        for (int k = 0; turn_word(k); k++) offer(t, turn_word(k));
    if (!strcmp(c->name, "show") && place > 0) offer(t, "model");
}

/* The beginning of the word at the cursor: after a blank that is neither quoted nor escaped. */
static size_t word_start(const char *source, size_t cursor)
{
    size_t start = 0;
    char quote = 0;
    for (size_t i = 0; i < cursor; i++) {
        char c = source[i];
        if (c == '\\' && quote != '\'') {
            i++;
        } else if (quote ? c == quote : c == '"' || (c == '\'' && i == start)) {
            quote = quote ? 0 : c;
        } else if (!quote && isspace((unsigned char)c)) {
            start = i + 1;
        }
    }
    return start > cursor ? cursor : start;
}

static size_t line_start(const char *source, size_t cursor)
{
    while (cursor > 0 && source[cursor - 1] != '\n') cursor--;
    return cursor;
}

static int in_command(struct typing *t, const char *line, size_t at, struct phi3v_error *err)
{
    char *before = text_copyn(line + 1, at - 1);
    if (!before) return memory_error(err);
    struct words words;
    int rc = words_split(before, &words, err);
    free(before);
    if (rc) return rc;
    const struct command *c = words.n ? command_find(words.v[0].text, NULL) : NULL;
    if (c) {
        offer_words(t, c, (int)words.n - 1, words.n > 1 ? words.v[1].text : "");
        t->ret->files = c->use & COMMAND_FILES && !t->ret->words.n;
        t->ret->models = !strcmp(c->name, "model");
    }
    words_free(&words);
    return 0;
}

/* Where the @word at the cursor begins; an unquoted, unescaped blank ends it. SIZE_MAX: nowhere. */
static size_t reference_start(const char *text, size_t cursor)
{
    size_t at = SIZE_MAX;
    bool quote = false;
    for (size_t i = 0; i < cursor; i++) {
        unsigned char before = i ? (unsigned char)text[i - 1] : ' ';
        bool may_begin = isspace(before) || before >= 0x80 || strchr("([{\"',;", before);
        if (at == SIZE_MAX && text[i] == '@' && may_begin) {
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

/* Completes an @word anywhere in the source. */
static bool in_reference(struct typing *t, const char *source, size_t cursor)
{
    size_t at = reference_start(source, cursor);
    if (at == SIZE_MAX || at >= cursor) return false;
    t->ret->start = at;
    t->word = source + at;
    t->n_word = cursor - at;
    offer_pictures(t);
    t->ret->files = !t->ret->words.n && t->n_word > 1;
    t->ret->skip = 1;
    return true;
}

int nb_candidates(struct notebook *nb, const char *source, size_t cursor, struct nb_candidates *ret,
                  struct phi3v_error *err)
{
    size_t begin = line_start(source, cursor);
    const char *line = source + begin;
    bool shell = *line == '!', command = *line == ':' || *line == '?';
    size_t from = shell || *line == '?';
    if (cursor - begin < from) from = 0;
    size_t at = from + word_start(line + from, cursor - begin - from);
    *ret = (struct nb_candidates){.start = begin + at};
    struct typing t = {nb, ret, line + at, cursor - begin - at, true};
    int rc = 0;
    if (shell) {
        ret->shell = ret->files = at > from || memchr(t.word, '/', t.n_word);
    } else if (*line == '?') {
        offer_topics(&t);
    } else if (command && at == 0) {
        for (int i = 0; i < n_commands; i++) offer_format(&t, ":", command_table[i].name, "");
    } else if (!in_reference(&t, source, cursor) && command) {
        rc = in_command(&t, line, at, err);
    }
    if (!rc && !t.whole) rc = memory_error(err);
    if (rc) strings_free(&ret->words);
    return rc;
}

char *nb_inspect(struct notebook *nb, const char *source, size_t cursor)
{
    const char *line = source + line_start(source, cursor);
    (void)nb;
    if (*line != ':') return NULL;
    char *name = text_copyn(line + 1, strcspn(line + 1, " \t\n!"));
    char *help = name && *name ? help_text(name) : NULL;
    free(name);
    return help;
}
