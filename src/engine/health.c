/* SPDX-License-Identifier: MIT */
#include "engine/health.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "image/image.h"
#include "weights/tensor_table.h"

enum { TOKENIZER_MAX_BYTES = 64 << 20 };

void health_cpu_levels(phi3v_level_fn fn, void *user)
{
    for (int i = 0; i < N_CPU_LEVELS; i++) {
        const char *why = cpu_why_off((enum cpu_level)i);
        bool on = cpu_has((enum cpu_level)i);
        if (on || *why) fn(cpu_level_name((enum cpu_level)i), on ? NULL : why, user);
    }
}

void health_libraries(phi3v_library_fn fn, void *user)
{
    fn("jansson", jansson_version_str(), user);
    fn("libcrypto", OpenSSL_version(OPENSSL_VERSION), user);
    image_libraries(fn, user);
}

/* -- A model ----------------------------------------------------------------------------------- */

struct count {
    const struct phi3v_model *m;
    int64_t expected, found;
};

static int count_entry(void *arg, const struct table_entry *entry)
{
    struct count *c = arg;
    c->expected++;
    c->found += model_weights_tensor(c->m->weights, &c->m->config, entry->name) != NULL;
    return 0;
}

static int count_tensors(const struct phi3v_model *m, struct phi3v_model_health *ret,
                         struct phi3v_error *err)
{
    struct model_weights places;
    struct count c = {.m = m};
    int code = tensor_table_prepare(&m->config, &places, err);
    if (code) return code;
    tensor_table_walk(&m->config, &places, count_entry, &c);
    model_weights_fini(&places);
    ret->n_expected = c.expected;
    ret->n_found = c.found;
    ret->n_tensors = (int64_t)weights_count(m->weights);
    return 0;
}

int health_of_model(const struct phi3v_model *m, struct phi3v_model_health *ret,
                    struct phi3v_error *err)
{
    *ret = (struct phi3v_model_health){0};
    if (!m->weights) return 0;
    CLEANUP(mem_free_ptr) char *path = path_join(m->path, "tokenizer.json");
    CLEANUP(mem_free_ptr) char *text = NULL;
    size_t n = 0;
    int code = path ? file_read(path, TOKENIZER_MAX_BYTES, &text, &n, err)
                    : err_memory(err, "a path", strlen(m->path));
    if (code) return code;
    code = sha256_hex(&(struct sha256_part){text, n}, 1, NULL, ret->tokenizer_sha256, err);
    if (code) return code;
    ret->n_token_ids = tokenizer_n_ids(m->tokenizer);
    return count_tensors(m, ret, err);
}
