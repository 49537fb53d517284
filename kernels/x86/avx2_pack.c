/* SPDX-License-Identifier: MIT */
#include "avx2.h"

#define PACK_NAME avx2_pack
#include "ref/pack_body.h"
