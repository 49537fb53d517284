/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "tty/complete.h"
#include "tty/history.h"
#include "tty/interrupt.h"
#include "tty/line.h"

struct line {
    struct line_host host;
    char *history; // file, or NULL
    char *result;  // of the line being read
    bool done;
    /* Signals are let in only while waiting: one that came between a look at its flag and the wait
     * would sleep until the next key. */
    sigset_t usual;
};

static struct line *current; /* readline's callbacks take no argument */
/* -- Keys ----------------------------------------------------------------------------------- */

/* Return: another line while the text wants one, else the end. A closing backslash becomes the line
 * break. */
static int key_return(int count, int key)
{
    if (current->host.complete_enough(current->host.user, rl_line_buffer))
        return rl_newline(count, key);
    rl_point = rl_end;
    if (rl_end > 0 && rl_line_buffer[rl_end - 1] == '\\') rl_delete_text(rl_end - 1, rl_end);
    rl_point = rl_end;
    rl_insert_text("\n");
    return 0;
}

static int key_new_line(int count, int key)
{
    (void)count, (void)key;
    rl_insert_text("\n");
    return 0;
}

static void redraw(bool asked)
{
    if (!current->host.redraw(current->host.user, asked)) return;
    rl_on_new_line();
    rl_forced_update_display();
}

static int key_redraw(int count, int key)
{
    (void)count, (void)key;
    redraw(true);
    return 0;
}

static int key_tab(int count, int key)
{
    (void)count, (void)key;
    complete_tab(&current->host);
    return 0;
}

/* Ctrl-X Ctrl-E: the text in $VISUAL or $EDITOR; it comes back into the line, not sent. */
static int key_editor(int count, int key)
{
    (void)count, (void)key;
    char path[] = "/tmp/phiscope-XXXXXX";
    const char *editor = getenv("VISUAL");
    if (!editor || !*editor) editor = getenv("EDITOR");
    if (!editor || !*editor) editor = "vi";
    int fd = mkstemp(path);
    if (fd < 0) return 0;
    FILE *f = fdopen(fd, "w");
    if (f) {
        fprintf(f, "%s\n", rl_line_buffer);
        fclose(f);
    } else {
        close(fd);
    }
    char *command = xasprintf("%s %s", editor, path), *text = NULL;
    size_t n;
    rl_deprep_term_function();
    sigset_t ours;
    sigprocmask(SIG_SETMASK, &current->usual, &ours);
    int rc = system(command);
    sigprocmask(SIG_SETMASK, &ours, NULL);
    rl_prep_term_function(1);
    if (!rc && !load_file(path, 16 << 20, &text, &n, NULL)) {
        while (n > 0 && text[n - 1] == '\n') text[--n] = 0;
        rl_replace_line(text, 0);
        rl_point = rl_end;
    }
    free(text);
    free(command);
    unlink(path);
    rl_on_new_line();
    rl_forced_update_display();
    return 0;
}

static void bind_keys(void)
{
    rl_bind_key('\r', key_return);
    rl_bind_key('\n', key_return);
    rl_bind_keyseq("\\e\\C-m", key_new_line);
    rl_bind_keyseq("\\e\\C-j", key_new_line);
    rl_bind_keyseq("\\C-x\\C-e", key_editor);
    rl_bind_key('\f', key_redraw);
    rl_bind_key('\t', key_tab);
}

/* -- Life ----------------------------------------------------------------------------------- */

struct line *line_new(const struct line_host *host)
{
    struct line *l = xcalloc(1, sizeof *l);
    struct strings entries;
    l->host = *host;
    current = l;
    rl_readline_name = "phiscope";
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_instream = stdin;
    rl_outstream = isatty(STDOUT_FILENO) ? stdout : stderr;
    rl_getc_function = term_getc;
    rl_input_available_hook = term_input_available;
    rl_initialize();
    bind_keys();
    stifle_history(HISTORY_MAX);
    if (host->history) l->history = xstrdup(host->history);
    history_read(l->history, &entries);
    for (size_t i = 0; i < entries.n; i++) add_history(entries.v[i]);
    strings_free(&entries);
    interrupt_catch_stop();
    return l;
}

void line_free(struct line *l)
{
    if (!l) return;
    clear_history();
    free(l->history);
    free(l);
    current = NULL;
}

void line_remember(struct line *l, const char *entry)
{
    if (!*entry) return;
    HIST_ENTRY *last = history_length > 0 ? history_get(history_base + history_length - 1) : NULL;
    if (last && !strcmp(last->line, entry)) return;
    add_history(entry);
    history_append(l->history, entry);
}

/* -- Reading -------------------------------------------------------------------------------- */

static void on_line(char *text)
{
    rl_callback_handler_remove();
    current->result = text;
    current->done = true;
}

static void clear_line(void)
{
    rl_callback_sigcleanup();
    rl_free_line_state();
    rl_replace_line("", 1);
    rl_crlf();
}

/* Ctrl-Z: readline would come back from fg without its terminal modes. */
static void stop_program(void)
{
    rl_deprep_term_function();
    fputc('\n', rl_outstream);
    fflush(rl_outstream);
    interrupt_stop();
    rl_prep_term_function(1);
    rl_resize_terminal();
    rl_on_new_line();
    rl_forced_update_display();
}

bool line_stop_answering(struct term *t)
{
    if (!interrupt_stop_requested()) return false;
    term_quiet_end(t);
    fputc('\n', stdout);
    fflush(stdout);
    interrupt_stop();
    term_quiet_begin(t);
    return true;
}

static void look_at_flags(struct line *l, bool *ret_cancelled)
{
    if (interrupt_requested()) {
        interrupt_clear();
        *ret_cancelled = true;
        clear_line();
    }
    if (interrupt_stop_requested()) stop_program();
    if (l->host.term && term_update(l->host.term)) {
        rl_resize_terminal();
        redraw(false);
    }
}

static void read_input(struct line *l)
{
    while (!l->done && term_input(l->host.term)) rl_callback_read_char();
}

static void hold_signals(struct line *l)
{
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTSTP);
    sigaddset(&held, SIGWINCH);
    sigprocmask(SIG_BLOCK, &held, &l->usual);
}

enum line_end line_read(struct line *l, const char *prompt, const char *preset, char **ret_text)
{
    bool cancelled = false;
    l->done = false;
    l->result = NULL;
    interrupt_clear();
    hold_signals(l);
    rl_callback_handler_install(prompt, on_line);
    if (preset) {
        rl_insert_text(preset);
        rl_redisplay();
    }
    read_input(l);
    while (!l->done && !cancelled) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        int n = ppoll(&in, 1, NULL, &l->usual);
        if (n < 0 && errno != EINTR) break;
        look_at_flags(l, &cancelled);
        if (n > 0) read_input(l);
    }
    if (!l->done) rl_callback_handler_remove();
    sigprocmask(SIG_SETMASK, &l->usual, NULL);
    if (cancelled && !l->done) return LINE_CANCELLED;
    if (!l->result) return LINE_OVER;
    *ret_text = l->result;
    return LINE_SENT;
}
