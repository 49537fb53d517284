/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "kernel/io.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zmq.h>

#include "common/must.h"

/* Where to send a message of the notebook's thread: the first byte of its first frame. */
enum { TO_SHELL = 's', TO_IOPUB = 'i' };

static const char to_sockets[] = "inproc://to-sockets", to_notebook[] = "inproc://to-notebook";

struct queued {
    struct request request;
    struct queued *next;
};

struct io {
    struct wire *wire;
    struct io_host host;
    void *context;
    void *shell, *control, *iopub, *stdin_socket, *heart; // used by the sockets' thread
    void *from_notebook, *requests_in;                    // that thread's ends of the queues
    void *out, *requests;                                 // the notebook thread's ends
    pthread_mutex_t lock;                                 // of the waiting requests
    struct queued *first, **last;
    pthread_t thread;
    atomic_bool running;
    atomic_bool taking; // the notebook's thread takes requests: the model is open
    atomic_bool over;
    pid_t parent; // when it ends, so do we; 0: none
};

/* -- Names of messages ------------------------------------------------------------------------ */

/* "execute_request" -> "execute_reply" */
static char *reply_type(const char *request)
{
    size_t n = strlen(request), k = strlen("request");
    bool usual = n > k && !strcmp(request + n - k, "request");
    return usual ? xasprintf("%.*sreply", (int)(n - k), request) : xasprintf("%s_reply", request);
}

static void make_published(const struct io *io, const char *type, json_t *content,
                           const struct request *parent, struct frames *ret)
{
    struct frames topic = {0};
    frames_add(&topic, type, strlen(type));
    wire_make(io->wire, &topic, type, content, parent, ret);
    frames_free(&topic);
}

/* -- Requests for the notebook's thread ------------------------------------------------------- */

/* Queues a request and wakes the notebook's thread; NULL wakes it without one, to end. */
static void put_request(struct io *io, struct queued *w)
{
    if (w) {
        pthread_mutex_lock(&io->lock);
        *io->last = w;
        io->last = &w->next;
        pthread_mutex_unlock(&io->lock);
    }
    zmq_send(io->requests_in, ".", 1, 0);
}

/* The next request, or NULL. */
static struct queued *take_request(struct io *io)
{
    pthread_mutex_lock(&io->lock);
    struct queued *w = io->first;
    if (w) io->first = w->next;
    if (!io->first) io->last = &io->first;
    pthread_mutex_unlock(&io->lock);
    return w;
}

/* -- On the sockets' thread ------------------------------------------------------------------- */

static void publish_now(struct io *io, const char *type, json_t *content,
                        const struct request *parent)
{
    struct frames f;
    make_published(io, type, content, parent, &f);
    frames_send(io->iopub, &f);
    frames_free(&f);
}

static void status_now(struct io *io, const char *state, const struct request *parent)
{
    publish_now(io, "status", json_pack("{s:s}", "execution_state", state), parent);
}

static void answer_now(struct io *io, void *socket, const struct request *r, json_t *content)
{
    struct frames f;
    char *type = reply_type(r->type);
    wire_make(io->wire, &r->ids, type, content, r, &f);
    frames_send(socket, &f);
    frames_free(&f);
    free(type);
}

static void end(struct io *io)
{
    if (atomic_exchange(&io->over, true)) return;
    io->host.interrupt(io->host.user);
    put_request(io, NULL);
}

static void shut_down(struct io *io, const struct request *r)
{
    json_t *restart = json_object_get(r->content, "restart");
    json_t *content = json_pack("{s:s,s:b}", "status", "ok", "restart", json_is_true(restart));
    publish_now(io, "shutdown_reply", json_incref(content), r);
    answer_now(io, io->control, r, content);
}

static void on_control(struct io *io)
{
    struct frames f;
    struct request r;
    if (frames_receive(io->control, 0, &f)) return;
    bool good = wire_read(io->wire, &f, &r);
    frames_free(&f);
    if (!good) return;
    status_now(io, "busy", &r);
    bool ends = !strcmp(r.type, "shutdown_request");
    if (!strcmp(r.type, "interrupt_request")) {
        io->host.interrupt(io->host.user);
        answer_now(io, io->control, &r, json_pack("{s:s}", "status", "ok"));
    } else if (!strcmp(r.type, "kernel_info_request")) {
        answer_now(io, io->control, &r, io->host.kernel_info(io->host.user));
    } else if (ends) {
        shut_down(io, &r);
    }
    status_now(io, "idle", &r);
    request_free(&r);
    if (ends) end(io);
}

/* Clients wait for this reply, many for a minute at most, before they send anything else; opening a
 * large model may take longer. */
static void answer_while_opening(struct io *io, const struct request *r)
{
    status_now(io, "busy", r);
    answer_now(io, io->shell, r, io->host.kernel_info(io->host.user));
    status_now(io, "idle", r);
}

static void on_shell(struct io *io)
{
    struct frames f;
    struct queued *w = xcalloc(1, sizeof *w);
    bool good = !frames_receive(io->shell, 0, &f) && wire_read(io->wire, &f, &w->request);
    frames_free(&f);
    bool at_once =
        good && !atomic_load(&io->taking) && !strcmp(w->request.type, "kernel_info_request");
    if (at_once) answer_while_opening(io, &w->request);
    if (good && !at_once) {
        put_request(io, w);
        return;
    }
    if (good) request_free(&w->request);
    free(w);
}

static void on_heart(struct io *io)
{
    struct frames f;
    if (!frames_receive(io->heart, 0, &f)) frames_send(io->heart, &f);
    frames_free(&f);
}

/* Tells a client that its subscription is known (protocol 5.4). */
static void on_subscription(struct io *io)
{
    struct frames f;
    if (frames_receive(io->iopub, 0, &f)) return;
    if (f.n && f.v[0].n && f.v[0].bytes[0] == 1)
        publish_now(io, "iopub_welcome",
                    json_pack("{s:o}", "subscription", json_text(f.v[0].bytes + 1)), NULL);
    frames_free(&f);
}

static void on_output(struct io *io)
{
    struct frames f;
    if (frames_receive(io->from_notebook, 0, &f)) return;
    struct frames rest = {f.v + 1, f.n - 1};
    if (f.n > 1) frames_send(f.v[0].bytes[0] == TO_SHELL ? io->shell : io->iopub, &rest);
    frames_free(&f);
}

static void *serve(void *user)
{
    struct io *io = user;
    zmq_pollitem_t items[] = {{io->heart, 0, ZMQ_POLLIN, 0},
                              {io->control, 0, ZMQ_POLLIN, 0},
                              {io->shell, 0, ZMQ_POLLIN, 0},
                              {io->iopub, 0, ZMQ_POLLIN, 0},
                              {io->from_notebook, 0, ZMQ_POLLIN, 0}};
    void (*const on[])(struct io *) = {on_heart, on_control, on_shell, on_subscription, on_output};
    enum { N = sizeof items / sizeof *items, SECOND = 1000 };
    for (;;) {
        if (zmq_poll(items, N, SECOND) < 0 && errno == ETERM) break;
        for (int i = 0; i < N; i++)
            if (items[i].revents & ZMQ_POLLIN) on[i](io);
        if (io->parent && getppid() != io->parent) end(io);
        /* The notebook's thread closes its end when it is done; by then all it sent has arrived. */
        if (atomic_load(&io->over) && !io->running) break;
    }
    return NULL;
}

/* -- Life ------------------------------------------------------------------------------------- */

static void *open_socket(struct io *io, int type)
{
    int linger = 1000;
    void *s = must(zmq_socket(io->context, type));
    zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
    return s;
}

static int bind_socket(struct io *io, void **ret, int type, const struct wire_connection *c,
                       int port, struct phi3v_error *err)
{
    char *address = wire_address(c, port);
    *ret = open_socket(io, type);
    int on = 1, rc = 0;
    if (type == ZMQ_ROUTER) zmq_setsockopt(*ret, ZMQ_ROUTER_HANDOVER, &on, sizeof on);
    if (zmq_bind(*ret, address))
        rc = refuse(err, PHI3V_E_IO, "cannot listen on %.200s: %s", address,
                    zmq_strerror(zmq_errno()));
    free(address);
    return rc;
}

static void open_queues(struct io *io)
{
    io->from_notebook = open_socket(io, ZMQ_PULL);
    io->requests = open_socket(io, ZMQ_PULL);
    zmq_bind(io->from_notebook, to_sockets);
    zmq_bind(io->requests, to_notebook);
    io->out = open_socket(io, ZMQ_PUSH);
    io->requests_in = open_socket(io, ZMQ_PUSH);
    zmq_connect(io->out, to_sockets);
    zmq_connect(io->requests_in, to_notebook);
}

int io_new(const struct wire_connection *c, const struct io_host *host, struct io **ret,
           struct phi3v_error *err)
{
    struct io *io = xcalloc(1, sizeof *io);
    io->wire = wire_new(c->key);
    io->host = *host;
    io->context = must(zmq_ctx_new());
    io->last = &io->first;
    pthread_mutex_init(&io->lock, NULL);
    if (getenv("JPY_PARENT_PID")) io->parent = getppid();
    int rc = bind_socket(io, &io->shell, ZMQ_ROUTER, c, c->shell_port, err);
    if (!rc) rc = bind_socket(io, &io->control, ZMQ_ROUTER, c, c->control_port, err);
    if (!rc) rc = bind_socket(io, &io->iopub, ZMQ_XPUB, c, c->iopub_port, err);
    if (!rc) rc = bind_socket(io, &io->stdin_socket, ZMQ_ROUTER, c, c->stdin_port, err);
    if (!rc) rc = bind_socket(io, &io->heart, ZMQ_REP, c, c->hb_port, err);
    open_queues(io);
    if (!rc && pthread_create(&io->thread, NULL, serve, io))
        rc = refuse(err, PHI3V_E_MEMORY, "no thread for the sockets can be started");
    io->running = !rc;
    if (rc)
        io_free(io);
    else
        *ret = io;
    return rc;
}

void io_free(struct io *io)
{
    if (!io) return;
    if (io->running) {
        io->running = false;
        atomic_store(&io->over, true);
        frames_send(io->out, &(struct frames){&(struct frame){(char[]){"."}, 1}, 1});
        pthread_join(io->thread, NULL);
    }
    void *const sockets[] = {io->shell,        io->control, io->iopub,
                             io->stdin_socket, io->heart,   io->from_notebook,
                             io->requests_in,  io->out,     io->requests};
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++)
        if (sockets[i]) zmq_close(sockets[i]);
    zmq_ctx_term(io->context);
    for (struct queued *w; (w = take_request(io)); free(w)) request_free(&w->request);
    pthread_mutex_destroy(&io->lock);
    wire_free(io->wire);
    free(io);
}

/* -- On the notebook's thread ----------------------------------------------------------------- */

bool io_next(struct io *io, bool wait, bool *ret_any, struct request *ret)
{
    char told;
    int n;
    atomic_store(&io->taking, true);
    do n = zmq_recv(io->requests, &told, sizeof told, wait ? 0 : ZMQ_DONTWAIT);
    while (n < 0 && zmq_errno() == EINTR);
    struct queued *w = n < 0 ? NULL : take_request(io);
    *ret_any = w;
    if (!w) return n < 0 && !wait;
    *ret = w->request;
    free(w);
    return true;
}

static void send_to(struct io *io, char where, const struct frames *f)
{
    struct frames all = {0};
    frames_add(&all, &where, 1);
    for (size_t i = 0; i < f->n; i++) frames_add(&all, f->v[i].bytes, f->v[i].n);
    frames_send(io->out, &all);
    frames_free(&all);
}

void io_reply(struct io *io, const struct request *to, json_t *content)
{
    struct frames f;
    char *type = reply_type(to->type);
    wire_make(io->wire, &to->ids, type, content, to, &f);
    send_to(io, TO_SHELL, &f);
    frames_free(&f);
    free(type);
}

void io_publish(struct io *io, const char *type, json_t *content, const struct request *parent)
{
    struct frames f;
    make_published(io, type, content, parent, &f);
    send_to(io, TO_IOPUB, &f);
    frames_free(&f);
}

void io_status(struct io *io, const char *state, const struct request *parent)
{
    io_publish(io, "status", json_pack("{s:s}", "execution_state", state), parent);
}
