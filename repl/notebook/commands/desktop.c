/* SPDX-License-Identifier: MIT
 * Commands that use the desktop around the notebook: :paste :watch :copy */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include "notebook/commands.h"
#include "notebook/refs.h"
#include "notebook/source.h"

/* -- :paste, a picture ------------------------------------------------------------------------ */

/* A file name that depends only on the bytes: 16 hexadecimal digits and, for people, an ending for
 * the format. */
static int name_of_bytes(const char *bytes, size_t n, char ret[40], struct phi3v_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (!EVP_Digest(bytes, n, digest, NULL, EVP_sha256(), NULL)) return memory_error(err);
    hex_text(digest, 8, ret);
    const char *kind = phi3v_image_sniff(bytes, n, NULL);
    size_t at = 16;
    ret[at++] = '.';
    for (; at < 24 && *kind && *kind != ' '; kind++) ret[at++] = (char)(*kind | 0x20);
    ret[at] = 0;
    return 0;
}

/* A pasted picture has no file, but asking again later needs one, so it is stored once in the
 * folder of the program's state. */
static int keep_picture(struct notebook *nb, const char *bytes, size_t n, char **ret_path,
                        struct phi3v_error *err)
{
    char name[40];
    if (!nb->state_dir)
        return refuse(err, PHI3V_E_IO, "there is no folder to keep a pasted picture in");
    int rc = name_of_bytes(bytes, n, name, err);
    if (rc) return rc;
    char *dir = text_format("%s/pasted", nb->state_dir);
    char *path = dir ? text_format("%s/%s", dir, name) : NULL;
    if (path) (void)mkdir(nb->state_dir, 0700);
    if (path) (void)mkdir(dir, 0700); /* opening the file reports any failure */
    rc = !path                 ? memory_error(err)
         : is_plain_file(path) ? 0
                               : store_file(path, bytes, n, 0600, err);
    free(dir);
    if (rc)
        free(path);
    else
        *ret_path = path;
    return rc;
}

/* -- :paste, names ---------------------------------------------------------------------------- */

/* File managers put such lines around their lists of files. */
static bool says_nothing(const char *line)
{
    return !*line || *line == '#' || !strcmp(line, "copy") || !strcmp(line, "cut");
}

/* The other lines, normalised; NULL without memory. */
static char *names_alone(char *text)
{
    struct text names = {0};
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        if (!says_nothing(line)) text_addf(&names, "%s\n", line);
    }
    free(text);
    return text_take(&names);
}

static int names_in(const char *bytes, size_t n, struct text *words, struct phi3v_error *err)
{
    char *text;
    int rc = source_normalise(bytes, n, "the clipboard", &text, err);
    if (rc) return rc;
    unsigned before = memory_failures();
    char *names = names_alone(text);
    bool empty = names && !names[strspn(names, " \t\n")], good = names && pictures_of(names, words);
    free(names);
    if (memory_failures() != before) return memory_error(err);
    if (good) return 0;
    return refuse(err, PHI3V_E_IMAGE,
                  empty ? "the clipboard is empty"
                        : "the clipboard holds text, not a picture or the path of one; paste text "
                          "with the terminal's own key");
}

/* -- :paste ----------------------------------------------------------------------------------- */

static int words_of(struct notebook *nb, const char *bytes, size_t n, struct text *words,
                    struct phi3v_error *err)
{
    int is_picture = 0;
    phi3v_image_sniff(bytes, n, &is_picture);
    if (!is_picture) return names_in(bytes, n, words, err);
    char *path = NULL;
    int rc = keep_picture(nb, bytes, n, &path, err);
    if (rc) return rc;
    char *quoted = word_quote(path);
    text_addf(words, " %s", quoted ? quoted : "");
    words->failed |= !quoted;
    free(quoted);
    free(path);
    return words->failed ? memory_error(err) : 0;
}

/* The cell records a :load of what was pasted, because the clipboard will hold something else
 * another day. */
int command_paste(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    if (*c->args && strncmp(c->args, "as ", 3) != 0)
        return refuse(err, PHI3V_E_ARGUMENT, ":paste, or :paste as NAME");
    if (!nb->front.paste) return refuse(err, PHI3V_E_ARGUMENT, "there is no clipboard here");
    char *bytes = NULL;
    size_t n = 0;
    struct text line = {0};
    engine_begin(&nb->engine);
    int rc = nb->front.paste(nb->front.user, &bytes, &n, err);
    if (rc) return rc;
    text_add(&line, ":load");
    rc = words_of(nb, bytes, n, &line, err);
    free(bytes);
    if (!rc && *c->args) text_addf(&line, " %s", c->args);
    if (!rc && line.failed) rc = memory_error(err);
    if (!rc) rc = command_line(nb, line.s, c->origin, err);
    text_free(&line);
    return rc;
}

/* -- :watch ----------------------------------------------------------------------------------- */

/* Takes folder; NULL ends the watching. */
static int watch(struct notebook *nb, char *folder, struct phi3v_error *err)
{
    int rc = nb->front.watch(nb->front.user, folder, err);
    if (rc) {
        free(folder);
        return rc;
    }
    free(nb->watched);
    nb->watched = folder;
    return 0;
}

int command_watch(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    struct words words;
    if (!nb->front.watch) return refuse(err, PHI3V_E_ARGUMENT, "folders cannot be watched here");
    int rc = load_words(c->args, &words, err);
    if (rc) return rc;
    if (words.n > 1)
        rc = refuse(err, PHI3V_E_ARGUMENT, ":watch needs one folder; quote names with blanks");
    else if (words.n && !strcmp(words.v[0].text, "off") && !words.v[0].quoted)
        rc = watch(nb, NULL, err);
    else if (words.n) {
        char *folder = expand_home(words.v[0].text);
        rc = folder ? watch(nb, folder, err) : memory_error(err);
    }
    words_free(&words);
    if (!rc && nb->watched)
        note(nb, "(new pictures in %s are staged; :watch off ends that)", nb->watched);
    else if (!rc)
        note(nb, "(no folder is watched)");
    return rc;
}

/* -- :copy ------------------------------------------------------------------------------------ */

int command_copy(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    int i;
    if (!nb->front.copy) return refuse(err, PHI3V_E_ARGUMENT, "there is no clipboard here");
    int rc = cell_index(nb, c->args, &i, err);
    if (rc) return rc;
    const char *answer = nb->book.v[i].answer;
    if (!answer || !*answer)
        return refuse(err, PHI3V_E_ARGUMENT, "cell %d has no answer to copy", i + 1);
    rc = nb->front.copy(nb->front.user, answer, err);
    if (!rc) note(nb, "(the terminal was given the answer of cell %d to copy)", i + 1);
    return rc;
}
