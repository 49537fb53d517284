/* SPDX-License-Identifier: MIT
 * Settings: the same table serves the command line (--top-k 5), --set top_k=5, :set top_k 5 and
 * :run 3 top_k=5. */
#ifndef NOTEBOOK_SETTINGS_H
#define NOTEBOOK_SETTINGS_H

#include <stdint.h>

#include "common/text.h"

struct settings {
    /* How a cell is asked. */
    int num_crops; // 0: the model's default
    int max_new_tokens;
    double temperature, top_p, min_p, repetition_penalty;
    int top_k;
    uint64_t seed;
    struct strings stop;
    char *stop_mode; // "default", "reference"
    bool keep_special;
    bool exif, lenient;
    char *system; // "": none
    char *mode;   // "chat", "cell"; mode_of_model until a model is open
    /* How it is shown. */
    char *layout;    // "auto", "beside", "above"
    char *certainty; // "auto", "on", "off": whether answers come with log-probabilities
    bool guess;      // also show answers that are below the model's min_certainty
    double doubt;    // words below this probability are underlined; 0: none
    char *graphics;  // "auto", "kitty", "sixel", "blocks", "ascii", "none"
    bool plain;
    int picture_rows; // of a picture beside an answer; 0: what suits the screen
    double bell;      // the bell rings after answers this many seconds long; 0: never
    bool stats;       // a line about speed after each answer
    int parallel;     // concurrent answers of :foreach and serve; 0: the engine's choice
    bool ahead;       // prefill while the person types
    /* How a model is opened. */
    char *device, *dtype, *vision_dtype, *kv;
    int threads;
    int64_t ctx;
    /* Network access. */
    bool offline, allow_private_urls;
    int fetch_timeout; // seconds to fetch a picture's address
    int fetch_mib;     // largest file of a picture
    int cache_mib;     // features of pictures on disk; 0: none
};

enum setting_type {
    SETTING_FLAG,  /* bool; --flag on the command line, on|off as a setting */
    SETTING_ONOFF, /* bool; --exif on|off everywhere */
    SETTING_INT,
    SETTING_INT64,
    SETTING_UINT64,
    SETTING_REAL,
    SETTING_TEXT,
    SETTING_CHOICE,
    SETTING_LIST /* may be given several times; as a setting: one value, "" empties it */
};

enum setting_use {
    SETTING_SHOWN = 1,     /* :set lists and changes it */
    SETTING_ANSWER = 2,    /* how an answer is sampled: a key for :run RANGE key=value */
    SETTING_PROMPT = 4,    /* what the model is asked: belongs to the cell and those after it */
    SETTING_LOAD = 8,      /* fixed once the model is open: :set only shows it */
    SETTING_FROM_FILE = 16 /* a cell from a file may change it, up to file_max */
};
/* Stored with the cells: in their sources, and with the answers. */
enum { SETTING_CELL = SETTING_ANSWER | SETTING_PROMPT };

struct setting {
    const char *name; /* as on the command line; :set writes _ for - */
    char letter;      /* 0: none */
    enum setting_type type;
    int use;
    size_t offset; /* in the struct that the table describes */
    double min, max;
    double file_max;     /* largest value that a file may set; 0: max */
    const char *choices; /* "a|b|c" */
    const char *arg;     /* for help; NULL: takes none */
    const char *help;
};

extern const struct setting setting_table[];
extern const int n_settings;
extern const char mode_of_model[]; /* not chosen: the model's folder decides, else chat */

/* Errors: MEMORY; then the settings can only be freed. */
int settings_init(struct settings *s, struct phi3v_error *err);
void settings_free(struct settings *s);
/* A deep copy; to is uninitialised. Errors: MEMORY; then `to` is empty. */
int settings_copy(struct settings *to, const struct settings *from, struct phi3v_error *err);

/* Sets one by name ("-" or "_") from text. use: mask of enum setting_use, of which the setting must
 * have at least one. Errors: ARGUMENT (unknown name, with the nearest; value out of bounds),
 * MEMORY. */
int settings_set(struct settings *s, const char *name, const char *value, int use,
                 struct phi3v_error *err);
/* The same for a line of a file, with the bounds for files. */
int settings_set_from_file(struct settings *s, const char *name, const char *value,
                           struct phi3v_error *err);
/* Finds one by name, "-" and "_" alike; NULL when there is none. */
const struct setting *setting_find(const char *name, int use);
/* The name as :set writes it, with _ for -; the caller frees. */
char *setting_name(const struct setting *spec);

/* -- For any table and the struct it describes (the command line has its own) ------------------ */

int setting_set_value(void *of, const struct setting *spec, const char *value,
                      struct phi3v_error *err);
char *setting_value(const void *of, const struct setting *spec); /* as text, to be freed */
bool setting_same_name(const char *a, const char *b);            /* "-" and "_" alike */

/* Converts the settings to the library's struct. stop_list is memory for the pointers: at least
 * stop.n + 1. */
void settings_params(const struct settings *s, struct phi3v_params *ret_params,
                     const char **stop_list);

#endif
