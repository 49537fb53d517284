/* SPDX-License-Identifier: MIT */
#include "phi3v.h"

const char *phi3v_version(void) { return PHI3V_VERSION; }
