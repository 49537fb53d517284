/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/clipboard.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

/* -- Base64 ----------------------------------------------------------------------------------- */

/* Makes room for n more bytes. */
static bool make_room(char **v, size_t used, size_t *cap, size_t n)
{
    if (used + n <= *cap) return true;
    char *more = realloc(*v, 2 * (used + n));
    if (!more) return false;
    *v = more;
    *cap = 2 * (used + n);
    return true;
}

/* Decodes base64, supplying padding that some terminals leave out. */
static bool add_decoded(struct clipboard *c, char *letters)
{
    size_t n = strlen(letters), padding = 0;
    while (n > 0 && letters[n - 1] == '=') letters[--n] = 0;
    if (n % 4 == 1 || n > INT_MAX / 2 || !make_room(&c->bytes, c->n, &c->cap, n + 4)) return false;
    char tail[5] = "====";
    size_t whole = n - n % 4;
    padding = (4 - n % 4) % 4;
    unsigned char *to = (unsigned char *)c->bytes + c->n;
    int done = whole ? EVP_DecodeBlock(to, (const unsigned char *)letters, (int)whole) : 0;
    if (done < 0) return false;
    c->n += (size_t)done;
    if (!padding) return true;
    memcpy(tail, letters + whole, n % 4);
    if (EVP_DecodeBlock(to + done, (const unsigned char *)tail, 4) != 3) return false;
    c->n += 3 - padding;
    return true;
}

/* -- Answers ---------------------------------------------------------------------------------- */

static void refuse(struct clipboard *c)
{
    c->over = c->refused = true;
    c->n = 0;
}

/* "status=DATA:mime=…": a piece of data. Only the first kind of data is taken. */
static void take_piece(struct clipboard *c, const char *head, char *letters)
{
    const char *kind = strstr(head, "mime=");
    kind = kind ? kind + 5 : "";
    size_t n = strcspn(kind, ":");
    if (n >= sizeof c->kind) n = sizeof c->kind - 1;
    if (!*c->kind) memcpy(c->kind, kind, n);
    if (strlen(c->kind) != n || strncmp(c->kind, kind, n) != 0) return;
    if (!add_decoded(c, letters)) refuse(c);
}

static bool says(const char *head, const char *status)
{
    const char *at = strstr(head, "status=");
    size_t n = strlen(status);
    return at && !strncmp(at + 7, status, n) && (!at[7 + n] || at[7 + n] == ':');
}

/* "5522;type=read:status=…;…" */
static void take_kitty(struct clipboard *c, char *head)
{
    char *letters = strchr(head, ';');
    if (letters) *letters++ = 0;
    if (says(head, "OK")) return;
    if (says(head, "DATA") && letters)
        take_piece(c, head, letters);
    else if (says(head, "DONE"))
        c->over = true;
    else
        refuse(c);
}

/* "52;c;…" */
static void take_text(struct clipboard *c, char *head)
{
    char *letters = strchr(head, ';');
    if (letters && add_decoded(c, letters + 1))
        c->over = true;
    else
        refuse(c);
}

void clipboard_byte(struct clipboard *c, int byte)
{
    if (c->over) return;
    c->begun = true;
    if (byte == -2 || c->n_letters >= CLIPBOARD_MAX ||
        !make_room(&c->letters, c->n_letters, &c->cap_letters, 1)) {
        refuse(c);
        return;
    }
    c->letters[c->n_letters++] = byte < 0 ? 0 : (char)byte;
    if (byte >= 0) return;
    c->n_letters = 0;
    if (!strncmp(c->letters, "5522;", 5))
        take_kitty(c, c->letters + 5);
    else
        take_text(c, c->letters + 3);
}

void clipboard_free(struct clipboard *c)
{
    free(c->bytes);
    free(c->letters);
    *c = (struct clipboard){0};
}

/* -- Questions -------------------------------------------------------------------------------- */

const char *clipboard_question(bool kitty)
{
    /* image/png image/jpeg image/webp image/gif image/bmp text/uri-list text/plain */
    return kitty ? "\033]5522;type=read;"
                   "aW1hZ2UvcG5nIGltYWdlL2pwZWcgaW1hZ2Uvd2VicCBpbWFnZS9naWYgaW1hZ2Uv"
                   "Ym1wIHRleHQvdXJpLWxpc3QgdGV4dC9wbGFpbg==\033\\"
                 : "\033]52;c;?\033\\";
}

char *clipboard_order(const char *text, size_t n)
{
    static const char begin[] = "\033]52;c;", end[] = "\033\\";
    if (n > INT_MAX / 2) return NULL;
    char *order = malloc(sizeof begin + 4 * (n / 3 + 1) + sizeof end);
    if (!order) return NULL;
    memcpy(order, begin, sizeof begin - 1);
    int letters = EVP_EncodeBlock((unsigned char *)order + sizeof begin - 1,
                                  (const unsigned char *)text, (int)n);
    memcpy(order + sizeof begin - 1 + letters, end, sizeof end);
    return order;
}
