/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "serve/conversation.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/must.h"
#include "net/url.h"
#include "notebook/load.h"
#include "notebook/refs.h"

enum { MAX_PIXELS_MI = 64, MAX_FETCHING = 8 };

/* -- Room -------------------------------------------------------------------------------------- */

bool room_take(struct room *room, size_t n_bytes)
{
    size_t held = atomic_load(&room->held);
    do
        if (held > 0 && (n_bytes > room->limit || held > room->limit - n_bytes)) return false;
    while (!atomic_compare_exchange_weak(&room->held, &held, held + n_bytes));
    return true;
}

void room_give(struct room *room, size_t n_bytes) { atomic_fetch_sub(&room->held, n_bytes); }

/* -- Pictures ---------------------------------------------------------------------------------- */

struct gathering {
    const struct conversation_host *host;
    struct loader loader;
    phi3v_image **images; // [n]
    size_t n;
    size_t raster_bytes;
};

static void no_output(void *user, const struct nb_output *out) { (void)user, (void)out; }
static void no_progress(void *user, const struct nb_progress *p) { (void)user, (void)p; }
static void no_beginning(void *user) { (void)user; }

static int take_raster(struct gathering *g, const phi3v_image *image, const char *param,
                       struct serve_error *err)
{
    const struct phi3v_image_info *info = phi3v_image_info(image);
    size_t n_pixels = (size_t)info->width * (size_t)info->height;
    if (n_pixels > (size_t)MAX_PIXELS_MI << 20)
        return serve_refuse(err, 413, "image_too_large", param,
                            "a picture of %d x %d pixels: at most %d million are allowed",
                            info->width, info->height, MAX_PIXELS_MI);
    if (!room_take(g->host->room, 3 * n_pixels))
        return serve_refuse(err, 429, "server_busy", param,
                            "other requests' pictures fill the memory: try again");
    g->raster_bytes += 3 * n_pixels;
    return 0;
}

/* Limits how many addresses are fetched at once, because their contents are held in memory. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_opens = PTHREAD_COND_INITIALIZER;
static int n_fetching;

static void enter(void)
{
    pthread_mutex_lock(&gate);
    while (n_fetching == MAX_FETCHING) pthread_cond_wait(&gate_opens, &gate);
    n_fetching++;
    pthread_mutex_unlock(&gate);
}

static void leave(void)
{
    pthread_mutex_lock(&gate);
    n_fetching--;
    pthread_cond_signal(&gate_opens);
    pthread_mutex_unlock(&gate);
}

static int fetch(const struct gathering *g, const char *address, struct fetched *ret,
                 struct phi3v_error *err)
{
    bool far = url_is_http(address);
    if (far) enter();
    int rc = load_bytes(address, &g->loader, NB_REQUEST, ret, err);
    if (far) leave();
    return rc;
}

/* Decodes one picture at a time, because a large one takes many times the memory of its file. */
static int load(const struct gathering *g, const char *address, struct loaded *ret,
                struct phi3v_error *err)
{
    static pthread_mutex_t decoding = PTHREAD_MUTEX_INITIALIZER;
    struct fetched file;
    int rc = fetch(g, address, &file, err);
    if (rc) return rc;
    pthread_mutex_lock(&decoding);
    rc = load_decode(&file, &g->loader, ret, err);
    pthread_mutex_unlock(&decoding);
    return rc;
}

static int gather(struct gathering *g, const struct message *m, size_t i, struct serve_error *err)
{
    char param[48];
    snprintf(param, sizeof param, "messages.%zu.image_url", i);
    int rc = 0;
    if (m->pictures.n == 0 && !strcmp(m->role, "user") && has_image_tag(m->text))
        return serve_refuse(err, 400, "invalid_value", param,
                            "the text names a picture, but the message has none");
    for (size_t k = 0; k < m->pictures.n && !rc; k++) {
        struct loaded loaded;
        struct phi3v_error why;
        if (load(g, m->pictures.v[k], &loaded, &why)) return serve_refuse_as(err, param, &why);
        rc = take_raster(g, loaded.image, param, err);
        if (!rc) g->images[g->n++] = phi3v_image_ref(loaded.image);
        loaded_fini(&loaded);
    }
    return rc;
}

/* -- Turns ------------------------------------------------------------------------------------- */

static size_t n_pictures(const struct request *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_messages; i++) n += r->messages[i].pictures.n;
    return n;
}

static int stopped(void *user)
{
    const struct conversation_host *host = user;
    return host->stopped(host->user);
}

static int make_prompt(const struct request *r, struct gathering *g, phi3v_prompt **ret,
                       struct serve_error *err)
{
    struct phi3v_turn *turns = xcalloc(r->n_messages, sizeof *turns);
    char **texts = xcalloc(r->n_messages, sizeof *texts);
    phi3v_image **at = g->images;
    for (size_t i = 0; i < r->n_messages; i++) {
        const struct message *m = &r->messages[i];
        texts[i] = must(with_image_tags(m->text, m->pictures.n));
        turns[i] = (struct phi3v_turn){
            .role = m->role, .text = texts[i], .images = at, .n_images = (int)m->pictures.n};
        at += m->pictures.n;
    }
    struct phi3v_prompt_options how;
    phi3v_prompt_options_default(&how);
    how.num_crops = g->host->settings->num_crops;
    how.stopped = stopped;
    how.user = (void *)(uintptr_t)g->host;
    struct phi3v_error why;
    int rc = phi3v_prompt_chat(g->host->model, turns, (int)r->n_messages, &how, ret, &why);
    for (size_t i = 0; i < r->n_messages; i++) free(texts[i]);
    free(texts);
    free(turns);
    return rc ? serve_refuse_as(err, "messages", &why) : 0;
}

static int check_length(const struct conversation_host *host, size_t n, struct serve_error *err)
{
    int64_t ctx = phi3v_model_info(host->model)->ctx;
    if ((int64_t)n < ctx) return 0;
    return serve_refuse(err, 400, "context_length_exceeded", "messages",
                        "the prompt has %zu tokens; the context is %lld, with one for the answer",
                        n, (long long)ctx);
}

int conversation_new(const struct request *r, const struct conversation_host *host,
                     struct conversation *ret, struct serve_error *err)
{
    struct nb_front front = {.output = no_output,
                             .progress = no_progress,
                             .stopped = host->stopped,
                             .begins = no_beginning,
                             .user = host->user};
    struct gathering g = {.host = host, .loader = {host->settings, &front}};
    struct conversation c = {0};
    g.images = xcalloc(n_pictures(r), sizeof *g.images);
    int rc = 0;
    for (size_t i = 0; i < r->n_messages && !rc; i++) rc = gather(&g, &r->messages[i], i, err);
    if (!rc) rc = make_prompt(r, &g, &c.prompt, err);
    for (size_t i = 0; i < g.n; i++) phi3v_image_free(g.images[i]);
    free(g.images);
    if (!rc) phi3v_prompt_ids(c.prompt, &c.n_prompt);
    if (!rc && (rc = check_length(host, c.n_prompt, err))) phi3v_prompt_free(c.prompt);
    c.raster_bytes = g.raster_bytes;
    if (rc)
        room_give(host->room, c.raster_bytes);
    else
        *ret = c;
    return rc;
}
