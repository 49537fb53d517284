/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nearest_name.h"
#include "net/limits.h"
#include "notebook/settings.h"

/* -- The table -------------------------------------------------------------------------------- */

#define AT(field) offsetof(struct settings, field)

enum {
    LOAD = SETTING_SHOWN | SETTING_LOAD,
    ANSWER = SETTING_SHOWN | SETTING_ANSWER | SETTING_FROM_FILE,
    PROMPT = SETTING_SHOWN | SETTING_PROMPT | SETTING_FROM_FILE,
    SHOWN = SETTING_SHOWN,
    MAX_TOKENS_FROM_FILE = 16384,
    MAX_CROPS_FROM_FILE = 64
};

const struct setting setting_table[] = {
    {"device", 0, SETTING_TEXT, LOAD, AT(device), 0, 0, 0, NULL, "auto|cpu|cuda[:N]",
     "where to compute"},
    {"dtype", 0, SETTING_CHOICE, LOAD, AT(dtype), 0, 0, 0, "auto|f32|bf16|q8|q4", "TYPE",
     "arithmetic: auto|f32|bf16|q8|q4 (f32 is exact)"},
    {"vision-dtype", 0, SETTING_CHOICE, LOAD, AT(vision_dtype), 0, 0, 0, "auto|f32|bf16|q8", "TYPE",
     "the same for what looks at pictures: auto|f32|bf16|q8 (auto: as --dtype, q8 with q4)"},
    {"kv", 0, SETTING_CHOICE, LOAD, AT(kv), 0, 0, 0, "auto|f32|f16|bf16|q8", "TYPE",
     "keys and values in memory: auto|f32|f16|bf16|q8 (auto: f32 with f32 arithmetic, else bf16 or "
     "f16)"},
    {"threads", 0, SETTING_INT, LOAD, AT(threads), 0, 4096, 0, NULL, "N", "0: one per core"},
    {"ctx", 0, SETTING_INT64, LOAD, AT(ctx), 0, 1e9, 0, NULL, "N",
     "tokens a conversation may hold; 0: what free memory allows"},
    {"num-crops", 0, SETTING_INT, PROMPT | SETTING_ANSWER, AT(num_crops), 0, 256,
     MAX_CROPS_FROM_FILE, NULL, "N", "most tiles of a picture; 0: the model's own number"},
    {"max-new-tokens", 0, SETTING_INT, ANSWER, AT(max_new_tokens), 1, 1e9, MAX_TOKENS_FROM_FILE,
     NULL, "N", "longest answer"},
    {"temperature", 0, SETTING_REAL, ANSWER, AT(temperature), 0, 100, 0, NULL, "X",
     "0: always the most probable token"},
    {"top-k", 0, SETTING_INT, ANSWER, AT(top_k), 0, 1e6, 0, NULL, "N", "0: off"},
    {"top-p", 0, SETTING_REAL, ANSWER, AT(top_p), 0, 1, 0, NULL, "X", "1: off"},
    {"min-p", 0, SETTING_REAL, ANSWER, AT(min_p), 0, 1, 0, NULL, "X", "0: off"},
    {"repetition-penalty", 0, SETTING_REAL, ANSWER, AT(repetition_penalty), 0.01, 100, 0, NULL, "X",
     "1: off"},
    {"seed", 0, SETTING_UINT64, ANSWER, AT(seed), 0, 0, 0, NULL, "N", "of the sampler"},
    {"stop", 0, SETTING_LIST, ANSWER, AT(stop), 0, 0, 0, NULL, "STR",
     "text that ends the answer; may be repeated"},
    {"stop-mode", 0, SETTING_CHOICE, ANSWER, AT(stop_mode), 0, 0, 0, "default|reference", "MODE",
     "reference: only the model files' own end tokens; default: <|end|> too"},
    {"keep-special", 0, SETTING_FLAG, ANSWER, AT(keep_special), 0, 0, 0, NULL, NULL,
     "show special tokens such as <|end|> in answers"},
    {"exif", 0, SETTING_ONOFF, PROMPT, AT(exif), 0, 0, 0, NULL, "on|off",
     "turn photographs as their EXIF data says; on unless said otherwise"},
    {"lenient", 0, SETTING_ONOFF, PROMPT, AT(lenient), 0, 0, 0, NULL, "on|off",
     "read what is there of a damaged or truncated picture; off unless said otherwise"},
    {"system", 0, SETTING_TEXT, PROMPT, AT(system), 0, 0, 0, NULL, "TEXT",
     "system turn before the conversation"},
    {"mode", 0, SETTING_CHOICE, PROMPT, AT(mode), 0, 0, 0, "chat|cell", "MODE",
     "chat: a cell sees the answered cells above it; cell: each stands alone"},
    {"fetch-timeout", 0, SETTING_INT, SHOWN, AT(fetch_timeout), 1, 86400, 0, NULL, "SECONDS",
     "longest time to fetch a picture's URL; 60 unless said otherwise"},
    {"fetch-mib", 0, SETTING_INT, SHOWN, AT(fetch_mib), 1, 4096, 0, NULL, "N",
     "largest file of a picture in MiB; 256 unless said otherwise"},
    {"cache-mib", 0, SETTING_INT, SHOWN, AT(cache_mib), 0, 1 << 20, 0, NULL, "N",
     "MiB of pictures' features kept on disk for later runs; 2048 unless said otherwise, 0: none"},
    {"layout", 0, SETTING_CHOICE, SHOWN, AT(layout), 0, 0, 0, "auto|beside|above", "LAYOUT",
     "pictures beside the answer or above it: auto|beside|above"},
    {"graphics", 0, SETTING_CHOICE, SHOWN, AT(graphics), 0, 0, 0,
     "auto|kitty|sixel|blocks|ascii|none", "KIND",
     "how to draw: auto|kitty|sixel|blocks|ascii|none"},
    {"picture-rows", 0, SETTING_INT, SHOWN, AT(picture_rows), 0, 200, 0, NULL, "N",
     "rows of a picture beside an answer; 0: what suits the screen"},
    {"stats", 0, SETTING_ONOFF, SHOWN, AT(stats), 0, 0, 0, NULL, "on|off",
     "a line about speed behind each answer; on unless said otherwise"},
    {"parallel", 0, SETTING_INT, SHOWN, AT(parallel), 0, 256, 0, NULL, "N",
     "answers at once, of :foreach and of serve; 0: as many as are worth it"},
    {"bell", 0, SETTING_REAL, SHOWN, AT(bell), 0, 1e6, 0, NULL, "SECONDS",
     "ring the terminal's bell behind what took longer; 10 unless said otherwise, 0: never"},
    {"ahead", 0, SETTING_ONOFF, SHOWN, AT(ahead), 0, 0, 0, NULL, "on|off",
     "read pictures and the conversation while you type; on unless said otherwise"},
    {"certainty", 0, SETTING_CHOICE, SHOWN, AT(certainty), 0, 0, 0, "auto|on|off", "WHETHER",
     "keep how certain each token was, for :alt: auto|on|off (auto: off on a GPU, which draws by "
     "itself then)"},
    {"guess", 0, SETTING_ONOFF, SHOWN, AT(guess), 0, 0, 0, NULL, "on|off",
     "show answers even if the model's folder says they are too unsure; off unless said otherwise"},
    {"doubt", 0, SETTING_REAL, SHOWN, AT(doubt), 0, 1, 0, NULL, "X",
     "underline words to which the model gave less than this probability; 0: none"},
    {"plain", 0, SETTING_FLAG, SHOWN, AT(plain), 0, 0, 0, NULL, NULL,
     "no pictures, no colours, no styling"},
    {"offline", 0, SETTING_FLAG, 0, AT(offline), 0, 0, 0, NULL, NULL,
     "fetch nothing from the network"},
    {"allow-private-urls", 0, SETTING_FLAG, 0, AT(allow_private_urls), 0, 0, 0, NULL, NULL,
     "pictures named by a notebook may come from private addresses too"},
};
const char mode_of_model[] = "auto";
const int n_settings = (int)(sizeof setting_table / sizeof setting_table[0]);

/* -- Life ------------------------------------------------------------------------------------- */

static void *field(const void *of, const struct setting *spec)
{
    return (char *)(uintptr_t)of + spec->offset;
}

static bool owns_text(const struct setting *spec)
{
    return spec->type == SETTING_TEXT || spec->type == SETTING_CHOICE;
}

int settings_init(struct settings *s, struct phi3v_error *err)
{
    struct phi3v_params params;
    phi3v_params_default(&params);
    *s = (struct settings){.max_new_tokens = params.max_new_tokens,
                           .temperature = params.temperature,
                           .top_k = params.top_k,
                           .top_p = params.top_p,
                           .min_p = params.min_p,
                           .repetition_penalty = params.repetition_penalty,
                           .seed = params.seed,
                           .exif = true,
                           .stats = true,
                           .bell = 10,
                           .ahead = true,
                           .fetch_timeout = (int)NET_PICTURE_S,
                           .cache_mib = 2048,
                           .fetch_mib = NET_PICTURE_MIB};
    unsigned before = memory_failures();
    s->device = text_copy("auto");
    s->dtype = text_copy("auto");
    s->vision_dtype = text_copy("auto");
    s->kv = text_copy("auto");
    s->stop_mode = text_copy("default");
    s->system = text_copy("");
    s->mode = text_copy(mode_of_model);
    s->layout = text_copy("auto");
    s->certainty = text_copy("auto");
    s->graphics = text_copy("auto");
    return memory_failures() == before ? 0 : memory_error(err);
}

void settings_free(struct settings *s)
{
    for (int i = 0; i < n_settings; i++) {
        const struct setting *spec = &setting_table[i];
        if (owns_text(spec))
            free(*(char **)field(s, spec));
        else if (spec->type == SETTING_LIST)
            strings_free(field(s, spec));
    }
    *s = (struct settings){0};
}

int settings_copy(struct settings *to, const struct settings *from, struct phi3v_error *err)
{
    unsigned before = memory_failures();
    *to = *from;
    for (int i = 0; i < n_settings; i++) {
        const struct setting *spec = &setting_table[i];
        if (owns_text(spec)) {
            *(char **)field(to, spec) = text_copy(*(char **)field(from, spec));
        } else if (spec->type == SETTING_LIST) {
            struct strings *list = field(to, spec);
            *list = (struct strings){0};
            strings_copy(list, field(from, spec));
        }
    }
    if (memory_failures() == before) return 0;
    settings_free(to);
    return memory_error(err);
}

/* -- Values ---------------------------------------------------------------------------------- */

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

static int bad_value(const struct setting *spec, const char *value, const char *allowed,
                     struct phi3v_error *err)
{
    return refuse(err, PHI3V_E_ARGUMENT, "%s must be %s, not \"%s\"", spec->name, allowed, value);
}

static int set_bool(const struct setting *spec, bool *to, const char *value,
                    struct phi3v_error *err)
{
    bool on = in_choices("on|1|yes|true", value);
    if (!on && !in_choices("off|0|no|false", value))
        return bad_value(spec, value, "on or off", err);
    *to = on;
    return 0;
}

static int set_number(const struct setting *spec, void *to, const char *value,
                      struct phi3v_error *err)
{
    char *end, allowed[80];
    bool whole = spec->type != SETTING_REAL;
    errno = 0;
    long long n = whole ? strtoll(value, &end, 10) : 0;
    double x = whole ? (double)n : strtod(value, &end);
    if (!*value || *end || errno || !isfinite(x) || x < spec->min || x > spec->max) {
        snprintf(allowed, sizeof allowed,
                 whole ? "a whole number from %.0f to %.0f" : "a number from %g to %g", spec->min,
                 spec->max);
        return bad_value(spec, value, allowed, err);
    }
    if (spec->type == SETTING_INT)
        *(int *)to = (int)n;
    else if (spec->type == SETTING_INT64)
        *(int64_t *)to = n;
    else
        *(double *)to = x;
    return 0;
}

static int set_uint64(const struct setting *spec, uint64_t *to, const char *value,
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

int setting_set_value(void *of, const struct setting *spec, const char *value,
                      struct phi3v_error *err)
{
    void *to = field(of, spec);
    switch (spec->type) {
    case SETTING_FLAG:
    case SETTING_ONOFF:
        return set_bool(spec, to, value, err);
    case SETTING_INT:
    case SETTING_INT64:
    case SETTING_REAL:
        return set_number(spec, to, value, err);
    case SETTING_UINT64:
        return set_uint64(spec, to, value, err);
    case SETTING_LIST:
        return strings_add(to, value) ? 0 : memory_error(err);
    case SETTING_CHOICE:
        if (!in_choices(spec->choices, value)) return bad_value(spec, value, spec->choices, err);
        break;
    case SETTING_TEXT:
        if (!strcmp(spec->name, "device") && !is_device(value))
            return bad_value(spec, value, "auto, cpu, cuda or cuda:NUMBER", err);
        break;
    }
    char *copy = text_copy(value);
    if (!copy) return memory_error(err);
    free(*(char **)to);
    *(char **)to = copy;
    return 0;
}

char *setting_value(const void *of, const struct setting *spec)
{
    const void *from = field(of, spec);
    struct text list = {0};
    switch (spec->type) {
    case SETTING_FLAG:
    case SETTING_ONOFF:
        return text_copy(*(const bool *)from ? "on" : "off");
    case SETTING_INT:
        return text_format("%d", *(const int *)from);
    case SETTING_INT64:
        return text_format("%lld", (long long)*(const int64_t *)from);
    case SETTING_UINT64:
        return text_format("%llu", (unsigned long long)*(const uint64_t *)from);
    case SETTING_REAL:
        return text_format("%.6g", *(const double *)from);
    case SETTING_LIST:
        for (size_t i = 0; i < ((const struct strings *)from)->n; i++)
            text_addf(&list, "%s%s", i ? " " : "", ((const struct strings *)from)->v[i]);
        return text_take(&list);
    case SETTING_TEXT:
    case SETTING_CHOICE:
        break;
    }
    const char *s = *(char *const *)from;
    return text_copy(s ? s : "");
}

/* -- By name ---------------------------------------------------------------------------------- */

bool setting_same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a == '_' ? '-' : *a) != (*b == '_' ? '-' : *b)) return false;
    return *a == *b;
}

const struct setting *setting_find(const char *name, int use)
{
    for (int i = 0; i < n_settings; i++)
        if (setting_table[i].use & use && setting_same_name(setting_table[i].name, name))
            return &setting_table[i];
    return NULL;
}

char *setting_name(const struct setting *spec)
{
    char *name = text_copy(spec->name);
    for (char *p = name; p && *p; p++)
        if (*p == '-') *p = '_';
    return name;
}

static const char *name_at(int i, void *user)
{
    const int *use = user;
    return setting_table[i].use & *use ? setting_table[i].name : "";
}

static int unknown_setting(const char *name, int use, struct phi3v_error *err)
{
    const struct setting *other = setting_find(name, SETTING_SHOWN);
    if (other)
        return refuse(err, PHI3V_E_ARGUMENT, "%.60s cannot be set for one run only: try :set %.60s",
                      name, name);
    const char *near = nearest_name(name, n_settings, name_at, &use);
    if (near)
        return refuse(err, PHI3V_E_ARGUMENT, "there is no setting %.60s: did you mean %s?", name,
                      near);
    return refuse(err, PHI3V_E_ARGUMENT, "there is no setting %.60s: :set lists them", name);
}

int settings_set(struct settings *s, const char *name, const char *value, int use,
                 struct phi3v_error *err)
{
    const struct setting *spec = setting_find(name, use);
    if (!spec) return unknown_setting(name, use, err);
    if (spec->type == SETTING_LIST) strings_free(field(s, spec));
    if (spec->type == SETTING_LIST && !*value) return 0;
    return setting_set_value(s, spec, value, err);
}

int settings_set_from_file(struct settings *s, const char *name, const char *value,
                           struct phi3v_error *err)
{
    const struct setting *spec = setting_find(name, SETTING_SHOWN);
    if (!spec) return unknown_setting(name, SETTING_SHOWN, err);
    if (!(spec->use & SETTING_FROM_FILE))
        return refuse(err, PHI3V_E_ARGUMENT, "a cell from a file does not set %s", spec->name);
    struct setting bounded = *spec;
    if (spec->file_max > 0) bounded.max = spec->file_max;
    if (spec->type == SETTING_LIST) return settings_set(s, name, value, SETTING_FROM_FILE, err);
    return setting_set_value(s, &bounded, value, err);
}

void settings_params(const struct settings *s, struct phi3v_params *ret_params,
                     const char **stop_list)
{
    phi3v_params_default(ret_params);
    ret_params->max_new_tokens = s->max_new_tokens;
    ret_params->temperature = (float)s->temperature;
    ret_params->top_k = s->top_k;
    ret_params->top_p = (float)s->top_p;
    ret_params->min_p = (float)s->min_p;
    ret_params->repetition_penalty = (float)s->repetition_penalty;
    ret_params->seed = s->seed;
    ret_params->stop_reference = !strcmp(s->stop_mode, "reference");
    ret_params->keep_special = s->keep_special;
    for (size_t i = 0; i < s->stop.n; i++) stop_list[i] = s->stop.v[i];
    stop_list[s->stop.n] = NULL;
    ret_params->stop = s->stop.n ? stop_list : NULL;
}
