# SPDX-License-Identifier: MIT
"""ONNX Runtime: the decoder's matrix products with 4-bit weights in blocks of 32 and 8-bit activations, as its kits for
language models run them on a CPU (a lower bound of its prompt time: no attention, norms or head)."""
import sys
import time

import numpy as np
import onnxruntime as rt
from onnx import TensorProto, helper, numpy_helper

import weights as w
from worker import serve

THREADS = int(sys.argv[1])
BLOCK = 32
held = {}


def int4(words):
    """Two weights a byte, low half first, offset 8; a scale a block."""
    values = w.to_f32(np.asarray(words))
    n_out, n_in = values.shape
    blocks = values.reshape(n_out, n_in // BLOCK, BLOCK)
    scale = np.abs(blocks).max(2) / 7
    numbers = (np.round(blocks / np.maximum(scale, 1e-30)[:, :, None]) + 8).astype(np.uint8)
    return numbers[:, :, 0::2] | numbers[:, :, 1::2] << 4, scale.astype(np.float32).reshape(-1)


class Graph:
    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, values):
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def product(self, x, words, name):
        data, scale = int4(words)
        n_out, n_in = words.shape
        inputs = [x, self.constant(name + ".data", data), self.constant(name + ".scale", scale)]
        self.nodes.append(helper.make_node("MatMulNBits", inputs, [name], domain="com.microsoft", K=n_in, N=n_out, bits=4,
                                           block_size=BLOCK, accuracy_level=4))
        return name

    def first_columns(self, x, n):
        at = [self.constant(f"{x}.{i}", np.array([v], np.int64)) for i, v in enumerate((0, n, 1))]
        self.nodes.append(helper.make_node("Slice", [x, *at], [x + ".part"]))
        return x + ".part"


def open_products(folder, rows, layers):
    """The four products of `layers` decoder layers, each a function of the one before; distinct weights."""
    f, g, x = w.Folder(folder), Graph(), "x"
    for i in range(layers):
        p = f"model.layers.{i}."
        qkv = g.product(x, f[p + "self_attn.qkv_proj.weight"], f"qkv{i}")
        o = g.product(g.first_columns(qkv, w.HIDDEN), f[p + "self_attn.o_proj.weight"], f"o{i}")
        both = g.product(o, f[p + "mlp.gate_up_proj.weight"], f"up{i}")
        x = g.product(g.first_columns(both, w.INTER), f[p + "mlp.down_proj.weight"], f"down{i}")
    shape = [rows, w.HIDDEN]
    graph = helper.make_graph(g.nodes, "products", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info(x, TensorProto.FLOAT, shape)], g.constants)
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17),
                                                                   helper.make_opsetid("com.microsoft", 1)])
    options = rt.SessionOptions()
    options.intra_op_num_threads = THREADS
    held.update(session=rt.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"]), rows=rows,
                layers=layers)
    return {}


def products():
    """Seconds, as for all layers."""
    x = np.random.default_rng(4).standard_normal((held["rows"], w.HIDDEN), np.float32)
    start = time.perf_counter()
    held["session"].run(None, {"x": x})
    return {"s": (time.perf_counter() - start) * w.LAYERS / held["layers"]}


if __name__ == "__main__":
    serve({"open_products": open_products, "products": products})
