"""Two ONNX graphs that decode fast, made from the model's files as they are shipped.

As shipped (onnxruntime's own format), the weights are int8, but every matrix is unpacked to float at every step, and
the decoder is two graphs under an ``If``: one for the first step, one for all later steps. This module

- has onnxruntime write the files back as ONNX;
- takes the later-steps branch as the decoder: with an empty past it does the first step just as well;
- moves the projection of the encoder's output to the decoder's cross-attention keys and values into the encoder: once
  per pass, not once per token;
- lets ``DynamicQuantizeMatMul`` use the int8 weights as they are;
- gives the decoder one more output, ``attention``: what the heads that follow time looked at (see `words`).
"""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime as ort
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

TIME_HEADS = ((5, 5), (5, 1), (5, 4))
"""(layer, head) of the cross-attention heads that follow time best, of all 64 (see docs/engine.md)."""

HIDDEN = "encoder_hidden_states"
"""The decoder graph's name for what the encoder heard."""


def convert(source: Path, target: Path, heads: tuple[tuple[int, int], ...] = TIME_HEADS) -> None:
    """Writes ``encoder.onnx`` and ``decoder.onnx`` into ``target``, from the ``.ort`` files in ``source``."""
    encoder = read_ort(source / "encoder_model.ort")
    decoder = read_ort(source / "decoder_model_merged.ort")
    onnx.save(model(quantize(encoder_graph(encoder.graph, decoder.graph))), target / "encoder.onnx")
    onnx.save(model(quantize(decoder_graph(decoder.graph, heads))), target / "decoder.onnx")


def read_ort(path: Path) -> ModelProto:
    """The ONNX model in a file of onnxruntime's own format: onnxruntime itself writes it back."""
    with TemporaryDirectory() as folder:
        written = Path(folder) / "model.onnx"
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.optimized_model_filepath = str(written)
        options.log_severity_level = 3
        options.add_session_config_entry("session.save_model_format", "ONNX")
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return onnx.load(written)


def encoder_graph(encoder: GraphProto, decoder: GraphProto) -> GraphProto:
    """Samples in, the decoder's cross-attention keys and values out, named as the decoder's inputs are."""
    nodes, weights = branch(decoder, "else_branch")
    made_by = {name: node for node in nodes for name in node.output}
    cross = [output for output in decoder.output if ".encoder." in output.name]
    shape = cross[0].type.tensor_type.shape.dim
    heads, width = shape[1].dim_value, shape[3].dim_value

    added = [helper.make_node("Identity", [encoder.output[0].name], [HIDDEN])]
    shapes = [numpy_helper.from_array(np.array([1, -1, heads, width], np.int64), "cross_shape")]
    outputs = []
    for output in cross:
        projection = made_by[output.name]
        while projection.op_type != "MatMul":
            projection = made_by[projection.input[0]]
        if projection.input[0] != HIDDEN:
            raise ValueError(f"{output.name} is not a projection of {HIDDEN}: another version of the model?")
        name = output.name.replace("present", "past_key_values")
        added += [
            helper.make_node("MatMul", [HIDDEN, f"cross/{projection.input[1]}"], [f"{name}/flat"]),
            helper.make_node("Reshape", [f"{name}/flat", "cross_shape"], [f"{name}/heads"]),
            helper.make_node("Transpose", [f"{name}/heads"], [name], perm=[0, 2, 1, 3]),
        ]
        outputs.append(renamed(output, name))
    prefixed_nodes, prefixed_weights = prefixed("cross/", nodes, weights)
    return pruned(
        "encoder", encoder.input, outputs, [*encoder.node, *added, *prefixed_nodes],
        [*encoder.initializer, *shapes, *prefixed_weights],
    )  # fmt: skip


def decoder_graph(decoder: GraphProto, heads: Iterable[tuple[int, int]]) -> GraphProto:
    """Tokens and the past in, logits and the longer past out, and ``attention`` (heads, tokens, frames)."""
    nodes, weights = branch(decoder, "then_branch")
    outputs = [output for output in decoder.output if output.name == "logits" or ".decoder." in output.name]
    looks = []
    for layer, head in heads:
        (softmax,) = [node for node in nodes if node.name.endswith(f"layers.{layer}/encoder_attn/Softmax")]
        looks.append(f"attention/{layer}/{head}")
        weights.append(numpy_helper.from_array(np.array([head], np.int64), f"{looks[-1]}/index"))
        nodes.append(helper.make_node("Gather", [softmax.output[0], f"{looks[-1]}/index"], [looks[-1]], axis=1))
    nodes.append(helper.make_node("Concat", looks, ["attention/all"], axis=1))
    weights.append(numpy_helper.from_array(np.array([0], np.int64), "attention/batch"))
    nodes.append(helper.make_node("Squeeze", ["attention/all", "attention/batch"], ["attention"]))
    outputs.append(helper.make_tensor_value_info("attention", TensorProto.FLOAT, [len(looks), "tokens", "frames"]))
    return pruned("decoder", decoder.input, outputs, nodes, weights)


def branch(merged: GraphProto, name: str) -> tuple[list[NodeProto], list[TensorProto]]:
    """The nodes and weights of one branch of the graph's only ``If``, with the graph's own output names."""
    (chosen,) = [node for node in merged.node if node.op_type == "If"]
    (graph,) = [attribute.g for attribute in chosen.attribute if attribute.name == name]
    shared = [node for node in merged.node if node.op_type != "If"]
    names = [
        helper.make_node("Identity", [inner.name], [outer.name])
        for inner, outer in zip(graph.output, merged.output, strict=True)
        if inner.name != outer.name
    ]
    return [*shared, *graph.node, *names], [*merged.initializer, *graph.initializer]


def prefixed(
    prefix: str, nodes: Iterable[NodeProto], weights: Iterable[TensorProto]
) -> tuple[list[NodeProto], list[TensorProto]]:
    """Copies with ``prefix`` before every name, so that two graphs can live in one."""
    new_nodes, new_weights = [], []
    for node in nodes:
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.input[:] = [f"{prefix}{name}" if name else "" for name in node.input]
        copy.output[:] = [f"{prefix}{name}" if name else "" for name in node.output]
        new_nodes.append(copy)
    for weight in weights:
        tensor = TensorProto()
        tensor.CopyFrom(weight)
        tensor.name = f"{prefix}{weight.name}"
        new_weights.append(tensor)
    return new_nodes, new_weights


def renamed(value: ValueInfoProto, name: str) -> ValueInfoProto:
    """A copy of ``value`` under another name."""
    copy = ValueInfoProto()
    copy.CopyFrom(value)
    copy.name = name
    return copy


def quantize(graph: GraphProto) -> GraphProto:
    """The graph without the unpacking of its weight matrices: they are multiplied as int8.

    Shipped is ``float = Cast(int8) * scale + offset``; ``DynamicQuantizeMatMul`` wants a scale and a zero point.
    The embedding is looked up, not multiplied; its unpacking stays, and onnxruntime does it once, at load.
    """
    weights = {weight.name: weight for weight in graph.initializer}
    users: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    replaced: dict[str, NodeProto] = {}
    for cast in graph.node:
        if cast.op_type != "Cast" or cast.input[0] not in weights:
            continue
        packed = weights[cast.input[0]]
        if packed.data_type not in (TensorProto.INT8, TensorProto.UINT8):
            continue
        scaled = users[cast.output[0]][0]
        shifted = users[scaled.output[0]][0]
        products = users.get(shifted.output[0], [])
        if not products or any(n.op_type != "MatMul" or n.input[1] != shifted.output[0] for n in products):
            continue
        scale, zero = quantization(packed, constant(scaled, weights), constant(shifted, weights))
        weights |= {scale.name: scale, zero.name: zero}
        for product in products:
            replaced[product.output[0]] = helper.make_node(
                "DynamicQuantizeMatMul", [product.input[0], packed.name, scale.name, zero.name], list(product.output),
                domain="com.microsoft",
            )  # fmt: skip
    nodes = [replaced.get(node.output[0], node) for node in graph.node]
    return pruned(graph.name, graph.input, graph.output, nodes, weights.values())


def constant(node: NodeProto, weights: dict[str, TensorProto]) -> float:
    """The one number among the inputs of ``node``."""
    (value,) = [numpy_helper.to_array(weights[name]).ravel() for name in node.input if name in weights]
    return float(value[0])


def quantization(packed: TensorProto, scale: float, offset: float) -> tuple[TensorProto, TensorProto]:
    """Scale and zero point of a matrix: ``offset = -zero * scale``."""
    kind = helper.tensor_dtype_to_np_dtype(packed.data_type)
    limits = np.iinfo(kind)
    zero = max(limits.min, min(limits.max, round(-offset / scale)))
    return (
        numpy_helper.from_array(np.array(scale, np.float32), f"{packed.name}/scale"),
        numpy_helper.from_array(np.array(zero, kind), f"{packed.name}/zero"),
    )


def pruned(
    name: str,
    inputs: Iterable[ValueInfoProto],
    outputs: Iterable[ValueInfoProto],
    nodes: Iterable[NodeProto],
    weights: Iterable[TensorProto],
) -> GraphProto:
    """A graph of only what ``outputs`` need, in an order in which it can run."""
    given = {value.name: value for value in inputs}
    constants = {weight.name: weight for weight in weights}
    made_by = {name: node for node in nodes for name in node.output if name}
    outputs = list(outputs)
    order: list[NodeProto] = []
    done: set[str] = set()
    used: set[str] = set()

    waiting = [(output.name, False) for output in reversed(outputs)]
    while waiting:  # depth first, without recursion: the graphs are deeper than Python's stack
        wanted, ready = waiting.pop()
        if ready:
            order.append(made_by[wanted])
            continue
        if wanted in done:
            continue
        if wanted in given or wanted in constants:
            used.add(wanted)
            done.add(wanted)
            continue
        if wanted not in made_by:
            raise ValueError(f"Nothing makes {wanted!r}, which {name} needs: another version of the model?")
        node = made_by[wanted]
        done.update(node.output)
        waiting.append((wanted, True))
        waiting.extend((source, False) for source in node.input if source)
    return helper.make_graph(
        order, name, [value for key, value in given.items() if key in used], outputs,
        [weight for key, weight in constants.items() if key in used],
    )  # fmt: skip


def model(graph: GraphProto) -> ModelProto:
    """The graph with the operator sets that it is written in."""
    opsets = [helper.make_opsetid("", 14), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(graph, opset_imports=opsets)
    made.ir_version = 8
    return made
