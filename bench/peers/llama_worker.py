# SPDX-License-Identifier: MIT
"""llama.cpp: seconds for tokens, prompts and crops."""
import ctypes
import sys
import time

import llama_cpp as ll
from llama_cpp import mtmd_cpp as mt

import llama_files
import weights
from worker import serve

THREADS = int(sys.argv[1])
BATCH = 2048
held = {}  # the open model, its contexts by settings, the tower


def prepare(folder, work):
    return llama_files.make_all(weights.Folder(folder), work)


def resident():
    """Bytes of this process, mapped files included."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096


def open_model(path):
    """Seconds to the first token of eight, from nothing loaded; and the memory then."""
    close_model()
    start = time.perf_counter()
    params = ll.llama_model_default_params()
    params.n_gpu_layers = 0
    held["model"] = ll.llama_model_load_from_file(path.encode(), params)
    if not held["model"]:
        raise OSError(f"cannot open {path}")
    held["contexts"] = {}
    context = get_context(-1, 2624)
    feed(context, 8, 0)
    return {"s": time.perf_counter() - start, "resident_bytes": resident()}


def close_model():
    for context in held.pop("contexts", {}).values():
        ll.llama_free(context["ctx"])
        ll.llama_batch_free(context["batch"])
    if "model" in held:
        ll.llama_model_free(held.pop("model"))


def get_context(fa, n_ctx):
    """fa: flash attention, -1 as it likes, 0 off, 1 on. KV as f16."""
    if fa not in held["contexts"]:
        params = ll.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = n_ctx, BATCH, 512
        params.n_threads = params.n_threads_batch = THREADS
        params.flash_attn_type = fa
        held["contexts"][fa] = {"ctx": ll.llama_init_from_model(held["model"], params), "filled": 0,
                                "batch": ll.llama_batch_init(BATCH, 0, 1)}
    return held["contexts"][fa]


def feed(context, n, pos):
    """n tokens from position pos; logits of the last."""
    batch = context["batch"]
    while n:
        m = min(n, BATCH)
        n -= m
        batch.n_tokens = m
        for i in range(m):
            batch.token[i], batch.pos[i] = 300 + (pos + i) * 7919 % 30000, pos + i
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
            batch.logits[i] = n == 0 and i == m - 1
        if ll.llama_decode(context["ctx"], batch) != 0:
            raise RuntimeError("llama_decode failed")
        pos += m
    ll.llama_synchronize(context["ctx"])


def rewind(context, depth):
    memory = ll.llama_get_memory(context["ctx"])
    if context["filled"] < depth:
        ll.llama_memory_clear(memory, False)
        feed(context, depth, 0)
    else:
        ll.llama_memory_seq_rm(memory, 0, depth, -1)
    context["filled"] = depth


def tg(fa, depth, n):
    context = get_context(fa, 2624)
    rewind(context, depth)
    feed(context, 1, depth)
    start = time.perf_counter()
    for i in range(n):
        feed(context, 1, depth + 1 + i)
    return {"s": time.perf_counter() - start}


def pp(fa, n):
    context = get_context(fa, 2624)
    rewind(context, 0)
    start = time.perf_counter()
    feed(context, n, 0)
    seconds = time.perf_counter() - start
    context["filled"] = n
    return {"s": seconds}


def open_tower(tower, stub):
    params = ll.llama_model_default_params()
    params.n_gpu_layers = 0
    held["stub"] = ll.llama_model_load_from_file(stub.encode(), params)
    options = mt.mtmd_context_params_default()
    options.use_gpu, options.n_threads, options.print_timings = False, THREADS, False
    held["tower"] = mt.mtmd_init_from_file(tower.encode(), held["stub"], options)
    if not held["tower"]:
        raise OSError(f"cannot open {tower}")
    return {}


def vision(crops):
    """Crops one after the other, as this library does them."""
    rgb = (ctypes.c_uint8 * (336 * 336 * 3))(*[i * 31 >> 4 & 255 for i in range(336 * 336 * 3)])
    bitmap = mt.mtmd_bitmap_init(336, 336, rgb)
    chunks = mt.mtmd_input_chunks_init()
    marker = mt.mtmd_default_marker()
    text = mt.mtmd_input_text(text=marker, text_len=len(marker), add_special=False, parse_special=True)
    bitmaps = (mt.mtmd_bitmap_p_ctypes * 1)(bitmap)
    if mt.mtmd_tokenize(held["tower"], chunks, ctypes.byref(text), bitmaps, 1) != 0:
        raise RuntimeError("mtmd_tokenize failed")
    chunk = [c for c in (mt.mtmd_input_chunks_get(chunks, i) for i in range(mt.mtmd_input_chunks_size(chunks)))
             if mt.mtmd_input_chunk_get_type(c) == mt.MTMD_INPUT_CHUNK_TYPE_IMAGE][0]
    start = time.perf_counter()
    for _ in range(crops):
        if mt.mtmd_encode_chunk(held["tower"], chunk) != 0:
            raise RuntimeError("mtmd_encode_chunk failed")
    seconds = time.perf_counter() - start
    mt.mtmd_input_chunks_free(chunks)
    mt.mtmd_bitmap_free(bitmap)
    return {"s": seconds}


if __name__ == "__main__":
    silent = ll.llama_log_callback(lambda level, text, user: None)
    ll.llama_log_set(silent, None)
    mt.mtmd_helper_log_set(silent, None)
    ll.llama_backend_init()
    serve({"prepare": prepare, "open": open_model, "close": lambda: close_model() or {}, "tg": tg, "pp": pp, "open_tower": open_tower,
           "vision": vision})
