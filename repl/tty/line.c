/* SPDX-License-Identifier: GPL-3.0-or-later
 * Readline handles text, keys, undo and searches, and term/view draws them. Nothing that readline
 * itself writes reaches the terminal. */
#define _GNU_SOURCE
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "common/files.h"
#include "term/clean.h"
#include "term/view.h"
#include "tty/child.h"
#include "tty/complete.h"
#include "tty/history.h"
#include "tty/interrupt.h"
#include "tty/line.h"
#include "tty/move.h"

struct line {
    struct line_host host;
    char *history; // a file, or NULL
    FILE *screen;  // the terminal
    FILE *nowhere; // discards what readline writes
    struct view *view;
    bool changed; // since it was drawn last
    /* The line being read */
    const char *prompt;
    char *result;
    bool done, cancelled;
    struct line_news news;
};

static struct line *current; /* readline's callbacks take no argument */

/* -- Drawing -------------------------------------------------------------------------------- */

static struct view_text seen(const struct line *l)
{
    bool ours = rl_display_prompt == rl_prompt || !rl_display_prompt;
    return (struct view_text){.prompt = ours ? l->prompt : rl_display_prompt,
                              .is_message = !ours,
                              .dim_from = l->news.dim_from,
                              .dim_to = l->news.dim_to,
                              .text = rl_line_buffer,
                              .n = (size_t)rl_end,
                              .point = (size_t)rl_point};
}

/* Replaces readline's redisplay: the text is drawn once no more keys are waiting. */
static void on_redisplay(void) { current->changed = true; }

static void draw(struct line *l)
{
    struct view_text t = seen(l);
    if (l->changed) view_draw(l->view, &t);
    l->changed = false;
}

static void leave_by(struct line *l, void (*how)(struct view *v, const struct view_text *t))
{
    struct view_text t = seen(l);
    t.prompt = l->prompt;
    t.is_message = false;
    how(l->view, &t);
    l->changed = false;
}

static void leave(struct line *l) { leave_by(l, view_leave); }

static void others_wrote(struct line *l)
{
    if (l->host.others_wrote) l->host.others_wrote(l->host.user);
    l->changed = true;
}

static void draw_afresh(struct line *l, bool asked)
{
    if (!l->host.redraw(l->host.user, asked))
        view_erase(l->view);
    else
        view_forget(l->view);
    l->changed = true;
}

/* -- Keys ----------------------------------------------------------------------------------- */

/* Return adds a line while the text is incomplete, and otherwise sends it. A backslash at the end
 * becomes the line break. */
static int key_return(int count, int key)
{
    struct line *l = current;
    if (l->cancelled) return rl_newline(count, key);
    if (l->host.complete_enough(l->host.user, rl_line_buffer)) {
        leave_by(l, view_send);
        return rl_newline(count, key);
    }
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

static int key_redraw(int count, int key)
{
    (void)count, (void)key;
    draw_afresh(current, true);
    return 0;
}

static void list_candidates(const struct line_candidates *found)
{
    struct line *l = current;
    leave(l);
    complete_list(found, l->screen, term_facts(l->host.term));
    l->changed = true;
}

static int key_tab(int count, int key)
{
    (void)count, (void)key;
    complete_tab(&current->host, list_candidates);
    return 0;
}

/* Writes the text to a new file; its path, or NULL with errno. */
static char *write_out(const char *text)
{
    const char *dir = getenv("TMPDIR");
    char *path = xasprintf("%s/phiscope-XXXXXX", dir && *dir ? dir : "/tmp");
    int fd = mkstemp(path);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool written = f && fprintf(f, "%s\n", text) >= 0;
    if (f && fclose(f)) written = false;
    if (written) return path;
    int why = errno;
    if (fd >= 0) unlink(path);
    free(path);
    errno = why;
    return NULL;
}

/* The text of the file after $VISUAL or $EDITOR has changed it; NULL with a sentence. */
static char *edited(struct line *l, const char *path, struct phi3v_error *err)
{
    const char *editor = getenv("VISUAL");
    if (!editor || !*editor) editor = getenv("EDITOR");
    if (!editor || !*editor) editor = "vi";
    char *command = xasprintf("%s '%s'", editor, path), *bytes = NULL, *text = NULL;
    size_t n;
    int status = child_run(l->host.term, command);
    free(command);
    if (status)
        refuse(err, PHI3V_E_IO, "%.100s ended with an error", editor);
    else if (!load_file(path, 64 << 20, &bytes, &n, err) &&
             !(text = l->host.pasted(l->host.user, bytes, n)))
        refuse(err, PHI3V_E_IO, "what %.100s has written is no text", editor);
    for (n = text ? strlen(text) : 0; n > 0 && text[n - 1] == '\n'; n--) text[n - 1] = 0;
    free(bytes);
    return text;
}

static void replace_text(const char *text)
{
    rl_begin_undo_group();
    rl_delete_text(0, rl_end);
    rl_point = 0;
    rl_insert_text(text);
    rl_end_undo_group();
}

/* Ctrl-X Ctrl-E: the edited text comes back into the line and is not sent. */
static int key_editor(int count, int key)
{
    (void)count, (void)key;
    struct line *l = current;
    struct phi3v_error err;
    view_erase(l->view);
    char *path = write_out(rl_line_buffer), *text = NULL;
    if (path)
        text = edited(l, path, &err);
    else
        refuse(&err, PHI3V_E_IO, "no file for the editor can be written: %s", strerror(errno));
    if (path) unlink(path);
    free(path);
    if (text) {
        replace_text(text);
    } else {
        fputs("(the text is as it was: ", l->screen);
        clean_print(l->screen, CLEAN_NAME, err.text);
        fputs(")\r\n", l->screen);
    }
    free(text);
    others_wrote(l);
    return 0;
}

/* Rebinds all keys bound to `old`, by default or in the person's inputrc, to `own`. */
static void take_over(rl_command_func_t *old, rl_command_func_t *own)
{
    static const char *const names[] = {"emacs-standard", "vi-insert", "vi-command"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Keymap map = rl_get_keymap_by_name(names[i]);
        char **keys = rl_invoking_keyseqs_in_map(old, map);
        for (char **key = keys; key && *key; key++) {
            rl_bind_keyseq_in_map(*key, own, map);
            free(*key);
        }
        free(keys);
    }
}

static void bind_keys(void)
{
    take_over(rl_newline, key_return);
    take_over(rl_complete, key_tab);
    take_over(rl_possible_completions, key_tab);
    take_over(rl_clear_screen, key_redraw);
    take_over(rl_refresh_line, key_redraw);
    take_over(rl_get_previous_history, move_up);
    take_over(rl_get_next_history, move_down);
    take_over(rl_beg_of_line, move_home);
    take_over(rl_end_of_line, move_end);
    rl_bind_keyseq("\\e\\C-m", key_new_line);
    rl_bind_keyseq("\\e\\C-j", key_new_line);
    rl_bind_keyseq("\\C-x\\C-e", key_editor);
}

/* -- Life ----------------------------------------------------------------------------------- */

/* Text is always UTF-8 here, but readline follows the locale, and reads it from the environment
 * each time. */
static void want_utf8(void)
{
    if (!strcmp(nl_langinfo(CODESET), "UTF-8")) return;
    const char *all = getenv("LC_ALL");
    setenv(all && *all ? "LC_ALL" : "LC_CTYPE", "C.UTF-8", 1);
    setlocale(LC_CTYPE, "C.UTF-8");
}

static void no_prep(int meta) { (void)meta; }

static void no_deprep(void) {}

static void set_up_readline(struct line *l)
{
    rl_readline_name = "phiscope";
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_instream = stdin;
    rl_outstream = l->nowhere ? l->nowhere : l->screen;
    rl_getc_function = term_getc;
    rl_input_available_hook = term_input_available;
    rl_redisplay_function = on_redisplay;
    rl_prep_term_function = no_prep;
    rl_deprep_term_function = no_deprep;
    rl_variable_bind("bell-style", "none");
    rl_initialize();
    rl_variable_bind("convert-meta", "off");
    rl_variable_bind("input-meta", "on");
    rl_variable_bind("output-meta", "on");
    rl_variable_bind("enable-bracketed-paste", "off");
    rl_variable_bind("revert-all-at-newline", "on");
    bind_keys();
}

struct line *line_new(const struct line_host *host)
{
    struct line *l = xcalloc(1, sizeof *l);
    struct strings entries;
    l->host = *host;
    l->screen = isatty(STDOUT_FILENO) ? stdout : stderr;
    l->nowhere = fopen("/dev/null", "we");
    l->view = view_new(l->screen, term_facts(host->term));
    current = l;
    want_utf8();
    set_up_readline(l);
    stifle_history(HISTORY_MAX);
    if (host->history) l->history = xstrdup(host->history);
    history_read(l->history, &entries);
    for (size_t i = 0; i < entries.n; i++) add_history(entries.v[i]);
    strings_free(&entries);
    return l;
}

void line_free(struct line *l)
{
    if (!l) return;
    clear_history();
    view_free(l->view);
    if (l->nowhere) fclose(l->nowhere);
    free(l->history);
    free(l);
    current = NULL;
}

void line_remember(struct line *l, const char *entry)
{
    HIST_ENTRY *last = history_length > 0 ? history_get(history_base + history_length - 1) : NULL;
    if (!*entry || (last && !strcmp(last->line, entry))) return;
    add_history(entry);
    history_append(l->history, entry);
}

/* -- Reading -------------------------------------------------------------------------------- */

static void on_line(char *text)
{
    rl_callback_handler_remove();
    if (!text) leave(current);
    current->result = text;
    current->done = true;
}

/* Ends an unfinished search, count or multi-byte key, so that it takes no later input. */
static void end_waiting(void)
{
    if (RL_ISSTATE(RL_STATE_ISEARCH | RL_STATE_NSEARCH | RL_STATE_NUMERICARG | RL_STATE_MULTIKEY |
                   RL_STATE_VIMOTION | RL_STATE_CHARSEARCH))
        rl_callback_sigcleanup();
}

/* Ctrl-C: the line stays on the screen. Readline gets an empty line, so that it restores edited
 * entries of the history and goes back to its end. */
static void cancel(struct line *l)
{
    end_waiting();
    rl_clear_message();
    leave(l);
    l->cancelled = true;
    rl_replace_line("", 1);
    rl_point = 0;
    rl_stuff_char('\r');
    rl_callback_read_char();
    l->done = true;
    free(l->result);
    l->result = NULL;
}

static void paste(struct line *l)
{
    size_t n;
    char *bytes = term_take_paste(l->host.term, &n);
    end_waiting();
    if (bytes) {
        char *text = l->host.pasted(l->host.user, bytes, n);
        if (text) rl_insert_text(text);
        free(text);
    } else {
        leave(l);
        fputs("(the paste was dropped: it is larger than 64 MiB)\r\n", l->screen);
    }
    l->changed = true;
    free(bytes);
}

/* Ctrl-Z. */
static void stop_program(struct line *l)
{
    leave(l);
    term_mode(l->host.term, TERM_USUAL);
    interrupt_stop();
    term_mode(l->host.term, TERM_EDITING);
    term_update(l->host.term);
    others_wrote(l);
}

bool line_stop_answering(struct term *t)
{
    if (!interrupt_stop_requested()) return false;
    term_fresh_line(t);
    enum term_mode mode = term_mode(t, TERM_USUAL);
    interrupt_stop();
    term_mode(t, mode);
    return true;
}

/* Handles the next piece of input; false when there is none. */
static bool take_input(struct line *l)
{
    switch (term_next(l->host.term)) {
    case TERM_NOTHING:
        return false;
    case TERM_KEY:
        rl_callback_read_char();
        return true;
    case TERM_PASTE:
        paste(l);
        return true;
    case TERM_INTERRUPT:
        term_take(l->host.term);
        cancel(l);
        return true;
    case TERM_STOP:
        term_take(l->host.term);
        stop_program(l);
        return true;
    case TERM_QUIT:
        term_take(l->host.term);
        raise(SIGQUIT);
        return true;
    case TERM_END:
        leave(l);
        l->done = true;
        return true;
    }
    return false;
}

static void look_at_signals(struct line *l)
{
    if (interrupt_requested()) {
        interrupt_clear();
        cancel(l);
        return;
    }
    if (interrupt_stop_requested()) stop_program(l);
    int generation = term_facts(l->host.term)->generation;
    if (!term_update(l->host.term)) return;
    if (term_facts(l->host.term)->generation != generation) {
        draw_afresh(l, false);
    } else { /* we were stopped and continued from outside */
        leave(l);
        others_wrote(l);
    }
}

/* Erases the line, lets the host write, and draws the line again below. */
static void show_news(struct line *l)
{
    if (term_facts(l->host.term)->is_dumb)
        leave(l);
    else
        view_erase(l->view);
    term_mode(l->host.term, TERM_QUIET);
    l->prompt = l->host.show_news(l->host.user, rl_line_buffer);
    fflush(stdout);
    interrupt_clear();
    term_mode(l->host.term, TERM_EDITING);
    view_forget(l->view);
    l->changed = true;
}

static void look_for_news(struct line *l)
{
    struct line_news before = l->news;
    l->host.look(l->host.user, &l->news);
    if (l->news.to_show) {
        show_news(l);
        l->host.look(l->host.user, &l->news);
    }
    if (l->news.dim_from != before.dim_from || l->news.dim_to != before.dim_to) l->changed = true;
}

enum line_end line_read(struct line *l, const char *prompt, const char *preset, char **ret_text)
{
    l->done = l->cancelled = false;
    l->result = NULL;
    l->prompt = prompt;
    l->news = (struct line_news){.fd = -1};
    fflush(stdout);
    interrupt_clear();
    enum term_mode before = term_mode(l->host.term, TERM_EDITING);
    view_forget(l->view);
    rl_callback_handler_install(prompt, on_line);
    if (preset) rl_insert_text(preset);
    l->changed = true;
    while (!l->done) {
        if (take_input(l)) continue;
        look_at_signals(l);
        if (l->done) break;
        look_for_news(l);
        draw(l);
        term_wait(l->host.term, l->news.fd, l->news.to_show ? 0 : l->news.wait_ms);
    }
    rl_callback_handler_remove();
    term_mode(l->host.term, before);
    if (l->cancelled) return LINE_CANCELLED;
    if (!l->result) return LINE_OVER;
    *ret_text = l->result;
    return LINE_SENT;
}

const char *line_library(void) { return rl_library_version; }
