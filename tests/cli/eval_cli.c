/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope eval: the account of every answer, the summary, the blank test, mistakes in the file. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"
#include "golden.h"

static const char *model(void) { return drive_golden("models/tiny-gqa-bf16"); }

static const json_t *kind_of(const json_t *line, size_t k)
{
    return json_array_get(json_object_get(json_object_get(line, "summary"), "kinds"), k);
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

/* What the model answers is learned first, then expected. */
static char *learned_answer(const char *picture, const char *question)
{
    DRIVE(NULL, "ask", "--json", "-m", model(), "--num-crops", "1", "--max-new-tokens", "6", "-i",
          picture, question);
    json_t *got = drive_json(0);
    char *text = strdup(text_at(got, "text"));
    json_decref(got);
    return text;
}

static const char *write_questions(const char *picture, const char *answer)
{
    json_t *file = json_pack(
        "{s:[{s:s,s:[s],s:[{s:s,s:s},{s:s,s:s,s:[s],s:[i],s:f}]},{s:s,s:[{s:s,s:[s],s:[s]}]}]}",
        "questions", "kind", "first", "images", picture, "turns", "question", "What is this?",
        "answer", answer, "question", "And what else?", "kind", "second", "contains",
        "no such words", "numbers", 123456789, "tolerance", 0.5, "kind", "no picture", "turns",
        "question", "Hello", "absent", "no such words", "last", "no such words either");
    char *text = json_dumps(file, 0);
    const char *path = drive_write("questions.json", text);
    free(text);
    json_decref(file);
    return path;
}

static void account(void)
{
    const char *picture = drive_golden("images/tiny_97x61.png");
    char *answer = learned_answer(picture, "What is this?");
    const char *path = write_questions(picture, answer);
    const struct run *r = DRIVE(NULL, "eval", "--json", "-m", model(), "--num-crops", "1",
                                "--max-new-tokens", "6", path);
    json_t *first = drive_json(0), *second = drive_json(1), *last = drive_json(3);
    tap_ok(r->status == 0 && !*r->err && last, "eval --json: three answers and a summary");
    tap_ok(!strcmp(text_at(first, "text"), answer) &&
               json_is_true(json_object_get(first, "right")) &&
               json_is_true(json_object_get(first, "exact")),
           "eval: the answer is that of ask");
    tap_ok(json_is_false(json_object_get(second, "right")) &&
               json_integer_value(json_object_get(second, "turn")) == 2 &&
               json_is_null(json_object_get(second, "exact")),
           "eval: a second turn with facts that do not hold");
    double certainty = json_number_value(json_object_get(first, "certainty"));
    tap_ok(certainty > 0 && certainty <= 1 && json_is_false(json_object_get(first, "withheld")),
           "eval: how certain an answer was");
    const json_t *curve = json_object_get(json_object_get(last, "summary"), "curve");
    double all[3] = {0};
    for (size_t k = 0; k < 3; k++)
        all[k] = json_number_value(json_array_get(json_array_get(curve, 0), k));
    tap_ok(all[0] == 0 && all[1] == 1 && fabs(all[2] - 1.0 / 3) < 1e-9,
           "eval: the curve begins with all answers, of which a third are right");
    int right = -1;
    json_unpack((json_t *)(uintptr_t)kind_of(last, 0), "{s:i}", "right", &right);
    tap_ok(right == 1 && !strcmp(text_at(kind_of(last, 0), "kind"), "first") &&
               !strcmp(text_at(kind_of(last, 1), "kind"), "second") &&
               !strcmp(text_at(kind_of(last, 2), "kind"), "no picture") && !kind_of(last, 3),
           "eval: summary by kind");
    json_decref(first);
    json_decref(second);
    json_decref(last);
    r = DRIVE(NULL, "eval", "-m", model(), "--num-crops", "1", "--max-new-tokens", "6", path);
    tap_ok(r->status == 0 && strstr(r->out, "first") && strstr(r->out, "100.0 %"), "eval: a table");
    r = DRIVE(NULL, "eval", "--blank", "--json", "-m", model(), "--num-crops", "1",
              "--max-new-tokens", "6", path);
    json_t *blank = drive_json(3);
    tap_ok(r->status == 0 &&
               json_is_true(json_object_get(json_object_get(blank, "summary"), "blank")),
           "eval --blank says so");
    json_decref(blank);
    free(answer);
}

/* Every form is asked what the exact model was; the table's numbers are those of the model. */
static void rounding(void)
{
    const char *picture = drive_golden("images/tiny_97x61.png");
    const char *path = write_questions(picture, "A ship, maybe two of them");
    const struct run *r = DRIVE(NULL, "eval", "--rounding", "--json", "-m", model(), "--num-crops",
                                "1", "--max-new-tokens", "6", path);
    json_t *exact = drive_json(0), *q4 = drive_json(3), *beyond = drive_json(8);
    int answers = 0, changed = -1, tokens = 0, more = 0;
    double kl = -1, kl4 = -1, agree = 0, perplexity = 0;
    json_unpack(exact, "{s:i,s:i,s:i,s:f,s:f,s:F}", "answers", &answers, "changed", &changed,
                "tokens", &tokens, "kl", &kl, "agree", &agree, "perplexity", &perplexity);
    json_unpack(q4, "{s:i,s:f}", "tokens", &more, "kl", &kl4);
    tap_ok(r->status == 0 && answers == 3 && changed == 0 && tokens > 4 && kl < 1e-9 &&
               agree == 1 && perplexity > 1,
           "eval --rounding: the exact form is itself");
    tap_ok(!strcmp(text_at(q4, "options"), "--dtype q4") && more == tokens && kl4 > 1e-6,
           "eval --rounding: q4 is another");
    tap_ok(!beyond, "eval --rounding --json prints the forms alone");
    json_decref(exact);
    json_decref(q4);
    json_decref(beyond);
    r = DRIVE(NULL, "eval", "--rounding", "-m", model(), "--num-crops", "1", "--max-new-tokens",
              "6", path);
    tap_ok(r->status == 0 && strstr(r->out, "3 answers") && strstr(r->out, "--kv q8"),
           "eval --rounding: a table");
}

static void refused(const char *file, const char *sentence)
{
    const char *path = drive_write("broken.json", file);
    const struct run *r = DRIVE(NULL, "eval", "-m", model(), path);
    tap_ok(r->status == 4 && strstr(r->err, sentence), "eval refuses: %s", sentence);
}

static void mistakes(void)
{
    const struct run *r = DRIVE(NULL, "eval");
    tap_ok(r->status == 2 && strstr(r->err, "one file"), "eval without a file");
    r = DRIVE(NULL, "eval", "-i", "x.png", "q.json");
    tap_ok(r->status == 2 && strstr(r->err, "leave -i out"), "eval with a picture of its own");
    r = DRIVE(NULL, "eval", "nowhere.json");
    tap_ok(r->status == 4 && strstr(r->err, "nowhere.json"), "eval: no such file");
    r = DRIVE(NULL, "ask", "--blank", "Hello");
    tap_ok(r->status == 2, "--blank belongs to eval alone");
    refused("{", "broken.json");
    refused("[]", "\"questions\"");
    refused("{\"questions\": []}", "at least one");
    refused("{\"questions\": [{\"turns\": [{\"question\": \"x\"}]}]}",
            "question 1: it needs \"kind\"");
    refused("{\"questions\": [{\"kind\": \"a\", \"turns\": []}]}", "\"turns\"");
    refused("{\"questions\": [{\"kind\": \"a\", \"turns\": [{\"question\": \"x\", \"numbers\": "
            "[\"1\"]}]}]}",
            "\"numbers\"");
    refused("{\"questions\": [{\"kind\": \"a\", \"turns\": [{\"question\": \"x\", \"tolerance\": "
            "-1}]}]}",
            "\"tolerance\"");
}

static void missing_picture(void)
{
    const char *path = drive_write("missing.json",
                                   "{\"questions\": [{\"kind\": \"a\", \"images\": [\"gone.png\"], "
                                   "\"turns\": [{\"question\": \"x\"}]}]}");
    const struct run *r = DRIVE(NULL, "eval", "-m", model(), path);
    tap_ok(r->status == 4 && strstr(r->err, "gone.png"), "eval: a picture that is not there");
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    mistakes();
    if (golden_exists("models/tiny-gqa-bf16")) {
        account();
        rounding();
        missing_picture();
    } else {
        tap_skip("models/tiny-gqa-bf16", "eval");
    }
    return drive_done();
}
