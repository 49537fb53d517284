/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "net/fetch.h"
#include "notebook/handles.h"

static bool is_name(const char *s)
{
    if (!isalpha((unsigned char)*s) || strlen(s) > 40) return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-') return false;
    return true;
}

int handles_add(struct handles *h, struct media *m, const char *what, const char *name, bool typed,
                int *ret_index, struct phi3v_error *err)
{
    if (name && !is_name(name))
        return refuse(err, PHI3V_E_ARGUMENT,
                      "\"%.60s\" is no name for a picture: a letter, then letters, digits, _ or -",
                      name);
    if (name && handles_find(name, h) >= 0)
        return refuse(err, PHI3V_E_ARGUMENT, "another picture is called @%s already", name);
    h->v = xgrow(h->v, (size_t)h->n + 1, sizeof *h->v);
    struct handle *new = &h->v[h->n];
    *new = (struct handle){
        .name = name ? xstrdup(name) : NULL, .what = xstrdup(what), .media = *m, .typed = typed};
    if (m->image)
        snprintf(new->sha256, sizeof new->sha256, "%s", phi3v_image_info(m->image)->file_sha256);
    *m = (struct media){0};
    *ret_index = h->n++;
    return 0;
}

int handles_find(const char *name, void *handles)
{
    const struct handles *h = handles;
    if (*name == '@') name++;
    bool number = *name && strspn(name, "0123456789") == strlen(name) && strlen(name) < 8;
    for (int i = 0; i < h->n; i++) {
        const struct handle *p = &h->v[i];
        if (p->dropped) continue;
        if (number ? atoi(name) == i + 1 : p->name && !strcmp(p->name, name)) return i;
    }
    return -1;
}

int handles_get(const struct handles *h, const char *name, int *ret_index, struct phi3v_error *err)
{
    int index = handles_find(name, (void *)(uintptr_t)h);
    if (index < 0)
        return refuse(err, PHI3V_E_ARGUMENT, "there is no picture %s%.60s: :images lists them",
                      *name == '@' ? "" : "@", name);
    *ret_index = index;
    return 0;
}

static int load(struct handle *p, const struct options *opt, const char *dir,
                struct phi3v_error *err)
{
    int rc = media_load(p->what, opt, p->typed, &p->media, err);
    if (rc != PHI3V_E_IO || !dir || *p->what == '/' || fetch_is_url(p->what)) return rc;
    char *beside = xasprintf("%s/%s", dir, p->what);
    struct phi3v_error second;
    if (!media_load(beside, opt, p->typed, &p->media, &second)) rc = 0;
    free(beside);
    return rc;
}

int handles_image(struct handles *h, int index, const struct options *opt, const char *dir,
                  phi3v_image **ret_image, struct phi3v_error *err)
{
    struct handle *p = &h->v[index];
    if (p->dropped)
        return refuse(err, PHI3V_E_IMAGE, "picture @%d was dropped: load it again", index + 1);
    if (!p->media.image) {
        int rc = load(p, opt, dir, err);
        if (rc) return rc;
        snprintf(p->sha256, sizeof p->sha256, "%s", phi3v_image_info(p->media.image)->file_sha256);
    }
    *ret_image = p->media.image;
    return 0;
}

static void release(struct handle *p)
{
    free(p->name);
    free(p->what);
    media_fini(&p->media);
}

void handles_drop(struct handles *h, int index)
{
    media_fini(&h->v[index].media);
    h->v[index].dropped = true;
}

void handles_truncate(struct handles *h, int n)
{
    while (h->n > n) release(&h->v[--h->n]);
}

void handles_free(struct handles *h)
{
    handles_truncate(h, 0);
    free(h->v);
    *h = (struct handles){0};
}

const char *handle_label(const struct handles *h, int index, char *buf, size_t n)
{
    if (h->v[index].name)
        snprintf(buf, n, "@%s", h->v[index].name);
    else
        snprintf(buf, n, "@%d", index + 1);
    return buf;
}
