/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "vt.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static void wrong(struct vt *vt, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void wrong(struct vt *vt, const char *format, ...)
{
    if (vt->error[0]) return;
    vt->error_at = vt->n_fed;
    va_list args;
    va_start(args, format);
    int n = snprintf(vt->error, sizeof vt->error, "row %d column %d: ", vt->y, vt->x);
    vsnprintf(vt->error + n, sizeof vt->error - (size_t)n, format, args);
    va_end(args);
}

struct vt *vt_new(int cols, int rows, int cell_w, int cell_h)
{
    struct vt *vt = calloc(1, sizeof *vt);
    if (!vt) abort();
    vt->cols = cols;
    vt->rows = rows;
    vt->cell_w = cell_w;
    vt->cell_h = cell_h;
    vt->max_w = vt->max_h = 1000;
    return vt;
}

void vt_free(struct vt *vt) { free(vt); }

/* -- Text ------------------------------------------------------------------------------------- */

static const char *row_text(const struct vt *vt, int y, bool pictures)
{
    static char text[4 * VT_MAX_COLS + 1];
    size_t n = 0, end = 0;
    for (int x = 0; x < vt->cols; x++) {
        const struct vt_cell *c = &vt->cells[y][x];
        if (c->cp < 0) continue;
        int32_t cp = c->cp && (pictures || !c->picture) ? c->cp : ' ';
        n += (size_t)utf8proc_encode_char(cp, (utf8proc_uint8_t *)text + n);
        if (cp != ' ') end = n;
    }
    text[end] = 0;
    return text;
}

const char *vt_row(const struct vt *vt, int y) { return row_text(vt, y, true); }

static void keep_row(struct vt *vt, int y)
{
    int n = snprintf(vt->text + vt->n_text, VT_TEXT - vt->n_text, "%s\n", row_text(vt, y, false));
    if (n > 0) vt->n_text += (size_t)n;
}

const char *vt_text(struct vt *vt)
{
    size_t n = vt->n_text;
    for (int y = 0; y <= vt->y; y++) keep_row(vt, y);
    vt->n_text = n;
    return vt->text;
}

/* The older half of the text goes when it grows large. */
static void forget_text(struct vt *vt)
{
    if (vt->n_text < VT_TEXT / 2) return;
    size_t half = vt->n_text / 2;
    memmove(vt->text, vt->text + half, vt->n_text - half);
    vt->n_text -= half;
}

static void scroll(struct vt *vt)
{
    forget_text(vt);
    keep_row(vt, 0);
    memmove(vt->cells[0], vt->cells[1], sizeof vt->cells[0] * (size_t)(vt->rows - 1));
    memset(vt->cells[vt->rows - 1], 0, sizeof vt->cells[0]);
}

static void line_feed(struct vt *vt)
{
    if (vt->attributes) wrong(vt, "attributes are on at a line end");
    if (vt->linked) wrong(vt, "a link goes over a line end");
    if (vt->y == vt->rows - 1)
        scroll(vt);
    else
        vt->y++;
}

/* What must never reach a terminal from elsewhere, and is never ours. */
static bool is_unsafe(int32_t cp)
{
    return (cp >= 0x80 && cp < 0xA0) || (cp >= 0x202A && cp <= 0x202E) ||
           (cp >= 0x2066 && cp <= 0x2069) || cp == 0x200E || cp == 0x200F || cp == 0x061C ||
           cp == 0x2028 || cp == 0x2029 || cp == 0xFEFF || (cp >= 0xE0000 && cp <= 0xE007F) ||
           cp == 0x10EEEE;
}

static void print(struct vt *vt, int32_t cp)
{
    int width = utf8proc_charwidth(cp);
    if (is_unsafe(cp)) wrong(vt, "U+%04X", (unsigned)cp);
    if (width <= 0) return;
    if (vt->may_wrap && vt->x + width > vt->cols) {
        bool attributes = vt->attributes, linked = vt->linked;
        vt->attributes = vt->linked = false; /* the terminal's own line end */
        line_feed(vt);
        vt->attributes = attributes;
        vt->linked = linked;
        vt->x = 0;
    }
    if (!vt->may_wrap && vt->x + width > vt->cols - 1) { /* the last column stays free */
        wrong(vt, "line too long at U+%04X", (unsigned)cp);
        return;
    }
    struct vt_cell *c = &vt->cells[vt->y][vt->x];
    for (int i = 0; i < width; i++) {
        if (c[i].picture && !vt->may_cover) wrong(vt, "U+%04X over a picture", (unsigned)cp);
        c[i].cp = i ? -1 : cp;
        c[i].picture = cp == 0x2580;
    }
    vt->x += width;
}

/* -- CSI -------------------------------------------------------------------------------------- */

static void move(struct vt *vt, int dx, int dy)
{
    int x = (vt->x < vt->cols ? vt->x : vt->cols - 1) + dx, y = vt->y + dy;
    if ((x < 0 || x > vt->cols - 1 || y < 0 || y > vt->rows - 1) && !vt->may_clamp)
        wrong(vt, "moved beyond the screen by %d, %d", dx, dy);
    vt->x = x < 0 ? 0 : x > vt->cols - 1 ? vt->cols - 1 : x;
    vt->y = y < 0 ? 0 : y > vt->rows - 1 ? vt->rows - 1 : y;
}

static void erase_line(struct vt *vt)
{
    for (int x = vt->x; x < vt->cols; x++) {
        if (vt->cells[vt->y][x].picture && !vt->may_cover) wrong(vt, "a picture is erased");
        vt->cells[vt->y][x] = (struct vt_cell){0};
    }
}

static void erase_below(struct vt *vt)
{
    erase_line(vt);
    for (int y = vt->y + 1; y < vt->rows; y++) memset(vt->cells[y], 0, sizeof vt->cells[y]);
}

/* Name, registers, largest picture, cell, text area, what it is. */
static bool is_question(const char *s)
{
    static const char *const questions[] = {">q", "?1;1;0S", "?2;4;0S", "16t", "14t", "c"};
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        if (!strcmp(s, questions[i])) return true;
    return false;
}

static void csi(struct vt *vt, const char *s)
{
    char final = s[strlen(s) - 1];
    int n = *s >= '0' && *s <= '9' ? atoi(s) : 1;
    if (!strcmp(s, "?25l") || !strcmp(s, "?25h")) {
        vt->cursor_hidden = final == 'l';
    } else if (!strcmp(s, "?2004h") || !strcmp(s, "?2004l")) {
        vt->pastes_bracketed = final == 'h';
    } else if (is_question(s)) {
        return;
    } else if (!strcmp(s, "K")) {
        erase_line(vt);
    } else if (!strcmp(s, "J")) {
        erase_below(vt);
    } else if (!strcmp(s, "H")) {
        vt->x = vt->y = 0;
    } else if (!strcmp(s, "2J")) {
        forget_text(vt);
        for (int y = 0; y < vt->rows; y++) keep_row(vt, y);
        memset(vt->cells, 0, sizeof vt->cells);
    } else if (final == 'm' && strspn(s, "0123456789;") + 1 == strlen(s)) {
        vt->attributes = strcmp(s, "0m") != 0;
    } else if (strspn(s, "0123456789") + 1 == strlen(s) && n > 0 && strchr("ABCD", final)) {
        move(vt,
             final == 'C'   ? n
             : final == 'D' ? -n
                            : 0,
             final == 'A'   ? -n
             : final == 'B' ? n
                            : 0);
    } else {
        wrong(vt, "CSI %s", s);
    }
}

/* -- OSC -------------------------------------------------------------------------------------- */

static bool is_base64(const char *s)
{
    return s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")] == 0;
}

/* A link opens where none is open, and leads to a file of this machine; its path is encoded. */
static void link_osc(struct vt *vt, const char *uri)
{
    static const char safe[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/%";
    if (vt->linked && *uri) wrong(vt, "a link inside another");
    if (*uri && (strncmp(uri, "file://", 7) != 0 || uri[strspn(uri + 7, safe) + 7]))
        wrong(vt, "a link to %.60s", uri);
    if (*uri) snprintf(vt->link, sizeof vt->link, "%s", uri);
    vt->linked = *uri != 0;
}

static void mark_osc(struct vt *vt, const char *s)
{
    size_t n = strlen(vt->marks);
    if (!strchr("ABCD", *s) || (s[1] && s[1] != ';')) wrong(vt, "OSC 133;%.20s", s);
    if (n == sizeof vt->marks - 1) memmove(vt->marks, vt->marks + 1, n--);
    vt->marks[n] = *s;
    vt->marks[n + 1] = 0;
}

/* s: without its closing ST. */
static void osc(struct vt *vt, const char *s)
{
    if (!strncmp(s, "8;;", 3))
        link_osc(vt, s + 3);
    else if (!strncmp(s, "133;", 4))
        mark_osc(vt, s + 4);
    else if (strcmp(s, "11;?") != 0 && strcmp(s, "52;c;?") != 0 &&
             (strncmp(s, "52;c;", 5) != 0 || !is_base64(s + 5)) &&
             (strncmp(s, "5522;type=read;", 15) != 0 || !is_base64(s + 15)))
        wrong(vt, "OSC %.20s", s);
}

/* -- Sixel ------------------------------------------------------------------------------------ */

struct sixel {
    const char *s;
    int x, y, colour;
    uint8_t rgb[256][3];
    bool used[256];
};

static int number(struct sixel *d)
{
    int n = 0;
    while (*d->s >= '0' && *d->s <= '9' && n < 100000) n = 10 * n + (*d->s++ - '0');
    return n;
}

static void paint(struct vt *vt, struct sixel *d, int bits, int count)
{
    for (; count > 0; count--, d->x++) {
        for (int i = 0; i < 6; i++) {
            if (!(bits >> i & 1)) continue;
            if (d->x >= vt->picture_w || d->y + i >= vt->picture_h) {
                wrong(vt, "sixel outside its raster at %d, %d", d->x, d->y + i);
                return;
            }
            memcpy(vt->picture[d->y + i][d->x], d->rgb[d->colour], 3);
            vt->painted[d->y + i][d->x] = true;
            if (!d->used[d->colour]) vt->n_colours++;
            d->used[d->colour] = true;
        }
    }
}

static void colour(struct vt *vt, struct sixel *d)
{
    d->colour = number(d);
    if (d->colour > 255) wrong(vt, "sixel register %d", d->colour);
    d->colour &= 255;
    if (*d->s != ';') return;
    d->s++;
    if (number(d) != 2) wrong(vt, "a sixel colour that is not RGB");
    for (int c = 0; c < 3; c++) {
        if (*d->s == ';') d->s++;
        int percent = number(d);
        if (percent > 100) wrong(vt, "%d percent", percent);
        d->rgb[d->colour][c] = (uint8_t)((percent * 255 + 50) / 100);
    }
}

static void sixels(struct vt *vt, struct sixel *d)
{
    while (*d->s && !vt->error[0]) {
        char c = *d->s++;
        if (c == '#') {
            colour(vt, d);
        } else if (c == '!') {
            int count = number(d);
            if (*d->s < '?' || *d->s > '~')
                wrong(vt, "a repeat of nothing");
            else
                paint(vt, d, *d->s++ - '?', count);
        } else if (c == '$' || c == '-') {
            d->x = 0;
            if (c == '-') d->y += 6;
        } else if (c >= '?' && c <= '~') {
            paint(vt, d, c - '?', 1);
        } else {
            wrong(vt, "sixel byte %02X", (unsigned char)c);
        }
    }
}

static void cover(struct vt *vt)
{
    int rows = (vt->picture_h + vt->cell_h - 1) / vt->cell_h;
    int cols = (vt->picture_w + vt->cell_w - 1) / vt->cell_w;
    if (vt->y + rows > vt->rows - 1 && !vt->may_clamp)
        wrong(vt, "a picture of %d rows scrolls the screen", rows);
    if (vt->x + cols > vt->cols && !vt->may_clamp)
        wrong(vt, "a picture of %d columns is too wide", cols);
    for (int y = vt->y; y < vt->y + rows && y < vt->rows; y++) {
        for (int x = vt->x; x < vt->x + cols && x < vt->cols; x++) {
            bool covers = vt->cells[y][x].cp > ' ' || vt->cells[y][x].picture;
            if (covers && !vt->may_cover) wrong(vt, "picture over text");
            vt->cells[y][x].picture = true;
        }
    }
    vt->y += vt->after == VT_LAST_ROW ? rows - 1 : rows;
    if (vt->y > vt->rows - 1) vt->y = vt->rows - 1;
    if (vt->after == VT_BELOW_FIRST_COLUMN) vt->x = 0;
}

static void dcs(struct vt *vt, const char *s)
{
    int n = 0;
    if (sscanf(s, "0;1;0q\"1;1;%d;%d%n", &vt->picture_w, &vt->picture_h, &n) != 2 || !n) {
        wrong(vt, "DCS %.20s", s);
        return;
    }
    if (vt->picture_w < 1 || vt->picture_w > vt->max_w || vt->picture_h < 1 ||
        vt->picture_h > vt->max_h) {
        wrong(vt, "a picture of %d x %d pixels", vt->picture_w, vt->picture_h);
        return;
    }
    struct sixel d = {.s = s + n};
    memset(vt->painted, 0, sizeof vt->painted);
    vt->n_colours = 0;
    sixels(vt, &d);
    for (int y = 0; y < vt->picture_h; y++)
        for (int x = 0; x < vt->picture_w; x++)
            if (!vt->painted[y][x]) wrong(vt, "pixel %d, %d is not painted", x, y);
    cover(vt);
    vt->n_pictures++;
}

/* -- Bytes ------------------------------------------------------------------------------------ */

/* What has been collected from ESC on is complete. */
static void obey(struct vt *vt)
{
    char *s = (char *)vt->sequence;
    s[vt->n_sequence] = 0;
    if (s[1] == '7') {
        vt->saved_x = vt->x;
        vt->saved_y = vt->y;
    } else if (s[1] == '8') {
        vt->x = vt->saved_x;
        vt->y = vt->saved_y;
        vt->attributes = false;
    } else if (s[1] == '[') {
        csi(vt, s + 2);
    } else if (s[1] == 'P') {
        s[vt->n_sequence - 2] = 0; /* ST */
        dcs(vt, s + 2);
    } else if (s[1] == ']') {
        s[vt->n_sequence - 2] = 0;
        osc(vt, s + 2);
    } else if (s[1] == '_') {
        if (strncmp(s, "\033_Gi=31,", 8) != 0) wrong(vt, "ESC %.20s", s + 1);
    } else if (s[1] != '\\' || !vt->may_stop) {
        wrong(vt, "ESC %02X", (unsigned char)s[1]);
    }
    vt->n_sequence = 0;
}

static bool is_complete(const unsigned char *s, size_t n)
{
    if (s[0] != 0x1B) {
        int length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
        return n == (size_t)length;
    }
    if (n < 2) return false;
    if (s[1] == '[') return n > 2 && s[n - 1] >= 0x40 && s[n - 1] < 0x7F;
    if (strchr("P_]", s[1])) return n > 3 && s[n - 2] == 0x1B && s[n - 1] == '\\';
    return true;
}

static void take_ground(struct vt *vt, unsigned char byte)
{
    if (byte == '\n')
        line_feed(vt);
    else if (byte == '\r')
        vt->x = 0;
    else if (byte == '\a')
        return;
    else if (byte < 0x20 || byte == 0x7F)
        wrong(vt, "control character %02X", byte);
    else if (byte < 0x80)
        print(vt, byte);
    else
        vt->sequence[vt->n_sequence++] = byte;
}

static void take(struct vt *vt, unsigned char byte)
{
    if (byte == 0x18 && vt->may_stop) {
        vt->n_sequence = 0;
        return;
    }
    if (vt->n_sequence == 0 && byte != 0x1B) {
        take_ground(vt, byte);
        return;
    }
    if (vt->n_sequence >= sizeof vt->sequence - 1) {
        wrong(vt, "a sequence without end");
        vt->n_sequence = 0;
    }
    vt->sequence[vt->n_sequence++] = byte;
    if (!is_complete(vt->sequence, vt->n_sequence)) return;
    if (vt->sequence[0] == 0x1B) {
        obey(vt);
        return;
    }
    utf8proc_int32_t cp;
    if (utf8proc_iterate(vt->sequence, (utf8proc_ssize_t)vt->n_sequence, &cp) < 0)
        wrong(vt, "bad UTF-8");
    else
        print(vt, cp);
    vt->n_sequence = 0;
}

void vt_resize(struct vt *vt, int cols, int rows)
{
    for (; vt->y >= rows; vt->y--) scroll(vt);
    for (int y = 0; y < VT_MAX_ROWS; y++)
        for (int x = 0; x < VT_MAX_COLS; x++)
            if (y >= rows || x >= cols) vt->cells[y][x] = (struct vt_cell){0};
    vt->cols = cols;
    vt->rows = rows;
    if (vt->x > cols - 1) vt->x = cols - 1;
}

void vt_feed(struct vt *vt, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++, vt->n_fed++) take(vt, (unsigned char)bytes[i]);
}

void vt_end(struct vt *vt)
{
    if (vt->n_sequence) wrong(vt, "an unfinished sequence");
    if (vt->attributes) wrong(vt, "attributes are left on");
    if (vt->linked) wrong(vt, "a link is left open");
    if (vt->cursor_hidden) wrong(vt, "the cursor is left hidden");
}
