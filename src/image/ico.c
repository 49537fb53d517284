/* SPDX-License-Identifier: MIT
 * Windows icons: a list of pictures, each a PNG or a bitmap with a mask. Like the reference, it
 * reads the largest one and, among those of one size, the one with the most colours. */
#include "image/decoders.h"

#include <string.h>

struct entry {
    size_t area, depth, at; // at: position in the file
};

/* ceil(log2(n)) for n >= 1 */
static size_t bits_for(size_t n)
{
    size_t bits = 0;
    while (((size_t)1 << bits) < n) bits++;
    return bits;
}

static struct entry read_entry(const uint8_t *e)
{
    size_t width = e[0] ? e[0] : 256, height = e[1] ? e[1] : 256, depth = le16(e + 6);
    if (!depth && e[2]) depth = bits_for(e[2]);
    if (!depth) depth = 256;
    return (struct entry){width * height, depth, le32(e + 12)};
}

int ico_decode(const struct source *s, struct decoded *ret, struct phi3v_error *err)
{
    size_t n_entries = s->n < 6 ? 0 : le16(s->bytes + 4);
    if (n_entries == 0 || (s->n - 6) / 16 < n_entries)
        return err_set(err, PHI3V_E_IMAGE, "the icon is damaged: its list of pictures is cut off");
    struct entry best = read_entry(s->bytes + 6);
    for (size_t i = 1; i < n_entries; i++) {
        struct entry e = read_entry(s->bytes + 6 + 16 * i);
        if (e.area > best.area || (e.area == best.area && e.depth >= best.depth)) best = e;
    }
    if (best.at >= s->n) return truncated(s, err);
    struct source inner = *s;
    inner.bytes += best.at;
    inner.n -= best.at;
    if (image_sniff(inner.bytes, inner.n).format == IMAGE_PNG) return png_decode(&inner, ret, err);
    return dib_decode(&inner, 0, 1, ret, err);
}
