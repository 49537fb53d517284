#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch on the GPU, at Phi-3-Vision's sizes: torch_cuda.py OUT.json

Limits first (bytes read a second by a sum, bf16 product of 8192 x 8192 x 8192 on random data), then decoding, a prompt and
the vision tower, eager and compiled with CUDA graphs, both with scaled_dot_product_attention. Random bf16 weights of the
published shapes: the arithmetic is the model's, rotary embeddings and norms included, its words are not. Weights, keys and
values belong to modules: graphs copy other tensors before every run, or are left out. Times are medians of single runs
between two synchronisations, of a step those of 16 in a row.
"""
import json
import math
import statistics
import sys
import time

import torch
import torch.nn.functional as F

H, HEADS, D, MLP, LAYERS, VOCAB = 3072, 32, 96, 8192, 32, 32064
VH, VHEADS, VMLP, VLAYERS, VTOKENS, CROPS = 1024, 16, 4096, 23, 577, 17
DEVICE, TYPE = "cuda", torch.bfloat16


def weight(*shape):
    return torch.randn(*shape, device=DEVICE, dtype=TYPE) / math.sqrt(shape[-1])


def ones(n):
    return torch.ones(n, device=DEVICE, dtype=TYPE)


def owned(*tensors):
    return torch.nn.ParameterList(torch.nn.Parameter(t, requires_grad=False) for t in tensors)


def seconds(run, repeat=7, warm=3):
    for _ in range(warm):
        run()
    times = []
    for _ in range(repeat):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def step_seconds(run, n=16):
    def several():
        for _ in range(n):
            run()

    return seconds(several) / n


def norm(x, w):
    return F.rms_norm(x, (x.shape[-1],), w, 1e-5)


def turn(x, cos, sin):
    low, high = x.chunk(2, -1)
    return torch.cat((low * cos - high * sin, high * cos + low * sin), -1)


class Decoder(torch.nn.Module):
    """Rows at positions first ... of a sequence whose keys and values stand in a buffer of `room` positions."""

    def __init__(self, room):
        super().__init__()
        self.layers = torch.nn.ModuleList(
            owned(ones(H), weight(3 * H, H), weight(H, H), ones(H), weight(2 * MLP, H), weight(H, MLP)) for _ in range(LAYERS))
        self.ends = owned(ones(H), weight(VOCAB, H), weight(VOCAB, H))
        angles = torch.outer(torch.arange(room, device=DEVICE), 10000 ** (-torch.arange(0, D, 2, device=DEVICE) / D))
        for name, tensor in (("keys", torch.randn(LAYERS, 1, HEADS, room, D, device=DEVICE, dtype=TYPE)),
                             ("values", torch.randn(LAYERS, 1, HEADS, room, D, device=DEVICE, dtype=TYPE)),
                             ("cos", angles.cos().to(TYPE)), ("sin", angles.sin().to(TYPE)),
                             ("room", torch.arange(room, device=DEVICE))):
            self.register_buffer(name, tensor)

    def forward(self, ids, at):
        """at: positions, on the device. The likeliest next id."""
        n = ids.shape[0]
        final, head, embed = self.ends
        x, cos, sin = embed[ids][None], self.cos[at], self.sin[at]
        seen = None if n > 1 else (self.room <= at)[None, None, None]
        for i, (n1, qkv, o, n2, gate_up, down) in enumerate(self.layers):
            q, k, v = (y.view(1, n, HEADS, D).transpose(1, 2) for y in F.linear(norm(x, n1), qkv).split(H, -1))
            q, k = turn(q, cos, sin), turn(k, cos, sin)
            self.keys[i].index_copy_(2, at, k)
            self.values[i].index_copy_(2, at, v)
            if n > 1:  # a whole prompt from position 0
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            else:
                y = F.scaled_dot_product_attention(q, self.keys[i], self.values[i], attn_mask=seen)
            x = x + F.linear(y.transpose(1, 2).reshape(1, n, H), o)
            gate, up = F.linear(norm(x, n2), gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, down)
        return F.linear(norm(x[:, -1], final), head).argmax(-1)


class Tower(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(
            owned(weight(3 * VH, VH), weight(VH, VH), weight(VMLP, VH), weight(VH, VMLP)) for _ in range(VLAYERS))

    def forward(self, x):
        for qkv, o, up, down in self.layers:
            q, k, v = (y.view(*x.shape[:2], VHEADS, -1).transpose(1, 2)
                       for y in F.linear(F.layer_norm(x, (VH,)), qkv).chunk(3, -1))
            x = x + F.linear(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape), o)
            y = F.linear(F.layer_norm(x, (VH,)), up)
            x = x + F.linear(y * torch.sigmoid(1.702 * y), down)
        return x


def read_rate():
    """Bytes a second."""
    data = torch.ones(2 << 30, device=DEVICE, dtype=torch.float32)
    return data.numel() * data.element_size() / seconds(data.sum)


def product_rate():
    """Operations a second."""
    a, b = weight(8192, 8192), weight(8192, 8192)
    return 2 * 8192**3 / seconds(lambda: a @ b)


def tower_cases(case):
    tower, pixels = Tower(), torch.randn(CROPS, VTOKENS, VH, device=DEVICE, dtype=TYPE)
    case("vision:17 eager", lambda: seconds(lambda: tower(pixels)))
    compiled = torch.compile(tower, mode="reduce-overhead", dynamic=False)
    case("vision:17 compiled", lambda: seconds(lambda: compiled(pixels)))


def step_cases(case, decoder, context):
    """One token at the last place but one of the decoder's room."""
    token = torch.tensor([5], device=DEVICE)
    last = torch.tensor([decoder.room.numel() - 2], device=DEVICE)
    case("tg:%d eager" % context, lambda: step_seconds(lambda: decoder(token, last)))
    step = torch.compile(decoder, mode="reduce-overhead", dynamic=False)
    case("tg:%d compiled" % context, lambda: step_seconds(lambda: step(token, last)))


def prompt_cases(case, decoder):
    prompt = torch.arange(2600, device=DEVICE)  # the ids, and their positions
    case("pp:2600 eager", lambda: seconds(lambda: decoder(prompt, prompt)))
    whole = torch.compile(decoder, dynamic=False)
    case("pp:2600 compiled", lambda: seconds(lambda: whole(prompt, prompt)))


def decoder_cases(case):
    decoder = Decoder(2624)
    step_cases(case, decoder, 2560)
    prompt_cases(case, decoder)


@torch.no_grad()
def main():
    result = {"torch": torch.__version__, "card": torch.cuda.get_device_name(),
              "limits": {"read_bytes_per_s": read_rate(), "bf16_flops_per_s": product_rate()}, "cases": {}}

    def case(name, run):
        try:
            result["cases"][name] = run()
            print("%-28s %.6f s" % (name, result["cases"][name]), flush=True)
        except Exception as e:  # one case that a version cannot do does not end the others
            print("%-28s %s" % (name, (str(e) or repr(e)).splitlines()[0]), flush=True)
        with open(sys.argv[1], "w") as file:  # what there is, should time run out
            json.dump(result, file, indent=1)

    tower_cases(case)
    decoder_cases(case)
    step_cases(case, Decoder(64), 0)


if __name__ == "__main__":
    main()
