/* SPDX-License-Identifier: MIT
 * Matches a text against a grammar, byte by byte. If the text so far can be read in several ways,
 * each has a thread, with a stack of the rules it is in. Stacks share what they have in common. */
#ifndef SCHEMA_MATCHER_H
#define SCHEMA_MATCHER_H

#include "schema/grammar.h"

enum { MAX_THREADS = 2000 }; /* further ways are not followed, so fewer texts are possible */

struct frame { // where a thread continues when a rule has ended
    int32_t below;
    int32_t state, count, keys, depth; // of the thread
    int32_t moved;                     // its place after the next tidy
};

struct key { // of an object, one that is not in the schema
    uint64_t hash;
    int32_t before, moved;
};

struct thread {
    int32_t state, frame;
    int32_t count; // its rule's counter
    int32_t keys;  // the newest key of its object
    int32_t depth; // how many objects and arrays it is in
    uint64_t hash; // of the key being written
};

struct matcher {
    const struct grammar *g;
    struct thread *threads; // [n_threads], of which the first n_now are those of the text so far
    struct frame *frames;   // frames below another come before it
    struct key *keys;
    int32_t n_threads, n_now, n_frames, n_keys;
    uint64_t work; // threads examined so far
    bool failed;   // memory was missing
};

/* Borrows the grammar; neither may move. */
void matcher_init(struct matcher *m, const struct grammar *g, int32_t rule);
void matcher_fini(struct matcher *m);
/* Forgets the text. */
void matcher_restart(struct matcher *m, int32_t rule);

/* Adds a thread at the end. False without memory. */
bool matcher_push(struct matcher *m, const struct thread *t);
/* Lets the threads [begin, begin + n) take one byte, and adds those that can to the end. */
void matcher_step(struct matcher *m, int32_t begin, int32_t n, uint8_t byte);
/* Adds bytes to the text. False when no thread can take them; the text is then lost. */
bool matcher_take(struct matcher *m, const char *bytes, size_t n);
/* Whether the text is complete. */
bool matcher_is_complete(const struct matcher *m);

#endif
