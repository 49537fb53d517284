/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "term/keys.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "term/clock.h"

#define LONE_ESC_MS 30
#define QUIET_MS 50 /* after so long a silence an interrupted paste is over */
#define EVENT 256

/* -- What arrives ---------------------------------------------------------------------------- */

static void push(struct keys *k, int entry)
{
    if (k->n < KEYS_QUEUE) k->queue[(k->first + k->n++) % KEYS_QUEUE] = (int16_t)entry;
}

/* The event of a key, or 0. In the terminal's settings, 0 means a key that is switched off. */
static int signal_key(const struct keys *k, int byte)
{
    if (!k->take_signals || byte <= 0) return 0;
    if (byte == k->interrupt) return TERM_INTERRUPT;
    if (byte == k->stop) return TERM_STOP;
    return byte == k->quit ? TERM_QUIT : 0;
}

static int signal_of(int event)
{
    return event == TERM_INTERRUPT ? SIGINT : event == TERM_STOP ? SIGTSTP : SIGQUIT;
}

static void on_typed(unsigned char byte, void *user)
{
    struct keys *k = user;
    int event = signal_key(k, byte);
    if (event && k->signals_now)
        k->raise = signal_of(event);
    else
        push(k, event ? EVENT + event : byte);
}

static void lose_paste(struct keys *k)
{
    free(k->paste);
    k->paste = NULL;
    k->n_paste = k->cap_paste = 0;
    k->paste_lost = true;
}

static void collect(struct keys *k, char byte)
{
    if (k->paste_lost) return;
    if (k->n_paste + 2 > k->cap_paste) {
        size_t cap = 2 * k->cap_paste + 4096;
        char *paste = k->n_paste < KEYS_PASTE ? realloc(k->paste, cap) : NULL;
        if (!paste) {
            lose_paste(k);
            return;
        }
        k->paste = paste;
        k->cap_paste = cap;
    }
    k->paste[k->n_paste++] = byte;
    k->paste[k->n_paste] = 0;
}

static void end_paste(struct keys *k)
{
    if (!k->n_paste && !k->paste_lost) return;
    if (!k->interrupted_paste && k->n_pastes < KEYS_PASTES) {
        size_t at = (k->first_paste + k->n_pastes++) % KEYS_PASTES;
        k->pastes[at] = (struct paste){k->paste, k->n_paste};
        push(k, EVENT + TERM_PASTE);
        k->paste = NULL;
    }
    lose_paste(k);
    k->paste_lost = k->interrupted_paste = false;
}

/* Ctrl-C ends a paste whose end does not come. If more of it does come, that is not taken for keys.
 */
static void interrupt_paste(struct keys *k)
{
    bool coming = k->read_ms - k->pasted_ms < QUIET_MS;
    lose_paste(k);
    k->interrupted_paste = true;
    push(k, EVENT + TERM_INTERRUPT);
    if (!coming) terminal_replies_end_paste(&k->replies);
}

static void on_pasted(int byte, void *user)
{
    struct keys *k = user;
    if (byte < 0)
        end_paste(k);
    else if (signal_key(k, byte) == TERM_INTERRUPT && !k->interrupted_paste)
        interrupt_paste(k);
    else
        collect(k, (char)byte);
}

static void on_reply(const struct terminal_reply *a, void *user)
{
    struct keys *k = user;
    k->on_reply(a, k->user);
}

static void on_clipboard(int byte, void *user)
{
    struct keys *k = user;
    k->on_clipboard(byte, k->user);
}

/* -- Reading --------------------------------------------------------------------------------- */

void keys_init(struct keys *k, int fd, const struct termios *mode,
               void (*take_reply)(const struct terminal_reply *, void *),
               void (*take_clipboard)(int byte, void *), void *user)
{
    k->fd = fd;
    k->interrupt = mode->c_cc[VINTR];
    k->stop = mode->c_cc[VSUSP];
    k->quit = mode->c_cc[VQUIT];
    k->on_reply = take_reply;
    k->on_clipboard = take_clipboard;
    k->user = user;
    terminal_replies_init(&k->replies, on_typed, on_pasted, on_reply, k);
    k->replies.on_clipboard = on_clipboard;
}

void keys_fini(struct keys *k)
{
    for (; k->n_pastes > 0; k->n_pastes--) {
        free(k->pastes[k->first_paste].bytes);
        k->first_paste = (k->first_paste + 1) % KEYS_PASTES;
    }
    free(k->paste);
}

bool keys_pump(struct keys *k, int timeout_ms)
{
    unsigned char bytes[4096];
    struct pollfd in = {.fd = k->fd, .events = POLLIN};
    size_t room = KEYS_QUEUE - k->n;
    if (k->at_end || room < sizeof bytes + REPLY_BYTES || poll(&in, 1, timeout_ms) <= 0)
        return false;
    ssize_t n = read(k->fd, bytes, sizeof bytes);
    if (n < 0) {
        if (errno != EINTR && errno != EAGAIN) k->at_end = true;
        return false;
    }
    if (n == 0) k->at_end = true;
    k->read_ms = now_ms();
    for (ssize_t i = 0; i < n; i++) terminal_replies_byte(&k->replies, bytes[i]);
    if (k->replies.in_paste) k->pasted_ms = k->read_ms;
    return n > 0;
}

static enum term_event head(const struct keys *k)
{
    if (k->n == 0) return k->at_end ? TERM_END : TERM_NOTHING;
    int entry = k->queue[k->first];
    return entry < EVENT ? TERM_KEY : (enum term_event)(entry - EVENT);
}

enum term_event keys_next(struct keys *k)
{
    while (keys_pump(k, 0)) continue;
    while (k->n == 0 && terminal_replies_ambiguous(&k->replies))
        if (!keys_pump(k, LONE_ESC_MS)) terminal_replies_flush(&k->replies);
    while (k->interrupted_paste)
        if (!keys_pump(k, QUIET_MS)) terminal_replies_end_paste(&k->replies);
    if (k->at_end) {
        terminal_replies_end_paste(&k->replies);
        terminal_replies_flush(&k->replies);
    }
    return head(k);
}

int keys_take(struct keys *k)
{
    int entry = k->queue[k->first];
    k->first = (k->first + 1) % KEYS_QUEUE;
    k->n--;
    return entry;
}

char *keys_take_paste(struct keys *k, size_t *ret_n)
{
    struct paste paste = k->pastes[k->first_paste];
    k->first_paste = (k->first_paste + 1) % KEYS_PASTES;
    k->n_pastes--;
    keys_take(k);
    *ret_n = paste.n;
    return paste.bytes;
}
