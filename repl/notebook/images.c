/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "net/fetch.h"
#include "net/url.h"
#include "notebook/images.h"

/* -- Lists of pictures ------------------------------------------------------------------------ */

bool int_list_add(struct int_list *list, int value)
{
    int *v = memory_room(list->v, (size_t)list->n, sizeof *v);
    if (!v) return false;
    list->v = v;
    list->v[list->n++] = value;
    return true;
}

bool int_list_has(const struct int_list *list, int value)
{
    for (int i = 0; i < list->n; i++)
        if (list->v[i] == value) return true;
    return false;
}

void int_list_remove(struct int_list *list, int value)
{
    int kept = 0;
    for (int i = 0; i < list->n; i++)
        if (list->v[i] != value) list->v[kept++] = list->v[i];
    list->n = kept;
}

bool int_list_copy(struct int_list *to, const struct int_list *from)
{
    *to = (struct int_list){0};
    if (!from->n) return true;
    to->v = memory_room_for(NULL, 0, (size_t)from->n, sizeof *to->v);
    if (!to->v) return false;
    memcpy(to->v, from->v, (size_t)from->n * sizeof *to->v);
    to->n = from->n;
    return true;
}

void int_list_free(struct int_list *list)
{
    free(list->v);
    *list = (struct int_list){0};
}

/* -- Names ------------------------------------------------------------------------------------ */

static bool is_name(const char *s)
{
    if (!isalpha((unsigned char)*s) || strlen(s) > 40) return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-') return false;
    return true;
}

int images_find(const struct images *m, const char *name)
{
    if (*name == '@') name++;
    bool number = *name && strspn(name, "0123456789") == strlen(name) && strlen(name) < 8;
    if (number) {
        int k = atoi(name);
        return k >= 1 && k <= m->n && !m->v[k - 1].dropped ? k - 1 : -1;
    }
    for (int i = 0; i < m->n; i++)
        if (!m->v[i].dropped && m->v[i].name && !strcmp(m->v[i].name, name)) return i;
    return -1;
}

int images_get(const struct images *m, const char *name, int *ret_index, struct phi3v_error *err)
{
    int index = images_find(m, name);
    if (index < 0)
        return refuse(err, PHI3V_E_ARGUMENT, "there is no picture %s%.60s: :images lists them",
                      *name == '@' ? "" : "@", name);
    *ret_index = index;
    return 0;
}

const char *image_label(const struct images *m, int index, char *buf, size_t n)
{
    if (m->v[index].name)
        snprintf(buf, n, "@%s", m->v[index].name);
    else
        snprintf(buf, n, "@%d", index + 1);
    return buf;
}

/* -- Life ------------------------------------------------------------------------------------- */

static void release(struct image *p)
{
    free(p->name);
    free(p->what);
    free(p->preview);
    loaded_fini(&p->loaded);
}

int images_add(struct images *m, struct loaded *l, const char *what, const char *name,
               enum nb_origin origin, int *ret_index, struct phi3v_error *err)
{
    if (name && !is_name(name))
        return refuse(err, PHI3V_E_ARGUMENT,
                      "\"%.60s\" is no name for a picture: a letter, then letters, digits, _ or -",
                      name);
    if (name && images_find(m, name) >= 0)
        return refuse(err, PHI3V_E_ARGUMENT, "another picture is called @%s already", name);
    struct image *v = memory_room(m->v, (size_t)m->n, sizeof *v);
    if (!v) return memory_error(err);
    m->v = v;
    unsigned before = memory_failures();
    struct image new = {.name = text_copy(name), .origin = origin};
    new.what = url_without_secrets(what, NULL);
    if (memory_failures() != before) {
        release(&new);
        return memory_error(err);
    }
    new.loaded = *l;
    if (l->image)
        snprintf(new.sha256, sizeof new.sha256, "%s", phi3v_image_info(l->image)->file_sha256);
    *l = (struct loaded){0};
    v[m->n] = new;
    *ret_index = m->n++;
    return 0;
}

/* -- Regions ---------------------------------------------------------------------------------- */

static bool lies_within(const struct box *b, const phi3v_image *image)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    return b->x >= 0 && b->y >= 0 && b->width >= 1 && b->height >= 1 && b->x < info->width &&
           b->y < info->height && b->width <= info->width - b->x &&
           b->height <= info->height - b->y;
}

/* "4,3,10,8", and how it is turned: " flip 90". To be freed; NULL without memory. */
static char *region_text(const struct box *b, struct turn turn)
{
    char done[TURN_BYTES];
    turn_text(turn, done);
    return text_format("%d,%d,%d,%d%s%s", b->x, b->y, b->width, b->height, *done ? " " : "", done);
}

/* Cuts the region out of a loaded picture, and turns it. */
static int cut(const struct image *whole, int of, const struct box *box, struct turn turn,
               struct loaded *ret, struct phi3v_error *err)
{
    const struct phi3v_image_info *info = phi3v_image_info(whole->loaded.image);
    if (!lies_within(box, whole->loaded.image))
        return refuse(err, PHI3V_E_ARGUMENT,
                      "the region %d,%d,%d,%d is not within @%d, which is %dx%d", box->x, box->y,
                      box->width, box->height, of, info->width, info->height);
    /* Of a whole picture only how it is turned is said. */
    char done[TURN_BYTES];
    bool all = box->width == info->width && box->height == info->height;
    bool turned = *turn_text(turn, done) != 0;
    char *region = turned && all ? text_copy(done) : region_text(box, turn);
    *ret = (struct loaded){.source = region ? text_format("%s [%s]", whole->loaded.source, region)
                                            : NULL};
    free(region);
    int rc = ret->source ? overlay_cut(whole->loaded.image, box, turn, &ret->image, err)
                         : memory_error(err);
    if (rc) loaded_fini(ret);
    return rc;
}

int images_cut(struct images *m, int of, const struct box *box, struct turn turn, const char *name,
               enum nb_origin origin, int *ret_index, struct phi3v_error *err)
{
    const struct image *from = &m->v[of - 1];
    struct loaded loaded = {0};
    int rc = cut(from, of, box, turn, &loaded, err);
    if (rc) return rc;
    int whole = from->crop_of ? from->crop_of : of;
    struct box b = from->crop_of ? overlay_origin(&from->crop, from->turn, box) : *box;
    struct turn turned = turn_then(from->turn, turn);
    char *region = region_text(&b, turned);
    char *what = region ? text_format("@%d %s", whole, region) : NULL;
    rc = what ? images_add(m, &loaded, what, name, origin, ret_index, err) : memory_error(err);
    if (!rc) {
        m->v[*ret_index].crop_of = whole;
        m->v[*ret_index].crop = b;
        m->v[*ret_index].turn = turned;
    }
    loaded_fini(&loaded);
    free(region);
    free(what);
    return rc;
}

char *image_line(const struct images *m, int index)
{
    const struct image *p = &m->v[index];
    char *what = p->crop_of ? region_text(&p->crop, p->turn) : word_quote(p->what);
    if (!what) return NULL;
    const char *as = p->name ? " as " : "", *name = p->name ? p->name : "";
    char *line = p->crop_of ? text_format(":crop @%d %s%s%s", p->crop_of, what, as, name)
                            : text_format(":load %s%s%s", what, as, name);
    free(what);
    return line;
}

static int load_region(struct images *m, int index, const struct loader *how, const char *dir,
                       struct phi3v_error *err)
{
    struct image *p = &m->v[index];
    int of = p->crop_of;
    if (of > index || m->v[of - 1].crop_of)
        return refuse(err, PHI3V_E_IMAGE, "picture @%d is a region of no picture: drop it",
                      index + 1);
    int rc = images_load(m, of - 1, how, dir, err);
    return rc ? rc : cut(&m->v[of - 1], of, &p->crop, p->turn, &p->loaded, err);
}

/* -- Loading later ---------------------------------------------------------------------------- */

static int load(struct image *p, const struct loader *how, const char *dir, struct phi3v_error *err)
{
    int rc = load_picture(p->what, how, p->origin, &p->loaded, err);
    bool elsewhere = rc == PHI3V_E_IO && dir && *p->what != '/' && !fetch_is_url(p->what);
    char *beside = elsewhere ? text_format("%s/%s", dir, p->what) : NULL;
    if (beside && !load_picture(beside, how, p->origin, &p->loaded, NULL)) rc = 0;
    free(beside);
    return rc;
}

int images_load(struct images *m, int index, const struct loader *how, const char *dir,
                struct phi3v_error *err)
{
    struct image *p = &m->v[index];
    if (p->dropped)
        return refuse(err, PHI3V_E_IMAGE, "picture @%d was dropped: load it again", index + 1);
    if (p->loaded.image) return 0;
    int rc = p->crop_of ? load_region(m, index, how, dir, err) : load(p, how, dir, err);
    if (rc) return rc;
    const char *now = phi3v_image_info(p->loaded.image)->file_sha256;
    if (*p->sha256 && strcmp(p->sha256, now) != 0) load_note(how, p->what);
    snprintf(p->sha256, sizeof p->sha256, "%s", now);
    return 0;
}

void images_drop(struct images *m, int index)
{
    loaded_fini(&m->v[index].loaded);
    m->v[index].dropped = true;
}

void images_truncate(struct images *m, int n)
{
    while (m->n > n) release(&m->v[--m->n]);
}

int images_copy(struct images *to, const struct images *from, struct phi3v_error *err)
{
    unsigned before = memory_failures();
    to->v = memory_room_for(NULL, 0, (size_t)from->n, sizeof *to->v);
    for (int i = 0; to->v && i < from->n; i++) {
        const struct image *p = &from->v[i];
        struct image *copy = &to->v[to->n++];
        *copy = *p;
        copy->name = text_copy(p->name);
        copy->what = text_copy(p->what);
        copy->preview = text_copy(p->preview);
        copy->loaded.source = text_copy(p->loaded.source);
        copy->loaded.data_url = text_copy(p->loaded.data_url);
        if (p->loaded.image) phi3v_image_ref(p->loaded.image);
    }
    return memory_failures() == before ? 0 : memory_error(err);
}

void images_free(struct images *m)
{
    images_truncate(m, 0);
    free(m->v);
    *m = (struct images){0};
}
