/* SPDX-License-Identifier: GPL-3.0-or-later
 * A cell's source out of any bytes: what is read is written so that it reads back the same, its
 * references lie in it one behind the other, and words are quoted so that they are words again. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "notebook/refs.h"
#include "notebook/source.h"
#include "notebook/words.h"

static void must(bool holds)
{
    if (!holds) abort();
}

/* As notebooks are written: command lines, then the prompt. Commands that go on are refused. */
static void written_and_read(const struct source *s)
{
    struct text t = {0};
    struct source again;
    for (size_t k = 0; k < s->commands.n; k++) {
        if (source_incomplete(s->commands.v[k])) {
            text_free(&t);
            return;
        }
        text_addf(&t, "%s\n", s->commands.v[k]);
    }
    char *prompt = source_of_prompt(s->prompt);
    text_add(&t, prompt ? prompt : "");
    free(prompt);
    if (!t.failed && !source_read(t.s, &again, NULL)) {
        must(again.commands.n == s->commands.n && !strcmp(again.prompt, s->prompt));
        for (size_t k = 0; k < s->commands.n; k++)
            must(!strcmp(again.commands.v[k], s->commands.v[k]));
        source_free(&again);
    }
    text_free(&t);
}

static void references(const char *prompt)
{
    struct loaded none = {0};
    struct images images = {0};
    struct refs refs;
    int index;
    size_t at = 0, n = strlen(prompt);
    images_add(&images, &none, "a.png", NULL, NB_TYPED, &index, NULL);
    images_add(&images, &none, "b.png", "cover", NB_TYPED, &index, NULL);
    for (int origin = NB_TYPED; origin <= NB_REQUEST; origin++) {
        if (refs_find(prompt, &images, (enum nb_origin)origin, NULL, &refs, NULL)) continue;
        at = 0;
        for (size_t k = 0; k < refs.n; k++) {
            const struct ref *r = &refs.v[k];
            must(r->start >= at && r->end > r->start && r->end <= n);
            must(r->kind != REF_PICTURE || (r->first >= 0 && r->last < images.n));
            at = r->end;
        }
        refs_free(&refs);
    }
    images_free(&images);
}

static void words(const char *line)
{
    struct words list, again;
    if (words_split(line, &list, NULL)) return;
    for (size_t k = 0; k < list.n; k++) {
        char *quoted = word_quote(list.v[k].text);
        if (quoted && !words_split(quoted, &again, NULL)) {
            must(again.n == 1 && !strcmp(again.v[0].text, list.v[k].text));
            words_free(&again);
        }
        free(quoted);
    }
    words_free(&list);
}

static void kept(const char *text)
{
    char *once = nb_for_keeping(text), *twice = once ? nb_for_keeping(once) : NULL;
    must(!once || !twice || !strcmp(once, twice));
    free(once);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;
    struct source s;
    if (source_normalise((const char *)data, size, "fuzz", &text, NULL)) return 0;
    nb_is_complete(text);
    words(text);
    kept(text);
    if (!source_read(text, &s, NULL)) {
        written_and_read(&s);
        references(s.prompt);
        for (size_t k = 0; k < s.commands.n; k++) free(source_arguments(s.commands.v[k]));
        source_free(&s);
    }
    free(text);
    return 0;
}
