"""Which operators a target takes, beside what the runtime that is here takes."""

import json

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from small_files import convert

from kseg.export import operators, placement, targets
from kseg.export.operator_walk import Operator, Tensor
from kseg.export.placement import _CONDITIONS, _partitions, _rules
from kseg.quiet import quiet

MAP = (1, 8, 8, 4)


def taken_by_xnnpack(path):
    """How many operators the runtime gave to XNNPACK, and in how many parts."""
    run = Interpreter(str(path), num_threads=1)
    run.allocate_tensors()
    details = run._get_ops_details()
    parts = [op for op in details if op["op_name"] == "DELEGATE"]
    makers = {i: op for op in details if op not in parts for i in op["outputs"]}
    taken = set()
    for part in parts:
        waiting = list(part["outputs"])
        while waiting:
            tensor = waiting.pop()
            if tensor in part["inputs"] or tensor not in makers:
                continue
            maker = makers[tensor]
            if maker["index"] not in taken:
                taken.add(maker["index"])
                waiting += [i for i in maker["inputs"] if i >= 0]
    return len(taken), len(parts)


@pytest.mark.parametrize(
    ("precision", "output"),
    [
        ("float32", "logits"),
        ("float32", "class_map"),
        ("float16", "probabilities"),
        ("dynamic_range", "logits"),
        ("int8", "class_map"),
        ("int8", "probabilities"),
    ],
)
def test_xnnpack_takes_of_a_network_what_the_rules_say(exported, precision, output):
    path = exported(precision, output)
    row = placement(path)["xnnpack"]
    assert (row["taken"], row["partitions"]) == taken_by_xnnpack(path)
    assert row["operators"] == sum(operators(path).values())


FUNCTIONS = {
    "hard_swish": lambda x: x * tf.nn.relu6(x + 3) / 6,
    "five": lambda x: tf.concat([tf.nn.relu(x * i) for i in range(1, 6)], 3),
    "six": lambda x: tf.concat([tf.nn.relu(x * i) for i in range(1, 7)], 3),
    "nearest": lambda x: tf.image.resize(tf.exp(x), (16, 16), "nearest") + 1,
    "mirror": lambda x: tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "SYMMETRIC") * 2,
    "tile": lambda x: tf.tile(x * 2, (1, 1, 2, 1)) + 1,
    "pool": lambda x: tf.nn.avg_pool2d(x * 2, 2, 2, "SAME") + 1,
    "tiny": lambda x: x + 1e-7 * tf.reduce_mean(x, 3, keepdims=True),
    "softmax": lambda x: tf.nn.softmax(x * 2) + 1,
    "product": lambda x: x @ tf.transpose(tf.nn.relu(x), (0, 1, 3, 2)),
    "largest": lambda x: tf.reduce_max(x, 3, keepdims=True) + tf.maximum(x, -x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("int8", [False, True])
def test_xnnpack_takes_of_each_operator_what_the_rules_say(name, int8, tmp_path):
    path = convert(tmp_path / "a.tflite", FUNCTIONS[name], MAP, int8=int8)
    row = placement(path)["xnnpack"]
    assert row["taken"] == taken_by_xnnpack(path)[0], row["falls_back"]


def test_what_falls_back_has_a_reason_and_a_source(exported):
    path = exported("int8", "class_map")
    found = placement(path)
    assert json.loads(json.dumps(found)) == found
    assert tuple(found) == targets() == ("xnnpack", "gpu", "edge_tpu", "nnapi")
    reasons = {row["operator"]: row for row in found["gpu"]["falls_back"]}
    assert set(reasons) == {"ARG_MAX", "CAST"}
    assert reasons["CAST"]["reason"] == "does not take UINT8 here"
    assert reasons["CAST"]["source"].endswith("gpu_compatibility.cc")
    refused = {row["operator"] for row in found["edge_tpu"]["falls_back"]}
    assert refused == {"ARG_MAX", "CAST"}
    assert not found["nnapi"]["falls_back"]
    for row in found.values():
        lost = sum(each["count"] for each in row["falls_back"])
        assert row["taken"] + lost == row["operators"]
        assert row["share"] == row["accelerated"] / row["operators"]


def test_an_edge_tpu_takes_integers_up_to_the_first_refusal(exported, tmp_path):
    assert placement(exported("float32"))["edge_tpu"]["accelerated"] == 0
    path = convert(
        tmp_path / "a.tflite",
        lambda x: tf.nn.relu(tf.exp(tf.nn.relu(x * 2) + 1) - 1) * 3,
        MAP,
        int8=True,
    )
    row = placement(path)["edge_tpu"]
    assert row["partitions"] == 2 and "EXP" in operators(path)
    assert 0 < row["accelerated"] < row["taken"] == row["operators"] - 1


def test_a_gpu_pads_by_reflection_only(tmp_path):
    path = convert(tmp_path / "a.tflite", FUNCTIONS["mirror"], MAP)
    (row,) = placement(path)["gpu"]["falls_back"]
    assert row["reason"] == "pads by REFLECT only, not SYMMETRIC"


def test_parts_are_counted_as_the_runtime_does():
    tensor = Tensor("FLOAT32", MAP, 0.0, 0, False, ())

    def op(reads, writes):
        both = ((tensor,) * len(reads), (tensor,) * len(writes))
        return Operator("ADD", reads, writes, *both, (1, 1), None)

    # A diamond: the refused branch does not cut the other one in two.
    walked = [op((0,), (1,)), op((1,), (2,)), op((1,), (3,)), op((2, 3), (4,))]
    assert _partitions(walked, [True, False, True, True]) == [2, 1]
    assert _partitions(walked, [False, True, True, True]) == [3]
    assert _partitions(walked, [True] * 4) == [4]
    assert _partitions(walked, [False] * 4) == []


def test_the_data_file_speaks_of_operators_and_conditions_that_exist():
    for target in _rules().values():
        assert set(target) == {
            "title", "source", "code", "as_of", "keeps", "unlisted", "always",
            "operators",
        }  # fmt: skip
        assert target["source"].startswith("https://")
        for name, rule in target["operators"].items():
            assert hasattr(schema.BuiltinOperator, name), name
            assert set(rule) <= {*_CONDITIONS, "source", "uncertain"}, name
            kinds = {*rule.get("types", ()), *target["always"]["types"]}
            assert all(hasattr(schema.TensorType, kind) for kind in kinds)


@pytest.mark.parametrize("depthwise", [False, True])
def test_xnnpack_takes_of_weights_of_a_byte_what_the_rules_say(depthwise, tmp_path):
    kernel = np.random.default_rng(0).normal(0, 1, (3, 3, 128, 16)).astype("float32")

    def function(x):
        if depthwise:
            kernels = kernel[..., :1]
            return tf.nn.depthwise_conv2d(x + 1, kernels, (1, 1, 1, 1), "SAME")
        return tf.nn.conv2d(x + 1, kernel, 1, "SAME")

    spec = tf.TensorSpec((1, 8, 8, 128), tf.float32)
    concrete = tf.function(function).get_concrete_function(spec)
    with quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [concrete], tf.Module()
        )
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        path = tmp_path / "a.tflite"
        path.write_bytes(converter.convert())
    row = placement(path)["xnnpack"]
    assert row["taken"] == taken_by_xnnpack(path)[0] == (1 if depthwise else 2)
