/* SPDX-License-Identifier: GPL-3.0-or-later
 * A message of Jupyter's protocol: its frames are the lines. Without a key nothing of it needs to be
 * signed, so that whatever it is gets read. */
#include <string.h>

#include "fuzz.h"
#include "kernel/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const char *at = (const char *)bytes, *end = at + n;
    struct frames frames = {0}, reply;
    struct request request;
    while (at < end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        frames_add(&frames, at, (size_t)((line ? line : end) - at));
        at = line ? line + 1 : end;
    }
    struct wire *wire = wire_new("");
    if (wire_read(wire, &frames, &request)) {
        wire_make(wire, &request.ids, "status", json_object(), &request, &reply);
        frames_free(&reply);
        request_free(&request);
    }
    wire_free(wire);
    frames_free(&frames);
    return 0;
}
