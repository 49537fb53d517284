/* SPDX-License-Identifier: MIT
 * Answers of a tiny model by schemas, for schema_answers.py to validate: reads one JSON object a
 * line from standard input,
 *     {"schema": …, "seed": 1, "temperature": 1, "max_new_tokens": 200}
 * and prints one for each, in the same order:
 *     {"text": "…", "finish": "stop"} or "length", or {"refused": "…"}
 * Up to four neighbouring lines with the same settings are answered side by side. The last line tells
 * how much processor time it took to say which tokens may come next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "schema/schema.h"

enum { MAX_SIDE_BY_SIDE = 4, LONGEST_LINE = 1 << 20 };

static const char *const questions[] = {"What is this?", "Tell me of the river.", "Why?",
                                        "Which bar is the highest?"};

struct clock {
    double total_s, longest_s;
    long n;
};
static struct clock asked; // of all answers

struct job {
    json_t *line;
    struct schema *schema;
    struct binding *binding;
    struct phi3v_constraint timed;
    struct phi3v_result result;
    struct phi3v_error err;
    int rc;
};

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int timed_allow(uint32_t *allowed, int n_vocab, void *user)
{
    const struct phi3v_constraint *c = binding_constraint(user);
    double begun = cpu_s();
    int may_end = c->allow(allowed, n_vocab, c->user);
    double took = cpu_s() - begun;
    asked.total_s += took;
    asked.n++;
    if (took > asked.longest_s) asked.longest_s = took;
    return may_end;
}

static void timed_chosen(int32_t id, void *user)
{
    const struct phi3v_constraint *c = binding_constraint(user);
    c->chosen(id, c->user);
}

static struct phi3v_params params_of(const json_t *line)
{
    struct phi3v_params p;
    phi3v_params_default(&p);
    p.seed = (uint64_t)json_integer_value(json_object_get(line, "seed"));
    p.temperature = (float)json_number_value(json_object_get(line, "temperature"));
    p.max_new_tokens = (int)json_integer_value(json_object_get(line, "max_new_tokens"));
    return p;
}

static void job_begin(struct job *j, json_t *line, const struct vocabulary *vocabulary)
{
    *j = (struct job){.line = line, .result.size = sizeof j->result};
    j->rc = schema_compile(json_object_get(line, "schema"), &j->schema, &j->err);
    if (!j->rc) j->rc = binding_new(j->schema, vocabulary, &j->binding, &j->err);
    j->timed = (struct phi3v_constraint){
        .size = sizeof j->timed, .allow = timed_allow, .chosen = timed_chosen, .user = j->binding};
}

static void job_end(struct job *j)
{
    json_t *out = json_object();
    bool stopped = j->result.finish == PHI3V_FINISH_STOP;
    if (!j->rc && ((stopped && !binding_is_complete(j->binding)) || binding_failed(j->binding)))
        fail_msg("an answer ended where its text does not");
    if (j->rc) {
        json_object_set_new(out, "refused", json_string(j->err.text));
    } else {
        json_object_set_new(out, "text", json_stringn(j->result.text, j->result.n_text_bytes));
        json_object_set_new(out, "finish", json_string(stopped ? "stop" : "length"));
    }
    char *text = json_dumps(out, JSON_COMPACT);
    puts(text ? text : "{}");
    free(text);
    json_decref(out);
    json_decref(j->line);
    phi3v_result_fini(&j->result);
    binding_free(j->binding);
    schema_free(j->schema);
}

static void answer_alone(phi3v_model *model, struct job *j)
{
    struct phi3v_params p = params_of(j->line);
    phi3v_session *s = test_session(model);
    phi3v_prompt *prompt = test_prompt(model, questions[0], NULL, 0);
    p.constraint = &j->timed;
    j->rc = phi3v_generate(s, prompt, &p, NULL, NULL, &j->result, &j->err);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
}

static void answer_together(phi3v_model *model, struct job **jobs, int n)
{
    struct phi3v_params p = params_of(jobs[0]->line);
    struct phi3v_job many[MAX_SIDE_BY_SIDE];
    for (int i = 0; i < n; i++) {
        many[i] = test_job(test_session(model), test_prompt(model, questions[i], NULL, 0),
                           &jobs[i]->result);
        many[i].constraint = &jobs[i]->timed;
    }
    if (phi3v_generate_many(many, n, &p, NULL, NULL, &jobs[0]->err))
        fail_msg("%s", jobs[0]->err.text);
    for (int i = 0; i < n; i++) {
        jobs[i]->rc = many[i].code;
        jobs[i]->err = many[i].error;
        phi3v_prompt_free((phi3v_prompt *)many[i].prompt);
        phi3v_session_free(many[i].session);
    }
}

static void answer(phi3v_model *model, struct job *jobs, int n)
{
    struct job *good[MAX_SIDE_BY_SIDE];
    int n_good = 0;
    for (int i = 0; i < n; i++)
        if (!jobs[i].rc) good[n_good++] = &jobs[i];
    if (n_good == 1) answer_alone(model, good[0]);
    if (n_good > 1) answer_together(model, good, n_good);
    for (int i = 0; i < n; i++) job_end(&jobs[i]);
}

static bool same_settings(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"seed", "temperature", "max_new_tokens"};
    for (int i = 0; i < 3; i++)
        if (!json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i]))) return false;
    return true;
}

static void all_lines(void **state)
{
    (void)state;
    phi3v_model *model = test_model(getenv("MODEL") ? getenv("MODEL") : "tiny-gqa-bf16", 2, 0);
    struct vocabulary *vocabulary;
    struct job jobs[MAX_SIDE_BY_SIDE];
    int n = 0;
    char *text = malloc(LONGEST_LINE);
    assert_non_null(text);
    assert_int_equal(vocabulary_new(model, &vocabulary, NULL), 0);
    while (fgets(text, LONGEST_LINE, stdin)) {
        json_error_t where;
        json_t *line = json_loads(text, 0, &where);
        if (!line) fail_msg("%s: %.200s", where.text, text);
        if (n == MAX_SIDE_BY_SIDE || (n && !same_settings(jobs[0].line, line))) {
            answer(model, jobs, n);
            n = 0;
        }
        job_begin(&jobs[n++], line, vocabulary);
    }
    if (n) answer(model, jobs, n);
    printf("{\"asked\": %ld, \"mean_ms\": %.4f, \"longest_ms\": %.4f}\n", asked.n,
           1e3 * asked.total_s / (double)(asked.n ? asked.n : 1), 1e3 * asked.longest_s);
    free(text);
    vocabulary_free(vocabulary);
    phi3v_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
