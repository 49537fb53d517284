/* SPDX-License-Identifier: GPL-3.0-or-later
 * Ten million bytes of hostile text through every way out to a terminal. The strict model knows the
 * few sequences that are ours; it finds any other, and any byte that is no text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "fake_term.h"
#include "term/clean.h"
#include "term/out.h"
#include "term/stream.h"
#include "term/view.h"
#include "tty/complete.h"

enum { PIECE = 4000, TOTAL = 10500000, COLS = 200 };

static uint32_t random_state = 11;

static unsigned draw(unsigned n)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % n;
}

/* -- What is hostile ------------------------------------------------------------------------- */

static const char *const attacks[] = {"\033[2J",
                                      "\033[H",
                                      "\033[31m",
                                      "\033]0;title\a",
                                      "\033]52;c;QQ==\033\\",
                                      "\033P$q\"p",
                                      "\033\\",
                                      "\033c",
                                      "\033[?1049h",
                                      "\033[201~",
                                      "\033_Ga=T;AAA",
                                      "\033]8;;http:x",
                                      "\033[6n",
                                      "\xc2\x9b"
                                      "2J",
                                      "\xc2\x90q",
                                      "\x9b"
                                      "31m",
                                      "\x90",
                                      "\x9d"
                                      "0;x",
                                      "\u202e",
                                      "\u2066",
                                      "\u200f",
                                      "\u061c",
                                      "\u2028",
                                      "\u2029",
                                      "\ufeff",
                                      "\U000e0041",
                                      "\U0010eeee",
                                      "\a",
                                      "\b\b",
                                      "\r",
                                      "\v\f",
                                      "\016",
                                      "\177",
                                      "\xff",
                                      "\xe2\x82",
                                      "\xc0\x9b",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "e\u0301\u0301",
                                      "\u200d\ufe0f",
                                      "\n",
                                      "\t",
                                      "**bold",
                                      "`code`",
                                      "# head\n",
                                      "```\n",
                                      "- list ",
                                      "日本",
                                      "😀",
                                      "plain words "};

/* n bytes with a NUL behind them. */
static void make_hostile(char *to, size_t n)
{
    size_t at = 0;
    while (at < n) {
        char any[4];
        const char *piece = attacks[draw(sizeof attacks / sizeof *attacks)];
        size_t k = strlen(piece);
        if (draw(4) == 0) {
            for (k = 0; k < sizeof any; k++) any[k] = (char)(1 + draw(255));
            piece = any;
        }
        if (k > n - at) k = n - at;
        memcpy(to + at, piece, k);
        at += k;
    }
    to[n] = 0;
}

/* -- Ways out -------------------------------------------------------------------------------- */

static void through_out(struct fake_term *f, char *text, size_t n)
{
    struct out o;
    out_init(&o, f->out, f->term);
    switch (draw(6)) {
    case 0:
        out_text(&o, text, n);
        break;
    case 1:
        out_format(&o, "%d %s", 1, text);
        break;
    case 2:
        out_name(&o, text);
        break;
    case 3:
        out_line(&o, text, 4);
        break;
    case 4:
        out_json(&o, text);
        break;
    default:
        out_styled(&o, STYLE_PROMPT, text);
    }
    fputs("\r\n", f->out);
}

static void through_clean(struct fake_term *f, char *text)
{
    clean_print(f->out, draw(2) ? CLEAN_TEXT : CLEAN_NAME, text);
    fputs("\r\n", f->out);
}

/* An answer comes in pieces. */
static void through_stream(struct fake_term *f, char *text, size_t n)
{
    struct stream_options opt = {
        .term = f->term, .out = f->out, .verbatim = draw(2), .label = "Out[1]: "};
    struct stream *s = stream_new(&opt);
    assert_non_null(s);
    for (size_t at = 0; at < n;) {
        size_t k = 1 + draw(40);
        if (k > n - at) k = n - at;
        stream_text(s, text + at, k);
        at += k;
    }
    stream_end(s);
    stream_free(s);
}

static void through_view(struct fake_term *f, char *text, size_t n)
{
    struct view *v = view_new(f->out, term_facts(f->term));
    char prompt[40];
    make_hostile(prompt, sizeof prompt - 1);
    for (int i = 0; i < 3; i++) {
        struct view_text t = {.prompt = draw(4) ? "In [1]: " : prompt,
                              .is_message = draw(2),
                              .text = text,
                              .n = n,
                              .point = draw((unsigned)n + 1)};
        view_draw(v, &t);
        if (i == 2) view_leave(v, &t);
    }
    view_free(v);
}

static void through_completion(struct fake_term *f, char *text, size_t n)
{
    struct line_candidates c = {.are_files = draw(2)};
    for (size_t at = 0; at + 50 < n; at += 50) {
        char word[51];
        memcpy(word, text + at, 50);
        word[1 + draw(50)] = 0;
        strings_add(&c.words, word);
    }
    complete_list(&c, f->out, term_facts(f->term));
    strings_free(&c.words);
}

static void hostile_through(const char *term)
{
    static char text[PIECE + 1];
    struct fake_term f;
    fake_term_open(&f, term, "none", COLS, 50, 8, 16);
    f.vt->may_wrap = true;
    for (size_t fed = 0; fed < TOTAL / 2; fed += PIECE) {
        make_hostile(text, PIECE);
        int way = (int)draw(5);
        if (way == 0) through_out(&f, text, PIECE);
        if (way == 1) through_clean(&f, text);
        if (way == 2) through_stream(&f, text, PIECE);
        if (way == 3) through_view(&f, text, PIECE);
        if (way == 4) through_completion(&f, text, PIECE);
        fflush(f.out);
        vt_feed(f.vt, f.bytes, f.n_bytes);
        if (f.vt->error[0]) fail_msg("way %d: %s", way, f.vt->error);
        f.n_shown = f.n_bytes;
        rewind(f.out); /* what was shown is not kept */
        f.n_shown = 0;
    }
    fake_term_close(&f);
}

static void test_terminal(void **state)
{
    (void)state;
    hostile_through("xterm-256color");
}

static void test_dumb(void **state)
{
    (void)state;
    hostile_through("dumb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_terminal),
                                       cmocka_unit_test(test_dumb)};
    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
