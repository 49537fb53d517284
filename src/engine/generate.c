/* SPDX-License-Identifier: MIT */
#include "engine/generate.h"

#include "base/clock.h"
#include "engine/answer.h"
#include "engine/draft.h"

static int on_id(void *user, int i, int32_t id)
{
    (void)i;
    return answer_on_id(user, id);
}

/* Computes what follows the newest id: one token, or several where the device draws by itself or a
 * draft holds. */
static int go_on(struct decode_loop *loop, size_t n)
{
    size_t left = loop->a->cap - loop->a->n;
    return draft_decode(loop->draft, loop->s, loop->id, left < n ? left : n, on_id, loop,
                        loop->a->task, loop->err);
}

int generate_rest(struct decode_loop *loop, size_t n)
{
    size_t end = loop->a->n + n;
    while (!loop->ends && loop->a->n < end) {
        int rc = go_on(loop, end - loop->a->n);
        loop->ends |= rc != 0;
        if (rc) return rc == PHI3V_E_CANCELLED ? 0 : rc;
    }
    return loop->rc;
}

/* Samples, shows and computes until the answer ends; a->finish says why. */
static int answer_loop(struct answer *a, struct phi3v_session *s, struct draft *draft,
                       struct phi3v_error *err)
{
    struct decode_loop loop = {.a = a, .s = s, .draft = draft, .err = err};
    answer_on_id(&loop, sampler_pick(s->sampler, s->logits));
    return generate_rest(&loop, a->cap);
}

/* The decode time is that of the loop, less the recomputation for the long rope factors. */
static int timed_loop(struct answer *a, struct phi3v_session *s, struct draft *draft,
                      struct phi3v_error *err)
{
    struct phi3v_timing *t = &a->task->timing;
    double start_s = clock_s(), other_s = t->vision_s + t->prefill_s;
    task_stage(a->task, PHI3V_STAGE_DECODE, (int64_t)a->cap);
    int rc = answer_loop(a, s, draft, err);
    t->decode_s = clock_s() - start_s - (t->vision_s + t->prefill_s - other_s);
    return rc;
}

int generate(struct phi3v_session *s, const struct phi3v_prompt *prompt,
             const struct phi3v_params *params, phi3v_event_fn on_event, void *user,
             struct phi3v_result *ret_result, struct phi3v_error *err)
{
    struct task task;
    struct answer a = {.params = params, .task = &task};
    struct draft draft;
    size_t room = answer_room(s, prompt, params->max_new_tokens);
    task_begin(&task, &s->task_state, on_event, user);
    int rc = draft_init(&draft, params, s->model->config.n_vocab, err);
    if (!rc) rc = answer_init(&a, s, prompt, room, err);
    if (!rc) rc = session_load(s, prompt, room, NULL, &task, err);
    if (!rc && task_stopped(&task)) rc = task_cancelled(err);
    if (!rc) {
        answer_show_prompt(&a, s, prompt, params->constraint);
        rc = timed_loop(&a, s, &draft, err);
        session_settle(s);
    }
    if (!rc) rc = answer_flush(&a, err);
    task_end(&task);
    if (!rc && ret_result) answer_hand_over(&a, ret_result);
    answer_fini(&a);
    draft_fini(&draft);
    return rc;
}
