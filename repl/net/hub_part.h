/* SPDX-License-Identifier: MIT
 * A file being fetched: its bytes under our own name, a map of the bytes present, and its digest,
 * which follows the bytes and finally decides.
 *
 * The file is fetched in segments, each from its beginning. The map is written after the bytes, so
 * that after a kill it lists no byte that is missing; after a power loss it may, which the digest
 * detects. */
#ifndef NET_HUB_PART_H
#define NET_HUB_PART_H

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/hub_cache.h"

struct hub_part {
    const struct hub_cache *cache;
    const struct hub_file *file;
    int fd, map_fd;
    int64_t segment_bytes;
    size_t n_segments;
    _Atomic int64_t *done; // [n_segments] bytes present; written only by the segment's thread
    EVP_MD_CTX *digest;
    _Atomic int64_t hashed;  // bytes in the digest so far
    pthread_mutex_t hashing; /* a restart waits for it */
    pthread_mutex_t writing; /* Linux lets only one thread write to a file while others spin */
};

/* Bytes of disk that a file still needs. */
int64_t hub_part_room(const struct hub_cache *cache, const struct hub_file *file);

/* Opens the part and continues from what is there. Errors: IO, MEMORY. */
int hub_part_open(struct hub_part *p, const struct hub_cache *cache, const struct hub_file *file,
                  int64_t segment_bytes, struct phi3v_error *err);
void hub_part_close(struct hub_part *p);

int64_t hub_part_begin(const struct hub_part *p, size_t segment);
int64_t hub_part_end(const struct hub_part *p, size_t segment); /* excluded */
int64_t hub_part_done(const struct hub_part *p);                /* bytes of all segments */

/* Writes the segment's next n bytes, never more than it lacks. Returns 0 or errno. */
int hub_part_write(struct hub_part *p, size_t segment, const void *bytes, size_t n);
/* Brings the map up to date with a segment. */
void hub_part_note(struct hub_part *p, size_t segment);

/* Continues the digest over bytes present without a gap, some MB at a time. Returns whether there
 * was something to do. Errors make the digest wrong. */
bool hub_part_hash(struct hub_part *p);
/* Whether the bytes, which are all present and hashed, are right. Call it once. */
bool hub_part_is_right(struct hub_part *p);
/* Forgets all bytes. */
void hub_part_restart(struct hub_part *p);

/* Removes the leftovers of a blob that exists: a kill just after it appeared leaves the map, and if
 * another program has fetched it since, the part too. */
void hub_part_forget(const struct hub_cache *cache, const struct hub_file *file);
/* Publishes the blob. Errors: IO, MEMORY. */
int hub_part_publish(struct hub_part *p, struct phi3v_error *err);

#endif
