/* SPDX-License-Identifier: GPL-3.0-or-later
 * Pages of PDF documents, drawn by poppler's pdftoppm where it is installed: the program links
 * nothing for it. */
#ifndef PDF_PDF_H
#define PDF_PDF_H

#include "notebook/notebook.h"

/* nb_front's draw_pdf. The picture is a PPM at 150 dots to the inch, or with fewer where the page
 * would have more than 4096 a side. Errors: IMAGE (no such page, damaged, locked, too slow;
 * pdftoppm is missing), CANCELLED, MEMORY, IO. */
int pdf_draw(const struct nb_pdf *what, char **ret_bytes, size_t *ret_n, struct phi3v_error *err);

#endif
