/* SPDX-License-Identifier: MIT */
#include "text/bpe.h"

#include "base/mem.h"

enum { ASK_EVERY = 1 << 16 }; /* pairs, which take a few milliseconds */

struct bpe_symbol {
    int32_t id;         // -1: merged into the symbol before it
    int32_t prev, next; // neighbours, -1 at the ends
    int32_t rank;       // of the pair (this, next); NO_RANK: it cannot be merged
    int32_t merged;     // what the pair becomes
};

void bpe_fini(struct bpe *b)
{
    mem_free(b->symbols);
    mem_free(b->heap);
    *b = (struct bpe){0};
}

static bool reserve(struct bpe *b, size_t n)
{
    if (n <= b->cap) return true;
    size_t cap = n < 64 ? 64 : n + n / 2;
    bpe_fini(b);
    b->symbols = mem_array(cap, sizeof *b->symbols);
    b->heap = mem_array(cap, 2 * sizeof *b->heap); // n - 1 pairs, then one more per merge
    b->cap = cap;
    if (b->symbols && b->heap) return true;
    bpe_fini(b);
    return false;
}

/* -- A binary heap of rank << 32 | place, smallest first -------------------------------------- */

static void sift_down(uint64_t *heap, size_t n, size_t i)
{
    uint64_t x = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= x) break;
        heap[i] = heap[child];
    }
    heap[i] = x;
}

static void push(uint64_t *heap, size_t *n, uint64_t x)
{
    size_t i = (*n)++;
    for (; i > 0 && heap[(i - 1) / 2] > x; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = x;
}

static uint64_t pop(uint64_t *heap, size_t *n)
{
    uint64_t top = heap[0];
    heap[0] = heap[--*n];
    sift_down(heap, *n, 0);
    return top;
}

/* -- Merging ---------------------------------------------------------------------------------- */

static uint64_t heap_key(int32_t rank, size_t place) { return (uint64_t)rank << 32 | place; }

/* Looks up the pair that begins at `place`; true when it can be merged. */
static bool rate_pair(const struct tokenizer *t, struct bpe_symbol *s, size_t place)
{
    s[place].rank = NO_RANK;
    if (s[place].next < 0) return false;
    const struct merge *m = merge_find(t, s[place].id, s[s[place].next].id);
    s[place].rank = m->rank;
    s[place].merged = m->id;
    return m->rank != NO_RANK;
}

static void merge_at(struct bpe_symbol *s, size_t place)
{
    struct bpe_symbol *left = &s[place], *right = &s[left->next];
    left->id = left->merged;
    left->next = right->next;
    if (left->next >= 0) s[left->next].prev = (int32_t)place;
    right->id = -1;
    right->rank = NO_RANK;
}

static bool is_time_to_stop(size_t i, struct stop *stop)
{
    return i % ASK_EVERY == ASK_EVERY - 1 && stop_asked(stop);
}

/* False when it was stopped. */
static bool merge_all(const struct tokenizer *t, struct bpe_symbol *s, size_t n, uint64_t *heap,
                      struct stop *stop)
{
    size_t n_heap = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_time_to_stop(i, stop)) return false;
        if (rate_pair(t, s, i)) heap[n_heap++] = heap_key(s[i].rank, i);
    }
    for (size_t i = n_heap / 2; i-- > 0;) {
        if (is_time_to_stop(i, stop)) return false;
        sift_down(heap, n_heap, i);
    }
    for (size_t i = 0; n_heap > 0; i++) {
        if (is_time_to_stop(i, stop)) return false;
        uint64_t top = pop(heap, &n_heap);
        size_t place = (uint32_t)top;
        if ((uint64_t)s[place].rank != top >> 32) continue; // the pair has changed since
        merge_at(s, place);
        if (rate_pair(t, s, place)) push(heap, &n_heap, heap_key(s[place].rank, place));
        int32_t prev = s[place].prev;
        if (prev >= 0 && rate_pair(t, s, (size_t)prev))
            push(heap, &n_heap, heap_key(s[prev].rank, (size_t)prev));
    }
    return true;
}

bool bpe_merge(struct bpe *b, const struct tokenizer *t, const int32_t *symbols, size_t n,
               struct stop *stop, struct ids *out)
{
    if (n == 0) return true;
    if (n > INT32_MAX || !reserve(b, n)) return false;
    struct bpe_symbol *s = b->symbols;
    for (size_t i = 0; i < n; i++) {
        if (is_time_to_stop(i, stop)) return false;
        s[i] = (struct bpe_symbol){
            .id = symbols[i], .prev = (int32_t)i - 1, .next = i + 1 < n ? (int32_t)i + 1 : -1};
    }
    if (!merge_all(t, s, n, b->heap, stop)) return false;
    for (int32_t i = 0; i >= 0; i = s[i].next)
        if (!ids_push(out, s[i].id)) return false;
    return true;
}
