/* SPDX-License-Identifier: MIT */
#include "avx512.h"

#define PACK_NAME avx512_pack
#include "ref/pack_body.h"
