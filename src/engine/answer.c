/* SPDX-License-Identifier: MIT */
#include "engine/answer.h"

#include <string.h>

#include "base/mem.h"
#include "engine/logprob.h"
#include "engine/stop_string.h"

enum { TEXT_BYTES_PER_TOKEN = 16 };

/* -- Setting up -------------------------------------------------------------------------------- */

static void add_stop_id(struct answer *a, const struct tokenizer *t, const char *name)
{
    int32_t id = t ? tokenizer_special(t, name) : -1;
    if (id >= 0) a->stop_ids[a->n_stop_ids++] = id;
}

static void silent_first(struct answer *a, const struct tokenizer *t)
{
    for (int i = 0; i < a->n_stop_ids; i++) {
        int32_t id = a->stop_ids[i];
        if (t && tokenizer_bytes(t, id, NULL, 0) > 0) continue;
        a->stop_ids[i] = a->stop_ids[a->n_silent];
        a->stop_ids[a->n_silent++] = id;
    }
}

static void set_stop_ids(struct answer *a, const struct phi3v_model *m)
{
    a->n_stop_ids = m->config.n_eos_ids;
    memcpy(a->stop_ids, m->config.eos_ids, (size_t)a->n_stop_ids * sizeof *a->stop_ids);
    add_stop_id(a, m->tokenizer, "<|endoftext|>");
    if (!a->params->stop_reference) add_stop_id(a, m->tokenizer, "<|end|>");
    silent_first(a, m->tokenizer);
}

/* The text of an open turn continues where its ids end, so the detokeniser gets those first. */
static int start_text(struct answer *a, const struct phi3v_prompt *prompt,
                      const struct tokenizer *t, struct phi3v_error *err)
{
    if (!t) return 0;
    int rc = detok_new(t, a->params->keep_special, &a->detok, err);
    const char *said;
    size_t n_said;
    for (size_t i = prompt->n_open; i > 0 && !rc; i--)
        rc = detok_push(a->detok, prompt->seq.ids[prompt->seq.n - i], &said, &n_said, err);
    return rc;
}

static int init_logprobs(struct answer *a, const struct phi3v_model *m, struct phi3v_error *err)
{
    a->n_top = logprobs_wanted(a->params, m->config.n_vocab);
    if (a->n_top == 0) return 0;
    size_t item = (size_t)a->n_top * sizeof *a->top;
    a->logprobs = mem_array(a->cap, sizeof *a->logprobs);
    a->top = mem_array(a->cap, item);
    if (a->logprobs && a->top) return 0;
    return err_memory(err, "log-probabilities", a->cap * (item + sizeof *a->logprobs));
}

int answer_init(struct answer *a, struct phi3v_session *s, const struct phi3v_prompt *prompt,
                size_t cap, struct phi3v_error *err)
{
    a->cap = cap;
    set_stop_ids(a, s->model);
    a->ids = mem_array(cap, sizeof *a->ids);
    a->text_ends = mem_array(cap, sizeof *a->text_ends);
    buf_reserve(&a->text, cap * TEXT_BYTES_PER_TOKEN);
    if (!a->ids || !a->text_ends || a->text.failed)
        return err_memory(err, "an answer",
                          cap * (sizeof *a->ids + sizeof *a->text_ends + TEXT_BYTES_PER_TOKEN));
    int rc = init_logprobs(a, s->model, err);
    return rc ? rc : start_text(a, prompt, s->model->tokenizer, err);
}

void answer_fini(struct answer *a)
{
    detok_free(a->detok);
    mem_free(a->ids);
    mem_free(a->text_ends);
    mem_free(a->logprobs);
    mem_free(a->top);
    buf_fini(&a->text);
}

/* -- Text -------------------------------------------------------------------------------------- */

static bool utf8_continues(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

/* Hands out the text up to `end`, in whole characters. */
static void send_text(struct answer *a, size_t end)
{
    while (end > a->n_sent && end < a->text.n && utf8_continues(a->text.data[end])) end--;
    if (end <= a->n_sent) return;
    task_text(a->task, a->text.data + a->n_sent, end - a->n_sent, a->ids[a->n - 1]);
    a->n_sent = end;
}

/* Appends text and hands out what cannot belong to a stop string, or cuts at the one found. */
static int take_text(struct answer *a, const char *bytes, size_t n, struct phi3v_error *err)
{
    buf_append(&a->text, bytes, n);
    if (a->text.failed) return err_memory(err, "an answer's text", a->text.n + n);
    if (n == 0) return 0;
    size_t end;
    bool found = stop_string_find(a->params->stop, a->text.data, a->text.n, a->n_sent, &end);
    if (found) {
        a->cut = true;
        a->text.n = end;
        a->text.data[end] = 0;
    }
    send_text(a, end);
    return 0;
}

/* -- Ids --------------------------------------------------------------------------------------- */

static void take_logprobs(struct answer *a, int32_t id, const struct sampler *s)
{
    size_t row = a->n * (size_t)a->n_top;
    a->logprobs[a->n] = sampler_logprob(s);
    memcpy(a->top + row, sampler_top(s), (size_t)a->n_top * sizeof *a->top);
    task_token(a->task, id, a->logprobs[a->n], a->top + row, a->n_top);
}

static int take_id(struct answer *a, int32_t id, const struct sampler *s, struct phi3v_error *err)
{
    if (a->n_top > 0) take_logprobs(a, id, s);
    a->ids[a->n++] = id;
    for (int i = 0; i < a->n_stop_ids; i++) a->by_id |= a->stop_ids[i] == id;
    const char *bytes = "";
    size_t n = 0;
    int rc = a->detok ? detok_push(a->detok, id, &bytes, &n, err) : 0;
    if (!rc) rc = take_text(a, bytes, n, err);
    a->text_ends[a->n - 1] = a->text.n;
    return rc;
}

int answer_on_id(struct decode_loop *loop, int32_t id)
{
    struct answer *a = loop->a;
    loop->id = id;
    loop->ends = true;
    if (id == PICK_NOTHING)
        loop->rc = err_set(loop->err, PHI3V_E_ARGUMENT,
                           "the constraint allows no token of %s after %zu tokens of the answer",
                           loop->s->model->info.name, loop->a->n);
    else if (id < 0)
        loop->rc = err_set(loop->err, PHI3V_E_MODEL,
                           "%s computes values that are not numbers: its weights are damaged",
                           loop->s->model->info.name);
    else
        loop->rc = take_id(a, id, loop->s->sampler, loop->err);
    if (loop->rc) return 1;
    bool stopped = a->by_id || a->cut;
    a->finish = stopped ? PHI3V_FINISH_STOP : PHI3V_FINISH_LENGTH;
    if (stopped || a->n == a->cap) return 1;
    a->finish = PHI3V_FINISH_INTERRUPTED;
    loop->ends = task_stopped(a->task);
    return loop->ends;
}

int answer_flush(struct answer *a, struct phi3v_error *err)
{
    const char *bytes = "";
    size_t n = 0;
    if (a->cut) return 0;
    int rc = a->detok ? detok_finish(a->detok, &bytes, &n, err) : 0;
    if (!rc) rc = take_text(a, bytes, n, err);
    if (!rc) send_text(a, a->text.n);
    if (a->cut) a->finish = PHI3V_FINISH_STOP;
    return rc;
}

/* How many ids belong to the answer: all but the stop token, or those whose whole text comes before
 * the stop string. */
static size_t answer_ids(const struct answer *a)
{
    if (!a->cut) return a->by_id ? a->n - 1 : a->n;
    size_t n = 0;
    while (n < a->n - 1 && a->text_ends[n] <= a->text.n) n++;
    return n;
}

void answer_hand_over(struct answer *a, struct phi3v_result *ret)
{
    size_t size = ret->size;
    a->task->timing.decode_tokens = (int64_t)a->n;
    memset(ret, 0, size); // a newer caller's struct may have fields unknown here
    *ret = (struct phi3v_result){.size = size,
                                 .finish = a->finish,
                                 .n_text_bytes = a->text.n,
                                 .ids = a->ids,
                                 .n_ids = a->n,
                                 .n_answer_ids = answer_ids(a),
                                 .text_ends = a->text_ends,
                                 .logprobs = a->logprobs,
                                 .top = a->top,
                                 .n_top = a->n_top,
                                 .timing = a->task->timing};
    for (size_t i = 0; i < a->n; i++)
        if (a->text_ends[i] > a->text.n) a->text_ends[i] = a->text.n; // cut at a stop string
    if (a->n) a->text_ends[a->n - 1] = a->text.n;                     // what was held back
    ret->text = buf_take(&a->text);
    a->ids = NULL;
    a->text_ends = NULL;
    a->logprobs = NULL;
    a->top = NULL;
}

void answer_show_prompt(const struct answer *a, struct phi3v_session *s,
                        const struct phi3v_prompt *prompt,
                        const struct phi3v_constraint *constraint)
{
    sampler_start(s->sampler, a->params);
    sampler_constrain(s->sampler, constraint, a->stop_ids, a->n_stop_ids, a->n_silent);
    for (size_t i = 0; i < prompt->seq.n; i++) sampler_saw(s->sampler, prompt->seq.ids[i]);
}

size_t answer_room(const struct phi3v_session *s, const struct phi3v_prompt *prompt,
                   int max_new_tokens)
{
    int64_t room = s->model->info.ctx - (int64_t)prompt->seq.n;
    if (room < 1) return 1;
    return (size_t)(room < max_new_tokens ? room : max_new_tokens);
}
