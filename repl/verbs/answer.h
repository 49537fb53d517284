/* SPDX-License-Identifier: GPL-3.0-or-later
 * The machine-readable account of one answer: what `ask --json` and `script --json` print. */
#ifndef REPL_ANSWER_H
#define REPL_ANSWER_H

#include "verbs/app.h"
#include "base/json.h"
#include "notebook/media.h"

/* sources[k]: where picture k of the prompt came from. The caller adds keys of its own and prints
 * it. */
json_t *answer_json(const struct app *a, const phi3v_prompt *prompt,
                    const struct phi3v_result *result, const char *const *sources,
                    double decode_image_s);
const char *finish_name(enum phi3v_finish finish); /* "stop", "length", "interrupted" */

#endif
