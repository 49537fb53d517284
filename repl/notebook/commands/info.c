/* SPDX-License-Identifier: GPL-3.0-or-later
 * Commands that tell and set: :info :stats :context :prompt :set :system :model */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "notebook/commands.h"
#include "tty/interrupt.h"
#include "notebook/words.h"

/* -- :info, :stats, :context ---------------------------------------------------------------- */

int command_info(struct repl *r, char *args, struct phi3v_error *err)
{
    (void)args, (void)err;
    const struct phi3v_model_info *m = r->app.info;
    char weights[32], kv[32];
    fprintf(r->say, "model    ");
    say_name(r, m->name);
    fprintf(r->say, " in ");
    say_name(r, m->path);
    fprintf(r->say, "\n");
    if (m->description) {
        fprintf(r->say, "         ");
        say_name(r, m->description);
        fprintf(r->say, "\n");
    }
    fprintf(r->say, "size     %.1f million parameters, %s of weights, %d layers of %d, %d heads\n",
            (double)m->n_params / 1e6,
            human_bytes((double)m->weights_bytes, weights, sizeof weights), m->n_layers, m->hidden,
            m->n_heads);
    fprintf(r->say,
            "vision   %d layers of %d, crops of %dx%d pixels, %d tokens each, up to %d crops\n",
            m->vision_layers, m->vision_width, m->crop_side, m->crop_side, m->crop_tokens,
            m->num_crops);
    fprintf(r->say, "device   ");
    say_name(r, m->device);
    fprintf(r->say, ", %s arithmetic\n", m->dtype);
    fprintf(r->say, "context  %lld tokens of the model's %lld, %s a token\n", (long long)m->ctx,
            (long long)m->ctx_model, human_bytes((double)m->kv_bytes_per_token, kv, sizeof kv));
    fprintf(r->say, "foreach  %d answer%s at once\n", m->answers_at_once,
            m->answers_at_once == 1 ? "" : "s");
    if (r->term) {
        fprintf(r->say, "terminal\n");
        term_describe(r->term, r->say);
    }
    return 0;
}

static double per_second(int64_t n, double s) { return s > 0 ? (double)n / s : 0; }

int command_stats(struct repl *r, char *args, struct phi3v_error *err)
{
    (void)args, (void)err;
    const struct phi3v_timing *t = &r->total;
    struct rusage usage = {0};
    char rss[32];
    getrusage(RUSAGE_SELF, &usage);
    fprintf(r->say, "model loaded in %.2f s, %d answer%s\n", r->app.load_s, r->n_answers,
            r->n_answers == 1 ? "" : "s");
    const struct cell *last = r->book.n ? &r->book.v[r->book.n - 1] : NULL;
    if (last && last->first_token_s > 0)
        fprintf(r->say, "cell %-3d first token after %.2f s, %lld tokens at %.1f/s\n", r->book.n,
                last->first_token_s, (long long)last->timing.decode_tokens,
                per_second(last->timing.decode_tokens, last->timing.decode_s));
    fprintf(r->say, "pictures %d crops encoded in %.2f s\n", t->vision_crops, t->vision_s);
    fprintf(r->say, "prompts  %lld tokens read at %.0f/s, %lld reused\n",
            (long long)t->prefill_tokens, per_second(t->prefill_tokens, t->prefill_s),
            (long long)t->cached_tokens);
    fprintf(r->say, "answers  %lld tokens at %.1f/s\n", (long long)t->decode_tokens,
            per_second(t->decode_tokens, t->decode_s));
    fprintf(r->say, "memory   %s at most\n",
            human_bytes((double)usage.ru_maxrss * 1024, rss, sizeof rss));
    return 0;
}

enum { BAR = 40 };

/* Tokens of the conversation up to and with cell i. */
static int tokens_to(struct repl *r, int i, size_t *ret_n, struct phi3v_error *err)
{
    phi3v_prompt *prompt;
    int rc = book_prompt(&r->book, i, r->app.model, &r->app.opt, false, &prompt, err);
    if (rc) return rc;
    phi3v_prompt_ids(prompt, ret_n);
    *ret_n += r->book.v[i].n_ids;
    phi3v_prompt_free(prompt);
    return 0;
}

int command_context(struct repl *r, char *args, struct phi3v_error *err)
{
    (void)args;
    size_t before = 0, n = 0;
    double ctx = (double)(r->app.info->ctx > 0 ? r->app.info->ctx : 1);
    for (int i = 0; i < r->book.n; i++) {
        int rc = tokens_to(r, i, &n, err);
        if (rc) return rc;
        size_t own = n > before ? n - before : 0;
        int bar = (int)(BAR * (double)own / ctx + 0.999);
        fprintf(r->say, "cell %-3d %6zu tokens %5.1f%% %.*s\n", i + 1, own,
                100.0 * (double)own / ctx, bar > BAR ? BAR : bar,
                "########################################");
        before = n;
    }
    fprintf(r->say, "%zu of %lld tokens\n", n, (long long)r->app.info->ctx);
    return 0;
}

/* -- :prompt -------------------------------------------------------------------------------- */

static int say_run(struct repl *r, const int32_t *ids, size_t n, bool as_ids,
                   struct phi3v_error *err)
{
    if (ids[0] < 0) {
        fprintf(r->say, as_ids ? "%d×%zu " : "<|image_%d|>×%zu", as_ids ? ids[0] : -ids[0], n);
        return 0;
    }
    for (size_t i = 0; as_ids && i < n; i++) fprintf(r->say, "%d ", ids[i]);
    if (as_ids) return 0;
    char *text;
    size_t n_bytes;
    int rc = phi3v_detokenize(r->app.model, ids, n, 1, &text, &n_bytes, err);
    if (rc) return rc;
    say_text(r, text);
    phi3v_string_free(text);
    return 0;
}

static int say_prompt(struct repl *r, const phi3v_prompt *prompt, bool as_ids,
                      struct phi3v_error *err)
{
    size_t n;
    const int32_t *ids = phi3v_prompt_ids(prompt, &n);
    int rc = 0;
    for (size_t i = 0, k; i < n && !rc; i = k) {
        for (k = i + 1; k < n && (ids[i] < 0 ? ids[k] == ids[i] : ids[k] >= 0);) k++;
        rc = say_run(r, ids + i, k - i, as_ids, err);
    }
    fprintf(r->say, "\n%zu tokens\n", n);
    return rc;
}

int command_prompt(struct repl *r, char *args, struct phi3v_error *err)
{
    struct strings words;
    words_split(args, &words);
    bool as_ids = words.n > 0 && !strcmp(words.v[words.n - 1], "ids");
    size_t n = words.n - as_ids;
    int i = 0, rc = n > 1 ? refuse(err, PHI3V_E_ARGUMENT, ":prompt [n] [ids]")
                          : cell_index(r, n ? words.v[0] : "_", &i, err);
    strings_free(&words);
    if (rc) return rc;
    phi3v_prompt *prompt;
    rc = book_prompt(&r->book, i, r->app.model, &r->app.opt, false, &prompt, err);
    if (rc) return rc;
    rc = say_prompt(r, prompt, as_ids, err);
    phi3v_prompt_free(prompt);
    return rc;
}

/* -- :set, :system, :model ------------------------------------------------------------------ */

static void say_setting(struct repl *r, const struct options *fresh, const struct option_spec *spec)
{
    char *value = option_value(&r->app.opt, spec), *usual = option_value(fresh, spec);
    char *name = xstrdup(spec->name);
    for (char *p = name; *p; p++)
        if (*p == '-') *p = '_';
    bool same = !strcmp(value, usual);
    fprintf(r->say, "%c %-19s ", same ? ' ' : '*', name);
    say_name(r, *value ? value : "-");
    if (!same) fprintf(r->say, "   (default %s)", *usual ? usual : "-");
    fprintf(r->say, "   %s\n", spec->help);
    free(name);
    free(value);
    free(usual);
}

static void say_settings(struct repl *r, const struct option_spec *only)
{
    struct options fresh;
    options_init(&fresh);
    for (int i = 0; i < n_options; i++)
        if (only ? &option_table[i] == only : option_table[i].use & OPTION_SETTING)
            say_setting(r, &fresh, &option_table[i]);
    options_free(&fresh);
}

int command_set(struct repl *r, char *args, struct phi3v_error *err)
{
    if (!*args) {
        say_settings(r, NULL);
        return 0;
    }
    char *value = args + strcspn(args, " \t=");
    bool has_value = *value;
    if (has_value) {
        *value++ = 0;
        value += strspn(value, " \t=");
    }
    const struct option_spec *spec = option_find(args, OPTION_SETTING);
    if (!spec) return options_set(&r->app.opt, args, value, OPTION_SETTING, err);
    if (!has_value) {
        say_settings(r, spec);
        return 0;
    }
    if (spec->use & OPTION_LOAD)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "%s is fixed once the model is loaded: start with --%s", args, spec->name);
    if (!strcmp(value, "\"\"") || !strcmp(value, "''")) *value = 0;
    int rc = options_set(&r->app.opt, args, value, OPTION_SETTING, err);
    if (!rc && !strcmp(spec->name, "graphics") && r->term)
        term_set_graphics(r->term, r->app.opt.graphics);
    return rc;
}

int command_system(struct repl *r, char *args, struct phi3v_error *err)
{
    if (!*args) {
        say_name(r, *r->app.opt.system ? r->app.opt.system : "no system turn");
        fputc('\n', r->say);
        return 0;
    }
    if (!strcmp(args, "off") || !strcmp(args, "\"\"")) *args = 0;
    int rc = options_set(&r->app.opt, "system", args, OPTION_SETTING, err);
    if (!rc) run_tell_stale(r, -1);
    return rc;
}

int command_model(struct repl *r, char *args, struct phi3v_error *err)
{
    if (!*args) return command_info(r, args, err);
    interrupt_clear();
    int rc = app_switch_model(&r->app, args, err);
    if (rc) return rc;
    r->s_per_crop = r->s_per_token = 0;
    fprintf(r->say, "model ");
    say_name(r, r->app.info->name);
    fprintf(r->say, ", ");
    say_name(r, r->app.info->device);
    fputc('\n', r->say);
    return 0;
}
