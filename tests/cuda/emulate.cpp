/* SPDX-License-Identifier: MIT */
#include "port.h"

#include "emulate_runtime.h"

#include <map>
#include <memory>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace emulate
{

index3 thread_index, block_index, block_dim, grid_dim;

namespace
{

[[noreturn]] void fail(const char *what)
{
    fprintf(stderr, "emulated kernel: %s (block %u,%u,%u thread %u)\n", what, block_index.x,
            block_index.y, block_index.z, thread_index.x);
    abort();
}

/* -- Fibres ------------------------------------------------------------------------------------ */

enum { STACK_BYTES = 256 * 1024 };

#ifdef __x86_64__
struct context {
    void *stack_pointer;
};
/* Keeps what the System V ABI wants kept, on the stack that is left. */
extern "C" void emulate_switch(void **save, void *load);
asm(".text\n"
    ".globl emulate_switch\n"
    ".type emulate_switch, @function\n"
    "emulate_switch:\n"
    "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq "
    "%r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
    "    ret\n"
    ".size emulate_switch, . - emulate_switch\n");

void context_make(context *c, char *stack, void (*entry)())
{
    void **top = (void **)(stack + STACK_BYTES);
    *--top = nullptr; /* the entry never returns; keeps the stack aligned as a call would */
    *--top = (void *)entry;
    for (int i = 0; i < 6; i++) *--top = nullptr;
    c->stack_pointer = top;
}
void context_switch(context *from, context *to)
{
    emulate_switch(&from->stack_pointer, to->stack_pointer);
}
#else
struct context {
    ucontext_t u;
};
void context_make(context *c, char *stack, void (*entry)())
{
    getcontext(&c->u);
    c->u.uc_stack.ss_sp = stack;
    c->u.uc_stack.ss_size = STACK_BYTES;
    c->u.uc_link = nullptr;
    makecontext(&c->u, entry, 0);
}
void context_switch(context *from, context *to) { swapcontext(&from->u, &to->u); }
#endif

enum state { READY, AT_BARRIER, AT_MEETING, DONE };

struct copy {
    void *to;
    const void *from;
    size_t n_bytes;
    bool valid;
};

struct fibre {
    context at;
    char *stack;
    enum state state;
    meeting meet;
    void *slot;
    std::vector<std::vector<copy>> groups; // committed, oldest first
    std::vector<copy> open;                // not committed
    void *fake_stack;                      // the address sanitizer's
};

struct warp {
    int n_there;
};

/* The block that runs. */
std::vector<fibre> fibres;
std::vector<warp> warps;
int n_threads, n_at_barrier, n_done, running;
context scheduler;
void *scheduler_fake_stack;
const void *scheduler_stack;
size_t scheduler_stack_bytes;
const std::function<void()> *thread_function;
std::map<const void *, std::unique_ptr<char[]>> shared_arrays;
std::unique_ptr<char[]> dynamic_memory;
size_t shared_bytes; // of both

void start_switch(void **fake, const void *stack, size_t n_bytes)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(fake, stack, n_bytes);
#else
    (void)fake, (void)stack, (void)n_bytes;
#endif
}
void finish_switch(void *fake, const void **stack, size_t *n_bytes)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake, stack, n_bytes);
#else
    (void)fake, (void)stack, (void)n_bytes;
#endif
}

void leave(bool for_ever)
{
    fibre &f = fibres[(size_t)running];
    start_switch(for_ever ? nullptr : &f.fake_stack, scheduler_stack, scheduler_stack_bytes);
    context_switch(&f.at, &scheduler);
    finish_switch(f.fake_stack, &scheduler_stack, &scheduler_stack_bytes);
}

void fibre_main()
{
    finish_switch(nullptr, &scheduler_stack, &scheduler_stack_bytes);
    (*thread_function)();
    fibres[(size_t)running].state = DONE;
    n_done++;
    leave(true);
}

void enter(int i)
{
    running = i;
    thread_index = {(unsigned)i, 0, 0};
    start_switch(&scheduler_fake_stack, fibres[(size_t)i].stack, STACK_BYTES);
    context_switch(&scheduler, &fibres[(size_t)i].at);
    finish_switch(scheduler_fake_stack, nullptr, nullptr);
}

/* -- Order ------------------------------------------------------------------------------------- */

uint64_t seed;

uint64_t next_random()
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return seed >> 33;
}

void fill_order(std::vector<int> &order, int n)
{
    order.resize((size_t)n);
    for (int i = 0; i < n; i++) order[(size_t)i] = i;
    for (int i = n - 1; i > 0 && seed; i--)
        std::swap(order[(size_t)i], order[next_random() % (uint64_t)(i + 1)]);
}

/* -- A block ----------------------------------------------------------------------------------- */

void prepare_fibres(int n)
{
    while ((int)fibres.size() < n) {
        fibre f = {};
        void *stack = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stack == MAP_FAILED) fail("no memory for a stack");
        f.stack = (char *)stack;
        fibres.push_back(std::move(f));
    }
    n_threads = n;
    n_at_barrier = n_done = 0;
    warps.assign((size_t)(n + 31) / 32, {});
    for (int i = 0; i < n; i++) {
        fibre &f = fibres[(size_t)i];
        f.state = READY;
        f.groups.clear();
        f.open.clear();
        context_make(&f.at, f.stack, fibre_main);
    }
}

void run_block(const struct shape &s)
{
    static std::vector<int> order;
    shared_arrays.clear();
    dynamic_memory.reset(s.shared_bytes ? new char[s.shared_bytes] : nullptr);
    shared_bytes = s.shared_bytes;
    if (s.shared_bytes) memset(dynamic_memory.get(), 0xff, s.shared_bytes);
    prepare_fibres(s.threads);
    fill_order(order, s.threads);
    while (n_done < n_threads) {
        bool ran = false;
        for (int i : order) {
            if (fibres[(size_t)i].state != READY) continue;
            ran = true;
            enter(i);
        }
        if (ran) continue;
        fail(n_done ? "threads wait for others that have ended"
                    : "threads wait for each other at different places");
    }
    for (int i = 0; i < n_threads; i++)
        if (!fibres[(size_t)i].groups.empty() || !fibres[(size_t)i].open.empty())
            fail("ended with copies that nobody waited for");
}

void run_grid(const struct shape &s, const std::function<void()> &thread)
{
    std::vector<int> order;
    if (s.threads < 1 || s.threads > 1024 || s.threads % 32 || s.grid.y > 65535 ||
        s.grid.z > 65535 || !s.grid.x || !s.grid.y || !s.grid.z ||
        s.shared_bytes > MOST_SHARED_BYTES)
        fail("a launch of a size no GPU takes");
    thread_function = &thread;
    block_dim = {(unsigned)s.threads, 1, 1};
    grid_dim = {s.grid.x, s.grid.y, s.grid.z};
    fill_order(order, (int)(s.grid.x * s.grid.y * s.grid.z));
    for (int i : order) {
        unsigned at = (unsigned)i;
        block_index = {at % s.grid.x, at / s.grid.x % s.grid.y, at / s.grid.x / s.grid.y};
        run_block(s);
    }
}

} // namespace

/* -- Meetings ---------------------------------------------------------------------------------- */

void barrier()
{
    fibres[(size_t)running].state = AT_BARRIER;
    if (++n_at_barrier < n_threads) return leave(false);
    n_at_barrier = 0;
    for (int i = 0; i < n_threads; i++) fibres[(size_t)i].state = READY;
}

void warp_meet(meeting meet, void *slot)
{
    fibre *first = &fibres[(size_t)running / 32 * 32];
    fibre &own = fibres[(size_t)running];
    warp &w = warps[(size_t)running / 32];
    own.state = AT_MEETING;
    own.meet = meet;
    own.slot = slot;
    if (++w.n_there < 32) return leave(false);
    void *slots[32];
    for (int i = 0; i < 32; i++) {
        if (first[i].meet != meet) fail("lanes of a warp are at different operations");
        slots[i] = first[i].slot;
    }
    meet(slots);
    w.n_there = 0;
    for (int i = 0; i < 32; i++) first[i].state = READY;
}

/* -- Memory ------------------------------------------------------------------------------------ */

void *shared_array(const void *place, size_t bytes)
{
    std::unique_ptr<char[]> &array = shared_arrays[place];
    if (!array) {
        shared_bytes += bytes;
        if (shared_bytes > MOST_SHARED_BYTES) fail("more shared memory than every GPU has");
        array.reset(new char[bytes]);
        memset(array.get(), 0xff, bytes);
    }
    return array.get();
}

void *dynamic_shared() { return dynamic_memory.get(); }

void copy_later(void *to, const void *from, size_t n_bytes, bool valid)
{
    if ((uintptr_t)to % n_bytes || (valid && (uintptr_t)from % n_bytes))
        fail("a copy of 16 bytes that is not aligned");
    fibres[(size_t)running].open.push_back({to, from, n_bytes, valid});
}

void copy_commit()
{
    fibre &f = fibres[(size_t)running];
    f.groups.push_back(std::move(f.open));
    f.open.clear();
}

void copy_wait(int pending)
{
    fibre &f = fibres[(size_t)running];
    while ((int)f.groups.size() > pending) {
        for (const copy &c : f.groups.front()) {
            if (c.valid)
                memcpy(c.to, c.from, c.n_bytes);
            else
                memset(c.to, 0, c.n_bytes);
        }
        f.groups.erase(f.groups.begin());
    }
}

void meet_sum(void *const *slots)
{
    float x[32], y[32];
    for (int lane = 0; lane < 32; lane++) x[lane] = ((sum_slot *)slots[lane])->value;
    for (int step = 16; step > 0; step /= 2) {
        for (int lane = 0; lane < 32; lane++) y[lane] = x[lane] + x[lane ^ step];
        memcpy(x, y, sizeof x);
    }
    for (int lane = 0; lane < 32; lane++) ((sum_slot *)slots[lane])->value = x[lane];
}

void meet_max(void *const *slots)
{
    uint32_t largest = 0;
    for (int lane = 0; lane < 32; lane++) {
        uint32_t x = ((max_slot *)slots[lane])->value;
        largest = x > largest ? x : largest;
    }
    for (int lane = 0; lane < 32; lane++) ((max_slot *)slots[lane])->value = largest;
}

/* -- Fragments (layouts: PTX ISA 9.0, 9.7.14.5.8, 9.7.14.5.10 and 9.7.14.5.15) ----------------- */

namespace
{

float half_of(uint32_t pair, int upper)
{
    return __uint_as_float(upper ? pair & 0xffff0000u : pair << 16);
}

} // namespace

void meet_mma(void *const *slots)
{
    float a[16][16], b[16][8];
    for (int lane = 0; lane < 32; lane++) {
        const mma_slot *s = (const mma_slot *)slots[lane];
        int g = lane / 4, t = lane % 4;
        for (int r = 0; r < 4; r++)
            for (int h = 0; h < 2; h++)
                a[g + r % 2 * 8][2 * t + r / 2 * 8 + h] = half_of(s->a[r], h);
        for (int r = 0; r < 2; r++)
            for (int h = 0; h < 2; h++) b[2 * t + r * 8 + h][g] = half_of(s->b[r], h);
    }
    for (int lane = 0; lane < 32; lane++) {
        const mma_slot *s = (const mma_slot *)slots[lane];
        int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; i++)
            for (int k = 0; k < 16; k++) s->d[i] += a[g + i / 2 * 8][k] * b[k][2 * t + i % 2];
    }
}

void meet_mma8(void *const *slots)
{
    int a[16][32], b[32][8];
    for (int lane = 0; lane < 32; lane++) {
        const mma8_slot *s = (const mma8_slot *)slots[lane];
        int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 16; i++)
            a[g + i / 4 % 2 * 8][4 * t + i % 4 + i / 8 * 16] = (int8_t)(s->a[i / 4] >> 8 * (i % 4));
        for (int i = 0; i < 8; i++)
            b[4 * t + i % 4 + i / 4 * 16][g] = (int8_t)(s->b[i / 4] >> 8 * (i % 4));
    }
    for (int lane = 0; lane < 32; lane++) {
        const mma8_slot *s = (const mma8_slot *)slots[lane];
        int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; i++) {
            s->d[i] = 0;
            for (int k = 0; k < 32; k++) s->d[i] += a[g + i / 2 * 8][k] * b[k][2 * t + i % 2];
        }
    }
}

static void load_four(void *const *slots, bool transposed)
{
    uint16_t m[4][8][8];
    for (int lane = 0; lane < 32; lane++) {
        const void *row = ((const matrices_slot *)slots[lane])->row;
        if ((uintptr_t)row % 16) fail("a matrix row that is not aligned to 16 bytes");
        memcpy(m[lane / 8][lane % 8], row, 16);
    }
    for (int lane = 0; lane < 32; lane++) {
        uint32_t *r = ((matrices_slot *)slots[lane])->r;
        int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; i++) {
            uint32_t low = transposed ? m[i][2 * t][g] : m[i][g][2 * t];
            uint32_t high = transposed ? m[i][2 * t + 1][g] : m[i][g][2 * t + 1];
            r[i] = high << 16 | low;
        }
    }
}

void meet_matrices(void *const *slots) { load_four(slots, false); }
void meet_matrices_transposed(void *const *slots) { load_four(slots, true); }

/* -- Launches ---------------------------------------------------------------------------------- */

void launch_grid(struct queue *q, const char *, const struct shape &s, std::function<void()> thread)
{
    if (q->status == cudaSuccess) do_step(q->stream, [s, thread] { run_grid(s, thread); });
}

} // namespace emulate

void emulated_set_seed(uint64_t seed) { emulate::seed = seed; }
