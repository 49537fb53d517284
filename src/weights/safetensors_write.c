/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "weights/safetensors.h"

/* -- The header ------------------------------------------------------------------------------- */

static json_t *entry_json(const struct tensor *t, size_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < t->n_dims; i++) json_array_append_new(shape, json_integer(t->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_name(t->dtype), "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)(begin + t->n_bytes));
}

static json_t *header_json(const struct tensor *tensors, size_t n, const char *const *metadata)
{
    json_t *header = json_object();
    bool ok = header != NULL;
    if (metadata) {
        json_t *meta = json_object();
        for (; *metadata && ok; metadata += 2)
            ok = json_object_set_new(meta, metadata[0], json_string(metadata[1])) == 0;
        ok = json_object_set_new(header, "__metadata__", meta) == 0 && ok;
    }
    size_t begin = 0;
    for (size_t i = 0; i < n && ok; i++) {
        ok = json_object_set_new(header, tensors[i].name, entry_json(&tensors[i], begin)) == 0;
        begin += tensors[i].n_bytes;
    }
    if (ok) return header;
    json_decref(header);
    return NULL;
}

/* The length and the JSON, padded with spaces so that the data begins at a multiple of 64. */
static bool make_header(const struct tensor *tensors, size_t n, const char *const *metadata,
                        struct buf *out)
{
    json_t *json = header_json(tensors, n, metadata);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text) return false;
    uint64_t len = ((strlen(text) + 8 + 63) & ~(uint64_t)63) - 8;
    for (int i = 0; i < 8; i++) buf_putc(out, (char)(len >> (8 * i)));
    buf_puts(out, text);
    while (out->n < 8 + len) {
        if (out->failed) break;
        buf_putc(out, ' ');
    }
    free(text); // jansson's allocator is the C library's
    return !out->failed;
}

/* -- The file --------------------------------------------------------------------------------- */

static bool write_all(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n > 0) {
        ssize_t done = write(fd, p, n < (1u << 30) ? n : 1u << 30);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

static bool write_parts(int fd, const struct buf *header, const struct tensor *tensors, size_t n)
{
    bool ok = write_all(fd, header->data, header->n);
    for (size_t i = 0; i < n && ok; i++) ok = write_all(fd, tensors[i].data, tensors[i].n_bytes);
    return ok;
}

static bool sizes_match(const struct tensor *t)
{
    size_t bytes = dtype_bytes(t->dtype);
    for (int i = 0; i < t->n_dims; i++)
        if (t->shape[i] < 0 || !size_mul(bytes, (size_t)t->shape[i], &bytes)) return false;
    return bytes == t->n_bytes;
}

static int cannot_write(struct phi3v_error *err, const char *path, int errnum)
{
    char text[128];
    return err_set(err, PHI3V_E_IO, "cannot write %s: %s", path,
                   strerror_r(errnum, text, sizeof text));
}

/* The file in the making, locked for as long as it is open: what a program that was killed left is
 * written over. Some file systems have no locks. *fd: -1, or it is the caller's. */
static int open_temp(const char *temp, int *fd, struct phi3v_error *err)
{
    struct stat mine, there;
    *fd = open(temp, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (*fd < 0) return cannot_write(err, temp, errno);
    bool busy = flock(*fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    /* The other program may have ended between the two calls; then this is its file. */
    if (!busy && (fstat(*fd, &mine) != 0 || stat(temp, &there) != 0 || mine.st_ino != there.st_ino))
        busy = true;
    return busy ? err_set(err, PHI3V_E_IO, "another program is writing %s", temp) : 0;
}

int safetensors_write(const char *path, const struct tensor *tensors, size_t n,
                      const char *const *metadata, struct phi3v_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!sizes_match(&tensors[i]))
            return err_set(err, PHI3V_E_ARGUMENT, "tensor %.120s: its bytes do not match its shape",
                           tensors[i].name);
    struct buf header = {0}, temp = {0};
    buf_printf(&temp, "%s.phiscope-part", path);
    int code = 0, fd = -1;
    if (temp.failed || !make_header(tensors, n, metadata, &header))
        code = err_memory(err, "a safetensors header", header.n);
    if (!code) code = open_temp(temp.data, &fd, err);
    if (!code && (ftruncate(fd, 0) != 0 || !write_parts(fd, &header, tensors, n) ||
                  fsync(fd) != 0 || rename(temp.data, path) != 0)) {
        code = cannot_write(err, path, errno);
        unlink(temp.data);
    }
    if (fd >= 0) close(fd);
    buf_fini(&header);
    buf_fini(&temp);
    return code;
}
