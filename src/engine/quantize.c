/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "engine/quantize.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "weights/pack_file.h"

static const char *const copied[] = {
    "config.json",           "generation_config.json",  "preprocessor_config.json",
    "processor_config.json", "tokenizer.json",          "tokenizer.model",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "phiscope.json"};

enum { MAX_COPY_BYTES = 256 << 20 };

static int io_error(struct phi3v_error *err, const char *what, const char *path)
{
    char text[128];
    return err_set(err, PHI3V_E_IO, "cannot %s %s: %s", what, path,
                   strerror_r(errno, text, sizeof text));
}

static int write_file(const char *path, const char *data, size_t n, struct phi3v_error *err)
{
    FILE *f = fopen(path, "wbe");
    if (!f) return io_error(err, "write", path);
    bool ok = fwrite(data, 1, n, f) == n;
    if (fclose(f) != 0) ok = false;
    return ok ? 0 : io_error(err, "write", path);
}

static int copy_file(const char *from_dir, const char *dir, const char *name,
                     struct phi3v_error *err)
{
    CLEANUP(mem_free_ptr) char *from = path_join(from_dir, name);
    CLEANUP(mem_free_ptr) char *to = path_join(dir, name);
    CLEANUP(mem_free_ptr) char *data = NULL;
    size_t n;
    if (!from || !to) return err_memory(err, "a path", strlen(dir));
    if (!file_exists(from)) return 0;
    int rc = file_read(from, MAX_COPY_BYTES, &data, &n, err);
    return rc ? rc : write_file(to, data, n, err);
}

int quantize_write(const struct phi3v_model *m, const char *dir, struct phi3v_error *err)
{
    CLEANUP(mem_free_ptr) char *weights = path_join(dir, "model.safetensors");
    if (!weights) return err_memory(err, "a path", strlen(dir));
    if (!m->weights) return err_set(err, PHI3V_E_ARGUMENT, "%s has no files to pack", m->name);
    if (file_exists(weights))
        return err_set(err, PHI3V_E_ARGUMENT, "%s holds a model already: name another folder", dir);
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) return io_error(err, "make the folder", dir);
    int rc = 0;
    for (size_t i = 0; i < sizeof copied / sizeof *copied && !rc; i++)
        rc = copy_file(m->path, dir, copied[i], err);
    return rc ? rc : pack_file_write(&m->bound, &m->config, m->weights, dir, err);
}
