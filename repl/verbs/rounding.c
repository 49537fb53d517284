/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "verbs/rounding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/must.h"
#include "phi3v_tools.h"
#include "verbs/divergence.h"
#include "verbs/verb_report.h"

/* The forms of weights have the keys and values that --kv auto gives. */
static const struct choice {
    const char *name, *dtype, *vision_dtype, *kv;
} choices[] = {
    {"--dtype f32", "f32", "auto", "f32"},
    {"--dtype bf16", "bf16", "auto", "auto"},
    {"--dtype q8", "q8", "auto", "auto"},
    {"--dtype q4", "q4", "auto", "auto"},
    {"--dtype f32 --vision-dtype q8", "f32", "q8", "f32"},
    {"--dtype f32 --kv f16", "f32", "auto", "f16"},
    {"--dtype f32 --kv bf16", "f32", "auto", "bf16"},
    {"--dtype f32 --kv q8", "f32", "auto", "q8"},
};
enum { N_FORMS = sizeof choices / sizeof *choices };

struct form {
    struct bare_engine *bare;
    size_t right, changed, lost, won;
    struct divergence sum;
};

struct rounding {
    struct bare_engine *exact;
    struct form forms[N_FORMS]; // the first is exact
    struct bare_engine rounded[N_FORMS - 1];
    size_t n_asked;
};

/* -- Distributions -------------------------------------------------------------------------- */

/* The prompt followed by the expected answer. */
struct forced {
    int32_t *ids; // the prompt's, then the answer's
    size_t n_prompt, n;
    phi3v_image **images;
    int n_images;
    float *exact; // [n - n_prompt][n_vocab] logits that predict each token of the answer
};

static int force_truth(struct forced *f, struct bare_engine *b, const phi3v_prompt *prompt,
                       const char *truth, struct phi3v_error *err)
{
    int32_t *answer;
    size_t n_answer;
    int rc = phi3v_tokenize(b->engine.model, truth, strlen(truth), 0, 0, &answer, &n_answer, err);
    if (rc) return rc;
    const int32_t *ids = phi3v_prompt_ids(prompt, &f->n_prompt);
    f->n = f->n_prompt + n_answer;
    f->ids = xcalloc(f->n, sizeof *f->ids);
    memcpy(f->ids, ids, f->n_prompt * sizeof *ids);
    memcpy(f->ids + f->n_prompt, answer, n_answer * sizeof *ids);
    phi3v_ids_free(answer);
    f->n_images = phi3v_prompt_n_images(prompt);
    f->images = xcalloc((size_t)f->n_images + 1, sizeof(phi3v_image *));
    for (int i = 0; i < f->n_images; i++) f->images[i] = phi3v_prompt_image(prompt, i, NULL);
    return 0;
}

static void forced_free(struct forced *f)
{
    free(f->ids);
    free(f->images);
    free(f->exact);
}

/* Computes the logits that predict each token of the answer, one by one; the session reuses the
 * rest. */
static int forced_logits(const struct forced *f, struct bare_engine *b, float **ret_logits,
                         struct phi3v_error *err)
{
    size_t n_vocab = (size_t)b->engine.info->n_vocab;
    float *all = xcalloc(f->n - f->n_prompt, n_vocab * sizeof *all), *one;
    int rc = 0;
    for (size_t i = f->n_prompt; !rc && i < f->n; i++) {
        phi3v_prompt *p;
        rc = phi3v_prompt_ids_new(b->engine.model, f->ids, i, f->images, f->n_images,
                                  b->opt.set.num_crops, &p, err);
        if (rc) break;
        rc = phi3v_logits(b->engine.session, p, 0, bare_engine_on_progress, b, &one, NULL, err);
        phi3v_prompt_free(p);
        if (rc) break;
        memcpy(all + (i - f->n_prompt) * n_vocab, one, n_vocab * sizeof *all);
        phi3v_floats_free(one);
    }
    if (rc)
        free(all);
    else
        *ret_logits = all;
    return rc;
}

/* Compares a form's distributions with those of the first form, which are kept. */
static int compare_distributions(struct form *form, struct forced *f, struct phi3v_error *err)
{
    float *logits;
    int rc = forced_logits(f, form->bare, &logits, err);
    if (rc) return rc;
    if (!f->exact) f->exact = logits;
    divergence_add(&form->sum, logits, f->exact, f->ids + f->n_prompt - 1, f->n - f->n_prompt + 1,
                   (size_t)form->bare->engine.info->n_vocab);
    if (logits != f->exact) free(logits);
    return 0;
}

/* -- Answers -------------------------------------------------------------------------------- */

static int compare_answers(struct form *form, const phi3v_prompt *prompt,
                           const struct rounding_turn *turn, struct phi3v_error *err)
{
    struct bare_engine *b = form->bare;
    struct phi3v_params params;
    struct phi3v_result result = {.size = sizeof result};
    const char **stop = xcalloc(b->opt.set.stop.n + 1, sizeof *stop);
    settings_params(&b->opt.set, &params, stop);
    int rc = phi3v_generate(b->engine.session, prompt, &params, bare_engine_on_progress, b, &result,
                            err);
    free(stop);
    if (rc) return rc;
    const char *text = result.text ? result.text : "";
    bool right = turn->is_right(text, turn->user);
    form->right += right;
    form->changed += strcmp(text, turn->text) != 0;
    form->lost += turn->right && !right;
    form->won += !turn->right && right;
    rc = result.finish == PHI3V_FINISH_INTERRUPTED ? refuse(err, PHI3V_E_CANCELLED, "interrupted")
                                                   : 0;
    phi3v_result_fini(&result);
    return rc;
}

/* Asks one form; the exact one has already answered. */
static int ask_form(struct form *form, bool is_exact, const struct rounding_turn *turn,
                    struct forced *f, struct phi3v_error *err)
{
    struct bare_engine *b = form->bare;
    phi3v_prompt *prompt;
    struct phi3v_prompt_options how;
    phi3v_prompt_options_default(&how);
    how.num_crops = b->opt.set.num_crops;
    int rc = phi3v_prompt_chat(b->engine.model, turn->turns, turn->n_turns, &how, &prompt, err);
    if (rc) return rc;
    if (turn->truth && !f->ids) rc = force_truth(f, b, prompt, turn->truth, err);
    if (!rc && turn->truth) rc = compare_distributions(form, f, err);
    if (!rc && !is_exact) rc = compare_answers(form, prompt, turn, err);
    progress_clear(&b->progress);
    phi3v_prompt_free(prompt);
    return rc;
}

int rounding_ask(struct rounding *r, const struct rounding_turn *turn, struct phi3v_error *err)
{
    struct forced f = {0};
    int rc = 0;
    r->forms[0].right += turn->right;
    for (int i = 0; !rc && i < N_FORMS; i++) rc = ask_form(&r->forms[i], i == 0, turn, &f, err);
    forced_free(&f);
    r->n_asked += !rc;
    return rc;
}

/* -- Models --------------------------------------------------------------------------------- */

static void choose(char **option, const char *value)
{
    free(*option);
    *option = xstrdup(value);
}

static void choose_form(struct settings *s, const struct choice *c)
{
    choose(&s->dtype, c->dtype);
    choose(&s->vision_dtype, c->vision_dtype);
    choose(&s->kv, c->kv);
}

void rounding_exact(struct settings *s) { choose_form(s, &choices[0]); }

int rounding_open(struct bare_engine *exact, struct rounding **ret, struct phi3v_error *err)
{
    struct rounding *r = xcalloc(1, sizeof *r);
    r->exact = exact;
    r->forms[0].bare = exact;
    int rc = 0;
    for (int i = 1; !rc && i < N_FORMS; i++) {
        struct bare_engine *b = r->forms[i].bare = &r->rounded[i - 1];
        bare_engine_init(b, &exact->opt);
        choose_form(&b->opt.set, &choices[i]);
        rc = bare_engine_open_model(b, err);
    }
    if (rc)
        rounding_close(r);
    else
        *ret = r;
    return rc;
}

void rounding_close(struct rounding *r)
{
    if (!r) return;
    for (int i = 1; i < N_FORMS; i++)
        if (r->forms[i].bare) bare_engine_fini(r->forms[i].bare);
    free(r);
}

/* -- Output --------------------------------------------------------------------------------- */

static void show_json(const struct rounding *r, int i)
{
    const struct form *f = &r->forms[i];
    struct divergence mean = divergence_means(&f->sum);
    json_t *line = json_pack(
        "{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:f}", "options", choices[i].name, "answers",
        (json_int_t)r->n_asked, "right", (json_int_t)f->right, "changed", (json_int_t)f->changed,
        "right_in_f32_only", (json_int_t)f->lost, "right_in_this_only", (json_int_t)f->won,
        "tokens", (json_int_t)mean.n, "perplexity", exp(mean.nll), "kl", mean.kl, "kl_max",
        mean.kl_max, "agree", mean.agree);
    verb_report_json(line);
    json_decref(line);
}

static void print_row(const struct rounding *r, int i)
{
    const struct form *f = &r->forms[i];
    struct divergence mean = divergence_means(&f->sum);
    double asked = r->n_asked ? (double)r->n_asked : 1;
    double points = 100 * ((double)r->forms[0].right - (double)f->right) / asked;
    printf("%-30s %5zu %6.1f %7.1f %8zu %8zu %8zu %9.3f %9.5f %8.3f %7.2f\n", choices[i].name,
           f->right, 100 * (double)f->right / asked, points, f->changed, f->lost, f->won,
           exp(mean.nll), mean.kl, mean.kl_max, 100 * mean.agree);
}

void rounding_print(const struct rounding *r)
{
    if (!r->exact->opt.json) {
        printf("%zu answers, %lld predicted tokens\n", r->n_asked, (long long)r->forms[0].sum.n);
        printf("%-30s %5s %6s %7s %8s %8s %8s %9s %9s %8s %7s\n", "", "right", "%", "points",
               "answers", "right in", "right in", "perplex-", "KL, mean", "KL,", "first");
        printf("%-30s %5s %6s %7s %8s %8s %8s %9s %9s %8s %7s\n", "", "", "", "lost", "changed",
               "f32 only", "it only", "ity", "nats", "largest", "same %");
    }
    for (int i = 0; i < N_FORMS; i++)
        if (r->exact->opt.json)
            show_json(r, i);
        else
            print_row(r, i);
}
