/* SPDX-License-Identifier: MIT
 * Bursts of arithmetic without memory traffic, for the probe: each call runs some milliseconds and
 * returns the operations it did (a multiply-add counts as two). */
#ifndef KERNELS_PEAK_H
#define KERNELS_PEAK_H

typedef double (*burst_fn)(void);

/* The fastest burst within the level of base/cpu.h; NULL: no such instruction. */
burst_fn peak_f32(void);
burst_fn peak_bf16(void);
burst_fn peak_int8(void);

#endif
