/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope serve: serves a model over HTTP. */
#include "serve/serve.h"
#include "term/out.h"
#include "verbs/bare_engine.h"
#include "verbs/verbs.h"

#ifdef HAVE_MICROHTTPD

/* Prints the base address to standard output for programs, and more to stderr for people. */
static void ready(const char *address, const struct serve_options *opt)
{
    struct out out;
    out_init(&out, stdout, NULL);
    out_format(&out, "%s/v1\n", address);
    out_flush(&out);
    out_init(&out, stderr, NULL);
    out_format(&out, "phiscope: %s answers at %s; Ctrl-C ends it\n", opt->name, address);
    out_flush(&out);
}

static int serve(struct bare_engine *b, const struct options *opt)
{
    struct phi3v_error err;
    int rc = bare_engine_open_model(b, &err);
    if (rc) return verb_report_error(opt, &err, verb_model_status(rc));
    struct serve_options how = {.model = b->engine.model,
                                .name = b->engine.info->name,
                                .no_picture = b->engine.advice.no_picture,
                                .mode = b->engine.advice.mode,
                                .settings = &opt->set,
                                .host = opt->host ? opt->host : "127.0.0.1",
                                .port = opt->port,
                                .key_file = opt->api_key_file,
                                .max_waiting = opt->max_queue,
                                .parallel = opt->set.parallel,
                                .ready = ready};
    rc = serve_run(&how, &err);
    int status = rc == PHI3V_E_IO ? EXIT_INPUT : rc == PHI3V_E_ARGUMENT ? EXIT_USAGE : EXIT_CELL;
    return rc ? verb_report_error(opt, &err, status) : EXIT_FINE;
}

static int run(const struct options *opt)
{
    struct bare_engine b;
    bare_engine_init(&b, opt);
    int status = serve(&b, opt);
    bare_engine_fini(&b);
    return status;
}

#else
static int run(const struct options *opt)
{
    struct phi3v_error err = {PHI3V_E_UNSUPPORTED,
                              "this build has no server: libmicrohttpd was missing"};
    return verb_report_error(opt, &err, EXIT_CELL);
}
#endif

int serve_main(struct options *opt, int argc, char **argv)
{
    char **words;
    int n, status = verb_options(opt, argc, argv, &words, &n);
    if (status >= 0) return status;
    if (n == 0) return run(opt);
    return verb_misuse(opt, "serve takes options only; \"%s\" is another word", words[0]);
}
