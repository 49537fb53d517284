/* SPDX-License-Identifier: MIT */
#include "small_tokenizer.h"

#include <stdio.h>
#include <stdlib.h>

static void add_token(json_t *list, int id, const char *content, bool rstrip, bool special)
{
    json_array_append_new(list, json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id,
                                          "content", content, "single_word", 0, "lstrip", 0,
                                          "rstrip", rstrip, "normalized", 0, "special", special));
}

static json_t *added_json(void)
{
    json_t *list = json_array();
    add_token(list, UNK, "<unk>", false, true);
    add_token(list, BOS, "<s>", false, true);
    add_token(list, 2, "</s>", true, false);
    add_token(list, USER, "<|user|>", false, true);
    add_token(list, END, "<|end|>", false, true);
    add_token(list, ASSISTANT, "<|assistant|>", true, true);
    add_token(list, SYSTEM, "<|system|>", false, true);
    add_token(list, LONG, "<|x|>", false, true);
    add_token(list, LONGER, "<|x|>y", false, false);
    return list;
}

static json_t *vocab_json(void)
{
    json_t *vocab = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "<unk>", UNK, "<s>",
                              BOS, "</s>", 2, "\u2581", SPACE, "\u2581\u2581", SPACES, "\u2581a",
                              SPACE_A, "ab", AB, "bc", BC, "abc", ABC);
    char piece[8];
    for (int b = 0; b < 256; b++) {
        snprintf(piece, sizeof piece, "<0x%02X>", (unsigned)b);
        json_object_set_new(vocab, piece, json_integer(BYTE + b));
    }
    for (char c = 'a'; c <= 'z'; c++) {
        snprintf(piece, sizeof piece, "%c", c);
        json_object_set_new(vocab, piece, json_integer(LETTER + c));
    }
    return vocab;
}

json_t *small_tokenizer_json(void)
{
    json_t *root = json_loads(
        "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"pre_tokenizer\": null,"
        " \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": ["
        "  {\"type\": \"Prepend\", \"prepend\": \"\u2581\"},"
        "  {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\u2581\"}]},"
        " \"decoder\": {\"type\": \"Sequence\", \"decoders\": ["
        "  {\"type\": \"Replace\", \"pattern\": {\"String\": \"\u2581\"}, \"content\": \" \"},"
        "  {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"},"
        "  {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]},"
        " \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": \"<unk>\","
        "  \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": true,"
        "  \"byte_fallback\": true, \"ignore_merges\": false,"
        "  \"merges\": [\"\u2581 a\", \"b c\", \"a b\", \"a bc\", \"\u2581 \u2581\"]}}",
        0, NULL);
    if (!root) abort();
    json_object_set_new(root, "added_tokens", added_json());
    json_object_set_new(json_object_get(root, "model"), "vocab", vocab_json());
    return root;
}

static void write_json(const struct folder *f)
{
    json_t *root = small_tokenizer_json();
    if (json_dump_file(root, folder_file(f, "tokenizer.json"), JSON_INDENT(1))) abort();
    json_decref(root);
}

struct tokenizer *small_tokenizer(const struct folder *f)
{
    struct tokenizer *t = NULL;
    struct phi3v_error err;
    write_json(f);
    if (tokenizer_load(f->path, &t, &err)) {
        puts(err.text);
        abort();
    }
    return t;
}
