#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How far bf16 activations may stray on a text golden: bf16_spread.py GOLDENS CASE [DRAWS]

Computes the decoder of a golden model (pure Python, small models only) in doubles, once exactly and DRAWS times with
every activation that the CUDA module stores as bf16 rounded to bf16. Each draw moves the values by a random share of half
a unit in the last place before they are rounded: another order of summation, another card. Printed are the quantiles of
the error of the last row's logits. activations_golden.c names what follows from them.
"""
import json
import math
import random
import struct
import sys


def bf16(x):
    bits = struct.unpack("<I", struct.pack("<f", x))[0]
    return struct.unpack("<f", struct.pack("<I", (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000))[0]


def shaken(x):
    return bf16(x * (1 + random.uniform(-1, 1) * 2.0**-9))


class Model:
    def __init__(self, folder):
        self.config = json.load(open(folder + "/config.json"))
        with open(folder + "/model.safetensors", "rb") as f:
            size = struct.unpack("<Q", f.read(8))[0]
            header = json.loads(f.read(size))
            self.tensors = {}
            for name, t in header.items():
                if name == "__metadata__" or "vision" in name or "img" in name:
                    continue
                f.seek(8 + size + t["data_offsets"][0])
                raw = f.read(t["data_offsets"][1] - t["data_offsets"][0])
                words = struct.unpack("<%dH" % (len(raw) // 2), raw)
                self.tensors[name] = (t["shape"], words)

    def rows(self, name, which=None):
        shape, words = self.tensors[name]
        n = shape[-1]
        def value(w):
            return struct.unpack("<f", struct.pack("<I", w << 16))[0]
        count = len(words) // n
        return [[value(w) for w in words[r * n:r * n + n]] for r in (range(count) if which is None else which)]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def times(matrix, x):
    return [dot(row, x) for row in matrix]


def norm(x, w, eps):
    scale = 1 / math.sqrt(dot(x, x) / len(x) + eps)
    return [v * scale * g for v, g in zip(x, w)]


def turn(x, angles, magnitude):
    half = len(x) // 2
    low = [(x[i] * math.cos(a) - x[i + half] * math.sin(a)) * magnitude for i, a in enumerate(angles)]
    high = [(x[i + half] * math.cos(a) + x[i] * math.sin(a)) * magnitude for i, a in enumerate(angles)]
    return low + high


def last_logits(m, weights, ids, head, r):
    """r: what happens to an activation that is stored."""
    c = m.config
    n_heads, n_kv, eps = c["num_attention_heads"], c["num_key_value_heads"], c["rms_norm_eps"]
    d = c["hidden_size"] // n_heads
    scaling = c["rope_scaling"]
    is_long = len(ids) > c["original_max_position_embeddings"]
    factors = scaling["long_factor" if is_long else "short_factor"]
    ratio = c["max_position_embeddings"] / c["original_max_position_embeddings"]
    magnitude = math.sqrt(1 + math.log(ratio) / math.log(c["original_max_position_embeddings"]))
    inverse = [1 / (factors[i] * c["rope_theta"] ** (2 * i / d)) for i in range(d // 2)]
    x = [list(row) for row in m.rows("model.embed_tokens.weight", ids)]
    for w in weights:
        heads = []
        for pos, row in enumerate(x):
            normed = [r(v) for v in norm(row, w["input_layernorm"][0], eps)]
            qkv = [r(v) for v in times(w["self_attn.qkv_proj"], normed)]
            parts = [qkv[i:i + d] for i in range(0, len(qkv), d)]
            angles = [pos * f for f in inverse]
            turned = [[r(v) for v in turn(p, angles, magnitude)] for p in parts[:n_heads + n_kv]]
            heads.append(turned + parts[n_heads + n_kv:])
        for pos, row in enumerate(x):
            attended = []
            for h in range(n_heads):
                kv = n_heads + h // (n_heads // n_kv)
                scores = [dot(heads[pos][h], heads[k][kv]) / math.sqrt(d) for k in range(pos + 1)]
                top = max(scores)
                shares = [math.exp(s - top) for s in scores]
                total, shares = sum(shares), [r(s) for s in shares]
                attended += [r(sum(shares[k] * heads[k][kv + n_kv][i] for k in range(pos + 1)) / total) for i in range(d)]
            for i, v in enumerate(times(w["self_attn.o_proj"], attended)):
                row[i] += v
            normed = [r(v) for v in norm(row, w["post_attention_layernorm"][0], eps)]
            both = [r(v) for v in times(w["mlp.gate_up_proj"], normed)]
            half = len(both) // 2
            inner = [r(g / (1 + math.exp(-g)) * u) for g, u in zip(both[:half], both[half:])]
            for i, v in enumerate(times(w["mlp.down_proj"], inner)):
                row[i] += v
    return times(head, norm(x[-1], m.rows("model.norm.weight")[0], eps))


def main():
    goldens, case, draws = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 100
    traces = json.load(open(goldens + "/activations/index.json"))["traces"]
    trace = next(t for t in traces if t["model"] + "/" + t["case"] == case)
    m = Model(goldens + "/models/" + trace["model"])
    names = ["input_layernorm", "post_attention_layernorm", "self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj",
             "mlp.down_proj"]
    weights = [{n: m.rows("model.layers.%d.%s.weight" % (i, n)) for n in names}
               for i in range(m.config["num_hidden_layers"])]
    head = m.rows("lm_head.weight", range(0, m.config["vocab_size"], 8))  # an eighth of the vocabulary
    exact = last_logits(m, weights, trace["ids_rle"], head, lambda x: x)
    worst, averages = [], []
    random.seed(1)
    for i in range(draws):
        error = [a - b for a, b in zip(last_logits(m, weights, trace["ids_rle"], head, shaken if i else bf16), exact)]
        worst.append(max(abs(e) for e in error))
        averages.append(math.sqrt(dot(error, error) / len(error)))
    print("%s, %d draws; rounded as it is: largest error %.3f, rms %.3f" % (case, draws, worst[0], averages[0]))
    for name, values in (("largest", sorted(worst)), ("rms", sorted(averages))):
        print("%-8s" % name, *("%d %%: %.3f " % (q, values[min(len(values) - 1, len(values) * q // 100)])
                               for q in (5, 50, 90, 95, 99, 100)))


main()
