/* SPDX-License-Identifier: MIT */
/* The CUDA runtime's functions that the module calls, with the host's memory as the GPU's. What a
 * stream is asked to do happens at once or as late as the waits allow; of two streams made one
 * after the other each combination comes in turn. So a buffer that is filled again before its copy
 * was waited for, or read before it has come, holds something else. A captured graph is a list of
 * what to do. PHI3V_EMULATED_BYTES, PHI3V_EMULATED_SEED: the GPU's memory (1 GiB when not set),
 * and the order of threads. PHI3V_EMULATED_DRIVER: the driver's CUDA version as
 * cudaDriverGetVersion gives it (0: none). PHI3V_EMULATED_GPUS: how many there are. */
#include <cuda_runtime_api.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vector>

#include "emulate_runtime.h"

typedef std::vector<std::function<void()>> steps;

namespace
{

std::map<void *, size_t> allocated; // of the GPU
size_t n_allocated_bytes, n_pinned_bytes;
std::map<void *, size_t> pinned;
long fail_at;

size_t total_bytes()
{
    const char *text = getenv("PHI3V_EMULATED_BYTES");
    return text ? strtoull(text, nullptr, 10) : (size_t)1 << 30;
}

int number_of(const char *variable, int otherwise)
{
    const char *text = getenv(variable);
    return text ? atoi(text) : otherwise;
}

bool is_within(const std::map<void *, size_t> &memory, const void *p)
{
    auto next = memory.upper_bound((void *)p);
    if (next == memory.begin()) return false;
    --next;
    return (const char *)p < (const char *)next->first + next->second;
}

/* -- Streams ----------------------------------------------------------------------------------- */

struct stream {
    std::deque<std::function<void()>> waiting;
    uint64_t n_done = 0;
    bool at_once;
    uint64_t n_asked() const { return n_done + waiting.size(); }
};
typedef std::shared_ptr<stream> shared_stream;

struct event {
    shared_stream of; // empty: never recorded
    uint64_t at = 0;  // done when that many steps of the stream are
};

std::map<void *, shared_stream> streams;
steps *capturing; // the graph under way

void run_until(const shared_stream &s, uint64_t n)
{
    while (s && s->n_done < n && !s->waiting.empty()) {
        std::function<void()> step = std::move(s->waiting.front());
        s->waiting.pop_front();
        step();
        s->n_done++;
    }
}

void run_all(const shared_stream &s) { run_until(s, s->n_asked()); }

/* Of cudaMemcpy. */
steps copies;

void run_copies()
{
    for (const std::function<void()> &copy : copies) copy();
    copies.clear();
}

void run_everything()
{
    run_copies();
    for (auto &s : streams) run_all(s.second);
}

} // namespace

namespace emulate
{

bool is_capturing() { return capturing; }

void do_step(void *stream, std::function<void()> step)
{
    if (capturing) {
        capturing->push_back(step);
        return;
    }
    const shared_stream &s = streams.at(stream);
    s->waiting.push_back(step);
    if (s->at_once) run_all(s);
}

} // namespace emulate

using emulate::do_step;

extern "C" {

size_t emulated_bytes_in_use() { return n_allocated_bytes + n_pinned_bytes; }
void emulated_fail_at(long n) { fail_at = n; }

/* -- Devices ----------------------------------------------------------------------------------- */

cudaError_t cudaGetDeviceCount(int *n)
{
    const char *seed = getenv("PHI3V_EMULATED_SEED");
    if (seed) emulated_set_seed(strtoull(seed, nullptr, 10));
    if (number_of("PHI3V_EMULATED_DRIVER", CUDART_VERSION) < CUDART_VERSION)
        return cudaErrorInsufficientDriver;
    *n = number_of("PHI3V_EMULATED_GPUS", 1);
    return *n > 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaDriverGetVersion(int *version)
{
    *version = number_of("PHI3V_EMULATED_DRIVER", CUDART_VERSION);
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int)
{
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "emulated GPU");
    p->totalGlobalMem = total_bytes();
    p->multiProcessorCount = 3;
    p->major = 9;
    return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total)
{
    *total = total_bytes();
    *free_bytes = n_allocated_bytes < *total ? *total - n_allocated_bytes : 0;
    return cudaSuccess;
}
const char *cudaGetErrorString(cudaError_t rc)
{
    return rc == cudaErrorMemoryAllocation ? "out of memory" : "an error";
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaDeviceSynchronize()
{
    run_everything();
    return cudaSuccess;
}

/* -- Memory ------------------------------------------------------------------------------------ */

cudaError_t cudaMalloc(void **p, size_t n_bytes)
{
    if (fail_at && --fail_at == 0) return cudaErrorMemoryAllocation;
    if (n_allocated_bytes + n_bytes > total_bytes()) return cudaErrorMemoryAllocation;
    void *memory = nullptr;
    if (posix_memalign(&memory, 256, n_bytes ? n_bytes : 1)) return cudaErrorMemoryAllocation;
    memset(memory, 0xff, n_bytes); /* NaN, so that reading what was never written shows */
    allocated[memory] = n_bytes;
    n_allocated_bytes += n_bytes;
    *p = memory;
    return cudaSuccess;
}
cudaError_t cudaFree(void *p)
{
    if (!p) return cudaSuccess;
    run_everything();
    n_allocated_bytes -= allocated.at(p);
    allocated.erase(p);
    free(p);
    return cudaSuccess;
}
cudaError_t cudaMallocHost(void **p, size_t n_bytes)
{
    if (fail_at && --fail_at == 0) return cudaErrorMemoryAllocation;
    if (posix_memalign(p, 256, n_bytes ? n_bytes : 1)) return cudaErrorMemoryAllocation;
    pinned[*p] = n_bytes;
    n_pinned_bytes += n_bytes;
    return cudaSuccess;
}
cudaError_t cudaFreeHost(void *p)
{
    if (!p) return cudaSuccess;
    run_everything();
    n_pinned_bytes -= pinned.at(p);
    pinned.erase(p);
    free(p);
    return cudaSuccess;
}
/* Memory of the host that is not pinned is read at once, and written before the call returns. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n_bytes, enum cudaMemcpyKind,
                            cudaStream_t stream)
{
    auto is_known = [](const void *p) { return is_within(allocated, p) || is_within(pinned, p); };
    if (is_known(from)) {
        do_step(stream, [=] { memcpy(to, from, n_bytes); });
    } else {
        std::vector<char> kept((const char *)from, (const char *)from + n_bytes);
        do_step(stream, [=] { memcpy(to, kept.data(), n_bytes); });
    }
    if (!is_known(to) && !capturing) run_all(streams.at(stream));
    return cudaSuccess;
}
/* Follows those before it, but streams that do not block go on beside it; to the GPU it may still
 * be under way behind the call, though what it read of the host may be changed. */
cudaError_t cudaMemcpy(void *to, const void *from, size_t n_bytes, enum cudaMemcpyKind)
{
    if (is_within(allocated, from) && is_within(allocated, to)) {
        copies.push_back([=] { memcpy(to, from, n_bytes); });
    } else if (is_within(allocated, to)) {
        std::vector<char> kept((const char *)from, (const char *)from + n_bytes);
        copies.push_back([=] { memcpy(to, kept.data(), n_bytes); });
    } else {
        run_copies();
        memcpy(to, from, n_bytes);
    }
    return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void *to, int value, size_t n_bytes, cudaStream_t stream)
{
    do_step(stream, [=] { memset(to, value, n_bytes); });
    return cudaSuccess;
}

/* -- Streams and events ------------------------------------------------------------------------ */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *ret, unsigned)
{
    static unsigned n_made;
    unsigned pair = n_made / 2;
    shared_stream s = std::make_shared<stream>();
    s->at_once = (n_made++ % 2 ? pair / 2 : pair) % 2;
    streams[s.get()] = s;
    *ret = (cudaStream_t)s.get();
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    run_all(streams.at(stream));
    streams.erase(stream);
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    run_all(streams.at(stream));
    return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t e, unsigned)
{
    event wanted = *(event *)e;
    do_step(stream, [wanted] { run_until(wanted.of, wanted.at); });
    return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned)
{
    *e = (cudaEvent_t) new event;
    return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t e)
{
    delete (event *)e;
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t stream)
{
    event *recorded = (event *)e;
    recorded->of = streams.at(stream);
    recorded->at = recorded->of->n_asked();
    return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t e)
{
    run_until(((event *)e)->of, ((event *)e)->at);
    return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t e) { return cudaEventSynchronize(e); }
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t, cudaEvent_t)
{
    *ms = 0;
    return cudaSuccess;
}

/* -- Graphs ------------------------------------------------------------------------------------ */

cudaError_t cudaStreamBeginCapture(cudaStream_t, enum cudaStreamCaptureMode)
{
    capturing = new steps;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *graph)
{
    *graph = (cudaGraph_t)capturing;
    capturing = nullptr;
    return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    *exec = (cudaGraphExec_t) new steps(*(steps *)graph);
    return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    for (const std::function<void()> &step : *(steps *)exec) do_step(stream, step);
    return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete (steps *)graph;
    return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    delete (steps *)exec;
    return cudaSuccess;
}

} // extern "C"
