/* SPDX-License-Identifier: MIT
 * The notebook: numbered cells over pictures, asked one after the other of a resident model. This
 * is all that a front end (terminal, script, Jupyter kernel, server) sees of it. The core knows no
 * terminal, prints nothing, handles no signal and never ends the program: what it has to show goes
 * through struct nb_front, what went wrong comes back as an error.
 *
 *     struct notebook *nb;
 *     if (nb_new(&options, &front, &nb, &err) || nb_open_model(nb, NULL, &err)) …
 *     nb_eval(nb, ":load chart.png\nWhat is it?", NB_TYPED, &result, &err);
 *     nb_free(nb);
 *
 * A notebook belongs to one thread at a time; nb_cancel alone may come from anywhere. */
#ifndef NOTEBOOK_NOTEBOOK_H
#define NOTEBOOK_NOTEBOOK_H

#include <jansson.h>
#include <stdbool.h>

#include "notebook/settings.h"

struct notebook;

/* Who wrote what is evaluated. */
enum nb_origin {
    NB_TYPED,  /* the person, here and now */
    NB_FILE,   /* a notebook or other file: no program, no writing, public addresses only */
    NB_REQUEST /* somebody over the network: the same, and no files of this machine */
};

/* -- What a notebook asks of whoever shows it -------------------------------------------------- */

enum nb_kind {
    NB_REPORT,       /* what a command tells: one or more whole lines of text */
    NB_NOTE,         /* an aside about what just happened, one line */
    NB_IMAGE,        /* pictures to draw, each with its caption; text: what they cost */
    NB_ANSWER_BEGIN, /* an answer to the pictures is about to come */
    NB_ANSWER_TEXT,  /* a piece of it, as it is said */
    NB_ANSWER_END,   /* the end; `answer` NULL: there will be none */
    NB_DIFF,         /* two answers word by word: `changes`; text: the same with marks */
    NB_CERTAINTY,    /* an answer once more, with how certain its pieces were */
    NB_ERROR         /* something failed and the rest goes on: `error` */
};

struct nb_picture {
    const phi3v_image *image; // borrowed during the call
    const char *label;        // "@1" or "@cover"
    const char *source;       // path or address for people
};

struct nb_piece { // of a text
    size_t n_bytes;
    float probability; // that the model gave it, of its least certain token; 0: not known
};

enum nb_change_kind { NB_SAME, NB_GONE, NB_NEW };
struct nb_change { // words of one text, or of both
    enum nb_change_kind kind;
    const char *text;
    size_t n_bytes;
};

struct question;
struct nb_answer {                   // what was computed; borrowed during the call
    const struct question *question; // what was asked: question.h
    const struct phi3v_result *result;
    const char *const *sources; // of the prompt's pictures
    double decode_image_s;      // spent on decoding them
    const char *state;          // of the cell: "ok", …; NULL: the answer belongs to no cell
    const char *picture;        // the only picture it is about (:foreach); NULL
    int64_t n_tokens;           // of the prompt; 0: not known
    size_t n_begun;             // ids at its end that were given as the beginning of the answer
    double first_token_s;
};

struct nb_output {
    enum nb_kind kind;
    int cell;                      // number of the cell it belongs to; 0: none
    const char *text;              // true text, not cleaned for a terminal; may be NULL
    size_t n_bytes;                // of text
    const char *file;              // REPORT: a file that the text names by this path; or NULL
    const struct nb_piece *pieces; // all of text: ANSWER_TEXT, where known; CERTAINTY
    int n_pieces;
    const struct nb_change *changes; // DIFF
    int n_changes;
    int before, after;                 // DIFF: the cells compared
    const struct nb_picture *pictures; // IMAGE, ANSWER_BEGIN
    int n_pictures;
    bool large;                      // IMAGE: as large as fits; else small ones
    const char *label;               // ANSWER_BEGIN outside a cell: what stands above it; NULL
    const struct nb_answer *answer;  // ANSWER_END
    const struct phi3v_error *error; // ERROR
};

enum nb_unit {
    NB_BYTES,
    NB_CROPS,
    NB_TOKENS,
    NB_FILES,
    NB_SHARE /* of all the work there is before the first word of an answer */
};

struct nb_progress {
    const char *stage; // "reading the prompt": ASCII
    enum nb_unit unit;
    int64_t done, total; // total 0: unknown
    double left_s;       // SHARE: seconds until the first word; negative: not known
};

struct nb_pdf { // a document, borrowed during the call
    const void *bytes;
    size_t n_bytes;
    int page;         // 0: its only one
    double timeout_s; // for all of it
    bool (*stopped)(void *user);
    void *user;
};

struct nb_front {
    void (*output)(void *user, const struct nb_output *out);
    void (*progress)(void *user, const struct nb_progress *p); /* NULL p: nothing is at work now */
    /* The person wants the work in progress to stop. Asked at least every tenth of a second. */
    bool (*stopped)(void *user);
    /* New work begins: an earlier wish to stop does not concern it. */
    void (*begins)(void *user);
    /* A yes to a question; NULL: no. */
    bool (*confirm)(void *user, const char *question);
    /* Text that goes back into the line: a prompt that was refused (cell 0), or a cell to edit.
     * NULL: the front end has no line. */
    void (*next_input)(void *user, int cell, const char *text);
    /* Runs a shell command (:! of a person); NULL: not here. Errors: as they say. */
    int (*shell)(void *user, const char *command, struct phi3v_error *err);
    /* What the clipboard holds, a picture's bytes or text; *ret_bytes is to be freed. NULL: there
     * is no clipboard. Errors: IO, CANCELLED, as they say. */
    int (*paste)(void *user, char **ret_bytes, size_t *ret_n, struct phi3v_error *err);
    /* Puts text there; NULL: cannot. */
    int (*copy)(void *user, const char *text, struct phi3v_error *err);
    /* Pictures that appear in this folder are loaded from now on, as if they were typed; folder
     * NULL: no more. NULL itself: cannot. */
    int (*watch)(void *user, const char *folder, struct phi3v_error *err);
    /* A page of a PDF document as the bytes of a picture, which the caller frees: another program
     * draws it. NULL: not here. Errors: IMAGE, CANCELLED, MEMORY, IO. */
    int (*draw_pdf)(const struct nb_pdf *what, char **ret_bytes, size_t *ret_n,
                    struct phi3v_error *err);
    /* What was typed before, oldest first; NULL: nothing is kept. */
    int (*history)(void *user, struct strings *ret, struct phi3v_error *err);
    /* More lines for :info about where this is shown; NULL: none. */
    void (*describe)(void *user, struct text *lines);
    /* The model in use has changed; NULL: there is none now. May be NULL itself. */
    void (*model_changed)(void *user, const phi3v_model *model);
    /* A setting about showing has changed. */
    void (*settings_changed)(void *user, const struct settings *now);
    void *user;
    bool standard_input; /* "-" may be loaded as a picture */
    bool one_at_a_time;  /* a failing line ends everything: no hints about going on */
};

/* -- Life -------------------------------------------------------------------------------------- */

struct nb_options {
    const struct settings *settings; // copied
    const char *const *model_dirs;   // where short names lie, NULL-terminated; borrowed for ever
    const char *state_dir;           // for autosaves and pasted pictures; NULL: none are kept
    const char *cache_dir;           // for pictures' features; NULL: none are kept
    const char *api_key;             // for servers; NULL: none. Kept in memory alone
};

/* Errors: MEMORY. */
int nb_new(const struct nb_options *opt, const struct nb_front *front, struct notebook **ret,
           struct phi3v_error *err);
/* Opens the model, with progress; before the first evaluation. name: as -m takes it, NULL: the
 * default; or a server's address (engine_open has the form). Errors: MODEL, DEVICE, UNSUPPORTED,
 * CANCELLED, MEMORY, … */
int nb_open_model(struct notebook *nb, const char *name, struct phi3v_error *err);
/* Cells that were not saved stay behind in the state directory; a note says where. */
void nb_free(struct notebook *nb);

/* -- Evaluation -------------------------------------------------------------------------------- */

struct nb_result {
    int cell;         // number of the cell that was answered; 0: none
    bool interrupted; // the answer was stopped, and its part is kept
    bool quit;        // :quit was among the commands
};

/* One complete source: command lines, then perhaps a prompt, which becomes a new cell. Errors: one
 * sentence; the cells are then as they were. ret may be NULL. */
int nb_eval(struct notebook *nb, const char *source, enum nb_origin origin, struct nb_result *ret,
            struct phi3v_error *err);
/* Text that is a prompt and nothing else, whatever it looks like, as a new cell. */
int nb_ask(struct notebook *nb, const char *prompt, enum nb_origin origin, struct nb_result *ret,
           struct phi3v_error *err);
/* The same as the new text of a cell that is there; commands alone are evaluated as by nb_eval. */
int nb_edit(struct notebook *nb, int cell, const char *source, enum nb_origin origin,
            struct nb_result *ret, struct phi3v_error *err);
/* The same as the whole source of a cell: its command lines are replaced, too. */
int nb_replace(struct notebook *nb, int cell, const char *source, enum nb_origin origin,
               struct nb_result *ret, struct phi3v_error *err);
/* A whole formatted prompt string with its special tokens, about pictures; answered outside the
 * cells. */
int nb_answer_raw(struct notebook *nb, const char *text, const struct strings *pictures,
                  struct nb_result *ret, struct phi3v_error *err);
/* Every answer from now on, but those of :foreach, is JSON by this schema (docs/schema.md). Errors:
 * as schema_compile. */
int nb_bind(struct notebook *nb, json_t *schema, struct phi3v_error *err);
/* Loads a picture and stages it, as :load does, without drawing it. Needs no model yet. */
int nb_stage(struct notebook *nb, const char *what, struct phi3v_error *err);
/* From any thread or a signal handler: stops the computation in progress. */
void nb_cancel(struct notebook *nb);

/* -- While a person types ---------------------------------------------------------------------- */

/* The person begins to type, or goes on: what can be read already is, until the next evaluation.
 * Returns at once. */
void nb_typing(struct notebook *nb, const char *so_far);
/* All that could be read ahead has been. */
bool nb_is_ready(struct notebook *nb);

enum nb_complete { NB_COMPLETE, NB_INCOMPLETE };
/* Whether another line is wanted: an open """ or a closing backslash. */
enum nb_complete nb_is_complete(const char *source);

struct nb_candidates {
    size_t start; // where the word being completed begins
    struct strings words;
    bool files;  // paths may stand there, which the front end knows, and
    bool models; // names of models, too
    size_t skip; // bytes of the word in front of the path: the @
    bool shell;  // quoted as for a shell
};
/* What may stand at the cursor. Frees nothing that is in *ret. Errors: MEMORY. */
int nb_candidates(struct notebook *nb, const char *source, size_t cursor, struct nb_candidates *ret,
                  struct phi3v_error *err);
/* Help on what stands at the cursor, or NULL; the caller frees. */
char *nb_inspect(struct notebook *nb, const char *source, size_t cursor);
/* The path of a file whose name is one of a picture. */
bool nb_is_picture_file(const char *path);
/* The source as it may be kept: passwords and signatures of addresses are taken out. The caller
 * frees; NULL without memory. */
char *nb_for_keeping(const char *source);

/* -- Looking ----------------------------------------------------------------------------------- */

int nb_n_cells(const struct notebook *nb);
/* The prompt of a cell as it would be typed; borrowed until the next evaluation. */
const char *nb_cell_prompt(const struct notebook *nb, int cell);
const char *nb_cell_answer(const struct notebook *nb, int cell); /* NULL: none */
/* The answer of a cell once more, as outputs. */
void nb_show_again(struct notebook *nb, int cell);
/* Labels of the pictures that the next prompt takes (cell 0), or that a cell has: "@1 @cover". The
 * caller frees; NULL without memory. */
char *nb_staged(struct notebook *nb, int cell);
const struct phi3v_model_info *nb_model(const struct notebook *nb);
const struct settings *nb_settings(const struct notebook *nb);
double nb_load_s(const struct notebook *nb); /* it took to open the model */
/* Says which notebooks an earlier run left behind, as a note. */
void nb_tell_left_behind(struct notebook *nb);
/* The newest of them, for :open; NULL: none. The caller frees. */
char *nb_latest_left_behind(struct notebook *nb);

#endif
