/* SPDX-License-Identifier: MIT
 * Tokenizer and detokeniser: rules on a small vocabulary, random texts against plain restatements
 * of the rules, damaged files, long inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "small_tokenizer.h"

struct set_up {
    struct folder folder;
    struct tokenizer *t;
    struct phi3v_error err;
};

static int set_up(void **state)
{
    struct set_up *s = calloc(1, sizeof *s);
    folder_make(&s->folder);
    s->t = small_tokenizer(&s->folder);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct set_up *s = *state;
    tokenizer_free(s->t);
    folder_remove(&s->folder);
    free(s);
    return 0;
}

enum { STOP = -1 }; /* ends a list of expected ids */

static void assert_ids(const struct ids *ids, const int32_t *want, const char *what)
{
    size_t n = 0;
    while (want[n] != STOP) n++;
    bool same = ids->n == n && (n == 0 || memcmp(ids->data, want, n * sizeof *want) == 0);
    if (same) return;
    for (size_t i = 0; i < ids->n; i++) print_error("%d ", (int)ids->data[i]);
    fail_msg("ids of \"%s\"", what);
}

static void assert_encodes(const struct set_up *s, const char *text, const int32_t *want)
{
    struct ids ids = {0};
    struct text_span span = {.text = text, .n_bytes = strlen(text), .special = true};
    assert_int_equal(tokenizer_encode(s->t, &span, 1, false, NULL, &ids, NULL), 0);
    assert_ids(&ids, want, text);
    ids_fini(&ids);
}

#define IDS(...) ((const int32_t[]){__VA_ARGS__, STOP})
#define NO_IDS ((const int32_t[]){STOP})
#define L(c) (LETTER + (c))
#define B(b) (BYTE + (b))

/* -- Rules ---------------------------------------------------------------------------------- */

static void encodes_ordinary_text(void **state)
{
    const struct set_up *s = *state;
    assert_encodes(s, "", NO_IDS);
    assert_encodes(s, "x", IDS(SPACE, L('x')));
    assert_encodes(s, "a", IDS(SPACE_A));
    assert_encodes(s, " ", IDS(SPACES));
    assert_encodes(s, "   ", IDS(SPACES, SPACES));
    assert_encodes(s, "abc", IDS(SPACE_A, BC));         // "▁ a" first, then "b c"
    assert_encodes(s, "xabc", IDS(SPACE, L('x'), ABC)); // "b c", then "a bc"
    assert_encodes(s, "xabb", IDS(SPACE, L('x'), AB, L('b')));
    assert_encodes(s, "x  a", IDS(SPACE, L('x'), SPACE, SPACE_A));
    assert_encodes(s, "\n", IDS(SPACE, B('\n')));
    assert_encodes(s, "\xc3\xa9", IDS(SPACE, B(0xc3), B(0xa9)));
}

static void reads_broken_utf8_as_replacement(void **state)
{
    const struct set_up *s = *state;
    const int32_t *one = IDS(SPACE, B(0xef), B(0xbf), B(0xbd));
    assert_encodes(s, "\xff", one);
    assert_encodes(s, "\xe2\x96", one);
    assert_encodes(s, "\xef\xbf\xbd", one);
    assert_encodes(s, "\xc3x", IDS(SPACE, B(0xef), B(0xbf), B(0xbd), L('x')));
}

static void matches_added_tokens(void **state)
{
    const struct set_up *s = *state;
    assert_encodes(s, "<|user|>", IDS(USER));
    assert_encodes(s, "<|user|>\n", IDS(USER, SPACE, B('\n')));
    assert_encodes(s, "<|assistant|>\n \t\xc2\xa0\xe3\x80\x80x", IDS(ASSISTANT, SPACE, L('x')));
    assert_encodes(s, "<|assistant|>\x1c", IDS(ASSISTANT, SPACE, B(0x1c)));
    assert_encodes(s, "<|assistant|>\xe2\x80\x8a\xe2\x80\x8b", // U+200A is white, U+200B is not
                   IDS(ASSISTANT, SPACE, B(0xe2), B(0x80), B(0x8b)));
    assert_encodes(s, "<|assistant|> <|user|> x", IDS(ASSISTANT, USER, SPACES, L('x')));
    assert_encodes(s, "x<|end|>x", IDS(SPACE, L('x'), END, SPACE, L('x')));
    assert_encodes(s, "<|x|>x", IDS(LONG, SPACE, L('x'))); // leftmost, longest
    assert_encodes(s, "<|x|>yx", IDS(LONGER, SPACE, L('x')));
    assert_encodes(s, "<s></s>", IDS(BOS, 2));
    assert_int_equal(tokenizer_special(s->t, "<|end|>"), END);
    assert_int_equal(tokenizer_special(s->t, "<|en"), -1);
}

static void guards_spans(void **state)
{
    const struct set_up *s = *state;
    const struct text_span spans[] = {{"x", 1, false},
                                      {"<|end|>", 7, true},
                                      {"a", 1, false},
                                      {"<s>", 3, false},
                                      {"c", 1, true},
                                      {NULL, 0, false},
                                      {"<|assistant|>", 13, true},
                                      {" ", 1, false},
                                      {"\n", 1, true},
                                      {" x", 2, false}};
    struct ids ids = {0};
    assert_int_equal(tokenizer_encode(s->t, spans, 10, true, NULL, &ids, NULL), 0);
    assert_ids(&ids,
               IDS(BOS, SPACE, L('x'), END, SPACE_A, B('<'), L('s'), B('>'), L('c'), ASSISTANT,
                   SPACE, L('x')),
               "spans");
    ids_fini(&ids);
}

/* -- Random texts and merges against plain repeated merging ----------------------------------- */

static uint32_t random_next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Merges of random pieces over "abcd▁"; true when the joined piece was new. */
static bool add_random_merge(json_t *vocab, json_t *merges, char pieces[][48], int *n,
                             uint32_t *seed)
{
    char joined[48], pair[48];
    const char *left = pieces[random_next(seed) % (uint32_t)*n];
    const char *right = pieces[random_next(seed) % (uint32_t)*n];
    if (strlen(left) + strlen(right) > 24) return false;
    snprintf(joined, sizeof joined, "%.23s%.23s", left, right);
    snprintf(pair, sizeof pair, "%.23s %.23s", left, right);
    for (size_t i = 0; i < json_array_size(merges); i++)
        if (strcmp(json_string_value(json_array_get(merges, i)), pair) == 0) return false;
    bool fresh = !json_object_get(vocab, joined);
    if (fresh) {
        json_object_set_new(vocab, joined, json_integer(400 + *n));
        snprintf(pieces[(*n)++], 48, "%s", joined);
    }
    json_array_append_new(merges, json_string(pair));
    return fresh;
}

static json_t *random_model(int n_merges, uint32_t *seed)
{
    static char pieces[64][48];
    const char *const letters[] = {"a", "b", "c", "d", "\u2581"};
    int n = 5;
    for (int i = 0; i < n; i++) snprintf(pieces[i], 48, "%s", letters[i]);
    json_t *root = small_tokenizer_json(), *model = json_object_get(root, "model");
    json_t *vocab = json_object_get(model, "vocab"), *merges = json_array();
    const char *const built_in[] = {"\u2581\u2581", "\u2581a", "ab", "bc", "abc"};
    for (int i = 0; i < 5; i++) json_object_del(vocab, built_in[i]);
    for (int i = 0; i < n_merges; i++) add_random_merge(vocab, merges, pieces, &n, seed);
    json_object_set_new(model, "merges", merges);
    return root;
}

/* The rule itself: find the lowest rank, leftmost, merge, repeat. Pieces as strings; ids by lookup.
 */
static void merge_plainly(const json_t *root, const char *text, struct ids *out)
{
    const json_t *model = json_object_get(root, "model"),
                 *merges = json_object_get(model, "merges");
    static char pieces[80][256];
    int n = 0;
    snprintf(pieces[n++], 256, "\u2581");
    for (const char *p = text; *p; p++) {
        if (*p == ' ')
            snprintf(pieces[n++], 256, "\u2581");
        else
            snprintf(pieces[n++], 256, "%c", *p);
    }
    for (bool merged = true; merged;) {
        merged = false;
        for (size_t m = 0; m < json_array_size(merges) && !merged; m++) {
            for (int i = 0; i + 1 < n && !merged; i++) {
                char pair[520];
                snprintf(pair, sizeof pair, "%s %s", pieces[i], pieces[i + 1]);
                if (strcmp(pair, json_string_value(json_array_get(merges, m))) != 0) continue;
                strcat(pieces[i], pieces[i + 1]);
                memmove(pieces[i + 1], pieces[i + 2], (size_t)(n - i - 2) * sizeof pieces[0]);
                n--;
                merged = true;
            }
        }
    }
    for (int i = 0; i < n; i++)
        ids_push(out, (int32_t)json_integer_value(
                          json_object_get(json_object_get(model, "vocab"), pieces[i])));
}

static void merges_like_the_plain_rule(void **state)
{
    struct set_up *s = *state;
    uint32_t seed = 7;
    for (int round = 0; round < 12; round++) {
        json_t *root = random_model(round * 3, &seed);
        struct tokenizer *t;
        json_dump_file(root, folder_file(&s->folder, "tokenizer.json"), 0);
        assert_int_equal(tokenizer_load(s->folder.path, &t, &s->err), 0);
        for (int k = 0; k < 60; k++) {
            char text[41] = "";
            uint32_t n = 1 + random_next(&seed) % 40;
            for (uint32_t i = 0; i < n; i++) text[i] = "abcd  aab"[random_next(&seed) % 9];
            text[n] = 0;
            struct ids got = {0}, want = {0};
            struct text_span span = {.text = text, .n_bytes = n};
            assert_int_equal(tokenizer_encode(t, &span, 1, false, NULL, &got, NULL), 0);
            merge_plainly(root, text, &want);
            if (got.n != want.n || memcmp(got.data, want.data, got.n * sizeof *got.data) != 0)
                fail_msg("round %d: \"%s\"", round, text);
            ids_fini(&got);
            ids_fini(&want);
        }
        tokenizer_free(t);
        json_decref(root);
    }
}

/* -- Decoding --------------------------------------------------------------------------------- */

static void assert_decodes(const struct set_up *s, const int32_t *ids, bool keep, const char *want)
{
    size_t n = 0, n_text;
    while (ids[n] != STOP) n++;
    char *text;
    assert_int_equal(tokenizer_decode(s->t, ids, n, keep, &text, &n_text, NULL), 0);
    assert_string_equal(text, want);
    assert_int_equal(n_text, strlen(want));
    mem_free(text);
}

static void decodes(void **state)
{
    const struct set_up *s = *state;
    assert_decodes(s, NO_IDS, false, "");
    assert_decodes(s, IDS(SPACE_A, BC, SPACES, L('x')), false, "abc  x");
    assert_decodes(s, IDS(SPACES, L('x')), false, " x"); // exactly one leading space goes
    assert_decodes(s, IDS(BOS, SPACE_A, END), false, "a");
    assert_decodes(s, IDS(BOS, SPACE_A, END), true, "<s> a<|end|>");
    assert_decodes(s, IDS(2, L('x'), 305, 99999), false, "</s>x"); // ids without a token vanish
    assert_decodes(s, IDS(SPACE, B(0xc3), B(0xa9), B('\n')), false, "\xc3\xa9\n");
    assert_decodes(s, IDS(B(0xc3), END, B(0xa9)), false,
                   "\xc3\xa9"); // a dropped token splits no run
    assert_decodes(s, IDS(B(0xc3), END, B(0xa9)), true, "\xef\xbf\xbd<|end|>\xef\xbf\xbd");
    assert_decodes(s, IDS(B('x'), B(0xc3)), false,
                   "\xef\xbf\xbd\xef\xbf\xbd"); // a run counts as a whole
    assert_decodes(s, IDS(B(' '), L('x')), false, "x");
    const int32_t negative = -5;
    char *text;
    size_t n;
    assert_int_equal(tokenizer_decode(s->t, &negative, 1, true, &text, &n, NULL), 0);
    assert_int_equal(n, 0);
    mem_free(text);
}

/* The whole rule over the whole list at once (docs/model.md, Ids to text), by table of texts. */
static void decode_plainly(const json_t *root, const int32_t *ids, size_t n, bool keep,
                           struct buf *out)
{
    struct buf all = {0}, run = {0};
    for (size_t i = 0; i <= n; i++) {
        const char *text = NULL, *key;
        json_t *value;
        bool special = false;
        size_t k;
        for (int pass = 0; i < n && pass < 1; pass++) {
            json_object_foreach(json_object_get(json_object_get(root, "model"), "vocab"), key,
                                value) if (json_integer_value(value) == ids[i]) text = key;
            json_array_foreach(json_object_get(root, "added_tokens"), k,
                               value) if (json_integer_value(json_object_get(value, "id")) ==
                                          ids[i])
            {
                text = json_string_value(json_object_get(value, "content"));
                special = json_is_true(json_object_get(value, "special"));
            }
        }
        if (i < n && (!text || (special && !keep))) continue;
        unsigned byte;
        if (text && sscanf(text, "<0x%2X>", &byte) == 1) {
            buf_putc(&run, (char)byte);
            continue;
        }
        if (utf8_is_valid(run.data, run.n))
            buf_append(&all, run.data, run.n);
        else
            for (size_t j = 0; j < run.n; j++) buf_puts(&all, "\xef\xbf\xbd");
        buf_clear(&run);
        for (const char *p = text; p && *p;) {
            bool mark = strncmp(p, "\u2581", 3) == 0;
            buf_append(&all, mark ? " " : p, 1);
            p += mark ? 3 : 1;
        }
    }
    buf_append(out, all.n && all.data[0] == ' ' ? all.data + 1 : all.data,
               all.n && all.data[0] == ' ' ? all.n - 1 : all.n);
    buf_fini(&all);
    buf_fini(&run);
}

static void streams_like_the_plain_rule(void **state)
{
    struct set_up *s = *state;
    json_t *root = small_tokenizer_json();
    const int32_t some[] = {BOS,     UNK,    2,       END,     SPACE,   SPACES,  SPACE_A,
                            ABC,     L('z'), B('\n'), B(0xc3), B(0xa9), B(0xe2), B(0x96),
                            B(0x81), B(' '), 305,     -3,      5000,    LONGER};
    uint32_t seed = 3;
    for (int round = 0; round < 400; round++) {
        int32_t ids[12];
        size_t n = random_next(&seed) % 12;
        bool keep = round & 1;
        for (size_t i = 0; i < n; i++)
            ids[i] = some[random_next(&seed) % (sizeof some / sizeof *some)];
        struct buf want = {0}, got = {0};
        decode_plainly(root, ids, n, keep, &want);
        struct detok *d;
        const char *part;
        size_t n_part, n_text;
        char *text;
        assert_int_equal(detok_new(s->t, keep, &d, NULL), 0);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(detok_push(d, ids[i], &part, &n_part, NULL), 0);
            assert_true(utf8_is_valid(part, n_part)); // whole characters only
            buf_append(&got, part, n_part);
        }
        assert_int_equal(detok_finish(d, &part, &n_part, NULL), 0);
        buf_append(&got, part, n_part);
        assert_int_equal(tokenizer_decode(s->t, ids, n, keep, &text, &n_text, NULL), 0);
        assert_int_equal(got.n, want.n);
        assert_int_equal(n_text, want.n);
        if (want.n) assert_memory_equal(got.data, want.data, want.n);
        if (want.n) assert_memory_equal(text, want.data, want.n);
        mem_free(text);
        detok_free(d);
        buf_fini(&want);
        buf_fini(&got);
    }
    json_decref(root);
    detok_free(NULL);
}

/* -- Files ------------------------------------------------------------------------------------ */

static int reload(struct set_up *s, json_t *root)
{
    tokenizer_free(s->t);
    s->t = NULL;
    s->err = (struct phi3v_error){0};
    json_dump_file(root, folder_file(&s->folder, "tokenizer.json"), JSON_COMPACT);
    json_decref(root);
    size_t before = mem_in_use_bytes();
    int code = tokenizer_load(s->folder.path, &s->t, &s->err);
    if (code) assert_int_equal(mem_in_use_bytes(), before);
    return code;
}

static void reads_merges_as_pairs(void **state)
{
    struct set_up *s = *state;
    json_t *root = small_tokenizer_json();
    json_object_set_new(json_object_get(root, "model"), "merges",
                        json_pack("[[s, s], [s, s]]", "b", "c", "a", "bc"));
    assert_int_equal(reload(s, root), 0);
    assert_encodes(s, "abc", IDS(SPACE, ABC));
}

static void works_without_merges_and_bytes(void **state)
{
    struct set_up *s = *state;
    json_t *root = small_tokenizer_json(), *model = json_object_get(root, "model");
    json_object_set_new(model, "merges", json_array());
    json_object_set_new(model, "fuse_unk", json_false());
    json_object_del(json_object_get(model, "vocab"), "<0xC3>");
    assert_int_equal(reload(s, json_deep_copy(root)), 0);
    assert_encodes(s, "ab", IDS(SPACE, L('a'), L('b')));
    /* one <unk> for a character whose bytes are not all there */
    assert_encodes(s, "\xc3\xa9\xc3\xa9x", IDS(SPACE, UNK, UNK, L('x')));
    assert_encodes(s, "\xe2\x82\xac", IDS(SPACE, B(0xe2), B(0x82), B(0xac)));
    json_object_set_new(model, "fuse_unk", json_true());
    assert_int_equal(reload(s, json_deep_copy(root)), 0);
    assert_encodes(s, "\xc3\xa9\xc3\xa9x\xc3\xa9", IDS(SPACE, UNK, L('x'), UNK));
    json_object_set_new(model, "byte_fallback", json_false());
    assert_int_equal(reload(s, json_deep_copy(root)), 0);
    assert_encodes(s, "\xe2\x82\xac", IDS(SPACE, UNK));
    json_object_set_new(model, "unk_token", json_null());
    assert_int_equal(reload(s, json_deep_copy(root)), 0);
    assert_encodes(s, "\xe2\x82\xac", IDS(SPACE));
    json_object_set_new(model, "byte_fallback", json_true());
    json_object_del(json_object_get(model, "vocab"), "\u2581"); // the mark itself as bytes
    assert_int_equal(reload(s, root), 0);
    assert_encodes(s, " a", IDS(B(0xe2), B(0x96), B(0x81), B(0xe2), B(0x96), B(0x81), L('a')));
}

static void refuses_bad_files(void **state)
{
    struct set_up *s = *state;
    const struct {
        const char *path, *value; // path: keys and indexes from the root; value NULL removes
        int code;
        const char *says;
    } cases[] = {
        {"model", "5", PHI3V_E_MODEL, "tokenizer.json: there is no model"},
        {"model/type", "\"WordPiece\"", PHI3V_E_UNSUPPORTED,
         "a model other than BPE is not supported"},
        {"model/dropout", "0.1", PHI3V_E_UNSUPPORTED, "model.dropout"},
        {"model/continuing_subword_prefix", "\"##\"", PHI3V_E_UNSUPPORTED,
         "continuing_subword_prefix"},
        {"model/end_of_word_suffix", "\"</w>\"", PHI3V_E_UNSUPPORTED, "end_of_word_suffix"},
        {"model/ignore_merges", "true", PHI3V_E_UNSUPPORTED, "ignore_merges"},
        {"model/vocab", "[]", PHI3V_E_MODEL, "model.vocab is not an object"},
        {"model/vocab", "{}", PHI3V_E_MODEL, "merge 0 is not a pair of tokens"},
        {"model/vocab/a", "-1", PHI3V_E_MODEL, "an id is not a number from 0 to"},
        {"model/vocab/a", "4194304", PHI3V_E_MODEL, "an id is not a number from 0 to"},
        {"model/vocab/a", "\"5\"", PHI3V_E_MODEL, "an id is not a number from 0 to"},
        {"model/vocab/a", "261", PHI3V_E_MODEL, "id 261 belongs to two tokens"},
        {"model/vocab/ab", NULL, PHI3V_E_MODEL,
         "merge 2 is not a pair of tokens that form a token"},
        {"model/merges", "5", PHI3V_E_MODEL, "model.merges is not a list"},
        {"model/merges", "[\"a\"]", PHI3V_E_MODEL, "merge 0"},
        {"model/merges", "[\"a b c\"]", PHI3V_E_MODEL, "merge 0"},
        {"model/merges", "[[\"a\"]]", PHI3V_E_MODEL, "merge 0"},
        {"model/merges", "[[\"a\", 5]]", PHI3V_E_MODEL, "merge 0"},
        {"model/merges", "[7]", PHI3V_E_MODEL, "merge 0"},
        {"pre_tokenizer",
         "{\"type\": \"Metaspace\", \"replacement\": \"\u2581\", \"prepend_scheme\": \"first\","
         " \"split\": false}",
         PHI3V_E_UNSUPPORTED,
         "the pre_tokenizer Metaspace, which other models' converters write, is not supported: "
         "use"},
        {"pre_tokenizer", "{\"type\": \"Sequence\", \"pretokenizers\": []}", PHI3V_E_UNSUPPORTED,
         "the pre_tokenizer Sequence"},
        {"pre_tokenizer", "7", PHI3V_E_UNSUPPORTED, "the pre_tokenizer in it"},
        {"normalizer", "null", PHI3V_E_UNSUPPORTED, "a normalizer other than"},
        {"normalizer/normalizers", "[]", PHI3V_E_UNSUPPORTED, "a normalizer other than"},
        {"decoder", "null", PHI3V_E_UNSUPPORTED, "a decoder other than"},
        {"added_tokens", "null", PHI3V_E_MODEL, "there is no added token <s>"},
        {"added_tokens/3/id", "\"x\"", PHI3V_E_MODEL, "an id is not a number"},
        {"added_tokens/3/id", "260", PHI3V_E_MODEL, "id 260 belongs to two tokens"},
        {"added_tokens/3/id", "311", PHI3V_E_MODEL, "added token <|end|> is listed twice"},
        {"added_tokens/3/content", "\"\"", PHI3V_E_MODEL, "an added token has no content"},
        {"added_tokens/3/content", "null", PHI3V_E_MODEL, "an added token has no content"},
        {"added_tokens/3/content", "\"a\"", PHI3V_E_MODEL, "added token a has the ids 260 and 310"},
        {"added_tokens/3/lstrip", "true", PHI3V_E_UNSUPPORTED, "lstrip"},
        {"added_tokens/3/normalized", "true", PHI3V_E_UNSUPPORTED, "normalized"},
        {"added_tokens/3/single_word", "true", PHI3V_E_UNSUPPORTED, "single_word"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *root = small_tokenizer_json(), *at = root;
        char path[64], *key = path;
        snprintf(path, sizeof path, "%s", cases[i].path);
        for (char *slash; (slash = strchr(key, '/')); key = slash + 1) {
            *slash = 0;
            at = json_is_array(at) ? json_array_get(at, (size_t)atoi(key))
                                   : json_object_get(at, key);
        }
        if (cases[i].value)
            json_object_set_new(at, key, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        else
            json_object_del(at, key);
        int code = reload(s, root);
        if (code != cases[i].code || !strstr(s->err.text, cases[i].says))
            fail_msg("%s = %s: %d: %s", cases[i].path, cases[i].value, code, s->err.text);
    }
    folder_puts(&s->folder, "tokenizer.json", "{");
    assert_int_equal(tokenizer_load(s->folder.path, &s->t, &s->err), PHI3V_E_MODEL);
    assert_int_equal(tokenizer_load("/nowhere", &s->t, &s->err), PHI3V_E_IO);
}

/* -- Memory and time -------------------------------------------------------------------------- */

/* Everything once; the codes of failures are MEMORY. */
static int use_all(const struct set_up *s)
{
    struct tokenizer *t;
    int code = tokenizer_load(s->folder.path, &t, NULL);
    if (code) return code;
    struct ids ids = {0};
    struct text_span span = {.text = "<|user|> abc abc\n", .n_bytes = 17, .special = true};
    struct detok *d = NULL;
    char *text = NULL;
    const char *part;
    size_t n;
    code = tokenizer_encode(t, &span, 1, true, NULL, &ids, NULL);
    if (!code) code = tokenizer_decode(t, ids.data, ids.n, true, &text, &n, NULL);
    if (!code) code = detok_new(t, true, &d, NULL);
    for (size_t i = 0; i < ids.n && !code; i++) code = detok_push(d, ids.data[i], &part, &n, NULL);
    if (!code) code = detok_finish(d, &part, &n, NULL);
    detok_free(d);
    mem_free(text);
    ids_fini(&ids);
    tokenizer_free(t);
    return code;
}

static void every_allocation_may_fail(void **state)
{
    const struct set_up *s = *state;
    size_t before = mem_in_use_bytes();
    for (long k = 1;; k++) {
        mem_fail_at(k);
        int code = use_all(s);
        bool done = mem_fail_pending();
        mem_fail_at(0);
        assert_int_equal(mem_in_use_bytes(), before);
        if (done) break;
        assert_int_equal(code, PHI3V_E_MEMORY);
    }
}

static int no_at(void *user)
{
    int *left = user;
    return --*left == 0;
}

/* Told to stop at any of its questions, it ends with CANCELLED and asks no more; a long text is
 * asked about many times, in whatever part of the work. */
static void stops_when_asked(void **state)
{
    const struct set_up *s = *state;
    const char *const patterns[] = {"a", " ", "ab", "abc ", "\xff", "<|user|>", "<|assistant|> "};
    size_t n = 1 << 18, before = mem_in_use_bytes();
    char *text = mem_alloc(n);
    assert_non_null(text);
    for (size_t k = 0; k < sizeof patterns / sizeof *patterns; k++) {
        for (size_t i = 0; i < n; i++) text[i] = patterns[k][i % strlen(patterns[k])];
        struct text_span span = {.text = text, .n_bytes = n, .special = true};
        for (int at = 1; at <= 4; at++) {
            int left = at;
            struct stop stop = {.fn = no_at, .user = &left};
            struct ids ids = {0};
            assert_int_equal(tokenizer_encode(s->t, &span, 1, true, &stop, &ids, NULL),
                             PHI3V_E_CANCELLED);
            assert_int_equal(left, 0);
            ids_fini(&ids);
        }
    }
    mem_free(text);
    assert_int_equal(mem_in_use_bytes(), before);
}

/* One megabyte of anything takes well under a second (seconds are left for slow builds): no
 * quadratic case. */
static void long_texts_are_quick(void **state)
{
    const struct set_up *s = *state;
    const char *const patterns[] = {"a",     " ",    "ab", "abc ",          "<|user|>",
                                    "<|use", "\xff", "\n", "<|assistant|> "};
    size_t n = 1 << 18;
    char *text = mem_alloc(n);
    assert_non_null(text);
    for (size_t k = 0; k < sizeof patterns / sizeof *patterns; k++) {
        size_t len = strlen(patterns[k]);
        for (size_t i = 0; i < n; i++) text[i] = patterns[k][i % len];
        struct ids ids = {0};
        struct text_span span = {.text = text, .n_bytes = n, .special = true};
        clock_t begin = clock();
        assert_int_equal(tokenizer_encode(s->t, &span, 1, true, NULL, &ids, NULL), 0);
        double took = (double)(clock() - begin) / CLOCKS_PER_SEC;
        if (took > 20) fail_msg("\"%s\" took %.1f s", patterns[k], took);
        ids_fini(&ids);
    }
    mem_free(text);
}

static void utf8_is_checked(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t len;
        uint32_t cp;
    } cases[] = {
        {"a", 1, 'a'},
        {"\xc3\xa9", 2, 0xe9},
        {"\xe2\x82\xac", 3, 0x20ac},
        {"\xf0\x9f\x98\x80", 4, 0x1f600},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
        {"\xed\x9f\xbf", 3, 0xd7ff},
        {"\xc0\x80", 1, UTF8_REPLACEMENT},
        {"\x80", 1, UTF8_REPLACEMENT},
        {"\xed\xa0\x80", 1, UTF8_REPLACEMENT},
        {"\xe0\x80\x80", 1, UTF8_REPLACEMENT},
        {"\xf4\x90\x80\x80", 1, UTF8_REPLACEMENT},
        {"\xf0\x9f\x98", 3, UTF8_REPLACEMENT},
        {"\xe2\x82", 2, UTF8_REPLACEMENT},
        {"\xf0\x9fx", 2, UTF8_REPLACEMENT},
        {"\xf8\x88\x80\x80", 1, UTF8_REPLACEMENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t cp;
        assert_int_equal(utf8_next(cases[i].bytes, strlen(cases[i].bytes), &cp), cases[i].len);
        assert_int_equal(cp, cases[i].cp);
        assert_int_equal(utf8_is_valid(cases[i].bytes, strlen(cases[i].bytes)),
                         cp != UTF8_REPLACEMENT);
    }
    assert_true(utf8_is_valid("\xef\xbf\xbd", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(encodes_ordinary_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_broken_utf8_as_replacement, set_up, tear_down),
        cmocka_unit_test_setup_teardown(matches_added_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(guards_spans, set_up, tear_down),
        cmocka_unit_test_setup_teardown(merges_like_the_plain_rule, set_up, tear_down),
        cmocka_unit_test_setup_teardown(decodes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(streams_like_the_plain_rule, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_merges_as_pairs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(works_without_merges_and_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_bad_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_when_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_texts_are_quick, set_up, tear_down),
        cmocka_unit_test(utf8_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
