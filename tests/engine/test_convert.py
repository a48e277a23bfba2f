import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import GraphProto, TensorProto, helper, numpy_helper

from causal.engine.convert import branch, model, prefixed, pruned, quantize

RNG = np.random.default_rng(7)
PACKED = RNG.integers(-128, 128, (8, 4)).astype(np.int8)
SCALE, OFFSET = 0.02, 0.3
GIVEN = RNG.normal(size=(3, 8)).astype(np.float32)


def tensor(name: str, value: object) -> TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def value(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def unpacked_product() -> GraphProto:
    """``x @ (Cast(packed) * scale + offset)``, as the model is shipped."""
    nodes = [
        helper.make_node("Cast", ["packed"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["matrix"]),
        helper.make_node("MatMul", ["x", "matrix"], ["y"]),
    ]
    weights = [
        tensor("packed", PACKED),
        tensor("scale", np.float32(SCALE)),
        tensor("offset", np.float32(OFFSET)),
        tensor("unused", PACKED),
    ]
    return helper.make_graph(nodes, "product", [value("x", ["n", 8])], [value("y", ["n", 4])], weights)


def run(graph: GraphProto, **inputs: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(model(graph).SerializeToString(), providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, inputs)[0]
    return result


def test_weights_are_multiplied_as_they_are_packed():
    graph = quantize(unpacked_product())
    assert [node.op_type for node in graph.node] == ["DynamicQuantizeMatMul"]
    assert {weight.name for weight in graph.initializer} == {"packed", "packed/scale", "packed/zero"}
    exact = GIVEN @ (PACKED.astype(np.float32) * SCALE + OFFSET)
    assert np.abs(run(graph, x=GIVEN) - exact).max() < 0.02 * np.abs(exact).max()


def test_a_matrix_that_is_also_looked_up_stays_as_it_is():
    graph = unpacked_product()
    graph.node.append(helper.make_node("Identity", ["matrix"], ["rows"]))
    graph.output.append(value("rows", [8, 4]))
    assert np.allclose(run(quantize(graph), x=GIVEN), run(unpacked_product(), x=GIVEN))
    assert "DynamicQuantizeMatMul" not in {node.op_type for node in quantize(graph).node}


def test_a_pruned_graph_has_what_its_outputs_need_in_an_order_that_runs():
    graph = unpacked_product()
    mixed = [*reversed(graph.node), helper.make_node("Neg", ["y"], ["minus"])]
    kept = pruned("kept", [*graph.input, value("z", [1])], graph.output, mixed, graph.initializer)
    assert [given.name for given in kept.input] == ["x"]
    assert "unused" not in {weight.name for weight in kept.initializer}
    assert np.allclose(run(kept, x=GIVEN), run(graph, x=GIVEN))


def test_a_missing_part_is_named():
    graph = unpacked_product()
    with pytest.raises(ValueError, match="Nothing makes 'matrix'"):
        pruned("broken", graph.input, graph.output, list(graph.node)[3:], graph.initializer)


def test_a_branch_has_the_names_of_the_whole():
    inner = helper.make_graph([helper.make_node("Neg", ["x"], ["inner"])], "then", [], [value("inner", ["n", 8])])
    other = helper.make_graph([helper.make_node("Abs", ["x"], ["other"])], "else", [], [value("other", ["n", 8])])
    merged = helper.make_graph(
        [helper.make_node("If", ["condition"], ["y"], then_branch=inner, else_branch=other)],
        "merged",
        [value("x", ["n", 8]), helper.make_tensor_value_info("condition", TensorProto.BOOL, [])],
        [value("y", ["n", 8])],
    )
    for name, expected in (("then_branch", -GIVEN), ("else_branch", np.abs(GIVEN))):
        nodes, weights = branch(merged, name)
        assert np.array_equal(run(pruned(name, merged.input, merged.output, nodes, weights), x=GIVEN), expected)


def test_prefixed_copies_do_not_touch_the_original():
    graph = unpacked_product()
    nodes, weights = prefixed("p/", graph.node, graph.initializer)
    assert list(nodes[3].input) == ["p/x", "p/matrix"]
    assert weights[0].name == "p/packed"
    assert list(graph.node[3].input) == ["x", "matrix"]
    assert graph.initializer[0].name == "packed"
