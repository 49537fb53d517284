/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "phi3v.h"

int main(void)
{
    printf("phiscope %s\n", phi3v_version());
    return 0;
}
