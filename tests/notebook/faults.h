/* SPDX-License-Identifier: MIT
 * Calls of the system that fail on purpose; for programs that are linked with the wrappers (see
 * meson.build). */
#ifndef NOTEBOOK_FAULTS_H
#define NOTEBOOK_FAULTS_H

/* The disk has room for so many more bytes; -1: for all. */
extern long faults_room;
extern int faults_flock; // what flock fails with; 0: it works
extern int faults_sync;  // the same of fsync and fdatasync

#endif
