/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope script: cells, edits, reuse, notebooks, the three jobs of the guide; no terminal. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"
#include "golden.h"
#include "nbformat.h"

static const char *model(void) { return drive_golden("models/tiny-gqa-bf16"); }

/* Runs lines (JSON output, short answers). */
static const struct run *script(const char *lines)
{
    return DRIVE(lines, "script", "-", "--json", "-m", model(), "--num-crops", "1",
                 "--max-new-tokens", "6", "--dtype", "f32");
}

static json_int_t number(const json_t *line, const char *key)
{
    return json_integer_value(json_object_get(line, key));
}

static const char *text(const json_t *line, const char *key)
{
    const char *s = json_string_value(json_object_get(line, key));
    return s ? s : "";
}

/* -- Cells ---------------------------------------------------------------------------------- */

static void conversation(void)
{
    const struct run *r = script("Hello, who are you?\nAnd who am I?\n");
    json_t *one = drive_json(0), *two = drive_json(1);
    tap_ok(r->status == 0 && number(one, "cell") == 1 && number(two, "cell") == 2 &&
               !strcmp(text(one, "state"), "ok"),
           "script --json: a line for each cell, with number and state");
    json_t *timing = json_object_get(two, "timing");
    json_int_t cached = number(timing, "cached_tokens"), fresh = number(timing, "prefill_tokens");
    json_int_t all = (json_int_t)json_array_size(json_object_get(two, "input_ids"));
    tap_ok(cached > 14 && cached + fresh == all,
           "the second cell reuses the first: %d of %d tokens", (int)cached, (int)all);
    /* The same conversation as one prompt of ids, in a fresh process. */
    json_t *output = json_incref(json_object_get(two, "output_ids"));
    char *ids = json_dumps(json_object_get(two, "input_ids"), JSON_COMPACT);
    drive_write("conversation.json", ids);
    free(ids);
    json_decref(one);
    json_decref(two);

    script("Something else?\nAnd who am I?\n:edit 1 Hello, who are you?\n:run 2\n");
    two = drive_json(3);
    tap_ok(number(two, "cell") == 2 && json_equal(output, json_object_get(two, "output_ids")),
           "an edited conversation answers as a fresh one");
    json_decref(two);
    json_decref(output);
}

static void states(void)
{
    const struct run *r = script("one\ntwo\nthree\n:edit 2 zwei\n:cells\n:undo\n:cells 3\n");
    tap_ok(r->status == 0 && strstr(r->err, "In [1] ok: one\n") &&
               strstr(r->err, "In [2] ok: zwei\n") && strstr(r->err, "In [3] stale: three\n") &&
               strstr(r->err, "In [3] ok: three\n"),
           "an edit leaves the cells below stale; :undo takes it back");
    json_t *line = drive_json(3);
    tap_ok(number(line, "cell") == 2 && !drive_json(4),
           "an edited cell runs at once, the others do not");
    json_decref(line);
    r = script("one\n:system Be terse.\n:cells\n");
    tap_ok(r->status == 0 && strstr(r->err, "In [1] ok: one\n"),
           "a system turn leaves the cells above it as they are");
    r = script("one\n:system Be terse.\ntwo\n:edit 1 three\n:cells\n");
    tap_ok(r->status == 0 && strstr(r->err, "In [2] stale: two\n"), "and belongs to those below");
    r = script("one\n:run 1 seed=x\n");
    tap_ok(r->status == 1, ":run with a wrong value fails");
    r = script("one\n:run 1 max_new_tokens=2\nfive\n");
    line = drive_json(1);
    tap_ok(json_array_size(json_object_get(line, "output_ids")) == 2, ":run with a value uses it");
    json_decref(line);
    line = drive_json(2);
    tap_ok(json_array_size(json_object_get(line, "output_ids")) == 6, "and only for that run");
    json_decref(line);
}

static void more_and_retry(void)
{
    const struct run *r = DRIVE("one\n:set max_new_tokens 12\n:more\n", "script", "-", "--json",
                                "-m", model(), "--max-new-tokens", "5", "--dtype", "f32");
    json_t *first = drive_json(0), *rest = drive_json(1);
    json_t *ids = json_copy(json_object_get(first, "output_ids"));
    json_array_extend(ids, json_object_get(rest, "output_ids"));
    DRIVE("one\n", "script", "-", "--json", "-m", model(), "--max-new-tokens", "17", "--dtype",
          "f32");
    json_t *whole = drive_json(0);
    tap_ok(r->status == 0 && json_equal(ids, json_object_get(whole, "output_ids")),
           ":more goes on where the answer stopped");
    json_decref(whole);
    json_decref(ids);
    json_decref(first);
    json_decref(rest);
    r = script("one\n:retry\n:retry 1\n");
    first = drive_json(0);
    rest = drive_json(1);
    tap_ok(
        r->status == 0 && number(rest, "cell") == 1 &&
            !json_equal(json_object_get(first, "output_ids"), json_object_get(rest, "output_ids")),
        ":retry gives another answer");
    json_decref(first);
    json_decref(rest);
}

static void lines_of_cells(void)
{
    const struct run *r =
        script("#!/usr/bin/env phiscope\n\n\"\"\"\n:not a command\n two\n\"\"\"\nthree \\\nfour\n"
               "::five\n:prompt 1\n:cells\n");
    tap_ok(r->status == 0 && strstr(r->err, ":not a command\n two<|end|>") &&
               strstr(r->err, "In [3] ok: :five"),
           "cells of several lines, and with a colon");
    json_t *last = drive_json(3);
    tap_ok(!last, "three cells, three lines");
    json_decref(last);
    r = DRIVE("Hello\n", "-m", model(), "--max-new-tokens", "3", "--json");
    json_t *line = drive_json(0);
    tap_ok(r->status == 0 && number(line, "cell") == 1, "without a terminal phiscope is script -");
    json_decref(line);
    r = DRIVE(NULL, "script", drive_write("s.phi", "Hello\n!echo shell\n"), "-m", model(),
              "--max-new-tokens", "3");
    tap_ok(r->status == 0 && *r->out && !strstr(r->out, "shell\n") && strstr(r->err, "shell\n"),
           "a script's standard output holds answers only");
}

static void failures(void)
{
    static const struct {
        const char *lines, *says;
        int status;
    } bad[] = {
        {":laod x\nnot run\n", "did you mean :load?", 1},
        {":load nowhere.png\nnot run\n", "nowhere.png", 4},
        {"what is @nowhere.png?\nnot run\n", "nothing was sent", 4},
        {"what is @3?\n", "there is no picture @3", 4},
        {"/image x.png\n", "that is :load FILE here", 1},
        {"%edit 3\n", "that is :edit n here", 1},
        {":run 3\n", "there are no cells yet", 1},
        {":set temperature hot\n", "from 0 to 100", 1},
        {":set temprature 1\n", "did you mean temperature?", 1},
        {":set ctx 100\n", "fixed once the model is loaded", 1},
        {":show\n", "no pictures yet", 1},
        {":save\n", ":save needs a file name", 1},
        {":open nowhere.ipynb\n", "nowhere.ipynb", 4},
        {":s\n", ":s can mean", 1},
        {"!exit 3\n", "!exit 3 failed", 1},
        {":load -\n", "standard input is where", 1},
        {"{Out[4]}\n", "no answer 4", 1},
        {"<|image_1|>\nwhat?\n", "none is staged", 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct run *r =
            DRIVE(bad[i].lines, "script", "-", "-m", model(), "--max-new-tokens", "3");
        if (!tap_ok(r->status == bad[i].status && strstr(r->err, bad[i].says) && !*r->out,
                    "a script stops: %s", bad[i].says))
            tap_note("status %d: %s", r->status, r->err);
    }
    const struct run *r = script("one\n:nonsense\ntwo\n");
    json_t *second = drive_json(1);
    tap_ok(r->status == 1 && json_object_get(second, "error") && !drive_json(2),
           "script --json: the error is the last line");
    json_decref(second);
    r = DRIVE("\x89PNG\r\n\x1A\n", "script", "-", "-m", model());
    tap_ok(r->status == 4 && strstr(r->err, "is not UTF-8") && !*r->out, "a picture is no script");
    tap_ok(DRIVE(NULL, "script", "nowhere.phi", "-m", model())->status == 4,
           "a script that is not there");
    tap_ok(DRIVE(NULL, "script", "-m", model())->status == 2, "script without a file");
}

/* -- Pictures and jobs ---------------------------------------------------------------------- */

static json_t *input_ids(const char *const *words)
{
    drive(NULL, words);
    json_t *line = drive_json(0), *ids = json_incref(json_object_get(line, "input_ids"));
    json_decref(line);
    return ids;
}

/* Typed lines and the guide's own string must come to the same ids; all pictures by URL. */
static void job(const char *name, const char *lines, const char *raw, const char *url1,
                const char *url2)
{
    const char *words[20] = {"ask", "--json",      "--raw", "-m", model(), "--max-new-tokens",
                             "3",   "--num-crops", "4",     "-i", url1};
    int n = 11;
    if (url2) words[n++] = "-i", words[n++] = url2;
    words[n++] = raw;
    json_t *want = input_ids(words);
    const struct run *r = DRIVE(lines, "script", "-", "--json", "-m", model(), "--max-new-tokens",
                                "3", "--num-crops", "4");
    json_t *line = drive_json(0);
    if (!tap_ok(r->status == 0 && json_array_size(want) > 700 &&
                    json_equal(want, json_object_get(line, "input_ids")),
                "job: %s, typed and raw", name))
        tap_note("%s", r->err);
    json_decref(line);
    json_decref(want);
}

static void jobs(void)
{
    const char *files[] = {"/chart.png",
                           drive_golden("images/chart.png"),
                           "/cover.jpg",
                           drive_golden("images/photo_progressive_444.jpg"),
                           "/team-1.jpg",
                           drive_golden("images/photo_baseline_420.jpg"),
                           "/team-2.jpg.webp",
                           drive_golden("images/photo_lossy.webp"),
                           NULL};
    struct http *server = http_start(files);
    char url[4][100], lines[600];
    static const char *const path[4] = {"chart.png", "cover.jpg", "team-1.jpg", "team-2.jpg.webp"};
    for (int i = 0; i < 4; i++)
        snprintf(url[i], sizeof url[i], "http://127.0.0.1:%d/%s", http_port(server), path[i]);
    snprintf(lines, sizeof lines, ":load %s\nCould you please introduce this stock to me?\n",
             url[0]);
    job("the chart", lines,
        "<|user|>\n<|image_1|>\nCould you please introduce this stock to "
        "me?<|end|>\n<|assistant|>\n",
        url[0], NULL);
    snprintf(lines, sizeof lines,
             "@%s Help me get the title and author information of this book?\n", url[1]);
    job("the book cover", lines,
        "<|user|>\n<|image_1|>\nHelp me get the title and author information of this "
        "book?<|end|>\n<|assistant|>\n",
        url[1], NULL);
    snprintf(lines, sizeof lines, ":load %s %s\n What is difference in this two images?\n", url[2],
             url[3]);
    job("the two photographs", lines,
        "<|user|>\n<|image_1|>\n<|image_2|>\n What is difference in this two "
        "images?<|end|>\n<|assistant|>\n",
        url[2], url[3]);
    snprintf(lines, sizeof lines, ":load http://127.0.0.1:%d/none.png\n", http_port(server));
    const struct run *r = DRIVE(lines, "script", "-", "-m", model());
    tap_ok(r->status == 4 && strstr(r->err, "404"), "a URL that is not there: %s", "404");
    http_stop(server);
}

static void pictures(void)
{
    char lines[1000];
    snprintf(lines, sizeof lines,
             ":load %s as cover\n:load '%s'\n:images\n@cover and @2\nagain @cover?\n:drop @2\n",
             drive_golden("images/tiny_97x61.png"), drive_golden("images/rgba_alpha.png"));
    const struct run *r = script(lines);
    json_t *one = drive_json(0), *two = drive_json(1);
    tap_ok(strstr(r->err, "@1 @cover ") && strstr(r->err, "1x1+1 crops, 313 tokens") &&
               strstr(r->err, "transparent"),
           ":load says what a picture costs");
    tap_ok(json_array_size(json_object_get(one, "images")) == 2, "two pictures in the first cell");
    tap_ok(json_array_size(json_object_get(two, "images")) == 3 &&
               number(json_object_get(two, "timing"), "prefill_tokens") < 400,
           "the third comes anew, the others are reused");
    tap_ok(r->status == 1 && strstr(r->out, "cell 1 uses @2"),
           "a picture in use cannot be dropped");
    json_decref(one);
    json_decref(two);
    snprintf(lines, sizeof lines, ":load %s/*.bmp\n:unstage\nhello\n", drive_golden("images"));
    r = script(lines);
    one = drive_json(0);
    tap_ok(r->status == 0 && json_array_size(json_object_get(one, "images")) == 0 &&
               strstr(r->err, "@1 "),
           ":load of a pattern; :unstage");
    json_decref(one);
    r = script(":load "
               "data:image/png;base64,"
               "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/"
               "pLvAAAAAElFTkSuQmCC"
               "\nwhat?\n");
    one = drive_json(0);
    tap_ok(r->status == 0 && json_array_size(json_object_get(one, "images")) == 1,
           ":load of a data: URL");
    json_decref(one);
}

/* -- Notebooks ------------------------------------------------------------------------------ */

/* Of line k of what was printed; the caller's. */
static json_t *output_ids(int k)
{
    json_t *line = drive_json(k), *ids = json_incref(json_object_get(line, "output_ids"));
    json_decref(line);
    return ids;
}

static void save_and_open(void)
{
    char lines[1000];
    const char *file = drive_file("chart book.ipynb");
    snprintf(lines, sizeof lines,
             ":system Be exact.\n:load %s as cover\nWhat is "
             "@cover?\n\"\"\"\ntwo\nlines\n\"\"\"\n:save '%s'\n",
             drive_golden("images/tiny_97x61.png"), file);
    const struct run *r = script(lines);
    json_t *one = output_ids(0), *two = output_ids(1);
    char *saved = drive_read(file);
    json_t *notebook = saved ? json_loads(saved, 0, NULL) : NULL;
    const char *fault = notebook ? nbformat_fault(notebook) : "no file";
    tap_ok(r->status == 0 && !fault, ":save writes nbformat 4.5: %s", fault ? fault : "valid");
    tap_ok(saved && strstr(saved, "\"iVBORw0KGgo") && strstr(saved, "\":load ") &&
               strstr(saved, "\":system Be exact.\\n\""),
           "with the picture, and the commands as leading lines");

    snprintf(lines, sizeof lines, ":open '%s'\n:cells\n:run all\n:save '%s'\n", file,
             drive_file("b.ipynb"));
    r = script(lines);
    json_t *again1 = drive_json(0), *again2 = drive_json(1);
    tap_ok(r->status == 0 && strstr(r->err, "In [1] ok: What is @cover?") &&
               strstr(r->err, "In [2] ok: two"),
           ":open shows the cells as they were left");
    tap_ok(json_equal(one, json_object_get(again1, "output_ids")) &&
               json_equal(two, json_object_get(again2, "output_ids")),
           "and they answer the same when run again");
    snprintf(lines, sizeof lines, ":open '%s'\n:save '%s'\n", file, drive_file("c.ipynb"));
    script(lines);
    char *same = drive_read(drive_file("c.ipynb"));
    tap_ok(saved && same && !strcmp(saved, same), "opened and saved unchanged: the same bytes");
    free(same);
    free(saved);
    json_decref(notebook);
    json_decref(one);
    json_decref(two);
    json_decref(again1);
    json_decref(again2);
}

/* What a cell set, and prompts that look like commands, are the same when the file runs again. */
static void open_and_run(void)
{
    char lines[600];
    const char *file = drive_file("sampled.ipynb");
    snprintf(
        lines, sizeof lines,
        "one\n:set temperature 0.9\n:set seed 7\ntwo\n::three\n\"\"\"\n!four\n\"\"\"\n:save %s\n",
        file);
    const struct run *r = script(lines);
    bool saved = r->status == 0;
    json_t *first[4];
    for (int k = 0; k < 4; k++) first[k] = drive_json(k);
    snprintf(lines, sizeof lines, ":open %s\n:run all\n", file);
    r = script(lines);
    bool same = saved && r->status == 0;
    for (int k = 0; k < 4; k++) {
        json_t *again = drive_json(k);
        same = same &&
               json_equal(json_object_get(first[k], "input_ids"),
                          json_object_get(again, "input_ids")) &&
               json_equal(json_object_get(first[k], "output_ids"),
                          json_object_get(again, "output_ids"));
        json_decref(again);
        json_decref(first[k]);
    }
    tap_ok(same, "settings and prompts like commands come back from the file");
}

/* A cell whose picture is gone can be given another text before its first run. */
static void edit_before_first_run(void)
{
    static const char notebook[] =
        "{\"cells\":[{\"cell_type\":\"code\",\"id\":\"a\",\"metadata\":{},\"outputs\":[],"
        "\"execution_count\":null,\"source\":\"What is @gone.png?\"}],\"metadata\":{},"
        "\"nbformat\":4,\"nbformat_minor\":5}";
    char lines[600];
    snprintf(lines, sizeof lines, ":open %s\n:edit 1 Hello\n", drive_write("gone.ipynb", notebook));
    const struct run *r = script(lines);
    json_t *line = drive_json(0);
    if (!tap_ok(r->status == 0 && number(line, "cell") == 1 && !strcmp(text(line, "state"), "ok"),
                "a cell that cannot run can be edited"))
        tap_note("status %d: %s%s", r->status, r->out, r->err);
    json_decref(line);
}

static void other_formats(void)
{
    char lines[600];
    snprintf(lines, sizeof lines, "Hello\n:save %s\n:save %s\n:save %s\n:save %s\n",
             drive_file("a.md"), drive_file("a.txt"), drive_file("a.json"), drive_file("a.doc"));
    const struct run *r = script(lines);
    char *md = drive_read(drive_file("a.md")), *txt = drive_read(drive_file("a.txt")),
         *json = drive_read(drive_file("a.json"));
    json_t *value = json ? json_loads(json, 0, NULL) : NULL;
    tap_ok(md && strstr(md, "### In [1]\n\n> Hello\n") && txt &&
               strstr(txt, "In [1]: Hello\nOut[1]: ") && value,
           ":save as .md, .txt and .json");
    tap_ok(r->status == 1 && strstr(r->out, "must end in .ipynb, .md, .txt or .json"),
           "and no others");
    json_decref(value);
    free(md);
    free(txt);
    free(json);
}

/* What stands in a file may not do what a person may. */
static void untrusted(void)
{
    static const char cell[] = "{\"cells\":[{\"cell_type\":\"code\",\"id\":\"a\",\"metadata\":{},"
                               "\"outputs\":[],\"execution_count\":"
                               "null,\"source\":[\"%s\\n\",\"what?\"]}],\"metadata\":{},"
                               "\"nbformat\":4,\"nbformat_minor\":5}";
    struct http *server =
        http_start((const char *[]){"/a.png", drive_golden("images/tiny_97x61.png"), NULL});
    char command[5][300], notebook[2000], lines[1400];
    snprintf(command[0], sizeof command[0], "!touch %s", drive_file("touched"));
    snprintf(command[1], sizeof command[1], ":save %s", drive_file("touched"));
    snprintf(command[2], sizeof command[2], ":load http://127.0.0.1:%d/a.png", http_port(server));
    snprintf(command[3], sizeof command[3], ":open %s", drive_file("other.ipynb"));
    snprintf(command[4], sizeof command[4], "see @http://127.0.0.1:%d/a.png", http_port(server));
    for (int i = 0; i < 5; i++) {
        snprintf(notebook, sizeof notebook, cell, command[i]);
        snprintf(lines, sizeof lines, ":open %s\n:run 1\n", drive_write("bad.ipynb", notebook));
        const struct run *r = script(lines);
        char *touched = drive_read(drive_file("touched"));
        json_t *line = drive_json(0);
        tap_ok(r->status != 0 && !touched && !json_object_get(line, "cell"),
               "a cell from a file cannot %.5s", command[i]);
        json_decref(line);
        free(touched);
    }
    snprintf(lines, sizeof lines, ":load http://127.0.0.1:%d/a.png\nwhat?\n", http_port(server));
    tap_ok(script(lines)->status == 0, "what a person writes in a script may");
    http_stop(server);
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    if (golden_exists("models/tiny-gqa-bf16")) {
        conversation();
        states();
        more_and_retry();
        lines_of_cells();
        failures();
        jobs();
        pictures();
        save_and_open();
        open_and_run();
        edit_before_first_run();
        other_formats();
        untrusted();
    } else {
        tap_skip("models/tiny-gqa-bf16", "script");
    }
    return drive_done();
}
