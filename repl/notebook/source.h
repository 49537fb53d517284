/* SPDX-License-Identifier: MIT
 * The source of a cell: command lines first, then the prompt. This is the only reader and writer of
 * that form, whether it was typed, pasted, or stands in a script or a notebook.
 *
 *     :load chart.png                 a command: its line begins with : (or ! or ?)
 *     :system """Answer in German,
 *     in one sentence."""             an open """ or a closing \ goes on in the next line
 *     What is shown?                  the prompt: all the rest
 *
 * A prompt that would look like a command is written as ::text, or between """ lines. */
#ifndef NOTEBOOK_SOURCE_H
#define NOTEBOOK_SOURCE_H

#include "common/text.h"

struct source {
    struct strings commands; // whole, as they stand there, without indentation
    char *prompt;            // as it is meant; "" when there is none
};

/* Text from anywhere in the form that everything here expects: line ends are LF, no byte order
 * mark, valid UTF-8 (U+FFFD stands for what is not). Errors: ARGUMENT (a zero byte, UTF-16),
 * MEMORY. */
int source_normalise(const char *bytes, size_t n, const char *what, char **ret,
                     struct phi3v_error *err);
int source_read(const char *text, struct source *ret, struct phi3v_error *err);
void source_free(struct source *s);

/* The text that reads back as this prompt and no command; NULL without memory. */
char *source_of_prompt(const char *prompt);
/* A line that begins a command. */
bool source_is_command(const char *line);
/* Another line is wanted: an open """, or a closing backslash. */
bool source_incomplete(const char *text);
/* What a command's words mean: line ends behind a backslash are line ends, """ around all of them
 * is taken away. NULL without memory. */
char *source_arguments(const char *command);

#endif
