/* SPDX-License-Identifier: MIT
 * Memory on machines with several nodes, such as two sockets. Threads take whichever piece of a
 * loop comes next, so no part of the weights belongs to one thread. Pages are therefore interleaved
 * over the nodes that this process may use, so that every memory controller serves every product. A
 * policy chosen with numactl stays. All of this is a hint: if the system refuses, nothing
 * changes. */
#ifndef BASE_NUMA_H
#define BASE_NUMA_H

#include <stdbool.h>
#include <stddef.h>

/* How many nodes' memory this process may use; 1 when the system knows no nodes. */
int numa_n_nodes(void);
/* Interleaves the whole, untouched pages of [p, p+n_bytes); false when that is not done. */
bool numa_spread(void *p, size_t n_bytes);
/* The same for pages that this thread makes the system read from files, until numa_spread_end.
 * False when that is not done, and then there is nothing to end. */
bool numa_spread_begin(void);
void numa_spread_end(void);

#endif
