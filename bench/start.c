/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "start.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "progress.h"

enum { TEXT_TOKENS = 8 };

/* The resident memory of this process, including mapped files. */
static int64_t resident_bytes(void)
{
    long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return 0;
    int n = fscanf(f, "%*d %lld", &pages);
    fclose(f);
    return n == 1 ? pages * sysconf(_SC_PAGESIZE) : 0;
}

static int first_token(phi3v_model *model, phi3v_session *session, int n_crops,
                       struct sample *sample, struct phi3v_error *err)
{
    phi3v_prompt *prompt = NULL;
    struct phi3v_params params;
    phi3v_params_default(&params);
    params.max_new_tokens = 1;
    progress_session(session);
    int rc = n_crops ? cases_picture_prompt(model, n_crops, &prompt, err)
                     : cases_text_prompt(model, TEXT_TOKENS, &prompt, err);
    if (!rc) rc = phi3v_generate(session, prompt, &params, progress_event, NULL, NULL, err);
    progress_session(NULL);
    if (!rc) {
        const struct phi3v_model_info *info = phi3v_model_info(model);
        int64_t held = phi3v_session_tokens(session);
        int64_t blocks = (held + KV_BLOCK - 1) / KV_BLOCK;
        sample->n = n_crops ? n_crops : TEXT_TOKENS;
        sample->ctx = n_crops ? held : 0;
        sample->resident_bytes = resident_bytes();
        sample->file_bytes = info->weights_bytes;
        sample->kv_bytes = blocks * KV_BLOCK * info->kv_bytes_per_token;
        sample->amount[LIMIT_READ] = (double)info->step_bytes;
    }
    phi3v_prompt_free(prompt);
    return rc;
}

static void run_child(const char *path, const struct phi3v_model_options *opt, int n_crops,
                      struct start_report *r)
{
    phi3v_model *model = NULL;
    phi3v_session *session = NULL;
    double start_s = now_s();
    int rc = phi3v_model_open(path, opt, &model, &r->err);
    if (!rc) rc = phi3v_session_new(model, &session, &r->err);
    if (!rc) rc = first_token(model, session, n_crops, &r->sample, &r->err);
    r->sample.seconds = now_s() - start_s;
    if (model) {
        const struct phi3v_model_info *info = phi3v_model_info(model);
        snprintf(r->dtype, sizeof r->dtype, "%s", info->dtype);
        snprintf(r->kv, sizeof r->kv, "%s", info->kv ? info->kv : "device");
    }
    phi3v_session_free(session);
    phi3v_model_close(model);
    r->err.code = rc;
}

static int failed(struct start_report *r, int code, const char *what)
{
    r->err.code = code;
    snprintf(r->err.text, sizeof r->err.text, "%s", what);
    return code;
}

/* Reads the whole report; false when the child ended before it was written. */
static bool read_report(int fd, struct start_report *r)
{
    size_t n = 0;
    while (n < sizeof *r) {
        ssize_t got = read(fd, (char *)r + n, sizeof *r - n);
        if (got == 0 || (got < 0 && errno != EINTR)) return false;
        if (got > 0) n += (size_t)got;
    }
    return true;
}

int start_run(const char *path, const struct phi3v_model_options *opt, int n_crops,
              struct start_report *ret)
{
    int fds[2];
    *ret = (struct start_report){0};
    if (pipe(fds) != 0) return failed(ret, PHI3V_E_IO, "no pipe for a second process");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        run_child(path, opt, n_crops, ret);
        ssize_t n = write(fds[1], ret, sizeof *ret); /* fits the pipe, so all or nothing */
        _exit(n == (ssize_t)sizeof *ret ? 0 : 1);
    }
    close(fds[1]);
    bool complete = child > 0 && read_report(fds[0], ret);
    close(fds[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
    if (complete) return ret->err.code;
    return failed(ret, PHI3V_E_MEMORY,
                  child > 0 ? "the process that opened the model ended early: not enough memory?"
                            : "cannot start a second process");
}
