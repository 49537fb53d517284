/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope eval: asks a model the questions of a file and scores its answers against what is known
 * about the pictures. docs/eval.md describes the file's format. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/files.h"
#include "common/json.h"
#include "common/must.h"
#include "notebook/certainty.h"
#include "notebook/guess.h"
#include "notebook/refs.h"
#include "notebook/words.h"
#include "term/out.h"
#include "tty/interrupt.h"
#include "verbs/curve.h"
#include "verbs/rounding.h"
#include "verbs/score.h"
#include "verbs/verbs.h"

enum { MAX_FILE_BYTES = 64 << 20, MAX_TURNS = 64 };

struct tally { // for one kind of question
    char *kind;
    size_t n, right, withheld, n_exact, exact, edits, letters;
    double seconds;
};

struct eval {
    struct bare_engine bare;
    const char *path; // of the file of questions
    json_t *file;
    struct tally *tallies;
    size_t n_tallies;
    size_t asked;
    struct curve curve;
    struct rounding *rounding; // with --rounding
};

struct talk { // one entry of the file while it is asked
    const json_t *entry;
    size_t number; // from 1, for messages
    phi3v_image **images;
    size_t n_images;
    struct phi3v_turn turns[2 * MAX_TURNS];
    struct phi3v_result results[MAX_TURNS]; // own the ids that turns point to
    char *first;                            // text of the first turn, with tags
    int n_turns, n_results;
};

/* -- The file ------------------------------------------------------------------------------- */

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool is_array_of(const json_t *value, bool numbers)
{
    if (value && !json_is_array(value)) return false;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        if (numbers ? !json_is_number(item) : !json_is_string(item)) return false;
    }
    return true;
}

static bool is_optional_text(const json_t *value) { return !value || json_is_string(value); }

/* Says what is wrong with a turn, or NULL. */
static const char *turn_mistake(const json_t *turn)
{
    if (!text_at(turn, "question")) return "a turn needs \"question\", a string";
    if (!is_optional_text(json_object_get(turn, "kind"))) return "\"kind\" is not a string";
    if (!is_optional_text(json_object_get(turn, "answer"))) return "\"answer\" is not a string";
    if (!is_array_of(json_object_get(turn, "contains"), false))
        return "\"contains\" is not an array of strings";
    if (!is_array_of(json_object_get(turn, "last"), false))
        return "\"last\" is not an array of strings";
    if (!is_array_of(json_object_get(turn, "absent"), false))
        return "\"absent\" is not an array of strings";
    if (!is_array_of(json_object_get(turn, "numbers"), true))
        return "\"numbers\" is not an array of numbers";
    const json_t *tolerance = json_object_get(turn, "tolerance");
    if (tolerance && !(json_is_number(tolerance) && json_number_value(tolerance) >= 0))
        return "\"tolerance\" is not a number of at least 0";
    return NULL;
}

static const char *entry_mistake(const json_t *entry)
{
    const json_t *turns = json_object_get(entry, "turns");
    if (!text_at(entry, "kind")) return "it needs \"kind\", a string";
    if (!is_array_of(json_object_get(entry, "images"), false))
        return "\"images\" is not an array of strings";
    if (!json_is_array(turns) || json_array_size(turns) == 0)
        return "it needs \"turns\", an array of at least one";
    if (json_array_size(turns) > MAX_TURNS) return "it has more than 64 turns";
    for (size_t i = 0; i < json_array_size(turns); i++) {
        const char *mistake = turn_mistake(json_array_get(turns, i));
        if (mistake) return mistake;
    }
    return NULL;
}

static int read_questions(struct eval *e, struct phi3v_error *err)
{
    char *bytes;
    size_t n;
    int rc = load_file(e->path, MAX_FILE_BYTES, &bytes, &n, err);
    if (rc) return rc;
    e->file = json_parse(bytes, n, e->path, err);
    free(bytes);
    if (!e->file) return PHI3V_E_IO;
    const json_t *all = json_object_get(e->file, "questions");
    if (!json_is_array(all) || json_array_size(all) == 0)
        return refuse(err, PHI3V_E_IO,
                      "%.300s has no \"questions\", an array of at least one (docs/eval.md)",
                      e->path);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const char *mistake = entry_mistake(json_array_get(all, i));
        if (mistake)
            return refuse(err, PHI3V_E_IO, "%.300s, question %zu: %s (docs/eval.md)", e->path,
                          i + 1, mistake);
    }
    return 0;
}

/* -- Pictures ------------------------------------------------------------------------------- */

/* Names are relative to the folder of the questions. */
static char *picture_path(const struct eval *e, const char *name)
{
    const char *slash = strrchr(e->path, '/');
    if (!slash || *name == '/' || strstr(name, "://")) return xstrdup(name);
    return xasprintf("%.*s/%s", (int)(slash - e->path), e->path, name);
}

static int white_like(phi3v_image **image, struct phi3v_error *err)
{
    const struct phi3v_image_info *info = phi3v_image_info(*image);
    size_t n_bytes = (size_t)info->width * (size_t)info->height * 3;
    uint8_t *rgb = xalloc(n_bytes);
    memset(rgb, 255, n_bytes);
    phi3v_image *white;
    int rc = phi3v_image_from_rgb(rgb, info->width, info->height, &white, err);
    free(rgb);
    if (rc) return rc;
    phi3v_image_free(*image);
    *image = white;
    return 0;
}

static int load_pictures(struct eval *e, struct talk *t, struct phi3v_error *err)
{
    const json_t *names = json_object_get(t->entry, "images");
    t->images = xcalloc(json_array_size(names), sizeof(phi3v_image *));
    for (size_t i = 0; i < json_array_size(names); i++) {
        char *path = picture_path(e, json_string_value(json_array_get(names, i)));
        struct loaded loaded;
        int rc = bare_engine_load_picture(&e->bare, path, NB_FILE, &loaded, err);
        free(path);
        if (rc) return rc;
        t->images[t->n_images++] = phi3v_image_ref(loaded.image);
        loaded_fini(&loaded);
        if (e->bare.opt.blank && (rc = white_like(&t->images[i], err))) return rc;
    }
    return 0;
}

/* -- Scores --------------------------------------------------------------------------------- */

struct marks {
    bool right, withheld;
    double least; // probability of a token of the answer, also of one that is withheld
    bool has_answer, exact;
    size_t facts, found; // of contains, last, absent and numbers together
    size_t edits, letters;
};

static void mark_facts(const char *got, const json_t *turn, struct marks *m)
{
    const json_t *contains = json_object_get(turn, "contains"), *fact;
    const json_t *last = json_object_get(turn, "last"), *absent = json_object_get(turn, "absent");
    const char *conclusion = score_last_sentence(got);
    size_t i, letters;
    json_array_foreach((json_t *)(uintptr_t)contains, i, fact)
    {
        m->found += score_contains(got, json_string_value(fact));
        m->edits += score_edits(got, json_string_value(fact), true, &letters);
        m->letters += letters;
    }
    json_array_foreach((json_t *)(uintptr_t)last, i, fact) m->found +=
        score_contains(conclusion, json_string_value(fact));
    json_array_foreach((json_t *)(uintptr_t)absent, i, fact) m->found +=
        !score_contains(got, json_string_value(fact));
    m->facts += json_array_size(contains) + json_array_size(last) + json_array_size(absent);
}

static void mark_numbers(const char *got, const json_t *turn, struct marks *m)
{
    const json_t *numbers = json_object_get(turn, "numbers");
    size_t n = json_array_size(numbers);
    double *want = xcalloc(n, sizeof *want);
    for (size_t i = 0; i < n; i++) want[i] = json_number_value(json_array_get(numbers, i));
    m->found += score_numbers(got, want, n, json_number_value(json_object_get(turn, "tolerance")));
    m->facts += n;
    free(want);
}

/* An answer is right when every fact holds or, without facts, when it equals the expected one. */
static struct marks mark(const char *got, const json_t *turn)
{
    struct marks m = {0};
    const char *answer = text_at(turn, "answer");
    mark_facts(got, turn, &m);
    mark_numbers(got, turn, &m);
    if (answer) {
        m.has_answer = true;
        m.exact = score_same(got, answer);
        if (!m.letters) m.edits = score_edits(got, answer, false, &m.letters);
    }
    m.right = m.facts ? m.found == m.facts : m.exact;
    return m;
}

static struct tally *tally_of(struct eval *e, const char *kind)
{
    for (size_t i = 0; i < e->n_tallies; i++)
        if (!strcmp(e->tallies[i].kind, kind)) return &e->tallies[i];
    e->tallies = xgrow(e->tallies, e->n_tallies + 1, sizeof *e->tallies);
    e->tallies[e->n_tallies] = (struct tally){.kind = xstrdup(kind)};
    return &e->tallies[e->n_tallies++];
}

static void count(struct tally *t, const struct marks *m, double seconds)
{
    t->n++;
    t->right += m->right;
    t->withheld += m->withheld;
    t->n_exact += m->has_answer;
    t->exact += m->exact;
    t->edits += m->edits;
    t->letters += m->letters;
    t->seconds += seconds;
}

/* -- Output --------------------------------------------------------------------------------- */

static json_t *share(size_t part, size_t whole)
{
    return whole ? json_real((double)part / (double)whole) : json_null();
}

static void print_turn(const struct eval *e, const struct talk *t, const char *kind,
                       const json_t *turn, const struct phi3v_result *result, const struct marks *m,
                       double seconds)
{
    if (!e->bare.opt.json || e->rounding) return;
    json_t *line = json_pack(
        "{s:I,s:i,s:o,s:o,s:o,s:b,s:b,s:o,s:o,s:[I,I],s:o,s:f}", "entry", (json_int_t)t->number,
        "turn", t->n_results + 1, "kind", json_text(kind), "question",
        json_text(text_at(turn, "question")), "text",
        json_textn(result->text ? result->text : "", result->n_text_bytes), "right", m->right,
        "withheld", m->withheld, "certainty", isnan(m->least) ? json_null() : json_real(m->least),
        "exact", m->has_answer ? json_boolean(m->exact) : json_null(), "facts",
        (json_int_t)m->found, (json_int_t)m->facts, "letters_wrong", share(m->edits, m->letters),
        "seconds", seconds);
    verb_report_json(line);
    json_decref(line);
}

static void print_json_summary(const struct eval *e)
{
    json_t *kinds = json_array();
    for (size_t i = 0; i < e->n_tallies; i++) {
        const struct tally *t = &e->tallies[i];
        json_array_append_new(
            kinds, json_pack("{s:o,s:I,s:I,s:o,s:I,s:o,s:o,s:f}", "kind", json_text(t->kind), "n",
                             (json_int_t)t->n, "right", (json_int_t)t->right, "right_share",
                             share(t->right, t->n), "withheld", (json_int_t)t->withheld,
                             "exact_share", share(t->exact, t->n_exact), "letters_wrong",
                             share(t->edits, t->letters), "seconds", t->seconds / (double)t->n));
    }
    json_t *line = json_pack("{s:{s:o,s:o,s:b,s:o,s:o}}", "summary", "model",
                             json_text(e->bare.engine.info->name), "dtype",
                             json_text(e->bare.engine.info->dtype), "blank", e->bare.opt.blank,
                             "kinds", kinds, "curve", curve_json(&e->curve));
    verb_report_json(line);
    json_decref(line);
}

static void print_share(size_t part, size_t whole)
{
    if (whole)
        printf(" %6.1f %%", 100 * (double)part / (double)whole);
    else
        printf("        -");
}

static void print_table(const struct eval *e)
{
    printf("%-32s %6s  %8s %8s %8s %8s %8s\n", "kind", "n", "right", "withheld", "exact", "letters",
           "seconds");
    printf("%-32s %6s  %8s %8s %8s %8s %8s\n", "", "", "", "", "", "wrong", "each");
    struct out out;
    out_init(&out, stdout, NULL);
    for (size_t i = 0; i < e->n_tallies; i++) {
        const struct tally *t = &e->tallies[i];
        out_padded(&out, t->kind, 32);
        printf(" %6zu ", t->n);
        print_share(t->right, t->n);
        print_share(t->withheld, t->n);
        print_share(t->exact, t->n_exact);
        print_share(t->edits, t->letters);
        printf(" %8.2f\n", t->seconds / (double)t->n);
    }
    curve_print(&e->curve);
}

/* -- Rounding ------------------------------------------------------------------------------- */

static bool is_right(const char *text, void *turn) { return mark(text, turn).right; }

static int ask_rounded(struct eval *e, const struct talk *t, const json_t *turn, const char *text,
                       bool right, struct phi3v_error *err)
{
    struct rounding_turn ask = {.turns = t->turns,
                                .n_turns = t->n_turns,
                                .truth = text_at(turn, "answer"),
                                .text = text,
                                .right = right,
                                .is_right = is_right,
                                .user = (void *)(uintptr_t)turn};
    return rounding_ask(e->rounding, &ask, err);
}

/* -- Asking --------------------------------------------------------------------------------- */

static void add_question(struct talk *t, const json_t *turn)
{
    const char *question = text_at(turn, "question");
    struct phi3v_turn *user = &t->turns[t->n_turns++];
    *user = (struct phi3v_turn){.role = "user", .text = question};
    if (t->n_results > 0) return;
    t->first = with_image_tags(question, t->n_images);
    user->text = t->first;
    user->images = t->images;
    user->n_images = (int)t->n_images;
}

static void add_answer(struct talk *t, const struct phi3v_result *result)
{
    t->n_results++;
    t->turns[t->n_turns++] = (struct phi3v_turn){.role = "assistant",
                                                 .text = result->text ? result->text : "",
                                                 .ids = result->ids,
                                                 .n_ids = result->n_answer_ids};
}

/* Answers the talk so far. */
static int generate_answer(struct eval *e, const struct talk *t, struct phi3v_result *ret,
                           struct phi3v_error *err)
{
    const struct options *opt = &e->bare.opt;
    phi3v_prompt *prompt;
    struct phi3v_prompt_options how;
    phi3v_prompt_options_default(&how);
    how.num_crops = opt->set.num_crops;
    int rc = phi3v_prompt_chat(e->bare.engine.model, t->turns, t->n_turns, &how, &prompt, err);
    if (rc) return rc;
    struct phi3v_params params;
    const char **stop = xcalloc(opt->set.stop.n + 1, sizeof *stop);
    settings_params(&opt->set, &params, stop);
    params.logprobs = 1;
    ret->size = sizeof *ret;
    rc = phi3v_generate(e->bare.engine.session, prompt, &params, bare_engine_on_progress, &e->bare,
                        ret, err);
    progress_clear(&e->bare.progress);
    free(stop);
    phi3v_prompt_free(prompt);
    if (rc || ret->finish != PHI3V_FINISH_INTERRUPTED) return rc;
    phi3v_result_fini(ret);
    return refuse(err, PHI3V_E_CANCELLED, "interrupted");
}

/* Marks, counts and prints an answer, and makes it a turn of the talk. */
static int judge_answer(struct eval *e, struct talk *t, const json_t *turn,
                        const struct phi3v_result *result, double seconds, struct phi3v_error *err)
{
    struct phi3v_result shown = *result;
    const bool withheld = guess_awaited(&e->bare.engine, &e->bare.opt.set) &&
                          guess_withhold(&e->bare.engine, result, &shown) > 0;
    const char *text = shown.text ? shown.text : "", *kind = text_at(turn, "kind");
    struct marks m = mark(text, turn);
    m.withheld = withheld;
    if (withheld) m.edits = m.letters = 0; // nothing was read
    m.least = certainty_least_of(result->logprobs, result->n_answer_ids);
    curve_add(&e->curve, m.least, withheld ? mark(result->text, turn).right : m.right);
    int rc = e->rounding ? ask_rounded(e, t, turn, text, m.right, err) : 0;
    if (rc) return rc;
    kind = kind ? kind : text_at(t->entry, "kind");
    count(tally_of(e, kind), &m, seconds);
    print_turn(e, t, kind, turn, &shown, &m, seconds);
    add_answer(t, &shown);
    e->asked++;
    return 0;
}

static int ask_turn(struct eval *e, struct talk *t, const json_t *turn, struct phi3v_error *err)
{
    struct phi3v_result *result = &t->results[t->n_results];
    double begin = now_s();
    add_question(t, turn);
    int rc = generate_answer(e, t, result, err);
    if (rc) return rc;
    rc = judge_answer(e, t, turn, result, now_s() - begin, err);
    if (rc) phi3v_result_fini(result);
    return rc;
}

static int ask_entry(struct eval *e, const json_t *entry, size_t number, struct phi3v_error *err)
{
    struct talk *t = xcalloc(1, sizeof *t);
    t->entry = entry;
    t->number = number;
    const json_t *turns = json_object_get(entry, "turns");
    int rc = load_pictures(e, t, err);
    for (size_t i = 0; !rc && i < json_array_size(turns); i++)
        rc = ask_turn(e, t, json_array_get(turns, i), err);
    for (int i = 0; i < t->n_results; i++) phi3v_result_fini(&t->results[i]);
    for (size_t i = 0; i < t->n_images; i++) phi3v_image_free(t->images[i]);
    free(t->images);
    free(t->first);
    free(t);
    return rc;
}

/* -- Verb ----------------------------------------------------------------------------------- */

static int ask_all(struct eval *e, struct phi3v_error *err)
{
    const json_t *all = json_object_get(e->file, "questions");
    size_t n = json_array_size(all);
    for (size_t i = 0; i < n; i++) {
        int rc = ask_entry(e, json_array_get(all, i), i + 1, err);
        if (!rc && interrupt_requested()) rc = refuse(err, PHI3V_E_CANCELLED, "interrupted");
        if (rc) return rc;
    }
    return 0;
}

/* After a failure it still sums up what was asked before. */
static int run(struct eval *e)
{
    struct phi3v_error err;
    int rc = read_questions(e, &err);
    if (rc) return verb_report_error(&e->bare.opt, &err, EXIT_INPUT);
    if ((rc = bare_engine_open_model(&e->bare, &err)))
        return verb_report_error(&e->bare.opt, &err, verb_model_status(rc));
    if (e->bare.opt.rounding && (rc = rounding_open(&e->bare, &e->rounding, &err)))
        return verb_report_error(&e->bare.opt, &err, verb_model_status(rc));
    rc = ask_all(e, &err);
    if (e->rounding)
        rounding_print(e->rounding);
    else if (e->bare.opt.json)
        print_json_summary(e);
    else if (e->asked)
        print_table(e);
    if (!rc) return EXIT_FINE;
    bool input = rc == PHI3V_E_IO || rc == PHI3V_E_IMAGE;
    return verb_report_error(&e->bare.opt, &err, input ? EXIT_INPUT : verb_answer_status(rc));
}

int eval_main(struct options *opt, int argc, char **argv)
{
    char **words;
    int n, status = verb_options(opt, argc, argv, &words, &n);
    if (status >= 0) return status;
    if (n != 1)
        return verb_misuse(opt, "eval needs one file: phiscope eval -m MODEL QUESTIONS.json");
    if (opt->images.n)
        return verb_misuse(opt, "eval takes its pictures from %s: leave -i out", words[0]);
    struct eval e = {.path = words[0]};
    bare_engine_init(&e.bare, opt);
    if (opt->rounding) {
        rounding_exact(&e.bare.opt.set);
        e.bare.opt.set.guess = true; // answers are compared as each form gives them
    }
    status = run(&e);
    for (size_t i = 0; i < e.n_tallies; i++) free(e.tallies[i].kind);
    free(e.tallies);
    curve_free(&e.curve);
    json_decref(e.file);
    rounding_close(e.rounding);
    bare_engine_fini(&e.bare);
    return status;
}
