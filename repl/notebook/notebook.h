/* SPDX-License-Identifier: MIT
 * The notebook: numbered cells about pictures, answered one after the other by a resident model.
 * This is all that a front end (terminal, script, Jupyter kernel, server) sees of it. The core
 * knows no terminal, prints nothing, handles no signals and never ends the program: output goes
 * through struct nb_front, and failures are returned as errors.
 *
 *     struct notebook *nb;
 *     if (nb_new(&options, &front, &nb, &err) || nb_open_model(nb, NULL, &err)) …
 *     nb_eval(nb, ":load chart.png\nWhat is it?", NB_TYPED, &result, &err);
 *     nb_free(nb);
 *
 * A notebook belongs to one thread at a time; only nb_cancel may be called from anywhere. */
#ifndef NOTEBOOK_NOTEBOOK_H
#define NOTEBOOK_NOTEBOOK_H

#include <jansson.h>
#include <stdbool.h>

#include "notebook/settings.h"

struct notebook;

/* Who wrote the source being evaluated. */
enum nb_origin {
    NB_TYPED,  /* the person, here and now */
    NB_FILE,   /* a notebook or other file: no program, no writing, public addresses only */
    NB_REQUEST /* somebody on the network: the same, and no files of this machine */
};

/* -- What a notebook needs from a front end ---------------------------------------------------- */

enum nb_kind {
    NB_REPORT,       /* output of a command: one or more whole lines of text */
    NB_NOTE,         /* a remark about what just happened, one line */
    NB_IMAGE,        /* pictures to draw, each with its caption; text: what they cost */
    NB_ANSWER_BEGIN, /* an answer to the pictures follows */
    NB_ANSWER_TEXT,  /* a piece of it, as it is generated */
    NB_ANSWER_END,   /* the end; `answer` NULL: there is no answer */
    NB_DIFF,         /* two answers compared: `changes`; text: the same with marks */
    NB_CERTAINTY,    /* an answer again, with how certain its pieces were */
    NB_ERROR         /* something failed, and the rest goes on: `error` */
};

struct nb_picture {
    const phi3v_image *image; // borrowed during the call
    const char *label;        // "@1" or "@cover"
    const char *source;       // path or address for people
};

struct nb_piece { // of a text
    size_t n_bytes;
    float probability; // the model's, of its least certain token; 0: not known
};

enum nb_change_kind { NB_SAME, NB_GONE, NB_NEW };
struct nb_change { // words of one text, or of both
    enum nb_change_kind kind;
    const char *text;
    size_t n_bytes;
};

struct question;
struct nb_answer {                   // borrowed during the call
    const struct question *question; // see question.h
    const struct phi3v_result *result;
    const char *const *sources; // of the prompt's pictures
    double decode_image_s;      // spent on decoding them
    const char *state;          // of the cell: "ok", …; NULL: the answer belongs to no cell
    const char *picture;        // its only picture (:foreach); NULL
    int64_t n_tokens;           // of the prompt; 0: not known
    size_t n_begun;             // ids at its end that were given as the answer's beginning
    double first_token_s;
};

struct nb_output {
    enum nb_kind kind;
    int cell;                      // number of the cell it belongs to; 0: none
    const char *text;              // raw text, not cleaned for a terminal; may be NULL
    size_t n_bytes;                // of text
    const char *file;              // REPORT: a file that the text names by this path; or NULL
    const struct nb_piece *pieces; // together all of text: ANSWER_TEXT, where known; CERTAINTY
    int n_pieces;
    const struct nb_change *changes; // DIFF
    int n_changes;
    int before, after;                 // DIFF: the cells compared
    const struct nb_picture *pictures; // IMAGE, ANSWER_BEGIN
    int n_pictures;
    bool large;                      // IMAGE: as large as fits; otherwise small
    const char *label;               // ANSWER_BEGIN outside a cell: its heading; NULL
    const struct nb_answer *answer;  // ANSWER_END
    const struct phi3v_error *error; // ERROR
};

enum nb_unit {
    NB_BYTES,
    NB_CROPS,
    NB_TOKENS,
    NB_SHARE /* of all work before the first word of an answer */
};

struct nb_progress {
    const char *stage; // "reading the prompt": ASCII
    enum nb_unit unit;
    int64_t done, total; // total 0: unknown
    double left_s;       // SHARE: seconds until the first word; negative: not known
};

struct nb_pdf { // a PDF document, borrowed during the call
    const void *bytes;
    size_t n_bytes;
    int page;         // 0: its only one
    double timeout_s; // for the whole drawing
    bool (*stopped)(void *user);
    void *user;
};

struct nb_front {
    void (*output)(void *user, const struct nb_output *out);
    void (*progress)(void *user, const struct nb_progress *p); /* NULL p: no work is in progress */
    /* Whether the person wants the work in progress to stop. Called at least every tenth of a
     * second. */
    bool (*stopped)(void *user);
    /* New work begins: earlier requests to stop do not apply to it. */
    void (*begins)(void *user);
    /* Puts text into the input line: a prompt that was refused (cell 0), or a cell to edit. NULL:
     * the front end has no line. */
    void (*next_input)(void *user, int cell, const char *text);
    /* Runs a person's shell command (:!); NULL: not supported. Errors: the front end's. */
    int (*shell)(void *user, const char *command, struct phi3v_error *err);
    /* The clipboard's content, a picture's bytes or text; *ret_bytes is to be freed. NULL: there is
     * no clipboard. Errors: IO, CANCELLED, and the front end's. */
    int (*paste)(void *user, char **ret_bytes, size_t *ret_n, struct phi3v_error *err);
    /* Copies text to the clipboard; NULL: not supported. */
    int (*copy)(void *user, const char *text, struct phi3v_error *err);
    /* From now on loads pictures that appear in this folder, as if they were typed; folder NULL:
     * stops. NULL itself: not supported. */
    int (*watch)(void *user, const char *folder, struct phi3v_error *err);
    /* Draws a page of a PDF document with another program; the caller frees the picture's bytes.
     * NULL: not supported. Errors: IMAGE, CANCELLED, MEMORY, IO. */
    int (*draw_pdf)(const struct nb_pdf *what, char **ret_bytes, size_t *ret_n,
                    struct phi3v_error *err);
    /* What was typed before, oldest first; NULL: no history. */
    int (*history)(void *user, struct strings *ret, struct phi3v_error *err);
    /* Adds lines for :info about the front end; NULL: none. */
    void (*describe)(void *user, struct text *lines);
    /* The model has changed; model NULL: there is none now. May be NULL itself. */
    void (*model_changed)(void *user, const phi3v_model *model);
    /* A display setting has changed. */
    void (*settings_changed)(void *user, const struct settings *now);
    void *user;
    bool standard_input; /* "-" may be loaded as a picture */
    bool one_at_a_time;  /* a failing line ends the run: no hints about what to do next */
};

/* -- Life -------------------------------------------------------------------------------------- */

struct nb_options {
    const struct settings *settings; // copied
    /* For the cells of opened notebooks, which say themselves what was set: the settings without
     * those that :set --save had kept. NULL: the same ones. */
    const struct settings *for_opened;
    const char *const *model_dirs; // folders of short names, NULL-terminated; borrowed for ever
    const char *state_dir;         // for autosaves and pasted pictures; NULL: none are kept
    const char *cache_dir;         // for pictures' features; NULL: none are kept
    const char *api_key;           // for servers; NULL: none. Kept only in memory
    const char *settings_file;     // where :set --save keeps settings; NULL: nowhere
};

/* Errors: MEMORY. */
int nb_new(const struct nb_options *opt, const struct nb_front *front, struct notebook **ret,
           struct phi3v_error *err);
/* Opens the model, with progress; call it before the first evaluation. name: as -m takes it (NULL:
 * the default), or a server's address (see engine_open). Errors: MODEL, DEVICE, UNSUPPORTED,
 * CANCELLED, MEMORY, … */
int nb_open_model(struct notebook *nb, const char *name, struct phi3v_error *err);
/* Unsaved cells are left in the state directory; a note says where. */
void nb_free(struct notebook *nb);

/* -- Evaluation -------------------------------------------------------------------------------- */

struct nb_result {
    int cell;         // number of the cell that was answered; 0: none
    bool interrupted; // the answer was stopped, and the part so far kept
    bool quit;        // :quit was among the commands
};

/* Evaluates one complete source: command lines, then perhaps a prompt, which becomes a new cell. On
 * an error, which is one sentence, the cells are unchanged. ret may be NULL. */
int nb_eval(struct notebook *nb, const char *source, enum nb_origin origin, struct nb_result *ret,
            struct phi3v_error *err);
/* Asks a text that is only a prompt, whatever it looks like, in a new cell. */
int nb_ask(struct notebook *nb, const char *prompt, enum nb_origin origin, struct nb_result *ret,
           struct phi3v_error *err);
/* The same with the new text of an existing cell; commands alone are evaluated as by nb_eval. */
int nb_edit(struct notebook *nb, int cell, const char *source, enum nb_origin origin,
            struct nb_result *ret, struct phi3v_error *err);
/* The same with the whole source of a cell, whose command lines are replaced too. */
int nb_replace(struct notebook *nb, int cell, const char *source, enum nb_origin origin,
               struct nb_result *ret, struct phi3v_error *err);
/* Answers a complete formatted prompt with its special tokens, about pictures, outside the
 * cells. */
int nb_answer_raw(struct notebook *nb, const char *text, const struct strings *pictures,
                  struct nb_result *ret, struct phi3v_error *err);
/* From now on every answer, except those of :foreach, is JSON by this schema (docs/schema.md).
 * Errors: as schema_compile. */
int nb_bind(struct notebook *nb, json_t *schema, struct phi3v_error *err);
/* Loads and stages a picture as :load does, without drawing it. Needs no model yet. */
int nb_stage(struct notebook *nb, const char *what, struct phi3v_error *err);
/* From any thread or a signal handler: stops the computation in progress. */
void nb_cancel(struct notebook *nb);

/* -- While a person types ---------------------------------------------------------------------- */

/* The person is typing: what is known of the prompt is prefilled until the next evaluation. Returns
 * at once. */
void nb_typing(struct notebook *nb, const char *so_far);
/* Whether all that can be prefilled ahead has been. */
bool nb_is_ready(struct notebook *nb);

enum nb_complete { NB_COMPLETE, NB_INCOMPLETE };
/* Whether another line is needed: an open """ or a closing backslash. */
enum nb_complete nb_is_complete(const char *source);

struct nb_candidates {
    size_t start; // where the word being completed begins
    struct strings words;
    bool files;  // paths may follow, which the front end knows, and
    bool models; // also names of models
    size_t skip; // bytes of the word before the path: the @
    bool shell;  // quoted as for a shell
};
/* Completions at the cursor. Whatever is in *ret is overwritten, not freed. Errors: MEMORY. */
int nb_candidates(struct notebook *nb, const char *source, size_t cursor, struct nb_candidates *ret,
                  struct phi3v_error *err);
/* Help on what is at the cursor, or NULL; the caller frees. */
char *nb_inspect(struct notebook *nb, const char *source, size_t cursor);
/* Whether the path is that of a file with a picture's name. */
bool nb_is_picture_file(const char *path);
/* The source in a form safe to store, without passwords and signatures in addresses. The caller
 * frees; NULL without memory. */
char *nb_for_keeping(const char *source);

/* -- Looking ----------------------------------------------------------------------------------- */

int nb_n_cells(const struct notebook *nb);
/* The prompt of a cell as it would be typed; borrowed until the next evaluation. */
const char *nb_cell_prompt(const struct notebook *nb, int cell);
const char *nb_cell_answer(const struct notebook *nb, int cell); /* NULL: none */
/* Shows the answer of a cell again, as outputs. */
void nb_show_again(struct notebook *nb, int cell);
/* Labels of the pictures that the next prompt takes (cell 0) or that a cell has: "@1 @cover". The
 * caller frees; NULL without memory. */
char *nb_staged(struct notebook *nb, int cell);
const struct phi3v_model_info *nb_model(const struct notebook *nb);
const struct settings *nb_settings(const struct notebook *nb);
double nb_load_s(const struct notebook *nb); /* seconds it took to open the model */
/* Gives an empty notebook the name of a file that is not there yet, for :save, and says so in a
 * note. Errors: MEMORY. */
int nb_name(struct notebook *nb, const char *path, struct phi3v_error *err);
/* Says in a note which notebooks an earlier run left behind. */
void nb_tell_left_behind(struct notebook *nb);
/* Puts unsaved cells aside before the program ends. Errors: IO (they would be lost). */
int nb_leave(struct notebook *nb, struct phi3v_error *err);
/* The newest of them, for :open; NULL: none. The caller frees. */
char *nb_latest_left_behind(struct notebook *nb);

#endif
