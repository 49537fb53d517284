/* SPDX-License-Identifier: MIT
 * A text against a grammar, byte by byte. Where the text could go several ways so far, all of them
 * are followed: a thread for each, with a stack of the rules it is in. Stacks share what they have in
 * common. */
#ifndef SCHEMA_MATCHER_H
#define SCHEMA_MATCHER_H

#include "schema/grammar.h"

enum { MAX_THREADS = 2000 }; /* further ways are not followed, which leaves fewer texts */

struct frame { // what goes on when a rule has ended
    int32_t below;
    int32_t state, count, keys, depth; // of the thread
    int32_t moved;                     // its place after the next tidying
};

struct key { // of an object, one that is not in the schema
    uint64_t hash;
    int32_t before, moved;
};

struct thread {
    int32_t state, frame;
    int32_t count; // of what its rule counts
    int32_t keys;  // the newest of its object's
    int32_t depth; // objects and arrays that it is in
    uint64_t hash; // of the key being written
};

struct matcher {
    const struct grammar *g;
    struct thread *threads; // [n_threads], those of the text so far in front: [n_now]
    struct frame *frames;   // the ones below a frame stand in front of it
    struct key *keys;
    int32_t n_threads, n_now, n_frames, n_keys;
    uint64_t work; // threads looked at so far
    bool failed;   // memory was missing
};

/* Both grammar and matcher are borrowed where they lie. */
void matcher_init(struct matcher *m, const struct grammar *g, int32_t rule);
void matcher_fini(struct matcher *m);
/* Forgets the text. */
void matcher_restart(struct matcher *m, int32_t rule);

/* One more thread behind all. False without memory. */
bool matcher_push(struct matcher *m, const struct thread *t);
/* Follows one byte with the threads [begin, begin + n): puts those that go on behind the last of
 * all. */
void matcher_step(struct matcher *m, int32_t begin, int32_t n, uint8_t byte);
/* Adds bytes to the text. False when none of its ways goes on so; the text is then lost. */
bool matcher_take(struct matcher *m, const char *bytes, size_t n);
/* The text is whole. */
bool matcher_is_complete(const struct matcher *m);

#endif
