/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/files.h"
#include "net/fetch.h"
#include "net/url.h"
#include "notebook/decode_thread.h"
#include "notebook/load.h"
#include "notebook/png_write.h"

/* -- Where from ------------------------------------------------------------------------------- */

/* The path in a file:///… or file:/… address, as terminals and file managers write it; NULL for
 * others. */
static char *path_of_file_url(const char *what)
{
    if (!url_is_file(what)) return NULL;
    const char *p = what + strlen("file:");
    if (p[1] == '/') p = strchr(p + 2, '/'); /* after the host's name, if there is one */
    struct text path = {0};
    for (; p && *p; p++) {
        int high = *p == '%' && p[1] ? hex_digit(p[1]) : -1, low = high >= 0 ? hex_digit(p[2]) : -1;
        char c = low >= 0 ? (char)(16 * high + low) : *p;
        if (c) text_addn(&path, &c, 1);
        if (low >= 0) p += 2;
    }
    return text_take(&path);
}

/* The path in WSL of a Windows file, or of a file of its own that Windows names; NULL for other
 * words, and if a file has that exact name. */
static char *path_from_windows(const char *what)
{
    size_t n = windows_prefix(what);
    if (!n || is_plain_file(what)) return NULL;
    struct text path = {0};
    if (*what != '\\') text_addf(&path, "/mnt/%c", *what | 0x20);
    for (const char *p = what + n; *p; p++)
        if (*p != '\\')
            text_addn(&path, p, 1);
        else if (p[1] != '\\')
            text_add(&path, "/");
    return text_take(&path);
}

/* The page after a document's name, as in "report.pdf#3"; in addresses any number counts as one. */
struct mark {
    bool there;
    size_t n; // bytes of the name
    int page;
};

static struct mark page_mark(const char *what)
{
    const char *hash = strrchr(what, '#');
    struct mark m = {false, 0, 0};
    size_t n_digits = hash ? strspn(hash + 1, "0123456789") : 0;
    if (!n_digits || n_digits > 6 || hash[1 + n_digits] || hash == what) return m;
    m = (struct mark){true, (size_t)(hash - what), atoi(hash + 1)};
    if (fetch_is_url(what)) return m;
    char *name = text_copyn(what, m.n);
    m.there = name && !is_plain_file(what) && (has_ending(name, ".pdf") || is_plain_file(name));
    free(name);
    return m;
}

char *load_path(const char *what)
{
    if (fetch_is_url(what)) return NULL;
    char *path = path_of_file_url(what);
    if (!path) path = path_from_windows(what);
    return path ? path : expand_home(what);
}

static int on_fetch(int64_t done, int64_t total, void *user)
{
    const struct nb_front *front = user;
    front->progress(front->user, &(struct nb_progress){"fetching", NB_BYTES, done, total, -1});
    return front->stopped(front->user);
}

static int may_load(const char *what, const struct loader *how, enum nb_origin origin,
                    struct phi3v_error *err)
{
    bool standard_input = !strcmp(what, "-");
    if (!*what) return refuse(err, PHI3V_E_ARGUMENT, "a picture's name is empty");
    if (origin == NB_REQUEST && !fetch_is_url(what))
        return refuse(err, PHI3V_E_ARGUMENT, "a request may name addresses only, not files");
    if (standard_input && (origin != NB_TYPED || !how->front->standard_input))
        return refuse(err, PHI3V_E_ARGUMENT, "standard input is where the commands come from");
    return 0;
}

static bool is_pdf(const void *bytes, size_t n)
{
    return !strcmp(phi3v_image_sniff(bytes, n, NULL), "a PDF document");
}

/* Whether this is certainly no picture, so that a film or an archive is not read to its end. */
static bool is_no_picture(const void *bytes, size_t n)
{
    int is_picture = 0;
    phi3v_image_sniff(bytes, n, &is_picture);
    return !is_picture;
}

static bool is_nothing_drawn(const void *bytes, size_t n)
{
    return is_no_picture(bytes, n) && !is_pdf(bytes, n);
}

static int get_bytes(const char *what, const struct loader *how, enum nb_origin origin,
                     struct fetched *ret, struct phi3v_error *err)
{
    static const enum net_origin as[] = {
        [NB_TYPED] = NET_TYPED, [NB_FILE] = NET_FILE, [NB_REQUEST] = NET_REQUEST};
    struct fetch_options fetch = {.origin = as[origin],
                                  .limit_bytes = (size_t)how->settings->fetch_mib << 20,
                                  .timeout_s = how->settings->fetch_timeout,
                                  .allow_private = how->settings->allow_private_urls,
                                  .offline = how->settings->offline,
                                  .is_hopeless =
                                      origin == NB_TYPED ? is_nothing_drawn : is_no_picture,
                                  .on_progress = on_fetch,
                                  .user = (void *)(uintptr_t)how->front};
    int rc = may_load(what, how, origin, err);
    if (rc) return rc;
    char *path = load_path(what);
    if (!path && !fetch_is_url(what)) return memory_error(err);
    rc = fetch_picture(path ? path : what, &fetch, ret, err);
    how->front->progress(how->front->user, NULL);
    free(path);
    return rc;
}

/* -- Pages of documents ------------------------------------------------------------------------ */

/* Replaces the document by a picture of the page. */
static int draw_page(const struct loader *how, enum nb_origin origin, int page,
                     struct fetched *file, struct phi3v_error *err)
{
    if (origin != NB_TYPED)
        return refuse(err, PHI3V_E_IMAGE,
                      "a page of a PDF document is drawn by another program, which a cell from a "
                      "file may not start: type the line with it yourself");
    if (!how->front->draw_pdf)
        return refuse(err, PHI3V_E_IMAGE, "pages of PDF documents are not drawn here");
    struct nb_pdf what = {file->bytes,         file->n_bytes,   page, how->settings->fetch_timeout,
                          how->front->stopped, how->front->user};
    char *bytes;
    size_t n;
    int rc = how->front->draw_pdf(&what, &bytes, &n, err);
    if (rc) return rc;
    free(file->bytes);
    file->bytes = (uint8_t *)bytes;
    file->n_bytes = n;
    return 0;
}

/* Checks the bytes' format against the page mark, and draws the page of a document. */
static int take_page(const char *what, const struct mark *mark, const struct loader *how,
                     enum nb_origin origin, struct fetched *file, struct phi3v_error *err)
{
    bool pdf = is_pdf(file->bytes, file->n_bytes);
    if (!pdf && mark->there && !fetch_is_url(what))
        return refuse(err, PHI3V_E_IMAGE, "only PDF documents have pages, and this is none");
    if (!pdf || origin == NB_REQUEST) return 0; /* for a request, the decoder refuses it */
    if (mark->there && !mark->page)
        return refuse(err, PHI3V_E_IMAGE, "the pages of a PDF document are counted from 1");
    int rc = draw_page(how, origin, mark->page, file, err);
    if (rc || !mark->there) return rc;
    char *source = text_format("%s#%d", file->source, mark->page);
    if (!source) return memory_error(err);
    free(file->source);
    file->source = source;
    return 0;
}

int load_bytes(const char *what, const struct loader *how, enum nb_origin origin,
               struct fetched *ret, struct phi3v_error *err)
{
    struct mark mark = page_mark(what);
    struct phi3v_error why;
    struct fetched file = {0};
    char *name = mark.there ? text_copyn(what, mark.n) : NULL;
    int rc = mark.there && !name ? memory_error(err)
                                 : get_bytes(name ? name : what, how, origin, &file, err);
    free(name);
    if (rc) return rc;
    rc = take_page(what, &mark, how, origin, &file, &why);
    if (!rc)
        *ret = file;
    else
        refuse(err, rc, "%.200s: %.280s", file.source, why.text);
    if (rc) fetched_fini(&file);
    return rc;
}

/* -- The picture ------------------------------------------------------------------------------- */

/* The file's type if other programs see the same pixels in it, else NULL: they may not turn it, may
 * choose another frame, may blend transparent colours differently, or may not know the format. */
static const char *type_for_all(const phi3v_image *image)
{
    static const char *const types[][2] = {
        {"PNG", "image/png"}, {"JPEG", "image/jpeg"}, {"WebP", "image/webp"}, {"GIF", "image/gif"}};
    const struct phi3v_image_info *info = phi3v_image_info(image);
    bool plain = info->exif_orientation == 1 && !info->animated && !info->incomplete &&
                 info->transparent_share <= 0;
    for (size_t k = 0; plain && k < sizeof types / sizeof *types; k++)
        if (!strcmp(info->format, types[k][0])) return types[k][1];
    return NULL;
}

static char *data_url(const char *type, char *base64)
{
    char *url = base64 ? text_format("data:%s;base64,%s", type, base64) : NULL;
    free(base64);
    return url;
}

const char *loaded_data_url(struct loaded *l)
{
    if (!l->data_url) l->data_url = data_url("image/png", png_whole(l->image));
    return l->data_url;
}

int load_decode(struct fetched *file, const struct loader *how, struct loaded *ret,
                struct phi3v_error *err)
{
    struct phi3v_image_options decode;
    phi3v_image_options_default(&decode);
    decode.exif = how->settings->exif;
    decode.lenient = how->settings->lenient;
    double begun = now_s();
    struct phi3v_error why;
    phi3v_image *image;
    char name[201];
    snprintf(name, sizeof name, "%s", file->source);
    int rc = decode_picture(file, &decode, how->front, &image, &why);
    if (rc) {
        refuse(err, rc, "%s: %.280s", name, why.text);
    } else {
        *ret = (struct loaded){.image = image, .source = file->source, .decode_s = now_s() - begun};
        const char *type = how->keeps_files ? type_for_all(image) : NULL;
        if (type) ret->data_url = data_url(type, base64_text(file->bytes, file->n_bytes));
        file->source = NULL;
    }
    fetched_fini(file);
    return rc;
}

int load_picture(const char *what, const struct loader *how, enum nb_origin origin,
                 struct loaded *ret, struct phi3v_error *err)
{
    struct fetched file = {0};
    int rc = load_bytes(what, how, origin, &file, err);
    return rc ? rc : load_decode(&file, how, ret, err);
}

void loaded_fini(struct loaded *l)
{
    phi3v_image_free(l->image);
    free(l->source);
    free(l->data_url);
    *l = (struct loaded){0};
}

void load_note(const struct loader *how, const char *what)
{
    char *line = text_format("(%s has changed since it was asked about)", what);
    if (!line) return;
    how->front->output(how->front->user,
                       &(struct nb_output){.kind = NB_NOTE, .text = line, .n_bytes = strlen(line)});
    free(line);
}

/* -- Patterns --------------------------------------------------------------------------------- */

int load_expand(const struct word *word, struct strings *ret, struct phi3v_error *err)
{
    bool is_name = !word->pattern || fetch_is_url(word->text) || load_finds(word->text);
    if (is_name) return strings_add(ret, word->text) ? 0 : memory_error(err);
    char *path = load_path(word->pattern);
    if (!path) return memory_error(err);
    glob_t found = {0};
    int rc = glob(path, 0, NULL, &found);
    bool whole = true;
    for (size_t k = 0; !rc && k < found.gl_pathc; k++) whole &= strings_add(ret, found.gl_pathv[k]);
    globfree(&found);
    free(path);
    if (rc == GLOB_NOSPACE || !whole) return memory_error(err);
    /* A lone [ usually belongs to a name, not a pattern. */
    if (rc && !strpbrk(word->text, "*?"))
        return strings_add(ret, word->text) ? 0 : memory_error(err);
    return rc ? refuse(err, PHI3V_E_IO, "no file matches %.200s", word->text) : 0;
}

/* -- Names as they are ------------------------------------------------------------------------- */

/* Whether there is such a file or folder, or a page of one. */
static bool exists(const char *word)
{
    char *path = load_path(word);
    bool there = path && !access(path, F_OK);
    free(path);
    return there || load_finds(word);
}

/* The bytes of the longest name of something that exists at the beginning of the text, as it is,
 * up to a blank or the end; 0: none. */
static size_t name_as_it_is(const char *text)
{
    enum { MOST_BLANKS = 40, LONGEST = 4096 };
    size_t ends[MOST_BLANKS + 1], n = 0;
    for (size_t k = 1; k <= LONGEST && text[k - 1] && n <= MOST_BLANKS; k++)
        if ((!text[k] || isspace((unsigned char)text[k])) && !isspace((unsigned char)text[k - 1]))
            ends[n++] = k;
    while (n-- > 0) {
        char *name = text_copyn(text, ends[n]);
        bool there = name && exists(name);
        free(name);
        if (there) return ends[n];
    }
    return 0;
}

/* Replaces the words from i on by a name of n bytes and the words after it. */
static int take_name(struct words *w, size_t i, size_t n, const char *line, struct phi3v_error *err)
{
    size_t start = w->v[i].start, end = start + n;
    struct words rest;
    char *name = text_copyn(line + start, n);
    int rc = name ? words_split(line + end, &rest, err) : memory_error(err);
    if (rc) {
        free(name);
        return rc;
    }
    while (w->n > i) word_free(&w->v[--w->n]);
    w->v[w->n++] = (struct word){.text = name, .quoted = true, .start = start};
    for (size_t k = 0; k < rest.n; k++) {
        struct word *v = memory_room(w->v, w->n, sizeof *v);
        if (!v) {
            rc = memory_error(err);
            break;
        }
        w->v = v;
        v[w->n] = rest.v[k];
        v[w->n++].start += end;
        rest.v[k] = (struct word){0};
    }
    words_free(&rest);
    return rc;
}

int load_words(const char *line, struct words *ret, struct phi3v_error *err)
{
    int rc = words_split(line, ret, err);
    for (size_t i = 0; !rc && i < ret->n; i++) {
        const struct word *word = &ret->v[i];
        if (fetch_is_url(word->text) || exists(word->text)) continue;
        size_t n = name_as_it_is(line + word->start);
        if (n) rc = take_name(ret, i, n, line, err);
    }
    if (rc) words_free(ret);
    return rc;
}

/* -- What looks like a picture ---------------------------------------------------------------- */

/* Whether there is such a file, or one of which this is a page. */
static bool finds_path(const char *path)
{
    if (is_plain_file(path)) return true;
    struct mark mark = page_mark(path);
    char *name = mark.there ? text_copyn(path, mark.n) : NULL;
    bool found = name && is_plain_file(name);
    free(name);
    return found;
}

bool load_finds(const char *word)
{
    char *path = load_path(word);
    bool found = path && finds_path(path);
    free(path);
    return found;
}

bool has_picture_name(const char *path)
{
    static const char *const ending[] = {".png",  ".jpg",  ".jpeg", ".webp", ".gif", ".bmp",
                                         ".ppm",  ".pgm",  ".pbm",  ".pnm",  ".tif", ".tiff",
                                         ".avif", ".heic", ".heif", ".jxl",  ".ico"};
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        if (has_ending(path, ending[i])) return true;
    return page_mark(path).there;
}

bool names_picture(const char *word)
{
    if (fetch_is_url(word)) return true;
    char *path = load_path(word);
    bool named = path && has_picture_name(path) && finds_path(path);
    free(path);
    return named;
}
