/* SPDX-License-Identifier: MIT
 * A safetensors file; where it opens, every byte of every tensor is read. */
#include <stdlib.h>

#include "base/mem.h"
#include "folder.h"
#include "fuzz.h"
#include "weights/pack_file.h"
#include "weights/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct folder folder;
    struct weights *w;
    struct phi3v_error err = {0};
    folder_make(&folder);
    folder_write(&folder, "model.safetensors", bytes, n);
    int code = weights_open_dir(folder.path, &w, &err);
    folder_remove(&folder);
    if (code < 0) {
        if (err.code != code || !err.text[0]) abort(); // an error says what is wrong
        return 0;
    }
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < weights_count(w); i++) {
        const struct tensor *t = weights_at(w, i);
        for (size_t k = 0; k < t->n_bytes; k++)
            sum = (uint8_t)(sum + ((const uint8_t *)t->data)[k]);
        if (weights_find(w, t->name) != t) abort();
    }
    enum weights_form form;
    code = pack_file_form(w, &form, &err);
    if (code < 0 && (err.code != code || !err.text[0])) abort();
    weights_close(w);
    return 0;
}
