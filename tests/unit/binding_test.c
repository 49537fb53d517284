/* SPDX-License-Identifier: MIT
 * Which tokens a binding allows, against the plain meaning of it: those whose bytes, one by one, the
 * grammar can take. And what happens where memory is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/memory.h"
#include "engine_fixture.h"
#include "schema/compiled.h"
#include "schema/matcher.h"

enum { N_VOCAB = 32064, N_WORDS = N_VOCAB / 32, MOST = 400 };

/* What is said under a schema; the tokens are looked at behind every byte of it. */
static const struct {
    const char *schema, *text;
} said[] = {
    {"{\"type\":\"string\",\"maxLength\":12}", " \"caf\xc3\xa9 \\u00e9\xf0\x9f\x98\x80 b\""},
    {"{\"type\":\"object\"}", "{\"a b\": [1, -2.5e3, {\"\xc3\xa9\": null}],\n  \"c\":\"\\n\"}"},
    {"{\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":2},\"names\":{\"enum\":[1,12]}},"
     "\"additionalProperties\":{\"type\":\"boolean\"}}",
     "{\"name\":\"ab\",\"names\": 12, \"nam\":true, \"na\":false}"},
    {"{\"anyOf\":[{\"pattern\":\"^[a-c]{2,}$\"},{\"type\":\"string\",\"maxLength\":3},"
     "{\"items\":{\"type\":\"integer\",\"maximum\":99},\"maxItems\":3}]}",
     "\"abcab\""},
};

static bool takes(const struct schema *s, const char *text, size_t n, const char *bytes, size_t k)
{
    struct matcher m;
    matcher_init(&m, &s->grammar, s->document);
    bool taken = matcher_take(&m, text, n) && matcher_take(&m, bytes, k);
    matcher_fini(&m);
    return taken;
}

static bool is_set(const uint32_t *allowed, int32_t id)
{
    return allowed[id / 32] >> (id % 32) & 1;
}

/* A binding that has been told the text, by the tokens of single bytes. */
static struct binding *told(const struct schema *s, const struct vocabulary *v, const char *text,
                            size_t n)
{
    enum { FIRST_BYTE_ID = 3 }; // <0x00>
    struct binding *b;
    assert_int_equal(binding_new(s, v, &b, NULL), 0);
    const struct phi3v_constraint *c = binding_constraint(b);
    for (size_t i = 0; i < n; i++) c->chosen(FIRST_BYTE_ID + (unsigned char)text[i], c->user);
    return b;
}

/* All that is allowed, and of the rest every 61st token. */
static void look_behind(phi3v_model *model, const struct schema *s, const struct vocabulary *v,
                        const char *text, size_t n)
{
    static uint32_t allowed[N_WORDS];
    struct binding *b = told(s, v, text, n);
    const struct phi3v_constraint *c = binding_constraint(b);
    memset(allowed, 0, sizeof allowed);
    bool may_end = c->allow(allowed, N_VOCAB, c->user);
    assert_int_equal(may_end, binding_is_complete(b));
    int n_looked = 0;
    for (int32_t id = 0; id < N_VOCAB; id++) {
        char bytes[300];
        bool yes = is_set(allowed, id);
        if (yes ? n_looked > MOST && id % 37 : id % 61) continue;
        size_t k = phi3v_token_bytes(model, id, bytes, sizeof bytes);
        if (yes != (k > 0 && takes(s, text, n, bytes, k)))
            fail_msg("token %d \"%.*s\" behind %.*s", (int)id, (int)k, bytes, (int)n, text);
        n_looked += yes;
    }
    assert_true(n_looked > 0 || may_end);
    binding_free(b);
}

static void allowed_is_what_can_be_taken(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 1, 0);
    struct vocabulary *v;
    assert_int_equal(vocabulary_new(model, &v, NULL), 0);
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct schema *s;
        json_t *json = json_loads(said[i].schema, 0, NULL);
        assert_int_equal(schema_compile(json, &s, NULL), 0);
        json_decref(json);
        assert_true(takes(s, "", 0, said[i].text, strlen(said[i].text)));
        for (size_t n = 0; n <= strlen(said[i].text); n++)
            look_behind(model, s, v, said[i].text, n);
        schema_free(s);
    }
    vocabulary_free(v);
    phi3v_model_close(model);
}

/* Everything from the tokens to the end of an answer, one allocation after the other failing. */
static int answer(phi3v_model *model, phi3v_session *session, const phi3v_prompt *prompt,
                  const struct schema *s, bool *ret_failed)
{
    struct vocabulary *v = NULL;
    struct binding *b = NULL;
    struct phi3v_params p;
    phi3v_params_default(&p);
    p.max_new_tokens = 4;
    *ret_failed = false;
    int rc = vocabulary_new(model, &v, NULL);
    if (!rc) rc = binding_new(s, v, &b, NULL);
    if (!rc) {
        p.constraint = binding_constraint(b);
        rc = phi3v_generate(session, prompt, &p, NULL, NULL, NULL, NULL);
        *ret_failed = binding_failed(b);
    }
    binding_free(b);
    vocabulary_free(v);
    return rc;
}

static void memory_may_be_missing(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 1, 0);
    phi3v_session *session = test_session(model);
    phi3v_prompt *prompt = test_prompt(model, "What?", NULL, 0);
    struct schema *s;
    bool pending = false, failed;
    assert_int_equal(schema_any_object(&s, NULL), 0);
    for (long k = 1; !pending && k < 1000; k++) {
        memory_fail_at(k);
        int rc = answer(model, session, prompt, s, &failed);
        pending = memory_fail_pending();
        memory_fail_at(0);
        assert_true(rc == 0 || rc == PHI3V_E_MEMORY || (rc == PHI3V_E_ARGUMENT && failed));
        if (pending) assert_int_equal(rc, 0);
    }
    assert_true(pending);
    schema_free(s);
    phi3v_prompt_free(prompt);
    phi3v_session_free(session);
    phi3v_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allowed_is_what_can_be_taken),
        cmocka_unit_test(memory_may_be_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
