/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope doctor: reports on this machine, this build and a model, to find out why something does
 * not work. It marks what is wrong, and the exit status says whether anything is. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utf8proc.h>

#include "common/json.h"
#include "common/must.h"
#include "net/fetch.h"
#include "phi3v_tools.h"
#include "term/out.h"
#include "term/sixel.h"
#include "tty/fault.h"
#include "tty/line.h"
#include "verbs/model_choice.h"
#include "verbs/verbs.h"

struct doctor {
    const struct options *opt;
    struct out out;
    int n_wrong;
};

/* Reports a finding; with `good` false it is something to fix. */
static void find(struct doctor *d, const char *part, bool good, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void find(struct doctor *d, const char *part, bool good, const char *format, ...)
{
    char text[1200];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (!good) d->n_wrong++;
    if (!d->opt->json) {
        out_format(&d->out, "%-10s %s%s\n", part, good ? "" : "WRONG: ", text);
        return;
    }
    json_t *line = json_pack("{s:s,s:b,s:o}", "part", part, "good", good, "text", json_text(text));
    verb_report_json(line);
    json_decref(line);
}

/* -- The machine ------------------------------------------------------------------------------ */

static void show_level(const char *name, const char *why_off, void *user)
{
    bool is_kept_off = why_off && !strncmp(why_off, "PHI3V_CPU", 9);
    find(user, "cpu level", true, "%-12s %s%s", name,
         !why_off      ? "on"
         : is_kept_off ? "turned off by "
                       : "off: lacks ",
         why_off ? why_off : "");
}

static int show_device(const char *name, const char *description, int usable, const char *why_not,
                       void *user)
{
    find(user, "device", true, "%s: %s%s%s", name, description ? description : "",
         usable ? "" : "; not usable: ", usable || !why_not ? "" : why_not);
    return 0;
}

static void show_memory(struct doctor *d)
{
    char all[32], left[32];
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    find(d, "memory", true, "%s, of which %s available",
         human_bytes((double)pages * (double)size, all, sizeof all),
         human_bytes((double)phi3v_memory_available(), left, sizeof left));
}

static void show_library(const char *name, const char *version, void *user)
{
    find(user, "library", true, "%-14s %s", name, version ? version : "not in this build");
}

static void show_libraries(struct doctor *d)
{
    find(d, "program", true, "phiscope %s", phi3v_version());
    phi3v_libraries(show_library, d);
    show_library("fetching", fetch_library(), d);
    show_library("readline", line_library(), d);
    show_library("libsixel", sixel_library(), d);
    show_library("libutf8proc", utf8proc_version(), d);
}

static void show_terminal(struct doctor *d)
{
    struct term *term = d->opt->json ? NULL : term_open(NULL);
    if (!term) return;
    out_flush(&d->out);
    term_describe(term, stdout);
    term_close(term);
}

/* -- A model ---------------------------------------------------------------------------------- */

/* Opens the model as it is stored, without conversion; packed weights stay packed. */
static int open_model(const char *path, phi3v_model **ret, struct phi3v_error *err)
{
    struct phi3v_model_options how;
    phi3v_model_options_default(&how);
    how.device = "cpu";
    how.dtype = "f32";
    how.ctx = 1024;
    int rc = phi3v_model_open(path, &how, ret, err);
    if (rc != PHI3V_E_ARGUMENT) return rc;
    how.dtype = "auto";
    how.ctx = 0;
    return phi3v_model_open(path, &how, ret, err);
}

static void show_files(struct doctor *d, const phi3v_model *model)
{
    struct phi3v_model_health health;
    struct phi3v_error err;
    const struct phi3v_model_info *info = phi3v_model_info(model);
    char size[32];
    if (phi3v_model_health(model, &health, &err)) {
        find(d, "model", false, "%s", err.text);
        return;
    }
    find(d, "model", true, "%.3g million parameters, %s of weights as %s",
         (double)info->n_params * 1e-6, human_bytes((double)info->weights_bytes, size, sizeof size),
         info->dtype);
    find(d, "tensors", health.n_found == health.n_expected,
         "%lld of the %lld that config.json asks for, %lld in the files", (long long)health.n_found,
         (long long)health.n_expected, (long long)health.n_tensors);
    find(d, "tokenizer", true, "%d ids, sha256 %s", health.n_token_ids, health.tokenizer_sha256);
}

/* Where it is, or NULL and a line that it cannot be found; free with phi3v_string_free. */
static char *find_model(struct doctor *d, const char *name)
{
    char *path;
    struct phi3v_error err;
    if (!phi3v_model_find(name, model_choice_dirs(), &path, &err)) return path;
    find(d, "model", false, "%s", err.text);
    return NULL;
}

/* Reports on the model, and returns it if it opens. */
static phi3v_model *show_model(struct doctor *d, const char *path)
{
    struct phi3v_error err;
    phi3v_model *model = NULL;
    if (!path) return NULL;
    find(d, "model", true, "%s", path);
    if (open_model(path, &model, &err))
        find(d, "model", false, "%s", err.text);
    else
        show_files(d, model);
    return model;
}

static bool are_same(const char *a, const char *b)
{
    struct stat of_a, of_b;
    return a && b && !stat(a, &of_a) && !stat(b, &of_b) && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

/* -- A known answer of the built-in model ----------------------------------------------------- */

enum { SIDE = 336, BEGIN = 96, END = 240 };

/* A red square on white. */
static phi3v_image *draw_square(struct phi3v_error *err)
{
    uint8_t *rgb = xalloc((size_t)SIDE * SIDE * 3);
    phi3v_image *image = NULL;
    memset(rgb, 255, (size_t)SIDE * SIDE * 3);
    for (int y = BEGIN; y < END; y++)
        for (int x = BEGIN; x < END; x++)
            memcpy(rgb + ((size_t)y * SIDE + (size_t)x) * 3, (uint8_t[]){200, 30, 30}, 3);
    phi3v_image_from_rgb(rgb, SIDE, SIDE, &image, err);
    free(rgb);
    return image;
}

static int ask(phi3v_model *model, phi3v_image *image, struct phi3v_result *ret,
               struct phi3v_error *err)
{
    struct phi3v_turn turn = {.role = "user",
                              .text = "<|image_1|>\nWhat shape is this?",
                              .images = &image,
                              .n_images = 1};
    struct phi3v_params params;
    phi3v_prompt *prompt = NULL;
    phi3v_session *session = NULL;
    phi3v_params_default(&params);
    params.max_new_tokens = 60;
    int rc = phi3v_prompt_chat(model, &turn, 1, NULL, &prompt, err);
    if (!rc) rc = phi3v_session_new(model, &session, err);
    if (!rc) rc = phi3v_generate(session, prompt, &params, NULL, NULL, ret, err);
    phi3v_prompt_free(prompt);
    phi3v_session_free(session);
    return rc;
}

static void show_answer(struct doctor *d, phi3v_model *model)
{
    struct phi3v_error err;
    struct phi3v_result result = {.size = sizeof result};
    phi3v_image *image = draw_square(&err);
    if (!image || ask(model, image, &result, &err)) {
        find(d, "answer", false, "%s", err.text);
    } else {
        bool good = strstr(result.text, "red square") != NULL;
        find(d, "answer", good, "a red square is %s by the built-in model: \"%.200s\"",
             good ? "recognised" : "not recognised", result.text);
    }
    phi3v_result_fini(&result);
    phi3v_image_free(image);
}

/* -- Verb ------------------------------------------------------------------------------------- */

static void examine(struct doctor *d, const char *name)
{
    show_libraries(d);
    phi3v_cpu_levels(show_level, d);
    phi3v_devices(show_device, d);
    show_memory(d);
    show_terminal(d);
    char *built_in = find_model(d, "default"), *chosen = name ? find_model(d, name) : NULL;
    phi3v_model *model = NULL;
    if (chosen && !are_same(chosen, built_in)) { /* no right answer is known of it */
        model = show_model(d, chosen);
        fault_model(model);
        phi3v_model_close(model);
    }
    model = show_model(d, built_in);
    fault_model(model);
    if (model) show_answer(d, model);
    fault_model(NULL);
    phi3v_model_close(model);
    phi3v_string_free(chosen);
    phi3v_string_free(built_in);
}

int doctor_main(struct options *opt, int argc, char **argv)
{
    char **words;
    int n, status = verb_options(opt, argc, argv, &words, &n);
    if (status >= 0) return status;
    if (n > 0) return verb_misuse(opt, "doctor takes no words, not \"%s\"", words[0]);
    struct doctor d = {.opt = opt};
    out_init(&d.out, stdout, NULL);
    examine(&d, model_choice_name(opt));
    if (!opt->json)
        out_format(&d.out, "%d problem%s found\n", d.n_wrong, d.n_wrong == 1 ? "" : "s");
    bool failed = out_flush(&d.out) != 0;
    return d.n_wrong || failed ? EXIT_CELL : EXIT_FINE;
}
