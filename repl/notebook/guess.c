/* SPDX-License-Identifier: MIT */
#include <float.h>
#include <math.h>
#include <string.h>

#include "notebook/certainty.h"
#include "notebook/guess.h"

static char withheld[] = "I can't make this out reliably.";

bool guess_awaited(const struct engine *e, const struct settings *s)
{
    return e->advice.min_certainty > 0 && !s->guess && !e->format.schema &&
           strcmp(s->certainty, "off") != 0;
}

double guess_withhold(const struct engine *e, const struct phi3v_result *result,
                      struct phi3v_result *ret)
{
    *ret = *result;
    double least = certainty_least_of(result->logprobs, result->n_answer_ids);
    if (!(least < e->advice.min_certainty)) return 0;
    ret->finish = PHI3V_FINISH_STOP;
    ret->text = withheld;
    ret->n_text_bytes = strlen(withheld);
    ret->ids = NULL;
    ret->n_ids = ret->n_answer_ids = 0;
    ret->text_ends = NULL;
    ret->logprobs = NULL;
    ret->top = NULL;
    return fmax(least, DBL_MIN);
}
