/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernels_data.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, MAX_GUARDED = 64 };

static struct {
    void *p, *base;
    size_t n_bytes;
} held[MAX_GUARDED];

void *guarded(size_t n_bytes)
{
    size_t room = (n_bytes + PAGE - 1) / PAGE * PAGE;
    char *base =
        mmap(NULL, room + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + room, PAGE, PROT_NONE) != 0) {
        perror("guarded memory");
        exit(1);
    }
    for (int i = 0; i < MAX_GUARDED; i++) {
        if (held[i].p) continue;
        held[i].p = base + room - n_bytes;
        held[i].base = base;
        held[i].n_bytes = room + PAGE;
        return held[i].p;
    }
    fprintf(stderr, "guarded memory: more than %d pieces\n", MAX_GUARDED);
    exit(1);
}

void guarded_free(void *p)
{
    for (int i = 0; p && i < MAX_GUARDED; i++) {
        if (held[i].p != p) continue;
        munmap(held[i].base, held[i].n_bytes);
        held[i].p = NULL;
    }
}

float random_float(void)
{
    static uint32_t state = 2463534242u;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return (float)((double)state / UINT32_MAX * 2 - 1) * RANDOM_MAX;
}

float *guarded_random(size_t n)
{
    float *p = guarded(n * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = random_float();
    return p;
}

float *poisoned(size_t n)
{
    float *y = malloc(n * sizeof *y);
    for (size_t i = 0; i < n; i++) y[i] = POISON;
    return y;
}

void *guarded_weights(enum weight_type type, size_t n)
{
    size_t item = type == WEIGHT_F32 ? 4 : 2;
    char *p = guarded(item * n + 1); /* an odd address, since pages end at even ones */
    for (size_t i = 0; i < n; i++) {
        float f = random_float();
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        if (type == WEIGHT_BF16) bits >>= 16;
        if (type == WEIGHT_F16) /* any exponent below 16 and any fraction: normal and subnormal */
            bits = (bits >> 16 & 0x8000) | (bits >> 3 & 0x3fff);
        memcpy(p + item * i, &bits, item);
    }
    return p;
}

double stored(const void *weights, enum weight_type type, size_t i)
{
    if (type == WEIGHT_F32) {
        float f;
        memcpy(&f, (const char *)weights + 4 * i, sizeof f);
        return f;
    }
    uint16_t bits;
    memcpy(&bits, (const char *)weights + 2 * i, sizeof bits);
    int exponent_bits = type == WEIGHT_BF16 ? 8 : 5, fraction_bits = 15 - exponent_bits;
    int exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
    int fraction = bits & ((1 << fraction_bits) - 1), bias = (1 << (exponent_bits - 1)) - 1;
    double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1) return fraction ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}
