/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "notebook/ahead.h"
#include "notebook/cell_answer.h"
#include "notebook/features.h"
#include "notebook/guess.h"
#include "notebook/prompt.h"

/* -- Showing an answer as it comes ------------------------------------------------------------ */

struct show {
    struct notebook *nb;
    int cell; // number; 0: none
    double begun, first_token_s;
    float probability; // of the least certain token since the last piece of text; 0: none yet
    bool waits;        // until the answer is whole and judged
    double withheld;   // as guess_withhold returns it
};

static void send(struct notebook *nb, const struct nb_output *out)
{
    nb->front.output(nb->front.user, out);
}

static int show_begin(struct show *sh, const struct int_list *images, struct phi3v_error *err)
{
    struct notebook *nb = sh->nb;
    size_t n = (size_t)images->n;
    struct nb_picture *pictures = memory_zero(n, sizeof *pictures);
    char(*labels)[64] = memory_zero(n, sizeof *labels);
    int n_shown = 0;
    if (pictures && labels)
        for (int k = 0; k < images->n; k++)
            if (nb->book.images.v[images->v[k]].loaded.image) {
                picture_of(nb, images->v[k], labels[n_shown], &pictures[n_shown]);
                n_shown++;
            }
    sh->begun = now_s();
    if (pictures && labels)
        send(nb, &(struct nb_output){.kind = NB_ANSWER_BEGIN,
                                     .cell = sh->cell,
                                     .pictures = pictures,
                                     .n_pictures = n_shown});
    int rc = pictures && labels ? 0 : memory_error(err);
    free(labels);
    free(pictures);
    return rc;
}

/* Shows text that exists already. */
static void show_text(struct notebook *nb, int i, const char *text)
{
    send(nb, &(struct nb_output){
                 .kind = NB_ANSWER_TEXT, .cell = i + 1, .text = text, .n_bytes = strlen(text)});
}

/* 0 would mean that none is known. */
static float probability_of(float logprob) { return fmaxf(expf(logprob), 1e-30f); }

static int on_event(const struct phi3v_event *event, void *user)
{
    struct show *sh = user;
    if (event->type == PHI3V_EVENT_TOKEN) {
        float p = probability_of(event->logprob);
        if (sh->probability == 0 || p < sh->probability) sh->probability = p;
    }
    if (event->type == PHI3V_EVENT_TEXT && sh->first_token_s == 0)
        sh->first_token_s = now_s() - sh->begun;
    if (event->type == PHI3V_EVENT_TEXT && !sh->waits) {
        struct nb_piece piece = {event->n_text_bytes, sh->probability};
        sh->probability = 0;
        sh->nb->front.progress(sh->nb->front.user, NULL);
        send(sh->nb, &(struct nb_output){.kind = NB_ANSWER_TEXT,
                                         .cell = sh->cell,
                                         .text = event->text,
                                         .n_bytes = event->n_text_bytes,
                                         .pieces = &piece,
                                         .n_pieces = 1});
    }
    return engine_on_event(event, &sh->nb->engine);
}

/* Shows an answer that was waited for, in the pieces in which it would have come. */
static int show_whole(struct show *sh, const struct phi3v_result *result, struct phi3v_error *err)
{
    struct notebook *nb = sh->nb;
    size_t n = result->text_ends && result->logprobs ? result->n_ids : 0, at = 0;
    struct nb_piece *pieces = memory_zero(n + 1, sizeof *pieces);
    if (!pieces) return memory_error(err);
    for (size_t k = 0; k < n; at = result->text_ends[k++])
        pieces[k] =
            (struct nb_piece){result->text_ends[k] - at, probability_of(result->logprobs[k])};
    pieces[n].n_bytes = result->n_text_bytes - at;
    nb->front.progress(nb->front.user, NULL);
    send(nb, &(struct nb_output){.kind = NB_ANSWER_TEXT,
                                 .cell = sh->cell,
                                 .text = result->text,
                                 .n_bytes = result->n_text_bytes,
                                 .pieces = pieces,
                                 .n_pieces = (int)n + 1});
    free(pieces);
    return 0;
}

static void show_end(struct show *sh, const struct nb_answer *answer)
{
    send(sh->nb, &(struct nb_output){.kind = NB_ANSWER_END, .cell = sh->cell, .answer = answer});
}

static void tell_certainty(const struct show *sh, const struct cell *c)
{
    double certain = certainty_least(&c->certainty), least = sh->nb->engine.advice.min_certainty;
    if (sh->withheld > 0)
        note(sh->nb,
             "(an answer is not shown, because its least certain letter had %.0f%% and this model "
             "is often wrong below %.0f%%; :set guess on shows such answers)",
             100 * sh->withheld, 100 * least);
    else if (certain < least)
        note(sh->nb,
             "(unsure: the least certain letter had %.0f%%, and this model is often wrong below "
             "%.0f%%)",
             100 * certain, 100 * least);
}

static void tell_end(struct notebook *nb, enum phi3v_finish finish)
{
    if (finish == PHI3V_FINISH_INTERRUPTED) note(nb, "(interrupted; :more goes on)");
    if (finish == PHI3V_FINISH_LENGTH)
        note(nb, "(stopped at the longest allowed length; :more goes on)");
}

/* -- Keeping it ------------------------------------------------------------------------------- */

/* Puts the answer into the cell; go_on: appends it. */
static int keep_answer(struct notebook *nb, int i, const struct phi3v_result *result,
                       const struct settings *s, bool go_on, struct phi3v_error *err)
{
    struct cell *c = &nb->book.v[i];
    struct text answer = {0};
    size_t n_before = go_on ? c->n_ids : 0;
    if (go_on && c->answer) text_add(&answer, c->answer);
    if (result->text) text_addn(&answer, result->text, result->n_text_bytes);
    int32_t *ids = memory_new((n_before + result->n_answer_ids) * sizeof *ids);
    char *text = text_take(&answer);
    if (!ids || !text) {
        free(ids);
        free(text);
        return memory_error(err);
    }
    if (n_before) memcpy(ids, c->ids, n_before * sizeof *ids);
    if (result->n_answer_ids)
        memcpy(ids + n_before, result->ids, result->n_answer_ids * sizeof *ids);
    if (!go_on) certainty_free(&c->certainty);
    if (!certainty_resize(&c->certainty, n_before) ||
        !certainty_add(&c->certainty, result, result->n_answer_ids)) {
        free(ids);
        free(text);
        return memory_error(err);
    }
    free(c->answer);
    free(c->ids);
    free(c->error);
    json_decref(c->saved);
    c->answer = text;
    c->n_ids = n_before + result->n_answer_ids;
    c->ids = c->n_ids || result->ids ? ids : NULL;
    if (!c->ids) free(ids); // without ids, only the text is known
    c->error = NULL;
    c->saved = NULL;
    c->finish = result->finish;
    c->timing = result->timing;
    c->seed = s->seed;
    nb->book.changed = true;
    return book_digest(&nb->book, i, c->digest, err);
}

/* The sources of the prompt's pictures, and how long decoding took. */
static const char **sources_of(struct notebook *nb, int i, const struct settings *s,
                               double *ret_decode_s)
{
    struct int_list images;
    *ret_decode_s = 0;
    if (prompt_images(nb, i, s, &images, NULL)) return NULL;
    const char **sources = memory_zero((size_t)images.n, sizeof *sources);
    for (int k = 0; sources && k < images.n; k++) {
        const struct loaded *l = &nb->book.images.v[images.v[k]].loaded;
        sources[k] = l->source;
        *ret_decode_s += l->decode_s;
    }
    int_list_free(&images);
    return sources;
}

/* Joins the beginning of an answer to its result: `whole` is shallow, and whole_free frees only its
 * own memory. False without memory. */
static bool whole_of(const struct cell *c, const struct phi3v_result *result, size_t n_begun,
                     struct phi3v_result *whole)
{
    size_t n = n_begun + result->n_ids, n_top = (size_t)result->n_top;
    *whole = *result;
    whole->text = c->answer;
    whole->n_text_bytes = strlen(c->answer);
    whole->n_ids = n;
    whole->n_answer_ids = c->n_ids;
    whole->text_ends = NULL;
    whole->ids = memory_new(n * sizeof *whole->ids);
    whole->logprobs = NULL;
    whole->top = NULL;
    if (!whole->ids) return false;
    memcpy(whole->ids, c->ids, n_begun * sizeof *whole->ids);
    memcpy(whole->ids + n_begun, result->ids, result->n_ids * sizeof *whole->ids);
    if (!result->logprobs) return true;
    whole->logprobs = memory_new(n * sizeof *whole->logprobs);
    whole->top = memory_new(n * n_top * sizeof *whole->top);
    if (!whole->logprobs || !whole->top) return false;
    memcpy(whole->logprobs + n_begun, result->logprobs, result->n_ids * sizeof *whole->logprobs);
    memcpy(whole->top + n_begun * n_top, result->top, result->n_ids * n_top * sizeof *whole->top);
    for (size_t k = 0; k < n_begun; k++) {
        whole->logprobs[k] = c->certainty.v[k].logprob;
        for (size_t j = 0; j < n_top; j++)
            whole->top[k * n_top + j] =
                j < CERTAINTY_TOP ? c->certainty.v[k].top[j] : (struct phi3v_logprob){.id = -1};
    }
    return true;
}

static void whole_free(struct phi3v_result *whole)
{
    free(whole->ids);
    free(whole->logprobs);
    free(whole->top);
}

static void show_result(struct show *sh, int i, const struct question *q,
                        const struct phi3v_result *result, size_t n_begun, const struct settings *s)
{
    struct phi3v_result whole = {0};
    bool good = !n_begun || whole_of(&sh->nb->book.v[i], result, n_begun, &whole);
    struct nb_answer a = {.question = q,
                          .result = n_begun ? &whole : result,
                          .n_begun = n_begun,
                          .n_tokens = q->n_tokens,
                          .first_token_s = sh->first_token_s,
                          .state = state_name(book_state(&sh->nb->book, i))};
    const char **sources = sources_of(sh->nb, i, s, &a.decode_image_s);
    a.sources = sources;
    show_end(sh, sources && good ? &a : NULL);
    free(sources);
    if (n_begun) whole_free(&whole);
    tell_end(sh->nb, result->finish);
    tell_certainty(sh, &sh->nb->book.v[i]);
}

/* -- One answer ------------------------------------------------------------------------------- */

/* Leaves what max_new_tokens allows after the beginning. */
static int leave_room(struct settings *s, size_t n_begun, struct phi3v_error *err)
{
    if ((size_t)s->max_new_tokens <= n_begun)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "the answer begins with %zu tokens, and max_new_tokens is %d: :set it higher",
                      n_begun, s->max_new_tokens);
    s->max_new_tokens -= (int)n_begun;
    return 0;
}

/* Gives the fixed answer that the model's folder has for prompts without a picture; nothing is
 * computed. */
static int answer_without_picture(struct show *sh, int i, const struct question *q,
                                  const struct settings *s, struct phi3v_error *err)
{
    struct notebook *nb = sh->nb;
    char *text = nb->engine.advice.no_picture;
    ahead_stop(nb->ahead);
    struct phi3v_result result = {.size = sizeof result,
                                  .finish = PHI3V_FINISH_STOP,
                                  .text = text,
                                  .n_text_bytes = strlen(text)};
    show_text(nb, i, text);
    int rc = keep_answer(nb, i, &result, s, false, err);
    nb->book.v[i].first_token_s = 0;
    if (!rc) show_result(sh, i, q, &result, 0, s);
    return rc;
}

/* A prompt that does not fit the context is refused as usual. */
static bool nothing_to_see(const struct notebook *nb, const struct question *q)
{
    return nb->engine.advice.no_picture && !q->n_images && q->n_tokens < nb->engine.info->ctx &&
           !nb->engine.format.schema;
}

static int compute(struct show *sh, int i, const struct question *q, const struct settings *s,
                   enum answer_way way, size_t n_begun, struct phi3v_error *err)
{
    struct notebook *nb = sh->nb;
    struct phi3v_result result, shown;
    int rc = ahead_finish(nb->ahead, q->prompt, on_event, sh);
    if (rc) return refuse(err, rc, "cancelled");
    features_recall_for(nb, i);
    sh->waits = way == ANSWER_NEW && guess_awaited(&nb->engine, s);
    rc = engine_answer(&nb->engine, q, s, on_event, sh, &result, err);
    if (rc) return rc;
    shown = result;
    if (sh->waits) {
        sh->withheld = guess_withhold(&nb->engine, &result, &shown);
        rc = show_whole(sh, &shown, err);
    }
    if (!rc) rc = keep_answer(nb, i, &shown, s, way != ANSWER_NEW, err);
    nb->book.v[i].first_token_s = sh->first_token_s;
    if (!rc) show_result(sh, i, q, &shown, n_begun, s);
    engine_result_fini(&nb->engine, &result);
    return rc;
}

int cell_answer(struct notebook *nb, int i, const struct settings *usual, enum answer_way way,
                struct phi3v_error *err)
{
    size_t n_begun = way == ANSWER_BEGUN ? nb->book.v[i].n_ids : 0;
    struct settings own = *usual, *s = &own; // borrows
    static const struct int_list none = {0};
    struct show sh = {.nb = nb, .cell = i + 1};
    struct question q;
    int rc = n_begun ? leave_room(s, n_begun, err) : 0;
    if (!rc) rc = prompt_build(nb, i, s, way != ANSWER_NEW, &q, err);
    if (rc) return rc;
    rc = show_begin(&sh, way == ANSWER_MORE ? &none : &nb->book.v[i].images, err);
    if (rc) {
        question_fini(&q);
        return rc;
    }
    if (n_begun) show_text(nb, i, nb->book.v[i].answer);
    if (way == ANSWER_NEW) {
        q.draft = nb->book.v[i].ids;
        q.n_draft = nb->book.v[i].n_ids;
    }
    rc = way == ANSWER_NEW && nothing_to_see(nb, &q) ? answer_without_picture(&sh, i, &q, s, err)
                                                     : compute(&sh, i, &q, s, way, n_begun, err);
    if (rc)
        show_end(&sh, NULL);
    else
        features_keep(nb, i);
    question_fini(&q);
    return rc ? rc : nb->book.v[i].finish == PHI3V_FINISH_INTERRUPTED;
}

int question_answer(struct notebook *nb, const struct question *q, const struct settings *s,
                    const char *const *sources, double decode_image_s, struct phi3v_error *err)
{
    static const struct int_list none = {0};
    struct show sh = {.nb = nb};
    struct phi3v_result result;
    engine_begin(&nb->engine);
    int rc = show_begin(&sh, &none, err);
    if (!rc) rc = engine_answer(&nb->engine, q, s, on_event, &sh, &result, err);
    if (rc) {
        show_end(&sh, NULL);
        return rc;
    }
    show_end(&sh, &(struct nb_answer){.question = q,
                                      .result = &result,
                                      .sources = sources,
                                      .decode_image_s = decode_image_s,
                                      .n_tokens = q->n_tokens,
                                      .first_token_s = sh.first_token_s});
    rc = result.finish == PHI3V_FINISH_INTERRUPTED;
    engine_result_fini(&nb->engine, &result);
    return rc;
}

void cell_show_again(struct notebook *nb, int i)
{
    const struct cell *c = &nb->book.v[i];
    struct show sh = {.nb = nb, .cell = i + 1};
    if (!c->answer || show_begin(&sh, &c->images, NULL)) return;
    show_text(nb, i, c->answer);
    show_end(&sh, NULL);
}
