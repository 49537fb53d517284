/* SPDX-License-Identifier: MIT */
#include "model/rope.h"

#include <math.h>
#include <stdbool.h>

/* Every step is rounded to f32, as the reference does: a double here would turn angles at large
 * positions. */
void rope_init(struct rope *rope, const struct config *c)
{
    rope->half = c->head_dim / 2;
    rope->magnitude = (float)config_rope_magnitude(c);
    for (int m = 0; m < rope->half; m++) {
        float exponent = (float)(2 * m) / (float)c->head_dim;
        float power = powf(c->rope_theta, exponent);
        bool plain = c->rope == ROPE_PLAIN;
        rope->inv_freq[ROPE_SHORT_FACTORS][m] = 1 / ((plain ? 1 : c->rope_short[m]) * power);
        rope->inv_freq[ROPE_LONG_FACTORS][m] = 1 / ((plain ? 1 : c->rope_long[m]) * power);
    }
}

void rope_row(const struct rope *rope, enum rope_factors rope_factors, int64_t pos, float *cos,
              float *sin)
{
    for (int m = 0; m < rope->half; m++) {
        float angle = (float)pos * rope->inv_freq[rope_factors][m];
        cos[m] = cosf(angle) * rope->magnitude;
        sin[m] = sinf(angle) * rope->magnitude;
    }
}
