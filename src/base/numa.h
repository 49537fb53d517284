/* SPDX-License-Identifier: MIT
 * Memory of machines with several nodes, as those with two sockets. Threads take whichever piece of
 * a loop comes next, so no part of the weights belongs to one of them: pages go round the nodes
 * that this process may use, and every memory controller serves every product. Somebody who chose a
 * policy (numactl) keeps it. Hints, all of them: where the system refuses, pages lie as they did.
 */
#ifndef BASE_NUMA_H
#define BASE_NUMA_H

#include <stdbool.h>
#include <stddef.h>

/* Nodes whose memory this process may use; 1 where the system knows of none. */
int numa_n_nodes(void);
/* The pages of [p, p+n_bytes), whole ones and not touched yet, go round; false where they do not.
 */
bool numa_spread(void *p, size_t n_bytes);
/* The same for pages that this thread makes the system fetch from files until numa_spread_end;
 * false, and nothing to end, where they do not. */
bool numa_spread_begin(void);
void numa_spread_end(void);

#endif
