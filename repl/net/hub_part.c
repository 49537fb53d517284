/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* sync_file_range */
#include "net/hub_part.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/error.h"

#define PART ".phiscope-part"
#define MAP ".phiscope-map"
#define HASH_BYTES ((int64_t)4 << 20) /* hashed at a time */
#define NOTE_BYTES ((int64_t)1 << 20) /* a kill may lose this much of each segment */

struct map_head {
    char magic[16];
    int64_t size, segment_bytes;
};

static const char magic[16] = "phiscope-map 1\n";

static int fail_part(const struct hub_part *p, const char *what, struct phi3v_error *err)
{
    int why = errno;
    return refuse(err, PHI3V_E_IO, "cannot %s %s in %.250s: %s%s", what, p->file->name,
                  p->cache->repo, strerror(why),
                  why == ENOSPC || why == EDQUOT ? "; the same command goes on once there is room"
                                                 : "");
}

/* -- The map ---------------------------------------------------------------------------------- */

/* Reads a map of this file; any other map counts as missing. */
static bool read_map(struct hub_part *p)
{
    struct map_head head;
    size_t n = p->n_segments * sizeof(int64_t);
    if (pread(p->map_fd, &head, sizeof head, 0) != (ssize_t)sizeof head ||
        memcmp(head.magic, magic, sizeof magic) || head.size != p->file->size ||
        head.segment_bytes < 1 || head.segment_bytes > ((int64_t)1 << 40))
        return false;
    int64_t *done = malloc(n + 1);
    bool fine = done && head.segment_bytes == p->segment_bytes &&
                pread(p->map_fd, done, n, sizeof head) == (ssize_t)n;
    for (size_t i = 0; fine && i < p->n_segments; i++)
        fine = done[i] >= 0 && done[i] <= hub_part_end(p, i) - hub_part_begin(p, i);
    for (size_t i = 0; fine && i < p->n_segments; i++) p->done[i] = done[i];
    free(done);
    return fine;
}

/* Writes a map of a file with no bytes yet. */
static bool new_map(struct hub_part *p)
{
    struct map_head head = {.size = p->file->size, .segment_bytes = p->segment_bytes};
    memcpy(head.magic, magic, sizeof magic);
    for (size_t i = 0; i < p->n_segments; i++) p->done[i] = 0;
    return ftruncate(p->map_fd, 0) == 0 &&
           ftruncate(p->map_fd, (off_t)(sizeof head + p->n_segments * sizeof(int64_t))) == 0 &&
           pwrite(p->map_fd, &head, sizeof head, 0) == (ssize_t)sizeof head;
}

void hub_part_note(struct hub_part *p, size_t segment)
{
    int64_t done = p->done[segment];
    off_t at = (off_t)(sizeof(struct map_head) + segment * sizeof done);
    ssize_t n = pwrite(p->map_fd, &done, sizeof done, at);
    (void)n; /* an outdated map only costs time */
}

/* -- The digest ------------------------------------------------------------------------------- */

static bool is_sha256(const struct hub_part *p) { return strlen(p->file->key) == 64; }

/* git's name of a blob is a digest of a head and the bytes. */
static bool begin_digest(struct hub_part *p)
{
    char head[64];
    int n = snprintf(head, sizeof head, "blob %lld", (long long)p->file->size);
    p->hashed = 0;
    return EVP_DigestInit_ex(p->digest, is_sha256(p) ? EVP_sha256() : EVP_sha1(), NULL) == 1 &&
           (is_sha256(p) || EVP_DigestUpdate(p->digest, head, (size_t)n + 1) == 1);
}

static int64_t gapless(const struct hub_part *p)
{
    for (size_t i = 0; i < p->n_segments; i++)
        if (hub_part_begin(p, i) + p->done[i] < hub_part_end(p, i))
            return hub_part_begin(p, i) + p->done[i];
    return p->file->size;
}

/* Adds bytes from..end to the digest. Unreadable bytes make it wrong. */
static void hash_range(struct hub_part *p, int64_t from, int64_t end)
{
    uint8_t bytes[1 << 16];
    for (ssize_t got; from < end; from += got) {
        size_t n = (size_t)(end - from) < sizeof bytes ? (size_t)(end - from) : sizeof bytes;
        got = pread(p->fd, bytes, n, (off_t)from);
        if (got <= 0) {
            EVP_DigestUpdate(p->digest, "?", 1);
            return;
        }
        EVP_DigestUpdate(p->digest, bytes, (size_t)got);
    }
}

bool hub_part_hash(struct hub_part *p)
{
    pthread_mutex_lock(&p->hashing);
    int64_t from = p->hashed, end = gapless(p);
    if (end > from + HASH_BYTES) end = from + HASH_BYTES;
    if (end > from) {
        hash_range(p, from, end);
        p->hashed = end;
#ifdef SYNC_FILE_RANGE_WRITE /* so that the sync at the end finds little to do */
        sync_file_range(p->fd, (off_t)from, (off_t)(end - from), SYNC_FILE_RANGE_WRITE);
#endif
    }
    pthread_mutex_unlock(&p->hashing);
    return end > from;
}

bool hub_part_is_right(struct hub_part *p)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    char text[2 * EVP_MAX_MD_SIZE + 1] = "";
    if (EVP_DigestFinal_ex(p->digest, sum, &n) != 1) return false;
    for (unsigned int i = 0; i < n; i++) snprintf(text + 2 * i, 3, "%02x", sum[i]);
    return !strcmp(text, p->file->key);
}

/* -- The bytes -------------------------------------------------------------------------------- */

int64_t hub_part_begin(const struct hub_part *p, size_t segment)
{
    return (int64_t)segment * p->segment_bytes;
}

int64_t hub_part_end(const struct hub_part *p, size_t segment)
{
    int64_t end = (int64_t)(segment + 1) * p->segment_bytes;
    return end < p->file->size ? end : p->file->size;
}

int64_t hub_part_done(const struct hub_part *p)
{
    int64_t sum = 0;
    for (size_t i = 0; i < p->n_segments; i++) sum += p->done[i];
    return sum;
}

int64_t hub_part_room(const struct hub_cache *cache, const struct hub_file *file)
{
    struct stat st;
    char *path = hub_blob_path(cache, file->key, PART);
    int64_t there = path && stat(path, &st) == 0 ? (int64_t)st.st_blocks * 512 : 0;
    free(path);
    return hub_has_blob(cache, file) || there > file->size ? 0 : file->size - there;
}

int hub_part_write(struct hub_part *p, size_t segment, const void *bytes, size_t n)
{
    const char *from = bytes;
    while (n > 0) {
        int64_t done = p->done[segment];
        pthread_mutex_lock(&p->writing);
        ssize_t put = pwrite(p->fd, from, n, (off_t)(hub_part_begin(p, segment) + done));
        pthread_mutex_unlock(&p->writing);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return put < 0 ? errno : EIO;
        p->done[segment] = done + put;
        if (done / NOTE_BYTES != (done + put) / NOTE_BYTES) hub_part_note(p, segment);
        from += put;
        n -= (size_t)put;
    }
    return 0;
}

void hub_part_restart(struct hub_part *p)
{
    pthread_mutex_lock(&p->hashing);
    new_map(p);
    begin_digest(p);
    pthread_mutex_unlock(&p->hashing);
}

/* -- What Python left ------------------------------------------------------------------------- */

/* Copies the beginning of another file to ours; returns how many bytes. */
static int64_t copy_beginning(int from_fd, int to_fd, int64_t n)
{
    uint8_t bytes[1 << 16];
    int64_t at = 0;
    while (at < n) {
        size_t want = n - at < (int64_t)sizeof bytes ? (size_t)(n - at) : sizeof bytes;
        ssize_t got = pread(from_fd, bytes, want, (off_t)at);
        if (got <= 0 || pwrite(to_fd, bytes, (size_t)got, (off_t)at) != got) break;
        at += got;
    }
    return at;
}

/* Opens KEY.incomplete or, from newer clients, KEY.WORD.incomplete: the longest that does not
 * exceed the file, for reading; -1: there is none. */
static int open_incomplete(const struct hub_part *p, int64_t *ret_size)
{
    static const char ending[] = ".incomplete";
    size_t n_key = strlen(p->file->key), n_ending = sizeof ending - 1;
    char *folder = hub_blob_path(p->cache, "", "");
    DIR *d = folder ? opendir(folder) : NULL;
    int best = -1;
    *ret_size = 0;
    for (const struct dirent *e; d && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        struct stat st;
        if (n < n_key + n_ending || strncmp(e->d_name, p->file->key, n_key) != 0 ||
            e->d_name[n_key] != '.' || strcmp(e->d_name + n - n_ending, ending) != 0)
            continue;
        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        bool better = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                      st.st_size <= p->file->size && st.st_size > *ret_size;
        if (better) *ret_size = st.st_size;
        int other = better ? best : fd;
        if (other >= 0) close(other);
        if (better) best = fd;
    }
    if (d) closedir(d);
    free(folder);
    return best;
}

/* An unfinished download of Python's client can be continued if its bytes are right, which the
 * digest decides. The file stays as it is, since older clients continue it by its size alone. */
static void take_over_incomplete(struct hub_part *p)
{
    int64_t size;
    int fd = open_incomplete(p, &size);
    if (fd < 0) return;
    int64_t n = copy_beginning(fd, p->fd, size);
    close(fd);
    for (size_t i = 0; i < p->n_segments && hub_part_begin(p, i) < n; i++) {
        int64_t end = hub_part_end(p, i) < n ? hub_part_end(p, i) : n;
        p->done[i] = end - hub_part_begin(p, i);
        hub_part_note(p, i);
    }
}

/* Continues with an existing map, or writes a new one. */
static bool have_map(struct hub_part *p)
{
    if (read_map(p)) return true;
    if (!new_map(p)) return false;
    take_over_incomplete(p);
    return true;
}

/* -- Life ------------------------------------------------------------------------------------- */

static int open_file(const struct hub_part *p, const char *ending)
{
    char *path = hub_blob_path(p->cache, p->file->key, ending);
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666) : -1;
    free(path);
    return fd;
}

int hub_part_open(struct hub_part *p, const struct hub_cache *cache, const struct hub_file *file,
                  int64_t segment_bytes, struct phi3v_error *err)
{
    *p = (struct hub_part){.cache = cache, .file = file, .segment_bytes = segment_bytes};
    p->n_segments = (size_t)((file->size + segment_bytes - 1) / segment_bytes);
    pthread_mutex_init(&p->hashing, NULL);
    pthread_mutex_init(&p->writing, NULL);
    p->done = calloc(p->n_segments + 1, sizeof *p->done);
    p->digest = EVP_MD_CTX_new();
    p->fd = open_file(p, PART);
    p->map_fd = open_file(p, MAP);
    int rc = 0;
    if (!p->done || !p->digest || !begin_digest(p))
        rc = net_fail_memory(err, "a model");
    else if (p->fd < 0 || p->map_fd < 0)
        rc = fail_part(p, "open the part of", err);
    else if (ftruncate(p->fd, (off_t)file->size) != 0 || !have_map(p))
        rc = fail_part(p, "write the part of", err);
    if (rc) hub_part_close(p);
    return rc;
}

void hub_part_close(struct hub_part *p)
{
    if (p->fd >= 0 && p->file) close(p->fd);
    if (p->map_fd >= 0 && p->file) close(p->map_fd);
    EVP_MD_CTX_free(p->digest);
    free(p->done);
    pthread_mutex_destroy(&p->hashing);
    pthread_mutex_destroy(&p->writing);
    *p = (struct hub_part){.fd = -1, .map_fd = -1};
}

int hub_part_publish(struct hub_part *p, struct phi3v_error *err)
{
    char *part = hub_blob_path(p->cache, p->file->key, PART);
    char *map = hub_blob_path(p->cache, p->file->key, MAP);
    char *blob = hub_blob_path(p->cache, p->file->key, "");
    int rc = part && map && blob ? 0 : net_fail_memory(err, "a model");
    if (rc == 0 && (fsync(p->fd) != 0 || rename(part, blob) != 0)) rc = fail_part(p, "write", err);
    if (rc == 0) unlink(map);
    free(part);
    free(map);
    free(blob);
    return rc;
}

void hub_part_forget(const struct hub_cache *cache, const struct hub_file *file)
{
    static const char *const endings[] = {PART, MAP};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *path = hub_blob_path(cache, file->key, endings[i]);
        if (path) unlink(path);
        free(path);
    }
}
