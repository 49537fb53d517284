/* SPDX-License-Identifier: GPL-3.0-or-later
 * /metrics: counters in Prometheus' text format. */
#include <stdio.h>
#include <unistd.h>

#include "common/must.h"
#include "serve/server.h"

static void head(struct text *t, const char *name, const char *type, const char *help)
{
    text_addf(t, "# HELP phiscope_%s %s\n# TYPE phiscope_%s %s\n", name, help, name, type);
}

static void one(struct text *t, const char *name, const char *type, const char *help, double value)
{
    head(t, name, type, help);
    text_addf(t, "phiscope_%s %.15g\n", name, value);
}

static double resident_bytes(void)
{
    long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &total, &resident) != 2) resident = 0;
    if (f) fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void add_replies(struct text *t, const struct server *s)
{
    head(t, "replies_total", "counter", "Replies by the first digit of their status.");
    for (int i = 2; i < 6; i++)
        text_addf(t, "phiscope_replies_total{status=\"%dxx\"} %llu\n", i,
                  (unsigned long long)atomic_load(&s->n_replies[i]));
}

static void add_answers(struct text *t, const struct scheduler_counts *c)
{
    static const char *const how[] = {[PHI3V_FINISH_STOP] = "stop",
                                      [PHI3V_FINISH_LENGTH] = "length",
                                      [PHI3V_FINISH_INTERRUPTED] = "interrupted"};
    head(t, "answers_total", "counter", "Answers by how they ended.");
    for (int i = 0; i < 3; i++)
        text_addf(t, "phiscope_answers_total{finish=\"%s\"} %llu\n", how[i],
                  (unsigned long long)c->n_answers[i]);
}

static void add_seconds(struct text *t, const struct scheduler_counts *c)
{
    head(t, "stage_seconds_total", "counter", "Time in the stages of finished answers.");
    text_addf(t,
              "phiscope_stage_seconds_total{stage=\"waiting\"} %.6f\n"
              "phiscope_stage_seconds_total{stage=\"vision\"} %.6f\n"
              "phiscope_stage_seconds_total{stage=\"prefill\"} %.6f\n"
              "phiscope_stage_seconds_total{stage=\"decode\"} %.6f\n",
              c->waited_s, c->vision_s, c->prefill_s, c->decode_s);
    head(t, "first_token_seconds", "summary", "From the request to the first token.");
    text_addf(t, "phiscope_first_token_seconds_sum %.6f\nphiscope_first_token_seconds_count %llu\n",
              c->first_token_s, (unsigned long long)c->n_first_tokens);
}

enum MHD_Result metrics_answer(struct call *call)
{
    struct server *s = call->server;
    struct scheduler_counts c;
    struct text t = {0};
    scheduler_counts(s->scheduler, &c);
    one(&t, "waiting", "gauge", "Requests in the queue.", c.n_waiting);
    one(&t, "running", "gauge", "Answers in progress.", c.n_running);
    one(&t, "held_bytes", "gauge", "Bodies and pictures of requests.",
        (double)atomic_load(&s->room.held));
    one(&t, "resident_bytes", "gauge", "Memory of this process.", resident_bytes());
    one(&t, "refused_total", "counter", "Requests that found the queue full.", (double)c.n_refused);
    one(&t, "failed_total", "counter", "Answers that could not be given.", (double)c.n_failed);
    one(&t, "prompt_tokens_total", "counter", "Tokens of prompts.", (double)c.n_prompt_tokens);
    one(&t, "cached_tokens_total", "counter", "Tokens of prompts that were reused.",
        (double)c.n_cached_tokens);
    one(&t, "answer_tokens_total", "counter", "Tokens of answers.", (double)c.n_answer_tokens);
    add_answers(&t, &c);
    add_seconds(&t, &c);
    add_replies(&t, s);
    return call_reply_text(call, 200, "text/plain; version=0.0.4; charset=utf-8", xtake(&t));
}
