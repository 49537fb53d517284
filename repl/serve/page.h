/* SPDX-License-Identifier: GPL-3.0-or-later
 * The page at /: page.html, embedded at build time. */
#ifndef SERVE_PAGE_H
#define SERVE_PAGE_H

extern const char serve_page[]; // NUL-terminated

#endif
