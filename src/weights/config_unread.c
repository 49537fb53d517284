/* SPDX-License-Identifier: MIT
 * A config may hold keys that this program does not know. Most are about training or another
 * program and change nothing. Some describe another computation, and ignoring them would give wrong
 * numbers. Keys are made of plain words, and these decide which is which. */
#include <string.h>

#include "weights/config_parts.h"

/* Words in keys that are about the arithmetic of layers. */
static const char *const telling_words[] = {
    "act",         "activation",  "adapter",    "alibi",         "audio",
    "bias",        "biases",      "cap",        "capping",       "chunk",
    "clip",        "compression", "cross",      "dense",         "expert",
    "experts",     "factor",      "gate",       "gated",         "head",
    "layernorm",   "limit",       "lora",       "moe",           "mrope",
    "mscale",      "mtp",         "multiplier", "mup",           "nextn",
    "norm",        "normalize",   "parallel",   "normalization", "pct",
    "pool",        "position",    "pooling",    "pruned",        "qk",
    "qkv",         "residual",    "rmsnorm",    "rope",          "rotary",
    "router",      "scalar",      "scale",      "scaling",       "shared",
    "sink",        "sinks",       "softcap",    "sparse",        "blocksparse",
    "speech",      "types",       "window",     "softcapping",   "temperature",
    "interleaved",
};

/* Words in keys of factors, for which 1 means "no change" and 0 does not. */
static const char *const factor_words[] = {"factor", "mscale", "multiplier",
                                           "pct",    "scale",  "scaling"};

/* Keys for what is always computed, which may not be off. */
static const char *const always_on[] = {
    "causal",   "is_causal",  "scale_attn_weights",  "use_rms_norm",
    "use_rope", "use_rotary", "use_rotary_embedding"};

/* Keys with such a word that still change no answer: defaults of sampling, training, other
 * programs, and sliding windows, for which only the size matters (`sliding_window`). */
static const char *const harmless[] = {
    "activation_checkpointing", "activation_dropout",   "chunk_size_feed_forward",
    "initializer_factor",       "initializer_scale",    "max_grad_norm",
    "max_window_layers",        "router_aux_loss_coef", "temperature",
    "tensor_parallel_size",     "use_sliding_window",
};

/* Values that describe what is computed anyway. */
static const char *const ours[] = {"none",    "silu",   "swiglu", "rms_norm",
                                   "rmsnorm", "rotary", "rope",   "default"};

static bool is_one_of(const char *s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(s, list[i]) == 0) return true;
    return false;
}

#define IS_ONE_OF(s, list) is_one_of(s, list, sizeof(list) / sizeof *(list))

/* Whether one of the key's words, separated by '_', is in the list. */
static bool has_word(const char *key, const char *const *list, size_t n)
{
    while (*key) {
        size_t len = strcspn(key, "_");
        for (size_t i = 0; i < n; i++)
            if (strlen(list[i]) == len && memcmp(list[i], key, len) == 0) return true;
        key += len + (key[len] == '_');
    }
    return false;
}

#define HAS_WORD(key, list) has_word(key, list, sizeof(list) / sizeof *(list))

/* Whether it is null, false, 0, "", or a list or object of only these. */
static bool is_off(const json_t *value)
{
    size_t i;
    const char *key;
    json_t *item;
    if (json_is_string(value)) return json_string_length(value) == 0;
    if (json_is_number(value)) return json_number_value(value) == 0;
    if (json_is_array(value)) json_array_foreach(value, i, item) if (!is_off(item)) return false;
    if (json_is_object(value))
        json_object_foreach((json_t *)value, key, item) if (!is_off(item)) return false;
    return !json_is_true(value);
}

/* ["full_attention", "full_attention", …] */
static bool is_full_attention(const json_t *value)
{
    size_t i;
    json_t *item;
    if (!json_is_array(value)) return false;
    json_array_foreach(value, i, item)
    {
        const char *s = json_string_value(item);
        if (!s || strcmp(s, "full_attention") != 0) return false;
    }
    return true;
}

/* Whether the value changes nothing, whatever the key means. */
static bool is_neutral(const char *key, const json_t *value, int head_dim)
{
    double x = json_number_value(value);
    if (json_is_string(value) && IS_ONE_OF(json_string_value(value), ours)) return true;
    if (HAS_WORD(key, factor_words)) // a factor of 0 changes something
        return json_is_null(value) || json_is_false(value) || (json_is_number(value) && x == 1);
    if (is_off(value) || is_full_attention(value)) return true;
    const char *dim = strstr(key, "_dim");
    return dim && !dim[4] && json_is_number(value) && head_dim > 0 && x == head_dim;
}

static void refuse_key(struct json_reader *r, const char *section, const char *key,
                       const json_t *value)
{
    json_refuse(r, PHI3V_E_UNSUPPORTED, section, key, value,
                "no such key: it changes what a model computes, and this program does not know it");
}

void config_refuse_unread(struct json_reader *r, const char *section, const json_t *obj,
                          const char *const *read, int head_dim)
{
    size_t n = 0;
    while (read[n]) n++;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)obj, key, value)
    {
        if (*key == '_' || is_one_of(key, read, n) || IS_ONE_OF(key, harmless)) continue;
        if (IS_ONE_OF(key, always_on)) {
            if (json_is_false(value)) refuse_key(r, section, key, value);
            continue;
        }
        if (HAS_WORD(key, telling_words) && !is_neutral(key, value, head_dim))
            refuse_key(r, section, key, value);
    }
}

void config_refuse_all_unread(struct json_reader *r, const char *section, const json_t *obj,
                              const char *const *read)
{
    size_t n = 0;
    while (read[n]) n++;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)obj, key, value)
    {
        if (*key != '_' && !is_one_of(key, read, n) && !is_neutral(key, value, 0))
            refuse_key(r, section, key, value);
    }
}
