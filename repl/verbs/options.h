/* SPDX-License-Identifier: GPL-3.0-or-later
 * The options of the command line: all settings of the notebook, and those that only a command line
 * has. */
#ifndef VERBS_OPTIONS_H
#define VERBS_OPTIONS_H

#include "notebook/settings.h"

struct options {
    struct settings set; // first, so that the offsets in its table hold for this struct too
    const char *program; // argv[0], for messages
    char *model;         // NULL: PHISCOPE_MODEL, else "default"
    char *connect;       // addresses of servers that answer instead; NULL: none
    char *api_key_file;  // NULL: PHISCOPE_API_KEY or, for serve, no keys
    struct strings images;
    char *type; /* of quantize */
    bool json, no_history, raw, help, go_on;
    /* ask */
    char *json_schema; // a file, or the schema itself; NULL: any text
    /* debug */
    char *out, *ids_file;
    bool all, decode, no_bos;
    /* eval */
    bool blank, rounding;
    /* kernel */
    char *connection, *prefix;
    bool user;
    /* serve */
    char *host; // NULL: 127.0.0.1
    int port, max_queue;
};

/* In addition to the bits of enum setting_use. */
enum option_use {
    OPTION_COMMON = 1 << 8,    /* every verb that runs a model */
    OPTION_DEBUG = 1 << 9,     /* debug verbs only */
    OPTION_EVAL = 1 << 10,     /* eval only */
    OPTION_QUANTIZE = 1 << 11, /* quantize only */
    OPTION_NOTEBOOK = 1 << 12, /* the notebook only */
    OPTION_KERNEL = 1 << 13,   /* kernel only */
    OPTION_SERVE = 1 << 14,    /* serve only */
    OPTION_CONNECT = 1 << 15,  /* verbs that a server may answer */
    OPTION_ASK = 1 << 16       /* ask only */
};

/* The i-th option, or NULL after the last; *ret_use is its mask. Settings are OPTION_COMMON. */
const struct setting *option_at(int i, int *ret_use);

void options_init(struct options *opt);
void options_free(struct options *opt);
/* Makes a deep copy in `to`, which is uninitialised. */
void options_copy(struct options *to, const struct options *from);

/* Reads options from argv[1 …] into opt. `use` is the mask of the allowed ones. With `first_word`
 * it stops at the first other word, else it moves the other words to the end. Returns their index
 * in argv, or ARGUMENT with a sentence that names the nearest option. */
int options_parse(struct options *opt, int argc, char **argv, int use, bool first_word,
                  struct phi3v_error *err);

#endif
