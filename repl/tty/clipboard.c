/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L
#include "tty/clipboard.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/must.h"
#include "process/process.h"

enum { MOST_BYTES = 256 << 20, MEMORY_MIB = 2048, LONGEST_S = 10 };

/* A program that knows the clipboard of one kind of desktop. */
struct helper {
    const char *display; // the variable that is set on such a desktop
    const char *name;
    const char *package;
    const char *list[8];  // lists the kinds of data
    const char *fetch[8]; // fetches one; its name is appended
};

static const struct helper helpers[] = {
    {"WAYLAND_DISPLAY",
     "wl-paste",
     "wl-clipboard",
     {"wl-paste", "--list-types"},
     {"wl-paste", "--no-newline", "--type"}},
    {"DISPLAY",
     "xclip",
     "xclip",
     {"xclip", "-selection", "clipboard", "-o", "-t", "TARGETS"},
     {"xclip", "-selection", "clipboard", "-o", "-t"}},
};

/* The useful kinds of data, the best first. */
static const char *const kinds[] = {"image/png",
                                    "image/jpeg",
                                    "image/webp",
                                    "image/gif",
                                    "image/tiff",
                                    "image/bmp",
                                    "image/avif",
                                    "image/heif",
                                    "image/jxl",
                                    "text/uri-list",
                                    "x-special/gnome-copied-files",
                                    "text/plain;charset=utf-8",
                                    "UTF8_STRING",
                                    "text/plain",
                                    "STRING"};

/* -- Running one ------------------------------------------------------------------------------ */

enum outcome { RAN, NOT_FOUND, FAILED, STOPPED };

/* Standard input is /dev/null: a helper must not read keys. */
static enum outcome run(const char *const *argv, bool (*stopped)(void *), void *user,
                        struct text *out)
{
    const struct process_limits limits = {.seconds = LONGEST_S,
                                          .while_silent = true,
                                          .memory_bytes = (size_t)MEMORY_MIB << 20,
                                          .output_bytes = MOST_BYTES,
                                          .stopped = stopped,
                                          .user = user};
    struct process_result r;
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int rc = nothing < 0 ? PHI3V_E_IO : process_run(argv, nothing, &limits, &r, NULL);
    if (nothing >= 0) close(nothing);
    if (rc) return rc == PHI3V_E_CANCELLED ? STOPPED : FAILED;
    if (r.end == PROCESS_FINE)
        *out = r.out;
    else
        text_free(&r.out);
    return r.end == PROCESS_FINE ? RAN : r.end == PROCESS_MISSING ? NOT_FOUND : FAILED;
}

/* -- Asking one ------------------------------------------------------------------------------- */

/* The best kind of those listed, one per line; NULL when none is useful. */
static const char *best_kind(const char *list)
{
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t n = strlen(kinds[k]);
        for (const char *line = list; line; line = strchr(line, '\n')) {
            line += *line == '\n';
            if (!strncmp(line, kinds[k], n) && (!line[n] || line[n] == '\n')) return kinds[k];
        }
    }
    return NULL;
}

static enum outcome ask(const struct helper *h, bool (*stopped)(void *), void *user,
                        struct text *ret)
{
    struct text list = {0};
    enum outcome outcome = run(h->list, stopped, user, &list);
    const char *kind = outcome == RAN && list.s ? best_kind(list.s) : NULL;
    text_free(&list);
    if (!kind) return outcome == RAN ? FAILED : outcome;
    const char *argv[10] = {0};
    size_t n = 0;
    while (h->fetch[n]) argv[n] = h->fetch[n], n++;
    argv[n] = kind;
    outcome = run(argv, stopped, user, ret);
    if (outcome != RAN) text_free(ret);
    return outcome;
}

/* -- The whole -------------------------------------------------------------------------------- */

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value;
}

static int explain(const struct helper *missing, bool asked, struct phi3v_error *err)
{
    if (missing)
        return refuse(
            err, PHI3V_E_IO,
            "reading the clipboard needs %s, which is not installed: sudo apt install %s (or "
            "what your system uses), then :paste again",
            missing->name, missing->package);
    if (asked) return refuse(err, PHI3V_E_IO, "the clipboard holds neither a picture nor text");
    return refuse(
        err, PHI3V_E_IO,
        "this terminal does not share its clipboard, and there is no desktop to ask: save "
        "the picture as a file and :load that");
}

int clipboard_read(struct term *t, bool (*stopped)(void *user), void *user, char **ret_bytes,
                   size_t *ret_n, struct phi3v_error *err)
{
    const struct helper *missing = NULL;
    bool asked = false;
    for (size_t k = 0; k < sizeof helpers / sizeof *helpers; k++) {
        struct text found = {0};
        if (!is_set(helpers[k].display)) continue;
        enum outcome outcome = ask(&helpers[k], stopped, user, &found);
        if (outcome == STOPPED) return refuse(err, PHI3V_E_CANCELLED, "stopped");
        if (outcome == NOT_FOUND && !missing) missing = &helpers[k];
        if (outcome != NOT_FOUND) asked = true;
        if (!found.n) continue;
        *ret_n = found.n;
        *ret_bytes = xtake(&found);
        return 0;
    }
    char *bytes = t && !asked ? term_clipboard(t, stopped, user, ret_n) : NULL;
    if (stopped(user)) {
        free(bytes);
        return refuse(err, PHI3V_E_CANCELLED, "stopped");
    }
    if (!bytes) return explain(missing, asked, err);
    *ret_bytes = bytes;
    return 0;
}
