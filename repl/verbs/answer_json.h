/* SPDX-License-Identifier: GPL-3.0-or-later
 * The machine-readable account of one answer: what `ask --json` and `script --json` print. */
#ifndef VERBS_ANSWER_JSON_H
#define VERBS_ANSWER_JSON_H

#include "common/json.h"
#include "notebook/notebook.h"

/* One object. cell: its number, with its state; 0: none. The caller frees it with json_decref. */
json_t *answer_json(const struct phi3v_model_info *model, double load_s, int cell,
                    const struct nb_answer *answer);

#endif
