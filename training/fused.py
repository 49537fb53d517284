"""Attention for the training by fused.c, where the processor multiplies pairs of bf16 and there is a C compiler; two
to three times as fast there as PyTorch's products and softmax, since scores never leave the cache."""

import ctypes
import os
import subprocess
import tempfile
import zlib
from pathlib import Path

import torch

HEAD_DIM = 32
SOURCE = Path(__file__).with_suffix(".c")


class Rows(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("batch", ctypes.c_int64), ("head", ctypes.c_int64), ("pos", ctypes.c_int64)]


def compiled():
    """The library, made once for each version of its source; None where it can't run."""
    info = Path("/proc/cpuinfo")
    if not info.exists() or "avx512_bf16" not in info.read_text():
        return None
    made = Path(tempfile.gettempdir()) / f"phiscope-attention-{zlib.crc32(SOURCE.read_bytes()):08x}.so"
    if not made.exists():
        part = made.with_suffix(f".{os.getpid()}")
        command = ["cc", "-std=gnu17", "-O3", "-march=native", "-shared", "-fPIC", SOURCE, "-o", part, "-lm"]
        try:
            subprocess.run(command, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        os.replace(part, made)
    return ctypes.CDLL(str(made))


library = compiled()


def fits(q, k):
    return (library is not None and q.device.type == "cpu" and q.dtype == torch.bfloat16
            and q.shape[-1] == HEAD_DIM)


def rows(x):
    """A tensor [batch, heads, positions, HEAD_DIM] as fused.c takes it."""
    return Rows(x.data_ptr(), *x.stride()[:3])


def lined_up(x):
    """Dimensions side by side."""
    return x if x.stride(-1) == 1 else x.contiguous()


def like(x):
    """Heads side by side at every position, as the product behind wants them."""
    b, h, t, d = x.shape
    return x.new_empty(b, t, h, d).transpose(1, 2)


def shape(q, k):
    return (ctypes.c_int64 * 4)(*q.shape[:3], k.shape[2])


def given(sights):
    return ctypes.c_void_p(None if sights is None else sights.data_ptr())


@torch.library.custom_op("phiscope::attention", mutates_args=())
def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor,
              sights: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """[batch, heads, positions, HEAD_DIM] in bf16 -> the same for each query, and what the way back needs. sights
    [batch, queries, 3] in int32: which keys each query sees, as model.causal_attention takes it; None: all."""
    q, k, v = lined_up(q), lined_up(k), lined_up(v)
    out, total = like(q), q.new_empty(q.shape[:3], dtype=torch.float32)
    tensors = [ctypes.byref(rows(x)) for x in (q, k, v, out)]
    library.attention_forward(shape(q, k), *tensors, ctypes.c_void_p(total.data_ptr()), given(sights))
    return out, total


@attention.register_fake
def _(q, k, v, sights):
    return like(q), q.new_empty(q.shape[:3], dtype=torch.float32)


@torch.library.custom_op("phiscope::attention_back", mutates_args=())
def back(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, out: torch.Tensor, total: torch.Tensor,
         gradient: torch.Tensor, sights: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    q, k, v, out, gradient = (lined_up(x) for x in (q, k, v, out, gradient))
    made = like(q), like(k), like(k)
    before = [ctypes.byref(rows(x)) for x in (q, k, v, out)]
    behind = [ctypes.byref(rows(x)) for x in (gradient, *made)]
    library.attention_backward(shape(q, k), *before, ctypes.c_void_p(total.data_ptr()), *behind,
                               given(sights))
    return made


@back.register_fake
def _(q, k, v, out, total, gradient, sights):
    return like(q), like(k), like(k)


def keep(ctx, inputs, output):
    q, k, v, sights = inputs
    ctx.save_for_backward(q, k, v, *output, sights)


def gradients(ctx, gradient, _):
    *kept, sights = ctx.saved_tensors
    return *back(*kept, gradient, sights), None


attention.register_autograd(gradients, setup_context=keep)
