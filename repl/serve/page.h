/* SPDX-License-Identifier: GPL-3.0-or-later
 * The page at /, as page.html has it: made at build time by embed. */
#ifndef SERVE_PAGE_H
#define SERVE_PAGE_H

extern const char serve_page[]; // NUL-terminated

#endif
