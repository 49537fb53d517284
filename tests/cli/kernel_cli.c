/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope kernel, driven as a Jupyter client would: over its sockets, with signed messages. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <zmq.h>

#include "drive.h"
#include "golden.h"
#include "kernel/wire.h"
#include "mock_chat.h"

enum { WAIT_MS = 20000 };

struct client {
    pid_t pid;
    void *context, *shell, *control, *iopub, *heart;
    struct wire *wire;
    char asked[37]; // the id of the latest request
};

/* -- Starting --------------------------------------------------------------------------------- */

static const char secret[] = "secret";

static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&at, n) || getsockname(fd, (struct sockaddr *)&at, &n))
        return 0;
    close(fd);
    return ntohs(at.sin_port);
}

static void *connected(struct client *c, int type, int port)
{
    char address[64];
    int wait = WAIT_MS, linger = 0;
    void *s = zmq_socket(c->context, type);
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", port);
    zmq_setsockopt(s, ZMQ_RCVTIMEO, &wait, sizeof wait);
    zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
    if (type == ZMQ_SUB) zmq_setsockopt(s, ZMQ_SUBSCRIBE, "", 0);
    zmq_connect(s, address);
    return s;
}

/* option: "-m" with a folder, or "--connect" with an address. */
static struct client start(const char *program, const char *option, const char *model)
{
    struct client c = {.context = zmq_ctx_new(), .wire = wire_new(secret)};
    int port[5];
    char text[400];
    for (int i = 0; i < 5; i++) port[i] = free_port();
    snprintf(text, sizeof text,
             "{\"transport\":\"tcp\",\"ip\":\"127.0.0.1\",\"key\":\"secret\",\"signature_scheme\":"
             "\"hmac-sha256\",\"shell_port\":%d,\"control_port\":%d,\"iopub_port\":%d,"
             "\"stdin_port\":%d,\"hb_port\":%d}",
             port[0], port[1], port[2], port[3], port[4]);
    const char *file = drive_write("connection.json", text);
    c.shell = connected(&c, ZMQ_DEALER, port[0]);
    c.control = connected(&c, ZMQ_DEALER, port[1]);
    c.iopub = connected(&c, ZMQ_SUB, port[2]);
    c.heart = connected(&c, ZMQ_REQ, port[4]);
    c.pid = fork();
    if (!c.pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when a sanitizer ends this program */
        execl(program, program, "kernel", "-f", file, option, model, "--num-crops", "1",
              "--max-new-tokens", "100000", (char *)NULL);
        _exit(127);
    }
    return c;
}

static int stop(struct client *c)
{
    int status = -1;
    for (int i = 0; i < 100 && waitpid(c->pid, &status, WNOHANG) != c->pid; i++) usleep(100000);
    void *const sockets[] = {c->shell, c->control, c->iopub, c->heart};
    for (int i = 0; i < 4; i++) zmq_close(sockets[i]);
    zmq_ctx_term(c->context);
    wire_free(c->wire);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* -- Talking ---------------------------------------------------------------------------------- */

/* What stands behind the delimiter and the signature. */
enum part { HEADER = 2, PARENT, METADATA, CONTENT };

static size_t delimiter_in(const struct frames *f)
{
    size_t d = 0;
    while (d < f->n && strcmp(f->v[d].bytes, "<IDS|MSG>") != 0) d++;
    return d;
}

static void id_in(const struct frames *f, enum part part, char ret[37])
{
    size_t d = delimiter_in(f);
    json_t *header = d + part < f->n ? json_loads(f->v[d + part].bytes, 0, NULL) : NULL;
    const char *id = json_string_value(json_object_get(header, "msg_id"));
    snprintf(ret, 37, "%s", id ? id : "");
    json_decref(header);
}

static void ask(struct client *c, void *socket, const char *type, json_t *content)
{
    struct frames none = {0}, f;
    wire_make(c->wire, &none, type, content, NULL, &f);
    id_in(&f, HEADER, c->asked);
    frames_send(socket, &f);
    frames_free(&f);
}

/* The next message of a type; its content, to be json_decref'd. NULL: none came. What is published
 * has to be about the latest request: all see all of it, also late. */
static json_t *await(struct client *c, void *socket, const char *type)
{
    struct frames f;
    struct request r;
    while (!frames_receive(socket, 0, &f)) {
        char parent[37];
        id_in(&f, PARENT, parent);
        bool good = wire_read(c->wire, &f, &r);
        frames_free(&f);
        if (!good) continue;
        bool ours = socket != c->iopub || !strcmp(parent, c->asked);
        json_t *content = ours && !strcmp(r.type, type) ? json_incref(r.content) : NULL;
        request_free(&r);
        if (content) return content;
    }
    return NULL;
}

static const char *value(const json_t *content, const char *key)
{
    const char *s = json_string_value(json_object_get(content, key));
    return s ? s : "";
}

static void set_frame(struct frame *f, const char *text)
{
    free(f->bytes);
    *f = (struct frame){strdup(text), strlen(text)};
}

/* The same as from JupyterLab, which names its own cell. */
static void execute_in(struct client *c, const char *cell, const char *code)
{
    struct frames none = {0}, f;
    struct text all = {0};
    char metadata[80], hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n_mac;
    snprintf(metadata, sizeof metadata, "{\"cellId\":\"%s\"}", cell);
    wire_make(c->wire, &none, "execute_request", json_pack("{s:s}", "code", code), NULL, &f);
    size_t d = delimiter_in(&f);
    set_frame(&f.v[d + METADATA], metadata);
    for (size_t k = d + HEADER; k <= d + CONTENT; k++) text_add(&all, f.v[k].bytes);
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)all.s, all.n, mac,
         &n_mac);
    for (unsigned k = 0; k < n_mac; k++) sprintf(hex + 2 * k, "%02x", mac[k]);
    set_frame(&f.v[d + 1], hex);
    id_in(&f, HEADER, c->asked);
    frames_send(c->shell, &f);
    text_free(&all);
    frames_free(&f);
}

static void execute(struct client *c, const char *code)
{
    ask(c, c->shell, "execute_request",
        json_pack("{s:s,s:b,s:b}", "code", code, "silent", 0, "store_history", 1));
}

static bool reply_is(struct client *c, void *socket, const char *type, const char *key,
                     const char *want)
{
    json_t *content = await(c, socket, type);
    bool same = !strcmp(value(content, key), want);
    json_decref(content);
    return same;
}

/* -- Cases ------------------------------------------------------------------------------------ */

static void cells(struct client *c)
{
    json_t *welcome = await(c, c->iopub, "iopub_welcome"); /* from here on nothing is missed */
    tap_ok(welcome != NULL, "kernel: a subscription is known");
    json_decref(welcome);
    ask(c, c->shell, "kernel_info_request", json_object());
    tap_ok(reply_is(c, c->shell, "kernel_info_reply", "implementation", "phiscope"),
           "kernel: kernel_info");
    char beat[8] = "";
    zmq_send(c->heart, "ping", 4, 0);
    tap_ok(zmq_recv(c->heart, beat, sizeof beat, 0) == 4 && !memcmp(beat, "ping", 4),
           "kernel: the heart beats");
    execute(c, ":set max_new_tokens 5\nHello");
    tap_ok(reply_is(c, c->shell, "execute_reply", "status", "ok"), "kernel: a cell is answered");
    json_t *shown = await(c, c->iopub, "display_data");
    json_t *data = json_object_get(shown, "data");
    tap_ok(*value(data, "text/markdown") && *value(data, "text/plain"),
           "kernel: as markdown and as text");
    json_decref(shown);
    execute(c, ":nosuch");
    tap_ok(reply_is(c, c->shell, "execute_reply", "ename", "argument"), "kernel: an error is told");
    char load[600];
    snprintf(load, sizeof load, ":load %s", drive_golden("images/tiny_97x61.png"));
    execute(c, load);
    shown = await(c, c->iopub, "display_data");
    tap_ok(*value(json_object_get(shown, "data"), "image/png"), "kernel: a picture is displayed");
    json_decref(shown);
    tap_ok(reply_is(c, c->shell, "execute_reply", "status", "ok"), "kernel: and loaded");
}

/* A reply takes the way back through whatever passed its request on, each with a name of any bytes. */
static void through_others(struct client *c)
{
    struct frames way = {0}, f;
    frames_add(&way, "one\0\xFF", 5);
    frames_add(&way, "two", 3);
    wire_make(c->wire, &way, "kernel_info_request", json_object(), NULL, &f);
    frames_send(c->shell, &f);
    frames_free(&f);
    bool same = !frames_receive(c->shell, 0, &f) && delimiter_in(&f) == way.n;
    for (size_t i = 0; i < way.n && same; i++)
        same = f.v[i].n == way.v[i].n && !memcmp(f.v[i].bytes, way.v[i].bytes, way.v[i].n);
    tap_ok(same, "kernel: a reply names all that passed its request on");
    frames_free(&f);
    frames_free(&way);
}

static void questions(struct client *c)
{
    ask(c, c->shell, "complete_request",
        json_pack("{s:s,s:i}", "code", "é :x\n:lo", "cursor_pos", 8));
    json_t *reply = await(c, c->shell, "complete_reply");
    tap_ok(json_integer_value(json_object_get(reply, "cursor_start")) == 5 &&
               json_array_size(json_object_get(reply, "matches")) == 1,
           "kernel: completion counts letters, not bytes");
    json_decref(reply);
    ask(c, c->shell, "is_complete_request", json_pack("{s:s}", "code", "\"\"\"more"));
    tap_ok(reply_is(c, c->shell, "is_complete_reply", "status", "incomplete"),
           "kernel: is_complete");
}

static bool is_ok(struct client *c)
{
    return reply_is(c, c->shell, "execute_reply", "status", "ok");
}

/* How many cells the notebook has. */
static int n_cells(struct client *c)
{
    char line[20];
    for (int n = 0;; n++) {
        snprintf(line, sizeof line, ":prompt %d", n + 1);
        execute(c, line);
        if (!is_ok(c)) return n;
    }
}

static bool runs_in(struct client *c, const char *cell, const char *code)
{
    execute_in(c, cell, code);
    return is_ok(c);
}

/* A cell of the front end stays one of the notebook, however often it is run; where that one is gone,
 * it is a new one. */
static void cells_of_a_front_end(struct client *c)
{
    execute(c, ":set max_new_tokens 2");
    int before = is_ok(c) ? n_cells(c) : -1;
    tap_ok(runs_in(c, "a", "One") && runs_in(c, "b", "Two") && n_cells(c) == before + 2,
           "kernel: two cells of the front end");
    tap_ok(runs_in(c, "a", "Eins") && n_cells(c) == before + 2, "kernel: one is run again");
    execute(c, ":undo");
    execute(c, ":undo");
    tap_ok(is_ok(c) && is_ok(c) && n_cells(c) == before + 1, "kernel: the other is taken back");
    tap_ok(runs_in(c, "b", "Two") && n_cells(c) == before + 2, "kernel: and run again");
}

static json_int_t count_of(struct client *c)
{
    json_t *reply = await(c, c->shell, "execute_reply");
    json_int_t count = json_integer_value(json_object_get(reply, "execution_count"));
    json_decref(reply);
    return count;
}

/* What a program asks beside the person's cells is not counted; what waits behind a cell that fails is
 * not run, unless it asked to be. */
static void counted_and_aborted(struct client *c)
{
    execute(c, ":set max_new_tokens 2");
    json_int_t before = count_of(c);
    ask(c, c->shell, "execute_request",
        json_pack("{s:s,s:b,s:b}", "code", ":set", "silent", 1, "store_history", 1));
    tap_ok(count_of(c) == before, "kernel: a silent cell is not counted");
    ask(c, c->shell, "execute_request",
        json_pack("{s:s,s:b,s:b}", "code", ":set", "silent", 0, "store_history", 0));
    tap_ok(count_of(c) == before, "kernel: nor one that is not kept");
    execute(c, ":set max_new_tokens 100000\nGo on and on");
    json_decref(await(c, c->iopub, "update_display_data"));
    execute(c, "One");
    ask(c, c->shell, "kernel_info_request", json_object());
    ask(c, c->control, "interrupt_request", json_object());
    tap_ok(reply_is(c, c->shell, "execute_reply", "ename", "KeyboardInterrupt"),
           "kernel: the first of two cells is stopped");
    tap_ok(reply_is(c, c->shell, "execute_reply", "ename", "Aborted"),
           "kernel: the second with it");
    tap_ok(reply_is(c, c->shell, "kernel_info_reply", "implementation", "phiscope"),
           "kernel: what only asks is answered");
    execute(c, ":set max_new_tokens 2\nOne");
    tap_ok(reply_is(c, c->shell, "execute_reply", "status", "ok"),
           "kernel: and the next cell runs");
}

static void interrupt(struct client *c)
{
    execute(c, ":set max_new_tokens 100000\nTell me more");
    json_decref(await(c, c->iopub, "update_display_data"));
    ask(c, c->control, "interrupt_request", json_object());
    tap_ok(reply_is(c, c->control, "interrupt_reply", "status", "ok"),
           "kernel: an interrupt is answered while a cell runs");
    tap_ok(reply_is(c, c->shell, "execute_reply", "ename", "KeyboardInterrupt"),
           "kernel: and stops the cell");
}

static void forged(struct client *c)
{
    struct wire *other = wire_new("guess");
    struct frames none = {0}, f;
    int soon = 300, usual = WAIT_MS;
    wire_make(other, &none, "kernel_info_request", json_object(), NULL, &f);
    frames_send(c->shell, &f);
    frames_free(&f);
    zmq_setsockopt(c->shell, ZMQ_RCVTIMEO, &soon, sizeof soon);
    json_t *reply = await(c, c->shell, "kernel_info_reply");
    tap_ok(!reply, "kernel: a wrong signature gets no answer");
    json_decref(reply);
    /* The same message twice: the second is a replay. */
    wire_make(c->wire, &none, "kernel_info_request", json_object(), NULL, &f);
    frames_send(c->shell, &f);
    frames_send(c->shell, &f);
    frames_free(&f);
    json_t *first = await(c, c->shell, "kernel_info_reply");
    json_t *second = await(c, c->shell, "kernel_info_reply");
    tap_ok(first && !second, "kernel: a message counts once");
    json_decref(first);
    json_decref(second);
    zmq_setsockopt(c->shell, ZMQ_RCVTIMEO, &usual, sizeof usual);
    wire_free(other);
}

/* -- A model that takes its time --------------------------------------------------------------- */

static atomic_bool may_list;

static void list_late(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    (void)m, (void)number, (void)q;
    for (int i = 0; i < 200 && !atomic_load(&may_list); i++) usleep(100000);
    mock_chat_status(r, 200, "", "{\"data\":[{\"id\":\"mock\"}]}");
}

static void say_hello(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    (void)m, (void)number, (void)q;
    mock_chat_answer(r, "Hello.");
}

static void slow_start(const char *program)
{
    struct mock_chat server;
    mock_chat_start(&server, say_hello, NULL);
    server.models = list_late;
    struct client c = start(program, "--connect", server.url);
    ask(&c, c.shell, "kernel_info_request", json_object());
    execute(&c, "Hello");
    tap_ok(reply_is(&c, c.shell, "kernel_info_reply", "implementation", "phiscope") &&
               !atomic_load(&may_list),
           "kernel: kernel_info is answered while the model is being opened");
    atomic_store(&may_list, true);
    tap_ok(reply_is(&c, c.shell, "execute_reply", "status", "ok"),
           "kernel: a cell waits until it is open");
    ask(&c, c.control, "shutdown_request", json_pack("{s:b}", "restart", 0));
    tap_ok(stop(&c) == 0, "kernel: and it ends in order");
    mock_chat_stop(&server);
}

static void no_model(const char *program)
{
    struct client c = start(program, "-m", "/nowhere");
    ask(&c, c.shell, "kernel_info_request", json_object());
    tap_ok(reply_is(&c, c.shell, "kernel_info_reply", "implementation", "phiscope"),
           "kernel: without its model it is there");
    ask(&c, c.shell, "complete_request", json_pack("{s:s,s:i}", "code", ":lo", "cursor_pos", 3));
    tap_ok(reply_is(&c, c.shell, "complete_reply", "status", "ok"), "kernel: it answers");
    execute(&c, "Hello");
    json_t *reply = await(&c, c.shell, "execute_reply");
    tap_ok(strstr(value(reply, "evalue"), "no model \"/nowhere\"") != NULL,
           "kernel: and a cell says why there is none");
    json_decref(reply);
    ask(&c, c.control, "shutdown_request", json_pack("{s:b}", "restart", 0));
    tap_ok(stop(&c) == 3, "kernel: in the end its status does, too");
}

int main(int argc, char **argv)
{
    const char *program = argc > 1 ? argv[1] : "";
    drive_init(argc, argv);
    slow_start(program);
    no_model(program);
    if (golden_exists("models/tiny-gqa-bf16")) {
        struct client c = start(program, "-m", drive_golden("models/tiny-gqa-bf16"));
        cells(&c);
        through_others(&c);
        questions(&c);
        cells_of_a_front_end(&c);
        counted_and_aborted(&c);
        interrupt(&c);
        forged(&c);
        ask(&c, c.control, "shutdown_request", json_pack("{s:b}", "restart", 0));
        tap_ok(reply_is(&c, c.control, "shutdown_reply", "status", "ok"), "kernel: shutdown");
        tap_ok(stop(&c) == 0, "kernel: it ends in order");
    } else {
        tap_skip("models/tiny-gqa-bf16", "the Jupyter kernel");
    }
    return drive_done();
}
