/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "verbs/verb_report.h"

#include <stdio.h>
#include <stdlib.h>

#include "term/out.h"

void verb_report_json(const json_t *value)
{
    struct out out;
    char *json = json_line(value);
    out_init(&out, stdout, NULL);
    out_json(&out, json ? json : "null");
    out_flush(&out);
    free(json);
}

int verb_report_error(const struct options *opt, const struct phi3v_error *err, int status)
{
    struct out out;
    if (opt->json) {
        json_t *line = json_error(err);
        verb_report_json(line);
        json_decref(line);
    } else {
        out_init(&out, stderr, NULL);
        fputs("phiscope: ", stderr);
        out_name(&out, err->text);
        fputc('\n', stderr);
        out_flush(&out);
    }
    return status;
}

int verb_input_status(int code)
{
    return code == PHI3V_E_CANCELLED ? EXIT_INTERRUPTED : EXIT_INPUT;
}

int verb_answer_status(int code)
{
    return code == PHI3V_E_CANCELLED ? EXIT_INTERRUPTED : EXIT_CELL;
}

int verb_model_status(int code)
{
    return code == PHI3V_E_CANCELLED ? EXIT_INTERRUPTED : EXIT_MODEL;
}
