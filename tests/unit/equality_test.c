/* SPDX-License-Identifier: MIT
 * Fresh-run equality: whatever was asked, edited, undone, cancelled or crossed before, the logits
 * of a session equal bit for bit those of a new session, and those of a new process, for the same
 * prompt. Random conversations with pictures, in several sessions that take over from each other,
 * are forked and cleared, and go back to what was before; tiny-long crosses its switch of rope
 * factors (256 tokens) in both directions. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "level.h"

extern char **environ;

enum { MAX_TURNS = 24, MAX_TEXT = 500, N_IMAGES = 3, IMAGE_SIDE = 40, N_VOCAB = 32064 };
enum { N_SESSIONS = 3, N_SAVED = 3 };

struct exchange { // a question and its answer
    char text[MAX_TEXT];
    int image; // index, or -1
    int32_t ids[16];
    size_t n_ids;
};

struct saved { // a conversation as it was
    struct exchange list[MAX_TURNS];
    int n;
};

struct talk {
    phi3v_model *model;
    phi3v_session *sessions[N_SESSIONS], *session, *fresh; // session: the one whose turn it is
    phi3v_image *images[N_IMAGES];
    struct exchange list[MAX_TURNS];
    int n;
    struct saved saved[N_SAVED];
    unsigned seed, image_odds;
    int shorter, longer; // crossings of the rope switch
    int64_t last_tokens;
};

static unsigned next_random(struct talk *t, unsigned below)
{
    t->seed = t->seed * 1664525u + 1013904223u;
    return (t->seed >> 8) % below;
}

static void random_text(struct talk *t, struct exchange *e)
{
    static const char *const words[] = {"copper", "north", "river", "seven",   "Größe", "glass",
                                        "a",      "chart", "?",     "quickly", "\n",    "  "};
    e->image = next_random(t, t->image_odds) == 0 ? (int)next_random(t, N_IMAGES) : -1;
    size_t n = (size_t)snprintf(e->text, sizeof e->text, e->image >= 0 ? "<|image_1|>\n" : "");
    for (unsigned i = 1 + next_random(t, 45); i > 0; i--)
        n += (size_t)snprintf(e->text + n, sizeof e->text - n, "%s ",
                              words[next_random(t, sizeof words / sizeof *words)]);
    snprintf(e->text + n, sizeof e->text - n, "."); /* a text of blanks alone would be refused */
}

/* The prompt of all exchanges; the last one is to be answered (or is, when it has ids). */
static phi3v_prompt *talk_prompt(struct talk *t)
{
    struct phi3v_turn turns[2 * MAX_TURNS];
    int n = 0;
    for (int i = 0; i < t->n; i++) {
        struct exchange *e = &t->list[i];
        turns[n++] = (struct phi3v_turn){.role = "user",
                                         .text = e->text,
                                         .images = e->image >= 0 ? &t->images[e->image] : NULL,
                                         .n_images = e->image >= 0};
        if (e->n_ids > 0)
            turns[n++] = (struct phi3v_turn){
                .role = "assistant", .ids = e->ids, .n_ids = e->n_ids, .open = i == t->n - 1};
    }
    struct phi3v_error err;
    phi3v_prompt *prompt = NULL;
    if (phi3v_prompt_chat(t->model, turns, n, &test_one_crop, &prompt, &err))
        fail_msg("%s", err.text);
    return prompt;
}

/* -- A new process ----------------------------------------------------------------------------- */

static void run_child(char **argv, const char *input, float *logits)
{
    int in[2], out[2];
    assert_int_equal(pipe(in) | pipe(out), 0);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in[0], 0);
    posix_spawn_file_actions_adddup2(&files, out[1], 1);
    for (int i = 0; i < 2; i++) {
        posix_spawn_file_actions_addclose(&files, in[i]);
        posix_spawn_file_actions_addclose(&files, out[i]);
    }
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &files, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    close(in[0]);
    close(out[1]);
    assert_int_equal(write(in[1], input, strlen(input)), strlen(input));
    close(in[1]);
    FILE *f = fdopen(out[0], "rb");
    assert_int_equal(fread(logits, sizeof *logits, N_VOCAB, f), N_VOCAB);
    fclose(f);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int which_image(const struct talk *t, const phi3v_image *image)
{
    for (int i = 0; i < N_IMAGES; i++)
        if (t->images[i] == image) return i;
    return -1;
}

/* The child gets the pictures' numbers, 9999, and the ids, as text. */
static void logits_elsewhere(const struct talk *t, const phi3v_prompt *prompt, float *logits)
{
    size_t n;
    const int32_t *ids = phi3v_prompt_ids(prompt, &n);
    char *input = NULL;
    size_t n_bytes;
    FILE *f = open_memstream(&input, &n_bytes);
    for (int i = 0; i < phi3v_prompt_n_images(prompt); i++)
        fprintf(f, "%d ", which_image(t, phi3v_prompt_image(prompt, i, NULL)));
    fprintf(f, "9999 ");
    for (size_t i = 0; i < n; i++) fprintf(f, "%d ", ids[i]);
    fclose(f);
    char *argv[] = {"equality_test", "--child", (char *)phi3v_model_info(t->model)->name, NULL};
    run_child(argv, input, logits);
    free(input);
}

static int child_main(const char *model_name)
{
    static int32_t ids[16384];
    phi3v_image *images[64];
    int n_images = 0, value;
    size_t n = 0;
    while (scanf("%d", &value) == 1 && value != 9999)
        images[n_images++] = test_image((unsigned)value, IMAGE_SIDE);
    while (scanf("%d", &value) == 1) ids[n++] = value;
    phi3v_model *model = test_model(model_name, 1, 0); // another thread count must not matter
    phi3v_session *session = test_session(model);
    phi3v_prompt *prompt;
    float *logits;
    if (phi3v_prompt_ids_new(model, ids, n, images, n_images, 1, &prompt, NULL) ||
        phi3v_logits(session, prompt, 0, NULL, NULL, &logits, NULL, NULL))
        return 1;
    fwrite(logits, sizeof *logits, N_VOCAB, stdout);
    phi3v_floats_free(logits);
    phi3v_prompt_free(prompt);
    phi3v_session_free(session);
    for (int i = 0; i < n_images; i++) phi3v_image_free(images[i]);
    phi3v_model_close(model);
    return 0;
}

/* -- Random scripts ---------------------------------------------------------------------------- */

/* The session against a new one, and now and then against a new process. */
static void check(struct talk *t, int elsewhere)
{
    if (t->n == 0) return;
    phi3v_prompt *prompt = talk_prompt(t);
    phi3v_session_clear(t->fresh);
    if (!test_same_logits(t->session, t->fresh, prompt)) fail_msg("differs from a new session");
    if (elsewhere) {
        float *logits, *other = malloc(N_VOCAB * sizeof *other);
        assert_non_null(other);
        assert_int_equal(phi3v_logits(t->session, prompt, 0, NULL, NULL, &logits, NULL, NULL), 0);
        logits_elsewhere(t, prompt, other);
        assert_memory_equal(logits, other, N_VOCAB * sizeof *other);
        phi3v_floats_free(logits);
        free(other);
    }
    int64_t limit = phi3v_model_info(t->model)->rope_switch, n = phi3v_session_tokens(t->session);
    t->longer += t->last_tokens <= limit && n > limit;
    t->shorter += t->last_tokens > limit && n <= limit;
    t->last_tokens = n;
    phi3v_prompt_free(prompt);
}

static void answer_last(struct talk *t)
{
    struct exchange *e = &t->list[t->n - 1];
    phi3v_prompt *prompt = talk_prompt(t);
    struct phi3v_result r = test_answer(t->session, prompt, 1 + (int)next_random(t, 6));
    for (size_t i = 0; i < r.n_answer_ids && e->n_ids < 16; i++) e->ids[e->n_ids++] = r.ids[i];
    phi3v_result_fini(&r);
    phi3v_prompt_free(prompt);
}

static int refuse_late(const struct phi3v_event *event, void *user)
{
    int *left = user;
    (void)event;
    return --*left < 0;
}

/* A run that is stopped somewhere, before or while answering. */
static void cancelled_run(struct talk *t)
{
    phi3v_prompt *prompt = talk_prompt(t);
    int left = (int)next_random(t, 6);
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = 5;
    int rc = phi3v_generate(t->session, prompt, &params, refuse_late, &left, NULL, NULL);
    assert_true(rc == 0 || rc == PHI3V_E_CANCELLED);
    phi3v_prompt_free(prompt);
}

static void fork_one(struct talk *t)
{
    unsigned from = next_random(t, N_SESSIONS), to = (from + 1) % N_SESSIONS;
    phi3v_session_free(t->sessions[to]);
    assert_int_equal(phi3v_session_fork(t->sessions[from], &t->sessions[to], NULL), 0);
}

static void save_or_go_back(struct talk *t)
{
    struct saved *s = &t->saved[next_random(t, N_SAVED)];
    if (s->n == 0 || next_random(t, 3) == 0) {
        memcpy(s->list, t->list, sizeof s->list);
        s->n = t->n;
    } else {
        memcpy(t->list, s->list, sizeof t->list);
        t->n = s->n;
    }
}

static void step(struct talk *t)
{
    enum { UNDO = 4, OFTEN = 6 }; // exchanges after which undoing takes its turn
    t->session = t->sessions[next_random(t, N_SESSIONS)];
    switch (t->n == 0 ? 0 : t->n > OFTEN ? UNDO : next_random(t, 12)) {
    case 0:
    case 1:
    case 2: // ask
        if (t->n < MAX_TURNS) {
            t->list[t->n] = (struct exchange){0};
            random_text(t, &t->list[t->n++]);
        }
        answer_last(t);
        break;
    case 3: // edit somewhere; the answers below stay
        random_text(t, &t->list[next_random(t, (unsigned)t->n)]);
        break;
    case UNDO: // some
        t->n -= (int)next_random(t, (unsigned)t->n + 1);
        break;
    case 5: // go on with the last answer
        answer_last(t);
        break;
    case 6:
        cancelled_run(t);
        break;
    case 7: // retry
        t->list[t->n - 1].n_ids = 0;
        break;
    case 8:
    case 9:
        save_or_go_back(t);
        break;
    case 10:
        fork_one(t);
        break;
    case 11:
        phi3v_session_clear(t->session);
        break;
    }
    t->session = t->sessions[next_random(t, N_SESSIONS)];
}

static void talk_init(struct talk *t, const char *model, unsigned image_odds, int64_t reuse_bytes)
{
    *t = (struct talk){.seed = 1234, .image_odds = image_odds};
    t->model = test_model_reusing(model, 2, 0, reuse_bytes);
    for (int i = 0; i < N_SESSIONS; i++) t->sessions[i] = test_session(t->model);
    t->session = t->sessions[0];
    t->fresh = test_fresh_session(t->model);
    for (int i = 0; i < N_IMAGES; i++) t->images[i] = test_image((unsigned)i, IMAGE_SIDE);
}

static void talk_fini(struct talk *t)
{
    for (int i = 0; i < N_IMAGES; i++) phi3v_image_free(t->images[i]);
    for (int i = 0; i < N_SESSIONS; i++) phi3v_session_free(t->sessions[i]);
    phi3v_session_free(t->fresh);
    phi3v_model_close(t->model);
}

static void script(const char *model, unsigned image_odds, int64_t reuse_bytes, int n_steps,
                   int elsewhere_every, int min_crossings)
{
    static struct talk t;
    talk_init(&t, model, image_odds, reuse_bytes);
    for (int i = 0; i < n_steps; i++) {
        step(&t);
        check(&t, i % elsewhere_every == elsewhere_every - 1);
    }
    print_message("# crossings: %d longer, %d shorter\n", t.longer, t.shorter);
    assert_true(t.longer >= min_crossings && t.shorter >= min_crossings);
    talk_fini(&t);
}

static int longer = 1; // so many times more steps

static void equal_on_one_side_of_the_switch(void **state)
{
    (void)state;
    script("tiny-gqa-bf16", 6, 0, 40 * longer, 20, 0);
}

static void equal_across_the_switch(void **state)
{
    (void)state;
    script("tiny-long-bf16", 40, 0, 80 * longer, 20, 3);
}

/* Blocks of a few conversations, then of none: most of what is looked for is gone. */
static void equal_when_little_is_kept(void **state)
{
    (void)state;
    phi3v_model *model = test_model("tiny-long-bf16", 1, 0);
    int64_t block = 64 * phi3v_model_info(model)->kv_bytes_per_token;
    phi3v_model_close(model);
    script("tiny-long-bf16", 40, 8 * block, 40 * longer, 40, 0);
    script("tiny-long-bf16", 40, -1, 20 * longer, 20, 0);
}

/* Crossing while answering: each new token's logits, at the limit, one before, one behind. */
static void equal_while_crossing(void **state)
{
    (void)state;
    static struct talk t;
    talk_init(&t, "tiny-long-bf16", 1, 0);
    int32_t ids[250];
    for (int i = 0; i < 250; i++) ids[i] = i ? 300 + i * 7 : 1;
    phi3v_prompt *prompt;
    assert_int_equal(phi3v_prompt_ids_new(t.model, ids, 250, NULL, 0, 0, &prompt, NULL), 0);
    struct phi3v_result r = test_answer(t.session, prompt, 12);
    assert_int_equal(r.n_ids, 12);
    assert_int_equal(r.timing.prefill_tokens, 250 + 257); // once more, at the 257th
    for (size_t n = 0; n <= 12; n++) {
        phi3v_prompt *grown = test_extended(t.model, prompt, r.ids, n);
        phi3v_session_clear(t.fresh);
        assert_true(test_same_logits(t.session, t.fresh, grown));
        struct phi3v_params greedy;
        phi3v_params_default(&greedy);
        float *logits, probability;
        int32_t best;
        assert_int_equal(phi3v_logits(t.fresh, grown, 0, NULL, NULL, &logits, NULL, NULL), 0);
        assert_int_equal(phi3v_sampling(logits, N_VOCAB, NULL, 0, &greedy, &best, &probability, 1),
                         1);
        if (n < 12) assert_int_equal(best, r.ids[n]);
        phi3v_floats_free(logits);
        phi3v_prompt_free(grown);
    }
    /* Once more, elsewhere: what was computed on either side is found again. */
    struct phi3v_result again = test_answer(t.sessions[1], prompt, 12);
    assert_int_equal(again.n_ids, r.n_ids);
    assert_memory_equal(again.ids, r.ids, r.n_ids * sizeof *r.ids);
    assert_int_equal(again.timing.prefill_tokens, 1 + 1); // the last one before each choice
    phi3v_result_fini(&again);
    phi3v_result_fini(&r);
    phi3v_prompt_free(prompt);
    talk_fini(&t);
}

/* The logits behind every token of one pass, against the prompts that end there. */
static void equal_to_all_rows(void **state)
{
    (void)state;
    static struct talk t;
    talk_init(&t, "tiny-gqa-bf16", 1, 0);
    phi3v_prompt *prompt = test_prompt(t.model, "<|image_1|>\nHow many?", t.images, 1);
    float *all, *one;
    size_t rows, n;
    const int32_t *ids = phi3v_prompt_ids(prompt, &n);
    assert_int_equal(phi3v_logits(t.session, prompt, 1, NULL, NULL, &all, &rows, NULL), 0);
    assert_int_equal(rows, n);
    /* Again, where the session holds all of them: reuse must not leave rows out. */
    float *again;
    assert_int_equal(phi3v_logits(t.session, prompt, 1, NULL, NULL, &again, &rows, NULL), 0);
    assert_int_equal(rows, n);
    assert_memory_equal(again, all, n * N_VOCAB * sizeof *again);
    phi3v_floats_free(again);
    for (size_t end = n - 5; end <= n; end++) {
        phi3v_prompt *part;
        assert_int_equal(phi3v_prompt_ids_new(t.model, ids, end, t.images, 1, 1, &part, NULL), 0);
        assert_int_equal(phi3v_logits(t.fresh, part, 0, NULL, NULL, &one, NULL, NULL), 0);
        assert_memory_equal(one, all + (end - 1) * N_VOCAB, N_VOCAB * sizeof *one);
        phi3v_floats_free(one);
        phi3v_prompt_free(part);
    }
    phi3v_floats_free(all);
    phi3v_prompt_free(prompt);
    talk_fini(&t);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--child")) return child_main(argv[2]);
    if (argc == 2) longer = atoi(argv[1]);
    level_require();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_while_crossing),
        cmocka_unit_test(equal_to_all_rows),
        cmocka_unit_test(equal_on_one_side_of_the_switch),
        cmocka_unit_test(equal_across_the_switch),
        cmocka_unit_test(equal_when_little_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
