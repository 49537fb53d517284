/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "net/fetch.h"
#include "tty/interrupt.h"
#include "notebook/media.h"
#include "term/progress.h"

static int on_fetch(int64_t done, int64_t total, void *user)
{
    progress_update(user, "fetching", PROGRESS_BYTES, done, total);
    return interrupt_requested();
}

/* A film or an archive need not come to its end before it is named. */
static bool is_hopeless(const void *bytes, size_t n)
{
    int is_picture = 0;
    phi3v_image_sniff(bytes, n, &is_picture);
    return !is_picture;
}

static int get_bytes(const char *what, const struct options *opt, bool typed, struct fetched *ret,
                     struct phi3v_error *err)
{
    struct progress progress;
    progress_init(&progress, stderr, 0, false);
    struct fetch_options how = {.origin = typed ? NET_TYPED : NET_FILE,
                                .allow_private = opt->allow_private_urls,
                                .offline = opt->offline,
                                .limit_bytes = (size_t)opt->fetch_mib << 20,
                                .timeout_s = opt->fetch_timeout,
                                .is_hopeless = is_hopeless,
                                .on_progress = on_fetch,
                                .user = &progress};
    char *path = fetch_is_url(what) ? NULL : expand_home(what);
    int rc = fetch_picture(path ? path : what, &how, ret, err);
    progress_clear(&progress);
    free(path);
    return rc;
}

int media_load(const char *what, const struct options *opt, bool typed, struct media *ret,
               struct phi3v_error *err)
{
    struct fetched file = {0};
    int rc = get_bytes(what, opt, typed, &file, err);
    if (rc) return rc;
    struct phi3v_image_options how;
    phi3v_image_options_default(&how);
    how.exif = opt->exif;
    double begun = now_s();
    struct phi3v_error why;
    phi3v_image *image;
    rc = phi3v_image_from_bytes(file.bytes, file.n_bytes, &how, &image, &why);
    if (rc) {
        refuse(err, rc, "%.200s: %.280s", file.source, why.text);
    } else {
        *ret = (struct media){image, xstrdup(file.source), now_s() - begun};
    }
    fetched_fini(&file);
    return rc;
}

void media_fini(struct media *m)
{
    phi3v_image_free(m->image);
    free(m->source);
    *m = (struct media){0};
}

int media_expand(const struct strings *words, struct strings *ret, struct phi3v_error *err)
{
    for (size_t i = 0; i < words->n; i++) {
        const char *word = words->v[i];
        char *path = expand_home(word);
        glob_t found = {0};
        bool pattern = !fetch_is_url(word) && strpbrk(word, "*?[");
        int none = pattern ? glob(path, 0, NULL, &found) : 0;
        if (!pattern || (none && strpbrk(word, "*?") == NULL))
            strings_add(ret, word);
        else
            for (size_t k = 0; k < found.gl_pathc; k++) strings_add(ret, found.gl_pathv[k]);
        bool empty = pattern && none && strpbrk(word, "*?");
        globfree(&found);
        free(path);
        if (empty) return refuse(err, PHI3V_E_IO, "no file matches %.200s", word);
    }
    return 0;
}

bool media_has_picture_name(const char *path)
{
    static const char *const ending[] = {".png", ".jpg", ".jpeg", ".webp", ".gif",
                                         ".bmp", ".ppm", ".pgm",  ".pnm"};
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
        if (has_ending(path, ending[i])) return true;
    return false;
}
