/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/files.h"
#include "common/json.h"
#include "common/memory.h"
#include "notebook/price.h"

/* -- What is paid for ------------------------------------------------------------------------- */

/* How much slower attention, computed in f32, is than the matrix products. */
static double slower_than_products(const struct phi3v_model_info *info)
{
    return !strcmp(info->products, "int8") ? 4 : !strcmp(info->products, "bf16") ? 2 : 1;
}

double price_rows(const struct phi3v_model_info *info, double from, double to)
{
    double q = (double)info->n_heads * info->head_dim,
           kv = (double)info->n_kv_heads * info->head_dim;
    double products = info->hidden * (2 * q + 2 * kv + 3.0 * info->mlp_width);
    double a_row_before = products > 0 ? slower_than_products(info) * 2 * q / products : 0;
    return to - from + a_row_before * (to * to - from * from) / 2;
}

double price_s(const struct price *p, const struct phi3v_model_info *info, int n_crops, double from,
               double to)
{
    if (p->s_per_row <= 0 || (n_crops > 0 && p->s_per_crop <= 0)) return 0;
    return p->s_per_crop * n_crops + p->s_per_row * price_rows(info, from, to);
}

/* -- Learning it ------------------------------------------------------------------------------ */

/* Averages a measurement of n units with what is known, which weighs as much as `before` units. */
static void learn(double *known, double seconds, double n, double units, double before)
{
    double now = units > 0 ? seconds / units : 0, weight = n / (n + before);
    if (now > 0) *known = *known > 0 ? *known + weight * (now - *known) : now;
}

void price_learn(struct price *p, const struct phi3v_model_info *info, const struct phi3v_timing *t)
{
    enum { FEW_CROPS = 1, FEW_ROWS = 32, SOME_ROWS = 256 };
    double from = (double)t->cached_tokens, n = (double)t->prefill_tokens;
    learn(&p->s_per_crop, t->vision_s, t->vision_crops, t->vision_crops, FEW_CROPS);
    if (n >= FEW_ROWS) /* few rows cost as much as many, because all weights are read for them */
        learn(&p->s_per_row, t->prefill_s, n, price_rows(info, from, from + n), SOME_ROWS);
}

/* -- A trial ---------------------------------------------------------------------------------- */

/* Trials are repeated up to this often on a fast model. */
enum { TRIAL_CROPS = 4, TRIAL_ROWS = 128, MOST_TRIALS = 3 };
static const double trial_s = 0.06;

struct progress {
    double units, seconds; // both since the stage began
};

struct trial {
    enum phi3v_stage stage;
    double begun_s, most_s;
    struct progress first, latest; // of the progress events
    bool told;
};

/* Ends the trial `most_s` seconds after its first progress event, or five times that after its
 * start. */
static int on_event(const struct phi3v_event *event, void *user)
{
    struct trial *t = user;
    if (event->type != PHI3V_EVENT_PROGRESS || event->stage != t->stage) return t->told;
    if (event->part > 0) {
        t->latest = (struct progress){event->part * (double)event->total, event->seconds};
        if (!t->told) t->first = t->latest;
        t->told = true;
    }
    double gone = t->latest.seconds - t->first.seconds;
    return gone >= t->most_s || now_s() - t->begun_s >= 5 * t->most_s;
}

static phi3v_image *some_picture(int side, unsigned number)
{
    size_t n = (size_t)side * (size_t)side * 3;
    uint8_t *rgb = memory_new(n);
    phi3v_image *image = NULL;
    for (size_t i = 0; rgb && i < n; i++) rgb[i] = (uint8_t)((i + number) * 37 + i / 1000);
    if (rgb) (void)phi3v_image_from_rgb(rgb, side, side, &image, NULL);
    free(rgb);
    return image;
}

/* A prompt with a square picture in four crops and as a whole. */
static phi3v_prompt *picture_prompt(phi3v_model *model, unsigned number)
{
    struct phi3v_image_plan plan;
    phi3v_prompt *prompt = NULL;
    phi3v_image *image = some_picture(2 * phi3v_model_info(model)->crop_side, number);
    int32_t *ids = NULL;
    if (image && !phi3v_image_plan(model, image, TRIAL_CROPS, &plan, NULL))
        ids = memory_new((size_t)plan.n_tokens * sizeof *ids);
    for (int i = 0; ids && i < plan.n_tokens; i++) ids[i] = -1;
    if (ids)
        (void)phi3v_prompt_ids_new(model, ids, (size_t)plan.n_tokens, &image, 1, TRIAL_CROPS,
                                   &prompt, NULL);
    free(ids);
    phi3v_image_free(image);
    return prompt;
}

static phi3v_prompt *text_prompt(phi3v_model *model, unsigned number)
{
    int32_t ids[TRIAL_ROWS];
    phi3v_prompt *prompt = NULL;
    for (unsigned i = 0; i < TRIAL_ROWS; i++)
        ids[i] = (int32_t)((i + 7 * number) % (unsigned)phi3v_model_info(model)->n_vocab);
    (void)phi3v_prompt_ids_new(model, ids, TRIAL_ROWS, NULL, 0, 0, &prompt, NULL);
    return prompt;
}

/* The first progress includes touching memory for the first time, which long work does only once,
 * so it is subtracted. */
static struct progress measured(const struct trial *t)
{
    if (t->latest.units <= t->first.units) return t->latest;
    return (struct progress){t->latest.units - t->first.units,
                             t->latest.seconds - t->first.seconds};
}

/* Seconds per unit, averaged over the trials there is time for. A small model's answer, too, pays
 * for waking threads and fetching weights, as the first trial does, but less often per row. */
static double trials(phi3v_model *model, phi3v_session *session, enum phi3v_stage stage,
                     double most_s, phi3v_prompt *(*make)(phi3v_model *model, unsigned number))
{
    double begun_s = now_s();
    struct progress sum = {0};
    for (unsigned number = 0; number < MOST_TRIALS && now_s() - begun_s < most_s; number++) {
        struct trial t = {.stage = stage, .begun_s = now_s(), .most_s = most_s};
        phi3v_prompt *prompt = make(model, number);
        if (prompt) (void)phi3v_prefill(session, prompt, on_event, &t, NULL, NULL);
        phi3v_prompt_free(prompt);
        if (!t.told) break;
        struct progress p = measured(&t);
        sum.units += p.units;
        sum.seconds += p.seconds;
    }
    return sum.units > 0 ? sum.seconds / sum.units : 0;
}

void price_try(struct price *p, phi3v_model *model)
{
    phi3v_session *session;
    if ((p->s_per_crop > 0 && p->s_per_row > 0) || phi3v_session_new(model, &session, NULL)) return;
    if (p->s_per_crop <= 0)
        p->s_per_crop = trials(model, session, PHI3V_STAGE_VISION, trial_s, picture_prompt);
    if (p->s_per_row <= 0) /* progress comes by layers: a shorter trial errs by a third */
        p->s_per_row = trials(model, session, PHI3V_STAGE_PREFILL, 2.5 * trial_s, text_prompt);
    phi3v_session_free(session);
}

/* -- Between runs ----------------------------------------------------------------------------- */

enum { MAX_FILE_BYTES = 64 << 10, MAX_MODELS = 100 };

static char *file_in(const char *dir) { return dir ? text_format("%s/speeds.json", dir) : NULL; }

static char *key_of(const struct phi3v_model_info *info)
{
    return text_format("%s, %lld parameters, %s, %s, %s, kv %s", info->name,
                       (long long)info->n_params, info->device, info->dtype, info->vision_products,
                       info->kv);
}

/* All prices of the file; an empty object if there are none or they are unreadable. */
static json_t *load_all(const char *path)
{
    char *text;
    size_t n;
    json_t *all = NULL;
    if (!load_file(path, MAX_FILE_BYTES, &text, &n, NULL)) {
        all = json_parse(text, n, path, NULL);
        free(text);
    }
    if (json_is_object(all)) return all;
    json_decref(all);
    return json_object();
}

static double seconds_at(const json_t *list, size_t k)
{
    double s = json_number_value(json_array_get(list, k));
    return isfinite(s) && s > 0 ? s : 0;
}

void price_recall(struct price *p, const struct phi3v_model_info *info, const char *dir)
{
    char *path = file_in(dir), *key = key_of(info);
    *p = (struct price){0};
    if (path && key) {
        json_t *all = load_all(path);
        const json_t *own = json_object_get(all, key);
        *p = (struct price){seconds_at(own, 0), seconds_at(own, 1)};
        json_decref(all);
    }
    free(path);
    free(key);
}

void price_keep(const struct price *p, const struct phi3v_model_info *info, const char *dir)
{
    char *path = file_in(dir), *key = key_of(info);
    if (path && key && p->s_per_row > 0) {
        json_t *all = load_all(path);
        if (json_object_size(all) >= MAX_MODELS) json_object_clear(all);
        json_object_set_new(all, key, json_pack("[ff]", p->s_per_crop, p->s_per_row));
        char *text = json_line(all);
        if (text) (void)store_file(path, text, strlen(text), 0600, NULL);
        free(text);
        json_decref(all);
    }
    free(path);
    free(key);
}

/* -- For people ------------------------------------------------------------------------------- */

const char *duration_text(double s, char to[DURATION_BYTES])
{
    static const double most = 1e6;
    s = s < 0.001 ? 0.001 : s > most ? most : s;
    if (s < 0.01)
        snprintf(to, DURATION_BYTES, "%.1g s", s);
    else if (s < 9.95)
        snprintf(to, DURATION_BYTES, "%.2g s", s);
    else if (s < 59.5)
        snprintf(to, DURATION_BYTES, "%.0f s", s);
    else
        snprintf(to, DURATION_BYTES, "%.0f:%02.0f", floor((s + 0.5) / 60),
                 floor(fmod(s + 0.5, 60)));
    return to;
}
