/* SPDX-License-Identifier: MIT */
#include "base/kind.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SAVE_AGAIN "; load it in Python and save it as safetensors, or take the safetensors release"
#define UNPACK "; unpack it first"
#define DOWNLOAD_AGAIN "; download it again"

/* Signatures at an offset. */
static const struct {
    size_t at, n;
    const char *bytes, *what;
} signatures[] = {
    {0, 40, "version https://git-lfs.github.com/spec/",
     "a Git LFS pointer, which stands for the file; run git lfs pull in its folder, or download "
     "the "
     "file itself"},
    {0, 4, "GGUF",
     "a GGUF file (llama.cpp)"
     "; take the safetensors release"},
    {0, 4, "lmgg",
     "a GGML file (llama.cpp)"
     "; take the safetensors release"},
    {0, 4, "PK\3\4", "a zip archive, as PyTorch writes .bin and .pt files" SAVE_AGAIN},
    {0, 2, "\x80\2", "a pickle file (PyTorch)" SAVE_AGAIN},
    {0, 2, "\x80\3", "a pickle file (PyTorch)" SAVE_AGAIN},
    {0, 2, "\x80\4", "a pickle file (PyTorch)" SAVE_AGAIN},
    {0, 4, "\x89HDF", "an HDF5 file (TensorFlow)" SAVE_AGAIN},
    {0, 6, "\x93NUMPY", "a NumPy file" SAVE_AGAIN},
    {0, 2, "\x1f\x8b", "a gzip archive" UNPACK},
    {0, 6,
     "\xfd"
     "7zXZ",
     "an xz archive" UNPACK},
    {0, 4, "\x28\xb5\x2f\xfd", "a zstd archive" UNPACK},
    {0, 6, "7z\xbc\xaf\x27\x1c", "a 7z archive" UNPACK},
    {257, 5, "ustar", "a tar archive" UNPACK},
    {0, 2, "\xff\xfe", "UTF-16 text; save it as UTF-8"},
    {0, 2, "\xfe\xff", "UTF-16 text; save it as UTF-8"},
};

static const char *by_signature(const char *bytes, size_t n)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        if (n >= signatures[i].at + signatures[i].n &&
            memcmp(bytes + signatures[i].at, signatures[i].bytes, signatures[i].n) == 0)
            return signatures[i].what;
    return NULL;
}

static bool all_zero(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i]) return false;
    return n > 0;
}

/* The length of the first line, if it is readable text. */
static size_t line_of_text(const char *bytes, size_t n)
{
    size_t i = 0;
    for (; i < n && bytes[i] && bytes[i] != '\n' && bytes[i] != '\r'; i++)
        if ((unsigned char)bytes[i] < 0x20 && bytes[i] != '\t') return 0;
    bool ended = i == n || bytes[i] == '\n' || bytes[i] == '\r';
    return ended || i >= 64 ? i : 0;
}

/* Recognises markup, perhaps after blanks, or a line such as "Entry not found". */
static const char *by_text(const char *bytes, size_t n, char out[KIND_TEXT])
{
    size_t i = 0;
    while (i < n && isspace((unsigned char)bytes[i])) i++;
    if (n - i > 5 && bytes[i] == '<' &&
        (bytes[i + 1] == '!' || isalpha((unsigned char)bytes[i + 1])))
        return "a web page, as a server sends it in place of a file" DOWNLOAD_AGAIN;
    size_t len = line_of_text(bytes + i, n - i);
    if (len < 4) return NULL;
    for (size_t k = 0; k < len && k < 64; k++)
        if ((unsigned char)bytes[i + k] >= 0x7f) return NULL;
    snprintf(out, KIND_TEXT, "text that begins with \"%.*s\"" DOWNLOAD_AGAIN,
             (int)(len < 60 ? len : 60), bytes + i);
    return out;
}

const char *kind_of_bytes(const void *data, size_t n, char out[KIND_TEXT])
{
    const char *bytes = data, *what = by_signature(bytes, n);
    if (what) return what;
    if (all_zero(bytes, n < 4096 ? n : 4096))
        return "nothing but zeros, at least in its beginning, as a download that did not finish "
               "leaves it" DOWNLOAD_AGAIN;
    return by_text(bytes, n < 4096 ? n : 4096, out);
}
