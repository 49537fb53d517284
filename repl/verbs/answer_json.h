/* SPDX-License-Identifier: GPL-3.0-or-later
 * One answer in JSON, as `ask --json` and `script --json` print it. */
#ifndef VERBS_ANSWER_JSON_H
#define VERBS_ANSWER_JSON_H

#include "common/json.h"
#include "notebook/notebook.h"

/* Makes the object, which the caller frees with json_decref. cell is the cell's number, reported
 * with its state; 0: none. */
json_t *answer_json(const struct phi3v_model_info *model, double load_s, int cell,
                    const struct nb_answer *answer);

#endif
