/* SPDX-License-Identifier: MIT
 * Rotary position embedding with the short and the long factors (docs/model.md, Rotary positions):
 * the angles of any position, computed when needed. A pass asks for a few hundred positions at
 * most, so no table has to grow with the context. */
#ifndef MODEL_ROPE_H
#define MODEL_ROPE_H

#include "flow.h"
#include "weights/config.h"

struct rope {
    int half;                           // head_dim / 2
    float magnitude;                    // multiplies cosine and sine
    float inv_freq[2][CONFIG_MAX_ROPE]; // by enum rope_factors
};

void rope_init(struct rope *rope, const struct config *c);
/* cos, sin: [half], with the magnitude. golden: activations/rope.cos */
void rope_row(const struct rope *rope, enum rope_factors rope_factors, int64_t pos, float *cos,
              float *sin);

#endif
