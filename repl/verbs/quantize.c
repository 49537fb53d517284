/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope quantize: writes a model folder with packed weights, which opens without conversion. */
#include <stdlib.h>

#include "common/must.h"
#include "term/clean.h"
#include "verbs/bare_engine.h"
#include "verbs/verbs.h"

static void set_text(char **field, const char *text)
{
    free(*field);
    *field = xstrdup(text);
}

int quantize_main(struct options *opt, int argc, char **argv)
{
    char **words;
    int n, status = verb_options(opt, argc, argv, &words, &n);
    if (status >= 0) return status;
    if (!opt->type) return verb_misuse(opt, "quantize needs --type q8 or --type q4");
    if (n != 1) return verb_misuse(opt, "quantize needs one folder to write, after the options");
    struct bare_engine b;
    struct phi3v_error err;
    bare_engine_init(&b, opt);
    set_text(&b.opt.set.device, "cpu");
    set_text(&b.opt.set.dtype, opt->type);
    status = EXIT_FINE;
    if (bare_engine_open_model(&b, &err))
        status = verb_report_error(opt, &err, verb_model_status(err.code));
    else if (phi3v_model_write(b.engine.model, words[0], &err))
        status = verb_report_error(
            opt, &err, err.code == PHI3V_E_IO ? EXIT_INPUT : verb_model_status(err.code));
    else
        fprintf(stderr, "phiscope: %.2f GB of weights as %s\n",
                (double)b.engine.info->weights_bytes * 1e-9, opt->type);
    bare_engine_fini(&b);
    return status;
}
