/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope devices: lists the processors and GPUs that can run a model. */
#include <stdlib.h>

#include "common/json.h"
#include "term/out.h"
#include "verbs/verbs.h"

static int show_device(const char *name, const char *description, int usable, const char *why_not,
                       void *user)
{
    const struct options *opt = user;
    if (opt->json) {
        json_t *line = json_pack("{s:s,s:o,s:b,s:o}", "name", name, "description",
                                 json_text(description ? description : ""), "usable", usable,
                                 "why_not", why_not ? json_text(why_not) : json_null());
        verb_report_json(line);
        json_decref(line);
    } else {
        struct out out;
        out_init(&out, stdout, NULL);
        out_format(&out, "%-8s %s%s%s\n", name, description ? description : "",
                   usable ? "" : "  not usable: ", usable || !why_not ? "" : why_not);
    }
    return 0;
}

int devices_main(struct options *opt, int argc, char **argv)
{
    char **words;
    int n, status = verb_options(opt, argc, argv, &words, &n);
    if (status >= 0) return status;
    if (n > 0) return verb_misuse(opt, "devices takes no words, not \"%s\"", words[0]);
    return phi3v_devices(show_device, opt) < 0 ? EXIT_MODEL : EXIT_FINE;
}
