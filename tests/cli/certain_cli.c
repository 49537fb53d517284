/* SPDX-License-Identifier: GPL-3.0-or-later
 * How certain an answer was, and what else it might have been: log-probabilities in --json and in
 * notebooks, :alt, :fork. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"
#include "golden.h"

static const char *model(void) { return drive_golden("models/tiny-gqa-bf16"); }

static const struct run *script(const char *lines)
{
    return DRIVE(lines, "script", "-", "--json", "-m", model(), "--num-crops", "1",
                 "--max-new-tokens", "8", "--dtype", "f32");
}

static json_t *field(int line, const char *key)
{
    json_t *all = drive_json(line);
    json_t *value = json_incref(json_object_get(all, key));
    json_decref(all);
    return value;
}

/* -- The numbers ---------------------------------------------------------------------------- */

/* The floats of "debug logits --all": rows of n_vocab, behind the header. */
static float *read_logits(const char *path, size_t *ret_n)
{
    FILE *f = fopen(path, "rb");
    unsigned char head[10] = {0};
    float *x = NULL;
    *ret_n = 0;
    if (f && fread(head, 1, sizeof head, f) == sizeof head) {
        long skip = 10 + head[8] + 256L * head[9];
        fseek(f, 0, SEEK_END);
        long end = ftell(f);
        fseek(f, skip, SEEK_SET);
        size_t n = (size_t)(end - skip) / sizeof *x;
        x = malloc(n * sizeof *x);
        if (x && fread(x, sizeof *x, n, f) == n) *ret_n = n;
    }
    if (f) fclose(f);
    return x;
}

static double log_sum(const float *logits, size_t n)
{
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, (double)logits[i]);
    for (size_t i = 0; i < n; i++) sum += exp((double)logits[i] - largest);
    return largest + log(sum);
}

/* The number of logits above that of the id. */
static int rank_of(const float *row, size_t n_vocab, json_int_t id)
{
    int n = 0;
    for (size_t i = 0; i < n_vocab; i++) n += row[i] > row[id];
    return n;
}

static double difference(const float *row, size_t n_vocab, json_int_t id, const json_t *logprob)
{
    return fabs((double)row[id] - log_sum(row, n_vocab) - json_number_value(logprob));
}

static void against_logits(json_t *input, json_t *output, json_t *logprobs, json_t *top)
{
    size_t n_in = json_array_size(input), n_out = json_array_size(output), n, k, j, n_wrong = 0;
    json_t *all = json_copy(input), *value, *other;
    double worst = 0;
    json_array_extend(all, output);
    char *ids = json_dumps(all, JSON_COMPACT);
    const char *npy = drive_file("logits.npy");
    DRIVE(NULL, "debug", "logits", "-m", model(), "--dtype", "f32", "--ids",
          drive_write("ids.json", ids), "--all", "-o", npy);
    float *logits = read_logits(npy, &n);
    size_t n_vocab = n / (n_in + n_out);
    json_array_foreach(output, k, value)
    {
        const float *row = logits + (n_in + k - 1) * n_vocab;
        json_t *best = json_array_get(top, k);
        json_int_t id = json_integer_value(value);
        worst = fmax(worst, difference(row, n_vocab, id, json_array_get(logprobs, k)));
        json_array_foreach(best, j, other)
        {
            json_int_t alike = json_integer_value(json_array_get(other, 0));
            worst = fmax(worst, difference(row, n_vocab, alike, json_array_get(other, 1)));
            n_wrong += rank_of(row, n_vocab, alike) > (int)j;
        }
        n_wrong += json_array_size(best) != 5;
    }
    tap_ok(n_out > 4 && json_array_size(logprobs) == n_out && json_array_size(top) == n_out &&
               n % (n_in + n_out) == 0 && worst < 2e-6,
           "log-probabilities are those of debug logits (largest difference %.1e)", worst);
    tap_ok(!n_wrong, "and the runners-up are the most probable tokens, in order");
    free(logits);
    free(ids);
    json_decref(all);
}

static void numbers(void)
{
    DRIVE(NULL, "ask", "--json", "-m", model(), "--max-new-tokens", "12", "--dtype", "f32",
          "Who are you?");
    json_t *input = field(0, "input_ids"), *output = field(0, "output_ids");
    json_t *logprobs = field(0, "logprobs"), *top = field(0, "top_logprobs");
    against_logits(input, output, logprobs, top);
    /* Sampling draws other tokens, but the probabilities stay those of temperature 1. */
    DRIVE(NULL, "ask", "--json", "-m", model(), "--max-new-tokens", "12", "--dtype", "f32",
          "--temperature", "3", "--seed", "4", "Who are you?");
    json_t *sampled = field(0, "output_ids");
    tap_ok(!json_equal(sampled, output), "another answer at temperature 3");
    json_decref(logprobs);
    json_decref(top);
    logprobs = field(0, "logprobs");
    top = field(0, "top_logprobs");
    against_logits(input, sampled, logprobs, top);
    json_decref(sampled);
    json_decref(input);
    json_decref(output);
    json_decref(logprobs);
    json_decref(top);
}

/* -- :fork ---------------------------------------------------------------------------------- */

/* The second cell of a conversation about a picture, from each of its own tokens on. */
static void own_tokens(void)
{
    char lines[2000];
    int n = snprintf(lines, sizeof lines, "One.\n:load %s\nTwo?\nThree.\n",
                     drive_golden("images/tiny_97x61.png"));
    for (int k = 1; k < 8; k++)
        n += snprintf(lines + n, sizeof lines - (size_t)n, ":fork 2@%d\n", k);
    const struct run *r = script(lines);
    json_t *ids = field(1, "output_ids"), *text = field(1, "text"), *asked = field(1, "input_ids");
    json_t *logprobs = field(1, "logprobs");
    int n_same = 0;
    for (int k = 0; k < 7; k++) {
        json_t *fork_ids = field(3 + k, "output_ids"), *fork_text = field(3 + k, "text");
        json_t *fork_asked = field(3 + k, "input_ids"), *fork_logprobs = field(3 + k, "logprobs");
        n_same += json_equal(ids, fork_ids) && json_equal(text, fork_text) &&
                  json_equal(asked, fork_asked) && json_equal(logprobs, fork_logprobs);
        json_decref(fork_ids);
        json_decref(fork_text);
        json_decref(fork_asked);
        json_decref(fork_logprobs);
    }
    tap_ok(r->status == 0 && json_array_size(ids) == 8 && n_same == 7,
           ":fork with the model's own token reproduces the answer: %d of 7 places", n_same);
    json_decref(ids);
    json_decref(text);
    json_decref(asked);
    json_decref(logprobs);
}

static bool begins_alike(const json_t *a, const json_t *b, size_t n)
{
    bool same = json_array_size(a) >= n && json_array_size(b) >= n;
    for (size_t i = 0; i < n && same; i++)
        same = json_equal(json_array_get(a, i), json_array_get(b, i));
    return same;
}

static void other_words(void)
{
    char lines[900];
    const char *file = drive_file("fork.ipynb");
    snprintf(lines, sizeof lines,
             "One.\n:fork 1@4=three lions\n:fork 1@1=Zebras\n:cells\n:save %s\n", file);
    const struct run *r = script(lines);
    json_t *first = field(0, "output_ids"), *ids = field(1, "output_ids");
    json_t *text = field(1, "text"), *logprobs = field(1, "logprobs");
    const char *s = json_string_value(text);
    tap_ok(r->status == 0 && begins_alike(first, ids, 3) && s && strstr(s, "three lions"),
           ":fork with other words keeps the tokens before them: %s", s ? s : "-");
    tap_ok(json_is_null(json_array_get(logprobs, 3)) &&
               json_is_real(json_array_get(logprobs, json_array_size(logprobs) - 1)),
           "what was put there has no probability, what comes behind has");
    json_t *zebras = field(2, "text");
    s = json_string_value(zebras);
    tap_ok(s && !strncmp(s, "Zebras", 6), "from the first token on: %s", s ? s : "-");
    tap_ok(strstr(r->err, "In [2] ok: One.\n") && strstr(r->err, "In [3] ok: One.\n"),
           "the new cells are ok, and so is the one they stand for");

    snprintf(lines, sizeof lines, ":open %s\n:run 2\n:edit 1 Two.\n:cells\n", file);
    r = script(lines);
    json_t *again = field(0, "text");
    tap_ok(r->status == 0 && json_equal(text, again), "from a notebook the fork runs as before");
    tap_ok(strstr(r->err, "In [2] stale: One.\n") != NULL,
           "and is stale when the answer it begins with has changed");
    json_decref(first);
    json_decref(ids);
    json_decref(text);
    json_decref(logprobs);
    json_decref(zebras);
    json_decref(again);
}

/* A branch sees what stood above the cell in whose place it is, and what follows sees the branch.
 */
static void branches(void)
{
    script("One.\nTwo.\nThree.\n:fork 2\nZwei.\nDrei.\n");
    json_t *two = field(3, "output_ids"), *three = field(4, "output_ids");
    const struct run *r = script("One.\nZwei.\nDrei.\n");
    json_t *plain_two = field(1, "output_ids"), *plain_three = field(2, "output_ids");
    tap_ok(r->status == 0 && json_equal(two, plain_two) && json_equal(three, plain_three),
           "a branch answers as a conversation of its own");
    json_decref(two);
    json_decref(three);
    json_decref(plain_two);
    json_decref(plain_three);
}

static void refused(void)
{
    static const struct {
        const char *lines, *says;
    } bad[] = {{"One.\n:fork 2\n", "there is no cell 2 above"},
               {"One.\n:fork 1@99=x\n", "the answer of cell 1 has 8 tokens"},
               {"One.\n:fork 1@0\n", "a cell, perhaps with a token"},
               {"One.\n:fork 1@2=\n", "a cell, perhaps with a token"},
               {"One.\n:fork x\n", "a cell, perhaps with a token"},
               {"One.\n:fork 1@8=zebra\n", "max_new_tokens is 8"},
               {"One.\n:alt 1 0\n", "0 is no number of tokens"},
               {":alt\n", "cell"},
               {"One.\n:alt 1 2 3\n", ":alt [n] [COUNT]"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct run *r = script(bad[i].lines);
        tap_ok(r->status == 1 && strstr(r->out, bad[i].says), "refused: %s", bad[i].says);
    }
    /* A cell of a notebook that stands in its own place, or in that of one below it. */
    for (int n = 1; n < 4; n += 2) {
        char notebook[600], lines[300];
        snprintf(notebook, sizeof notebook,
                 "{\"cells\":[{\"cell_type\":\"code\",\"id\":\"a\",\"metadata\":{},\"outputs\":[],"
                 "\"execution_count\":null,\"source\":[\":fork %d@1\\n\",\"what?\"]}],"
                 "\"metadata\":{},\"nbformat\":4,\"nbformat_minor\":5}",
                 n);
        snprintf(lines, sizeof lines, ":open %s\n:cells\n:run 1\n",
                 drive_write("own.ipynb", notebook));
        const struct run *r = script(lines);
        tap_ok(r->status == 1 && strstr(r->out, "there is no cell"),
               "a cell cannot stand in the place of cell %d", n);
    }
}

/* -- :set doubt ----------------------------------------------------------------------------- */

static const char underlined[] = "\033[4m";

/* The answer to "One." with such a threshold; whether words of it were underlined as they came. */
static bool doubted(const char *doubt, bool *ret_shown)
{
    char line[40];
    struct pty *p = pty_start((const char *const[]){"-m", model(), "--num-crops", "1", "--dtype",
                                                    "f32", "--max-new-tokens", "8", NULL});
    snprintf(line, sizeof line, ":set doubt %s\r", doubt);
    *ret_shown = pty_expect(p, "In [1]");
    pty_type(p, line);
    *ret_shown &= pty_expect(p, "In [1]");
    pty_type(p, "One.\r");
    *ret_shown &= pty_expect(p, "Out[1]");
    bool found = pty_came(p, underlined);
    pty_type(p, "\004");
    *ret_shown &= pty_end(p) == 0;
    return found;
}

static void doubt(void)
{
    bool shown;
    tap_ok(doubted("1", &shown) && shown, "words less certain than :set doubt are underlined");
    tap_ok(!doubted("0", &shown) && shown, "and none are without it");
}

/* -- :alt ----------------------------------------------------------------------------------- */

static int count(const char *s, const char *what)
{
    int n = 0;
    for (; (s = strstr(s, what)); s += strlen(what)) n++;
    return n;
}

static void alternatives(void)
{
    char lines[700];
    const char *file = drive_file("alt.ipynb"), *copy = drive_file("alt2.ipynb");
    snprintf(lines, sizeof lines, "One.\n:alt\n:alt 1 2\n:save %s\n", file);
    const struct run *r = script(lines);
    json_t *text = field(0, "text");
    const char *s = json_string_value(text);
    tap_ok(r->status == 0 && s && strstr(r->err, s), ":alt shows the answer");
    tap_ok(count(r->err, "\n@") == 7 && count(r->err, "   not \"") == 7,
           "then as many of its least certain tokens as are wanted, with runners-up");
    char *before = strdup(strstr(r->err, "\n@"));
    *strstr(before, "saved") = 0;

    snprintf(lines, sizeof lines, ":open %s\n:alt\n:alt 1 2\n:save %s\n", file, copy);
    r = script(lines);
    const char *after = strstr(r->err, "\n@");
    tap_ok(r->status == 0 && after && !strncmp(after, before, strlen(before)),
           "a notebook keeps them");
    char *one = drive_read(file), *two = drive_read(copy);
    tap_ok(one && two && !strcmp(one, two) && strstr(one, "\"logprobs\": ["),
           "and is saved again as it was");
    free(before);
    free(one);
    free(two);
    json_decref(text);
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    if (golden_exists("models/tiny-gqa-bf16")) {
        numbers();
        own_tokens();
        other_words();
        branches();
        refused();
        alternatives();
        doubt();
    } else {
        tap_skip("no golden models", "certainty");
    }
    return drive_done();
}
