# SPDX-License-Identifier: MIT
"""OpenVINO: the tower in bf16, and the decoder's matrix products with 8-bit weights (a lower bound of its prompt time:
no attention, norms or head)."""
import sys
import time

import numpy as np
import openvino as ov
from openvino import opset13 as op

import weights as w
from worker import serve

THREADS = int(sys.argv[1])
held = {}


def compiled(outputs, inputs, **more):
    config = {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "bf16", **more}
    return ov.Core().compile_model(ov.Model(outputs, inputs), "CPU", config)


def constant(folder, name):
    return op.constant(folder.f32(name))


def dense(folder, x, name):
    product = op.matmul(x, constant(folder, name + ".weight"), False, True)
    return op.add(product, constant(folder, name + ".bias"))


def norm(folder, x, name):
    plain = op.mvn(x, op.constant(np.array([-1])), True, 1e-5, "inside_sqrt")
    return op.add(op.multiply(plain, constant(folder, name + ".weight")), constant(folder, name + ".bias"))


def heads(x, n):
    split = op.reshape(x, op.constant(np.array([0, 0, n, -1])), True)
    return op.transpose(split, op.constant(np.array([0, 2, 1, 3])))


def open_tower(folder, batch):
    """23 layers and the projector over 2x2 patches, as the model has them."""
    f = w.Folder(folder)
    pixels = op.parameter([batch, 3, 336, 336], np.float32)
    patches = op.convolution(pixels, constant(f, w.TOWER + "embeddings.patch_embedding.weight"), [w.PATCH, w.PATCH],
                             [0, 0], [0, 0], [1, 1])
    x = op.transpose(op.reshape(patches, op.constant(np.array([0, w.VISION, -1])), True), op.constant(np.array([0, 2, 1])))
    first = np.broadcast_to(f.f32(w.TOWER + "embeddings.class_embedding"), (batch, 1, w.VISION))
    x = op.add(op.concat([op.constant(np.ascontiguousarray(first)), x], 1),
               constant(f, w.TOWER + "embeddings.position_embedding.weight"))
    x = norm(f, x, w.TOWER + "pre_layrnorm")
    for j in range(w.VISION_LAYERS - 1):
        p = f"{w.TOWER}encoder.layers.{j}."
        y = norm(f, x, p + "layer_norm1")
        q, k, v = (heads(dense(f, y, p + f"self_attn.{n}_proj"), 16) for n in "qkv")
        y = op.scaled_dot_product_attention(q, k, v)
        y = op.reshape(op.transpose(y, op.constant(np.array([0, 2, 1, 3]))), op.constant(np.array([0, 0, w.VISION])), True)
        x = op.add(x, dense(f, y, p + "self_attn.out_proj"))
        y = dense(f, norm(f, x, p + "layer_norm2"), p + "mlp.fc1")
        y = op.multiply(y, op.sigmoid(op.multiply(y, op.constant(np.float32(1.702)))))
        x = op.add(x, dense(f, y, p + "mlp.fc2"))
    at = [op.constant(np.array([n])) for n in (1, w.PATCHES * w.PATCHES + 1, 1, 1)]
    x = op.slice(x, *at)
    x = op.reshape(x, op.constant(np.array([0, 144, 4 * w.VISION])), True)
    x = op.gelu(dense(f, x, "model.vision_embed_tokens.img_projection.0"), "ERF")
    x = dense(f, x, "model.vision_embed_tokens.img_projection.2")
    held["tower"], held["batch"] = compiled([x], [pixels]), batch
    return {}


def vision(crops):
    """In batches of what the tower was opened for; the last one may be partly idle work, so choose a divisor."""
    pixels = np.random.default_rng(3).standard_normal((held["batch"], 3, 336, 336), np.float32)
    if crops % held["batch"]:
        raise ValueError(f"{crops} crops are no multiple of {held['batch']}")
    request = held["tower"].create_infer_request()
    start = time.perf_counter()
    for _ in range(crops // held["batch"]):
        request.infer({0: pixels}, share_inputs=True)
    return {"s": time.perf_counter() - start}


def int8_matrix(words):
    """One scale an output, as its own compression makes them."""
    values = w.to_f32(np.asarray(words))
    scale = np.abs(values).max(1, keepdims=True) / 127
    return op.multiply(op.convert(op.constant(np.round(values / scale).astype(np.int8)), np.float32),
                       op.constant(scale.astype(np.float32)))


def open_products(folder, rows, layers):
    """The four products of `layers` decoder layers, each a function of the one before; distinct weights."""
    f = w.Folder(folder)
    x = first = op.parameter([rows, w.HIDDEN], np.float32)
    for i in range(layers):
        p = f"model.layers.{i}."
        qkv = op.matmul(x, int8_matrix(f[p + "self_attn.qkv_proj.weight"]), False, True)
        part = op.slice(qkv, op.constant(np.array([0])), op.constant(np.array([w.HIDDEN])), op.constant(np.array([1])),
                        op.constant(np.array([1])))
        y = op.matmul(part, int8_matrix(f[p + "self_attn.o_proj.weight"]), False, True)
        both = op.matmul(y, int8_matrix(f[p + "mlp.gate_up_proj.weight"]), False, True)
        half = op.slice(both, op.constant(np.array([0])), op.constant(np.array([w.INTER])), op.constant(np.array([1])),
                        op.constant(np.array([1])))
        x = op.matmul(half, int8_matrix(f[p + "mlp.down_proj.weight"]), False, True)
    held["products"] = compiled([x], [first], DYNAMIC_QUANTIZATION_GROUP_SIZE=32)
    held["rows"], held["layers"] = rows, layers
    return {}


def products():
    """Seconds, as for all layers."""
    x = np.random.default_rng(4).standard_normal((held["rows"], w.HIDDEN), np.float32)
    request = held["products"].create_infer_request()
    start = time.perf_counter()
    request.infer({0: x}, share_inputs=True)
    return {"s": (time.perf_counter() - start) * w.LAYERS / held["layers"]}


def close():
    held.clear()
    return {}


if __name__ == "__main__":
    serve({"open_tower": open_tower, "vision": vision, "open_products": open_products, "products": products, "close": close})
