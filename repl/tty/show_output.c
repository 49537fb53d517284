/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tty/show_output.h"

#include <stdlib.h>
#include <string.h>

#include "common/must.h"
#include "term/columns.h"
#include "term/gallery.h"

/* -- Pictures --------------------------------------------------------------------------------- */

/* "@1 chart.png", to be freed. */
static char *caption_of(const struct nb_picture *p)
{
    const char *slash = strrchr(p->source, '/');
    const char *name = slash && slash[1] ? slash + 1 : p->source;
    if (!*p->label) return xstrdup(name);
    return *name ? xasprintf("%s %s", p->label, name) : xstrdup(p->label);
}

static struct picture drawable(const struct nb_picture *p, const char *caption)
{
    const struct phi3v_image_info *info = phi3v_image_info(p->image);
    return (struct picture){.width = info->width,
                            .height = info->height,
                            .rgb = phi3v_image_rgb(p->image),
                            .alpha = phi3v_image_alpha(p->image),
                            .caption = caption,
                            .file = p->source};
}

/* "@1 chart.png, 640x480", in place of a picture that is not drawn. */
static char *described(const struct nb_picture *p, const char *caption)
{
    const struct phi3v_image_info *info = phi3v_image_info(p->image);
    return xasprintf("%s, %dx%d", caption, info->width, info->height);
}

static bool draws(const struct front *f)
{
    const struct term_facts *facts = f->term ? term_facts(f->term) : NULL;
    return facts && facts->is_tty && facts->graphics != TERM_GRAPHICS_NONE;
}

static bool describes(const struct front *f)
{
    return f->term && term_facts(f->term)->is_accessible;
}

static bool in_sight(struct front *f, const phi3v_image *image)
{
    const char *sha = phi3v_image_info(image)->content_sha256;
    int n = f->n_shown < FRONT_SHOWN ? f->n_shown : FRONT_SHOWN;
    for (int i = 0; i < n && f->screen; i++)
        if (!strcmp(f->shown[i].sha256, sha) && screen_shows(f->screen, f->shown[i].row))
            return true;
    return false;
}

static void remember_shown(struct front *f, const phi3v_image *image, long row)
{
    struct front_shown *s = &f->shown[f->n_shown++ % FRONT_SHOWN];
    snprintf(s->sha256, sizeof s->sha256, "%s", phi3v_image_info(image)->content_sha256);
    s->row = row;
}

void show_forget(struct front *f)
{
    for (int i = 0; i < f->n_pictures; i++) free(f->captions[i]);
    free(f->captions);
    free(f->pictures);
    free(f->tag);
    f->captions = NULL;
    f->pictures = NULL;
    f->tag = NULL;
    f->n_pictures = 0;
}

/* How a picture is shown that is already in sight. */
enum in_sight { DRAWN_AGAIN, NAMED, NUMBERED };

static void take_pictures(struct front *f, const struct nb_output *out, enum in_sight how)
{
    struct text tag = {0};
    show_forget(f);
    f->pictures = xcalloc((size_t)out->n_pictures, sizeof *f->pictures);
    f->captions = xcalloc((size_t)out->n_pictures, sizeof *f->captions);
    long row = f->screen ? screen_row(f->screen) : 0;
    for (int i = 0; i < out->n_pictures; i++) {
        char *caption = caption_of(&out->pictures[i]);
        if (describes(f)) {
            char *more = described(&out->pictures[i], caption);
            free(caption);
            caption = more;
        }
        if (describes(f) || (how != DRAWN_AGAIN && in_sight(f, out->pictures[i].image))) {
            const char *name = how == NUMBERED && !describes(f) ? out->pictures[i].label : caption;
            text_addf(&tag, "%s%s", tag.n ? ", " : "[", name);
            free(caption);
            continue;
        }
        f->captions[f->n_pictures] = caption;
        f->pictures[f->n_pictures++] = drawable(&out->pictures[i], caption);
        if (f->screen && draws(f)) remember_shown(f, out->pictures[i].image, row);
    }
    if (tag.n) text_add(&tag, "]");
    if (tag.n) f->tag = xtake(&tag);
}

/* A small picture with its caption takes an eighth of the screen, from 4 to 6 rows; as text always
 * 6, because fewer show too little. */
static int thumbnail_rows(const struct term_facts *facts)
{
    bool pixels = facts->graphics >= TERM_GRAPHICS_SIXEL;
    int rows = pixels ? facts->rows / 8 : 6;
    return 1 + (rows < 4 ? 4 : rows > 6 ? 6 : rows);
}

/* Writes each line with a link to the picture it is about, one after the other. */
static void say_lines(struct front *f, const struct nb_output *out)
{
    const char *text = out->text;
    for (int i = 0; *text; i++) {
        size_t n = strcspn(text, "\n");
        char *line = xstrndup(text, n);
        const char *file = i < out->n_pictures ? out->pictures[i].source : "";
        out_line_about(&f->out, line, 2, file, file);
        free(line);
        text += n + (text[n] == '\n');
    }
}

static void show_images(struct front *f, const struct nb_output *out)
{
    f->answer_is_last = false;
    take_pictures(f, out, DRAWN_AGAIN);
    if (draws(f))
        gallery_show(term_facts(f->term), f->pictures, f->n_pictures,
                     out->large ? term_facts(f->term)->rows - 3
                                : thumbnail_rows(term_facts(f->term)),
                     stdout);
    say_lines(f, out);
}

/* -- Answers ---------------------------------------------------------------------------------- */

static enum stream_layout layout_of(const struct settings *s)
{
    if (!strcmp(s->layout, "beside")) return STREAM_BESIDE;
    if (!strcmp(s->layout, "above")) return STREAM_ABOVE;
    return STREAM_AUTO;
}

void show_head(const struct front *f, FILE *file)
{
    struct out out;
    if (!f->cell) return;
    char label[32];
    out_init(&out, file, f->term);
    snprintf(label, sizeof label, "In [%d]: ", f->cell);
    out_styled(&out, STYLE_PROMPT, label);
    out_format(&out, "%s\n", nb_cell_prompt(f->nb, f->cell));
}

static void draw_head(FILE *file, void *user) { show_head(user, file); }

/* Writes the pictures' names above the answer instead of below the pictures. */
static void name_above(struct front *f, const char *label)
{
    for (int i = 0; i < f->n_pictures; i++) f->pictures[i].caption = NULL;
    free(f->tag);
    f->tag = xstrdup(label);
}

static void answer_begin(struct front *f, const struct nb_output *out)
{
    const struct settings *s = nb_settings(f->nb);
    char label[32];
    f->cell = out->cell;
    bool sheet = out->label && draws(f); /* its line goes next to the picture */
    if (out->label && !sheet) out_line(&f->out, out->label, 2);
    take_pictures(f, out,
                  out->label                             ? DRAWN_AGAIN
                  : out->cell && out->cell <= f->highest ? NUMBERED
                                                         : NAMED);
    if (out->cell > f->highest) f->highest = out->cell;
    if (sheet) name_above(f, out->label);
    snprintf(label, sizeof label, "Out[%d]: ", out->cell);
    struct stream_options how = {.term = f->term,
                                 .out = stdout,
                                 .layout = layout_of(s),
                                 .verbatim = s->plain,
                                 .pictures = f->pictures,
                                 .n_pictures = f->n_pictures,
                                 .picture_rows = sheet ? thumbnail_rows(term_facts(f->term)) - 1
                                                       : s->picture_rows,
                                 .label = out->cell ? label : NULL,
                                 .tag = f->tag,
                                 .tag_line = sheet,
                                 .head = draw_head,
                                 .user = f};
    f->stream = stream_new(&how);
}

/* "0.5 s to first word · 104 tokens, 257/s · 316 of 332 reused" */
static void say_stats(struct front *f, const struct nb_answer *a)
{
    const struct phi3v_timing *t = &a->result->timing;
    struct text line = {0};
    if (!nb_settings(f->nb)->stats || !f->out.facts) return;
    if (a->first_token_s > 0) text_addf(&line, "%.2g s to first word · ", a->first_token_s);
    text_addf(&line, "%lld tokens", (long long)t->decode_tokens);
    if (t->decode_s > 0) text_addf(&line, ", %.0f/s", (double)t->decode_tokens / t->decode_s);
    text_addf(&line, " · %lld of %lld reused", (long long)t->cached_tokens, (long long)a->n_tokens);
    out_line_styled(&f->out, STYLE_DIM, line.s, 2);
    text_free(&line);
}

static void answer_end(struct front *f, const struct nb_answer *answer)
{
    f->n_answers++;
    f->answer_is_last = true;
    if (f->stream) stream_end(f->stream);
    stream_free(f->stream);
    f->stream = NULL;
    show_forget(f);
    if (answer) say_stats(f, answer);
}

/* -- Certainty -------------------------------------------------------------------------------- */

/* Avoids green and red, which would say "right" and "wrong"; the model only says how sure it is. */
static int style_of(float probability)
{
    if (probability <= 0 || probability >= 0.9f) return 0;
    return probability >= 0.7f ? STYLE_LIKELY : probability >= 0.4f ? STYLE_UNSURE : STYLE_UNLIKELY;
}

static void show_certainty(struct front *f, const struct nb_output *out)
{
    struct stream_options how = {
        .term = f->term, .out = stdout, .layout = STREAM_NO_PICTURES, .verbatim = true};
    struct stream *s = stream_new(&how);
    const char *text = out->text;
    for (int i = 0; s && i < out->n_pieces; i++) {
        stream_style(s, style_of(out->pieces[i].probability));
        stream_text(s, text, out->pieces[i].n_bytes);
        text += out->pieces[i].n_bytes;
    }
    if (s) stream_end(s);
    stream_free(s);
}

/* -- Differences ------------------------------------------------------------------------------ */

/* The words of one side: the common ones and its own. */
static int side_of(const struct nb_output *out, enum nb_change_kind own, int style,
                   struct span *ret)
{
    int n = 0;
    for (int i = 0; i < out->n_changes; i++) {
        const struct nb_change *c = &out->changes[i];
        if (c->kind == NB_SAME || c->kind == own)
            ret[n++] = (struct span){c->text, c->n_bytes, c->kind == own ? style : 0};
    }
    return n;
}

static void show_side_by_side(struct front *f, const struct nb_output *out)
{
    size_t n = (size_t)out->n_changes + 1;
    struct span *left = xcalloc(n, sizeof *left), *right = xcalloc(n, sizeof *right);
    char labels[2][32];
    snprintf(labels[0], sizeof labels[0], "Out[%d]: ", out->before);
    snprintf(labels[1], sizeof labels[1], "Out[%d]: ", out->after);
    left[0] = (struct span){labels[0], strlen(labels[0]), STYLE_LABEL};
    right[0] = (struct span){labels[1], strlen(labels[1]), STYLE_LABEL};
    int n_left = 1 + side_of(out, NB_GONE, STYLE_GONE, left + 1);
    int n_right = 1 + side_of(out, NB_NEW, STYLE_NEW, right + 1);
    columns_show(f->out.facts, stdout, left, n_left, right, n_right);
    free(left);
    free(right);
}

/* Shows one text, with removed words before those that replace them. */
static void show_unified(const struct nb_output *out, struct term *term)
{
    static const int style[] = {[NB_SAME] = 0, [NB_GONE] = STYLE_GONE, [NB_NEW] = STYLE_NEW};
    struct stream_options how = {
        .term = term, .out = stdout, .layout = STREAM_NO_PICTURES, .verbatim = true};
    struct stream *s = stream_new(&how);
    for (int i = 0; s && i < out->n_changes; i++) {
        const struct nb_change *c = &out->changes[i];
        bool apart = c->n_bytes && strchr(" \t\n", c->text[c->n_bytes - 1]);
        stream_style(s, style[c->kind]);
        stream_text(s, c->text, c->n_bytes);
        if (!apart) stream_text(s, " ", 1);
    }
    if (s) stream_end(s);
    stream_free(s);
}

static void show_diff(struct front *f, const struct nb_output *out)
{
    if (!f->out.facts || f->out.facts->colour == TERM_COLOUR_NONE)
        out_text(&f->out, out->text, out->n_bytes);
    else if (f->out.facts->cols >= COLUMNS_WIDTH)
        show_side_by_side(f, out);
    else
        show_unified(out, f->term);
}

static void answer_text(struct front *f, const struct nb_output *out)
{
    double doubt = nb_settings(f->nb)->doubt;
    float p = out->n_pieces ? out->pieces[0].probability : 0;
    if (!f->stream) return;
    stream_style(f->stream, p > 0 && (double)p < doubt ? STYLE_DOUBT : 0);
    stream_text(f->stream, out->text, out->n_bytes);
}

/* -- All kinds -------------------------------------------------------------------------------- */

/* Writes one line that names a file. */
static void say_report_about(struct front *f, const struct nb_output *out)
{
    char *line = xstrndup(out->text, strcspn(out->text, "\n"));
    out_line_about(&f->out, line, 2, out->file, out->file);
    free(line);
}

void show_output(struct front *f, const struct nb_output *out)
{
    progress_clear(&f->progress);
    switch (out->kind) {
    case NB_REPORT:
        if (out->file)
            say_report_about(f, out);
        else
            out_report(&f->out, out->text, out->n_bytes);
        break;
    case NB_NOTE:
        out_line(&f->out, out->text, 1);
        break;
    case NB_IMAGE:
        show_images(f, out);
        break;
    case NB_ANSWER_BEGIN:
        answer_begin(f, out);
        break;
    case NB_ANSWER_TEXT:
        answer_text(f, out);
        break;
    case NB_ANSWER_END:
        answer_end(f, out->answer);
        break;
    case NB_CERTAINTY:
        show_certainty(f, out);
        break;
    case NB_DIFF:
        show_diff(f, out);
        break;
    case NB_ERROR:
        front_error(f, out->error);
        break;
    }
    out_flush(&f->out);
}
