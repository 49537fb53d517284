/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L
#include "term/out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#include "term/clean.h"
#include "term/marks.h"

int out_fileno(FILE *file) { return file == stderr ? STDERR_FILENO : fileno(file); }

void out_init(struct out *o, FILE *file, const struct term *term)
{
    const struct term_facts *facts = term ? term_facts(term) : NULL;
    *o = (struct out){.file = file};
    if (facts && facts->is_tty && !facts->is_dumb) o->facts = facts;
    o->terminal = facts ? facts->needs_cleaning : isatty(out_fileno(file));
}

/* -- Text ------------------------------------------------------------------------------------ */

void out_text(struct out *o, const char *bytes, size_t n)
{
    if (!o->terminal) {
        fwrite(bytes, 1, n, o->file);
        return;
    }
    char *text = clean_bytes(bytes, n, CLEAN_TEXT);
    fputs(text ? text : "?", o->file);
    free(text);
}

void out_format(struct out *o, const char *format, ...)
{
    char *text = NULL;
    size_t n;
    FILE *memory = open_memstream(&text, &n);
    if (!memory) return;
    va_list ap;
    va_start(ap, format);
    vfprintf(memory, format, ap);
    va_end(ap);
    if (fclose(memory) == 0) out_text(o, text, n);
    free(text);
}

void out_name(struct out *o, const char *s)
{
    if (o->terminal)
        clean_print(o->file, CLEAN_NAME, s);
    else
        fputs(s, o->file);
}

void out_padded(struct out *o, const char *s, int columns)
{
    char *name = clean_string(s, CLEAN_NAME);
    int n = columns - (name ? clean_string_width(name) : 0);
    out_name(o, s);
    fprintf(o->file, "%*s", n > 0 ? n : 0, "");
    free(name);
}

struct line {
    struct layout layout;
    int style; // of the next text
};

static void put_in_line(int32_t cp, void *user)
{
    struct line *line = user;
    layout_put(&line->layout, cp, line->style);
}

/* Writes s with a link to `path` on the n bytes after the first n_before. */
static void write_line(struct out *o, const char *s, int indent, int style, size_t n_before,
                       size_t n, const char *path)
{
    if (!o->facts) {
        out_name(o, s);
        fputc('\n', o->file);
        return;
    }
    struct line line = {.style = style};
    struct clean c;
    char *address = n && o->facts->knows_osc ? link_to(path) : NULL;
    layout_begin(&line.layout, o->facts, o->file, NULL, 0, 0, false);
    layout_indent(&line.layout, indent);
    line.layout.link = address;
    clean_init(&c, CLEAN_NAME, put_in_line, &line);
    clean_feed(&c, s, n_before);
    line.style = style | STYLE_LINK;
    clean_feed(&c, s + n_before, n);
    line.style = style;
    clean_feed(&c, s + n_before + n, strlen(s + n_before + n));
    clean_end(&c);
    layout_end(&line.layout);
    free(address);
}

void out_line(struct out *o, const char *s, int indent) { write_line(o, s, indent, 0, 0, 0, ""); }

void out_line_styled(struct out *o, int style, const char *s, int indent)
{
    write_line(o, s, indent, style, 0, 0, "");
}

void out_line_about(struct out *o, const char *s, int indent, const char *name, const char *path)
{
    const char *at = *name ? strstr(s, name) : NULL;
    write_line(o, s, indent, 0, at ? (size_t)(at - s) : 0, at ? strlen(name) : 0, path);
}

/* \uXXXX, two of them beyond U+FFFF. */
static void put_escaped(int32_t cp, FILE *file)
{
    if (cp > 0xFFFF) {
        fprintf(file, "\\u%04x", (unsigned)(0xD800 + ((cp - 0x10000) >> 10)));
        cp = 0xDC00 + ((cp - 0x10000) & 0x3FF);
    }
    fprintf(file, "\\u%04x", (unsigned)cp);
}

void out_json(struct out *o, const char *json)
{
    utf8proc_int32_t cp;
    int n_marks = 0;
    for (utf8proc_ssize_t n; *json; json += n) {
        n = utf8proc_iterate((const utf8proc_uint8_t *)json, -1, &cp);
        bool bad = n < 1;
        if (bad) n = 1, cp = 0xFFFD;
        n_marks = clean_width(cp) > 0 ? 0 : n_marks + 1;
        if (!o->terminal || (!bad && clean_passes(cp) && n_marks <= CLEAN_MARKS))
            fwrite(json, 1, (size_t)n, o->file);
        else
            put_escaped(cp, o->file);
    }
    fputc('\n', o->file);
}

/* -- Reports --------------------------------------------------------------------------------- */

/* Where further rows of a clean line begin: below its last column, which begins after a gap of two
 * or more blanks, or below its first letter. */
static int last_column(const char *line, int cols)
{
    int column = 0, indent = (int)strspn(line, " ");
    int found = indent > 2 && indent < cols / 2 ? indent : 2;
    for (const char *p = line + indent; *p; p++)
        if (p[0] == ' ' && p[1] == ' ') {
            while (p[1] == ' ') p++;
            char *before = strndup(line, (size_t)(p + 1 - line));
            column = before ? clean_string_width(before) : 0;
            free(before);
            if (column && column < cols / 2) found = column;
        }
    return found;
}

static void report_line(struct out *o, const char *line)
{
    int cols = o->facts->cols;
    if (clean_string_width(line) < cols) {
        fprintf(o->file, "%s\r\n", line);
        return;
    }
    struct line to = {.style = 0};
    struct clean c;
    layout_begin(&to.layout, o->facts, o->file, NULL, 0, 0, false);
    layout_indent(&to.layout, last_column(line, cols));
    clean_init(&c, CLEAN_TEXT, put_in_line, &to);
    clean_feed(&c, line, strlen(line));
    clean_end(&c);
    layout_end(&to.layout);
}

void out_report(struct out *o, const char *bytes, size_t n)
{
    char *text = o->facts ? clean_bytes(bytes, n, CLEAN_TEXT) : NULL;
    if (!text) {
        out_text(o, bytes, n);
        return;
    }
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = 0;
        report_line(o, line);
    }
    free(text);
}

/* -- Decoration ------------------------------------------------------------------------------ */

void out_styled(struct out *o, int style, const char *s)
{
    bool styled = o->facts && style_on(o->facts, style, o->file);
    out_name(o, s);
    if (styled) fputs("\033[0m", o->file);
}

bool out_clear(struct out *o)
{
    if (o->facts) fputs("\033[0m\033[H\033[2J", o->file);
    return o->facts != NULL;
}

/* -- The end --------------------------------------------------------------------------------- */

int out_flush(struct out *o)
{
    errno = 0;
    if ((fflush(o->file) || ferror(o->file)) && !o->error) o->error = errno ? errno : EIO;
    return o->error ? -1 : 0;
}
