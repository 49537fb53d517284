/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/numa.h"

#include <limits.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The C library has no wrappers for set_mempolicy(2), get_mempolicy(2) and mbind(2). */
enum { MOST_NODES = 1024, WORD_BITS = sizeof(unsigned long) * CHAR_BIT };

struct nodes {
    unsigned long words[MOST_NODES / WORD_BITS];
};

static struct nodes allowed_nodes(void)
{
    struct nodes nodes = {0};
    if (syscall(SYS_get_mempolicy, NULL, nodes.words, MOST_NODES, NULL, MPOL_F_MEMS_ALLOWED) != 0)
        return (struct nodes){0};
    return nodes;
}

static int count(const struct nodes *nodes)
{
    int n = 0;
    for (int i = 0; i < MOST_NODES / WORD_BITS; i++) n += __builtin_popcountl(nodes->words[i]);
    return n;
}

int numa_n_nodes(void)
{
    struct nodes nodes = allowed_nodes();
    int n = count(&nodes);
    return n > 0 ? n : 1;
}

/* Whether there are several nodes and no policy was chosen. */
static bool wanted(struct nodes *ret_nodes)
{
    int policy = MPOL_DEFAULT;
    *ret_nodes = allowed_nodes();
    return count(ret_nodes) > 1 && syscall(SYS_get_mempolicy, &policy, NULL, 0, NULL, 0) == 0 &&
           policy == MPOL_DEFAULT;
}

bool numa_spread(void *p, size_t n_bytes)
{
    struct nodes nodes;
    return wanted(&nodes) &&
           syscall(SYS_mbind, p, n_bytes, MPOL_INTERLEAVE, nodes.words, MOST_NODES, 0) == 0;
}

bool numa_spread_begin(void)
{
    struct nodes nodes;
    return wanted(&nodes) &&
           syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, nodes.words, MOST_NODES) == 0;
}

void numa_spread_end(void) { syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0); }
