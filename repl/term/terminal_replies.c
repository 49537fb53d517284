/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/terminal_replies.h"

#include <stdlib.h>
#include <string.h>

#define ESC 0x1B
#define BEL 0x07

enum verdict { TYPED, MORE, COMPLETE };

/* -- Recognising ----------------------------------------------------------------------------- */

static bool is_one_of(unsigned char c, const char *set) { return c && strchr(set, c); }

static const char paste_begin[] = "\033[200~", paste_end[] = "\033[201~";

/* CSI: replies begin with ?, > or the 4, 6, 8 of a size, pastes as above, and keys with letters or
 * other numbers. */
static enum verdict judge_csi(const unsigned char *s, size_t n)
{
    if (n < 3) return MORE;
    if (n < sizeof paste_begin && !memcmp(s, paste_begin, n))
        return paste_begin[n] ? MORE : COMPLETE;
    if (!is_one_of(s[2], "?>468")) return TYPED;
    unsigned char last = s[n - 1];
    if (last >= 0x20 && last < 0x40) return MORE;
    if (s[2] == '?') return is_one_of(last, "cSyun") ? COMPLETE : TYPED;
    if (s[2] == '>') return last == 'c' ? COMPLETE : TYPED;
    return last == 't' && s[3] == ';' ? COMPLETE : TYPED;
}

/* DCS, OSC, APC: up to ST or BEL. */
static enum verdict judge_string(const unsigned char *s, size_t n)
{
    const char *begins = s[1] == 'P' ? ">!01" : s[1] == ']' ? "0123456789lL" : "G";
    if (n < 3) return MORE;
    if (!is_one_of(s[2], begins)) return TYPED;
    unsigned char last = s[n - 1];
    if (n > 3 && s[n - 2] == ESC) return last == '\\' ? COMPLETE : TYPED;
    if (last == BEL) return COMPLETE;
    return last >= 0x20 || last == ESC ? MORE : TYPED;
}

static enum verdict judge(const unsigned char *s, size_t n)
{
    if (n == 1) return MORE;
    if (s[1] == '[') return judge_csi(s, n);
    if (is_one_of(s[1], "P]_")) return judge_string(s, n);
    return TYPED;
}

bool terminal_replies_ambiguous(const struct terminal_replies *p)
{
    if (p->n_held < 3) return p->n_held > 0;
    return p->held[1] == '[' ? is_one_of(p->held[2], "468") : p->n_held == 3;
}

/* -- Reading --------------------------------------------------------------------------------- */

/* Reads numbers separated by ';' until something else comes. */
static void read_numbers(struct terminal_reply *a, const char *s)
{
    while (a->n_values < REPLY_VALUES) {
        int value = 0;
        for (; *s >= '0' && *s <= '9'; s++)
            if (value < 10000) value = value * 10 + (*s - '0');
        a->values[a->n_values++] = value;
        if (*s++ != ';') break;
    }
}

/* Reads one channel of "rgb:": one to four hex digits, scaled to 0 … 255; -1 when there is none. */
static int read_channel(const char **s)
{
    int value = 0, n = 0, full = 0;
    for (; n < 4; n++, (*s)++) {
        char c = (char)(**s | 0x20);
        int digit = **s >= '0' && **s <= '9' ? **s - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) break;
        value = value * 16 + digit;
        full = full * 16 + 15;
    }
    return n ? (value * 255 + full / 2) / full : -1;
}

/* "11;rgb:RRRR/GGGG/BBBB" */
static bool read_background(struct terminal_reply *a, const char *s)
{
    if (strncmp(s, "11;rgb:", 7) != 0) return false;
    s += 7;
    for (int i = 0; i < 3; i++) {
        if (i > 0 && *s++ != '/') return false;
        int value = read_channel(&s);
        if (value < 0) return false;
        a->values[a->n_values++] = value;
    }
    return true;
}

static void copy_text(struct terminal_reply *a, const char *s)
{
    size_t n = strcspn(s, "\033\a");
    if (n >= sizeof a->text) n = sizeof a->text - 1;
    memcpy(a->text, s, n);
}

static void read_csi(struct terminal_reply *a, const char *s, char last)
{
    read_numbers(a, s + (*s == '?'));
    if (*s == '?' && last == 'c') a->kind = REPLY_ATTRIBUTES;
    if (*s == '?' && last == 'S' && a->n_values >= 2) a->kind = REPLY_GRAPHICS;
    if (last == 't' && a->n_values == 3) a->kind = REPLY_SIZE;
}

static void hand_out(struct terminal_replies *p)
{
    struct terminal_reply a = {.kind = REPLY_OTHER};
    char s[REPLY_BYTES + 1];
    memcpy(s, p->held, p->n_held);
    s[p->n_held] = 0;
    if (s[1] == '[') {
        read_csi(&a, s + 2, s[p->n_held - 1]);
    } else if (s[1] == ']') {
        if (read_background(&a, s + 2))
            a.kind = REPLY_BACKGROUND;
        else
            a.n_values = 0;
    } else if (s[1] == 'P' && strncmp(s + 2, ">|", 2) == 0) {
        a.kind = REPLY_NAME;
        copy_text(&a, s + 4);
    } else if (s[1] == '_') {
        a.kind = REPLY_KITTY;
        copy_text(&a, s + 3);
    }
    p->n_held = 0;
    p->on_reply(&a, p->user);
}

static void complete(struct terminal_replies *p)
{
    if (p->n_held != sizeof paste_begin - 1 || memcmp(p->held, paste_begin, p->n_held) != 0) {
        hand_out(p);
        return;
    }
    p->in_paste = true;
    p->n_held = 0;
}

/* -- The stream ------------------------------------------------------------------------------ */

static void pasted(struct terminal_replies *p, unsigned char byte)
{
    if (byte == (unsigned char)paste_end[p->paste_match]) {
        if (!paste_end[++p->paste_match]) terminal_replies_end_paste(p);
        return;
    }
    for (int i = 0; i < p->paste_match; i++) p->on_pasted(paste_end[i], p->user);
    p->paste_match = byte == ESC;
    if (byte != ESC) p->on_pasted(byte, p->user);
}

void terminal_replies_end_paste(struct terminal_replies *p)
{
    if (!p->in_paste) return;
    p->in_paste = false;
    p->paste_match = 0;
    p->on_pasted(-1, p->user);
}

/* OSC 52 and kitty's OSC 5522 bring the clipboard's contents, which can be too long to hold
 * here. */
static bool begins_clipboard(const unsigned char *s, size_t n)
{
    return (n == 5 && !memcmp(s, "\033]52;", n)) || (n == 7 && !memcmp(s, "\033]5522;", n));
}

static void give_clipboard(const struct terminal_replies *p, int byte)
{
    if (p->on_clipboard) p->on_clipboard(byte, p->user);
}

static void end_clipboard(struct terminal_replies *p, int how)
{
    p->in_clipboard = p->clipboard_esc = false;
    give_clipboard(p, how);
}

/* The contents end with ST or BEL. Any other control character is a key and cuts them off. */
static void clipboard_byte(struct terminal_replies *p, unsigned char byte)
{
    if (p->clipboard_esc && byte != '\\') {
        end_clipboard(p, -2);
        terminal_replies_byte(p, ESC);
        terminal_replies_byte(p, byte);
    } else if (p->clipboard_esc || byte == BEL) {
        end_clipboard(p, -1);
    } else if (byte == ESC) {
        p->clipboard_esc = true;
    } else if (byte < 0x20) {
        end_clipboard(p, -2);
        terminal_replies_byte(p, byte);
    } else {
        give_clipboard(p, byte);
    }
}

static void begin_clipboard(struct terminal_replies *p)
{
    p->in_clipboard = true;
    for (size_t i = 2; i < p->n_held; i++) give_clipboard(p, p->held[i]);
    p->n_held = 0;
}

/* Hands out the first held byte as typed and looks at the others again. */
static void release(struct terminal_replies *p)
{
    unsigned char again[REPLY_BYTES];
    size_t n = p->n_held;
    memcpy(again, p->held, n);
    p->n_held = 0;
    p->on_typed(again[0], p->user);
    for (size_t i = 1; i < n; i++) terminal_replies_byte(p, again[i]);
}

void terminal_replies_init(struct terminal_replies *p, void (*on_typed)(unsigned char, void *),
                           void (*on_pasted)(int, void *),
                           void (*on_reply)(const struct terminal_reply *, void *), void *user)
{
    *p = (struct terminal_replies){
        .on_typed = on_typed, .on_pasted = on_pasted, .on_reply = on_reply};
    p->user = user;
}

void terminal_replies_byte(struct terminal_replies *p, unsigned char byte)
{
    if (p->in_paste) {
        pasted(p, byte);
        return;
    }
    if (p->in_clipboard) {
        clipboard_byte(p, byte);
        return;
    }
    if (p->n_held == 0 && byte != ESC) {
        p->on_typed(byte, p->user);
        return;
    }
    p->held[p->n_held++] = byte;
    if (begins_clipboard(p->held, p->n_held)) {
        begin_clipboard(p);
        return;
    }
    switch (judge(p->held, p->n_held)) {
    case COMPLETE:
        complete(p);
        break;
    case TYPED:
        release(p);
        break;
    case MORE:
        if (p->n_held == REPLY_BYTES) release(p);
        break;
    }
}

void terminal_replies_flush(struct terminal_replies *p)
{
    unsigned char held[REPLY_BYTES];
    size_t n = p->n_held;
    memcpy(held, p->held, n);
    p->n_held = 0;
    for (size_t i = 0; i < n; i++) p->on_typed(held[i], p->user);
}
