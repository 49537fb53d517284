/* SPDX-License-Identifier: MIT
 * Answers that the model is too unsure of. Where its folder says how sure it has to be
 * (min_certainty, advice.h), an answer is shown once it is whole, and one with a token below that is
 * replaced by a sentence that says so, unless the setting `guess` wants it all the same. */
#ifndef NOTEBOOK_GUESS_H
#define NOTEBOOK_GUESS_H

#include "notebook/engine.h"

/* Whether answers are to be judged before they are shown. Never those whose form is bound, since
 * whoever reads them expects it. */
bool guess_awaited(const struct engine *e, const struct settings *s);
/* If the result is too unsure, *ret is what is shown and kept instead, and borrows everything; else
 * *ret is the result. Returns how certain a withheld answer was of its least certain token; 0: it
 * is shown. */
double guess_withhold(const struct engine *e, const struct phi3v_result *result,
                      struct phi3v_result *ret);

#endif
