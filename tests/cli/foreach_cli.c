/* SPDX-License-Identifier: GPL-3.0-or-later
 * :foreach: each picture gets the answer it would get alone, in order; what cannot be opened or
 * written says so and does not hold up the others; Ctrl-C keeps what is there. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drive.h"
#include "golden.h"

enum { N = 5, SIDE = 8 };

static const char *model(void) { return drive_golden("models/tiny-gqa-bf16"); }

/* Grey pictures of letters, each another. */
static void make_pictures(void)
{
    for (int k = 0; k < N; k++) {
        char name[16], bytes[32 + SIDE * SIDE];
        int n = snprintf(bytes, sizeof bytes, "P5\n%d %d\n255\n", SIDE, SIDE);
        for (int i = 0; i < SIDE * SIDE; i++) bytes[n + i] = (char)('A' + (i * (k + 3)) % 50);
        bytes[n + SIDE * SIDE] = 0;
        snprintf(name, sizeof name, "p%d.pgm", k + 1);
        drive_write(name, bytes);
    }
}

/* Runs lines, in which $ is the folder of the pictures. */
static const struct run *script(const char *lines, const char *json)
{
    return DRIVE(drive_lines(lines), "script", "-", "-m", model(), "--num-crops", "1",
                 "--max-new-tokens", "6", "--dtype", "f32", json);
}

static void as_alone(void)
{
    json_t *many[N];
    const struct run *r = script(":foreach $/p*.pgm \"What is this?\"\n", "--json");
    bool fine = r->status == 0;
    for (int k = 0; k < N; k++) many[k] = drive_json(k);
    json_t *more = drive_json(N);
    tap_ok(fine && many[N - 1] && !more, "a line for each picture");
    script(":load $/p1.pgm\nWhat is this?\n:reset\n:load $/p2.pgm\nWhat is this?\n:reset\n"
           ":load $/p3.pgm\nWhat is this?\n:reset\n:load $/p4.pgm\nWhat is this?\n:reset\n"
           ":load $/p5.pgm\nWhat is this?\n",
           "--json");
    bool same = true;
    for (int k = 0; k < N; k++) {
        json_t *alone = drive_json(k);
        same =
            same &&
            json_equal(json_object_get(many[k], "output_ids"),
                       json_object_get(alone, "output_ids")) &&
            json_equal(json_object_get(many[k], "input_ids"), json_object_get(alone, "input_ids"));
        char end[16];
        snprintf(end, sizeof end, "/p%d.pgm", k + 1);
        const char *name = json_string_value(json_object_get(many[k], "picture"));
        same = same && name && strstr(name, end);
        json_decref(alone);
        json_decref(many[k]);
    }
    json_decref(more);
    tap_ok(same, "in order, each what the picture gets alone");
}

static void of_cells_and_handles(void)
{
    const struct run *r = script(":load $/p1.pgm\nWhat?\n:load $/p2.pgm as two\n"
                                 ":foreach @two @1\n:foreach @all 1\n:cells\n",
                                 "--json");
    json_t *first = drive_json(0), *two = drive_json(1), *one = drive_json(2), *all = drive_json(3);
    tap_ok(r->status == 0 &&
               json_equal(json_object_get(first, "output_ids"), json_object_get(one, "output_ids")),
           "a cell asked again of its own picture answers the same");
    tap_ok(json_equal(json_object_get(one, "output_ids"), json_object_get(all, "output_ids")) &&
               !json_equal(json_object_get(one, "input_ids"), NULL) && two,
           "handles by name, number and all");
    tap_ok(strstr(r->err, "In [1] ok: What?\n") && !strstr(r->err, "In [2]"),
           "the notebook stays as it was");
    json_decref(first);
    json_decref(two);
    json_decref(one);
    json_decref(all);
    r = script("Hello\n:foreach $/p1.pgm\n", "--plain");
    tap_ok(r->status == 0 && strstr(r->err, "p1.pgm (1 of 1)") &&
               strstr(r->err, "(1 of 1 pictures answered)"),
           "without a question the last cell's is asked; k of n is told");
}

static void a_broken_one_in_the_middle(void)
{
    char *csv, line[300];
    drive_write("p2.pgm", "no picture");
    const struct run *r =
        script(":foreach $/p*.pgm \"What, \\\"then\\\"?\" to $/out.csv\n", "--plain");
    csv = drive_read(drive_file("out.csv"));
    tap_ok(r->status == 4 && strstr(r->err, "p2.pgm: ") && strstr(r->err, "p5.pgm (5 of 5)") &&
               strstr(r->err, "4 of 5 pictures answered") &&
               strstr(r->err, "1 of 5 pictures gave no answer"),
           "a picture that cannot be read is told, the others go on");
    snprintf(line, sizeof line, "%s/p2.pgm,,,", drive_tmp());
    tap_ok(csv && !strncmp(csv, "picture,answer,finish_reason,error\n", 35) && strstr(csv, line) &&
               strstr(csv, "/p5.pgm,"),
           "and all have their row of the CSV file");
    free(csv);
    r = script(":foreach $/p1.pgm $/gone.pgm \"What?\" to $/out.jsonl\n", "--plain");
    char *jsonl = drive_read(drive_file("out.jsonl"));
    tap_ok(r->status == 4 && jsonl && strstr(jsonl, "\"finish_reason\":") &&
               strstr(jsonl, "gone.pgm\",\"error\":"),
           "JSON lines, by the file's name");
    free(jsonl);
    make_pictures();
}

/* Names that look alike, where their bytes cannot be shown, are two pictures in a table, which has
 * them as they can be typed. */
static void names_of_any_bytes(const char *table, const char *one, const char *two)
{
    char line[100], *bytes = drive_read(drive_file("p1.pgm"));
    snprintf(line, sizeof line, ":foreach $/caf*.pgm \"What?\" to $/%s\n", table);
    remove(drive_file("caf\xe9.pgm"));
    drive_write("caf\xe8.pgm", bytes);
    script(line, "--plain");
    drive_write("caf\xe9.pgm", bytes);
    const struct run *r = script(line, "--plain");
    char *rows = drive_read(drive_file(table));
    tap_ok(r->status == 0 && strstr(r->err, "(1 of these 2 pictures are in ") &&
               strstr(r->err, "(1 of 1 pictures answered") && rows && strstr(rows, one) &&
               strstr(rows, two),
           "names of any bytes in %s", table);
    free(rows);
    free(bytes);
    char load[300];
    snprintf(load, sizeof load, ":load $'%s/caf\\xe9.pgm'\n", drive_tmp());
    r = DRIVE(load, "script", "-", "-m", model(), "--plain");
    tap_ok(r->status == 0, "which :load takes");
}

static void refused(void)
{
    static const struct {
        const char *lines, *says;
        int status;
    } wrong[] = {
        {":foreach @7 \"What?\"\n", "there is no picture @7", 1},
        {":foreach @3-9 \"What?\"\n", "there are no pictures @3-9", 1},
        {":foreach $/q*.pgm \"What?\"\n", "no file matches", 4},
        {":foreach $/p1.pgm\n", "there is no cell to ask yet", 1},
        {"Hello\n:foreach $/p1.pgm 4\n", "cell", 1},
        {":foreach\n", ":foreach needs pictures", 1},
        {":foreach \"What?\"\n", "there is no cell", 1},
        {":foreach $/p1.pgm \"And @1?\"\n", "@1", 4},
        {":foreach $/p1.pgm \"What?\" to $/out.txt\n", "must end in .csv or .jsonl", 1},
        {":foreach $/p1.pgm \"What?\" to $/no/such/out.csv\n", "cannot write", 4},
        {":load $/p1.pgm $/p2.pgm\nWhat?\n:foreach @1 1\n", "cell 1 is about 2 pictures", 1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct run *r = script(wrong[i].lines, "--plain");
        bool told = r->status == wrong[i].status && strstr(r->err, wrong[i].says) &&
                    !strstr(r->err, "answered");
        tap_ok(told, "refused: %s", wrong[i].says);
        if (!told) tap_note("status %d: %s", r->status, r->err);
    }
}

static void interrupted(void)
{
    struct pty *p = pty_start((const char *const[]){"-m", model(), "--num-crops", "1", "--dtype",
                                                    "f32", "--max-new-tokens", "100000", NULL});
    char keys[500];
    snprintf(keys, sizeof keys, ":foreach %s/p*.pgm \"Tell me more\" to %s/part.jsonl\r",
             drive_tmp(), drive_tmp());
    bool up = pty_expect(p, "In [1]:");
    pty_type(p, keys);
    tap_ok(up && pty_expect(p, "p1.pgm (1 of 5)") && pty_expect(p, " "), "the first is answered");
    pty_type(p, "\003");
    tap_ok(pty_expect(p, "(interrupted; 0 of 5 pictures answered") && pty_expect(p, "In [1]:"),
           "Ctrl-C stops it and those behind it");
    pty_type(p, ":quit\r");
    tap_ok(pty_end(p) == 0, "the session goes on");
    char *part = drive_read(drive_file("part.jsonl"));
    tap_ok(part && strstr(part, "p1.pgm") && strstr(part, "\"interrupted\""),
           "what was said is kept");
    free(part);
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    make_pictures();
    as_alone();
    of_cells_and_handles();
    a_broken_one_in_the_middle();
    refused();
    names_of_any_bytes("names.csv", "/caf\\xe8.pgm',", "/caf\\xe9.pgm',");
    names_of_any_bytes("names.jsonl", "/caf\\\\xe8.pgm'\"", "/caf\\\\xe9.pgm'\"");
    interrupted();
    return drive_done();
}
