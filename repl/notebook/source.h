/* SPDX-License-Identifier: MIT
 * The source of a cell: command lines first, then the prompt. Only this file reads and writes the
 * form, whether it was typed, pasted, or is in a script or notebook.
 *
 *     :load chart.png                 a command: its line begins with : (or ! or ?)
 *     :system """Answer in German,
 *     in one sentence."""             an open """ or a closing \ continues on the next line
 *     What is shown?                  the prompt: all the rest
 *
 * A prompt that would look like a command is written as ::text, or between """ lines. */
#ifndef NOTEBOOK_SOURCE_H
#define NOTEBOOK_SOURCE_H

#include "common/text.h"

struct source {
    struct strings commands; // complete, as written, without indentation
    char *prompt;            // as meant; "" when there is none
};

/* Brings any text into the form expected here: LF line ends, no byte order mark, valid UTF-8
 * (invalid bytes become U+FFFD). Errors: ARGUMENT (a zero byte, UTF-16), MEMORY. */
int source_normalise(const char *bytes, size_t n, const char *what, char **ret,
                     struct phi3v_error *err);
/* The same for a whole file or line of one; bytes that are not UTF-8 are refused (IO), because the
 * text has another encoding or is none. */
int source_of_file(const char *bytes, size_t n, const char *what, char **ret,
                   struct phi3v_error *err);
int source_read(const char *text, struct source *ret, struct phi3v_error *err);
void source_free(struct source *s);

/* The source that reads back as this prompt and no command; NULL without memory. */
char *source_of_prompt(const char *prompt);
/* Whether a line begins a command. */
bool source_is_command(const char *line);
/* Whether another line is needed: an open """, or a closing backslash. */
bool source_incomplete(const char *text);
/* The meaning of a command's words: a backslash before a line end is dropped, and """ around
 * everything is removed. NULL without memory. */
char *source_arguments(const char *command);

#endif
