/* SPDX-License-Identifier: MIT
 * golden: tokenizer/prompt_cases.json */
#include "text/chat_template.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

/* -- Tags ------------------------------------------------------------------------------------- */

struct tag {
    const char *begin, *end; // of "<|image_12|>"
    int number;              // INT32_MAX for anything larger
};

/* The next tag in [s, end); false when there is none. */
static bool next_tag(const char *s, const char *end, struct tag *ret)
{
    static const char open[] = "<|image_";
    const size_t n_open = sizeof open - 1;
    for (; (size_t)(end - s) > n_open; s++) {
        if (!(s = memchr(s, '<', (size_t)(end - s) - n_open))) return false;
        if (memcmp(s, open, n_open) != 0) continue;
        int64_t number = 0;
        const char *p = s + n_open, *digits = p;
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            if (number < INT32_MAX) number = number * 10 + (*p - '0');
        if (p == digits || end - p < 2 || p[0] != '|' || p[1] != '>') continue;
        *ret = (struct tag){
            .begin = s, .end = p + 2, .number = number < INT32_MAX ? (int)number : INT32_MAX};
        return true;
    }
    return false;
}

static bool push_image(struct ids *ids, int number, int n_tokens)
{
    for (int i = 0; i < n_tokens; i++)
        if (!ids_push(ids, -number)) return false;
    return true;
}

static int no_memory(struct phi3v_error *err, size_t n) { return err_memory(err, "the prompt", n); }

/* The numbers must be exactly 1 … n_images. `where` begins the message: "the prompt", "turn 3". */
static int check_tags(const char *text, size_t n_bytes, int n_images, const char *where,
                      struct phi3v_error *err)
{
    CLEANUP(mem_free_ptr) bool *seen = mem_zarray((size_t)n_images + 1, sizeof *seen);
    if (!seen) return no_memory(err, (size_t)n_images);
    struct tag tag;
    const char *pictures = n_images == 1 ? "picture" : "pictures";
    for (const char *s = text, *end = text + n_bytes; next_tag(s, end, &tag); s = tag.end) {
        if (tag.number < 1 || tag.number > n_images)
            return err_set(err, PHI3V_E_PROMPT,
                           "%.*s in the text, but %s has %d %s (tags count from 1)",
                           tag.end - tag.begin < 40 ? (int)(tag.end - tag.begin) : 40, tag.begin,
                           where, n_images, pictures);
        seen[tag.number] = true;
    }
    for (int k = 1; k <= n_images; k++)
        if (!seen[k])
            return err_set(err, PHI3V_E_PROMPT,
                           "%s has %d %s, but its text lacks the tag <|image_%d|>", where, n_images,
                           pictures, k);
    return 0;
}

/* -- Raw prompts ------------------------------------------------------------------------------ */

static int encode_special(const struct tokenizer *t, const char *text, size_t n, struct stop *stop,
                          struct ids *ids, struct phi3v_error *err)
{
    struct text_span span = {.text = text, .n_bytes = n, .special = true};
    return tokenizer_encode(t, &span, 1, true, stop, ids, err);
}

int chat_template_raw(const struct tokenizer *t, const char *text, size_t n_bytes,
                      const int *image_tokens, int n_images, struct stop *stop, struct ids *ret_ids,
                      struct phi3v_error *err)
{
    struct ids ids = {0};
    const char *s = text, *end = text + n_bytes;
    struct tag tag;
    int code = n_images ? check_tags(text, n_bytes, n_images, "the prompt", err) : 0;
    for (; !code && n_images && next_tag(s, end, &tag); s = tag.end) {
        code = encode_special(t, s, (size_t)(tag.begin - s), stop, &ids, err);
        if (!code && !push_image(&ids, tag.number, image_tokens[tag.number - 1]))
            code = no_memory(err, (size_t)image_tokens[tag.number - 1] * sizeof(int32_t));
    }
    if (!code) code = encode_special(t, s, (size_t)(end - s), stop, &ids, err);
    if (code)
        ids_fini(&ids);
    else
        *ret_ids = ids;
    return code;
}

/* -- Turns ------------------------------------------------------------------------------------- */

/* A prompt being built: text is gathered in spans until a picture or ready-made ids interrupt
 * it. */
struct builder {
    const struct tokenizer *t;
    struct ids ids;
    bool bos;                // the next text starts with BOS
    struct buf text;         // of the spans
    struct text_span *spans; // their text points to NULL until encoded: `text` may still move
    size_t n_spans, cap_spans;
    struct stop *stop;
    struct phi3v_error *err;
};

static void builder_fini(struct builder *b)
{
    ids_fini(&b->ids);
    buf_fini(&b->text);
    mem_free(b->spans);
}

static int add_text(struct builder *b, const char *text, size_t n, bool special)
{
    if (b->n_spans == b->cap_spans) {
        size_t cap = b->cap_spans ? 2 * b->cap_spans : 16;
        struct text_span *grown = mem_resize(b->spans, cap, sizeof *grown);
        if (!grown) return no_memory(b->err, cap * sizeof *grown);
        b->spans = grown;
        b->cap_spans = cap;
    }
    b->spans[b->n_spans++] = (struct text_span){.n_bytes = n, .special = special};
    buf_append(&b->text, text, n);
    return b->text.failed ? no_memory(b->err, b->text.n + n) : 0;
}

/* Encodes the text gathered so far. */
static int flush(struct builder *b)
{
    const char *s = b->text.data;
    for (size_t i = 0; i < b->n_spans; s += b->spans[i++].n_bytes) b->spans[i].text = s;
    int code = tokenizer_encode(b->t, b->spans, (int)b->n_spans, b->bos, b->stop, &b->ids, b->err);
    buf_clear(&b->text);
    b->n_spans = 0;
    b->bos = false;
    return code;
}

static int add_image(struct builder *b, int number, int n_tokens)
{
    int code = flush(b);
    b->bos = true; // each piece between pictures is encoded on its own (docs/model.md, Prompts)
    if (!code && !push_image(&b->ids, number, n_tokens))
        code = no_memory(b->err, (size_t)n_tokens * sizeof(int32_t));
    return code;
}

static int add_ids(struct builder *b, const int32_t *ids, size_t n)
{
    int code = flush(b);
    for (size_t i = 0; i < n && !code; i++)
        if (!ids_push(&b->ids, ids[i])) code = no_memory(b->err, n * sizeof *ids);
    return code;
}

/* "<|role|>" and a newline, as one span so that the token is recognised. */
static int add_header(struct builder *b, const char *role)
{
    struct buf header = {0};
    buf_printf(&header, "<|%s|>\n", role);
    int code =
        header.failed ? no_memory(b->err, strlen(role)) : add_text(b, header.data, header.n, true);
    buf_fini(&header);
    return code;
}

/* Adds a turn's text with its pictures, the first of which is number first + 1 in the conversation.
 */
static int add_content(struct builder *b, const struct chat_turn *turn, int first,
                       const int *image_tokens)
{
    const char *s = turn->text ? turn->text : "", *end = s + strlen(s);
    struct tag tag;
    int code = 0;
    while (!code && turn->n_images && next_tag(s, end, &tag)) {
        int number = first + tag.number;
        code = add_text(b, s, (size_t)(tag.begin - s), false);
        if (!code) code = add_image(b, number, image_tokens[number - 1]);
        s = tag.end;
    }
    return code ? code : add_text(b, s, (size_t)(end - s), false);
}

static int add_turn(struct builder *b, const struct chat_turn *turn, int first,
                    const int *image_tokens)
{
    int code = add_header(b, turn->role);
    if (!code && turn->ids)
        code = add_ids(b, turn->ids, turn->n_ids);
    else if (!code)
        code = add_content(b, turn, first, image_tokens);
    if (!code && !turn->open) code = add_text(b, "<|end|>\n", 8, true);
    return code;
}

static int check_turn(const struct chat_turn *turn, int index, bool last, struct phi3v_error *err)
{
    char where[32];
    snprintf(where, sizeof where, "turn %d", index + 1);
    bool assistant = strcmp(turn->role, "assistant") == 0;
    if (turn->open && !(last && assistant))
        return err_set(err, PHI3V_E_PROMPT, "%s is open, but only a last answer can be continued",
                       where);
    if (turn->ids && !assistant)
        return err_set(err, PHI3V_E_PROMPT, "%s has ids in place of text, but is not an answer",
                       where);
    if (turn->n_images == 0) return 0;
    if (turn->ids) return err_set(err, PHI3V_E_PROMPT, "%s has ids and pictures", where);
    const char *text = turn->text ? turn->text : "";
    return check_tags(text, strlen(text), turn->n_images, where, err);
}

int chat_template_turns(const struct tokenizer *t, const struct chat_turn *turns, int n_turns,
                        const int *image_tokens, struct stop *stop, struct ids *ret_ids,
                        struct phi3v_error *err)
{
    struct builder b = {.t = t, .bos = true, .stop = stop, .err = err};
    int code = 0, first = 0;
    for (int i = 0; i < n_turns && !code; first += turns[i++].n_images) {
        code = check_turn(&turns[i], i, i == n_turns - 1, err);
        if (!code) code = add_turn(&b, &turns[i], first, image_tokens);
    }
    bool answered = n_turns > 0 && strcmp(turns[n_turns - 1].role, "assistant") == 0;
    if (!code && !answered) code = add_header(&b, "assistant");
    if (!code) code = flush(&b);
    if (!code) {
        *ret_ids = b.ids;
        b.ids = (struct ids){0};
    }
    builder_fini(&b);
    return code;
}
