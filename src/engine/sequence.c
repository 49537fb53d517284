/* SPDX-License-Identifier: MIT */
#include "engine/sequence.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

void sequence_fini(struct sequence *s)
{
    for (int i = 0; i < s->n_slots; i++) picture_unref(s->slots[i].image);
    mem_free(s->slots);
    mem_free(s->ids);
    mem_free(s->rows);
    *s = (struct sequence){0};
}

/* The k-th position of a picture holds row k modulo its number of rows. */
static int number_rows(struct sequence *s, int n_vocab, struct phi3v_error *err)
{
    int32_t *next = mem_zarray((size_t)s->n_slots, sizeof *next);
    if (!next) return err_memory(err, "a prompt", (size_t)s->n_slots * sizeof *next);
    int rc = 0;
    for (size_t i = 0; i < s->n && !rc; i++) {
        int32_t id = s->ids[i];
        if (id >= n_vocab || id < -s->n_slots) {
            rc =
                err_set(err, PHI3V_E_PROMPT,
                        "id %d at position %zu is neither a token (0 to %d) nor one of %d pictures",
                        id, i, n_vocab - 1, s->n_slots);
        } else if (id < 0) {
            int32_t *row = &next[-id - 1];
            s->rows[i] = *row;
            *row = (*row + 1) % s->slots[-id - 1].n_tokens;
        }
    }
    for (int k = 0; k < s->n_slots && !rc; k++)
        if (next[k] != 0)
            rc = err_set(err, PHI3V_E_PROMPT,
                         "picture %d has %d placeholders left over; it takes %d at a time", k + 1,
                         next[k], s->slots[k].n_tokens);
    mem_free(next);
    return rc;
}

static int share_slots(const struct slot *slots, int n_slots, struct sequence *s,
                       struct phi3v_error *err)
{
    s->slots = mem_array((size_t)n_slots, sizeof *s->slots);
    if (!s->slots) return err_memory(err, "a prompt", (size_t)n_slots * sizeof *s->slots);
    for (int i = 0; i < n_slots; i++) {
        s->slots[i] = slots[i];
        picture_ref(slots[i].image);
    }
    s->n_slots = n_slots;
    return 0;
}

int sequence_build(int32_t *ids, size_t n, const struct slot *slots, int n_slots, int n_vocab,
                   struct sequence *ret, struct phi3v_error *err)
{
    struct sequence s = {.ids = ids, .n = n, .cap = n};
    s.rows = mem_zarray(n, sizeof *s.rows);
    int rc = s.rows ? 0 : err_memory(err, "a prompt", n * sizeof *s.rows);
    if (!rc) rc = share_slots(slots, n_slots, &s, err);
    if (!rc) rc = number_rows(&s, n_vocab, err);
    if (rc) {
        sequence_fini(&s);
        return rc;
    }
    *ret = s;
    return 0;
}

int sequence_reserve(struct sequence *s, size_t extra, struct phi3v_error *err)
{
    size_t cap = s->n + extra; // both are bounded by the context
    if (cap <= s->cap) return 0;
    int32_t *ids = mem_resize(s->ids, cap, sizeof *ids);
    if (ids) s->ids = ids;
    int32_t *rows = mem_resize(s->rows, cap, sizeof *rows);
    if (rows) s->rows = rows;
    if (!ids || !rows) return err_memory(err, "a token sequence", 2 * cap * sizeof *ids);
    s->cap = cap;
    return 0;
}

int sequence_copy(const struct sequence *from, size_t extra, struct sequence *ret,
                  struct phi3v_error *err)
{
    struct sequence s = {0};
    int rc = sequence_reserve(&s, from->n + extra, err);
    if (!rc) rc = share_slots(from->slots, from->n_slots, &s, err);
    if (rc) {
        sequence_fini(&s);
        return rc;
    }
    s.n = from->n;
    if (s.n) {
        memcpy(s.ids, from->ids, s.n * sizeof *s.ids);
        memcpy(s.rows, from->rows, s.n * sizeof *s.rows);
    }
    *ret = s;
    return 0;
}

void sequence_push(struct sequence *s, int32_t id)
{
    assert(s->n < s->cap);
    s->ids[s->n] = id;
    s->rows[s->n++] = 0;
}

static bool same_position(const struct sequence *a, const struct sequence *b, size_t i)
{
    int32_t x = a->ids[i], y = b->ids[i];
    if (x >= 0 || y >= 0) return x == y;
    return a->rows[i] == b->rows[i] && slot_same(&a->slots[-x - 1], &b->slots[-y - 1]);
}

size_t sequence_common(const struct sequence *a, const struct sequence *b)
{
    size_t n = a->n < b->n ? a->n : b->n, i = 0;
    while (i < n && same_position(a, b, i)) i++;
    return i;
}
