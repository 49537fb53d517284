/* SPDX-License-Identifier: MIT
 * What the golden tests share: where the recorded data lies, loading it, and reporting in TAP.
 *
 *   int main(int argc, char **argv)
 *   {
 *       golden_init(argc, argv);
 *       json_t *cases = golden_json("tokenizer/cases.json");   // absent: reported as skipped
 *       if (cases) check(cases);                               // tap_ok(ids_equal, "case %zu", i);
 *       json_decref(cases);
 *       return tap_done();
 *   }
 *
 * The root is --goldens DIR, else $PHI3V_GOLDENS, else ../shared/goldens beside the checkout, else
 * the committed part in tests/golden/data. */
#ifndef GOLDEN_GOLDEN_H
#define GOLDEN_GOLDEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

/* -- Reporting (TAP on stdout) ----------------------------------------------------------------- */

bool tap_ok(bool ok, const char *name, ...) __attribute__((format(printf, 2, 3))); /* returns ok */
/* A case that could not be tried; reason is usually the missing file. */
void tap_skip(const char *reason, const char *name, ...) __attribute__((format(printf, 2, 3)));
void tap_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
int tap_done(void); /* prints the plan; the exit status of main: 0 when nothing failed */

/* -- The golden root -------------------------------------------------------------------------- */

void golden_init(int argc, char **argv); /* exits 2 when the options make no sense */
const char *golden_root(void);
/* root/relative as a new string (mem_free), whether or not it exists; exits when out of memory. */
char *golden_path(const char *relative);
bool golden_exists(const char *relative);

/* -- Loading. An absent file is reported as skipped, a broken one as failed; both give NULL. --- */

json_t *golden_json(const char *relative);                     /* json_decref */
char *golden_bytes(const char *relative, size_t *ret_n_bytes); /* NUL behind the end; mem_free */

enum { NPY_MAX_DIMS = 6 };

struct npy {
    int n_dims;
    int64_t shape[NPY_MAX_DIMS];
    size_t n;           // product of shape
    const float *f32;   // [shape…] when the file holds '<f4', else NULL
    const int32_t *i32; // [shape…] when it holds '<i4', else NULL
    char *file;         // owns the memory behind both
};

/* NPY version 1 or 2, little-endian, C order, '<f4' or '<i4'. */
struct npy *golden_npy(const char *relative); /* npy_free */
void npy_free(struct npy *a);

/* -- Comparing -------------------------------------------------------------------------------- */

struct golden_diff {
    double max_abs, rms; // infinity when one side is not finite and the other differs
};

struct golden_diff golden_compare(const float *got, const float *want, size_t n);

#endif
