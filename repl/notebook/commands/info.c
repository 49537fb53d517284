/* SPDX-License-Identifier: MIT
 * Commands that only report: :info :stats :context :prompt :history :help, and :quit */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "notebook/commands.h"
#include "notebook/prompt.h"

/* -- :info, :stats, :context ------------------------------------------------------------------ */

static void add_facts(struct text *t, const struct phi3v_model_info *m)
{
    char weights[32], kv[32];
    text_addf(t, "size     %.1f million parameters, %s of weights, %d layers of %d, %d heads\n",
              (double)m->n_params / 1e6,
              human_bytes((double)m->weights_bytes, weights, sizeof weights), m->n_layers,
              m->hidden, m->n_heads);
    text_addf(t,
              "vision   %d layers of %d, crops of %dx%d pixels, %d tokens each, up to %d crops\n",
              m->vision_layers, m->vision_width, m->crop_side, m->crop_side, m->crop_tokens,
              m->num_crops);
    text_addf(t, "device   %s, %s arithmetic\n", m->device, m->dtype);
    text_addf(t, "context  %lld tokens of the model's %lld, %s a token\n", (long long)m->ctx,
              (long long)m->ctx_model, human_bytes((double)m->kv_bytes_per_token, kv, sizeof kv));
}

int command_info(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    const struct phi3v_model_info *m = nb->engine.info;
    struct text t = {0};
    text_addf(&t, nb->engine.model ? "model    %s in %s\n" : "model    %s at %s\n", m->name,
              m->path);
    if (m->description) text_addf(&t, "         %s\n", m->description);
    if (nb->engine.model)
        add_facts(&t, m);
    else if (m->ctx > 0)
        text_addf(&t, "context  %lld tokens\n", (long long)m->ctx);
    int at_once = engine_at_once(&nb->engine, &nb->now);
    text_addf(&t, "foreach  %d answer%s at once\n", at_once, at_once == 1 ? "" : "s");
    if (nb->front.describe) nb->front.describe(nb->front.user, &t);
    report_text(nb, &t);
    bool failed = t.failed;
    text_free(&t);
    return failed ? memory_error(err) : 0;
}

static double per_second(int64_t n, double s) { return s > 0 ? (double)n / s : 0; }

int command_stats(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    const struct engine *e = &nb->engine;
    const struct phi3v_timing *t = &e->total;
    struct rusage usage = {0};
    char rss[32];
    (void)err;
    getrusage(RUSAGE_SELF, &usage);
    report(nb, "model loaded in %.2f s, %d answer%s\n", e->load_s, e->n_answers,
           e->n_answers == 1 ? "" : "s");
    const struct cell *last = nb->book.n ? &nb->book.v[nb->book.n - 1] : NULL;
    if (last && last->first_token_s > 0)
        report(nb, "cell %-3d first token after %.2f s, %lld tokens at %.1f/s\n", nb->book.n,
               last->first_token_s, (long long)last->timing.decode_tokens,
               per_second(last->timing.decode_tokens, last->timing.decode_s));
    report(nb, "pictures %d crops encoded in %.2f s\n", t->vision_crops, t->vision_s);
    report(nb, "prompts  %lld tokens read at %.0f/s, %lld reused\n", (long long)t->prefill_tokens,
           per_second(t->prefill_tokens, t->prefill_s), (long long)t->cached_tokens);
    report(nb, "answers  %lld tokens at %.1f/s\n", (long long)t->decode_tokens,
           per_second(t->decode_tokens, t->decode_s));
    report(nb, "memory   %s at most\n",
           human_bytes((double)usage.ru_maxrss * 1024, rss, sizeof rss));
    return 0;
}

enum { BAR = 40 };

/* The prompt of cell i as it would be built now. */
static int prompt_of(struct notebook *nb, int i, struct question *ret, struct phi3v_error *err)
{
    struct inherited s;
    struct cell *c = &nb->book.v[i];
    phi3v_model *model;
    int rc = engine_model(&nb->engine, "the exact prompt", &model, err);
    if (!rc) rc = book_inherited(&nb->book, i, &s, err);
    if (rc) return rc;
    rc = inherited_apply(&s, &c->lines, err);
    if (!rc) rc = prompt_build(nb, i, &s.settings, false, ret, err);
    inherited_free(&s);
    return rc;
}

int command_context(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    size_t before = 0, n = 0;
    double ctx = (double)(nb->engine.info->ctx > 0 ? nb->engine.info->ctx : 1);
    engine_begin(&nb->engine);
    for (int i = 0; i < nb->book.n; i++) {
        struct question q;
        if (engine_stopped(&nb->engine)) return 1;
        int rc = prompt_of(nb, i, &q, err);
        if (rc) return rc;
        n = (size_t)q.n_tokens + nb->book.v[i].n_ids;
        question_fini(&q);
        size_t own = n > before ? n - before : 0;
        int bar = (int)(BAR * (double)own / ctx + 0.999);
        report(nb, "cell %-3d %6zu tokens %5.1f%% %.*s\n", i + 1, own, 100.0 * (double)own / ctx,
               bar > BAR ? BAR : bar, "########################################");
        before = n;
    }
    report(nb, "%zu of %lld tokens\n", n, (long long)nb->engine.info->ctx);
    return 0;
}

/* -- :prompt ---------------------------------------------------------------------------------- */

/* Adds the rows of one picture, or ids of text. */
static int add_run(const struct notebook *nb, struct text *t, const int32_t *ids, size_t n,
                   bool as_ids, struct phi3v_error *err)
{
    if (ids[0] < 0) {
        text_addf(t, as_ids ? "%d×%zu " : "<|image_%d|>×%zu", as_ids ? ids[0] : -ids[0], n);
        return 0;
    }
    for (size_t i = 0; as_ids && i < n; i++) text_addf(t, "%d ", ids[i]);
    if (as_ids) return 0;
    char *text;
    size_t n_bytes;
    int rc = phi3v_detokenize(nb->engine.model, ids, n, 1, &text, &n_bytes, err);
    if (rc) return rc;
    text_add(t, text);
    phi3v_string_free(text);
    return 0;
}

static int say_prompt(struct notebook *nb, const phi3v_prompt *prompt, bool as_ids,
                      struct phi3v_error *err)
{
    size_t n;
    const int32_t *ids = phi3v_prompt_ids(prompt, &n);
    struct text t = {0};
    int rc = 0;
    for (size_t i = 0, k; i < n && !rc; i = k) {
        for (k = i + 1; k < n && (ids[i] < 0 ? ids[k] == ids[i] : ids[k] >= 0);) k++;
        rc = add_run(nb, &t, ids + i, k - i, as_ids, err);
    }
    text_addf(&t, "\n%zu tokens\n", n);
    if (!rc && t.failed) rc = memory_error(err);
    if (!rc) report_text(nb, &t);
    text_free(&t);
    return rc;
}

int command_prompt(struct call *c, struct phi3v_error *err)
{
    struct words words;
    int i = 0, rc = words_split(c->args, &words, err);
    if (rc) return rc;
    bool as_ids = words.n > 0 && !strcmp(words.v[words.n - 1].text, "ids");
    size_t n = words.n - as_ids;
    rc = n > 1 ? refuse(err, PHI3V_E_ARGUMENT, ":prompt [n] [ids]")
               : cell_index(c->nb, n ? words.v[0].text : "_", &i, err);
    words_free(&words);
    if (rc) return rc;
    struct question q;
    rc = prompt_of(c->nb, i, &q, err);
    if (rc) return rc;
    rc = say_prompt(c->nb, q.prompt, as_ids, err);
    question_fini(&q);
    return rc;
}

/* -- :history, :help, :quit ------------------------------------------------------------------- */

int command_history(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    const char *pattern = NULL;
    if (!strncmp(c->args, "-g", 2) && strspn(c->args + 2, " \t"))
        pattern = c->args + 2 + strspn(c->args + 2, " \t");
    if (*c->args && (!pattern || !*pattern))
        return refuse(err, PHI3V_E_ARGUMENT, ":history [-g PATTERN]");
    struct strings list = {0};
    int rc = nb->front.history ? nb->front.history(nb->front.user, &list, err) : 0;
    for (size_t i = 0; i < list.n && !rc; i++)
        if (!pattern || strstr(list.v[i], pattern)) report(nb, "%s\n", list.v[i]);
    strings_free(&list);
    return rc;
}

int command_help(struct call *c, struct phi3v_error *err)
{
    unsigned before = memory_failures();
    char *text = help_text(c->args);
    if (!text && memory_failures() != before) return memory_error(err);
    if (!text) {
        const char *topic = *c->args == ':' ? c->args + 1 : c->args;
        (void)command_find(topic, err); /* sets the reason why there is no help */
        return PHI3V_E_ARGUMENT;
    }
    report(c->nb, "%s", text);
    free(text);
    return 0;
}

int command_quit(struct call *c, struct phi3v_error *err)
{
    (void)err;
    c->nb->quit = true;
    return 0;
}
