/* SPDX-License-Identifier: MIT */
#include "term/clean.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define REPLACEMENT 0xFFFD
#define TAB_COLUMNS 8

/* -- What passes ---------------------------------------------------------------------------- */

static bool is_bidi_control(int32_t cp)
{
    return (cp >= 0x202A && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0x200E ||
           cp == 0x200F || cp == 0x061C;
}

/* Invisible format characters that make two different names look the same. */
bool clean_is_invisible(int32_t cp)
{
    return cp == 0x00AD || cp == 0x180E || (cp >= 0x200B && cp <= 0x200D) ||
           (cp >= 0x2060 && cp <= 0x2064) || (cp >= 0x206A && cp <= 0x206F) ||
           (cp >= 0xFFF9 && cp <= 0xFFFB) || cp == 0x3164 || cp == 0x115F || cp == 0x1160;
}

/* Dropped in every mode: C1 (kitty obeys CSI written as U+009B), line and paragraph separators, the
 * byte order mark, tags, and the emoji selector, whose effect on the width differs between
 * terminals. */
static bool is_dropped(int32_t cp)
{
    return (cp >= 0x80 && cp <= 0x9F) || cp == 0x2028 || cp == 0x2029 || cp == 0xFEFF ||
           (cp >= 0xE0000 && cp <= 0xE007F) || cp == 0xFE0F;
}

/* U+10EEEE is kitty's picture placeholder; FFFE and FFFF of each plane are not characters. */
static bool is_replaced(int32_t cp) { return cp == 0x10EEEE || (cp & 0xFFFE) == 0xFFFE; }

bool clean_passes(int32_t cp)
{
    return cp >= 0x20 && cp != 0x7F && !is_bidi_control(cp) && !is_dropped(cp) && !is_replaced(cp);
}

int clean_width(int32_t cp)
{
    int width = utf8proc_charwidth(cp);
    return width < 0 ? 0 : width;
}

static void put_ascii(struct clean *c, const char *s)
{
    for (; *s; s++) c->put(*s, c->user);
    c->n_marks = 0;
}

static void put_control(struct clean *c, int32_t cp)
{
    char shown[3] = {'^', (char)(cp ^ 0x40), 0};
    if (c->mode == CLEAN_NAME) {
        put_ascii(c, shown);
    } else if (cp == '\n' || cp == '\t') {
        c->n_marks = CLEAN_MARKS; /* drops marks here, which have no letter to combine with */
        c->put(cp, c->user);
    }
}

static void put_code(struct clean *c, int32_t cp)
{
    char shown[16];
    if (c->mode == CLEAN_NAME) {
        snprintf(shown, sizeof shown, "<U+%04X>", (unsigned)cp);
        put_ascii(c, shown);
    }
}

static void filter(struct clean *c, int32_t cp)
{
    if (cp < 0x20 || cp == 0x7F) {
        put_control(c, cp);
    } else if (is_bidi_control(cp) || (c->mode == CLEAN_NAME && clean_is_invisible(cp))) {
        put_code(c, cp);
    } else if (!is_dropped(cp)) {
        if (is_replaced(cp)) cp = REPLACEMENT;
        if (clean_width(cp) > 0)
            c->n_marks = 0;
        else if (c->n_marks++ >= CLEAN_MARKS)
            return;
        c->put(cp, c->user);
    }
}

/* -- Decoding ------------------------------------------------------------------------------- */

/* The length of the character that begins with this byte; 0 when none does. */
static int letter_bytes(unsigned char first)
{
    if (first < 0x80) return 1;
    if (first < 0xC2) return 0;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
}

static void take_byte(struct clean *c, unsigned char byte)
{
    if (c->n_held && (byte & 0xC0) != 0x80) { /* the character before is cut short */
        c->n_held = 0;
        filter(c, REPLACEMENT);
    }
    c->held[c->n_held++] = byte;
    int n = letter_bytes(c->held[0]);
    if (c->n_held < n) return;
    utf8proc_int32_t cp;
    bool good = n > 0 && utf8proc_iterate(c->held, n, &cp) == n;
    c->n_held = 0;
    filter(c, good ? cp : REPLACEMENT);
}

void clean_init(struct clean *c, enum clean_mode mode, clean_put_fn put, void *user)
{
    *c = (struct clean){.mode = mode, .put = put, .user = user, .n_marks = CLEAN_MARKS};
}

void clean_feed(struct clean *c, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) take_byte(c, (unsigned char)bytes[i]);
}

void clean_end(struct clean *c)
{
    if (c->n_held) {
        c->n_held = 0;
        filter(c, REPLACEMENT);
    }
    c->n_marks = CLEAN_MARKS;
}

/* -- Whole strings -------------------------------------------------------------------------- */

struct printer {
    FILE *out;
    int column;
};

void clean_write(int32_t cp, int *column, FILE *out)
{
    if (cp == '\t') {
        int n = TAB_COLUMNS - *column % TAB_COLUMNS;
        fprintf(out, "%*s", n, "");
        *column += n;
    } else {
        utf8proc_uint8_t bytes[4];
        fwrite(bytes, 1, (size_t)utf8proc_encode_char(cp, bytes), out);
        *column = cp == '\n' ? 0 : *column + clean_width(cp);
    }
}

static void print_char(int32_t cp, void *user)
{
    struct printer *p = user;
    clean_write(cp, &p->column, p->out);
}

static void print_bytes(FILE *out, enum clean_mode mode, const char *bytes, size_t n)
{
    struct printer printer = {.out = out};
    struct clean c;
    clean_init(&c, mode, print_char, &printer);
    clean_feed(&c, bytes, n);
    clean_end(&c);
}

void clean_print(FILE *out, enum clean_mode mode, const char *s)
{
    print_bytes(out, mode, s, strlen(s));
}

char *clean_bytes(const char *bytes, size_t n, enum clean_mode mode)
{
    char *text = NULL;
    size_t n_text;
    FILE *out = open_memstream(&text, &n_text);
    if (!out) return NULL;
    print_bytes(out, mode, bytes, n);
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

char *clean_string(const char *s, enum clean_mode mode) { return clean_bytes(s, strlen(s), mode); }

int clean_string_width(const char *s)
{
    int width = 0;
    utf8proc_int32_t cp;
    utf8proc_ssize_t n;
    for (; *s; s += n) {
        n = utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &cp);
        if (n < 1) n = 1, cp = REPLACEMENT;
        width += clean_width(cp);
    }
    return width;
}
