/* SPDX-License-Identifier: MIT */
/* The CUDA runtime's functions that the module calls, with the host's memory as the card's.
 * Everything happens at once, in the order of the calls; a captured graph is a list of what to do.
 * PHI3V_EMULATED_BYTES, PHI3V_EMULATED_SEED: the card's memory (1 GiB when not set), and the order
 * of threads. PHI3V_EMULATED_DRIVER: the driver's CUDA version as cudaDriverGetVersion gives it (0:
 * none). PHI3V_EMULATED_CARDS: how many there are. */
#include <cuda_runtime_api.h>

#include <functional>
#include <map>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vector>

#include "emulate_runtime.h"

typedef std::vector<std::function<void()>> steps;

namespace emulate
{
extern steps *capturing; // the graph under way
}

namespace
{

std::map<void *, size_t> allocated; // of the card
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

/* Now, or when the graph under way is launched. */
cudaError_t do_step(std::function<void()> step)
{
    if (emulate::capturing)
        emulate::capturing->push_back(step);
    else
        step();
    return cudaSuccess;
}

} // namespace

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
    *n = number_of("PHI3V_EMULATED_CARDS", 1);
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
    snprintf(p->name, sizeof p->name, "emulated card");
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
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }

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
    n_pinned_bytes -= pinned.at(p);
    pinned.erase(p);
    free(p);
    return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n_bytes, enum cudaMemcpyKind,
                            cudaStream_t)
{
    return do_step([=] { memcpy(to, from, n_bytes); });
}
cudaError_t cudaMemcpy(void *to, const void *from, size_t n_bytes, enum cudaMemcpyKind kind)
{
    return cudaMemcpyAsync(to, from, n_bytes, kind, nullptr);
}
cudaError_t cudaMemsetAsync(void *to, int value, size_t n_bytes, cudaStream_t)
{
    return do_step([=] { memset(to, value, n_bytes); });
}

/* -- Streams and events --------------------------------------------------------------------------
 */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned)
{
    *stream = (cudaStream_t)malloc(1);
    return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    free(stream);
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned)
{
    *event = (cudaEvent_t)malloc(1);
    return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    free(event);
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t, cudaEvent_t)
{
    *ms = 0;
    return cudaSuccess;
}

/* -- Graphs ------------------------------------------------------------------------------------ */

cudaError_t cudaStreamBeginCapture(cudaStream_t, enum cudaStreamCaptureMode)
{
    emulate::capturing = new steps;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *graph)
{
    *graph = (cudaGraph_t)emulate::capturing;
    emulate::capturing = nullptr;
    return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
    *exec = (cudaGraphExec_t) new steps(*(steps *)graph);
    return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t)
{
    for (const std::function<void()> &step : *(steps *)exec) step();
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
