/* SPDX-License-Identifier: MIT
 * A fuzz target is one file NAME_fuzz.c with this function, and a folder corpus/NAME of seeds. With
 * -Dfuzz=true (clang) it becomes the libFuzzer program fuzz_NAME; in every build replay.c runs the
 * seeds through it as a test. It must free all it allocates and may keep no state. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#endif
