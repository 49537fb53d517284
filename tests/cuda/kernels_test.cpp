/* SPDX-License-Identifier: MIT */
/* Every kernel of kernels/cuda against double precision, on sizes with tails and grouped heads. The
 * same program runs on the emulated GPU, with several orders of threads (arguments: seeds), and on
 * a real one. The cases are in a file for each topic (kernel_checks.h lists them). */
#include <cstdio>
#include <cstdlib>

#include "kernel_checks.h"

#ifdef EMULATED
#include "emulate_runtime.h"
#endif

using namespace kernel_tests;

int main(int argc, char **argv)
{
    int n_gpus = 0;
    cudaError_t rc = cudaGetDeviceCount(&n_gpus);
    if (rc != cudaSuccess || n_gpus == 0) {
        printf("1..0 # SKIP no GPU: %s\n", cudaGetErrorString(rc));
        return 0;
    }
    struct cudaDeviceProp gpu;
    need(cudaGetDeviceProperties(&gpu, 0));
    need(cudaStreamCreateWithFlags(&gpu_queue.stream, cudaStreamNonBlocking));
    gpu_queue.n_sms = gpu.multiProcessorCount;
    gpu_queue.overlap = gpu.major >= 9;
    for (int i = 1; i < argc || i == 1; i++) {
#ifdef EMULATED
        emulated_set_seed(argc > 1 ? strtoull(argv[i], nullptr, 10) : 0);
        printf("# seed %s\n", argc > 1 ? argv[i] : "0");
#else
        (void)argv;
#endif
        test_gemv_bf16();
        test_packed();
        test_attention();
        test_rows();
        test_pictures();
        test_choosing();
    }
    cudaStreamDestroy(gpu_queue.stream);
    return !verdicts_end();
}
