/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/kitty.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <utf8proc.h>

enum { PIECE = 4096 }; /* the most base64 characters in one sequence */

/* Writes one sequence, wrapped for tmux's passthrough if asked, which doubles every ESC in it. */
static void write_piece(const char *head, const char *data, int n, bool past_tmux, FILE *out)
{
    fprintf(out, past_tmux ? "\033Ptmux;\033\033_G%s;%.*s\033\033\\\033\\" : "\033_G%s;%.*s\033\\",
            head, n, data);
}

/* `more` holds further keys of the protocol, which say how the picture is shown. */
static int send(const uint8_t *rgb, int width, int height, const char *more, bool past_tmux,
                FILE *out)
{
    size_t n = (size_t)width * (size_t)height * 3;
    if (width < 1 || height < 1 || n > INT_MAX / 2) return -1;
    unsigned char *letters = malloc(4 * (n / 3 + 1) + 1);
    if (!letters) return -1;
    size_t left = (size_t)EVP_EncodeBlock(letters, rgb, (int)n);
    char head[128];
    /* a=T: transmit and show; f=24: RGB; q=2: no replies, which would look like keys */
    int first = snprintf(head, sizeof head, "a=T,f=24,q=2,s=%d,v=%d,%s,", width, height, more);
    for (const unsigned char *p = letters; left > 0;) {
        size_t piece = left < PIECE ? left : PIECE;
        left -= piece;
        snprintf(head + first, sizeof head - (size_t)first, "m=%d", left > 0);
        write_piece(head, (const char *)p, (int)piece, past_tmux, out);
        p += piece;
        first = 0;
    }
    free(letters);
    return 0;
}

int kitty_write(const uint8_t *rgb, int width, int height, int cols, int rows, FILE *out)
{
    char more[64]; /* C=1: the cursor stays */
    snprintf(more, sizeof more, "C=1,c=%d,r=%d", cols, rows);
    return send(rgb, width, height, more, false, out);
}

/* -- Past tmux -------------------------------------------------------------------------------- */

/* The diacritics that number rows and columns, from 0 (rowcolumn-diacritics.txt of kitty). */
static const uint16_t number[KITTY_ROWS] = {
    0x0305, 0x030D, 0x030E, 0x0310, 0x0312, 0x033D, 0x033E, 0x033F, 0x0346, 0x034A, 0x034B,
    0x034C, 0x0350, 0x0351, 0x0352, 0x0357, 0x035B, 0x0363, 0x0364, 0x0365, 0x0366, 0x0367,
    0x0368, 0x0369, 0x036A, 0x036B, 0x036C, 0x036D, 0x036E, 0x036F, 0x0483, 0x0484, 0x0485,
    0x0486, 0x0487, 0x0592, 0x0593, 0x0594, 0x0595, 0x0597, 0x0598, 0x0599, 0x059C, 0x059D,
    0x059E, 0x059F, 0x05A0, 0x05A1, 0x05A8, 0x05A9, 0x05AB, 0x05AC, 0x05AF, 0x05C4, 0x0610,
    0x0611, 0x0612, 0x0613, 0x0614, 0x0615, 0x0616, 0x0617, 0x0657, 0x0658};

int kitty_send_hidden(const uint8_t *rgb, int width, int height, int cols, int rows, FILE *out,
                      int *ret_id)
{
    /* The id is passed as a palette colour, which tmux keeps; it would round a true colour. */
    static int latest;
    if (!latest) latest = getpid() % 240;
    latest = latest % 240 + 1;
    *ret_id = 15 + latest;
    char more[64]; /* U=1: shown in place of its placeholder characters */
    snprintf(more, sizeof more, "U=1,i=%d,c=%d,r=%d", *ret_id, cols, rows);
    return send(rgb, width, height, more, true, out);
}

static void write_char(int32_t cp, FILE *out)
{
    utf8proc_uint8_t bytes[4];
    fwrite(bytes, 1, (size_t)utf8proc_encode_char(cp, bytes), out);
}

void kitty_row(int id, int row, int cols, FILE *out)
{
    enum { PLACEHOLDER = 0x10EEEE };
    fprintf(out, "\033[38;5;%dm", id);
    for (int x = 0; x < cols; x++) {
        write_char(PLACEHOLDER, out);
        if (x == 0) write_char(number[row], out); /* later cells continue the count */
        if (x == 0) write_char(number[0], out);
    }
    fputs("\033[0m", out);
}
