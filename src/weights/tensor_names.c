/* SPDX-License-Identifier: MIT */
#include "weights/tensor_names.h"

#include <stdbool.h>
#include <string.h>

static const char *const wrappers[] = {"_orig_mod", "_fsdp_wrapped_module", "_forward_module",
                                       "_checkpoint_wrapped_module", "module"};

static bool is_wrapper(const char *part, size_t n)
{
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++)
        if (strlen(wrappers[i]) == n && memcmp(part, wrappers[i], n) == 0) return true;
    return false;
}

void tensor_names_unwrap(char *name)
{
    const char *from = name;
    char *to = name;
    while (*from) {
        size_t n = strcspn(from, "."), with_dot = n + (from[n] == '.');
        if (!from[n] || !is_wrapper(from, n)) {
            memmove(to, from, with_dot);
            to += with_dot;
        }
        from += with_dot;
    }
    *to = 0;
}

size_t tensor_names_prefix(const char *name, const char *end)
{
    size_t n = strlen(name), n_end = strlen(end);
    if (n <= n_end + 1 || strcmp(name + n - n_end, end) != 0 || name[n - n_end - 1] != '.')
        return 0;
    return n - n_end;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), n_end = strlen(end);
    return n >= n_end && strcmp(s + n - n_end, end) == 0;
}

#define QUANTISED                                                                                  \
    "is of quantised weights, which are not read; take the unquantised release (phiscope "         \
    "quantize makes q8 or q4 of it)"

const char *tensor_names_tell(const char *name)
{
    static const char *const quantised[] = {
        ".qweight",       ".qzeros",        ".g_idx",        ".SCB",          ".absmax",
        ".quant_state",   ".scales",        ".quant_map",    ".weight_scale", ".weight_scale_inv",
        ".weight_packed", ".nested_absmax", ".weight_format"};
    if (strstr(name, ".lora_") || strstr(name, ".base_layer.") || strstr(name, ".modules_to_save."))
        return "is of an adapter (LoRA) that was not merged; merge it in Python "
               "(merge_and_unload, then save_pretrained)";
    for (size_t i = 0; i < sizeof quantised / sizeof *quantised; i++)
        if (ends_with(name, quantised[i])) return QUANTISED;
    return NULL;
}
