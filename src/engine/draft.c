/* SPDX-License-Identifier: MIT */
#include "engine/draft.h"

#include <string.h>

#include "base/mem.h"
#include "engine/session_decode.h"

int draft_init(struct draft *d, const struct phi3v_params *params, int n_vocab,
               struct phi3v_error *err)
{
    *d = (struct draft){.newest = -1};
    if (params->n_draft == 0) return 0;
    size_t n = DRAFT_ROWS * (size_t)n_vocab;
    d->logits = mem_array(n, sizeof *d->logits);
    if (!d->logits) return err_memory(err, "a draft", n * sizeof *d->logits);
    d->ids = params->draft;
    while (d->n < params->n_draft && params->draft[d->n] >= 0 && params->draft[d->n] < n_vocab)
        d->n++;
    d->follows = true;
    d->n_ahead = DRAFT_ROWS - 1;
    return 0;
}

void draft_fini(struct draft *d)
{
    mem_free(d->logits);
    *d = (struct draft){0};
}

/* Where the draft goes on after these two tokens, searched from where the answer stands; 0: it has
 * them nowhere. */
static size_t find_pair(const struct draft *d, int32_t first, int32_t second)
{
    for (size_t k = 1; k < d->n; k++) {
        size_t i = (d->at + k) % d->n;
        if (i > 0 && d->ids[i - 1] == first && d->ids[i] == second) return i + 1;
    }
    return 0;
}

/* The answer got another token. After a difference two tokens in a row must agree. */
static void saw(struct draft *d, int32_t id)
{
    if (d->follows && d->at < d->n && d->ids[d->at] == id) {
        d->at++;
    } else {
        size_t at = find_pair(d, d->newest, id);
        d->follows = at > 0;
        d->n_ahead = 1;
        if (at) d->at = at;
    }
    d->newest = id;
}

/* The tokens to guess at, at most `most`. */
static size_t guess(const struct draft *d, size_t most, int32_t *ret)
{
    size_t n = d->follows ? d->n - d->at : 0;
    if (n > d->n_ahead) n = d->n_ahead;
    if (n > most) n = most;
    memcpy(ret, d->ids + d->at, n * sizeof *ret);
    return n;
}

/* Draws from each row's logits as long as what is drawn is the next row's token. Returns how many
 * rows the answer has a use for. */
static size_t draw_rows(struct draft *d, struct phi3v_session *s, const int32_t *ids, size_t n,
                        backend_id_fn on_id, void *user)
{
    size_t n_vocab = (size_t)s->model->config.n_vocab;
    for (size_t i = 0; i < n; i++) {
        sampler_saw(s->sampler, ids[i]);
        int32_t next = sampler_pick(s->sampler, d->logits + i * n_vocab);
        if (on_id(user, 0, next) || i + 1 == n || next != ids[i + 1]) return i + 1;
        saw(d, next);
    }
    return n;
}

int draft_decode(struct draft *d, struct phi3v_session *s, int32_t id, size_t n,
                 backend_id_fn on_id, void *user, struct task *task, struct phi3v_error *err)
{
    int32_t ids[DRAFT_ROWS] = {id};
    if (!d || d->n == 0 || session_draws_ahead(s))
        return session_decode(s, id, n, on_id, user, task, err);
    saw(d, id);
    size_t n_rows = 1 + guess(d, n - 1, ids + 1);
    if (n_rows == 1 || !session_steps(s, n_rows))
        return session_decode(s, id, 1, on_id, user, task, err);
    int rc = session_push_rows(s, ids, n_rows, d->logits, task, err);
    if (rc) return rc;
    size_t n_used = draw_rows(d, s, ids, n_rows, on_id, user);
    session_drop(s, n_rows - n_used);
    if (n_used == n_rows && d->n_ahead < DRAFT_ROWS - 1) d->n_ahead = 2 * d->n_ahead + 1;
    return 0;
}
