/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "weights/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/json.h"
#include "base/kind.h"
#include "base/mem.h"
#include "weights/foreign.h"
#include "weights/tensor_names.h"

enum { HEADER_MAX_BYTES = 100 << 20, MAX_SHARDS = 4096 };

struct shard {
    char *name; // last part of the path
    struct file_map map;
};

struct weights {
    struct shard *shards;
    size_t n_shards, cap_shards;
    struct tensor *tensors; // sorted by name; names are owned
    size_t n_tensors, cap_tensors;
    size_t bytes;
    json_t *metadata; // or NULL
};

static const struct {
    const char *name;
    size_t n_bytes;
} dtypes[] = {
    [DTYPE_F32] = {"F32", 4},   [DTYPE_BF16] = {"BF16", 2},       [DTYPE_F16] = {"F16", 2},
    [DTYPE_F64] = {"F64", 8},   [DTYPE_I64] = {"I64", 8},         [DTYPE_I32] = {"I32", 4},
    [DTYPE_I16] = {"I16", 2},   [DTYPE_I8] = {"I8", 1},           [DTYPE_U64] = {"U64", 8},
    [DTYPE_U32] = {"U32", 4},   [DTYPE_U16] = {"U16", 2},         [DTYPE_U8] = {"U8", 1},
    [DTYPE_BOOL] = {"BOOL", 1}, [DTYPE_F8_E4M3] = {"F8_E4M3", 1}, [DTYPE_F8_E5M2] = {"F8_E5M2", 1},
};

size_t dtype_bytes(enum dtype dtype) { return dtypes[dtype].n_bytes; }

const char *dtype_name(enum dtype dtype) { return dtypes[dtype].name; }

const char *shape_text(const int64_t *shape, int n_dims, char *out, size_t cap)
{
    size_t n = 0;
    snprintf(out, cap, "a single number");
    for (int i = 0; i < n_dims && n < cap; i++)
        n += (size_t)snprintf(out + n, cap - n, i ? "x%" PRId64 : "%" PRId64, shape[i]);
    return out;
}

/* -- One entry of the header ------------------------------------------------------------------ */

static bool name_is_clean(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f) return false;
    return true;
}

static bool read_dtype(const json_t *value, enum dtype *ret)
{
    const char *s = json_string_value(value);
    for (size_t i = 0; s && i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(s, dtypes[i].name) != 0) continue;
        *ret = (enum dtype)i;
        return true;
    }
    return false;
}

/* Shape and the bytes it takes; false when it is malformed or overflows. */
static bool read_shape(const json_t *value, struct tensor *t, size_t *ret_bytes)
{
    if (!json_is_array(value) || json_array_size(value) > TENSOR_MAX_DIMS) return false;
    t->n_dims = (int)json_array_size(value);
    size_t bytes = dtype_bytes(t->dtype);
    for (int i = 0; i < t->n_dims; i++) {
        const json_t *dim = json_array_get(value, (size_t)i);
        t->shape[i] = json_integer_value(dim);
        if (!json_is_integer(dim) || t->shape[i] < 0) return false;
        if (!size_mul(bytes, (size_t)t->shape[i], &bytes)) return false;
    }
    *ret_bytes = bytes;
    return true;
}

static bool read_offsets(const json_t *value, uint64_t *ret_begin, uint64_t *ret_end)
{
    const json_t *begin = json_array_get(value, 0), *end = json_array_get(value, 1);
    if (!json_is_array(value) || json_array_size(value) != 2) return false;
    if (!json_is_integer(begin) || !json_is_integer(end)) return false;
    if (json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return false;
    *ret_begin = (uint64_t)json_integer_value(begin);
    *ret_end = (uint64_t)json_integer_value(end);
    return true;
}

/* Fills *t from one header entry; data is the file's data area of n_data bytes. */
static int read_entry(const char *path, const char *name, const json_t *entry, const uint8_t *data,
                      size_t n_data, struct tensor *t, struct phi3v_error *err)
{
    const json_t *dtype = json_object_get(entry, "dtype");
    uint64_t begin, end;
    size_t bytes;
    if (!*name || !name_is_clean(name))
        return err_set(err, PHI3V_E_MODEL, "%s: a tensor's name is empty or has control characters",
                       path);
    if (!read_dtype(dtype, &t->dtype))
        return err_set(err, PHI3V_E_MODEL, "%s: tensor %.120s has the unknown type %.20s", path,
                       name, json_is_string(dtype) ? json_string_value(dtype) : "(none)");
    if (!read_shape(json_object_get(entry, "shape"), t, &bytes))
        return err_set(err, PHI3V_E_MODEL,
                       "%s: the shape of tensor %.120s is not a list of at most %d "
                       "sensible sizes",
                       path, name, TENSOR_MAX_DIMS);
    if (!read_offsets(json_object_get(entry, "data_offsets"), &begin, &end))
        return err_set(err, PHI3V_E_MODEL, "%s: tensor %.120s has no proper data_offsets", path,
                       name);
    if (end - begin != bytes) {
        char shape[120];
        return err_set(err, PHI3V_E_MODEL,
                       "%s: tensor %.120s takes %" PRIu64 " bytes, but %s %s needs %zu", path, name,
                       end - begin, shape_text(t->shape, t->n_dims, shape, sizeof shape),
                       dtype_name(t->dtype), bytes);
    }
    if (end > n_data)
        return err_set(err, PHI3V_E_MODEL,
                       "%s is cut short: tensor %.120s ends at byte %" PRIu64
                       " of the data, but there are %zu; download the file again",
                       path, name, end, n_data);
    t->data = data + begin;
    t->n_bytes = bytes;
    return 0;
}

/* -- A file ----------------------------------------------------------------------------------- */

static int no_memory(struct phi3v_error *err, size_t n)
{
    return err_memory(err, "the table of tensors", n);
}

static int push_tensor(struct weights *w, const struct tensor *t, struct phi3v_error *err)
{
    if (w->n_tensors == w->cap_tensors) {
        size_t cap = w->cap_tensors ? 2 * w->cap_tensors : 64;
        struct tensor *grown = mem_resize(w->tensors, cap, sizeof *grown);
        if (!grown) return no_memory(err, cap * sizeof *grown);
        w->tensors = grown;
        w->cap_tensors = cap;
    }
    char *name = mem_strdup(t->name);
    if (!name) return no_memory(err, strlen(t->name));
    w->tensors[w->n_tensors] = *t;
    w->tensors[w->n_tensors++].name = name;
    w->bytes += t->n_bytes;
    return 0;
}

static int by_data(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes); // empty ones first
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

/* Sorts the tensors from `first` on by place and refuses overlaps. */
static int check_overlaps(struct weights *w, size_t first, const char *path,
                          struct phi3v_error *err)
{
    struct tensor *t = w->tensors;
    if (w->n_tensors > first) qsort(t + first, w->n_tensors - first, sizeof *t, by_data);
    for (size_t i = first + 1; i < w->n_tensors; i++)
        if ((const char *)t[i - 1].data + t[i - 1].n_bytes > (const char *)t[i].data)
            return err_set(err, PHI3V_E_MODEL, "%s: the data of tensors %.120s and %.120s overlap",
                           path, t[i - 1].name, t[i].name);
    return 0;
}

static int read_entries(struct weights *w, const char *path, const char *file, const json_t *header,
                        const uint8_t *data, size_t n_data, struct phi3v_error *err)
{
    size_t first = w->n_tensors;
    const char *name;
    json_t *entry;
    json_object_foreach((json_t *)header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) continue;
        struct tensor t = {.name = name, .file = file};
        int code = read_entry(path, name, entry, data, n_data, &t, err);
        if (!code) code = push_tensor(w, &t, err);
        if (code) return code;
    }
    return check_overlaps(w, first, path, err);
}

/* The header's JSON; *ret_data_begin is where the data area starts. */
static int parse_header(const char *path, const struct file_map *map, json_t **ret_header,
                        size_t *ret_data_begin, struct phi3v_error *err)
{
    char out[KIND_TEXT];
    const char *kind;
    if (map->n_bytes < 8)
        return err_set(err, PHI3V_E_MODEL, "%s is not a safetensors file: it has only %zu bytes",
                       path, map->n_bytes);
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--) n = n << 8 | map->data[i];
    bool is_whole = n <= HEADER_MAX_BYTES && n <= map->n_bytes - 8;
    if ((!is_whole || map->data[8] != '{') && (kind = kind_of_bytes(map->data, map->n_bytes, out)))
        return err_set(err, PHI3V_E_MODEL, "%s is not a safetensors file but %s", path, kind);
    if (!is_whole)
        return err_set(err, PHI3V_E_MODEL,
                       "%s is not a whole safetensors file: it announces a header of %" PRIu64
                       " bytes, the file has %zu",
                       path, n, map->n_bytes);
    json_error_t why;
    json_t *header = NULL;
    int code = json_text_load((const char *)map->data + 8, (size_t)n, &header, &why);
    if (code == PHI3V_E_MEMORY) return err_memory(err, path, (size_t)n);
    if (code || !json_is_object(header)) {
        json_decref(header);
        return err_set(err, PHI3V_E_MODEL, "%s: the header is not valid: %s", path,
                       header ? "not a JSON object" : why.text);
    }
    *ret_header = header;
    *ret_data_begin = 8 + (size_t)n;
    return 0;
}

static int push_shard(struct weights *w, const char *path, struct shard **ret,
                      struct phi3v_error *err)
{
    if (w->n_shards == w->cap_shards) {
        size_t cap = w->cap_shards ? 2 * w->cap_shards : 4;
        struct shard *grown = mem_resize(w->shards, cap, sizeof *grown);
        if (!grown) return no_memory(err, cap * sizeof *grown);
        w->shards = grown;
        w->cap_shards = cap;
    }
    const char *slash = strrchr(path, '/');
    struct shard s = {.name = mem_strdup(slash ? slash + 1 : path)};
    if (!s.name) return no_memory(err, strlen(path));
    int code = file_map_open(path, &s.map, err);
    if (code) {
        mem_free(s.name);
        return code;
    }
    w->shards[w->n_shards] = s;
    *ret = &w->shards[w->n_shards++];
    return 0;
}

/* Maps one file and adds its tensors. */
static int add_file(struct weights *w, const char *path, struct phi3v_error *err)
{
    struct shard *shard = NULL;
    json_t *header = NULL;
    size_t begin = 0;
    int code = push_shard(w, path, &shard, err);
    if (!code) code = parse_header(path, &shard->map, &header, &begin, err);
    if (!code)
        code = read_entries(w, path, shard->name, header, shard->map.data + begin,
                            shard->map.n_bytes - begin, err);
    json_t *metadata = json_object_get(header, "__metadata__");
    if (!code && !w->metadata) w->metadata = json_incref(metadata);
    json_decref(header);
    return code;
}

/* Sorts by name, and refuses duplicate names: from two shards, or wrapped and not. */
static int sort_names(struct weights *w, struct phi3v_error *err)
{
    struct tensor *t = w->tensors;
    if (w->n_tensors) qsort(t, w->n_tensors, sizeof *t, by_name);
    for (size_t i = 1; i < w->n_tensors; i++)
        if (strcmp(t[i - 1].name, t[i].name) == 0)
            return err_set(err, PHI3V_E_MODEL, "tensor %.120s is there twice, in %s and in %s",
                           t[i].name, t[i - 1].file, t[i].file);
    return 0;
}

/* -- Wrapped names ----------------------------------------------------------------------------- */

/* Finds the common prefix of the model's names by a tensor that every model has exactly once.
 * Returns its length, 0 when there is none, or an error; *ret is borrowed from the tensor's
 * name. */
static int find_prefix(const struct weights *w, const char **ret, struct phi3v_error *err)
{
    static const char known[] = "model.norm.weight";
    int n = 0;
    if (weights_find(w, known)) return 0;
    for (size_t i = 0; i < w->n_tensors; i++) {
        const struct tensor *t = &w->tensors[i];
        int n_this = (int)tensor_names_prefix(t->name, known);
        if (n_this && n)
            return err_set(err, PHI3V_E_MODEL,
                           "%s has two models, whose tensors begin with %.*s and %.*s; save one of "
                           "them alone",
                           t->file, n, *ret, n_this, t->name);
        if (!n_this) continue;
        n = n_this;
        *ret = t->name;
    }
    return n;
}

/* Turns names into those of the release. */
static int unwrap_names(struct weights *w, struct phi3v_error *err)
{
    const char *name = NULL;
    for (size_t i = 0; i < w->n_tensors; i++) tensor_names_unwrap((char *)w->tensors[i].name);
    int code = sort_names(w, err);
    if (code) return code;
    const int n = find_prefix(w, &name, err);
    if (n <= 0) return n;
    char *prefix = mem_strndup(name, (size_t)n);
    if (!prefix) return no_memory(err, (size_t)n);
    for (size_t i = 0; i < w->n_tensors; i++) {
        char *s = (char *)w->tensors[i].name;
        if (strncmp(s, prefix, (size_t)n) == 0) memmove(s, s + n, strlen(s + n) + 1);
    }
    mem_free(prefix);
    return sort_names(w, err);
}

/* -- The index -------------------------------------------------------------------------------- */

static bool shard_name_is_safe(const char *s)
{
    return s && *s && *s != '.' && !strchr(s, '/') && !strchr(s, '\\') && name_is_clean(s);
}

static bool has_shard(const struct weights *w, const char *name)
{
    for (size_t i = 0; i < w->n_shards; i++)
        if (strcmp(w->shards[i].name, name) == 0) return true;
    return false;
}

static int open_shards(struct weights *w, const char *dir, const char *index, const json_t *map,
                       struct phi3v_error *err)
{
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)map, tensor, value)
    {
        const char *name = json_string_value(value);
        if (!shard_name_is_safe(name))
            return err_set(err, PHI3V_E_MODEL,
                           "%s: the file of tensor %.120s is not a plain file name", index, tensor);
        if (has_shard(w, name)) continue;
        if (w->n_shards == MAX_SHARDS)
            return err_set(err, PHI3V_E_MODEL, "%s names more than %d files", index, MAX_SHARDS);
        CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
        if (!path) return no_memory(err, strlen(dir) + strlen(name));
        int code = add_file(w, path, err);
        if (code) return code;
    }
    return 0;
}

static int check_index(const struct weights *w, const char *index, const json_t *map,
                       struct phi3v_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)map, name, value)
    {
        const struct tensor *t = weights_find(w, name);
        if (!t || strcmp(t->file, json_string_value(value)) != 0)
            return err_set(err, PHI3V_E_MODEL, "%s says tensor %.120s is in %s, but it is not",
                           index, name, json_string_value(value));
    }
    return 0;
}

static int open_index(struct weights *w, const char *dir, const char *index,
                      struct phi3v_error *err)
{
    json_t *root = NULL;
    int code = json_file_load(index, &root, err);
    if (code) return code;
    const json_t *map = json_object_get(root, "weight_map");
    if (!json_is_object(map) || json_object_size(map) == 0)
        code = err_set(err, PHI3V_E_MODEL, "%s has no weight_map", index);
    if (!code) code = open_shards(w, dir, index, map, err);
    if (!code) code = sort_names(w, err);
    if (!code) code = check_index(w, index, map, err);
    if (!code) code = unwrap_names(w, err);
    json_decref(root);
    return code;
}

static int open_single(struct weights *w, const char *path, struct phi3v_error *err)
{
    int code = add_file(w, path, err);
    if (!code) code = sort_names(w, err);
    return code ? code : unwrap_names(w, err);
}

/* -- Public ----------------------------------------------------------------------------------- */

static int finish_open(struct weights *w, int code, struct weights **ret_weights)
{
    if (code)
        weights_close(w);
    else
        *ret_weights = w;
    return code;
}

int weights_open_file(const char *path, struct weights **ret_weights, struct phi3v_error *err)
{
    struct weights *w = mem_zalloc(sizeof *w);
    if (!w) return no_memory(err, sizeof *w);
    int code = add_file(w, path, err);
    if (!code) code = sort_names(w, err);
    return finish_open(w, code, ret_weights);
}

int weights_open_dir(const char *dir, struct weights **ret_weights, struct phi3v_error *err)
{
    CLEANUP(mem_free_ptr) char *index = path_join(dir, "model.safetensors.index.json");
    CLEANUP(mem_free_ptr) char *single = path_join(dir, "model.safetensors");
    if (!index || !single) return no_memory(err, strlen(dir));
    bool is_single = file_exists(single);
    if (!is_single && !file_exists(index)) {
        int code = foreign_check(dir, err);
        if (code) return code;
        return err_set(
            err, PHI3V_E_MODEL,
            "%s has no weights: neither model.safetensors nor model.safetensors.index.json", dir);
    }
    struct weights *w = mem_zalloc(sizeof *w);
    if (!w) return no_memory(err, sizeof *w);
    return finish_open(w, is_single ? open_single(w, single, err) : open_index(w, dir, index, err),
                       ret_weights);
}

void weights_want(const struct weights *w, size_t free_bytes)
{
    if (w->bytes > free_bytes) return; // what is fetched first would be evicted before its use
    for (size_t i = 0; i < w->n_shards; i++) file_map_want(&w->shards[i].map);
}

int weights_check(const struct weights *w, struct phi3v_error *err)
{
    for (size_t i = 0; i < w->n_shards; i++) {
        enum file_map_state state = file_map_state(&w->shards[i].map);
        if (state != FILE_MAP_AS_IT_WAS)
            return err_set(
                err, PHI3V_E_MODEL,
                "%s was %s while the model is in use; open the model again when the file "
                "is whole",
                w->shards[i].name, state == FILE_MAP_CUT ? "cut short" : "changed");
    }
    return 0;
}

const char *weights_file_at(const struct weights *w, const void *address)
{
    for (size_t i = 0; i < w->n_shards; i++) {
        const struct file_map *map = &w->shards[i].map;
        uintptr_t begin = (uintptr_t)map->data, at = (uintptr_t)address;
        if (map->data && at >= begin && at - begin < map->n_bytes) return w->shards[i].name;
    }
    return NULL;
}

void weights_close(struct weights *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->n_tensors; i++) mem_free((char *)w->tensors[i].name);
    for (size_t i = 0; i < w->n_shards; i++) {
        file_map_close(&w->shards[i].map);
        mem_free(w->shards[i].name);
    }
    json_decref(w->metadata);
    mem_free(w->tensors);
    mem_free(w->shards);
    mem_free(w);
}

size_t weights_count(const struct weights *w) { return w->n_tensors; }

const struct tensor *weights_at(const struct weights *w, size_t i) { return &w->tensors[i]; }

size_t weights_bytes(const struct weights *w) { return w->bytes; }

const char *weights_metadata(const struct weights *w, const char *key)
{
    return json_string_value(json_object_get(w->metadata, key));
}

const struct tensor *weights_find(const struct weights *w, const char *name)
{
    struct tensor key = {.name = name};
    return w->n_tensors ? bsearch(&key, w->tensors, w->n_tensors, sizeof key, by_name) : NULL;
}
