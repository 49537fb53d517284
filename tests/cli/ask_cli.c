/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope ask: recorded answers, the machine-readable line, exit statuses and sentences. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drive.h"
#include "drive_parts.h"
#include "ending_model.h"
#include "golden.h"

static const char *model(void) { return drive_golden("models/tiny-gqa-bf16"); }

/* -- Recorded answers ----------------------------------------------------------------------- */

/* Equal up to the first step where two tokens were nearly as good. */
static bool same_answer(const json_t *got, const json_t *one)
{
    const json_t *want = json_object_get(one, "new_ids"), *steps = json_object_get(one, "steps");
    for (size_t i = 0; i < json_array_size(want); i++) {
        if (json_number_value(json_object_get(json_array_get(steps, i), "gap")) < 1e-3)
            return i > 0;
        if (!json_equal(json_array_get(want, i), json_array_get(got, i))) return false;
    }
    return json_array_size(got) == json_array_size(want);
}

static void recorded_case(const json_t *one)
{
    const char *words[40] = {"ask",     "--json", "--raw", "--exif", "off",
                             "--dtype", "f32",    "-m",    model()};
    const char *name = json_string_value(json_object_get(one, "case"));
    char crops[16], tokens[16];
    int n = 9;
    size_t i;
    json_t *file;
    snprintf(crops, sizeof crops, "--num-crops=%d",
             (int)json_integer_value(json_object_get(one, "num_crops")));
    snprintf(tokens, sizeof tokens, "%zu", json_array_size(json_object_get(one, "new_ids")));
    words[n++] = crops;
    words[n++] = "--max-new-tokens";
    words[n++] = tokens;
    json_array_foreach(json_object_get(one, "images"), i, file)
    {
        char relative[200];
        snprintf(relative, sizeof relative, "images/%s", json_string_value(file));
        words[n++] = "-i";
        words[n++] = drive_golden(relative);
    }
    words[n++] = json_string_value(json_object_get(one, "prompt"));
    const struct run *r = drive(NULL, words);
    json_t *got = drive_json(0);
    tap_ok(r->status == 0 && same_answer(json_object_get(got, "output_ids"), one), "ask: %s", name);
    tap_ok(json_array_size(json_object_get(got, "input_ids")) ==
               (size_t)json_integer_value(json_object_get(one, "prompt_length")),
           "ask: %s, length of the prompt", name);
    json_decref(got);
}

static void recorded(void)
{
    json_t *all = golden_json("generation/generation.json"), *one;
    size_t i;
    if (!all) return;
    json_array_foreach(json_object_get(all, "generation"), i, one)
    {
        const char *which = json_string_value(json_object_get(one, "model"));
        if (!strcmp(which, "tiny-gqa-bf16")) recorded_case(one);
    }
    json_decref(all);
}

/* -- The line ------------------------------------------------------------------------------- */

static bool keys_are(const json_t *object, const char *const *keys)
{
    const char *key;
    json_t *value;
    int i = 0;
    json_object_foreach((json_t *)(uintptr_t)object, key,
                        value) if (!keys[i] || strcmp(key, keys[i++]) != 0) return false;
    return !keys[i];
}

static void json_shape(void)
{
    const char *picture = drive_golden("images/tiny_97x61.png");
    const struct run *r =
        DRIVE(NULL, "ask", "--json", "-m", model(), "--num-crops", "1", "--max-new-tokens", "8",
              "-i", picture, "What is shown in this image?");
    json_t *got = drive_json(0);
    tap_ok(r->status == 0 && strchr(r->out, '\n') == r->out + r->n_out - 1,
           "ask --json prints one line");
    tap_ok(keys_are(got, (const char *[]){"model", "device", "dtype", "input_ids", "output_ids",
                                          "text", "finish_reason", "images", "timing", "memory",
                                          "logprobs", "top_logprobs", NULL}),
           "ask --json: its keys");
    tap_ok(
        keys_are(json_object_get(got, "timing"),
                 (const char *[]){"load_s", "decode_image_s", "vision_s", "prefill_s", "decode_s",
                                  "prefill_tokens", "cached_tokens", "decode_tokens", NULL}),
        "ask --json: keys of timing");
    const json_t *image = json_array_get(json_object_get(got, "images"), 0);
    tap_ok(keys_are(image, (const char *[]){"source", "sha256", "width", "height", "crops",
                                            "tokens", NULL}),
           "ask --json: keys of a picture");
    int width = 0, height = 0, rows = 0, cols = 0, tokens = 0;
    const char *sha = "", *source = "", *finish = "", *name = "";
    json_unpack((json_t *)(uintptr_t)image, "{s:s,s:s,s:i,s:i,s:[i,i],s:i}", "source", &source,
                "sha256", &sha, "width", &width, "height", &height, "crops", &rows, &cols, "tokens",
                &tokens);
    tap_ok(width == 97 && height == 61 && rows == 1 && cols == 1 && tokens == 313 &&
               strlen(sha) == 64 && !strcmp(source, picture),
           "ask --json: the picture's facts");
    json_unpack(got, "{s:s,s:s}", "finish_reason", &finish, "model", &name);
    tap_ok(!strcmp(finish, "length") && !strcmp(name, "tiny-gqa-bf16"),
           "ask --json: finish, model");
    json_int_t prefill = 0, cached = -1, decode = 0, rss = 0;
    json_unpack(got, "{s:{s:I,s:I,s:I},s:{s:I}}", "timing", "prefill_tokens", &prefill,
                "cached_tokens", &cached, "decode_tokens", &decode, "memory", "peak_rss_bytes",
                &rss);
    tap_ok(prefill == 331 && cached == 0 && decode >= 7 && rss > 1000000, "ask --json: counts");
    json_t *typed = json_incref(json_object_get(got, "input_ids"));
    json_decref(got);

    /* As typed and as the reference formats it: the same ids. */
    DRIVE(NULL, "ask", "--json", "--raw", "-m", model(), "--num-crops", "1", "--max-new-tokens",
          "1", "-i", picture,
          "<|user|>\n<|image_1|>\nWhat is shown in this image?<|end|>\n<|assistant|>\n");
    got = drive_json(0);
    tap_ok(json_equal(typed, json_object_get(got, "input_ids")),
           "ask puts a picture first, on a line of its own");
    json_decref(got);
    DRIVE("What is shown in this image?\n", "ask", "--json", "-m", model(), "--num-crops", "1",
          "--max-new-tokens", "1", "-i", picture, "-");
    got = drive_json(0);
    tap_ok(json_equal(typed, json_object_get(got, "input_ids")), "ask reads the prompt from -");
    json_decref(got);
    json_decref(typed);
}

static void text_output(void)
{
    DRIVE(NULL, "ask", "--json", "-m", model(), "--max-new-tokens", "12", "Hello, who are you?");
    json_t *got = drive_json(0);
    char *want = strdup(json_string_value(json_object_get(got, "text")));
    json_decref(got);
    const struct run *r =
        DRIVE(NULL, "ask", "-m", model(), "--max-new-tokens", "12", "Hello, who are you?");
    tap_ok(r->status == 0 && r->n_out >= strlen(want) && !strncmp(r->out, want, strlen(want)) &&
               r->out[r->n_out - 1] == '\n',
           "ask prints the answer and nothing else");
    free(want);
}

static void settings(void)
{
    DRIVE(NULL, "ask", "--json", "-m", model(), "Hello");
    json_t *got = drive_json(0);
    const char *finish = json_string_value(json_object_get(got, "finish_reason"));
    tap_ok(json_array_size(json_object_get(got, "output_ids")) == 1000 && finish &&
               !strcmp(finish, "length"),
           "ask: 1000 new tokens by default");
    json_decref(got);
    DRIVE(NULL, "ask", "--json", "-m", model(), "--max-new-tokens", "1", "--system", "Be terse.",
          "Hi");
    got = drive_json(0);
    const json_t *ids = json_object_get(got, "input_ids");
    tap_ok(json_integer_value(json_array_get(ids, 1)) == 32006, "ask --system: a system turn");
    json_decref(got);
    DRIVE(NULL, "ask", "--json", "-m", model(), "--max-new-tokens", "1", "a<|end|>b");
    got = drive_json(0);
    int ends = 0;
    json_t *id;
    size_t i;
    json_array_foreach(json_object_get(got, "input_ids"), i, id) ends +=
        json_integer_value(id) == 32007;
    tap_ok(ends == 1, "ask: special tokens in a typed prompt are ordinary text");
    json_decref(got);
    for (int k = 0; k < 2; k++) {
        DRIVE(NULL, "ask", "--json", "-m", model(), "--max-new-tokens", "20", "--temperature", "1",
              "--seed", "7", "Hello");
        json_t *again = drive_json(0);
        if (k == 0)
            got = json_incref(json_object_get(again, "output_ids"));
        else
            tap_ok(json_equal(got, json_object_get(again, "output_ids")),
                   "ask: the same seed, the same tokens");
        json_decref(again);
    }
    json_decref(got);
}

/* -- The end token -------------------------------------------------------------------------- */

static void end_token(void)
{
    const char *prompt = "<|user|>\nHello, who are you?<|end|>\n<|assistant|>\n";
    DRIVE(NULL, "ask", "--json", "--raw", "-m", model(), "--max-new-tokens", "4", prompt);
    json_t *got = drive_json(0);
    DRIVE(prompt, "ask", "--json", "--raw", "-m", model(), "--max-new-tokens", "4", "-");
    json_t *piped = drive_json(0);
    tap_ok(got &&
               json_equal(json_object_get(got, "input_ids"), json_object_get(piped, "input_ids")),
           "a formatted prompt through the standard input, its last line break too");
    json_decref(piped);
    int third = (int)json_integer_value(json_array_get(json_object_get(got, "output_ids"), 2));
    json_decref(got);
    const char *to = drive_file("ending");
    if (!tap_ok(third > 0 && !ending_model(model(), to, third, 32007),
                "a model that ends its answer"))
        return;

    DRIVE(NULL, "ask", "--json", "--raw", "-m", to, prompt);
    got = drive_json(0);
    const json_t *ids = json_object_get(got, "output_ids");
    const char *finish = json_string_value(json_object_get(got, "finish_reason"));
    const char *text = json_string_value(json_object_get(got, "text"));
    tap_ok(json_array_size(ids) == 3 && json_integer_value(json_array_get(ids, 2)) == 32007 &&
               finish && !strcmp(finish, "stop"),
           "output_ids ends with the stop token");
    tap_ok(text && !strstr(text, "<|end|>"), "the end token is hidden by default");
    json_decref(got);
    const struct run *r = DRIVE(NULL, "ask", "--raw", "--keep-special", "-m", to, prompt);
    tap_ok(r->status == 0 && strstr(r->out, "<|end|>\n"), "--keep-special shows it");
    DRIVE(NULL, "ask", "--json", "--raw", "-m", to, "--max-new-tokens", "5", "--stop-mode",
          "reference", prompt);
    got = drive_json(0);
    /* This model's generation_config.json names 32007 as an end token itself. */
    tap_ok(json_array_size(json_object_get(got, "output_ids")) == 3,
           "--stop-mode reference: the files' own ids");
    json_decref(got);
}

/* -- Mistakes ------------------------------------------------------------------------------- */

static void mistakes(void)
{
    const char *no_picture = drive_write("page.png", "<!DOCTYPE html><p>hello");
    const struct {
        const char *words[12], *says;
        int status;
    } bad[] = {
        {{"ask"}, "ask needs a prompt", 2},
        {{"ask", "two", "words"}, "\"words\" is another word", 2},
        {{"ask", "--temprature", "1", "x"}, "did you mean --temperature?", 2},
        {{"ask", "--top-p", "2", "x"}, "from 0 to 1", 2},
        {{"ask", "--set", "layout=left", "x"}, "auto|beside|above", 2},
        {{"ask", "-i", "-", "-"}, "only one of", 2},
        {{"aks", "x"}, "did you mean ask?", 2},
        {{"x"}, "unknown verb \"x\": phiscope help lists them", 2},
        {{""}, "unknown verb \"\": phiscope help lists them", 2},
        {{"nowhere.png"}, "cannot open nowhere.png: No such file", 4},
        {{"no/such"}, "cannot open no/such: No such file", 4},
        {{"."}, ". is neither a picture nor a notebook", 4},
        {{"script", "."}, "cannot open .: Is a directory", 4},
        {{"script", "a.ipynb"}, "a script can :open it", 2},
        {{"ask", "-m", "no/such/folder", "x"}, "no/such", 3},
        {{"ask", "-m", model(), "--device", "cuda:77", "x"}, "cuda", 3},
        {{"ask", "-m", model(), "--device", "gpu", "x"}, "cuda:NUMBER", 2},
        {{"ask", "-m", model(), "-i", "nowhere.png", "x"}, "nowhere.png", 4},
        {{"ask", "-m", model(), "-i", no_picture, "x"}, "page.png", 4},
        {{"ask", "-m", model(), "-i", "http://127.0.0.1:1/a.png", "x"}, "127.0.0.1", 4},
        {{"ask", "-m", model(), "--offline", "-i", "http://127.0.0.1:1/a.png", "x"}, "offline", 4},
        {{"ask", "-m", model(), "-i", drive_golden("images/chart.png"), "<|image_2|> x"},
         "image_",
         1},
        {{"ask", "-m", model(), ""}, "the prompt is empty", 1},
        {{"ask", "-m", model(), " \n\t "}, "the prompt is empty", 1},
        {{"ask", "-m", model(), "--ctx", "16", "a b c d e f g h i j k l m n o p q r s t"},
         "token",
         1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct run *r = drive(NULL, bad[i].words);
        bool one_line = *r->err && strchr(r->err, '\n') == r->err + strlen(r->err) - 1;
        if (!tap_ok(r->status == bad[i].status && one_line && !*r->out &&
                        strstr(r->err, bad[i].says),
                    "mistake %zu ends with %d and says \"%s\"", i, bad[i].status, bad[i].says))
            tap_note("status %d: %s", r->status, r->err);
    }
    const struct run *r = DRIVE(NULL, "ask", "--json", "-m", model(), "-i", "nowhere.png", "x");
    json_t *got = drive_json(0);
    const char *code = "", *message = "";
    json_unpack(got, "{s:{s:s,s:s}}", "error", "code", &code, "message", &message);
    tap_ok(r->status == 4 && !strcmp(code, "io") && strstr(message, "nowhere.png") && !*r->err,
           "with --json a mistake is an object");
    json_decref(got);
}

static void small_verbs(void)
{
    const struct run *r = DRIVE(NULL, "version");
    tap_ok(r->status == 0 && !strncmp(r->out, "phiscope ", 9), "version");
    r = DRIVE(NULL, "devices");
    tap_ok(r->status == 0 && !strncmp(r->out, "cpu", 3), "devices");
    tap_ok(strstr(r->out, "cuda") && (strstr(r->out, "not usable: ") || strstr(r->out, "GiB")),
           "devices say what the GPU lacks, or its name and memory");
    r = DRIVE(NULL, "models");
    tap_ok(r->status == 0, "models");
    r = DRIVE(NULL, "help");
    tap_ok(r->status == 0 && strstr(r->out, "phiscope ask") && strstr(r->out, "--max-new-tokens"),
           "help");
    r = DRIVE(NULL, "help", "load");
    tap_ok(r->status == 0 && !strncmp(r->out, ":load", 5), "help on a command");
    r = DRIVE(NULL, "ask", "--help");
    tap_ok(r->status == 0 && strstr(r->out, "phiscope ask"), "ask --help");
    tap_ok(DRIVE(NULL, "help", "nonsense")->status == 2, "help on nothing");
    tap_ok(DRIVE(NULL, "help", "load", "save")->status == 2, "help on two things");
    tap_ok(DRIVE(NULL, "version", "2")->status == 2, "version takes no words");
    tap_ok(DRIVE("", "--raw")->status == 2 && DRIVE("", "script", "--raw", "-")->status == 2,
           "--raw is refused where it would do nothing");
}

/* What the last run has computed of its pictures, and its ids. */
static double vision_s(json_t **ret_ids)
{
    json_t *line = drive_json(0);
    double s = json_number_value(json_object_get(json_object_get(line, "timing"), "vision_s"));
    *ret_ids = json_incref(json_object_get(line, "output_ids"));
    json_decref(line);
    return s;
}

/* Features are kept from one run to the next, and only ever a matter of time. */
static void kept_features(void)
{
    const char *image = drive_golden("images/photo.png");
    json_t *ids[4];
    double s[4];
    for (int i = 0; i < 4; i++) {
        if (i == 2)
            drive("!for f in \"$HOME\"/.cache/phiscope/*.features \"$XDG_CACHE_HOME\"/phiscope/*"
                  ".features; do [ -e \"$f\" ] && printf damaged > \"$f\"; done; true\n",
                  (const char *const[]){"script", "-", "-m", model(), NULL});
        DRIVE(NULL, "ask", "--json", "-m", model(), "--num-crops", "1", "--max-new-tokens", "8",
              "--set", i == 3 ? "cache_mib=0" : "cache_mib=64", "-i", image, "What is it?");
        s[i] = vision_s(&ids[i]);
    }
    tap_ok(s[0] > 0 && s[1] == 0 && json_equal(ids[0], ids[1]),
           "a second run encodes nothing and answers the same");
    tap_ok(s[2] > 0 && json_equal(ids[0], ids[2]), "damaged features are made anew");
    tap_ok(s[3] > 0 && json_equal(ids[0], ids[3]), "cache_mib=0 keeps none");
    for (int i = 0; i < 4; i++) json_decref(ids[i]);
}

static json_t *picture_of(int k)
{
    json_t *line = drive_json(0);
    json_t *picture = json_incref(json_array_get(json_object_get(line, "images"), (size_t)k));
    json_decref(line);
    return picture;
}

/* What is told of a picture is about that one, wherever it stands. */
static void each_picture(void)
{
    const char *files[] = {drive_golden("images/tiny_97x61.png"),
                           drive_golden("images/portrait.png")};
    json_t *alone[2];
    for (int k = 0; k < 2; k++) {
        DRIVE(NULL, "ask", "--json", "-m", model(), "--num-crops", "4", "--max-new-tokens", "1",
              "-i", files[k], "What?");
        alone[k] = picture_of(0);
    }
    DRIVE(NULL, "ask", "--json", "-m", model(), "--num-crops", "4", "--max-new-tokens", "1", "-i",
          files[0], "-i", files[1], "What?");
    json_t *first = picture_of(0), *second = picture_of(1);
    tap_ok(json_is_object(second) &&
               !json_equal(json_object_get(first, "crops"), json_object_get(second, "crops")),
           "two pictures of other shapes");
    tap_ok(json_equal(first, alone[0]) && json_equal(second, alone[1]), "each as alone");
    json_decref(first);
    json_decref(second);
    for (int k = 0; k < 2; k++) json_decref(alone[k]);
}

/* Starts it with its standard output on `out`, its messages in the file "said". */
static pid_t start(int out, const char *const *words)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid) return pid;
    int said = open(drive_file("said"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(said, STDERR_FILENO);
    drive_become(words, NULL);
    return -1;
}

/* An answer that could not be written is no success. */
static void full_disk(void)
{
    static const char says[] = "standard output cannot be written: No space left on device\n";
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    for (int json = 0; json < 2; json++) {
        const char *const words[] = {
            "ask", "-m", model(), "--max-new-tokens", "2", "Hi", json ? "--json" : NULL, NULL};
        int status = drive_wait(start(full, words), drive_now_s() + 60);
        char *said = drive_read(drive_file("said"));
        tap_ok(status == 1 && said && strstr(said, says), "a full disk%s: %d",
               json ? ", with --json" : "", status);
        free(said);
    }
    close(full);
}

static void interrupted(void)
{
    int out[2];
    char byte;
    const char *const words[] = {
        "ask", "-m", model(), "--max-new-tokens", "100000", "--temperature", "1", "Go on", NULL};
    if (pipe(out)) drive_die("pipe");
    pid_t pid = start(out[1], words);
    close(out[1]);
    bool begun = read(out[0], &byte, 1) == 1;
    kill(pid, SIGINT);
    while (read(out[0], &byte, 1) > 0) continue;
    int status = drive_wait(pid, drive_now_s() + 60);
    tap_ok(begun && status == 130, "Ctrl-C ends an answer: %d", status);
    close(out[0]);
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    small_verbs();
    if (golden_exists("models/tiny-gqa-bf16")) {
        kept_features();
        recorded();
        json_shape();
        text_output();
        settings();
        end_token();
        mistakes();
        each_picture();
        full_disk();
        interrupted();
    } else {
        tap_skip("models/tiny-gqa-bf16", "ask");
    }
    return drive_done();
}
