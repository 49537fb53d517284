/* SPDX-License-Identifier: MIT
 * The entries of the AMX level. Compiled twice: for the tile unit, and for its emulation, whose
 * names end differently so that both can be in one program. */
#ifndef KERNELS_X86_AMX_H
#define KERNELS_X86_AMX_H

#include "avx512.h"

#ifdef AMX_EMULATE
#define AMX_NAME(name) name##_emulated
#else
#define AMX_NAME(name) name
#endif

void AMX_NAME(amx_attend)(const struct attend_args *args);

#endif
