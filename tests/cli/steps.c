/* SPDX-License-Identifier: GPL-3.0-or-later
 * Loaded before a program (LD_PRELOAD), counts its steps: calls that change files. Before the step
 * whose number STEP_AT says, the program is killed; or, where STEP_FULL is set, the disk is full
 * from this step on. What the program says, and what is no file, does not count. */
#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS /* else open is another name of open64 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_int n_steps;

/* One more step. True: it fails, since the disk is full. */
static bool step(void)
{
    const char *at = getenv("STEP_AT");
    int n = atomic_fetch_add(&n_steps, 1) + 1;
    if (!at || n < atoi(at)) return false;
    if (!getenv("STEP_FULL")) kill(getpid(), SIGKILL);
    errno = ENOSPC;
    return true;
}

static bool is_file(int fd)
{
    struct stat st;
    return fd > STDERR_FILENO && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* The function of this name that would have been called without us. */
static void *real(const char *name)
{
    void *at = dlsym(RTLD_NEXT, name);
    if (!at) abort();
    return at;
}

/* A function pointer out of an object pointer. */
#define REAL(type, name)                                                                           \
    type;                                                                                          \
    void *found = real(name);                                                                      \
    memcpy(&call, &found, sizeof call)

/* -- Names: a full disk lets go, and finds, what is there ------------------------------------- */

#define NAMED(name, parameters, arguments, takes)                                                  \
    int name parameters                                                                            \
    {                                                                                              \
        REAL(int(*call) parameters, #name);                                                        \
        bool grows = (takes); /* asked first, since it changes errno */                            \
        return step() && grows ? -1 : call arguments;                                              \
    }

NAMED(mkdir, (const char *path, mode_t mode), (path, mode), access(path, F_OK) != 0)
NAMED(symlink, (const char *to, const char *path), (to, path), true)
NAMED(linkat, (int at, const char *from, int to_at, const char *to, int flags),
      (at, from, to_at, to, flags), true)
NAMED(rename, (const char *from, const char *to), (from, to), true)
NAMED(unlink, (const char *path), (path), false)
NAMED(unlinkat, (int at, const char *path, int flags), (at, path, flags), false)
NAMED(rmdir, (const char *path), (path), false)
NAMED(remove, (const char *path), (path), false)

/* -- Opening ---------------------------------------------------------------------------------- */

#define OPENS(name)                                                                                \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                    \
        va_end(more);                                                                              \
        REAL(int (*call)(const char *, int, ...), #name);                                          \
        bool nameless = (flags & O_TMPFILE) == O_TMPFILE, makes = nameless || (flags & O_CREAT);   \
        bool grows = nameless || access(path, F_OK) != 0;                                          \
        return makes && step() && grows ? -1 : call(path, flags, mode);                            \
    }

OPENS(open)
OPENS(open64)

#define OPENS_STREAM(name)                                                                         \
    FILE *name(const char *path, const char *mode)                                                 \
    {                                                                                              \
        REAL(FILE *(*call)(const char *, const char *), #name);                                    \
        return *mode != 'r' && step() ? NULL : call(path, mode);                                   \
    }

OPENS_STREAM(fopen)
OPENS_STREAM(fopen64)

/* -- Bytes ------------------------------------------------------------------------------------ */

#define WRITES(type, name, parameters, arguments)                                                  \
    type name parameters                                                                           \
    {                                                                                              \
        REAL(type(*call) parameters, #name);                                                       \
        return is_file(fd) && step() ? -1 : call arguments;                                        \
    }

WRITES(ssize_t, write, (int fd, const void *bytes, size_t n), (fd, bytes, n))
WRITES(ssize_t, pwrite, (int fd, const void *bytes, size_t n, off_t at), (fd, bytes, n, at))
WRITES(ssize_t, pwrite64, (int fd, const void *bytes, size_t n, off64_t at), (fd, bytes, n, at))
WRITES(int, ftruncate, (int fd, off_t n), (fd, n))
WRITES(int, ftruncate64, (int fd, off64_t n), (fd, n))
WRITES(int, fsync, (int fd), (fd))

/* A stream's bytes come to the disk at its end at the latest. */
int fclose(FILE *f)
{
    REAL(int (*call)(FILE *), "fclose");
    int flags = fcntl(fileno(f), F_GETFL);
    bool writes = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && is_file(fileno(f));
    bool fails = writes && step();
    int rc = call(f);
    if (fails) errno = ENOSPC;
    return fails ? EOF : rc;
}
