/* SPDX-License-Identifier: MIT
 * What tests ask the emulated GPU. */
#ifndef EMULATE_RUNTIME_H
#define EMULATE_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Seen from outside, too: tests of sessions find them in the module. */
#define EMULATED_API __attribute__((visibility("default")))

/* Bytes of the GPU, and of pinned memory, that are allocated now. */
EMULATED_API size_t emulated_bytes_in_use(void);
/* The n-th allocation from now fails; 0: none. */
EMULATED_API void emulated_fail_at(long n);
/* Orders of threads, blocks and streams from now on; 0: ascending, and streams as late as can be.
 */
void emulated_set_seed(uint64_t seed);
/* The next number of the seed's sequence; 0 with the seed 0. */
uint64_t emulated_random(void);

#ifdef __cplusplus
}
#endif
#endif
