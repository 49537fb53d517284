/* SPDX-License-Identifier: GPL-3.0-or-later
 * Options and settings: one table serves the command line (--top-k 5), --set top_k=5, :set top_k 5
 * and :run 3 top_k=5. */
#ifndef REPL_OPTIONS_H
#define REPL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

struct options {
    const char *program; // argv[0], for messages
    char *model;         // NULL: PHISCOPE_MODEL, else "default"
    struct strings images;
    char *type; /* of quantize */
    char *device, *dtype, *vision_dtype, *kv;
    int threads;
    int64_t ctx;
    int num_crops; // 0: the model's default
    int max_new_tokens;
    double temperature, top_p, min_p, repetition_penalty;
    int top_k;
    uint64_t seed;
    struct strings stop;
    char *stop_mode; // "default", "reference"
    bool keep_special;
    bool exif;
    int fetch_timeout; // seconds for a picture's URL
    int fetch_mib;     // largest picture's file
    char *system;      // "" : none
    char *layout;      // "auto", "beside", "above"
    char *graphics;    // "auto", "sixel", "blocks", "ascii", "none"
    bool json, plain, no_history, offline, allow_private_urls, raw, help;
    /* debug */
    char *out, *ids_file;
    bool all, decode, no_bos;
    /* eval */
    bool blank, rounding;
};

enum option_type {
    OPTION_FLAG,  /* bool; --flag on the command line, on|off as a setting */
    OPTION_ONOFF, /* bool; --exif on|off everywhere */
    OPTION_INT,
    OPTION_INT64,
    OPTION_UINT64,
    OPTION_REAL,
    OPTION_TEXT,
    OPTION_CHOICE,
    OPTION_LIST /* may be given several times; as a setting: one value, "" empties it */
};

enum option_use {
    OPTION_COMMON = 1,   /* every verb that runs a model */
    OPTION_SETTING = 2,  /* :set may change it */
    OPTION_ANSWER = 4,   /* a key for :run RANGE key=value */
    OPTION_LOAD = 8,     /* fixed once the model is loaded: :set shows it only */
    OPTION_DEBUG = 16,   /* debug verbs only */
    OPTION_EVAL = 32,    /* eval only */
    OPTION_QUANTIZE = 64 /* quantize only */
};

struct option_spec {
    const char *name; /* as on the command line; settings write _ for - */
    char letter;      /* 0: none */
    enum option_type type;
    int use;
    size_t offset; /* in struct options */
    double min, max;
    const char *choices; /* "a|b|c" */
    const char *arg;     /* for help; NULL: takes none */
    const char *help;
};

extern const struct option_spec option_table[];
extern const int n_options;

void options_init(struct options *opt);
void options_free(struct options *opt);
/* A deep copy for one run with other values; to is uninitialised. */
void options_copy(struct options *to, const struct options *from);

/* Reads options from argv[1 …] into opt. use: mask of enum option_use that is allowed. Stops at the
 * first other word when `first_word`, else moves the other words to the end. Returns their index in
 * argv, or ARGUMENT with a sentence that names the nearest option. */
int options_parse(struct options *opt, int argc, char **argv, int use, bool first_word,
                  struct phi3v_error *err);
/* Sets one by name ("-" or "_") from text. Errors: ARGUMENT (unknown name with the nearest; value
 * outside what is allowed). */
int options_set(struct options *opt, const char *name, const char *value, int use,
                struct phi3v_error *err);
/* Finds a spec by name, "-" and "_" alike; NULL when there is none. */
const struct option_spec *option_find(const char *name, int use);
/* The value as text, to be freed. */
char *option_value(const struct options *opt, const struct option_spec *spec);

/* The library's structs out of the settings. stop_list is memory for the pointers: at least
 * opt->stop.n + 1. */
void options_params(const struct options *opt, struct phi3v_params *ret_params,
                    const char **stop_list);

#endif
