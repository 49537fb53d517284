/* SPDX-License-Identifier: MIT */
#include "faults.h"

#include <errno.h>
#include <sys/types.h>

/* The sanitizers' libraries find them, too. */
#define WRAP __attribute__((visibility("default")))

long faults_room = -1;
int faults_flock, faults_sync;

ssize_t __real_write(int fd, const void *bytes, size_t n);
int __real_flock(int fd, int how);
int __real_fsync(int fd);
int __real_fdatasync(int fd);
WRAP ssize_t __wrap_write(int fd, const void *bytes, size_t n);
WRAP int __wrap_flock(int fd, int how);
WRAP int __wrap_fsync(int fd);
WRAP int __wrap_fdatasync(int fd);

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    if (faults_room < 0 || fd <= 2) return __real_write(fd, bytes, n);
    if (n > (size_t)faults_room) n = (size_t)faults_room;
    if (n == 0) {
        errno = ENOSPC;
        return -1;
    }
    ssize_t k = __real_write(fd, bytes, n);
    if (k > 0) faults_room -= k;
    return k;
}

static int failing(int why)
{
    errno = why;
    return -1;
}

int __wrap_flock(int fd, int how)
{
    return faults_flock ? failing(faults_flock) : __real_flock(fd, how);
}

int __wrap_fsync(int fd) { return faults_sync ? failing(faults_sync) : __real_fsync(fd); }

int __wrap_fdatasync(int fd) { return faults_sync ? failing(faults_sync) : __real_fdatasync(fd); }
