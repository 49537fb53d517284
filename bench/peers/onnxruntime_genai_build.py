# SPDX-License-Identifier: MIT
"""ONNX Runtime GenAI's builder in less memory; the arguments are the builder's. By itself it makes f32 of all weights
before it quantizes the first, which takes more than 18 GB for this model. Here its own quantizer gets one product after the
other, with the same options, and makes the same tensors of them."""
import runpy

import onnx
import onnx_ir as ir
import onnxruntime_genai.models  # noqa: F401 - puts the builder's folder where the next line looks
from builders import base


def quantized(model, node):
    """The node that takes the place of a product, and its tensors. All are copies: a part of a message keeps the whole of
    it in memory, and so the weights in f32."""
    graph = onnx.helper.make_graph([ir.to_proto(node)], "product", [], [], [ir.to_proto(node.inputs[1].const_value)])
    options = model.quant_attrs
    quantizer = base.MatMulNBitsQuantizer(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)]), bits=options["bits"],
        block_size=options["matmul_block_size"], is_symmetric=options["is_symmetric"],
        accuracy_level=options["accuracy_level"], nodes_to_exclude=list(options["nodes_to_exclude"]),
        quant_format=base.QuantFormat.QOperator, op_types_to_quantize=options["op_types_to_quantize"])
    quantizer.process()
    graph = quantizer.model.model.graph
    tensors = {tensor.name: ir.tensor(onnx.numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    new = onnx.NodeProto()
    new.CopyFrom(graph.node[0])
    return new, tensors


def replace(graph, node, proto, tensors):
    values = [node.inputs[0]]
    for name in proto.input[1:]:
        tensor = tensors[name]
        values.append(ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=tensor.shape, const_value=tensor))
        graph.register_initializer(values[-1])
    attributes = [ir.from_proto(attribute) for attribute in proto.attribute]
    new = ir.Node(proto.domain, proto.op_type, values, attributes, name=proto.name)
    weight = node.inputs[1].name
    ir.convenience.replace_nodes_and_values(graph, node, [node], [new], node.outputs, new.outputs)
    del graph.initializers[weight]


def to_nbits(model):
    special = model.quant_attrs["use_qdq"] or getattr(model, "int4_customized_weight_config", None)
    if special or getattr(model, "quantization_algo", "default") != "default":
        raise NotImplementedError("the builder was asked for more than its default")
    graph = model.model.graph
    for node in list(graph):
        if node.op_type == "MatMul" and node.inputs[1].const_value is not None:
            replace(graph, node, *quantized(model, node))
    return by_itself(model)


if __name__ == "__main__":
    by_itself, base.Model.to_nbits = base.Model.to_nbits, to_nbits
    runpy.run_module("onnxruntime_genai.models.builder", run_name="__main__")
