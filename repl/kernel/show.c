/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernel/show.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/must.h"
#include "notebook/png_write.h"
#include "pdf/pdf.h"

enum { PREVIEW_SIDE = 640 };

/* -- Messages --------------------------------------------------------------------------------- */

static void publish(struct show *s, const char *type, json_t *content)
{
    if (s->request && !s->silent)
        io_publish(s->io, type, content, s->request);
    else
        json_decref(content);
}

static void say(struct show *s, const char *stream, const char *text, size_t n)
{
    if (n)
        publish(s, "stream", json_pack("{s:s,s:o}", "name", stream, "text", json_textn(text, n)));
}

/* -- Pictures --------------------------------------------------------------------------------- */

static bool drawn_before(struct show *s, const phi3v_image *image)
{
    const char *sha = phi3v_image_info(image)->content_sha256;
    for (size_t i = 0; i < s->drawn.n; i++)
        if (!strcmp(s->drawn.v[i], sha)) return true;
    strings_add(&s->drawn, sha);
    return false;
}

static void draw(struct show *s, const struct nb_picture *p)
{
    const struct phi3v_image_info *info = phi3v_image_info(p->image);
    int width = 0, height = 0;
    if (drawn_before(s, p->image)) return;
    char *png = png_preview(p->image, PREVIEW_SIDE, &width, &height);
    char *label = xasprintf("%s %s %d×%d", p->label, p->source, info->width, info->height);
    json_t *data = json_pack("{s:o}", "text/plain", json_text(label)), *metadata = json_object();
    if (png) {
        json_object_set_new(data, "image/png", json_string(png));
        json_object_set_new(metadata, "image/png",
                            json_pack("{s:i,s:i}", "width", width, "height", height));
    }
    publish(s, "display_data",
            json_pack("{s:o,s:o,s:{}}", "data", data, "metadata", metadata, "transient"));
    free(label);
    free(png);
}

static void draw_all(struct show *s, const struct nb_output *out)
{
    for (int i = 0; i < out->n_pictures; i++) draw(s, &out->pictures[i]);
}

/* -- An answer -------------------------------------------------------------------------------- */

/* Sends the display's present state: the first time as a new display, later as an update. */
static void display(struct show *s, const char *markdown, const char *plain)
{
    json_t *content = json_pack("{s:{s:o,s:o},s:{},s:{s:s}}", "data", "text/markdown",
                                json_text(markdown), "text/plain", json_text(plain), "metadata",
                                "transient", "display_id", s->display_id);
    publish(s, s->displayed ? "update_display_data" : "display_data", content);
    s->displayed = true;
    s->sent_s = now_s();
}

static void answer_begin(struct show *s, const struct nb_output *out)
{
    draw_all(s, out);
    if (out->label) {
        say(s, "stdout", out->label, strlen(out->label));
        say(s, "stdout", "\n", 1);
    }
    text_free(&s->answer);
    snprintf(s->display_id, sizeof s->display_id, "answer-%u", ++s->n_displays);
    s->displayed = false;
    s->sent_s = now_s();
}

/* Sends the growing answer up to twenty times a second, but a long one less often, because each
 * update holds all of it. */
static void answer_text(struct show *s, const struct nb_output *out)
{
    enum { LONG_BYTES = 16 << 10 };
    text_addn(&s->answer, out->text, out->n_bytes);
    if (s->streams) {
        say(s, "stdout", out->text, out->n_bytes);
        return;
    }
    double interval = 0.05 * (1 + (double)s->answer.n / LONG_BYTES);
    if (s->answer.s && (!s->displayed || now_s() - s->sent_s >= interval))
        display(s, s->answer.s, s->answer.s);
}

static void answer_end(struct show *s)
{
    if (s->answer.s && s->streams)
        say(s, "stdout", "\n", 1);
    else if (s->answer.s)
        display(s, s->answer.s, s->answer.s);
    text_free(&s->answer);
}

/* -- The front end ---------------------------------------------------------------------------- */

static void output(void *user, const struct nb_output *out)
{
    struct show *s = user;
    switch (out->kind) {
    case NB_REPORT:
    case NB_CERTAINTY:
    case NB_DIFF:
        say(s, "stdout", out->text, out->n_bytes);
        break;
    case NB_NOTE:
        say(s, "stdout", out->text, out->n_bytes);
        say(s, "stdout", "\n", 1);
        break;
    case NB_IMAGE:
        draw_all(s, out);
        say(s, "stdout", out->text, out->n_bytes);
        break;
    case NB_ANSWER_BEGIN:
        answer_begin(s, out);
        break;
    case NB_ANSWER_TEXT:
        answer_text(s, out);
        break;
    case NB_ANSWER_END:
        answer_end(s);
        break;
    case NB_ERROR:
        say(s, "stderr", out->error->text, strlen(out->error->text));
        say(s, "stderr", "\n", 1);
        break;
    }
}

/* Shows the progress of long work in place of the answer, twice a second. */
static void progress(void *user, const struct nb_progress *p)
{
    enum { LINE = 100 };
    struct show *s = user;
    char line[LINE];
    if (!p || !s->request || s->streams || !*s->display_id || s->answer.n ||
        now_s() - s->sent_s < 0.5)
        return;
    if (p->total > 0)
        snprintf(line, sizeof line, "*%s: %.0f %%*", p->stage,
                 100 * (double)p->done / (double)p->total);
    else
        snprintf(line, sizeof line, "*%s*", p->stage);
    display(s, line, line);
}

static void next_input(void *user, int cell, const char *text)
{
    struct show *s = user;
    if (!cell) return; /* a refused source is still in the front end's cell */
    free(s->next_input);
    s->next_input = xstrdup(text);
}

struct nb_front show_front(struct show *s, bool (*stopped)(void *user), void (*begins)(void *user))
{
    return (struct nb_front){.output = output,
                             .progress = progress,
                             .stopped = stopped,
                             .begins = begins,
                             .next_input = next_input,
                             .draw_pdf = pdf_draw,
                             .user = s};
}

void show_init(struct show *s, struct io *io) { *s = (struct show){.io = io}; }

/* Consoles allow input requests and give their cells no id. Notebooks give ids, and programs that
 * run notebooks unattended allow no input. */
static bool is_of_console(const struct request *r)
{
    return r && json_is_true(json_object_get(r->content, "allow_stdin")) &&
           !json_object_get(r->metadata, "cellId");
}

void show_request(struct show *s, const struct request *r, bool silent)
{
    s->request = r;
    s->silent = silent;
    s->streams = is_of_console(r);
    *s->display_id = 0;
    strings_free(&s->drawn);
    free(s->next_input);
    s->next_input = NULL;
}

void show_fini(struct show *s)
{
    show_request(s, NULL, false);
    text_free(&s->answer);
}
