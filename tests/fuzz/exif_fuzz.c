/* SPDX-License-Identifier: MIT
 * EXIF and XMP by themselves: the first byte says which. Whatever they are, the orientation is none or one
 * of eight. */
#include <stdlib.h>

#include "fuzz.h"
#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n == 0) return 0;
    int turn =
        bytes[0] % 2 ? exif_orientation(bytes + 1, n - 1) : xmp_orientation(bytes + 1, n - 1);
    if (turn < 0 || turn > 8) abort();
    return 0;
}
