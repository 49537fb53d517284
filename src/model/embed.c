/* SPDX-License-Identifier: MIT */
#include "model/embed.h"

#include <string.h>

#include "base/err.h"
#include "model/project.h"

int embed_check(const struct config *c, const struct prompt_row *row, struct phi3v_error *err)
{
    const struct features *f = row->features;
    if (!f) {
        if (row->id >= 0 && row->id < c->n_vocab) return 0;
        return err_set(err, PHI3V_E_ARGUMENT, "token id %d is outside 0 … %d", row->id,
                       c->n_vocab - 1);
    }
    if (row->feature_row >= 0 && row->feature_row < f->n_rows && f->hidden == c->hidden) return 0;
    return err_set(err, PHI3V_E_ARGUMENT,
                   "feature row %d of a picture with %d rows of %d values does not fit this model",
                   row->feature_row, f->n_rows, f->hidden);
}

void embed_row(const struct model_weights *w, const struct kernels *k, const struct prompt_row *row,
               float *x)
{
    size_t hidden = (size_t)w->embed.n_in;
    if (row->features) {
        memcpy(x, row->features->data + (size_t)row->feature_row * hidden, hidden * sizeof *x);
        return;
    }
    size_t item = w->embed.type == WEIGHT_F32 ? 4 : 2;
    k->widen(x, (const char *)w->embed.data + (size_t)row->id * hidden * item, w->embed.type,
             w->embed.n_in);
}
