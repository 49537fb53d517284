/* SPDX-License-Identifier: MIT
 * The public API on tiny models: opening, prompts, reuse, cancelling, continuing, stopping,
 * threads. */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine_fixture.h"
#include "folder.h"

static const struct phi3v_prompt_options all_crops = {.size = sizeof all_crops, .num_crops = 16};

enum { PIECE = 256 }; // what a cancelled prefill can lose

static phi3v_model *gqa; // opened once, shared by the tests

static int open_shared(void **state)
{
    (void)state;
    gqa = test_model("tiny-gqa-bf16", 2, 0);
    return 0;
}

static int close_shared(void **state)
{
    (void)state;
    phi3v_model_close(gqa);
    return 0;
}

/* -- Opening ----------------------------------------------------------------------------------- */

static int open_with(const char *path, const char *device, const char *dtype, int64_t ctx,
                     struct phi3v_error *err)
{
    struct phi3v_model_options opt;
    phi3v_model_options_default(&opt);
    opt.device = device;
    opt.dtype = dtype;
    opt.ctx = ctx;
    phi3v_model *model = NULL;
    int rc = phi3v_model_open(path, &opt, &model, err);
    phi3v_model_close(model);
    return rc;
}

static void opening_refuses_with_a_sentence(void **state)
{
    (void)state;
    struct phi3v_error err;
    char *path = test_model_path("tiny-gqa-bf16");
    assert_true(open_with("/nowhere/at/all", "cpu", "f32", 0, &err) < 0);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    assert_int_equal(open_with(path, "gpu", "f32", 0, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(open_with(path, "cuda:x", "f32", 0, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(open_with(path, "cpu", "int3", 0, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(open_with(path, "cpu", "f32", -1, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(open_with(path, "cpu", "f32", 1 << 30, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(open_with(path, "auto", "auto", 100, &err), 0);
    struct phi3v_model_options opt = {0}; // no size
    phi3v_model *model = NULL;
    assert_int_equal(phi3v_model_open(path, &opt, &model, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(phi3v_model_open(NULL, NULL, &model, &err), PHI3V_E_ARGUMENT);
    free(path);
}

static int count_loads(const struct phi3v_event *event, void *user)
{
    int *n = user;
    assert_int_equal(event->stage, PHI3V_STAGE_LOAD);
    assert_in_range(event->done, 0, event->total);
    return ++*n == 100;
}

static void loading_reports_and_can_be_stopped(void **state)
{
    (void)state;
    struct phi3v_model_options opt;
    phi3v_model_options_default(&opt);
    int n = 0;
    opt.on_event = count_loads;
    opt.user = &n;
    char *path = test_model_path("tiny-gqa-bf16");
    phi3v_model *model = NULL;
    assert_int_equal(phi3v_model_open(path, &opt, &model, NULL), 0);
    assert_true(n >= 2);
    phi3v_model_close(model);
    for (int stop_at = 0; stop_at < n; stop_at++) {
        int count = 99 - stop_at;
        opt.user = &count;
        assert_int_equal(phi3v_model_open(path, &opt, &model, NULL), PHI3V_E_CANCELLED);
    }
    free(path);
}

static int count_tensors(const char *name, const char *dtype, int n_dims, const int64_t *shape,
                         void *user)
{
    (void)shape;
    assert_true(*name && n_dims > 0);
    assert_string_equal(dtype, "BF16");
    ++*(int *)user;
    return 0;
}

static void info_tells_the_truth(void **state)
{
    (void)state;
    const struct phi3v_model_info *info = phi3v_model_info(gqa);
    assert_string_equal(info->name, "tiny-gqa-bf16");
    assert_string_equal(info->dtype, "f32");
    assert_non_null(strstr(info->device, "cpu (2 threads"));
    assert_int_equal(info->n_layers, 2);
    assert_int_equal(info->hidden, 32);
    assert_int_equal(info->n_kv_heads, 2);
    assert_int_equal(info->n_vocab, 32064);
    assert_int_equal(info->crop_side, 336);
    assert_int_equal(info->crop_tokens, 144);
    assert_int_equal(info->num_crops, 4);
    assert_in_range(info->ctx, 8192, info->ctx_model);
    assert_int_equal(info->kv_bytes_per_token,
                     2 * 2 * 2 * 16 * 4); // layers, k and v, heads, padded
    int n = 0;
    assert_int_equal(phi3v_model_tensors(gqa, count_tensors, &n), 0);
    assert_true(n > 40);
    phi3v_model *model = test_model("tiny-long-bf16", 1, 0);
    assert_int_equal(phi3v_model_info(model)->rope_switch, 256);
    phi3v_model_close(model);
}

static int see_device(const char *name, const char *description, int usable, const char *why_not,
                      void *user)
{
    assert_true(*name && *description && (usable || why_not));
    *(int *)user += usable && !strcmp(name, "cpu");
    return 0;
}

static void devices_are_listed(void **state)
{
    (void)state;
    int cpus = 0;
    assert_int_equal(phi3v_devices(see_device, &cpus), 0);
    assert_int_equal(cpus, 1);
}

/* -- Prompts ----------------------------------------------------------------------------------- */

static int chat_error(const struct phi3v_turn *turns, int n, struct phi3v_error *err)
{
    phi3v_prompt *prompt = NULL;
    int rc = phi3v_prompt_chat(gqa, turns, n, NULL, &prompt, err);
    phi3v_prompt_free(prompt);
    return rc;
}

static void prompts_stop(void **state)
{
    (void)state;
    int n_asked = 0;
    phi3v_prompt *prompt = NULL;
    struct phi3v_turn turn = {.role = "user", .text = "x"};
    struct phi3v_prompt_options how;
    phi3v_prompt_options_default(&how);
    how.stopped = test_stops;
    how.user = &n_asked;
    assert_int_equal(phi3v_prompt_chat(gqa, &turn, 1, &how, &prompt, NULL), PHI3V_E_CANCELLED);
    assert_null(prompt);
    assert_int_equal(n_asked, 1);
}

static void prompts_are_checked(void **state)
{
    (void)state;
    struct phi3v_error err;
    phi3v_image *image = test_image(1, 30);
    int32_t ids[] = {5, 6};
    struct phi3v_turn empty = {.role = "user", .text = ""};
    struct phi3v_turn role = {.role = "robot", .text = "x"};
    struct phi3v_turn untagged = {.role = "user", .text = "x", .images = &image, .n_images = 1};
    struct phi3v_turn missing = {
        .role = "user", .text = "<|image_2|>", .images = &image, .n_images = 1};
    struct phi3v_turn with_ids = {.role = "user", .text = "x", .ids = ids, .n_ids = 2};
    struct phi3v_turn open_early[] = {{.role = "assistant", .text = "x", .open = 1},
                                      {.role = "user", .text = "y"}};
    assert_int_equal(chat_error(NULL, 0, &err), PHI3V_E_PROMPT);
    assert_int_equal(chat_error(&empty, 1, &err), PHI3V_E_PROMPT);
    assert_int_equal(chat_error(&role, 1, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(chat_error(&untagged, 1, &err), PHI3V_E_PROMPT);
    assert_int_equal(chat_error(&missing, 1, &err), PHI3V_E_PROMPT);
    assert_int_equal(chat_error(&with_ids, 1, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(chat_error(open_early, 2, &err), PHI3V_E_ARGUMENT);

    phi3v_prompt *prompt = NULL;
    assert_int_equal(phi3v_prompt_raw(gqa, "", NULL, 0, 0, &prompt, &err), PHI3V_E_PROMPT);
    assert_int_equal(phi3v_prompt_ids_new(gqa, ids, 0, NULL, 0, 0, &prompt, &err), PHI3V_E_PROMPT);
    assert_int_equal(phi3v_prompt_raw(gqa, "<|image_1|>", &image, 1, -3, &prompt, &err),
                     PHI3V_E_ARGUMENT);
    phi3v_image_free(image);
}

static void prompt_keeps_its_pictures(void **state)
{
    (void)state;
    phi3v_image *image = test_image(1, 30);
    phi3v_prompt *prompt = test_prompt(gqa, "<|image_1|>\nWhat?", &image, 1);
    phi3v_image_free(image);
    struct phi3v_image_plan plan;
    assert_int_equal(phi3v_prompt_n_images(prompt), 1);
    assert_ptr_equal(phi3v_prompt_image(prompt, 0, &plan), image);
    assert_int_equal(plan.n_tokens, 313);
    assert_null(phi3v_prompt_image(prompt, 1, NULL));
    size_t n, rows = 0;
    const int32_t *ids = phi3v_prompt_ids(prompt, &n);
    for (size_t i = 0; i < n; i++) rows += ids[i] == -1;
    assert_int_equal(rows, 313);
    phi3v_prompt_free(prompt);
}

/* -- Reuse ------------------------------------------------------------------------------------- */

static struct phi3v_timing prefill(phi3v_session *s, const phi3v_prompt *prompt)
{
    struct phi3v_timing timing;
    assert_int_equal(phi3v_prefill(s, prompt, NULL, NULL, &timing, NULL), 0);
    return timing;
}

static phi3v_prompt *from_ids(const phi3v_model *model, const int32_t *ids, size_t n)
{
    phi3v_prompt *prompt = NULL;
    assert_int_equal(phi3v_prompt_ids_new(model, ids, n, NULL, 0, 0, &prompt, NULL), 0);
    return prompt;
}

static void only_what_differs_is_computed(void **state)
{
    (void)state;
    int32_t ids[400];
    for (int i = 0; i < 400; i++) ids[i] = 1000 + i;
    phi3v_session *s = test_session(gqa);
    phi3v_prompt *all = from_ids(gqa, ids, 400), *part = from_ids(gqa, ids, 300);
    ids[120] = 7;
    phi3v_prompt *edited = from_ids(gqa, ids, 400);

    assert_int_equal(phi3v_session_common(s, all), 0);
    struct phi3v_timing t = prefill(s, all);
    assert_int_equal(t.prefill_tokens, 400);
    assert_int_equal(t.cached_tokens, 0);
    assert_int_equal(phi3v_session_tokens(s), 400);
    assert_int_equal(phi3v_session_common(s, all), 399); // the last one's logits are wanted
    t = prefill(s, all);
    assert_int_equal(t.prefill_tokens, 1);
    assert_int_equal(t.cached_tokens, 399);
    assert_int_equal(phi3v_session_common(s, edited), 120);
    t = prefill(s, edited);
    assert_int_equal(t.cached_tokens, 120);
    assert_int_equal(t.prefill_tokens, 280);
    assert_int_equal(phi3v_session_common(s, part), 299); // what was given up is not forgotten
    assert_int_equal(prefill(s, part).prefill_tokens, 1);
    assert_int_equal(phi3v_session_tokens(s), 300);
    phi3v_session_clear(s);
    assert_int_equal(phi3v_session_tokens(s), 0);
    assert_int_equal(phi3v_session_common(s, part), 299);
    phi3v_session *other = test_session(gqa), *alone = test_fresh_session(gqa);
    assert_int_equal(prefill(other, edited).cached_tokens, 384); // whole blocks
    assert_int_equal(phi3v_session_common(alone, part), 0);
    assert_int_equal(prefill(alone, part).prefill_tokens, 300);
    assert_true(test_same_logits(other, alone, edited));
    assert_true(test_same_logits(s, alone, all));
    phi3v_session_free(other);
    phi3v_session_free(alone);

    phi3v_prompt_free(all);
    phi3v_prompt_free(part);
    phi3v_prompt_free(edited);
    phi3v_session_free(s);
}

static void pictures_are_encoded_once(void **state)
{
    (void)state;
    phi3v_image *a = test_image(100, 30), *same = test_image(100, 30), *b = test_image(101, 30);
    phi3v_session *s = test_session(gqa), *other = test_session(gqa);
    phi3v_prompt *first = test_prompt(gqa, "<|image_1|>\nWhat?", &a, 1);
    phi3v_prompt *again = test_prompt(gqa, "<|image_1|>\nWhat else?", &same, 1);
    phi3v_image *both[] = {b, a};
    phi3v_prompt *two = test_prompt(gqa, "<|image_1|>\n<|image_2|>\n<|image_1|>\nWhich?", both, 2);

    assert_int_equal(prefill(s, first).vision_crops, 2);
    struct phi3v_timing t = prefill(s, again); // by content, not by handle
    assert_int_equal(t.vision_crops, 0);
    assert_true(t.cached_tokens > 313);
    assert_int_equal(prefill(other, first).vision_crops, 0); // features belong to the model
    assert_int_equal(prefill(s, two).vision_crops, 2);       // only b, although it comes first
    assert_true(test_same_logits(s, other, two));

    phi3v_prompt_free(first);
    phi3v_prompt_free(again);
    phi3v_prompt_free(two);
    phi3v_image_free(a);
    phi3v_image_free(same);
    phi3v_image_free(b);
    phi3v_session_free(s);
    phi3v_session_free(other);
}

/* What is made up is nobody else's. */
static void filled_sessions_go_on(void **state)
{
    (void)state;
    phi3v_session *s = test_session(gqa);
    struct phi3v_error err;
    assert_int_equal(phi3v_session_fill(s, 1000, &err), 0);
    int32_t ids[1002];
    for (int i = 0; i < 1002; i++) ids[i] = i < 1000 ? 1 : 50;
    phi3v_prompt *prompt = from_ids(gqa, ids, 1002);
    assert_int_equal(prefill(s, prompt).cached_tokens, 1000);
    phi3v_session *other = test_session(gqa);
    assert_in_range(phi3v_session_common(other, prompt), 0, 1); // all prompts begin with <s>
    phi3v_session_free(other);
    assert_int_equal(phi3v_session_fill(s, -1, &err), PHI3V_E_ARGUMENT);
    double seconds = -1;
    for (int n_crops = 1; n_crops <= 5; n_crops += 4) {
        assert_int_equal(phi3v_bench_vision(s, n_crops, &seconds, &err), 0);
        assert_true(seconds >= 0);
    }
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
}

struct seen { // of a traced pass
    float logits[32064];
    int n_vision, n_tensors, stop_after;
};

static int see_tensor(const char *name, int n_dims, const int64_t *shape, const float *data,
                      void *user)
{
    struct seen *seen = user;
    seen->n_vision += !strcmp(name, "vision.patch_embed");
    if (!strcmp(name, "logits_last")) {
        assert_int_equal(n_dims, 1);
        memcpy(seen->logits, data, (size_t)shape[0] * sizeof *data);
    }
    return ++seen->n_tensors == seen->stop_after;
}

static void activations_come_from_a_fresh_pass(void **state)
{
    (void)state;
    static struct seen seen;
    seen = (struct seen){0};
    phi3v_session *s = test_session(gqa);
    phi3v_image *images[] = {test_image(400, 30), test_image(401, 30)};
    phi3v_prompt *prompt = test_prompt(gqa, "<|image_1|>\n<|image_2|>\nWhat?", images, 2);
    prefill(s, prompt); // what is cached must not shorten the pass
    assert_int_equal(phi3v_activations(s, prompt, see_tensor, &seen, NULL), 0);
    assert_int_equal(seen.n_vision, 2);
    float *logits;
    assert_int_equal(phi3v_logits(s, prompt, 0, NULL, NULL, &logits, NULL, NULL), 0);
    assert_memory_equal(logits, seen.logits, sizeof seen.logits);
    phi3v_floats_free(logits);
    seen.stop_after = seen.n_tensors + 3;
    assert_int_equal(phi3v_activations(s, prompt, see_tensor, &seen, NULL), PHI3V_E_CANCELLED);
    phi3v_prompt_free(prompt);
    phi3v_image_free(images[0]);
    phi3v_image_free(images[1]);
    phi3v_session_free(s);
}

/* -- Limits ------------------------------------------------------------------------------------ */

static void limits_are_kept_and_told(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-gqa-bf16", 1, 64);
    phi3v_session *s = test_session(model);
    int32_t ids[70];
    for (int i = 0; i < 70; i++) ids[i] = 300 + i;
    phi3v_prompt *fits = from_ids(model, ids, 60), *full = from_ids(model, ids, 64),
                 *over = from_ids(model, ids, 70);
    struct phi3v_result r = test_answer(s, fits, 100);
    assert_int_equal(r.finish, PHI3V_FINISH_LENGTH);
    assert_int_equal(r.n_ids, 4);
    assert_int_equal(r.n_answer_ids, 4);
    assert_int_equal(r.timing.decode_tokens, 4);
    phi3v_result_fini(&r);
    r = test_answer(s, fits, 2);
    assert_int_equal(r.finish, PHI3V_FINISH_LENGTH);
    assert_int_equal(r.n_ids, 2);
    phi3v_result_fini(&r);

    int64_t held = phi3v_session_tokens(s);
    struct phi3v_error err;
    assert_int_equal(phi3v_generate(s, full, NULL, NULL, NULL, NULL, &err), PHI3V_E_TOO_LONG);
    assert_non_null(strstr(err.text, "64 tokens, 1 more"));
    assert_int_equal(phi3v_generate(s, over, NULL, NULL, NULL, NULL, &err), PHI3V_E_TOO_LONG);
    assert_non_null(strstr(err.text, "70 tokens, 7 more"));
    assert_int_equal(phi3v_prefill(s, over, NULL, NULL, NULL, &err), PHI3V_E_TOO_LONG);
    assert_non_null(strstr(err.text, "70 tokens, 6 more"));
    assert_int_equal(phi3v_session_tokens(s), held); // nothing is lost
    assert_int_equal(prefill(s, full).prefill_tokens + prefill(s, full).cached_tokens,
                     64 - (held - 1) + 63);

    phi3v_session *stranger = test_session(gqa);
    assert_int_equal(phi3v_prefill(stranger, fits, NULL, NULL, NULL, &err), PHI3V_E_ARGUMENT);
    phi3v_session_free(stranger);
    phi3v_prompt_free(fits);
    phi3v_prompt_free(full);
    phi3v_prompt_free(over);
    phi3v_session_free(s);
    phi3v_model_close(model);
}

/* -- Answers ----------------------------------------------------------------------------------- */

struct shown { // the text of all events
    char text[4000];
    size_t n, n_events;
    size_t stop_after; // events; 0: never
};

static int show(const struct phi3v_event *event, void *user)
{
    struct shown *shown = user;
    if (event->type != PHI3V_EVENT_TEXT) return 0;
    assert_true(event->n_text_bytes > 0);
    assert_true(shown->n + event->n_text_bytes < sizeof shown->text);
    memcpy(shown->text + shown->n, event->text, event->n_text_bytes);
    shown->n += event->n_text_bytes;
    shown->text[shown->n] = 0;
    return ++shown->n_events == shown->stop_after;
}

static struct phi3v_result answer(phi3v_session *s, const phi3v_prompt *prompt,
                                  const struct phi3v_params *params, struct shown *shown)
{
    struct phi3v_result r = {.size = sizeof r};
    struct phi3v_error err;
    if (phi3v_generate(s, prompt, params, show, shown, &r, &err)) fail_msg("%s", err.text);
    return r;
}

static void events_ids_and_text_agree(void **state)
{
    (void)state;
    phi3v_session *s = test_session(gqa);
    phi3v_prompt *prompt = test_prompt(gqa, "Tell me.", NULL, 0);
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = 60;
    params.temperature = 1.5f;
    params.seed = 3;
    struct shown shown = {0}, shown_again = {0};
    struct phi3v_result r = answer(s, prompt, &params, &shown);
    assert_string_equal(shown.text, r.text);
    assert_int_equal(shown.n, r.n_text_bytes);
    char *text;
    assert_int_equal(phi3v_detokenize(gqa, r.ids, r.n_ids, 0, &text, NULL, NULL), 0);
    assert_string_equal(text, r.text);
    struct phi3v_result again = answer(s, prompt, &params, &shown_again); // same seed, same answer
    assert_int_equal(again.n_ids, r.n_ids);
    assert_memory_equal(again.ids, r.ids, r.n_ids * sizeof *r.ids);
    phi3v_result_fini(&again);
    params.seed = 4;
    shown_again = (struct shown){0};
    again = answer(s, prompt, &params, &shown_again);
    assert_true(strcmp(again.text, r.text) != 0);
    phi3v_result_fini(&again);
    phi3v_string_free(text);
    phi3v_result_fini(&r);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
}

/* For every cut of the answer's text: a stop string that begins there and runs over token borders.
 */
/* The answer ends before what stands at `at` in the whole one. */
static void cut_at(phi3v_session *s, const phi3v_prompt *prompt, const struct phi3v_result *whole,
                   size_t at)
{
    char stop[10];
    snprintf(stop, sizeof stop, "%.9s", whole->text + at);
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = 12;
    params.stop = (const char *const[]){"never to be found", stop, NULL};
    struct shown shown = {0};
    struct phi3v_result r = answer(s, prompt, &params, &shown);
    size_t first = (size_t)(strstr(whole->text, stop) - whole->text), n_before = 0;
    assert_int_equal(r.finish, PHI3V_FINISH_STOP);
    assert_int_equal(r.n_text_bytes, first);
    assert_memory_equal(r.text, whole->text, first);
    assert_string_equal(shown.text, r.text);
    while (n_before < r.n_ids - 1 && whole->text_ends[n_before] <= first) n_before++;
    assert_int_equal(r.n_answer_ids, n_before);
    for (size_t i = 0; i < r.n_ids; i++) assert_true(r.text_ends[i] <= first);
    char *kept; // the answer's ids say no more than its text
    size_t n_kept;
    assert_int_equal(phi3v_detokenize(gqa, r.ids, r.n_answer_ids, 0, &kept, &n_kept, NULL), 0);
    assert_true(n_kept <= first && !memcmp(kept, r.text, n_kept));
    phi3v_string_free(kept);
    phi3v_result_fini(&r);
}

static void stop_strings_cut_anywhere(void **state)
{
    (void)state;
    phi3v_session *s = test_session(gqa);
    phi3v_prompt *prompt = test_prompt(gqa, "Tell me more.", NULL, 0);
    struct phi3v_result whole = test_answer(s, prompt, 12);
    for (size_t at = 1; at + 9 < whole.n_text_bytes; at += 5) {
        while (((unsigned char)whole.text[at] & 0xc0) == 0x80) at++;
        cut_at(s, prompt, &whole, at);
    }
    for (size_t i = 0; i + 2 < whole.n_ids; i++) // between two tokens
        if (((unsigned char)whole.text[whole.text_ends[i]] & 0xc0) != 0x80)
            cut_at(s, prompt, &whole, whole.text_ends[i]);
    phi3v_result_fini(&whole);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
}

/* What was held back because a stop string might have begun is shown at the end. */
static void stop_strings_that_only_begin(void **state)
{
    (void)state;
    phi3v_session *s = test_session(gqa);
    phi3v_prompt *prompt = test_prompt(gqa, "Tell me more.", NULL, 0);
    struct phi3v_result whole = test_answer(s, prompt, 12);
    size_t at = whole.n_text_bytes - 1;
    while (((unsigned char)whole.text[at] & 0xc0) == 0x80) at--;
    char stop[20];
    snprintf(stop, sizeof stop, "%s, it ends", whole.text + at);
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = 12;
    params.stop = (const char *const[]){stop, NULL};
    struct shown shown = {0};
    struct phi3v_result r = answer(s, prompt, &params, &shown);
    assert_int_equal(r.finish, whole.finish);
    assert_string_equal(r.text, whole.text);
    assert_string_equal(shown.text, whole.text);
    phi3v_result_fini(&r);
    phi3v_result_fini(&whole);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
}

/* Greedy decoding until the next token would be one that is there already: the penalty is for the
 * prompt's tokens, too. */
static void the_prompt_is_penalised(void **state)
{
    (void)state;
    enum { MOST = 400 };
    phi3v_session *s = test_session(gqa);
    int32_t ids[MOST] = {1, 500, 600};
    size_t n = 3;
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = 1;
    for (bool repeats = false; !repeats; n++) {
        assert_true(n < MOST);
        phi3v_prompt *prompt = from_ids(gqa, ids, n);
        params.repetition_penalty = 1;
        struct shown shown = {0};
        struct phi3v_result plain = answer(s, prompt, &params, &shown);
        ids[n] = plain.ids[0];
        for (size_t i = 0; i < n; i++) repeats |= ids[i] == ids[n];
        if (repeats) {
            params.repetition_penalty = 1000;
            struct phi3v_result other = answer(s, prompt, &params, &shown);
            for (size_t i = 0; i < n; i++) assert_int_not_equal(other.ids[0], ids[i]);
            phi3v_result_fini(&other);
        }
        phi3v_result_fini(&plain);
        phi3v_prompt_free(prompt);
    }
    phi3v_session_free(s);
}

/* A copy of the model folder, by links, with another generation_config.json. */
static void folder_with_eos(struct folder *f, const char *name, int32_t eos)
{
    char *source = test_model_path(name), path[4096], text[80];
    DIR *dir = opendir(source);
    assert_non_null(dir);
    folder_make(f);
    for (const struct dirent *e; (e = readdir(dir));) {
        if (*e->d_name == '.' || !strcmp(e->d_name, "generation_config.json")) continue;
        snprintf(path, sizeof path, "%s/%s", source, e->d_name);
        assert_int_equal(symlink(path, folder_file(f, e->d_name)), 0);
    }
    closedir(dir);
    free(source);
    snprintf(text, sizeof text, "{\"eos_token_id\": [%d]}", eos);
    folder_puts(f, "generation_config.json", text);
}

static void stop_ids_end_the_answer(void **state)
{
    (void)state;
    phi3v_session *s = test_session(gqa);
    phi3v_prompt *prompt = test_prompt(gqa, "And?", NULL, 0);
    struct phi3v_result whole = test_answer(s, prompt, 6);
    struct folder folder;
    folder_with_eos(&folder, "tiny-gqa-bf16", whole.ids[3]);
    phi3v_model *model = NULL;
    assert_int_equal(phi3v_model_open(folder.path, NULL, &model, NULL), 0);
    phi3v_session *t = test_session(model);
    phi3v_prompt *same = test_prompt(model, "And?", NULL, 0);
    struct phi3v_result r = test_answer(t, same, 6);
    assert_int_equal(r.finish, PHI3V_FINISH_STOP);
    assert_int_equal(r.n_ids, 4);
    assert_int_equal(r.n_answer_ids, 3);
    assert_int_equal(phi3v_session_tokens(t), phi3v_session_common(t, same) + 1 + 3);
    phi3v_result_fini(&r);
    phi3v_prompt_free(same);
    phi3v_session_free(t);
    phi3v_model_close(model);
    folder_remove(&folder);
    phi3v_result_fini(&whole);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
}

/* -- Interrupting ------------------------------------------------------------------------------ */

static phi3v_prompt *continued(const char *text, const int32_t *ids, size_t n)
{
    struct phi3v_turn turns[] = {
        {.role = "user", .text = text},
        {.role = "assistant", .ids = ids, .n_ids = n, .open = 1},
    };
    phi3v_prompt *prompt = NULL;
    assert_int_equal(phi3v_prompt_chat(gqa, turns, 2, NULL, &prompt, NULL), 0);
    return prompt;
}

static void interrupted_answers_go_on(void **state)
{
    (void)state;
    phi3v_session *s = test_session(gqa);
    phi3v_prompt *prompt = test_prompt(gqa, "Go on.", NULL, 0);
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = 20;
    struct shown all = {0}, first = {.stop_after = 5}, rest = {0};
    struct phi3v_result whole = answer(s, prompt, &params, &all);
    struct phi3v_result a = answer(s, prompt, &params, &first);
    assert_int_equal(a.finish, PHI3V_FINISH_INTERRUPTED);
    assert_true(a.n_ids >= 5 && a.n_ids < 20);
    assert_int_equal(a.n_answer_ids, a.n_ids);
    phi3v_prompt *more = continued("Go on.", a.ids, a.n_ids);
    params.max_new_tokens = 20 - (int)a.n_ids;
    struct phi3v_result b = answer(s, more, &params, &rest);
    assert_int_equal(b.timing.prefill_tokens, 1);
    assert_int_equal(a.n_ids + b.n_ids, whole.n_ids);
    assert_memory_equal(whole.ids, a.ids, a.n_ids * sizeof *a.ids);
    assert_memory_equal(whole.ids + a.n_ids, b.ids, b.n_ids * sizeof *b.ids);
    assert_memory_equal(whole.text, a.text, a.n_text_bytes);
    assert_string_equal(whole.text + a.n_text_bytes, b.text); // its first space stays
    phi3v_result_fini(&whole);
    phi3v_result_fini(&a);
    phi3v_result_fini(&b);
    phi3v_prompt_free(prompt);
    phi3v_prompt_free(more);
    phi3v_session_free(s);
}

static int stop_after_a_piece(const struct phi3v_event *event, void *user)
{
    (void)user;
    return event->stage == PHI3V_STAGE_PREFILL && event->done >= PIECE;
}

static int stop_at_vision(const struct phi3v_event *event, void *user)
{
    (void)user;
    return event->stage == PHI3V_STAGE_VISION;
}

static int stop_after_crops(const struct phi3v_event *event, void *user)
{
    (void)user;
    return event->stage == PHI3V_STAGE_VISION && event->done >= 5;
}

/* What one session has finished of a picture, another goes on with. */
static void cancelled_pictures_keep_their_crops(void **state)
{
    (void)state;
    phi3v_session *s = test_session(gqa), *other = test_session(gqa);
    phi3v_model *elsewhere = test_model("tiny-gqa-bf16", 2, 0);
    phi3v_session *fresh = test_fresh_session(elsewhere);
    phi3v_image *image = test_image(201, 50);
    struct phi3v_turn turn = {
        .role = "user", .text = "<|image_1|>\nWhat?", .images = &image, .n_images = 1};
    phi3v_prompt *prompt, *same;
    struct phi3v_timing timing;
    assert_int_equal(phi3v_prompt_chat(gqa, &turn, 1, &all_crops, &prompt, NULL), 0);
    assert_int_equal(phi3v_prompt_chat(elsewhere, &turn, 1, &all_crops, &same, NULL), 0);
    assert_int_equal(phi3v_prefill(s, prompt, stop_after_crops, NULL, NULL, NULL),
                     PHI3V_E_CANCELLED);
    assert_int_equal(phi3v_prefill(other, prompt, NULL, NULL, &timing, NULL), 0);
    assert_in_range(timing.vision_crops, 0, 17 - 5 + 2); // each of two threads had one under way
    float *x, *y;
    assert_int_equal(phi3v_logits(other, prompt, 0, NULL, NULL, &x, NULL, NULL), 0);
    assert_int_equal(phi3v_logits(fresh, same, 0, NULL, NULL, &y, NULL, NULL), 0);
    assert_memory_equal(x, y, 32064 * sizeof *x);
    phi3v_floats_free(x);
    phi3v_floats_free(y);
    phi3v_prompt_free(prompt);
    phi3v_prompt_free(same);
    phi3v_image_free(image);
    phi3v_session_free(s);
    phi3v_session_free(other);
    phi3v_session_free(fresh);
    phi3v_model_close(elsewhere);
}

static void cancelled_prefill_keeps_whole_pieces(void **state)
{
    (void)state;
    phi3v_session *s = test_session(gqa), *fresh = test_fresh_session(gqa);
    phi3v_image *image = test_image(200, 30);
    int32_t ids[700];
    for (int i = 0; i < 700; i++) ids[i] = 500 + i;
    phi3v_prompt *text = from_ids(gqa, ids, 700);
    phi3v_prompt *picture = test_prompt(gqa, "<|image_1|>\nWhat?", &image, 1);
    struct phi3v_error err;
    assert_int_equal(phi3v_generate(s, text, NULL, stop_after_a_piece, NULL, NULL, &err),
                     PHI3V_E_CANCELLED);
    assert_int_equal(phi3v_session_tokens(s), PIECE);
    assert_int_equal(phi3v_session_common(s, text), PIECE);
    assert_int_equal(phi3v_generate(s, picture, NULL, stop_at_vision, NULL, NULL, &err),
                     PHI3V_E_CANCELLED);
    assert_int_equal(phi3v_session_tokens(s), PIECE); // pictures come before anything is given up
    assert_true(test_same_logits(s, fresh, text));
    assert_true(test_same_logits(s, fresh, picture));
    phi3v_prompt_free(text);
    phi3v_prompt_free(picture);
    phi3v_image_free(image);
    phi3v_session_free(s);
    phi3v_session_free(fresh);
}

struct canceller {
    phi3v_session *session;
    pthread_mutex_t lock;
    pthread_cond_t go;
    int answering, n_events;
};

static void *cancel_when_answering(void *arg)
{
    struct canceller *c = arg;
    pthread_mutex_lock(&c->lock);
    while (!c->answering) pthread_cond_wait(&c->go, &c->lock);
    pthread_mutex_unlock(&c->lock);
    phi3v_session_cancel(c->session);
    return NULL;
}

static int tell_canceller(const struct phi3v_event *event, void *user)
{
    struct canceller *c = user;
    if (event->type != PHI3V_EVENT_TEXT) return 0;
    pthread_mutex_lock(&c->lock);
    c->answering = 1;
    c->n_events++;
    pthread_cond_signal(&c->go);
    pthread_mutex_unlock(&c->lock);
    return 0;
}

static void another_thread_cancels(void **state)
{
    (void)state;
    struct canceller c = {.session = test_session(gqa)};
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.go, NULL);
    phi3v_prompt *prompt = test_prompt(gqa, "For ever?", NULL, 0);
    phi3v_session_cancel(c.session); // nothing to stop: no effect on what follows
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_answering, &c), 0);
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = 100000;
    struct phi3v_result r = {.size = sizeof r};
    assert_int_equal(phi3v_generate(c.session, prompt, &params, tell_canceller, &c, &r, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(r.finish, PHI3V_FINISH_INTERRUPTED);
    assert_true(r.n_ids >= 1);
    phi3v_session *fresh = test_fresh_session(gqa);
    phi3v_prompt *grown = test_extended(gqa, prompt, r.ids, r.n_ids);
    assert_true(test_same_logits(c.session, fresh, grown));
    phi3v_result_fini(&r);
    phi3v_prompt_free(prompt);
    phi3v_prompt_free(grown);
    phi3v_session_free(c.session);
    phi3v_session_free(fresh);
    pthread_mutex_destroy(&c.lock);
    pthread_cond_destroy(&c.go);
}

/* -- Threads ----------------------------------------------------------------------------------- */

struct worker {
    phi3v_image *image;
    const char *text;
    struct phi3v_result result;
};

static void *answer_in_thread(void *arg)
{
    struct worker *w = arg;
    phi3v_session *s = test_session(gqa);
    phi3v_prompt *prompt = test_prompt(gqa, w->text, &w->image, 1);
    w->result = test_answer(s, prompt, 10);
    phi3v_prompt_free(prompt);
    phi3v_session_free(s);
    return NULL;
}

static void sessions_share_a_model(void **state)
{
    (void)state;
    phi3v_image *image = test_image(300, 30);
    struct worker workers[2], alone[2];
    pthread_t threads[2];
    static const char *const texts[] = {"<|image_1|>\nOne?", "<|image_1|>\nTwo?"};
    for (int i = 0; i < 2; i++) {
        workers[i] = alone[i] = (struct worker){.image = image, .text = texts[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, answer_in_thread, &workers[i]), 0);
    }
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        answer_in_thread(&alone[i]);
        assert_int_equal(workers[i].result.n_ids, alone[i].result.n_ids);
        assert_memory_equal(workers[i].result.ids, alone[i].result.ids,
                            alone[i].result.n_ids * sizeof(int32_t));
        phi3v_result_fini(&workers[i].result);
        phi3v_result_fini(&alone[i].result);
    }
    phi3v_image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_refuses_with_a_sentence),
        cmocka_unit_test(loading_reports_and_can_be_stopped),
        cmocka_unit_test(info_tells_the_truth),
        cmocka_unit_test(devices_are_listed),
        cmocka_unit_test(prompts_stop),
        cmocka_unit_test(prompts_are_checked),
        cmocka_unit_test(prompt_keeps_its_pictures),
        cmocka_unit_test(only_what_differs_is_computed),
        cmocka_unit_test(pictures_are_encoded_once),
        cmocka_unit_test(filled_sessions_go_on),
        cmocka_unit_test(activations_come_from_a_fresh_pass),
        cmocka_unit_test(limits_are_kept_and_told),
        cmocka_unit_test(events_ids_and_text_agree),
        cmocka_unit_test(stop_strings_cut_anywhere),
        cmocka_unit_test(stop_strings_that_only_begin),
        cmocka_unit_test(the_prompt_is_penalised),
        cmocka_unit_test(stop_ids_end_the_answer),
        cmocka_unit_test(interrupted_answers_go_on),
        cmocka_unit_test(cancelled_pictures_keep_their_crops),
        cmocka_unit_test(cancelled_prefill_keeps_whole_pieces),
        cmocka_unit_test(another_thread_cancels),
        cmocka_unit_test(sessions_share_a_model),
    };
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}
