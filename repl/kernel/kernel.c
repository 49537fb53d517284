/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "kernel/kernel.h"

#include <fnmatch.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <utf8proc.h>

#include "common/memory.h"
#include "common/must.h"
#include "kernel/show.h"

/* An executed cell, for history_request. */
struct entry {
    char *input, *output; // output NULL: none
};

/* Which of our cells belongs to a cell of the front end. */
struct place {
    char *id;
    int cell;
};

struct kernel {
    struct io *io;
    struct notebook *nb;
    struct show show;
    struct phi3v_error no_model; // why there is none; code 0: it is open
    atomic_bool interrupted;
    int count; // of executions
    struct entry *history;
    int n_history;
    struct place *places;
    int n_places;
    bool quit;
};

static struct kernel *running; /* for the signal handler */

/* -- Stopping --------------------------------------------------------------------------------- */

static void interrupt(void *user)
{
    struct kernel *k = user;
    atomic_store(&k->interrupted, true); /* the running cell polls `stopped` */
}

static void on_sigint(int sig)
{
    (void)sig;
    if (running) interrupt(running);
}

static bool stopped(void *show)
{
    (void)show;
    return atomic_load(&running->interrupted);
}

static void begins(void *show) { (void)show; }

/* -- Positions: the protocol counts code points ------------------------------------------------ */

static size_t bytes_of(const char *s, json_int_t n_points)
{
    size_t at = 0;
    for (; n_points > 0 && s[at]; n_points--) {
        at++;
        while (((unsigned char)s[at] & 0xC0) == 0x80) at++;
    }
    return at;
}

static json_int_t points_of(const char *s, size_t n)
{
    json_int_t points = 0;
    for (size_t i = 0; i < n && s[i]; i++) points += ((unsigned char)s[i] & 0xC0) != 0x80;
    return points;
}

static const char *string_of(const json_t *content, const char *key)
{
    const char *s = json_string_value(json_object_get(content, key));
    return s ? s : "";
}

/* -- kernel_info ------------------------------------------------------------------------------ */

static json_t *kernel_info(void *user)
{
    (void)user;
    char *banner = xasprintf("phiscope %s: ask Phi-3-Vision about pictures. :help lists commands.",
                             phi3v_version());
    json_t *content =
        json_pack("{s:s,s:s,s:s,s:s,s:o,s:{s:s,s:s,s:s,s:s},s:[],s:[]}", "status", "ok",
                  "protocol_version", "5.5", "implementation", "phiscope", "implementation_version",
                  phi3v_version(), "banner", json_text(banner), "language_info", "name", "phiscope",
                  "version", phi3v_version(), "mimetype", "text/x-phiscope", "file_extension",
                  ".phi", "help_links", "supported_features");
    free(banner);
    return content;
}

static void on_kernel_info(struct kernel *k, const struct request *r)
{
    io_reply(k->io, r, kernel_info(k));
}

/* -- execute ---------------------------------------------------------------------------------- */

static void remember(struct kernel *k, const char *code, int cell)
{
    const char *answer = cell ? nb_cell_answer(k->nb, cell) : NULL;
    k->history = xgrow(k->history, (size_t)k->n_history + 1, sizeof *k->history);
    k->history[k->n_history++] = (struct entry){xstrdup(code), answer ? xstrdup(answer) : NULL};
}

static struct place *place_of(struct kernel *k, const char *id)
{
    for (int i = 0; i < k->n_places && *id; i++)
        if (!strcmp(k->places[i].id, id)) return &k->places[i];
    return NULL;
}

/* A cell of the front end becomes a cell of ours when it is first run; later runs edit that
 * cell. */
static int evaluate(struct kernel *k, const char *code, const char *id, struct nb_result *ret,
                    struct phi3v_error *err)
{
    struct place *place = place_of(k, id);
    if (k->no_model.code) {
        *err = k->no_model;
        return err->code;
    }
    if (place && place->cell <= nb_n_cells(k->nb))
        return nb_replace(k->nb, place->cell, code, NB_TYPED, ret, err);
    int rc = nb_eval(k->nb, code, NB_TYPED, ret, err);
    if (!rc && ret->cell && *id) {
        k->places = xgrow(k->places, (size_t)k->n_places + 1, sizeof *k->places);
        k->places[k->n_places++] = (struct place){xstrdup(id), ret->cell};
    }
    return rc;
}

/* The text goes into the traceback too, because consoles show nothing else. */
static json_t *error_content(const char *name, const char *text)
{
    char *line = xasprintf("%s%s%s", name, *text ? ": " : "", text);
    json_t *content = json_pack("{s:s,s:o,s:[o]}", "ename", name, "evalue", json_text(text),
                                "traceback", json_text(line));
    free(line);
    return content;
}

static void fail(struct kernel *k, const struct request *r, bool silent, const char *name,
                 const char *text)
{
    if (!silent) io_publish(k->io, "error", error_content(name, text), r);
    json_t *content = error_content(name, text);
    json_object_set_new(content, "status", json_string("error"));
    json_object_set_new(content, "execution_count", json_integer(k->count));
    io_reply(k->io, r, content);
}

static json_t *payload_of(struct kernel *k)
{
    json_t *list = json_array();
    if (k->show.next_input)
        json_array_append_new(list, json_pack("{s:s,s:o,s:b}", "source", "set_next_input", "text",
                                              json_text(k->show.next_input), "replace", 0));
    if (k->quit)
        json_array_append_new(list, json_pack("{s:s,s:b}", "source", "ask_exit", "keepkernel", 0));
    return list;
}

static void succeed(struct kernel *k, const struct request *r)
{
    io_reply(k->io, r,
             json_pack("{s:s,s:i,s:{},s:o}", "status", "ok", "execution_count", k->count,
                       "user_expressions", "payload", payload_of(k)));
}

/* Requests queued after one that failed. */
struct waiting {
    struct request *v;
    size_t n;
};

/* Takes them before the failure is reported, because requests that answer to the failure must
 * run. */
static void take_waiting(struct kernel *k, struct waiting *ret)
{
    struct request r;
    bool any;
    while (io_next(k->io, false, &any, &r) && any) {
        struct request *more = memory_room(ret->v, ret->n, sizeof *more);
        if (!more) {
            request_free(&r);
            return;
        }
        ret->v = more;
        ret->v[ret->n++] = r;
    }
}

/* Aborts executions, and answers kernel_info requests. */
static void abort_waiting(struct kernel *k, struct waiting *w)
{
    for (size_t i = 0; i < w->n; i++) {
        struct request *r = &w->v[i];
        io_status(k->io, "busy", r);
        if (!strcmp(r->type, "execute_request")) {
            json_t *content = error_content("Aborted", "a cell before it failed");
            json_object_set_new(content, "status", json_string("error"));
            json_object_set_new(content, "execution_count", json_integer(k->count));
            io_reply(k->io, r, content);
        } else if (!strcmp(r->type, "kernel_info_request")) {
            on_kernel_info(k, r);
        }
        io_status(k->io, "idle", r);
        request_free(r);
    }
    free(w->v);
}

static void on_execute(struct kernel *k, const struct request *r)
{
    const char *code = string_of(r->content, "code");
    bool silent = json_is_true(json_object_get(r->content, "silent"));
    bool keeps = !silent && !json_is_false(json_object_get(r->content, "store_history"));
    struct nb_result result = {0};
    struct phi3v_error err;
    k->count += keeps;
    if (!silent)
        io_publish(k->io, "execute_input",
                   json_pack("{s:o,s:i}", "code", json_text(code), "execution_count", k->count), r);
    atomic_store(&k->interrupted, false);
    show_request(&k->show, r, silent);
    int rc = code[strspn(code, " \t\r\n")]
                 ? evaluate(k, code, string_of(r->metadata, "cellId"), &result, &err)
                 : 0;
    if (keeps) remember(k, code, result.cell);
    k->quit = result.quit;
    bool cut = result.interrupted || rc == PHI3V_E_CANCELLED;
    struct waiting behind = {0};
    if ((cut || rc) && !json_is_false(json_object_get(r->content, "stop_on_error")))
        take_waiting(k, &behind);
    if (cut)
        fail(k, r, silent, "KeyboardInterrupt", "");
    else if (rc)
        fail(k, r, silent, error_name(rc), err.text);
    else
        succeed(k, r);
    show_request(&k->show, NULL, false);
    abort_waiting(k, &behind);
}

/* -- complete, inspect, is_complete ----------------------------------------------------------- */

static void on_complete(struct kernel *k, const struct request *r)
{
    const char *code = string_of(r->content, "code");
    json_t *pos = json_object_get(r->content, "cursor_pos");
    size_t cursor = json_is_integer(pos) ? bytes_of(code, json_integer_value(pos)) : strlen(code);
    struct nb_candidates found = {.start = cursor};
    json_t *matches = json_array();
    if (!k->no_model.code && !nb_candidates(k->nb, code, cursor, &found, NULL))
        for (size_t i = 0; i < found.words.n; i++)
            json_array_append_new(matches, json_text(found.words.v[i]));
    strings_free(&found.words);
    io_reply(k->io, r,
             json_pack("{s:s,s:o,s:I,s:I,s:{}}", "status", "ok", "matches", matches, "cursor_start",
                       points_of(code, found.start), "cursor_end", points_of(code, cursor),
                       "metadata"));
}

static void on_inspect(struct kernel *k, const struct request *r)
{
    const char *code = string_of(r->content, "code");
    json_t *pos = json_object_get(r->content, "cursor_pos");
    size_t cursor = json_is_integer(pos) ? bytes_of(code, json_integer_value(pos)) : strlen(code);
    char *help = k->no_model.code ? NULL : nb_inspect(k->nb, code, cursor);
    json_t *data = json_object();
    if (help) json_object_set_new(data, "text/plain", json_text(help));
    io_reply(k->io, r,
             json_pack("{s:s,s:b,s:o,s:{}}", "status", "ok", "found", help != NULL, "data", data,
                       "metadata"));
    free(help);
}

static void on_is_complete(struct kernel *k, const struct request *r)
{
    bool complete = nb_is_complete(string_of(r->content, "code")) == NB_COMPLETE;
    json_t *content = json_pack("{s:s}", "status", complete ? "complete" : "incomplete");
    if (!complete) json_object_set_new(content, "indent", json_string(""));
    io_reply(k->io, r, content);
}

/* -- history ---------------------------------------------------------------------------------- */

static json_t *entry_json(const struct kernel *k, int i, bool output)
{
    const struct entry *e = &k->history[i];
    if (!output) return json_pack("[i,i,o]", 1, i + 1, json_text(e->input));
    return json_pack("[i,i,[o,o]]", 1, i + 1, json_text(e->input),
                     e->output ? json_text(e->output) : json_null());
}

/* Whether a later entry has the same input. */
static bool is_repeated(const struct kernel *k, int i)
{
    for (int j = i + 1; j < k->n_history; j++)
        if (!strcmp(k->history[i].input, k->history[j].input)) return true;
    return false;
}

static bool is_wanted(const struct kernel *k, int i, const json_t *content)
{
    const char *how = string_of(content, "hist_access_type");
    if (!strcmp(how, "range")) {
        json_int_t start = json_integer_value(json_object_get(content, "start"));
        const json_t *stop = json_object_get(content, "stop");
        return i + 1 >= start && (!json_is_integer(stop) || i + 1 < json_integer_value(stop));
    }
    if (strcmp(how, "search") != 0) return true;
    if (fnmatch(string_of(content, "pattern"), k->history[i].input, 0) != 0) return false;
    return !json_is_true(json_object_get(content, "unique")) || !is_repeated(k, i);
}

static void on_history(struct kernel *k, const struct request *r)
{
    const json_t *n = json_object_get(r->content, "n");
    bool output = json_is_true(json_object_get(r->content, "output"));
    json_t *list = json_array();
    for (int i = 0; i < k->n_history; i++)
        if (is_wanted(k, i, r->content)) json_array_append_new(list, entry_json(k, i, output));
    bool bounded = json_is_integer(n) && strcmp(string_of(r->content, "hist_access_type"), "range");
    while (bounded && (json_int_t)json_array_size(list) > json_integer_value(n))
        json_array_remove(list, 0);
    io_reply(k->io, r, json_pack("{s:s,s:o}", "status", "ok", "history", list));
}

/* -- The rest --------------------------------------------------------------------------------- */

static void on_comm_info(struct kernel *k, const struct request *r)
{
    io_reply(k->io, r, json_pack("{s:s,s:{}}", "status", "ok", "comms"));
}

static void on_comm_open(struct kernel *k, const struct request *r)
{
    io_publish(
        k->io, "comm_close",
        json_pack("{s:o,s:{}}", "comm_id", json_text(string_of(r->content, "comm_id")), "data"), r);
}

/* Old clients send this on the shell socket. */
static void on_shutdown(struct kernel *k, const struct request *r)
{
    bool restart = json_is_true(json_object_get(r->content, "restart"));
    io_reply(k->io, r, json_pack("{s:s,s:b}", "status", "ok", "restart", restart));
    k->quit = true;
}

static const struct {
    const char *type;
    void (*on)(struct kernel *k, const struct request *r);
} handlers[] = {{"kernel_info_request", on_kernel_info}, {"execute_request", on_execute},
                {"complete_request", on_complete},       {"inspect_request", on_inspect},
                {"is_complete_request", on_is_complete}, {"history_request", on_history},
                {"comm_info_request", on_comm_info},     {"comm_open", on_comm_open},
                {"shutdown_request", on_shutdown}};

static void handle(struct kernel *k, const struct request *r)
{
    io_status(k->io, "busy", r);
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
        if (!strcmp(handlers[i].type, r->type)) handlers[i].on(k, r);
    io_status(k->io, "idle", r);
}

/* -- Life ------------------------------------------------------------------------------------- */

/* Without its model the kernel lives on, since clients show what a cell says, but not what a kernel
 * said before it died. */
static int open_notebook(struct kernel *k, const struct nb_options *how, const char *model,
                         struct phi3v_error *err)
{
    struct nb_front front = show_front(&k->show, stopped, begins);
    int rc = nb_new(how, &front, &k->nb, err);
    if (rc) return rc;
    k->show.nb = k->nb;
    nb_open_model(k->nb, model, &k->no_model);
    return 0;
}

static void kernel_fini(struct kernel *k)
{
    nb_free(k->nb);
    show_fini(&k->show);
    for (int i = 0; i < k->n_history; i++) {
        free(k->history[i].input);
        free(k->history[i].output);
    }
    for (int i = 0; i < k->n_places; i++) free(k->places[i].id);
    free(k->history);
    free(k->places);
    io_free(k->io);
}

static void serve(struct kernel *k)
{
    struct request r;
    bool any;
    io_status(k->io, "starting", NULL);
    while (!k->quit && io_next(k->io, true, &any, &r)) {
        if (!any) break;
        handle(k, &r);
        request_free(&r);
        if (!k->quit && !k->no_model.code) nb_typing(k->nb, "");
    }
    /* jupyter console looks for a reply every 50 ms, and no longer once the kernel is gone. */
    if (k->quit) nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
}

int kernel_run(const char *connection_file, const struct nb_options *how, const char *model,
               struct phi3v_error *err)
{
    struct wire_connection connection;
    struct kernel k = {0};
    struct io_host host = {.interrupt = interrupt, .kernel_info = kernel_info, .user = &k};
    int rc = wire_connection_read(connection_file, &connection, err);
    if (rc) return rc;
    running = &k;
    signal(SIGINT, on_sigint);
    rc = io_new(&connection, &host, &k.io, err);
    wire_connection_fini(&connection);
    if (!rc) {
        show_init(&k.show, k.io);
        rc = open_notebook(&k, how, model, err);
    }
    if (!rc) serve(&k);
    if (!rc && (rc = k.no_model.code)) *err = k.no_model;
    signal(SIGINT, SIG_IGN);
    kernel_fini(&k);
    running = NULL;
    return rc;
}
