/* SPDX-License-Identifier: MIT
 * :foreach: one question about many pictures. Each is asked by itself: the system turn, the
 * question, one picture. As many are answered at once as the engine gains from; answers are shown
 * one after the other, in order. The notebook and its conversation do not change. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "net/fetch.h"
#include "net/url.h"
#include "notebook/commands.h"
#include "notebook/guess.h"
#include "notebook/own_files.h"
#include "notebook/prompt.h"
#include "notebook/refs.h"
#include "notebook/words.h"
#include "notebook/foreach_file.h"

/* A picture that is being asked about, or that could not be loaded. */
struct item {
    struct query query;    // first, so that the item is found from the query
    struct item *next;     // the item after it
    int at;                // index of the picture
    struct loaded own;     // loaded for this question; empty for the notebook's pictures
    struct loaded *loaded; // `own` or the notebook's; NULL: it could not be loaded
    struct question question;
    struct text waiting; // its answer so far, while another was shown
    bool ended;
};

struct foreach {
    struct notebook *nb;
    const struct settings *settings;
    bool waits;               // with every answer until it is whole and judged
    struct strings what;      // paths, addresses, "@3"
    char *text;               // of the question, with its tag
    char *file;               // also receives the answers
    struct foreach_file rows; // [what.n]
    size_t at;                // the next picture to be asked about
    struct item *first;       // the item whose answer is on the screen,
    struct item **last;       // and where to append the next item
    int n_items;
    double stored_s;                   // when the file was last written, on the clock
    int n_answered, n_failed, n_there; // n_there: in the file already
    struct phi3v_error first_error;    // of a single picture,
    int broken;                        // and of the whole: MEMORY, IO; 0
    struct phi3v_error broken_error;
};

/* -- What was asked for ----------------------------------------------------------------------- */

static bool is_number(const char *s) { return *s && s[strspn(s, "0123456789")] == 0; }

static int text_of_cell(struct foreach *f, const char *word, struct phi3v_error *err)
{
    const struct book *b = &f->nb->book;
    int i;
    if (b->n == 0)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "there is no cell to ask yet: :foreach WHAT... \"PROMPT\"");
    int rc = cell_index(f->nb, word ? word : "_", &i, err);
    if (rc) return rc;
    const struct cell *c = &b->v[i];
    if (!c->text)
        return refuse(err, PHI3V_E_ARGUMENT, "cell %d has not been run yet: :run %d", i + 1, i + 1);
    if (c->images.n > 1)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "cell %d is about %d pictures; :foreach puts each into the place of one",
                      i + 1, c->images.n);
    f->text = with_image_tags(c->text, 1);
    return f->text ? 0 : memory_error(err);
}

static int text_of_prompt(struct foreach *f, const char *prompt, struct phi3v_error *err)
{
    struct refs refs;
    int rc = refs_find(prompt, &f->nb->book.images, NB_TYPED, &f->nb->stop, &refs, err);
    if (rc) return rc;
    bool names = false;
    for (size_t k = 0; k < refs.n; k++) names |= refs.v[k].kind != REF_MISSING;
    refs_free(&refs);
    if (names)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "the prompt of :foreach names no picture or answer: it gets each in turn");
    char *kept = nb_for_keeping(prompt);
    f->text = kept ? with_image_tags(kept, 1) : NULL;
    free(kept);
    return f->text ? 0 : memory_error(err);
}

/* Reads "@2", "@cover", "@2-5" or "@all". */
static int add_images(struct foreach *f, const char *word, struct phi3v_error *err)
{
    const struct images *m = &f->nb->book.images;
    int first, last, rc;
    bool range = (isdigit((unsigned char)word[1]) && strchr(word, '-')) || !strcmp(word, "@all");
    if (range) {
        rc = range_parse(word + 1, m->n, &first, &last, err);
        if (rc) return refuse(err, rc, "there are no pictures %.60s: :images lists them", word);
    } else {
        rc = images_get(m, word, &first, err);
        if (rc) return rc;
        last = ++first;
    }
    for (int i = first - 1; i < last; i++)
        if (!m->v[i].dropped && !strings_take(&f->what, text_format("@%d", i + 1)))
            return memory_error(err);
    return 0;
}

static int add_pictures(struct foreach *f, const struct words *words, size_t n,
                        struct phi3v_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = words->v[i].text[0] == '@' && !words->v[i].quoted
                 ? add_images(f, words->v[i].text, err)
                 : load_expand(&words->v[i], &f->what, err);
    return rc;
}

static int parse_words(struct foreach *f, const struct words *words, struct phi3v_error *err)
{
    size_t n = words->n;
    if (n >= 2 && !strcmp(words->v[n - 2].text, "to") && !words->v[n - 2].quoted) {
        f->file = expand_home(words->v[n - 1].text);
        if (!f->file) return memory_error(err);
        n -= 2;
    }
    const struct word *last = n > 1 ? &words->v[n - 1] : NULL;
    bool cell = last && is_number(last->text);
    bool prompt = last && last->quote == '"' && !has_picture_name(last->text);
    n -= cell || prompt;
    int rc = n > 0 ? 0
                   : refuse(err, PHI3V_E_ARGUMENT,
                            ":foreach needs pictures: :foreach photos/*.jpg \"PROMPT\"");
    if (!rc && f->file) rc = foreach_file_check(f->file, err);
    if (!rc)
        rc = prompt ? text_of_prompt(f, last->text, err)
                    : text_of_cell(f, cell ? last->text : NULL, err);
    if (!rc) rc = add_pictures(f, words, n, err);
    if (!rc && f->what.n == 0) rc = refuse(err, PHI3V_E_ARGUMENT, "all of these were dropped");
    return rc;
}

/* Reads WHAT... [n|"PROMPT"] [to FILE]. */
static int parse(struct foreach *f, const char *args, struct phi3v_error *err)
{
    struct words words;
    int rc = load_words(args, &words, err);
    if (rc) return rc;
    rc = parse_words(f, &words, err);
    words_free(&words);
    return rc;
}

/* -- Showing one answer after the other ------------------------------------------------------- */

static void send(struct foreach *f, const struct nb_output *out)
{
    f->nb->front.output(f->nb->front.user, out);
}

/* Records an error that ends the whole run. */
static void break_off(struct foreach *f, int rc, const struct phi3v_error *why)
{
    if (!rc || f->broken) return;
    f->broken = rc;
    f->broken_error = *why;
}

/* Puts text into the table; NULL: there was no memory for it. */
static void keep(struct foreach *f, char **to, char *text)
{
    struct phi3v_error err;
    free(*to);
    *to = text;
    if (!text) break_off(f, memory_error(&err), &err);
}

static void fail(struct foreach *f, const struct item *l)
{
    struct phi3v_error error;
    const char *name = f->rows.v[l->at].picture, *why = l->query.error.text;
    bool named = !name || strstr(why, name) != NULL;
    refuse(&error, l->query.code, "%.150s%s%.340s", named ? "" : name, named ? "" : ": ", why);
    keep(f, &f->rows.v[l->at].error, text_copy(why));
    if (f->n_failed++ == 0) f->first_error = l->query.error;
    send(f, &(struct nb_output){.kind = NB_ERROR, .error = &error});
}

static void show_text(struct foreach *f, const char *bytes, size_t n)
{
    f->nb->front.progress(f->nb->front.user, NULL);
    if (n) send(f, &(struct nb_output){.kind = NB_ANSWER_TEXT, .text = bytes, .n_bytes = n});
}

static void show_begin(struct foreach *f, struct item *l)
{
    f->nb->front.progress(f->nb->front.user, NULL);
    char *label = text_format("%s (%d of %zu)", l->loaded->source, l->at + 1, f->what.n);
    struct nb_picture picture = {l->loaded->image, "", l->loaded->source};
    send(f, &(struct nb_output){.kind = NB_ANSWER_BEGIN,
                                .label = label ? label : "",
                                .pictures = &picture,
                                .n_pictures = 1});
    free(label);
    show_text(f, l->waiting.s, l->waiting.n);
}

/* Ends the shown answer, and keeps it. */
static void show_end(struct foreach *f, struct item *l)
{
    struct phi3v_result shown = l->query.code ? (struct phi3v_result){0} : l->query.result;
    if (f->waits && !l->query.code) {
        guess_withhold(&f->nb->engine, &l->query.result, &shown);
        show_text(f, shown.text, shown.n_text_bytes);
    }
    const struct phi3v_result *result = &shown;
    const char *source = l->loaded->source;
    struct nb_answer answer = {.question = &l->question,
                               .result = result,
                               .sources = &source,
                               .decode_image_s = l->loaded->decode_s,
                               .picture = source,
                               .n_tokens = l->question.n_tokens};
    f->nb->front.progress(f->nb->front.user, NULL);
    send(f, &(struct nb_output){.kind = NB_ANSWER_END, .answer = l->query.code ? NULL : &answer});
    if (l->query.code == PHI3V_E_CANCELLED) return;
    if (l->query.code) {
        fail(f, l);
        return;
    }
    keep(f, &f->rows.v[l->at].answer, text_copyn(result->text, result->n_text_bytes));
    f->rows.v[l->at].finish = finish_name(result->finish);
    f->n_answered += result->finish != PHI3V_FINISH_INTERRUPTED;
    engine_add_up(&f->nb->engine, &result->timing);
}

/* -- The file --------------------------------------------------------------------------------- */

static int store(struct foreach *f, struct phi3v_error *err)
{
    int rc = foreach_file_store(&f->rows, f->file, err);
    if (!rc) own_file_keep(f->nb, f->file);
    f->stored_s = now_s();
    return rc;
}

/* Stores at most once a second, so that a crash costs only the answers of the last second. */
static void store_soon(struct foreach *f)
{
    struct phi3v_error err;
    if (f->file && !f->broken && now_s() - f->stored_s > 1) break_off(f, store(f, &err), &err);
}

/* -- Items ------------------------------------------------------------------------------------ */

static void item_free(struct foreach *f, struct item *l)
{
    if (l->ended && !l->query.code) engine_result_fini(&f->nb->engine, &l->query.result);
    question_fini(&l->question);
    loaded_fini(&l->own);
    text_free(&l->waiting);
    free(l);
    f->n_items--;
}

static void pop(struct foreach *f)
{
    struct item *l = f->first;
    f->first = l->next;
    if (!f->first) f->last = &f->first;
    item_free(f, l);
}

static bool was_stopped(const struct item *l)
{
    return l->ended && l->query.code == PHI3V_E_CANCELLED;
}

/* Begins to show the item that is now first. */
static void show_first(struct foreach *f)
{
    const struct item *l = f->first;
    if (l && l->loaded && !was_stopped(l)) show_begin(f, f->first);
}

/* Reports and removes finished items at the front, then shows the next. */
static void show_ended(struct foreach *f)
{
    while (f->first && f->first->ended) {
        struct item *l = f->first;
        if (l->loaded)
            show_end(f, l);
        else if (!was_stopped(l))
            fail(f, l);
        pop(f);
        store_soon(f);
        show_first(f);
    }
}

static int on_event(const struct phi3v_event *event, struct query *query, void *user)
{
    struct foreach *f = user;
    struct item *l = (struct item *)query;
    const bool comes = event->type == PHI3V_EVENT_TEXT && !f->waits;
    if (comes && l != f->first)
        text_addn(&l->waiting, event->text, event->n_text_bytes);
    else if (comes)
        show_text(f, event->text, event->n_text_bytes);
    l->ended = event->type == PHI3V_EVENT_END;
    if (l->ended) show_ended(f);
    return engine_on_event(event, &f->nb->engine);
}

/* Ends the shown part as no answer; the answer starts again. */
static bool on_again(struct query *query, void *user)
{
    struct foreach *f = user;
    struct item *l = (struct item *)query;
    text_free(&l->waiting);
    if (l != f->first) return true;
    send(f, &(struct nb_output){.kind = NB_ANSWER_END});
    show_begin(f, l);
    return true;
}

/* What the table calls a picture: a file so that it can be loaded by that name, whatever its bytes
 * are; an address without secrets. NULL without memory. */
static char *table_name(const char *what)
{
    if (url_is_http(what) || url_is_data(what)) return fetch_display_name(what);
    return word_needs_escapes(what) ? word_quote(what) : name_as_text(what);
}

static int load_item(struct foreach *f, struct item *l, const char *what, struct phi3v_error *err)
{
    const struct images *m = &f->nb->book.images;
    struct loaded *loaded = &l->own;
    int rc;
    if (*what != '@') {
        struct loader how = notebook_loader(f->nb, f->settings);
        rc = load_picture(what, &how, NB_TYPED, loaded, err);
    } else {
        int index = images_find(m, what);
        rc = notebook_load_image(f->nb, index, f->settings, err);
        loaded = &m->v[index].loaded;
    }
    if (!rc) l->loaded = loaded;
    return rc;
}

static int make_question(struct foreach *f, struct item *l, struct phi3v_error *err)
{
    const struct settings *s = f->settings;
    struct phi3v_turn turns[2];
    int n = 0;
    if (*s->system) turns[n++] = (struct phi3v_turn){.role = "system", .text = s->system};
    turns[n++] = (struct phi3v_turn){
        .role = "user", .text = f->text, .images = &l->loaded->image, .n_images = 1};
    struct phi3v_prompt_options how = engine_prompt_options(&f->nb->engine, s->num_crops);
    return engine_ask(&f->nb->engine, turns, n, &l->loaded, &how, &l->question, err);
}

/* Appends an item for the next picture; NULL without memory. A picture that cannot be opened is
 * appended as ended, to be reported in its turn. */
static struct item *push(struct foreach *f, size_t at)
{
    const char *what = f->what.v[at];
    struct item *l = memory_zero(1, sizeof *l);
    if (!l) return NULL;
    l->at = (int)at;
    l->query.question = &l->question;
    int rc = load_item(f, l, what, &l->query.error);
    bool named = *what == '@'; /* by a handle */
    keep(f, &f->rows.v[at].picture,
         named ? text_copy(rc ? what : l->loaded->source) : table_name(what));
    if (!rc) rc = make_question(f, l, &l->query.error);
    if (rc) l->loaded = NULL;
    l->query.code = rc;
    l->ended = rc != 0;
    *f->last = l;
    f->last = &l->next;
    f->n_items++;
    return l;
}

/* Finished answers wait for their turn, but only a limited number. */
static struct query *next(void *user)
{
    struct foreach *f = user;
    struct phi3v_error err;
    int most = 4 * engine_at_once(&f->nb->engine, f->settings) + 4;
    while (f->at < f->what.n && f->n_items < most && !f->broken &&
           !engine_stopped(&f->nb->engine)) {
        size_t at = f->at++;
        if (f->rows.v[at].there) continue;
        struct item *l = push(f, at);
        if (!l) {
            break_off(f, memory_error(&err), &err);
            return NULL;
        }
        if (l == f->first) show_first(f);
        if (!l->ended) return &l->query;
        show_ended(f);
    }
    return NULL;
}

/* -- The whole -------------------------------------------------------------------------------- */

/* Pictures whose answers are in the file are not asked again. */
static int take_over(struct foreach *f, struct phi3v_error *err)
{
    const struct images *m = &f->nb->book.images;
    for (size_t k = 0; k < f->what.n; k++) {
        const char *what = f->what.v[k];
        const struct image *p = *what == '@' ? &m->v[images_find(m, what)] : NULL;
        char *name = !p                 ? table_name(what)
                     : p->loaded.source ? text_copy(p->loaded.source)
                                        : text_copy(p->what);
        if (!name) return memory_error(err);
        f->rows.v[k].picture = name;
    }
    int rc = foreach_file_take_over(&f->rows, f->file, err);
    for (size_t k = 0; k < f->what.n; k++) f->n_there += f->rows.v[k].there != NULL;
    if (!rc && f->n_there)
        note(f->nb,
             "(%d of these %zu pictures are in %s already; another name for another question)",
             f->n_there, f->what.n, f->file);
    return rc;
}

static int answer_all(struct foreach *f, struct phi3v_error *err)
{
    const struct queries queries = {
        .next = next, .on_event = on_event, .on_again = on_again, .user = f};
    f->stored_s = now_s();
    int rc = engine_answer_all(&f->nb->engine, &queries, f->settings, err);
    while (f->first) pop(f);
    if (!rc && f->broken) {
        *err = f->broken_error;
        return f->broken;
    }
    return !rc && f->file ? store(f, err) : rc;
}

static void tell_end(struct foreach *f, bool stopped)
{
    note(f->nb, "(%s%d of %zu pictures answered%s%s)", stopped ? "interrupted; " : "",
         f->n_answered, f->what.n - (size_t)f->n_there, f->file ? "; written to " : "",
         f->file ? f->file : "");
}

static void foreach_free(struct foreach *f)
{
    strings_free(&f->what);
    foreach_file_free(&f->rows);
    free(f->text);
    free(f->file);
}

int command_foreach(struct call *c, struct phi3v_error *err)
{
    struct foreach f = {
        .nb = c->nb, .settings = c->settings, .waits = guess_awaited(&c->nb->engine, c->settings)};
    f.last = &f.first;
    engine_begin(&c->nb->engine);
    int rc = parse(&f, c->args, err);
    if (!rc) rc = foreach_file_init(&f.rows, (int)f.what.n, err);
    if (!rc && f.file) rc = take_over(&f, err);
    if (!rc) rc = answer_all(&f, err);
    bool stopped = engine_stopped(&c->nb->engine);
    if (!rc) tell_end(&f, stopped);
    if (!rc && stopped) rc = 1;
    if (!rc && f.n_failed > 0)
        rc = refuse(err, f.first_error.code, "%d of %zu pictures gave no answer", f.n_failed,
                    f.what.n - (size_t)f.n_there);
    foreach_free(&f);
    return rc;
}
