/* SPDX-License-Identifier: MIT
 * A file that is being fetched: its bytes under a name of ours, a map of which of them are there,
 * and its digest, which runs behind the bytes and decides in the end.
 *
 * The file is fetched in segments, each from its beginning on. The map is written behind the bytes,
 * so that after a kill it names none that are not there; after a loss of power it may, and then the
 * digest tells. */
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
    _Atomic int64_t *done; // [n_segments] bytes there; written by the segment's own thread
    EVP_MD_CTX *digest;
    _Atomic int64_t hashed;  // bytes that the digest has seen
    pthread_mutex_t hashing; /* a restart waits for it */
    pthread_mutex_t writing; /* Linux lets one thread write into a file, and the others spin */
};

/* Bytes of disk that a file has yet to take. */
int64_t hub_part_room(const struct hub_cache *cache, const struct hub_file *file);

/* Goes on from what is there. Errors: IO, MEMORY. */
int hub_part_open(struct hub_part *p, const struct hub_cache *cache, const struct hub_file *file,
                  int64_t segment_bytes, struct phi3v_error *err);
void hub_part_close(struct hub_part *p);

int64_t hub_part_begin(const struct hub_part *p, size_t segment);
int64_t hub_part_end(const struct hub_part *p, size_t segment); /* not included */
int64_t hub_part_done(const struct hub_part *p);                /* bytes of all segments */

/* The segment's next n bytes; 0, or errno. Not more than the segment takes. */
int hub_part_write(struct hub_part *p, size_t segment, const void *bytes, size_t n);
/* Brings the map up to date with a segment. */
void hub_part_note(struct hub_part *p, size_t segment);

/* Lets the digest go on over bytes that are there without a gap, some MB at a time. true: there was
 * something to do. Errors make the digest wrong. */
bool hub_part_hash(struct hub_part *p);
/* All bytes there and hashed: are they the right ones? Asked once. */
bool hub_part_is_right(struct hub_part *p);
/* Forgets all bytes. */
void hub_part_restart(struct hub_part *p);

/* Of a blob that is there: a kill right behind its appearing leaves the map; when another program
 * brought it meanwhile, the part is there as well. */
void hub_part_forget(const struct hub_cache *cache, const struct hub_file *file);
/* The blob appears. Errors: IO, MEMORY. */
int hub_part_publish(struct hub_part *p, struct phi3v_error *err);

#endif
