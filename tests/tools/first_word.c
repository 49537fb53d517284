/* SPDX-License-Identifier: GPL-3.0-or-later
 * How long it is to the first word about a picture that was just loaded: what :load says of it, what
 * it is, and how much of it a pause between :load and Enter saves. Each measurement is of a picture
 * that was never seen; of repeated ones the median is told. The machine should have nothing else to do.
 *
 *     first_word [-m MODEL | --synthetic] [--dtype TYPE]... [--crops N]... [--pause S]...
 *                [--repeat N]
 *
 * With a model's folder it drives a notebook; full-size pseudo-random weights (--synthetic) have no
 * tokenizer, so there the notebook's worker is given prompts of ids. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "notebook/ahead.h"

enum { MOST = 16, QUESTION_TOKENS = 20 };

struct numbers {
    double v[MOST];
    int n;
};

struct run {
    const char *model; // NULL: synthetic weights
    const char *dtype;
    struct numbers crops, pauses;
    int repeat;
    struct settings settings;
    struct notebook *nb;  // of a model's folder,
    struct engine engine; // else this
    struct ahead *ahead;
    struct nb_front front;
    char folder[40];
    unsigned seed;
    double estimate_s; // that :load told
    double work_s;     // that was done ahead, when the pause was longer; else 0
    double first_s;    // the clock at the first word; 0: it is waited for
};

static void die(const char *what)
{
    fprintf(stderr, "first_word: %s\n", what);
    exit(1);
}

static void need(int rc, const struct phi3v_error *err)
{
    if (rc) die(err->text);
}

static void add(struct numbers *list, double x)
{
    if (list->n < MOST) list->v[list->n++] = x;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(struct numbers list)
{
    qsort(list.v, (size_t)list.n, sizeof *list.v, by_size);
    return list.n % 2 ? list.v[list.n / 2] : (list.v[list.n / 2 - 1] + list.v[list.n / 2]) / 2;
}

static bool is_ready(struct run *r) { return r->nb ? nb_is_ready(r->nb) : ahead_is_done(r->ahead); }

/* Looks now and then whether the work is done. */
static void pause_for(struct run *r, double s)
{
    const struct timespec a_little = {.tv_nsec = 200000};
    double begun = now_s();
    r->work_s = 0;
    while (now_s() - begun < s) {
        nanosleep(&a_little, NULL);
        if (r->work_s == 0 && is_ready(r)) r->work_s = now_s() - begun;
    }
}

/* -- The front end ---------------------------------------------------------------------------- */

static void output(void *user, const struct nb_output *out)
{
    struct run *r = user;
    const char *told = out->kind == NB_IMAGE ? strstr(out->text, ", about ") : NULL;
    double minutes = 0;
    if (told && sscanf(told, ", about %lf:%lf", &minutes, &r->estimate_s) == 2)
        r->estimate_s += 60 * minutes;
    else if (told)
        r->estimate_s = minutes;
    if (out->kind == NB_ANSWER_TEXT && r->first_s == 0) r->first_s = now_s();
}

static void progress(void *user, const struct nb_progress *p) { (void)user, (void)p; }

static bool stopped(void *user)
{
    const struct run *r = user;
    return r->first_s > 0; /* the first word is enough */
}

static void begins(void *user)
{
    struct run *r = user;
    r->first_s = 0;
}

/* -- Pictures --------------------------------------------------------------------------------- */

/* Square noise, so that the grid of crops is square. */
static uint8_t *noise(struct run *r, size_t n)
{
    uint8_t *rgb = malloc(n);
    if (!rgb) die("no memory");
    for (size_t i = 0; i < n; i++) rgb[i] = (uint8_t)((r->seed = r->seed * 1664525u + 1) >> 24);
    return rgb;
}

static void write_picture(struct run *r, const char *path, int side)
{
    size_t n = (size_t)side * (size_t)side * 3;
    uint8_t *rgb = noise(r, n);
    FILE *f = fopen(path, "wb");
    if (!f || fprintf(f, "P6 %d %d 255\n", side, side) < 0 || fwrite(rgb, 1, n, f) != n ||
        fclose(f))
        die(path);
    free(rgb);
}

/* -- A notebook ------------------------------------------------------------------------------- */

static void say(struct run *r, const char *line)
{
    struct phi3v_error err;
    int rc = nb_eval(r->nb, line, NB_TYPED, NULL, &err);
    if (rc != PHI3V_E_CANCELLED) need(rc, &err);
}

/* Seconds to the first word, with a pause (negative: nothing is read ahead). */
static double ask_notebook(struct run *r, int n_crops, double pause_s)
{
    char line[100];
    struct phi3v_error err;
    write_picture(r, "picture.ppm", 600);
    snprintf(line, sizeof line, ":set num_crops %d", n_crops > 2 ? n_crops - 1 : 1);
    say(r, line);
    say(r, pause_s < 0 ? ":set ahead off" : ":set ahead on");
    r->estimate_s = 0;
    say(r, ":reset\n:load picture.ppm");
    nb_typing(r->nb, "");
    pause_for(r, pause_s);
    double asked = now_s();
    need(nb_ask(r->nb, "Which bar is the highest?", NB_TYPED, NULL, &err), &err);
    return r->first_s - asked;
}

static void open_notebook(struct run *r, struct phi3v_error *err)
{
    static const char *const no_dirs[] = {NULL};
    struct nb_options how = {.settings = &r->settings, .model_dirs = no_dirs};
    need(nb_new(&how, &r->front, &r->nb, err), err);
    need(nb_open_model(r->nb, r->model, err), err);
}

/* -- An engine -------------------------------------------------------------------------------- */

static phi3v_prompt *prompt_about(struct run *r, phi3v_image *image, int num_crops, int n_picture,
                                  int n_behind)
{
    struct phi3v_error err;
    phi3v_prompt *prompt;
    int n = n_picture + n_behind;
    int32_t *ids = malloc((size_t)n * sizeof *ids);
    if (!ids) die("no memory");
    for (int i = 0; i < n; i++) ids[i] = i < n_picture ? -1 : 1000 + 7 * i + n_behind;
    need(phi3v_prompt_ids_new(r->engine.model, ids, (size_t)n, &image, 1, num_crops, &prompt, &err),
         &err);
    free(ids);
    return prompt;
}

static double ask_engine(struct run *r, int n_crops, double pause_s)
{
    struct phi3v_error err;
    struct phi3v_image_plan plan;
    struct phi3v_timing timing;
    const int side = 600, num_crops = n_crops > 2 ? n_crops - 1 : 1;
    uint8_t *rgb = noise(r, (size_t)side * side * 3);
    phi3v_image *image;
    need(phi3v_image_from_rgb(rgb, side, side, &image, &err), &err);
    need(phi3v_image_plan(r->engine.model, image, num_crops, &plan, &err), &err);
    price_try(&r->engine.price, r->engine.model);
    r->estimate_s = price_s(&r->engine.price, r->engine.info, 1 + plan.crop_rows * plan.crop_cols,
                            0, plan.n_tokens + QUESTION_TOKENS);
    phi3v_session_clear(r->engine.session);
    if (pause_s >= 0) ahead_read(r->ahead, prompt_about(r, image, num_crops, plan.n_tokens, 5));
    pause_for(r, pause_s);
    phi3v_prompt *prompt = prompt_about(r, image, num_crops, plan.n_tokens, QUESTION_TOKENS);
    double asked = now_s();
    engine_begin(&r->engine);
    need(ahead_finish(r->ahead, prompt, engine_on_event, &r->engine), &err);
    need(phi3v_prefill(r->engine.session, prompt, NULL, NULL, &timing, &err), &err);
    double seconds = now_s() - asked;
    engine_add_up(&r->engine, &timing);
    phi3v_prompt_free(prompt);
    phi3v_image_free(image);
    free(rgb);
    r->first_s = 0;
    return seconds;
}

static void open_engine(struct run *r, struct phi3v_error *err)
{
    struct phi3v_model_options how;
    phi3v_model_options_default(&how);
    how.synthetic = "phi3v";
    how.dtype = r->dtype;
    engine_init(&r->engine, &r->front);
    need(phi3v_model_open(NULL, &how, &r->engine.model, err), err);
    need(phi3v_session_new(r->engine.model, &r->engine.session, err), err);
    r->engine.info = phi3v_model_info(r->engine.model);
    r->ahead = ahead_new(&r->engine);
    if (!r->ahead) die("no memory");
}

/* -- The tables ------------------------------------------------------------------------------- */

static void open_model(struct run *r)
{
    struct phi3v_error err;
    r->front = (struct nb_front){
        .output = output, .progress = progress, .stopped = stopped, .begins = begins, .user = r};
    need(settings_init(&r->settings, &err), &err);
    need(settings_set(&r->settings, "dtype", r->dtype, ~0, &err), &err);
    if (r->model)
        open_notebook(r, &err);
    else
        open_engine(r, &err);
}

static void close_model(struct run *r)
{
    nb_free(r->nb);
    ahead_free(r->ahead);
    if (r->engine.model) {
        phi3v_session_free(r->engine.session);
        phi3v_model_close(r->engine.model);
    }
    settings_free(&r->settings);
    r->nb = NULL;
    r->ahead = NULL;
    r->engine = (struct engine){0};
}

static double ask(struct run *r, int n_crops, double pause_s)
{
    return r->nb ? ask_notebook(r, n_crops, pause_s) : ask_engine(r, n_crops, pause_s);
}

/* The price is asked first of a model that was just opened: nothing is learnt yet but by the trial. */
static void prices(struct run *r)
{
    printf("%-6s %5s  %10s %10s %6s\n", "dtype", "crops", "told s", "was s", "ratio");
    for (int k = 0; k < r->crops.n; k++) {
        struct numbers told = {0}, was = {0};
        for (int i = 0; i < r->repeat; i++) {
            open_model(r);
            add(&was, ask(r, (int)r->crops.v[k], -1));
            add(&told, r->estimate_s);
            close_model(r);
        }
        double t = median(told), w = median(was);
        printf("%-6s %5.0f  %10.3g %10.3g %6.2f\n", r->dtype, r->crops.v[k], t, w, t / w);
        fflush(stdout);
    }
}

/* A pause can save what is done in it, and no more than all that can be done ahead. */
static void tell_pause(const struct run *r, int n_crops, double pause_s, double without_s,
                       double with_s, double work_s)
{
    double most = work_s > 0 && work_s < pause_s ? work_s : pause_s;
    printf("%-6s %5d  %7g  %9.3g %9.3g %9.3g %9.3g %5.0f%%\n", r->dtype, n_crops, pause_s,
           without_s, with_s, without_s - with_s, most, 100 * (without_s - with_s) / most);
}

static void pauses_of(struct run *r, int n_crops)
{
    struct numbers none = {0}, work = {0}, with[MOST] = {0};
    ask(r, n_crops, -1); /* the first one also fetches the weights */
    for (int i = 0; i < r->repeat; i++) {
        add(&none, ask(r, n_crops, -1));
        for (int p = 0; p < r->pauses.n; p++) {
            add(&with[p], ask(r, n_crops, r->pauses.v[p]));
            if (r->work_s > 0) add(&work, r->work_s);
        }
    }
    for (int p = 0; p < r->pauses.n; p++)
        tell_pause(r, n_crops, r->pauses.v[p], median(none), median(with[p]),
                   work.n ? median(work) : 0);
}

static void pauses(struct run *r)
{
    printf("%-6s %5s  %7s  %9s %9s %9s %9s %6s\n", "dtype", "crops", "pause s", "without s",
           "with s", "saved s", "of s", "share");
    open_model(r);
    for (int k = 0; k < r->crops.n; k++) {
        pauses_of(r, (int)r->crops.v[k]);
        fflush(stdout);
    }
    close_model(r);
}

static const struct option options[] = {
    {"synthetic", no_argument, NULL, 's'},    {"dtype", required_argument, NULL, 'd'},
    {"crops", required_argument, NULL, 'c'},  {"pause", required_argument, NULL, 'p'},
    {"repeat", required_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};

int main(int argc, char **argv)
{
    struct run r = {.repeat = 3, .seed = (unsigned)getpid(), .folder = "/tmp/first-word-XXXXXX"};
    const char *dtypes[MOST] = {"auto"}, *model = "models/default";
    int n_dtypes = 0;
    for (int c; (c = getopt_long(argc, argv, "m:", options, NULL)) != -1;) {
        if (c == 'm') model = optarg;
        if (c == 's') model = NULL;
        if (c == 'd' && n_dtypes < MOST) dtypes[n_dtypes++] = optarg;
        if (c == 'c') add(&r.crops, atof(optarg));
        if (c == 'p') add(&r.pauses, atof(optarg));
        if (c == 'r') r.repeat = atoi(optarg) < MOST ? atoi(optarg) : MOST;
        if (c == '?') return 2;
    }
    if (!r.crops.n) add(&r.crops, 5);
    r.model = model ? realpath(model, NULL) : NULL;
    if (model && !r.model) die("there is no such model");
    if (!mkdtemp(r.folder) || chdir(r.folder)) die("no temporary folder");
    for (int i = 0; i < (n_dtypes ? n_dtypes : 1); i++) {
        r.dtype = dtypes[i];
        if (r.pauses.n)
            pauses(&r);
        else
            prices(&r);
    }
    unlink("picture.ppm");
    rmdir(r.folder);
    free((char *)(uintptr_t)r.model);
    return 0;
}
