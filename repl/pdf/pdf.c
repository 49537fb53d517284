/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/files.h"
#include "common/memory.h"
#include "pdf/pdf.h"
#include "process/process.h"

/* Both programs get the document as standard input, a file in memory in which they can seek. */
#define DOCUMENT "/dev/fd/0"

enum { DOTS_PER_INCH = 150, MAX_SIDE = 4096, MAX_FACTS = 1 << 20, MEMORY_MIB = 1024 };

struct page {
    int n_pages;
    double long_side; // in points of 1/72 inch; 0: unknown
};

static int open_document(const struct nb_pdf *what, struct phi3v_error *err)
{
    int fd = memfd_create("document", MFD_CLOEXEC);
    if (fd >= 0 && write_all(fd, what->bytes, what->n_bytes) && !lseek(fd, 0, SEEK_SET)) return fd;
    if (fd >= 0) close(fd);
    return memory_error(err);
}

/* Turns a result that cannot be used into an error; else returns 0. */
static int judge(const struct process_result *r, const char *program, const struct nb_pdf *what,
                 struct phi3v_error *err)
{
    switch (r->end) {
    case PROCESS_FINE:
        return 0;
    case PROCESS_MISSING:
        return refuse(err, PHI3V_E_IMAGE,
                      "pages of PDF documents are drawn by pdftoppm, and %s is not here: install "
                      "poppler-utils",
                      program);
    case PROCESS_LATE:
        return refuse(err, PHI3V_E_IMAGE,
                      "%s was not done with the PDF document after %g s, the limit that "
                      "fetch_timeout sets",
                      program, what->timeout_s);
    case PROCESS_TOO_MUCH:
        return refuse(err, PHI3V_E_IMAGE, "%s wrote more than a page can have", program);
    case PROCESS_FAILED:
        break;
    }
    return refuse(err, PHI3V_E_IMAGE, "the PDF document cannot be read%s%s (%s)",
                  *r->first_words ? ": " : "", r->first_words, program);
}

static int run(const char *const *argv, int fd, const struct nb_pdf *what, size_t most,
               struct text *ret, struct phi3v_error *err)
{
    struct process_limits limits = {.seconds = what->timeout_s,
                                    .memory_bytes = (size_t)MEMORY_MIB << 20,
                                    .output_bytes = most,
                                    .stopped = what->stopped,
                                    .user = what->user};
    struct process_result r;
    int rc = process_run(argv, fd, &limits, &r, err);
    if (rc) return rc;
    rc = judge(&r, argv[0], what, err);
    if (rc)
        text_free(&r.out);
    else
        *ret = r.out;
    return rc;
}

/* -- What kind of document, what size of page -------------------------------------------------- */

/* Reads "Pages: 12", "Page    3 size: 612 x 792 pts (letter)" or, for the first page, "Page size:
 * …". */
static void read_facts(const char *facts, struct page *ret)
{
    *ret = (struct page){0};
    for (const char *line = facts; line && *line;) {
        double width, height;
        int page;
        if (!strncmp(line, "Pages:", 6)) ret->n_pages = (int)strtol(line + 6, NULL, 10);
        if (sscanf(line, "Page size: %lf x %lf pts", &width, &height) == 2 ||
            sscanf(line, "Page %d size: %lf x %lf pts", &page, &width, &height) == 3)
            ret->long_side = width > height ? width : height;
        line = strchr(line, '\n');
        if (line) line++;
    }
}

/* Asks about a page or, with page 0, about the document and its first page. */
static int ask(int fd, const struct nb_pdf *what, int page, struct page *ret,
               struct phi3v_error *err)
{
    char number[16];
    snprintf(number, sizeof number, "%d", page);
    const char *const whole[] = {"pdfinfo", DOCUMENT, NULL};
    const char *const one[] = {"pdfinfo", "-f", number, "-l", number, DOCUMENT, NULL};
    struct text facts = {0};
    int rc = run(page ? one : whole, fd, what, MAX_FACTS, &facts, err);
    if (!rc) read_facts(facts.s ? facts.s : "", ret);
    text_free(&facts);
    return rc;
}

/* Finds out which page to draw, and its size. */
static int choose(int fd, const struct nb_pdf *what, int *ret_page, struct page *ret,
                  struct phi3v_error *err)
{
    int rc = ask(fd, what, 0, ret, err);
    if (rc) return rc;
    *ret_page = what->page ? what->page : 1;
    if (!what->page && ret->n_pages != 1)
        return refuse(err, PHI3V_E_IMAGE,
                      "the PDF document has %d pages: name one, with #1 to #%d behind the name",
                      ret->n_pages, ret->n_pages);
    if (*ret_page > ret->n_pages)
        return refuse(err, PHI3V_E_IMAGE, "the PDF document has %d page%s, and no page %d",
                      ret->n_pages, ret->n_pages == 1 ? "" : "s", *ret_page);
    return *ret_page == 1 ? 0 : ask(fd, what, *ret_page, ret, err);
}

/* -- The page itself --------------------------------------------------------------------------- */

static int draw(int fd, const struct nb_pdf *what, int page, double long_side, struct text *ret,
                struct phi3v_error *err)
{
    char number[16], size[16];
    bool fits = long_side > 0 && long_side * DOTS_PER_INCH / 72 <= MAX_SIDE;
    snprintf(number, sizeof number, "%d", page);
    snprintf(size, sizeof size, "%d", fits ? DOTS_PER_INCH : MAX_SIDE);
    const char *const argv[] = {"pdftoppm", "-q",     "-cropbox", "-f",
                                number,     "-l",     number,     fits ? "-r" : "-scale-to",
                                size,       DOCUMENT, NULL};
    return run(argv, fd, what, (size_t)3 * MAX_SIDE * MAX_SIDE + 64, ret, err);
}

int pdf_draw(const struct nb_pdf *what, char **ret_bytes, size_t *ret_n, struct phi3v_error *err)
{
    struct page facts;
    struct text picture = {0};
    int page, fd = open_document(what, err);
    if (fd < 0) return fd;
    int rc = choose(fd, what, &page, &facts, err);
    if (!rc) rc = draw(fd, what, page, facts.long_side, &picture, err);
    close(fd);
    if (rc) return rc;
    *ret_n = picture.n;
    *ret_bytes = text_take(&picture);
    return *ret_bytes ? 0 : memory_error(err);
}
