/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "notebook/lines.h"
#include "notebook/source.h"

/* -- Lists ------------------------------------------------------------------------------------ */

bool lines_add(struct lines *l, const char *text, enum nb_origin origin,
               const struct int_list *images)
{
    struct line *v = memory_room(l->v, (size_t)l->n, sizeof *v);
    if (!v) return false;
    l->v = v;
    v[l->n].text = text_copy(text);
    v[l->n].origin = origin;
    if (!v[l->n].text || !int_list_copy(&v[l->n].images, images)) {
        free(v[l->n].text);
        return false;
    }
    l->n++;
    return true;
}

void lines_remove_last(struct lines *l)
{
    struct line *last = &l->v[--l->n];
    free(last->text);
    int_list_free(&last->images);
}

void lines_remove_first(struct lines *l)
{
    free(l->v[0].text);
    int_list_free(&l->v[0].images);
    memmove(l->v, l->v + 1, (size_t)--l->n * sizeof *l->v);
}

void lines_free(struct lines *l)
{
    while (l->n > 0) lines_remove_last(l);
    free(l->v);
    *l = (struct lines){0};
}

bool lines_copy(struct lines *to, const struct lines *from)
{
    *to = (struct lines){0};
    for (int k = 0; k < from->n; k++)
        if (!lines_add(to, from->v[k].text, from->v[k].origin, &from->v[k].images)) return false;
    return true;
}

bool lines_join(struct lines *l, struct lines *more, bool in_front)
{
    if (!more->n) return true;
    struct line *v = memory_room_for(l->v, (size_t)l->n, (size_t)more->n, sizeof *v);
    if (!v) return false;
    if (in_front) memmove(v + more->n, v, (size_t)l->n * sizeof *v);
    memcpy(in_front ? v : v + l->n, more->v, (size_t)more->n * sizeof *v);
    l->v = v;
    l->n += more->n;
    free(more->v);
    *more = (struct lines){0};
    return true;
}

/* -- Effects ---------------------------------------------------------------------------------- */

int setting_words(const char *args, char **ret_key, char **ret_value, struct phi3v_error *err)
{
    char *plain = source_arguments(args);
    if (!plain) return memory_error(err);
    size_t n = strcspn(plain, " \t\n=");
    const char *value = plain + n + strspn(plain + n, " \t\n=");
    bool empty = !strcmp(value, "\"\"") || !strcmp(value, "''");
    *ret_key = text_copyn(plain, n);
    *ret_value = plain[n] ? text_copy(empty ? "" : value) : NULL;
    bool whole = *ret_key && (*ret_value || !plain[n]);
    free(plain);
    if (whole) return 0;
    free(*ret_key);
    free(*ret_value);
    return memory_error(err);
}

/* The turn that `:system ARGS` sets, "" for none. NULL without memory. */
static char *system_turn(const char *args)
{
    bool off = !strcmp(args, "off") || !strcmp(args, "\"\"");
    return off ? text_copy("") : source_arguments(args);
}

static int apply_set(const char *args, enum nb_origin origin, struct settings *s,
                     struct phi3v_error *err)
{
    char *key, *value;
    struct phi3v_error why;
    int rc = setting_words(args, &key, &value, err);
    if (rc) return rc;
    if (value)
        rc = origin == NB_TYPED ? settings_set(s, key, value, SETTING_SHOWN, &why)
                                : settings_set_from_file(s, key, value, &why);
    free(key);
    free(value);
    /* A setting that is not allowed was refused when the line ran; here it just has no effect. */
    return rc == PHI3V_E_MEMORY ? memory_error(err) : 0;
}

static int apply_system(const char *args, struct settings *s, struct phi3v_error *err)
{
    char *turn = system_turn(args);
    int rc = turn ? settings_set(s, "system", turn, SETTING_SHOWN, err) : memory_error(err);
    free(turn);
    return rc;
}

static int stage(const struct int_list *images, struct int_list *staged, struct phi3v_error *err)
{
    for (int k = 0; k < images->n; k++)
        if (!int_list_has(staged, images->v[k]) && !int_list_add(staged, images->v[k]))
            return memory_error(err);
    return 0;
}

/* The turned picture takes the place of the one that it was before. */
static int turn(const struct int_list *images, struct int_list *staged, struct phi3v_error *err)
{
    if (images->n != 2) return 0; /* a line whose pictures are not known yet */
    for (int k = 0; k < staged->n; k++) {
        if (staged->v[k] != images->v[0]) continue;
        staged->v[k] = images->v[1];
        return 0;
    }
    return stage(&(struct int_list){images->v + 1, 1}, staged, err);
}

/* The words after a command's name, or NULL when the line is another command. */
static const char *words_of(const char *line, const char *command)
{
    size_t n = strlen(command);
    if (strncmp(line, command, n) != 0 || (line[n] && !strchr(" \t\n", line[n]))) return NULL;
    return line + n + strspn(line + n, " \t\n");
}

static void drop(const struct line *line, struct inherited *s)
{
    for (int k = 0; k < line->images.n; k++) {
        int_list_remove(&s->staged, line->images.v[k]);
        int_list_remove(&s->above, line->images.v[k]);
    }
}

int line_apply(const struct line *line, struct inherited *s, struct phi3v_error *err)
{
    struct settings *settings = &s->settings;
    const char *args;
    if (words_of(line->text, ":load") || words_of(line->text, ":crop"))
        return stage(&line->images, &s->staged, err);
    if (words_of(line->text, ":turn")) return turn(&line->images, &s->staged, err);
    if ((args = words_of(line->text, ":set"))) return apply_set(args, line->origin, settings, err);
    if ((args = words_of(line->text, ":system"))) return apply_system(args, settings, err);
    if ((args = words_of(line->text, ":mode")))
        return settings_set(settings, "mode", args, SETTING_SHOWN, NULL) == PHI3V_E_MEMORY
                   ? memory_error(err)
                   : 0;
    if (words_of(line->text, ":unstage")) s->staged.n = s->above.n = 0;
    if (words_of(line->text, ":drop")) drop(line, s);
    return 0;
}
