/* SPDX-License-Identifier: GPL-3.0-or-later
 * Options and settings: one table serves the command line (--top-k 5), --set top_k=5, :set top_k 5
 * and :run 3 top_k=5. */
#ifndef REPL_OPTIONS_H
#define REPL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "util.h"

struct options {
    const char *program; // argv[0], for messages
    char *model;         // NULL: PHISCOPE_MODEL, else "default"
    struct strings images;
    char *type; /* of quantize */
    char *device, *dtype, *kv;
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
    char *system;   // "" : none
    char *layout;   // "auto", "beside", "above"
    char *graphics; // "auto", "sixel", "blocks", "ascii", "none"
    bool json, plain, no_history, offline, allow_private_urls, raw, help;
    /* debug */
    char *out, *ids_file;
    bool all, decode, no_bos;
    /* eval */
    bool blank;
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
