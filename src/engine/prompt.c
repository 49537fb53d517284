/* SPDX-License-Identifier: MIT */
#include "engine/prompt.h"

#include <string.h>

#include "base/mem.h"
#include "text/chat_template.h"

/* -- Pictures of a prompt ---------------------------------------------------------------------- */

struct pictures {
    struct slot *slots; // [n]; borrow the images
    int *tokens;        // [n] number of feature rows
    int n, cap;
};

static void pictures_fini(struct pictures *p)
{
    mem_free(p->slots);
    mem_free(p->tokens);
}

static int pictures_init(struct pictures *p, int cap, struct phi3v_error *err)
{
    *p = (struct pictures){.cap = cap};
    p->slots = mem_array((size_t)cap, sizeof *p->slots);
    p->tokens = mem_array((size_t)cap, sizeof *p->tokens);
    if (p->slots && p->tokens) return 0;
    pictures_fini(p);
    return err_memory(err, "a prompt", (size_t)cap * sizeof *p->slots);
}

static int pictures_add(struct pictures *p, const struct config *config,
                        struct phi3v_image *const *images, int n_images, int num_crops,
                        struct phi3v_error *err)
{
    for (int i = 0; i < n_images; i++) {
        if (!images[i])
            return err_set(err, PHI3V_E_ARGUMENT, "picture %d of the prompt is NULL", p->n + 1);
        int rc = slot_plan(config, images[i], num_crops, &p->slots[p->n], err);
        if (rc) return rc;
        p->tokens[p->n] = p->slots[p->n].n_tokens;
        p->n++;
    }
    return 0;
}

/* -- From ids to a prompt ---------------------------------------------------------------------- */

/* Takes ids. */
static int finish(const struct phi3v_model *m, int32_t *ids, size_t n, const struct pictures *p,
                  struct phi3v_prompt **ret, struct phi3v_error *err)
{
    struct phi3v_prompt *prompt = mem_zalloc(sizeof *prompt);
    if (!prompt) {
        mem_free(ids);
        return err_memory(err, "a prompt", sizeof *prompt);
    }
    prompt->model = m;
    int rc = sequence_build(ids, n, p->slots, p->n, m->config.n_vocab, &prompt->seq, err);
    if (rc) {
        mem_free(prompt);
        return rc;
    }
    *ret = prompt;
    return 0;
}

static int check_images(struct phi3v_image *const *images, int n_images, struct phi3v_error *err)
{
    if (n_images >= 0 && (n_images == 0 || images)) return 0;
    return err_set(err, PHI3V_E_ARGUMENT, "%d pictures in a list that is %s", n_images,
                   images ? "given" : "NULL");
}

/* -- Chat -------------------------------------------------------------------------------------- */

static int check_turn(const struct phi3v_turn *t, int number, bool last, struct phi3v_error *err)
{
    static const char *const roles[] = {"system", "user", "assistant"};
    bool known = false;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        known |= t->role && !strcmp(t->role, roles[i]);
    if (!known)
        return err_set(err, PHI3V_E_ARGUMENT,
                       "turn %d has the role \"%.40s\"; allowed is system, user or assistant",
                       number, t->role ? t->role : "");
    bool assistant = !strcmp(t->role, "assistant");
    if (!assistant && (t->ids || t->open))
        return err_set(err, PHI3V_E_ARGUMENT,
                       "turn %d (%s) has ids or is open: only an assistant's can", number, t->role);
    if (t->open && !last)
        return err_set(err, PHI3V_E_ARGUMENT, "turn %d is open but not the last one", number);
    if (!t->text && !t->ids)
        return err_set(err, PHI3V_E_ARGUMENT, "turn %d has neither text nor ids", number);
    if (!strcmp(t->role, "user") && !t->text[strspn(t->text, " \t\r\n")])
        return err_set(err, PHI3V_E_PROMPT, "the prompt is empty: turn %d (user) has no text",
                       number);
    return check_images(t->images, t->n_images, err);
}

static int check_turns(const struct phi3v_turn *turns, int n_turns, int *ret_n_images,
                       struct phi3v_error *err)
{
    if (n_turns < 1 || !turns) return err_set(err, PHI3V_E_PROMPT, "the prompt is empty: no turns");
    int n_images = 0;
    for (int i = 0; i < n_turns; i++) {
        int rc = check_turn(&turns[i], i + 1, i == n_turns - 1, err);
        if (rc) return rc;
        if (__builtin_add_overflow(n_images, turns[i].n_images, &n_images))
            return err_set(err, PHI3V_E_ARGUMENT, "too many pictures");
    }
    *ret_n_images = n_images;
    return 0;
}

static int chat_ids(const struct phi3v_model *m, const struct phi3v_turn *turns, int n_turns,
                    const struct pictures *p, struct stop *stop, struct ids *ret_ids,
                    struct phi3v_error *err)
{
    const struct tokenizer *t;
    int rc = model_tokenizer(m, &t, err);
    if (rc) return rc;
    struct chat_turn *list = mem_array((size_t)n_turns, sizeof *list);
    if (!list) return err_memory(err, "a prompt", (size_t)n_turns * sizeof *list);
    for (int i = 0; i < n_turns; i++)
        list[i] = (struct chat_turn){.role = turns[i].role,
                                     .text = turns[i].text ? turns[i].text : "",
                                     .n_images = turns[i].n_images,
                                     .ids = turns[i].ids,
                                     .n_ids = turns[i].ids ? turns[i].n_ids : 0,
                                     .open = turns[i].open != 0};
    rc = chat_template_turns(t, list, n_turns, p->tokens, stop, ret_ids, err);
    mem_free(list);
    return rc;
}

/* The number of ids after the last <|assistant|>, which an open turn has said so far. */
static size_t count_open(const struct phi3v_model *m, const struct sequence *seq)
{
    int32_t assistant = tokenizer_special(m->tokenizer, "<|assistant|>");
    size_t n = 0;
    while (n < seq->n && seq->ids[seq->n - 1 - n] != assistant) n++;
    return n;
}

int prompt_new_chat(const struct phi3v_model *m, const struct phi3v_turn *turns, int n_turns,
                    const struct phi3v_prompt_options *opt, struct phi3v_prompt **ret,
                    struct phi3v_error *err)
{
    struct stop stop = {.fn = opt->stopped, .user = opt->user};
    int n_images = 0;
    int rc = check_turns(turns, n_turns, &n_images, err);
    if (rc) return rc;
    struct pictures p;
    if ((rc = pictures_init(&p, n_images, err))) return rc;
    struct ids ids = {0};
    struct phi3v_prompt *prompt;
    for (int i = 0; i < n_turns && !rc; i++)
        rc = pictures_add(&p, &m->config, turns[i].images, turns[i].n_images,
                          turns[i].num_crops ? turns[i].num_crops : opt->num_crops, err);
    if (!rc) rc = chat_ids(m, turns, n_turns, &p, &stop, &ids, err);
    if (!rc) rc = finish(m, ids.data, ids.n, &p, &prompt, err);
    if (!rc) {
        prompt->n_open = turns[n_turns - 1].open ? count_open(m, &prompt->seq) : 0;
        *ret = prompt;
    }
    pictures_fini(&p);
    return rc;
}

/* -- Formatted text, ids ----------------------------------------------------------------------- */

int prompt_new_raw(const struct phi3v_model *m, const char *text, struct phi3v_image *const *images,
                   int n_images, int num_crops, struct phi3v_prompt **ret, struct phi3v_error *err)
{
    const struct tokenizer *t;
    int rc = model_tokenizer(m, &t, err);
    if (!rc) rc = check_images(images, n_images, err);
    if (!rc && !*text) rc = err_set(err, PHI3V_E_PROMPT, "the prompt is empty");
    if (rc) return rc;
    struct pictures p;
    if ((rc = pictures_init(&p, n_images, err))) return rc;
    struct ids ids = {0};
    rc = pictures_add(&p, &m->config, images, n_images, num_crops, err);
    if (!rc) rc = chat_template_raw(t, text, strlen(text), p.tokens, n_images, NULL, &ids, err);
    if (!rc) rc = finish(m, ids.data, ids.n, &p, ret, err);
    pictures_fini(&p);
    return rc;
}

int prompt_new_ids(const struct phi3v_model *m, const int32_t *ids, size_t n,
                   struct phi3v_image *const *images, int n_images, int num_crops,
                   struct phi3v_prompt **ret, struct phi3v_error *err)
{
    int rc = check_images(images, n_images, err);
    if (!rc && n == 0) rc = err_set(err, PHI3V_E_PROMPT, "the prompt is empty: no ids");
    if (rc) return rc;
    struct pictures p;
    if ((rc = pictures_init(&p, n_images, err))) return rc;
    rc = pictures_add(&p, &m->config, images, n_images, num_crops, err);
    int32_t *copy = NULL;
    if (!rc && !(copy = mem_array(n, sizeof *copy)))
        rc = err_memory(err, "a prompt", n * sizeof *copy);
    if (!rc) {
        memcpy(copy, ids, n * sizeof *copy);
        rc = finish(m, copy, n, &p, ret, err);
    }
    pictures_fini(&p);
    return rc;
}

void prompt_free(struct phi3v_prompt *p)
{
    if (!p) return;
    sequence_fini(&p->seq);
    mem_free(p);
}
