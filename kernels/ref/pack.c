/* SPDX-License-Identifier: MIT */
#include "ref.h"

#define PACK_NAME ref_pack
#include "pack_body.h"
