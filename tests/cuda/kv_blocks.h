/* SPDX-License-Identifier: MIT
 * Keys and values in blocks, bf16 or 8 bits, for the tests of what reads and writes them. */
#ifndef CUDA_KV_BLOCKS_H
#define CUDA_KV_BLOCKS_H

#include "attend.h"
#include "kernel_checks.h"

namespace kernel_tests
{

/* Keys and values of one layer in blocks that lie in a wild order, with what stands behind the
 * sequence not a number. */
struct cache {
    int n_keys, n_kv, head_dim, d;
    bool q8;
    int64_t block_elements, k_offset, v_offset;
    vector<vector<struct bf16>> blocks;

    cache(int n_keys_, int n_kv_, int head_dim_, bool q8_ = false)
        : n_keys(n_keys_), n_kv(n_kv_), head_dim(head_dim_), d(pad_head(head_dim_)), q8(q8_)
    {
        int64_t heads = n_kv * kv_plane(q8, d);
        k_offset = 2 * heads; // layer 1 of 2
        v_offset = 3 * heads;
        block_elements = 4 * heads;
        for (int b = 0; b * KEYS_PER_BLOCK < n_keys + 1; b++)
            blocks.push_back(vector<struct bf16>((size_t)block_elements, NOT_A_NUMBER));
        for (int key = 0; key < n_keys; key++)
            for (int h = 0; h < n_kv; h++) {
                vector<double> k((size_t)d), v((size_t)d);
                for (int i = 0; i < head_dim; i++)
                    k[(size_t)i] = random_value() * 2, v[(size_t)i] = random_value();
                put(k_offset, h, key, k);
                put(v_offset, h, key, v);
            }
    }
    struct bf16 *plane(int64_t offset, int head, int key)
    {
        return &blocks[(size_t)(key / KEYS_PER_BLOCK)][(size_t)(offset + head * kv_plane(q8, d))];
    }
    struct bf16 *at(int64_t offset, int head, int key) // bf16
    {
        return plane(offset, head, key) + key % KEYS_PER_BLOCK * d;
    }
    signed char *at8(int64_t offset, int head, int key)
    {
        return (signed char *)plane(offset, head, key) + key % KEYS_PER_BLOCK * d;
    }
    struct bf16 *scales(int64_t offset, int head, int key)
    {
        return plane(offset, head, key) + KEYS_PER_BLOCK * d / 2 + key % KEYS_PER_BLOCK * (d / 32);
    }
    double value(int64_t offset, int head, int key, int i)
    {
        if (!q8) return widen(at(offset, head, key)[i]);
        return (double)at8(offset, head, key)[i] * widen(scales(offset, head, key)[i / 32]);
    }
    void put(int64_t offset, int head, int key, const vector<double> &x)
    {
        for (int g = 0; g < d / 32 && q8; g++) { // the smallest bf16 that cuts nothing off
            double largest = 0;
            for (int i = 32 * g; i < 32 * g + 32; i++)
                largest = std::max(largest, std::fabs(x[(size_t)i]));
            struct bf16 scale = to_bf16((float)(largest / 127));
            if (widen(scale) < (float)(largest / 127)) scale.bits++;
            scales(offset, head, key)[g] = scale;
            for (int i = 32 * g; i < 32 * g + 32; i++)
                at8(offset, head, key)[i] =
                    (signed char)(largest > 0 ? nearbyint(x[(size_t)i] / widen(scale)) : 0);
        }
        for (int i = 0; i < d && !q8; i++) at(offset, head, key)[i] = to_bf16((float)x[(size_t)i]);
    }
};

/* On the GPU: blocks in reverse order, and the table of their addresses. */
struct cache_on_gpu {
    vector<on_gpu<struct bf16> *> blocks;
    on_gpu<struct bf16 *> *table;
    explicit cache_on_gpu(const cache &c)
    {
        vector<struct bf16 *> at(c.blocks.size());
        for (size_t i = at.size(); i-- > 0;) {
            blocks.push_back(new on_gpu<struct bf16>(c.blocks[i]));
            at[i] = blocks.back()->data;
        }
        table = new on_gpu<struct bf16 *>(at);
    }
    ~cache_on_gpu()
    {
        for (on_gpu<struct bf16> *b : blocks) delete b;
        delete table;
    }
    vector<struct bf16> read(int block) const
    {
        return blocks[blocks.size() - 1 - (size_t)block]->read();
    }
};

} // namespace kernel_tests
#endif
