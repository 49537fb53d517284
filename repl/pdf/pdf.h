/* SPDX-License-Identifier: GPL-3.0-or-later
 * Draws pages of PDF documents with poppler's pdftoppm if it is installed; nothing is linked. */
#ifndef PDF_PDF_H
#define PDF_PDF_H

#include "notebook/notebook.h"

/* nb_front's draw_pdf. The picture is a PPM at 150 dots per inch, or at fewer if a side would
 * exceed 4096 pixels. Errors: IMAGE (no such page, damaged, locked, too slow; pdftoppm is missing),
 * CANCELLED, MEMORY, IO. */
int pdf_draw(const struct nb_pdf *what, char **ret_bytes, size_t *ret_n, struct phi3v_error *err);

#endif
