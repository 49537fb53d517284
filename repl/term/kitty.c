/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/kitty.h"

#include <limits.h>
#include <stdlib.h>

#include <openssl/evp.h>

enum { PIECE = 4096 }; /* base64 letters in one sequence, at most */

int kitty_write(const uint8_t *rgb, int width, int height, int cols, int rows, FILE *out)
{
    size_t n = (size_t)width * (size_t)height * 3;
    if (width < 1 || height < 1 || n > INT_MAX / 2) return -1;
    unsigned char *letters = malloc(4 * (n / 3 + 1) + 1);
    if (!letters) return -1;
    size_t left = (size_t)EVP_EncodeBlock(letters, rgb, (int)n);
    /* a=T: transmit and show; f=24: RGB; q=2: no answers, which would look like keys; C=1: the
     * cursor stays */
    fprintf(out, "\033_Ga=T,f=24,q=2,C=1,s=%d,v=%d,c=%d,r=%d,", width, height, cols, rows);
    for (const unsigned char *p = letters; left > 0;) {
        size_t piece = left < PIECE ? left : PIECE;
        left -= piece;
        fprintf(out, "m=%d;%.*s\033\\", left > 0, (int)piece, (const char *)p);
        p += piece;
        if (left > 0) fputs("\033_G", out);
    }
    free(letters);
    return 0;
}
