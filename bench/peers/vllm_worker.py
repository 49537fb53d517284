# SPDX-License-Identifier: MIT
"""vLLM on a processor, as its own code of this model computes; the published files, which have to lie in the model folder,
prepare its pictures. Everything runs in this one process."""
import collections
import os
import sys
import time

os.environ |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_NO_USAGE_STATS": "1",
               "VLLM_CPU_OMP_THREADS_BIND": "nobind"}

import torch  # noqa: E402 - vLLM reads these variables when it is imported
from PIL import Image  # noqa: E402
from vllm import LLM, SamplingParams  # noqa: E402

import prompts  # noqa: E402
from process import peak, resident  # noqa: E402
from worker import question_prompt, serve  # noqa: E402

torch.set_num_threads(int(sys.argv[1]))
held = {}


def open_model(folder, type, cache):
    if not os.path.exists(os.path.join(folder, "processing_phi3_v.py")):
        raise FileNotFoundError(f"{folder} lacks the published Python files, which prepare its pictures: see "
                                "--published-code")
    start = time.perf_counter()
    held.clear()
    dtype = {"bf16": "bfloat16", "f32": "float32"}[type]
    held.update(llm=LLM(folder, dtype=dtype, trust_remote_code=True, max_model_len=4096, max_num_batched_tokens=4096,
                        max_num_seqs=1, limit_mm_per_prompt={"image": 1}, enforce_eager=True, skip_mm_profiling=True),
                shown=collections.Counter(), asked=0)
    return {"s": time.perf_counter() - start, "resident_bytes": resident()}


def generate(prompt, n, start):
    """Step by step, so that the clock can be read at every token."""
    engine, times, output = held["llm"].llm_engine, [], None
    held["asked"] += 1
    engine.add_request(str(held["asked"]), prompt, SamplingParams(max_tokens=n, temperature=0, ignore_eos=True))
    while engine.has_unfinished_requests():
        for output in engine.step():
            times += [time.perf_counter()] * (len(output.outputs[0].token_ids) - len(times))
    return {"first_s": times[0] - start, "vision_s": None, "rest_s": times[-1] - times[0], "n": n,
            "ids": list(output.outputs[0].token_ids), "prompt_tokens": len(output.prompt_token_ids)}


def ask(question, n, start):
    return generate({"prompt": question_prompt(question), "multi_modal_data": {"image": held["picture"]}}, n, start)


def picture(path, question, n):
    start = time.perf_counter()
    held["picture"] = Image.fromarray(prompts.picture(path, held["shown"][path]))
    held["shown"][path] += 1
    return ask(question, n, start)


def again(question, n):
    return ask(question, n, time.perf_counter()) | {"reuse": "keys and values, by its prefix cache"}


def text(ids, n):
    held["llm"].reset_prefix_cache()
    return generate({"prompt_token_ids": ids}, n, time.perf_counter())


if __name__ == "__main__":
    serve({"prepare": lambda folder, type, cache: {}, "open": open_model, "picture": picture, "again": again, "text": text,
           "peak": peak})
