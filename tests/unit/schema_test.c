/* SPDX-License-Identifier: MIT
 * Schemas and the texts that they allow, byte by byte: whole texts that are taken and that are not,
 * what can be said at every place of a text, and what is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/memory.h"
#include "next_bytes.h"
#include "schema/compiled.h"
#include "schema/matcher.h"

static struct schema *compile(const char *text)
{
    struct phi3v_error err;
    struct schema *s;
    json_error_t where;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &where);
    if (!json) fail_msg("%s: %s", text, where.text);
    if (schema_compile(json, &s, &err)) fail_msg("%s: %s", text, err.text);
    json_decref(json);
    return s;
}

/* 1: whole; 0: a beginning of something; -1: neither. */
static int verdict(const struct schema *s, const char *text)
{
    struct matcher m;
    matcher_init(&m, &s->grammar, s->document);
    int result = matcher_take(&m, text, strlen(text)) ? matcher_is_complete(&m) : -1;
    assert_false(m.failed);
    matcher_fini(&m);
    return result;
}

struct row {
    const char *schema;
    const char *good[8], *bad[8]; // whole texts that are taken, and that are not
};

static const struct row rows[] = {
    {"{\"type\":\"null\"}", {"null"}, {"nul", "true", "null ", "nulll"}},
    {"{\"type\":\"boolean\"}", {"true", "false", " true"}, {"", " ", "  true", "1", "True"}},
    {"{\"type\":\"integer\"}",
     {"0", "-1", "12", "999999999999999"},
     {"01", "-0", "-", "1.0", "1e3", "1000000000000000", "+1"}},
    {"{\"type\":\"number\"}",
     {"0", "-0.5", "12.25", "1e3", "1.5E-10", "-12e+7"},
     {"01", "1.", ".5", "1e", "1e100", "-", "NaN", "0x1"}},
    {"{\"type\":\"integer\",\"minimum\":0}", {"0", "7", "12"}, {"-1", "00"}},
    {"{\"type\":\"integer\",\"minimum\":1}", {"1", "70"}, {"0", "-1"}},
    {"{\"type\":\"integer\",\"minimum\":-12,\"maximum\":105}",
     {"-12", "-1", "0", "9", "99", "100", "105"},
     {"-13", "-20", "-100", "106", "110", "200", "1000"}},
    {"{\"type\":\"integer\",\"exclusiveMinimum\":9.5,\"exclusiveMaximum\":12}",
     {"10", "11"},
     {"9", "12", "1", "100"}},
    {"{\"type\":\"integer\",\"maximum\":-5}", {"-5", "-6", "-50"}, {"-4", "0", "-", "5"}},
    {"{\"type\":\"number\",\"minimum\":0,\"maximum\":1}",
     {"0", "1", "0.5", "1.0", "0.00001"},
     {"1.1", "-0.1", "2", "1.00001", "10"}},
    {"{\"type\":\"number\",\"exclusiveMinimum\":0.25,\"maximum\":12.5}",
     {"0.26", "1", "12.5", "12.50", "0.2500001", "9.99"},
     {"0.25", "0.250", "0.2", "12.51", "13", "0"}},
    {"{\"type\":\"number\",\"minimum\":-1.5,\"exclusiveMaximum\":-0.25}",
     {"-1.5", "-1", "-0.26", "-1.49"},
     {"-1.51", "-0.25", "0", "-0.1", "-2"}},
    {"{\"type\":\"number\",\"minimum\":-9223372036854775808,\"maximum\":9223372036854775807}",
     {"-5", "0", "999999999999999"},
     {"x"}},
    {"{\"type\":\"string\"}",
     {"\"\"", "\"a b\"", "\"\\n\\u00e9\\\"\\/\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
      "\"\\ud83d\\ude00\"", "\"\x7f\""},
     {"\"", "\"a", "'a'", "\"\n\"", "\"\\x\"", "\"\\u0000\"", "\"\\ud83d\"", "\"\xc0\x80\""}},
    {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
     {"\"ab\"", "\"\xc3\xa9\xf0\x9f\x98\x80\"", "\"\\n\\u00e9a\"", "\"\\ud83d\\ude00a\""},
     {"\"a\"", "\"abcd\"", "\"\\ud83d\\ude00\"", "\"\""}},
    {"{\"type\":\"string\",\"maxLength\":0}", {"\"\""}, {"\"a\""}},
    {"{\"enum\":[\"red\",\"redder\",1,1.5,null,{\"a\":[1,2]}]}",
     {"\"red\"", "\"redder\"", "1", "1.5", "null", "{\"a\": [1, 2]}"},
     {"\"redd\"", "2", "1.0", "true", "\"r\""}},
    {"{\"const\":\"caf\\u00e9 \\\"x\\\"\"}", {"\"caf\xc3\xa9 \\\"x\\\"\""}, {"\"cafe\"", "\"\""}},
    {"{\"type\":\"string\",\"enum\":[\"a\",7]}", {"\"a\""}, {"7"}},
    {"{\"enum\":[\"a\"],\"nullable\":true}", {"\"a\"", "null"}, {"\"b\""}},
    {"{\"type\":[\"string\",\"null\"]}", {"null", "\"x\""}, {"1"}},
    {"{\"type\":\"array\"}",
     {"[]", "[1]", "[ 1, \"a\"]", "[[],{}]", "[\n  1,\n  2\n]"},
     {"[,]", "[1,]", "[1 2]", "[", "[  1]", "[\n\n1]"}},
    {"{\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}",
     {"[1,2]", "[1, 2, 3]"},
     {"[]", "[1]", "[1,2,3,4]", "[1,\"a\"]"}},
    {"{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"maxItems\":0}", {"[]"}, {"[null]"}},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}",
     {"[1,\"a\"]"},
     {"[]", "[1]", "[1,\"a\",2]", "[\"a\",1]"}},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"}],\"items\":{\"type\":\"null\"}}",
     {"[1]", "[1,null]", "[1,null,null]"},
     {"[]", "[1,2]", "[null]"}},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"}],\"minItems\":3,"
     "\"maxItems\":3}",
     {"[1,null,2]"},
     {"[1,2]", "[1,2,3,4]"}},
    {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"null\"}],"
     "\"maxItems\":1}",
     {"[1]"},
     {"[]", "[1,null]"}},
    {"{\"type\":\"object\"}",
     {"{}", "{\"a\": 1}", "{\"a\":1,\"b\":{\"a\":2}}", "{ }", "{\n}"},
     {"{\"a\":1,\"a\":2}", "{\"a\"}", "{,}", "{\"\":1}", "{\"a\":1,}", "{\"a\\n\":1}"}},
    {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"null\"}},"
     "\"required\":[\"a\"]}",
     {"{\"a\":1}", "{\"a\":1,\"b\":null}", "{ \"a\": 1, \"b\": null }"},
     {"{}", "{\"b\":null}", "{\"b\":null,\"a\":1}", "{\"a\":1,\"c\":1}", "{\"a\":1,\"a\":1}",
      "{\"a\":null}"}},
    {"{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"null\"},\"c\":true}}",
     {"{}", "{\"a\":1}", "{\"b\":null}", "{\"c\":[]}", "{\"a\":1,\"c\":1}", "{\"b\":null,\"c\":1}"},
     {"{\"c\":1,\"a\":1}", "{,\"c\":1}", "{\"a\":1,,\"c\":1}"}},
    {"{\"properties\":{\"ab\":{\"type\":\"integer\"},\"\xc3\xa9\":{\"type\":\"null\"}},"
     "\"additionalProperties\":{\"type\":\"boolean\"}}",
     {"{\"ab\":1,\"abc\":true}", "{\"a\":true,\"b\":false}", "{\"\xc3\xa8\":true}",
      "{\"\xc3\xa9\":null,\"\xc3\xa9\xc3\xa9\":true}", "{\"\xe2\x82\xac\":true}"},
     {"{\"ab\":true}", "{\"a\":1}", "{\"\xc3\xa9\":true}", "{\"a\":true,\"ab\":1}",
      "{\"b\":true,\"b\":true}", "{\"\xc3\":true}", "{\"a\\u0062\":true}"}},
    {"{\"type\":\"object\",\"required\":[\"x\"]}", {"{\"x\":1}", "{\"x\":1,\"y\":2}"}, {"{}"}},
    {"{\"type\":\"object\",\"properties\":{\"never\":false,\"a\":true}}",
     {"{}", "{\"a\":1}"},
     {"{\"never\":1}"}},
    {"{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"number\",\"minimum\":100}]}",
     {"1", "100.5", "-1"},
     {"1.5", "\"\""}},
    {"{\"oneOf\":[{\"properties\":{\"kind\":{\"const\":\"a\"},\"x\":{\"type\":\"integer\"}},"
     "\"required\":[\"kind\",\"x\"]},{\"properties\":{\"kind\":{\"enum\":[\"b\",\"ab\"]}},"
     "\"required\":[\"kind\"]}]}",
     {"{\"kind\": \"a\", \"x\": 1}", "{\"kind\":\"ab\"}"},
     {"{\"kind\":\"a\"}", "{\"kind\":\"b\",\"x\":1}"}},
    {"{\"allOf\":[{\"type\":\"null\"}],\"description\":\"only nothing\"}", {"null"}, {"1"}},
    {"{\"$defs\":{\"tree\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"},"
     "\"kids\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/tree\"}}},"
     "\"required\":[\"v\"]}},\"$ref\":\"#/$defs/tree\"}",
     {"{\"v\":1}", "{\"v\":1,\"kids\":[]}", "{\"v\":1,\"kids\":[{\"v\":2,\"kids\":[{\"v\":3}]}]}"},
     {"{}", "{\"v\":1,\"kids\":[{}]}"}},
    {"{\"properties\":{\"a/b\":{\"type\":\"null\"},\"c\":{\"$ref\":\"#/properties/a~1b\"}}}",
     {"{\"c\":null}"},
     {"{\"c\":1}"}},
    {"true", {"1", "{\"a\":[1]}", "null"}, {"", "nul"}},
    {"{\"pattern\":\"^[A-Z]{2}-\\\\d+$\"}",
     {"\"AB-1\"", "\"ZZ-007\""},
     {"\"A-1\"", "\"AB-\"", "\"aB-1\""}},
    {"{\"pattern\":\"b+c\"}", {"\"bc\"", "\"abbc\xc3\xa9\"", "\"\\\"bc\""}, {"\"b\"", "\"\""}},
    {"{\"pattern\":\"^(?:red|green|bl.e)?$\"}",
     {"\"red\"", "\"\"",
      "\"bl\xf0\x9f\x98\x80"
      "e\""},
     {"\"re\"", "\"ble\"", "\"bl\\ne\"", "\"redgreen\""}},
    {"{\"pattern\":\"^[^a-c\\\\]]*$\",\"minLength\":2,\"maxLength\":3}",
     {"\"de\"", "\"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\"", "\"\\n\\\"\""},
     {"\"d\"", "\"ad\"", "\"]d\"", "\"dddd\""}},
    {"{\"pattern\":\"^(ab)+$\",\"minLength\":3,\"maxLength\":5}",
     {"\"abab\""},
     {"\"ab\"", "\"ababa\""}},
    {"{\"pattern\":\"^a{2,}b{0}c?(d|e){1,2}$\"}",
     {"\"aad\"", "\"aaacde\""},
     {"\"ad\"", "\"aab\"", "\"aacded\""}},
    {"{\"format\":\"date\"}",
     {"\"2024-02-28\"", "\"1999-12-31\""},
     {"\"2024-02-30\"", "\"24-01-01\"", "\"2024-13-01\""}},
    {"{\"format\":\"date-time\"}",
     {"\"2024-02-28T23:59:59Z\"", "\"2024-01-01T00:00:00.5+01:00\""},
     {"\"2024-02-28\"", "\"2024-02-28T24:00:00Z\""}},
    {"{\"format\":\"uri\"}",
     {"\"https://example.org\"", "\"http://a.b-c/d_e/f.png\""},
     {"\"example.org\"", "\"ftp://a\"", "\"https://\""}},
    {"{\"format\":\"duration\"}", {"\"P3D\"", "\"PT20M\""}, {"\"P\"", "\"3D\""}},
    {"{\"format\":\"ipv6\"}", {"\"1:2:3:4:5:6:7:abcd\""}, {"\"1:2\"", "\"::g\""}},
    {"{\"format\":\"ipv4\"}",
     {"\"127.0.0.1\"", "\"255.255.255.0\""},
     {"\"256.0.0.1\"", "\"1.2.3\""}},
};

static void whole_texts(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct schema *s = compile(rows[r].schema);
        for (int i = 0; i < 8 && rows[r].good[i]; i++)
            if (verdict(s, rows[r].good[i]) != 1)
                fail_msg("%s does not take %s", rows[r].schema, rows[r].good[i]);
        for (int i = 0; i < 8 && rows[r].bad[i]; i++)
            if (verdict(s, rows[r].bad[i]) == 1)
                fail_msg("%s takes %s", rows[r].schema, rows[r].bad[i]);
        schema_free(s);
    }
}

/* Every beginning of a text that is taken is taken as a beginning. */
static void beginnings(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct schema *s = compile(rows[r].schema);
        for (int i = 0; i < 8 && rows[r].good[i]; i++) {
            struct matcher m;
            matcher_init(&m, &s->grammar, s->document);
            for (const char *p = rows[r].good[i]; *p; p++) assert_true(matcher_take(&m, p, 1));
            assert_true(matcher_is_complete(&m));
            matcher_fini(&m);
        }
        schema_free(s);
    }
}

/* -- From anywhere to an end ------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *x)
{
    return *x = *x * 6364136223846793005u + 1442695040888963407u;
}

/* Random texts never come to a place from which nothing goes on, and are JSON where they end. */
static void no_way_is_lost(void **state)
{
    (void)state;
    enum { LONGEST = 300 };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct schema *s = compile(rows[r].schema);
        for (uint64_t seed = 1; seed <= 12; seed++) {
            struct matcher m;
            char text[LONGEST + 1];
            uint8_t bytes[256];
            uint64_t x = seed;
            int n = 0;
            matcher_init(&m, &s->grammar, s->document);
            for (; n < LONGEST; n++) {
                int n_next = next_bytes(&m, bytes);
                if (matcher_is_complete(&m) && (n_next == 0 || next_random(&x) >> 62 == 0)) break;
                if (!n_next) fail_msg("%s: nothing follows %.*s", rows[r].schema, n, text);
                text[n] = (char)bytes[(next_random(&x) >> 33) % (unsigned)n_next];
                assert_true(matcher_take(&m, text + n, 1));
            }
            if (n < LONGEST) {
                json_t *json =
                    json_loadb(text, (size_t)n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
                if (!json) fail_msg("%s: %.*s is no JSON", rows[r].schema, n, text);
                json_decref(json);
            }
            matcher_fini(&m);
        }
        schema_free(s);
    }
}

/* Recursion ends where it has gone deep, so that what was opened can be closed. */
static void nesting_has_an_end(void **state)
{
    (void)state;
    static const char tree[] =
        "{\"$ref\":\"#/$defs/t\",\"$defs\":{\"t\":{\"anyOf\":[{\"type\":\"null\"},"
        "{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/t\"},"
        "\"minItems\":1}]}}}";
    struct schema *s = compile(tree);
    struct matcher m;
    matcher_init(&m, &s->grammar, s->document);
    int n = 0;
    while (n < 1000 && matcher_take(&m, "[", 1)) n++;
    assert_int_equal(n, MAX_NESTING);
    matcher_restart(&m, s->document);
    for (int i = 0; i < n; i++) assert_true(matcher_take(&m, "[", 1));
    assert_true(matcher_take(&m, "null", 4));
    for (int i = 0; i < n; i++) assert_true(matcher_take(&m, "]", 1));
    assert_true(matcher_is_complete(&m));
    matcher_fini(&m);
    schema_free(s);
}

/* -- Little memory, and much to do -------------------------------------------------------------- */

/* One allocation after the other fails: it is said, or does not matter. */
static void memory_may_be_missing(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r += 3) {
        json_t *json = json_loads(rows[r].schema, JSON_DECODE_ANY, NULL);
        bool pending = false;
        for (long k = 1; !pending; k += 1 + k / 20) {
            struct phi3v_error err = {0};
            struct schema *s = NULL;
            struct matcher m = {0};
            memory_fail_at(k);
            int rc = schema_compile(json, &s, &err);
            if (!rc) matcher_init(&m, &s->grammar, s->document);
            if (!rc && matcher_take(&m, rows[r].good[0], strlen(rows[r].good[0])) && !m.failed)
                assert_true(matcher_is_complete(&m));
            pending = memory_fail_pending();
            memory_fail_at(0);
            if (rc) assert_int_equal(err.code, PHI3V_E_MEMORY);
            matcher_fini(&m);
            schema_free(s);
        }
        json_decref(json);
    }
}

static double cpu_s(void) { return (double)clock() / CLOCKS_PER_SEC; }

static void append(char **to, const char *format, int i) { *to += sprintf(*to, format, i, i); }

/* Small texts that ask for a lot are compiled or refused within a second or so. */
static void work_has_an_end(void **state)
{
    (void)state;
    enum { N_TEXTS = 4 };
    static char text[N_TEXTS][1 << 16];
    char *at[N_TEXTS];
    for (int i = 0; i < N_TEXTS; i++) at[i] = text[i];
    append(&at[0], "{\"$defs\": {\"l0\": {\"type\": \"string\"}", 0);
    for (int i = 1; i < 18; i++) { // each of the last twice, seventeen times
        append(&at[0], ", \"l%d\": {\"anyOf\": [", i);
        append(&at[0], "{\"$ref\": \"#/$defs/l%d\"}, {\"$ref\": \"#/$defs/l%d\"}]}", i - 1);
    }
    append(&at[0], "}, \"oneOf\": [{\"$ref\": \"#/$defs/l17\"}, {\"$ref\": \"#/$defs/l17\"}]}", 0);
    append(&at[1], "{\"properties\": {\"z\": true", 0);
    for (int i = 0; i < 400; i++)
        append(&at[1], ", \"p%d\": {\"pattern\": \"(a|b|c){0,300}x%d\"}", i);
    append(&at[1], "}}", 0);
    append(&at[2], "{\"properties\": {\"p0\": {\"type\": \"array\"}", 0);
    for (int i = 1; i < 450; i++) { // each needs what the one before it needs
        append(&at[2], ", \"p%d\": {\"items\": ", i);
        append(&at[2], "{\"$ref\": \"#/properties/p%d\"}, \"minItems\": 1}", i - 1);
    }
    append(&at[2], "}}", 0);
    append(&at[3], "{\"pattern\": \"(a*)*(b*)*(.*)*x(.*)*(a|b|.)*y{0,900}.{0,900}\"}", 0);
    for (int i = 0; i < N_TEXTS; i++) {
        struct schema *s = NULL;
        double begun = cpu_s();
        json_t *json = json_loads(text[i], 0, NULL);
        assert_non_null(json);
        schema_compile(json, &s, NULL);
        schema_free(s);
        json_decref(json);
        if (cpu_s() - begun > 10) fail_msg("text %d took %.1f s", i, cpu_s() - begun);
    }
}

/* -- Refused ----------------------------------------------------------------------------------- */

static const struct {
    const char *schema, *words[3];
} refused[] = {
    {"{\"not\":{}}", {"\"not\" is not supported", " #:"}},
    {"{\"properties\":{\"a\":{\"items\":{\"uniqueItems\":true}}}}",
     {"\"uniqueItems\"", "#/properties/a/items"}},
    {"{\"items\":{\"$id\":\"https://example.org/a\"}}", {"\"$id\"", "#/items"}},
    {"{\"requried\":[\"a\"]}", {"\"requried\" is no keyword"}},
    {"{\"type\":\"object\",\"patternProperties\":{}}", {"\"patternProperties\""}},
    {"{\"type\":\"integer\",\"multipleOf\":5}", {"\"multipleOf\""}},
    {"{\"type\":\"number\",\"minimum\":0.1234567890123456}", {"\"minimum\"", "digits"}},
    {"{\"pattern\":\"(?=a)\"}", {"\"pattern\"", "(?"}},
    {"{\"pattern\":\"a\\\\b\"}", {"\"pattern\"", "\\b"}},
    {"{\"pattern\":\"(a)\\\\1\"}", {"refers back"}},
    {"{\"pattern\":\"^a|b$\"}", {"|"}},
    {"{\"pattern\":\"[a\"}", {"without its end"}},
    {"{\"pattern\":\"(((a{1000}){1000}){1000})\"}", {"too large"}},
    {"{\"format\":\"regex\"}", {"\"format\"", "regex"}},
    {"{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}", {"\"oneOf\"", "number 1 and 2"}},
    {"{\"oneOf\":[{\"type\":\"string\"},{\"properties\":{}}]}", {"\"oneOf\""}},
    {"{\"oneOf\":[{\"enum\":[1]},{\"const\":1.0}]}", {"\"oneOf\""}},
    {"{\"anyOf\":[true],\"type\":\"object\"}", {"\"type\" beside \"anyOf\""}},
    {"{\"$ref\":\"#/$defs/a\",\"minLength\":1,\"$defs\":{\"a\":true}}",
     {"\"minLength\" beside \"$ref\""}},
    {"{\"$ref\":\"#/$defs/b\"}", {"points to nothing"}},
    {"{\"$ref\":\"https://example.org/s.json\"}", {"leads out"}},
    {"{\"$ref\":\"#\"}", {"no value satisfies"}},
    {"{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]}", {"leads back to itself"}},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}",
     {"no value satisfies"}},
    {"{\"type\":\"string\",\"minLength\":3,\"maxLength\":2}", {"\"minLength\" is above"}},
    {"{\"type\":\"string\",\"pattern\":\"^a$\",\"minLength\":2}", {"no value satisfies"}},
    {"{\"type\":\"integer\",\"minimum\":3,\"maximum\":2}", {"no value satisfies"}},
    {"{\"type\":\"integer\",\"minimum\":0.1,\"maximum\":0.9}", {"no value satisfies"}},
    {"{\"type\":\"string\",\"enum\":[1]}", {"no value satisfies"}},
    {"{\"type\":\"strnig\"}", {"\"type\" is one of"}},
    {"{\"type\":\"object\",\"properties\":{\"a\":3}}", {"#/properties/a", "neither"}},
    {"{\"required\":[\"a\"],\"additionalProperties\":false}", {"\"a\" is required"}},
    {"{\"type\":\"object\",\"minProperties\":1}", {"\"minProperties\""}},
    {"{\"minItems\":-1}", {"\"minItems\" is a whole number"}},
    {"{\"items\":[true]}", {"\"prefixItems\" is"}},
    {"{\"maxLength\":\"3\"}", {"\"maxLength\""}},
    {"{\"enum\":[]}", {"\"enum\" is a list"}},
    {"[]", {"neither an object"}},
    {"false", {"no value satisfies"}},
    {"{\"allOf\":[{\"type\":\"object\"},{\"required\":[\"a\"]}]}", {"\"allOf\" of more than 1"}},
};

static void by_name(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof refused / sizeof *refused; r++) {
        struct phi3v_error err = {0};
        struct schema *s;
        json_t *json = json_loads(refused[r].schema, JSON_DECODE_ANY, NULL);
        assert_non_null(json);
        if (!schema_compile(json, &s, &err)) fail_msg("%s is taken", refused[r].schema);
        for (int i = 0; i < 3 && refused[r].words[i]; i++)
            if (!strstr(err.text, refused[r].words[i]))
                fail_msg("%s: %s", refused[r].schema, err.text);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_texts),
        cmocka_unit_test(beginnings),
        cmocka_unit_test(no_way_is_lost),
        cmocka_unit_test(nesting_has_an_end),
        cmocka_unit_test(memory_may_be_missing),
        cmocka_unit_test(work_has_an_end),
        cmocka_unit_test(by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
