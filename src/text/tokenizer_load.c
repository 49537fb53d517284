/* SPDX-License-Identifier: MIT
 * Loads tokenizer.json into tables, and refuses what the encoder would get wrong. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "text/vocab.h"

struct loader {
    struct tokenizer *t;
    const char *path;
    struct phi3v_error *err;
};

static int refuse(const struct loader *l, const char *what)
{
    return err_set(l->err, PHI3V_E_MODEL, "%s: %s", l->path, what);
}

static int unsupported(const struct loader *l, const char *what)
{
    return err_set(l->err, PHI3V_E_UNSUPPORTED, "%s: %s is not supported", l->path, what);
}

static int no_memory(const struct loader *l)
{
    return err_memory(l->err, "the tokenizer", l->t->text.n);
}

static bool is_string(const json_t *value, const char *s)
{
    return json_is_string(value) && strcmp(json_string_value(value), s) == 0;
}

/* Missing, null, false, zero or "". */
static bool is_off(const json_t *value)
{
    if (json_is_string(value)) return json_string_length(value) == 0;
    if (json_is_number(value)) return json_number_value(value) == 0;
    return !value || json_is_null(value) || json_is_false(value);
}

/* -- The pipeline around the model: exactly what the encoder and decoder do -------------------- */

static bool is_replace(const json_t *step, const char *from, const char *to)
{
    const json_t *pattern = json_object_get(step, "pattern");
    return is_string(json_object_get(step, "type"), "Replace") &&
           is_string(json_object_get(pattern, "String"), from) &&
           is_string(json_object_get(step, "content"), to);
}

static int check_normalizer(const struct loader *l, const json_t *root)
{
    const json_t *list = json_object_get(json_object_get(root, "normalizer"), "normalizers");
    const json_t *prepend = json_array_get(list, 0);
    bool ok = json_array_size(list) == 2 &&
              is_string(json_object_get(prepend, "type"), "Prepend") &&
              is_string(json_object_get(prepend, "prepend"), SPACE_MARK) &&
              is_replace(json_array_get(list, 1), " ", SPACE_MARK);
    return ok ? 0
              : unsupported(l, "a normalizer other than: prepend \"\u2581\", spaces to \"\u2581\"");
}

static int check_decoder(const struct loader *l, const json_t *root)
{
    static const char *const types[] = {"Replace", "ByteFallback", "Fuse", "Strip"};
    const json_t *list = json_object_get(json_object_get(root, "decoder"), "decoders");
    const json_t *strip = json_array_get(list, 3);
    bool ok = json_array_size(list) == 4 && is_replace(json_array_get(list, 0), SPACE_MARK, " ");
    for (size_t i = 0; i < 4 && ok; i++)
        ok = is_string(json_object_get(json_array_get(list, i), "type"), types[i]);
    ok = ok && is_string(json_object_get(strip, "content"), " ") &&
         json_integer_value(json_object_get(strip, "start")) == 1 &&
         is_off(json_object_get(strip, "stop"));
    return ok ? 0 : unsupported(l, "a decoder other than: Replace, ByteFallback, Fuse, Strip");
}

/* Newer converters write the space marks as a separate step, Metaspace. It adds no mark before a
 * text that begins with one, and splits at words, which gives other ids than the published
 * tokenizer. */
static int check_pre_tokenizer(const struct loader *l, const json_t *root)
{
    const json_t *step = json_object_get(root, "pre_tokenizer");
    const char *type = json_string_value(json_object_get(step, "type"));
    if (is_off(step)) return 0;
    return err_set(l->err, PHI3V_E_UNSUPPORTED,
                   "%s: the pre_tokenizer %.40s, which other models' converters write, is not "
                   "supported: use the tokenizer.json that the model was published with",
                   l->path, type ? type : "in it");
}

static int check_pipeline(const struct loader *l, const json_t *root)
{
    const json_t *model = json_object_get(root, "model");
    if (!json_is_object(model)) return refuse(l, "there is no model");
    const json_t *type = json_object_get(model, "type");
    if (type && !is_string(type, "BPE")) return unsupported(l, "a model other than BPE");
    if (!is_off(json_object_get(model, "dropout"))) return unsupported(l, "model.dropout");
    if (!is_off(json_object_get(model, "continuing_subword_prefix")))
        return unsupported(l, "model.continuing_subword_prefix");
    if (!is_off(json_object_get(model, "end_of_word_suffix")))
        return unsupported(l, "model.end_of_word_suffix");
    if (!is_off(json_object_get(model, "ignore_merges")))
        return unsupported(l, "model.ignore_merges");
    int code = check_pre_tokenizer(l, root);
    if (!code) code = check_normalizer(l, root);
    return code ? code : check_decoder(l, root);
}

/* -- Pieces ------------------------------------------------------------------------------------ */

/* An id in range, -1 otherwise. */
static int32_t read_id(const json_t *value)
{
    json_int_t id = json_integer_value(value);
    return json_is_integer(value) && id >= 0 && id < MAX_IDS ? (int32_t)id : -1;
}

/* One more than the highest id of vocabulary and added tokens; 0 when an id is malformed. */
static int32_t count_ids(const json_t *vocab, const json_t *added)
{
    int32_t n = 0;
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach((json_t *)vocab, key, value)
    {
        int32_t id = read_id(value);
        if (id < 0) return 0;
        if (id >= n) n = id + 1;
    }
    json_array_foreach(added, i, value)
    {
        int32_t id = read_id(json_object_get(value, "id"));
        if (id < 0) return 0;
        if (id >= n) n = id + 1;
    }
    return n;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "<0x41>" -> 0x41, -1 for other texts. */
static int byte_of_token(const char *s, size_t n)
{
    if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>') return -1;
    int high = hex_digit(s[3]), low = hex_digit(s[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static int add_token(const struct loader *l, int32_t id, const char *text)
{
    struct tokenizer *t = l->t;
    size_t n = strlen(text);
    if (t->tokens[id].flags & TOKEN_PRESENT)
        return err_set(l->err, PHI3V_E_MODEL, "%s: id %d belongs to two tokens", l->path, (int)id);
    if (t->text.n + n > UINT32_MAX / 2) return refuse(l, "the tokens are too long");
    if (!vocab_add(t, id, text, n)) return no_memory(l);
    int byte = byte_of_token(text, n);
    if (byte < 0) return 0;
    t->tokens[id].flags |= TOKEN_BYTE;
    t->tokens[id].byte = (uint8_t)byte;
    return 0;
}

/* Indexes what the encoder looks up: single characters, byte tokens (in capitals), merged
 * tokens. */
static void index_token(struct tokenizer *t, int32_t id, const char *text)
{
    const struct token *p = &t->tokens[id];
    vocab_index(t, id);
    if (p->n_bytes == 1 && !(text[0] & 0x80)) t->ascii_ids[(unsigned char)text[0]] = id;
    bool lower = (p->flags & TOKEN_BYTE) && (text[3] >= 'a' || text[4] >= 'a');
    if ((p->flags & TOKEN_BYTE) && !lower) t->byte_ids[p->byte] = id;
}

static int read_vocab(const struct loader *l, const json_t *vocab)
{
    memset(l->t->byte_ids, 0xff, sizeof l->t->byte_ids);
    memset(l->t->ascii_ids, 0xff, sizeof l->t->ascii_ids);
    const char *text;
    json_t *value;
    int code = 0;
    json_object_foreach((json_t *)vocab, text, value)
    {
        int32_t id = read_id(value);
        code = add_token(l, id, text);
        if (code) break;
        index_token(l->t, id, text);
    }
    l->t->space_id = vocab_find(l->t, SPACE_MARK, strlen(SPACE_MARK));
    return code;
}

/* -- Merges ------------------------------------------------------------------------------------ */

/* The two halves of "left right" or ["left", "right"]. */
static bool split_merge(const json_t *item, const char **left, size_t *n_left, const char **right,
                        size_t *n_right)
{
    if (json_is_array(item)) {
        const json_t *a = json_array_get(item, 0), *b = json_array_get(item, 1);
        *left = json_string_value(a);
        *right = json_string_value(b);
        *n_left = json_string_length(a);
        *n_right = json_string_length(b);
        return json_array_size(item) == 2 && *left && *right;
    }
    *left = json_string_value(item);
    const char *blank = *left ? strchr(*left, ' ') : NULL;
    if (!blank) return false;
    *right = blank + 1;
    *n_left = (size_t)(blank - *left);
    *n_right = json_string_length(item) - *n_left - 1;
    return !strchr(*right, ' ');
}

static bool begins_with_mark(const char *s, size_t n)
{
    return n >= 3 && memcmp(s, SPACE_MARK, 3) == 0;
}

static bool ends_with_mark(const char *s, size_t n)
{
    return n >= 3 && memcmp(s + n - 3, SPACE_MARK, 3) == 0;
}

static int add_merge(const struct loader *l, const json_t *item, int32_t rank, struct buf *joined)
{
    const char *left, *right;
    size_t n_left, n_right;
    bool ok = split_merge(item, &left, &n_left, &right, &n_right);
    struct merge m = {.rank = rank};
    if (ok) {
        buf_clear(joined);
        buf_append(joined, left, n_left);
        buf_append(joined, right, n_right);
        if (joined->failed) return no_memory(l);
        m.left = vocab_find(l->t, left, n_left);
        m.right = vocab_find(l->t, right, n_right);
        m.id = vocab_find(l->t, joined->data, joined->n);
    }
    if (!ok || m.left < 0 || m.right < 0 || m.id < 0)
        return err_set(l->err, PHI3V_E_MODEL,
                       "%s: merge %d is not a pair of tokens that form a token", l->path,
                       (int)rank);
    if (begins_with_mark(right, n_right) && !ends_with_mark(left, n_left)) l->t->words = false;
    merge_add(l->t, m);
    return 0;
}

static int read_merges(const struct loader *l, const json_t *merges)
{
    struct buf joined = {0};
    l->t->words = l->t->space_id >= 0;
    size_t i;
    json_t *item;
    int code = 0;
    json_array_foreach(merges, i, item)
    {
        code = add_merge(l, item, (int32_t)i, &joined);
        if (code) break;
    }
    buf_fini(&joined);
    return code;
}

/* -- Added tokens ------------------------------------------------------------------------------ */

static int add_added(const struct loader *l, const json_t *item)
{
    struct tokenizer *t = l->t;
    int32_t id = read_id(json_object_get(item, "id"));
    const char *text = json_string_value(json_object_get(item, "content"));
    if (!text || !*text) return refuse(l, "an added token has no content");
    if (!is_off(json_object_get(item, "lstrip")) || !is_off(json_object_get(item, "normalized")) ||
        !is_off(json_object_get(item, "single_word")))
        return unsupported(l, "an added token with lstrip, normalized or single_word");
    int32_t known = vocab_find(t, text, strlen(text));
    if (known >= 0 && known != id)
        return err_set(l->err, PHI3V_E_MODEL, "%s: added token %.60s has the ids %d and %d",
                       l->path, text, (int)known, (int)id);
    for (int i = 0; i < t->n_added; i++)
        if (t->added[i].id == id)
            return err_set(l->err, PHI3V_E_MODEL, "%s: added token %.60s is listed twice", l->path,
                           text);
    int code = known < 0 ? add_token(l, id, text) : 0;
    if (code) return code;
    if (json_is_true(json_object_get(item, "special"))) t->tokens[id].flags |= TOKEN_SPECIAL;
    t->added_first[(unsigned char)text[0]] = true;
    t->added[t->n_added++] =
        (struct added){.id = id, .rstrip = json_is_true(json_object_get(item, "rstrip"))};
    return 0;
}

/* Longest text first, so that the first match is the longest. */
static void sort_added(struct tokenizer *t)
{
    for (int i = 1; i < t->n_added; i++) {
        struct added a = t->added[i];
        int k = i;
        for (; k > 0 && t->tokens[t->added[k - 1].id].n_bytes < t->tokens[a.id].n_bytes; k--)
            t->added[k] = t->added[k - 1];
        t->added[k] = a;
    }
}

static int read_added(const struct loader *l, const json_t *added)
{
    struct tokenizer *t = l->t;
    size_t n = json_array_size(added), i;
    if (n > MAX_ADDED) return refuse(l, "there are too many added tokens");
    t->added = mem_array(n, sizeof *t->added);
    if (!t->added) return no_memory(l);
    json_t *item;
    json_array_foreach(added, i, item)
    {
        int code = add_added(l, item);
        if (code) return code;
    }
    sort_added(t);
    t->bos_id = tokenizer_special(t, "<s>");
    return t->bos_id < 0 ? refuse(l, "there is no added token <s>") : 0;
}

/* -- Public ------------------------------------------------------------------------------------ */

static int read_tables(const struct loader *l, const json_t *root)
{
    const json_t *model = json_object_get(root, "model");
    const json_t *vocab = json_object_get(model, "vocab");
    const json_t *merges = json_object_get(model, "merges");
    const json_t *added = json_object_get(root, "added_tokens");
    struct tokenizer *t = l->t;
    if (!json_is_object(vocab)) return refuse(l, "model.vocab is not an object");
    if (!json_is_array(merges) || json_array_size(merges) > MAX_MERGES)
        return refuse(l, "model.merges is not a list of reasonable length");
    int32_t n_ids = count_ids(vocab, added);
    if (n_ids == 0) return refuse(l, "an id is not a number from 0 to 4194303");
    if (!vocab_init(t, n_ids, json_array_size(merges))) return no_memory(l);
    int code = read_vocab(l, vocab);
    if (!code) code = read_merges(l, merges);
    if (!code) code = read_added(l, added);
    const char *unk = json_string_value(json_object_get(model, "unk_token"));
    t->unk_id = unk ? vocab_find(t, unk, strlen(unk)) : -1;
    t->byte_fallback = json_is_true(json_object_get(model, "byte_fallback"));
    t->fuse_unk = json_is_true(json_object_get(model, "fuse_unk"));
    return code;
}

int tokenizer_load(const char *model_dir, struct tokenizer **ret, struct phi3v_error *err)
{
    CLEANUP(mem_free_ptr) char *path = path_join(model_dir, "tokenizer.json");
    struct tokenizer *t = mem_zalloc(sizeof *t);
    json_t *root = NULL;
    int code =
        path && t ? json_file_load(path, &root, err) : err_memory(err, "the tokenizer", sizeof *t);
    struct loader l = {.t = t, .path = path, .err = err};
    if (!code) code = check_pipeline(&l, root);
    if (!code) code = read_tables(&l, root);
    json_decref(root);
    if (code)
        tokenizer_free(t);
    else
        *ret = t;
    return code;
}

void tokenizer_free(struct tokenizer *t)
{
    if (!t) return;
    buf_fini(&t->text);
    mem_free(t->tokens);
    mem_free(t->by_text);
    mem_free(t->merges);
    mem_free(t->added);
    mem_free(t);
}
