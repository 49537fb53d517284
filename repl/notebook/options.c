/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/limits.h"
#include "notebook/options.h"

/* -- The table ------------------------------------------------------------------------------ */

#define AT(field) offsetof(struct options, field)

enum {
    LOAD = OPTION_COMMON | OPTION_SETTING | OPTION_LOAD,
    ANSWER = OPTION_COMMON | OPTION_SETTING | OPTION_ANSWER,
    SETTING = OPTION_COMMON | OPTION_SETTING,
};

const struct option_spec option_table[] = {
    {"model", 'm', OPTION_TEXT, OPTION_COMMON, AT(model), 0, 0, NULL, "MODEL",
     "folder, ORG/NAME[@REV] in the Hugging Face cache, or a short name such as default"},
    {"image", 'i', OPTION_LIST, OPTION_COMMON, AT(images), 0, 0, NULL, "IMAGE",
     "picture: file, URL, data: or - for standard input; may be repeated"},
    {"device", 0, OPTION_TEXT, LOAD, AT(device), 0, 0, NULL, "auto|cpu|cuda[:N]",
     "where to compute"},
    {"dtype", 0, OPTION_CHOICE, LOAD, AT(dtype), 0, 0, "auto|f32|bf16|q8|q4", "TYPE",
     "arithmetic: auto|f32|bf16|q8|q4 (f32 is exact)"},
    {"vision-dtype", 0, OPTION_CHOICE, LOAD, AT(vision_dtype), 0, 0, "auto|f32|bf16|q8", "TYPE",
     "the same for what looks at pictures: auto|f32|bf16|q8 (auto: as --dtype, q8 with q4)"},
    {"kv", 0, OPTION_CHOICE, LOAD, AT(kv), 0, 0, "auto|f32|f16|bf16|q8", "TYPE",
     "keys and values in memory: auto|f32|f16|bf16|q8 (auto: f32 with f32 arithmetic, else f16)"},
    {"threads", 0, OPTION_INT, LOAD, AT(threads), 0, 4096, NULL, "N", "0: one per core"},
    {"ctx", 0, OPTION_INT64, LOAD, AT(ctx), 0, 1e9, NULL, "N",
     "tokens a conversation may hold; 0: what free memory allows"},
    {"num-crops", 0, OPTION_INT, ANSWER, AT(num_crops), 0, 256, NULL, "N",
     "most tiles of a picture; 0: the model's own number"},
    {"max-new-tokens", 0, OPTION_INT, ANSWER, AT(max_new_tokens), 1, 1e9, NULL, "N",
     "longest answer"},
    {"temperature", 0, OPTION_REAL, ANSWER, AT(temperature), 0, 100, NULL, "X",
     "0: always the most probable token"},
    {"top-k", 0, OPTION_INT, ANSWER, AT(top_k), 0, 1e6, NULL, "N", "0: off"},
    {"top-p", 0, OPTION_REAL, ANSWER, AT(top_p), 0, 1, NULL, "X", "1: off"},
    {"min-p", 0, OPTION_REAL, ANSWER, AT(min_p), 0, 1, NULL, "X", "0: off"},
    {"repetition-penalty", 0, OPTION_REAL, ANSWER, AT(repetition_penalty), 0.01, 100, NULL, "X",
     "1: off"},
    {"seed", 0, OPTION_UINT64, ANSWER, AT(seed), 0, 0, NULL, "N", "of the sampler"},
    {"stop", 0, OPTION_LIST, ANSWER, AT(stop), 0, 0, NULL, "STR",
     "text that ends the answer; may be repeated"},
    {"stop-mode", 0, OPTION_CHOICE, ANSWER, AT(stop_mode), 0, 0, "default|reference", "MODE",
     "reference: only the model files' own end tokens; default: <|end|> too"},
    {"keep-special", 0, OPTION_FLAG, ANSWER, AT(keep_special), 0, 0, NULL, NULL,
     "show special tokens such as <|end|> in answers"},
    {"exif", 0, OPTION_ONOFF, SETTING, AT(exif), 0, 0, NULL, "on|off",
     "turn photographs as their EXIF data says; on unless said otherwise"},
    {"fetch-timeout", 0, OPTION_INT, SETTING, AT(fetch_timeout), 1, 86400, NULL, "SECONDS",
     "longest time to fetch a picture's URL; 60 unless said otherwise"},
    {"fetch-mib", 0, OPTION_INT, SETTING, AT(fetch_mib), 1, 4096, NULL, "N",
     "largest file of a picture in MiB; 256 unless said otherwise"},
    {"system", 0, OPTION_TEXT, SETTING, AT(system), 0, 0, NULL, "TEXT",
     "system turn before the conversation"},
    {"layout", 0, OPTION_CHOICE, SETTING, AT(layout), 0, 0, "auto|beside|above", "LAYOUT",
     "pictures beside the answer or above it: auto|beside|above"},
    {"graphics", 0, OPTION_CHOICE, SETTING, AT(graphics), 0, 0, "auto|sixel|blocks|ascii|none",
     "KIND", "how to draw: auto|sixel|blocks|ascii|none"},
    {"json", 0, OPTION_FLAG, OPTION_COMMON, AT(json), 0, 0, NULL, NULL,
     "one JSON object a line instead of text"},
    {"plain", 0, OPTION_FLAG, SETTING, AT(plain), 0, 0, NULL, NULL,
     "no pictures, no colours, no styling"},
    {"no-history", 0, OPTION_FLAG, OPTION_COMMON, AT(no_history), 0, 0, NULL, NULL,
     "neither read nor write the input history"},
    {"offline", 0, OPTION_FLAG, OPTION_COMMON, AT(offline), 0, 0, NULL, NULL,
     "fetch nothing from the network"},
    {"allow-private-urls", 0, OPTION_FLAG, OPTION_COMMON, AT(allow_private_urls), 0, 0, NULL, NULL,
     "pictures named by a notebook may come from private addresses too"},
    {"raw", 0, OPTION_FLAG, OPTION_COMMON, AT(raw), 0, 0, NULL, NULL,
     "PROMPT is the whole formatted prompt, special tokens and placeholders included"},
    {"out", 'o', OPTION_TEXT, OPTION_DEBUG, AT(out), 0, 0, NULL, "FILE", "file to write"},
    {"ids", 0, OPTION_TEXT, OPTION_DEBUG, AT(ids_file), 0, 0, NULL, "FILE",
     "JSON array of token ids instead of a prompt"},
    {"all", 0, OPTION_FLAG, OPTION_DEBUG, AT(all), 0, 0, NULL, NULL,
     "logits behind every token, not only the last"},
    {"decode", 0, OPTION_FLAG, OPTION_DEBUG, AT(decode), 0, 0, NULL, NULL, "ids to text"},
    {"no-bos", 0, OPTION_FLAG, OPTION_DEBUG, AT(no_bos), 0, 0, NULL, NULL,
     "leave the begin token out"},
    {"blank", 0, OPTION_FLAG, OPTION_EVAL, AT(blank), 0, 0, NULL, NULL,
     "white pictures of the same size: what is still right was guessed"},
    {"rounding", 0, OPTION_FLAG, OPTION_EVAL, AT(rounding), 0, 0, NULL, NULL,
     "what the rounded forms of the model lose against the exact one"},
    {"type", 0, OPTION_CHOICE, OPTION_QUANTIZE, AT(type), 0, 0, "q8|q4", "TYPE",
     "what to pack into: q8|q4"},
    {"help", 'h', OPTION_FLAG, OPTION_COMMON | OPTION_DEBUG | OPTION_QUANTIZE, AT(help), 0, 0, NULL,
     NULL, "this help"},
};
const int n_options = (int)(sizeof option_table / sizeof option_table[0]);

/* -- Life ----------------------------------------------------------------------------------- */

static void *field(const struct options *opt, const struct option_spec *spec)
{
    return (char *)(uintptr_t)opt + spec->offset;
}

static bool owns_text(const struct option_spec *spec)
{
    return spec->type == OPTION_TEXT || spec->type == OPTION_CHOICE;
}

void options_init(struct options *opt)
{
    struct phi3v_params params;
    phi3v_params_default(&params);
    *opt = (struct options){.max_new_tokens = params.max_new_tokens,
                            .temperature = params.temperature,
                            .top_k = params.top_k,
                            .top_p = params.top_p,
                            .min_p = params.min_p,
                            .repetition_penalty = params.repetition_penalty,
                            .seed = params.seed,
                            .exif = true,
                            .fetch_timeout = (int)NET_PICTURE_S,
                            .fetch_mib = NET_PICTURE_MIB};
    opt->device = xstrdup("auto");
    opt->dtype = xstrdup("auto");
    opt->vision_dtype = xstrdup("auto");
    opt->kv = xstrdup("auto");
    opt->stop_mode = xstrdup("default");
    opt->system = xstrdup("");
    opt->layout = xstrdup("auto");
    opt->graphics = xstrdup("auto");
}

void options_free(struct options *opt)
{
    for (int i = 0; i < n_options; i++) {
        const struct option_spec *spec = &option_table[i];
        if (owns_text(spec))
            free(*(char **)field(opt, spec));
        else if (spec->type == OPTION_LIST)
            strings_free(field(opt, spec));
    }
    *opt = (struct options){0};
}

void options_copy(struct options *to, const struct options *from)
{
    *to = *from;
    for (int i = 0; i < n_options; i++) {
        const struct option_spec *spec = &option_table[i];
        if (owns_text(spec)) {
            const char *s = *(char **)field(from, spec);
            *(char **)field(to, spec) = s ? xstrdup(s) : NULL;
        } else if (spec->type == OPTION_LIST) {
            struct strings *list = field(to, spec);
            *list = (struct strings){0};
            strings_copy(list, field(from, spec));
        }
    }
}

/* -- Values --------------------------------------------------------------------------------- */

static bool in_choices(const char *choices, const char *value)
{
    size_t n = strlen(value);
    for (const char *p = choices; n > 0; p++) {
        const char *end = strchrnul(p, '|');
        if ((size_t)(end - p) == n && !strncmp(p, value, n)) return true;
        if (!*end) break;
        p = end;
    }
    return false;
}

static int bad_value(const struct option_spec *spec, const char *value, const char *allowed,
                     struct phi3v_error *err)
{
    return refuse(err, PHI3V_E_ARGUMENT, "%s must be %s, not \"%s\"", spec->name, allowed, value);
}

static int set_bool(const struct option_spec *spec, bool *to, const char *value,
                    struct phi3v_error *err)
{
    bool on = in_choices("on|1|yes|true", value);
    if (!on && !in_choices("off|0|no|false", value))
        return bad_value(spec, value, "on or off", err);
    *to = on;
    return 0;
}

static int set_number(const struct option_spec *spec, void *to, const char *value,
                      struct phi3v_error *err)
{
    char *end, allowed[80];
    bool whole = spec->type != OPTION_REAL;
    errno = 0;
    long long n = whole ? strtoll(value, &end, 10) : 0;
    double x = whole ? (double)n : strtod(value, &end);
    if (!*value || *end || errno || !isfinite(x) || x < spec->min || x > spec->max) {
        snprintf(allowed, sizeof allowed, "a %snumber from %g to %g", whole ? "whole " : "",
                 spec->min, spec->max);
        return bad_value(spec, value, allowed, err);
    }
    if (spec->type == OPTION_INT)
        *(int *)to = (int)n;
    else if (spec->type == OPTION_INT64)
        *(int64_t *)to = n;
    else
        *(double *)to = x;
    return 0;
}

static int set_uint64(const struct option_spec *spec, uint64_t *to, const char *value,
                      struct phi3v_error *err)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end || errno)
        return bad_value(spec, value, "a whole number from 0 to 18446744073709551615", err);
    *to = n;
    return 0;
}

static bool is_device(const char *s)
{
    static const char digits[] = "0123456789";
    if (!strcmp(s, "auto") || !strcmp(s, "cpu") || !strcmp(s, "cuda")) return true;
    return !strncmp(s, "cuda:", 5) && s[5] && strlen(s) <= 8 && !s[5 + strspn(s + 5, digits)];
}

static int set_value(struct options *opt, const struct option_spec *spec, const char *value,
                     struct phi3v_error *err)
{
    void *to = field(opt, spec);
    switch (spec->type) {
    case OPTION_FLAG:
    case OPTION_ONOFF:
        return set_bool(spec, to, value, err);
    case OPTION_INT:
    case OPTION_INT64:
    case OPTION_REAL:
        return set_number(spec, to, value, err);
    case OPTION_UINT64:
        return set_uint64(spec, to, value, err);
    case OPTION_LIST:
        strings_add(to, value);
        return 0;
    case OPTION_CHOICE:
        if (!in_choices(spec->choices, value)) return bad_value(spec, value, spec->choices, err);
        break;
    case OPTION_TEXT:
        if (!strcmp(spec->name, "device") && !is_device(value))
            return bad_value(spec, value, "auto, cpu, cuda or cuda:NUMBER", err);
        break;
    }
    free(*(char **)to);
    *(char **)to = xstrdup(value);
    return 0;
}

char *option_value(const struct options *opt, const struct option_spec *spec)
{
    const void *from = field(opt, spec);
    struct text list = {0};
    switch (spec->type) {
    case OPTION_FLAG:
    case OPTION_ONOFF:
        return xstrdup(*(const bool *)from ? "on" : "off");
    case OPTION_INT:
        return xasprintf("%d", *(const int *)from);
    case OPTION_INT64:
        return xasprintf("%lld", (long long)*(const int64_t *)from);
    case OPTION_UINT64:
        return xasprintf("%llu", (unsigned long long)*(const uint64_t *)from);
    case OPTION_REAL:
        return xasprintf("%.6g", *(const double *)from);
    case OPTION_LIST:
        for (size_t i = 0; i < ((const struct strings *)from)->n; i++)
            text_addf(&list, "%s%s", i ? " " : "", ((const struct strings *)from)->v[i]);
        return text_take(&list);
    case OPTION_TEXT:
    case OPTION_CHOICE:
        break;
    }
    const char *s = *(char *const *)from;
    return xstrdup(s ? s : "");
}

/* -- By name -------------------------------------------------------------------------------- */

static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a == '_' ? '-' : *a) != (*b == '_' ? '-' : *b)) return false;
    return *a == *b;
}

const struct option_spec *option_find(const char *name, int use)
{
    for (int i = 0; i < n_options; i++)
        if (option_table[i].use & use && same_name(option_table[i].name, name))
            return &option_table[i];
    return NULL;
}

static const char *option_name_at(int i, void *user)
{
    const int *use = user;
    return option_table[i].use & *use ? option_table[i].name : "";
}

static int unknown_option(const char *dashes, const char *name, int use, struct phi3v_error *err)
{
    const char *near = nearest_name(name, n_options, option_name_at, &use);
    if (near)
        return refuse(err, PHI3V_E_ARGUMENT, "unknown option %s%s: did you mean %s%s?", dashes,
                      name, dashes, near);
    return refuse(err, PHI3V_E_ARGUMENT, "unknown option %s%s: %s lists them", dashes, name,
                  *dashes ? "phiscope help" : ":set");
}

int options_set(struct options *opt, const char *name, const char *value, int use,
                struct phi3v_error *err)
{
    const struct option_spec *spec = option_find(name, use);
    if (!spec) return unknown_option("", name, use, err);
    if (spec->type == OPTION_LIST) strings_free(field(opt, spec));
    if (spec->type == OPTION_LIST && !*value) return 0;
    return set_value(opt, spec, value, err);
}

/* -- Command line --------------------------------------------------------------------------- */

enum { OPT_BASE = 256, MAX_LONG = 64 }; /* getopt values of the table's rows start at OPT_BASE */

struct getopt_tables {
    struct option longs[MAX_LONG];
    char shorts[MAX_LONG];
};

static void build_tables(struct getopt_tables *t, int use, bool first_word)
{
    int n = 0;
    char *p = t->shorts;
    if (first_word) *p++ = '+';
    *p++ = ':';
    for (int i = 0; i < n_options; i++) {
        const struct option_spec *spec = &option_table[i];
        if (!(spec->use & use)) continue;
        int has_arg = spec->arg ? required_argument : no_argument;
        t->longs[n++] = (struct option){spec->name, has_arg, NULL, OPT_BASE + i};
        if (!spec->letter) continue;
        *p++ = spec->letter;
        if (spec->arg) *p++ = ':';
    }
    t->longs[n++] = (struct option){"set", required_argument, NULL, 's'};
    t->longs[n] = (struct option){0};
    *p = 0;
}

static const struct option_spec *spec_of(int c)
{
    if (c >= OPT_BASE) return &option_table[c - OPT_BASE];
    for (int i = 0; i < n_options; i++)
        if (option_table[i].letter == c) return &option_table[i];
    return NULL;
}

static int set_pair(struct options *opt, const char *pair, struct phi3v_error *err)
{
    const char *equal = strchr(pair, '=');
    if (!equal) return refuse(err, PHI3V_E_ARGUMENT, "--set wants key=value, not \"%s\"", pair);
    char *name = xstrndup(pair, (size_t)(equal - pair));
    int rc = options_set(opt, name, equal + 1, OPTION_SETTING, err);
    free(name);
    return rc;
}

/* A word that getopt refused: argv[optind - 1], or the letter optopt. */
static int refused(int c, char *const *argv, int use, struct phi3v_error *err)
{
    const char *word = argv[optind - 1];
    char letter[2] = {(char)optopt, 0};
    bool is_long = !strncmp(word, "--", 2);
    if (c == ':') {
        const struct option_spec *spec = spec_of(optopt);
        return refuse(err, PHI3V_E_ARGUMENT, "option %s wants a value%s%s", word,
                      spec && spec->arg ? ": " : "", spec && spec->arg ? spec->arg : "");
    }
    if (!is_long) return unknown_option("-", letter, use, err);
    char *name = xstrndup(word + 2, strcspn(word + 2, "="));
    const struct option_spec *spec = option_find(name, use);
    int rc = spec ? refuse(err, PHI3V_E_ARGUMENT, "option --%s takes no value", name)
                  : unknown_option("--", name, use, err);
    free(name);
    return rc;
}

static int set_from_argument(struct options *opt, const struct option_spec *spec,
                             struct phi3v_error *err)
{
    if (spec->type != OPTION_FLAG) return set_value(opt, spec, optarg, err);
    *(bool *)field(opt, spec) = true;
    return 0;
}

int options_parse(struct options *opt, int argc, char **argv, int use, bool first_word,
                  struct phi3v_error *err)
{
    struct getopt_tables tables = {0};
    build_tables(&tables, use, first_word);
    opterr = 0;
    optind = 0; /* glibc: start anew, also with another set of options */
    int c, rc = 0;
    while (!rc && (c = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
        if (c == '?' || c == ':')
            rc = refused(c, argv, use, err);
        else if (c == 's')
            rc = set_pair(opt, optarg, err);
        else
            rc = set_from_argument(opt, spec_of(c), err);
    }
    return rc ? rc : optind;
}

void options_params(const struct options *opt, struct phi3v_params *ret_params,
                    const char **stop_list)
{
    phi3v_params_default(ret_params);
    ret_params->max_new_tokens = opt->max_new_tokens;
    ret_params->temperature = (float)opt->temperature;
    ret_params->top_k = opt->top_k;
    ret_params->top_p = (float)opt->top_p;
    ret_params->min_p = (float)opt->min_p;
    ret_params->repetition_penalty = (float)opt->repetition_penalty;
    ret_params->seed = opt->seed;
    ret_params->stop_reference = !strcmp(opt->stop_mode, "reference");
    ret_params->keep_special = opt->keep_special;
    for (size_t i = 0; i < opt->stop.n; i++) stop_list[i] = opt->stop.v[i];
    stop_list[opt->stop.n] = NULL;
    ret_params->stop = opt->stop.n ? stop_list : NULL;
}
