/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <assert.h>
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/must.h"
#include "common/nearest_name.h"
#include "verbs/options.h"

/* -- The table -------------------------------------------------------------------------------- */

#define AT(field) offsetof(struct options, field)
#define FLAG(name, letter, use, field, help)                                                       \
    {                                                                                              \
        name, letter, SETTING_FLAG, use, AT(field), 0, 0, 0, NULL, NULL, help                      \
    }
#define TEXT(name, letter, use, field, arg, help)                                                  \
    {                                                                                              \
        name, letter, SETTING_TEXT, use, AT(field), 0, 0, 0, NULL, arg, help                       \
    }

static const struct setting own_table[] = {
    TEXT("model", 'm', OPTION_COMMON, model, "MODEL",
         "folder, ORG/NAME[@REV] in the Hugging Face cache, or a short name such as default"),
    {"image", 'i', SETTING_LIST, OPTION_COMMON, AT(images), 0, 0, 0, NULL, "IMAGE",
     "picture: file, URL, data: or - for standard input; may be repeated"},
    TEXT("connect", 0, OPTION_COMMON | OPTION_CONNECT, connect, "URL[,URL...]",
         "let an OpenAI-style server answer: http://HOST:PORT/v1; -m names its model"),
    TEXT("api-key-file", 0, OPTION_COMMON, api_key_file, "FILE",
         "the key for the server, else PHISCOPE_API_KEY; for serve: the keys of clients, one per "
         "line"),
    FLAG("json", 0, OPTION_COMMON, json, "one JSON object per line instead of text"),
    FLAG("no-history", 0, OPTION_COMMON, no_history, "neither read nor write the input history"),
    FLAG("continue", 'c', OPTION_COMMON | OPTION_NOTEBOOK, go_on,
         "open the latest unsaved notebook"),
    FLAG("raw", 0, OPTION_COMMON, raw,
         "PROMPT is the whole formatted prompt, with special tokens and image tags"),
    TEXT(
        "json-schema", 0, OPTION_ASK, json_schema, "FILE",
        "the answer is JSON that follows the schema in FILE (or FILE itself, if it begins with {)"),
    TEXT("out", 'o', OPTION_DEBUG, out, "FILE", "file to write"),
    TEXT("ids", 0, OPTION_DEBUG, ids_file, "FILE", "JSON array of token ids instead of a prompt"),
    FLAG("all", 0, OPTION_DEBUG, all, "logits after every token, not only the last"),
    FLAG("decode", 0, OPTION_DEBUG, decode, "ids to text"),
    FLAG("no-bos", 0, OPTION_DEBUG, no_bos, "leave out the first token <s>"),
    FLAG("blank", 0, OPTION_EVAL, blank,
         "use white pictures of the same size, to see what is guessed right"),
    FLAG("rounding", 0, OPTION_EVAL, rounding,
         "what the model's rounded forms lose compared with the exact one"),
    TEXT("connection-file", 'f', OPTION_KERNEL, connection, "FILE",
         "Jupyter's description of the sockets"),
    TEXT("prefix", 0, OPTION_KERNEL, prefix, "DIR", "install below DIR/share/jupyter"),
    FLAG("user", 0, OPTION_KERNEL, user, "install for this user only (the default)"),
    TEXT("host", 0, OPTION_SERVE, host, "ADDRESS",
         "where to listen (127.0.0.1); one that others can reach needs keys"),
    {"port", 0, SETTING_INT, OPTION_SERVE, AT(port), 0, 65535, 0, NULL, "N",
     "where to listen (8080); 0: any free one"},
    {"max-queue", 0, SETTING_INT, OPTION_SERVE, AT(max_queue), 0, 4096, 0, NULL, "N",
     "requests that may wait (64); further ones are told to try again"},
    {"type", 0, SETTING_CHOICE, OPTION_QUANTIZE, AT(type), 0, 0, 0, "q8|q4", "TYPE",
     "the packed form: q8|q4"},
    FLAG("help", 'h', OPTION_COMMON | OPTION_DEBUG | OPTION_QUANTIZE, help, "this help"),
};
enum {
    N_OWN = (int)(sizeof own_table / sizeof own_table[0]),
    N_BEFORE_SETTINGS = 2,
    MAX_LONG = 80
};

const struct setting *option_at(int i, int *ret_use)
{
    bool own = i < N_BEFORE_SETTINGS || i >= N_BEFORE_SETTINGS + n_settings;
    int k = i < N_BEFORE_SETTINGS ? i : own ? i - n_settings : i - N_BEFORE_SETTINGS;
    if (i < 0 || (own && k >= N_OWN)) return NULL;
    const struct setting *spec = own ? &own_table[k] : &setting_table[k];
    *ret_use = own ? spec->use : spec->use | OPTION_COMMON;
    return spec;
}

/* -- Life ------------------------------------------------------------------------------------- */

static void *field(const struct options *opt, const struct setting *spec)
{
    return (char *)(uintptr_t)opt + spec->offset;
}

void options_init(struct options *opt)
{
    *opt = (struct options){.port = 8080, .max_queue = 64};
    if (settings_init(&opt->set, NULL)) must(NULL);
}

void options_free(struct options *opt)
{
    settings_free(&opt->set);
    for (int i = 0; i < N_OWN; i++) {
        const struct setting *spec = &own_table[i];
        if (spec->type == SETTING_TEXT || spec->type == SETTING_CHOICE)
            free(*(char **)field(opt, spec));
        else if (spec->type == SETTING_LIST)
            strings_free(field(opt, spec));
    }
    *opt = (struct options){0};
}

void options_copy(struct options *to, const struct options *from)
{
    unsigned before = memory_failures();
    *to = *from;
    settings_copy(&to->set, &from->set, NULL);
    for (int i = 0; i < N_OWN; i++) {
        const struct setting *spec = &own_table[i];
        if (spec->type == SETTING_TEXT || spec->type == SETTING_CHOICE) {
            *(char **)field(to, spec) = text_copy(*(char **)field(from, spec));
        } else if (spec->type == SETTING_LIST) {
            struct strings *list = field(to, spec);
            *list = (struct strings){0};
            strings_copy(list, field(from, spec));
        }
    }
    if (memory_failures() != before) must(NULL);
}

/* -- By name ---------------------------------------------------------------------------------- */

static const struct setting *find(const char *name, int use)
{
    int has;
    const struct setting *spec;
    for (int i = 0; (spec = option_at(i, &has)); i++)
        if (has & use && setting_same_name(spec->name, name)) return spec;
    return NULL;
}

static const char *name_at(int i, void *user)
{
    const int *use = user;
    int has;
    const struct setting *spec = option_at(i, &has);
    return spec && has & *use ? spec->name : "";
}

static int unknown(const char *dashes, const char *name, int use, struct phi3v_error *err)
{
    const char *near = nearest_name(name, N_OWN + n_settings, name_at, &use);
    if (near)
        return refuse(err, PHI3V_E_ARGUMENT, "unknown option %s%s: did you mean %s%s?", dashes,
                      name, dashes, near);
    return refuse(err, PHI3V_E_ARGUMENT, "unknown option %s%s: phiscope help lists them", dashes,
                  name);
}

/* -- Command line ----------------------------------------------------------------------------- */

enum { OPT_BASE = 256 }; /* getopt values of the rows start at OPT_BASE */

struct getopt_tables {
    struct option longs[MAX_LONG];
    char shorts[2 * MAX_LONG];
};

static void build_tables(struct getopt_tables *t, int use, bool first_word)
{
    int n = 0, has;
    char *p = t->shorts;
    const struct setting *spec;
    if (first_word) *p++ = '+';
    *p++ = ':';
    for (int i = 0; (spec = option_at(i, &has)); i++) {
        if (!(has & use)) continue;
        t->longs[n++] = (struct option){spec->name, spec->arg ? required_argument : no_argument,
                                        NULL, OPT_BASE + i};
        if (!spec->letter) continue;
        *p++ = spec->letter;
        if (spec->arg) *p++ = ':';
    }
    assert(n + 2 <= MAX_LONG);
    t->longs[n++] = (struct option){"set", required_argument, NULL, 's'};
    t->longs[n] = (struct option){0};
    *p = 0;
}

static const struct setting *spec_of(int c)
{
    int has;
    const struct setting *spec;
    if (c >= OPT_BASE) return option_at(c - OPT_BASE, &has);
    for (int i = 0; (spec = option_at(i, &has)); i++)
        if (spec->letter == c) return spec;
    return NULL;
}

static int set_pair(struct options *opt, const char *pair, struct phi3v_error *err)
{
    const char *equal = strchr(pair, '=');
    if (!equal) return refuse(err, PHI3V_E_ARGUMENT, "--set needs key=value, not \"%s\"", pair);
    char *name = xstrndup(pair, (size_t)(equal - pair));
    int rc = settings_set(&opt->set, name, equal + 1, SETTING_SHOWN, err);
    free(name);
    return rc;
}

/* Reports what getopt refused: argv[optind - 1], or the letter optopt. */
static int refused(int c, char *const *argv, int use, struct phi3v_error *err)
{
    const char *word = argv[optind - 1];
    char letter[2] = {(char)optopt, 0};
    bool is_long = !strncmp(word, "--", 2);
    if (c == ':') {
        const struct setting *spec = spec_of(optopt);
        return refuse(err, PHI3V_E_ARGUMENT, "option %s needs a value%s%s", word,
                      spec && spec->arg ? ": " : "", spec && spec->arg ? spec->arg : "");
    }
    if (!is_long) return unknown("-", letter, use, err);
    char *name = xstrndup(word + 2, strcspn(word + 2, "="));
    int rc = find(name, use) ? refuse(err, PHI3V_E_ARGUMENT, "option --%s takes no value", name)
                             : unknown("--", name, use, err);
    free(name);
    return rc;
}

static int set_from_argument(struct options *opt, const struct setting *spec,
                             struct phi3v_error *err)
{
    if (spec->type != SETTING_FLAG) return setting_set_value(opt, spec, optarg, err);
    *(bool *)field(opt, spec) = true;
    return 0;
}

int options_parse(struct options *opt, int argc, char **argv, int use, bool first_word,
                  struct phi3v_error *err)
{
    struct getopt_tables tables = {0};
    build_tables(&tables, use, first_word);
    opterr = 0;
    optind = 0; /* makes glibc start again, with another set of options */
    int c, rc = 0;
    while (!rc && (c = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
        if (c == '?' || c == ':')
            rc = refused(c, argv, use, err);
        else if (c == 's')
            rc = set_pair(opt, optarg, err);
        else
            rc = set_from_argument(opt, spec_of(c), err);
    }
    return rc ? rc : optind;
}
